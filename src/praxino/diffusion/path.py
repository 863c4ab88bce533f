"""Paths from data to noise: ``x_t = alpha(t) x0 + sigma(t) eps``, t = 0 data, t = 1 noise.

A path is its two coefficients and their derivatives; everything else follows. Time is a float
tensor of any shape.
"""

import math
from collections.abc import Callable
from typing import Final, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

TINY: Final = 1e-6
"""Least alpha or sigma inside a logarithm: where a path ends, its log-SNR stays finite."""


@runtime_checkable
class Path(Protocol):
    """A noise schedule in continuous time."""

    def alpha(self, t: Tensor) -> Tensor: ...

    def sigma(self, t: Tensor) -> Tensor: ...

    def slope(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """d alpha / dt and d sigma / dt."""


class Flow:
    """Rectified flow (Liu et al., arXiv 2209.03003): alpha = 1 - t, sigma = t."""

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t

    def sigma(self, t: Tensor) -> Tensor:
        return t

    def slope(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return -torch.ones_like(t), torch.ones_like(t)


class _VariancePreserving:
    """alpha**2 + sigma**2 = 1; a subclass says what log alpha is, and its derivative."""

    def log_alpha(self, t: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError("abstract")

    def alpha(self, t: Tensor) -> Tensor:
        return self.log_alpha(t)[0].exp()

    def sigma(self, t: Tensor) -> Tensor:
        return (-torch.expm1(2 * self.log_alpha(t)[0])).clamp_min(0).sqrt()

    def slope(self, t: Tensor) -> tuple[Tensor, Tensor]:
        log_alpha, rate = self.log_alpha(t)
        alpha = log_alpha.exp()
        sigma = (-torch.expm1(2 * log_alpha)).clamp_min(TINY**2).sqrt()
        return alpha * rate, -(alpha**2) * rate / sigma  # from sigma**2 = 1 - alpha**2


class VPLinear(_VariancePreserving):
    """Variance preserving with linear beta(t) (Song et al., arXiv 2011.13456, eq. 33)."""

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0) -> None:
        self.beta_min, self.beta_max = beta_min, beta_max

    def log_alpha(self, t: Tensor) -> tuple[Tensor, Tensor]:
        span = self.beta_max - self.beta_min
        return -(t**2) * span / 4 - t * self.beta_min / 2, -t * span / 2 - self.beta_min / 2


class VPCosine(_VariancePreserving):
    """Variance preserving, cosine (Nichol & Dhariwal, arXiv 2102.09672, eq. 17), with ``offset`` s
    = 0.008.
    """

    def __init__(self, offset: float = 0.008) -> None:
        self.offset = offset

    def log_alpha(self, t: Tensor) -> tuple[Tensor, Tensor]:
        scale = math.pi / 2 / (1 + self.offset)
        angle = (t + self.offset) * scale
        start = math.log(math.cos(self.offset * scale))
        cosine = torch.cos(angle).clamp_min(TINY)
        return cosine.log() - start, -scale * torch.sin(angle) / cosine


class Tabulated(_VariancePreserving):
    """The continuous path through a discrete chain: t = n / T holds ``abar[n - 1]``, t = 0 is data.

    Between steps, log abar is interpolated linearly.
    """

    def __init__(self, abar: Float[Tensor, " steps"]) -> None:
        self.table = torch.cat([abar.new_zeros(1), abar.log() / 2])

    def log_alpha(self, t: Tensor) -> tuple[Tensor, Tensor]:
        table = self.table.to(t.device)
        steps = len(table) - 1
        place = t.to(table.dtype) * steps
        low = place.floor().clamp(0, steps - 1).long()
        rise = table[low + 1] - table[low]
        return (table[low] + rise * (place - low)).to(t.dtype), (rise * steps).to(t.dtype)


PathName = Literal["flow", "vp-linear", "vp-cosine"]
PATHS: Final[dict[PathName, Callable[[], Path]]] = {
    "flow": Flow,
    "vp-linear": VPLinear,
    "vp-cosine": VPCosine,
}


def log_snr(path: Path, t: Tensor) -> Tensor:
    """lambda = log(alpha / sigma), half the log signal-to-noise ratio (Lu et al., arXiv
    2206.00927).
    """
    return path.alpha(t).clamp_min(TINY).log() - path.sigma(t).clamp_min(TINY).log()


def noised(path: Path, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """``x_t`` for ``t`` of one value, or of shape (B,), or any that broadcasts against ``x0``."""
    if t.dim() == 1 and x0.dim() > 1:
        t = t.view(-1, *[1] * (x0.dim() - 1))
    return path.alpha(t) * x0 + path.sigma(t) * eps


def shift(t: Tensor, k: float) -> Tensor:
    """Move time towards noise: ``k t / (1 + (k - 1) t)`` (Esser et al., arXiv 2403.03206, eq.
    23).
    """
    return k * t / (1 + (k - 1) * t)


def shift_for_tokens(tokens: int, frames: int) -> float:
    """The shift for a clip: linear from 1 at 256 tokens a frame to 3 at 4096, times sqrt(latent
    frames).

    The rule of Open-Sora 2.0 (arXiv 2503.09642), as its training code has it; Esser et al. (arXiv
    2403.03206, section 5.3.2) say why more positions need more noise.
    """
    spatial = tokens / frames
    return max(1.0, 1 + 2 * (spatial - 256) / (4096 - 256)) * math.sqrt(frames)


def grid(
    steps: int, k: float = 1.0, start: float = 1.0, last: float = 0.0
) -> Float[Tensor, " times"]:
    """``steps + 1`` times from ``start`` down to 0, shifted by ``k``; float64.

    Parameters
    ----------
    last : float
        Where the even grid ends before its final time is put to 0: 0.001 in the schedulers of the
        Wan family.
    """
    times = torch.linspace(start, last, steps + 1, dtype=torch.float64)
    times[-1] = 0.0
    return shift(times, k)
