"""From noise to data: each sampler is a generator over a grid of times.

All take the same four things, and the stochastic ones a generator too:

denoiser : callable
    (x, t) -> x0, the estimate of the data: ``x`` and x0 of one shape, ``t`` a scalar tensor.
    `objective.as_denoiser` makes one from a network, so every sampler runs on every path and
    prediction type.
x : Tensor (B, ...)
    The start: at t = 1, standard normal noise.
times : Tensor (steps + 1,)
    float64, from high to low, in [0, 1]; see `path.grid`.
path : Path
    The coefficients alpha and sigma.
generator : torch.Generator
    Where all noise comes from.

They yield a `State` after every step; the last one's ``x`` is the sample.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from praxino.diffusion.path import Path, log_snr
from praxino.errors import InputError

Denoiser = Callable[[Tensor, Tensor], Tensor]
SpanDenoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
Sampler = Callable[..., Iterator["State"]]


@dataclass(frozen=True)
class State:
    """After step ``step`` (from 1) of ``steps``: the sample ``x`` at time ``t`` and the latest
    estimate of the data.
    """

    step: int
    steps: int
    t: Tensor
    x: Tensor
    x0: Tensor


def _pairs(times: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(step, from, to), step from 1."""
    for i in range(len(times) - 1):
        yield i + 1, times[i], times[i + 1]


def standard_normal(x: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of the shape, dtype and device of ``x``, drawn on the generator's device."""
    return torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(
        x.device
    )


def _spread(path: Path, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Variance of x_t given x_s, and of x_s given x_t and x0 (Kingma et al., arXiv 2107.00630,
    appendix A).
    """
    forward = path.sigma(t) ** 2 - (path.alpha(t) / path.alpha(s)) ** 2 * path.sigma(s) ** 2
    return forward, forward * path.sigma(s) ** 2 / path.sigma(t) ** 2


def ddpm(
    denoiser: Denoiser, x: Tensor, times: Tensor, path: Path, generator: torch.Generator
) -> Iterator[State]:
    """Ancestral sampling with the true posterior (Ho et al., arXiv 2006.11239, eq. 6-7), on any
    grid of times.

    Between neighbouring steps of the discrete chain it is that chain's reverse step with the
    smaller variance.
    """
    steps = len(times) - 1
    for step, t, s in _pairs(times):
        x0 = denoiser(x, t)
        forward, posterior = _spread(path, t, s)
        keep = path.alpha(t) / path.alpha(s) * (path.sigma(s) / path.sigma(t)) ** 2
        take = path.alpha(s) * forward / path.sigma(t) ** 2
        x = keep.to(x.dtype) * x + take.to(x.dtype) * x0
        if posterior > 0:
            x = x + posterior.sqrt().to(x.dtype) * standard_normal(x, generator)
        yield State(step, steps, s, x, x0)


def ddim(
    denoiser: Denoiser,
    x: Tensor,
    times: Tensor,
    path: Path,
    generator: torch.Generator | None = None,
    eta: float = 0.0,
) -> Iterator[State]:
    """DDIM (Song et al., arXiv 2010.02502, eq. 12 and 16).

    Parameters
    ----------
    generator : torch.Generator, optional
        Needed if ``eta`` is above 0.
    eta : float
        0 to 1: 0 is deterministic, 1 is ancestral sampling.

    Raises
    ------
    InputError
        If ``eta`` is above 0 without a generator.
    """
    if eta and generator is None:
        raise InputError(
            f"eta={eta}: needs a generator", "ddim(..., generator=torch.Generator().manual_seed(0))"
        )
    steps = len(times) - 1
    for step, t, s in _pairs(times):
        x0 = denoiser(x, t)
        eps = (x - path.alpha(t).to(x.dtype) * x0) / path.sigma(t).to(x.dtype)
        variance = eta**2 * _spread(path, t, s)[1] if eta else torch.zeros_like(s)
        direction = (path.sigma(s) ** 2 - variance).clamp_min(0).sqrt()
        x = path.alpha(s).to(x.dtype) * x0 + direction.to(x.dtype) * eps
        if generator is not None and variance > 0:
            x = x + variance.sqrt().to(x.dtype) * standard_normal(x, generator)
        yield State(step, steps, s, x, x0)


def invert(denoiser: Denoiser, x: Tensor, times: Tensor, path: Path) -> Iterator[State]:
    """DDIM inversion: from data up to the noise that `ddim` would make it of.

    Parameters
    ----------
    x : Tensor (B, ...)
        Data, taken to be at the first of ``times``.
    times : Tensor (steps + 1,)
        Rising, from just above 0 (1e-3, say): at 0 itself nothing can be said about the noise.

    Raises
    ------
    InputError
        If ``times`` begin where there is no noise.
    """
    if path.sigma(times[0]) <= 0:
        raise InputError(
            f"times begin at {float(times[0]):g}: must begin above 0", "torch.linspace(1e-3, 1, 51)"
        )
    return ddim(denoiser, x, times, path)


def _drift(x: Tensor, x0: Tensor, t: Tensor, path: Path) -> Tensor:
    """dx/dt of the probability-flow ODE: alpha' x0 + sigma' eps."""
    rise_alpha, rise_sigma = (rate.to(x.dtype) for rate in path.slope(t))
    eps = (x - path.alpha(t).to(x.dtype) * x0) / path.sigma(t).to(x.dtype)
    return rise_alpha * x0 + rise_sigma * eps


def euler(denoiser: Denoiser, x: Tensor, times: Tensor, path: Path) -> Iterator[State]:
    """Euler's method on the probability-flow ODE: first order. On `Flow`, what flow-matching models
    usually run.
    """
    steps = len(times) - 1
    for step, t, s in _pairs(times):
        x0 = denoiser(x, t)
        x = x + (s - t).to(x.dtype) * _drift(x, x0, t, path)
        yield State(step, steps, s, x, x0)


def flow_map(denoiser: SpanDenoiser, x: Tensor, times: Tensor, path: Path) -> Iterator[State]:
    """Steps of any length, by a network that is told where each of them ends, and predicts its mean
    velocity (MeanFlow, Geng et al., arXiv 2505.13447, eq. 3; AnyFlow's any number of steps).

    Parameters
    ----------
    denoiser : callable
        (x, t, s) -> x0: the data, if the flow went on beyond s as it goes on the whole from t to s.
    """
    steps = len(times) - 1
    for step, t, s in _pairs(times):
        x0 = denoiser(x, t, s)
        x = x + (s - t).to(x.dtype) * _drift(x, x0, t, path)
        yield State(step, steps, s, x, x0)


def heun(denoiser: Denoiser, x: Tensor, times: Tensor, path: Path) -> Iterator[State]:
    """Heun's method: second order, two evaluations a step (Karras et al., arXiv 2206.00364, alg.
    1).

    The step into t = 0 is plain Euler.
    """
    steps = len(times) - 1
    for step, t, s in _pairs(times):
        x0 = denoiser(x, t)
        slope = _drift(x, x0, t, path)
        ahead = x + (s - t).to(x.dtype) * slope
        if path.sigma(s) > 0:
            slope = (slope + _drift(ahead, denoiser(ahead, s), s, path)) / 2
            ahead = x + (s - t).to(x.dtype) * slope
        x = ahead
        yield State(step, steps, s, x, x0)


def _extrapolate(x0: Tensor, last: Tensor | None, ratio: Tensor | None) -> Tensor:
    """The data estimate half a step ahead, from this and the last one; ``ratio`` is last over
    present step size.
    """
    if last is None or ratio is None:
        return x0
    return x0 + (x0 - last) / (2 * ratio.to(x0.dtype))


def dpmpp_2m(denoiser: Denoiser, x: Tensor, times: Tensor, path: Path) -> Iterator[State]:
    """DPM-Solver++ 2M (Lu et al., arXiv 2211.01095, alg. 2): second order, one evaluation a step.

    The step into t = 0 is of first order.
    """
    steps = len(times) - 1
    lam = log_snr(path, times)
    last: Tensor | None = None
    for step, t, s in _pairs(times):
        h = lam[step] - lam[step - 1]
        x0 = denoiser(x, t)
        ratio = (lam[step - 1] - lam[step - 2]) / h if step > 1 and path.sigma(s) > 0 else None
        ahead = _extrapolate(x0, last, ratio)
        x = (path.sigma(s) / path.sigma(t)).to(x.dtype) * x - (path.alpha(s) * torch.expm1(-h)).to(
            x.dtype
        ) * ahead
        last = x0
        yield State(step, steps, s, x, x0)


def dpmpp_2m_sde(
    denoiser: Denoiser, x: Tensor, times: Tensor, path: Path, generator: torch.Generator
) -> Iterator[State]:
    """SDE-DPM-Solver++ 2M (Lu et al., arXiv 2211.01095, section 5): the same with fresh noise at
    every step.
    """
    steps = len(times) - 1
    lam = log_snr(path, times)
    last: Tensor | None = None
    for step, t, s in _pairs(times):
        h = lam[step] - lam[step - 1]
        x0 = denoiser(x, t)
        ratio = (lam[step - 1] - lam[step - 2]) / h if step > 1 and path.sigma(s) > 0 else None
        ahead = _extrapolate(x0, last, ratio)
        fresh = -torch.expm1(-2 * h)  # the part of the variance that is drawn anew
        x = (path.sigma(s) / path.sigma(t) * torch.exp(-h)).to(x.dtype) * x + (
            path.alpha(s) * fresh
        ).to(x.dtype) * ahead
        if path.sigma(s) > 0:
            x = x + (path.sigma(s) * fresh.sqrt()).to(x.dtype) * standard_normal(x, generator)
        last = x0
        yield State(step, steps, s, x, x0)


def unipc(denoiser: Denoiser, x: Tensor, times: Tensor, path: Path) -> Iterator[State]:
    """UniPC-2 with B(h) = e^h - 1 (Zhao et al., arXiv 2302.04867, alg. 5-6), one evaluation a step.

    The estimate made for the predicted point corrects it and then serves the next prediction; the
    step into t = 0 is of first order and not corrected.
    """
    steps = len(times) - 1
    lam = log_snr(path, times)
    x0, last = denoiser(x, times[0]), None
    ratio: Tensor | None = None  # where the last estimate lies, in units of this step (negative)
    for step, t, s in _pairs(times):
        h = lam[step] - lam[step - 1]
        final = step == steps
        ratio = (lam[step - 2] - lam[step - 1]) / h if last is not None and not final else None
        gain = (path.alpha(s) * torch.expm1(-h)).to(x.dtype)
        base = (path.sigma(s) / path.sigma(t)).to(x.dtype) * x - gain * x0
        bend = (
            (last - x0) / ratio.to(x.dtype)
            if last is not None and ratio is not None
            else torch.zeros_like(x0)
        )
        x = base - gain * bend / 2
        estimate = x0
        if not final:
            estimate = denoiser(x, s)
            past, present = _unipc_weights(-h, ratio)
            x = base - gain * (past.to(x.dtype) * bend + present.to(x.dtype) * (estimate - x0))
        last, x0 = x0, estimate
        yield State(step, steps, s, x, x0)


def _unipc_weights(h: Tensor, ratio: Tensor | None) -> tuple[Tensor, Tensor]:
    """The corrector's weights on the past and the present difference: two order conditions solved
    (eq. 9).
    """
    half = torch.full_like(h, 0.5)
    if ratio is None:
        return torch.zeros_like(h), half
    phi_1 = torch.expm1(h)
    phi_2 = phi_1 / h - 1
    phi_3 = phi_2 / h - 0.5
    first, second = phi_2 / phi_1, 2 * phi_3 / phi_1
    # past + present = first;  ratio * past + present = second
    past = (second - first) / (ratio - 1)
    return past, first - past


SamplerName = Literal["ddpm", "ddim", "euler", "heun", "dpm++2m", "dpm++2m-sde", "unipc"]
SAMPLERS: Final[dict[SamplerName, Sampler]] = {
    "ddpm": ddpm,
    "ddim": ddim,
    "euler": euler,
    "heun": heun,
    "dpm++2m": dpmpp_2m,
    "dpm++2m-sde": dpmpp_2m_sde,
    "unipc": unipc,
}
STOCHASTIC: Final[frozenset[SamplerName]] = frozenset({"ddpm", "dpm++2m-sde"})
"""Samplers that take a generator."""
EVALUATIONS: Final[dict[str, int]] = {"heun": 2}
"""Evaluations of the network in a step, where that is not one."""
