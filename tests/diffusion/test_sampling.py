"""Samplers: the order they promise, exact moments of a Gaussian mixture, inversion, noise from the
generator alone.
"""

import math

import pytest
import torch

from praxino.diffusion.ddpm import Chain
from praxino.diffusion.path import PATHS, Flow, grid
from praxino.diffusion.prediction import as_denoiser, target
from praxino.diffusion.sampling import (
    SAMPLERS,
    STOCHASTIC,
    ddim,
    dpmpp_2m,
    euler,
    heun,
    invert,
    unipc,
)
from praxino.errors import InputError

MEANS, STDS, PARTS = (
    torch.tensor([-1.5, 1.0]).double(),
    torch.tensor([0.3, 0.5]).double(),
    torch.tensor([0.35, 0.65]).double(),
)


def mixture(path):
    """The exact E[x0 | x_t] of a one-dimensional Gaussian mixture."""

    def denoiser(x, t):
        alpha, sigma = path.alpha(t), path.sigma(t)
        variance = (alpha * STDS) ** 2 + sigma**2
        logits = PARTS.log() - 0.5 * (
            variance.log() + (x[..., None] - alpha * MEANS) ** 2 / variance
        )
        each = MEANS + alpha * STDS**2 / variance * (x[..., None] - alpha * MEANS)
        return (logits.softmax(-1) * each).sum(-1)

    return denoiser


def last(states):
    *_, state = states
    return state


def run(name, denoiser, x, times, path):
    extra = {"generator": torch.Generator().manual_seed(5)} if name in STOCHASTIC else {}
    return last(SAMPLERS[name](denoiser, x, times, path, **extra)).x


@pytest.mark.parametrize("path_name", [*PATHS, "chain"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_recovers_the_moments_of_a_mixture(name, path_name):
    path = Chain().path() if path_name == "chain" else PATHS[path_name]()
    # N(0, 1) without chance
    noise = torch.special.ndtri((torch.arange(2000).double() + 0.5) / 2000)
    x = run(
        name, mixture(path), noise, grid(300 if name in ("euler", "ddim", "ddpm") else 100), path
    )
    mean = float((PARTS * MEANS).sum())
    variance = float((PARTS * (STDS**2 + MEANS**2)).sum()) - mean**2
    chance = 2.0 if name in STOCHASTIC else 1.0
    assert x.mean().item() == pytest.approx(mean, abs=0.03 * chance)
    assert x.var().item() == pytest.approx(variance, rel=0.04 * chance)
    assert (x < -0.4).double().mean().item() == pytest.approx(0.35, abs=0.015 * chance)


@pytest.mark.parametrize(
    ("sampler", "order"),
    [(euler, 1), (heun, 2), (ddim, 1), (dpmpp_2m, 2), (unipc, 2)],
    ids=lambda x: getattr(x, "__name__", x),
)
@pytest.mark.parametrize("path_name", PATHS)
def test_order_of_convergence(sampler, order, path_name):
    """Data N(m, s^2): the probability-flow ODE has the solution x_t = a m + (x - a m) sqrt(a^2 s^2
    + b^2) / before.
    """
    path, m, s = PATHS[path_name](), 0.7, 0.4

    def spread(t):
        return torch.sqrt((path.alpha(t) * s) ** 2 + path.sigma(t) ** 2)

    def denoiser(x, t):
        alpha = path.alpha(t)
        return m + alpha * s**2 / spread(t) ** 2 * (x - alpha * m)

    start, end = (torch.tensor(t, dtype=torch.float64) for t in (0.9, 0.2))
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    exact = path.alpha(end) * m + (x - path.alpha(start) * m) * spread(end) / spread(start)
    errors = []
    for steps in (80, 160, 320):
        times = torch.linspace(0.9, 0.2, steps + 1, dtype=torch.float64)
        errors.append((last(sampler(denoiser, x, times, path)).x - exact).abs().max().item())
    slopes = [math.log2(errors[i] / errors[i + 1]) for i in range(2)]
    assert slopes[-1] == pytest.approx(order, abs=0.25), (errors, slopes)


def test_ddim_with_eta_1_is_ddpm():
    path = Chain().path()
    x, times = torch.randn(50, dtype=torch.float64), grid(50)
    ancestral = last(
        SAMPLERS["ddpm"](mixture(path), x, times, path, torch.Generator().manual_seed(1))
    ).x
    stochastic = last(
        ddim(mixture(path), x, times, path, torch.Generator().manual_seed(1), eta=1.0)
    ).x
    torch.testing.assert_close(ancestral, stochastic)


@pytest.mark.parametrize("path_name", PATHS)
def test_inversion_returns_to_the_noise(path_name):
    path = PATHS[path_name]()
    noise = torch.randn(200, dtype=torch.float64)
    times = torch.linspace(0.98, 0.02, 400, dtype=torch.float64)
    x = last(ddim(mixture(path), noise, times, path)).x
    back = last(invert(mixture(path), x, times.flip(0), path)).x
    torch.testing.assert_close(back, noise, atol=0.05, rtol=0.05)


def test_what_cannot_be_sampled_is_said():
    x, times = torch.randn(4, dtype=torch.float64), grid(4)
    with pytest.raises(InputError, match=r"eta=0\.5: needs a generator"):
        list(ddim(mixture(Flow()), x, times, Flow(), eta=0.5))
    with pytest.raises(InputError, match="times begin at 0: must begin above 0"):
        list(invert(mixture(Flow()), x, times.flip(0), Flow()))


@pytest.mark.parametrize("kind", ["noise", "x0", "v", "velocity"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_prediction_types_make_the_same_samples(name, kind):
    path = PATHS["vp-cosine"]()
    exact = mixture(path)

    def network(x, t):
        x0, alpha, sigma = exact(x, t), path.alpha(t), path.sigma(t)
        return target(x0, (x - alpha * x0) / sigma, alpha, sigma, kind)

    x, times = torch.randn(64, dtype=torch.float64), grid(12, start=0.99)
    made = run(name, as_denoiser(network, path, kind), x, times, path)
    torch.testing.assert_close(made, run(name, exact, x, times, path), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", SAMPLERS)
def test_states_count_up_and_noise_comes_from_the_generator(name):
    path = Flow()
    x, times = torch.randn(8, dtype=torch.float64), grid(5)
    extra = {"generator": torch.Generator().manual_seed(5)} if name in STOCHASTIC else {}
    states = list(SAMPLERS[name](mixture(path), x, times, path, **extra))
    assert [state.step for state in states] == [1, 2, 3, 4, 5]
    assert [float(state.t) for state in states] == times[1:].tolist()
    torch.manual_seed(99)  # the global generator plays no part
    assert torch.equal(states[-1].x, run(name, mixture(path), x, times, path))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_single_step_lands_on_the_estimate(name):
    path, x = Flow(), torch.randn(8, dtype=torch.float64)
    made = run(name, mixture(path), x, grid(1), path)
    torch.testing.assert_close(
        made, mixture(path)(x, torch.tensor(1.0).double()), atol=1e-5, rtol=1e-5
    )
