"""Predictions convert exactly; weights mean what they say; times are spread as asked."""

import itertools

import pytest
import torch

from praxino.diffusion.objective import draw_times, weight
from praxino.diffusion.path import PATHS
from praxino.diffusion.prediction import convert, estimate_eps, estimate_x0, target

KINDS = ["noise", "x0", "v", "velocity"]


def _example(path_name: str):
    path = PATHS[path_name]()
    x0, eps = torch.randn(4, 5, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    t = torch.tensor([0.05, 0.3, 0.6, 0.95], dtype=torch.float64)[:, None]
    alpha, sigma = path.alpha(t), path.sigma(t)
    return x0, eps, alpha, sigma, alpha * x0 + sigma * eps


@pytest.mark.parametrize("path_name", PATHS)
@pytest.mark.parametrize(("given", "wanted"), list(itertools.product(KINDS, KINDS)))
def test_every_prediction_says_every_other(path_name, given, wanted):
    x0, eps, alpha, sigma, x = _example(path_name)
    said = target(x0, eps, alpha, sigma, given)
    torch.testing.assert_close(estimate_x0(said, x, alpha, sigma, given), x0)
    torch.testing.assert_close(estimate_eps(said, x, alpha, sigma, given), eps)
    meant = target(x0, eps, alpha, sigma, wanted)
    torch.testing.assert_close(convert(said, x, alpha, sigma, given, wanted), meant)


@pytest.mark.parametrize("path_name", PATHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighting", ["snr", "min-snr"])
def test_a_weight_means_the_same_for_every_prediction(path_name, kind, weighting):
    """weight * (error of the output)^2 equals min(SNR, gamma) * (error of x0)^2."""
    x0, eps, alpha, sigma, x = _example(path_name)
    out = target(x0, eps, alpha, sigma, kind) + 0.1
    error_x0 = (estimate_x0(out, x, alpha, sigma, kind) - x0) ** 2
    snr = (alpha / sigma) ** 2
    wanted = snr.clamp_max(5.0) if weighting == "min-snr" else snr
    torch.testing.assert_close(
        weight(alpha, sigma, kind, weighting) * 0.1**2 * torch.ones_like(x), wanted * error_x0
    )


def test_snr_weighting_of_noise_is_uniform():
    *_, alpha, sigma, _ = _example("vp-linear")
    torch.testing.assert_close(weight(alpha, sigma, "noise", "snr"), torch.ones_like(alpha))


def test_times_are_spread_evenly_in_probability():
    t = draw_times(4000, torch.Generator().manual_seed(1), "uniform")
    torch.testing.assert_close(t.sort().values, torch.linspace(0, 1, 4000), atol=2e-3, rtol=0)


def test_logit_normal_times():
    t = draw_times(20_000, torch.Generator().manual_seed(1), "logit-normal", mean=0.5, std=1.2)
    logits = torch.logit(t.double())
    assert logits.mean() == pytest.approx(0.5, abs=0.01)
    assert logits.std() == pytest.approx(1.2, abs=0.02)


def test_shifted_times_lie_nearer_to_noise():
    generator = torch.Generator().manual_seed(1)
    assert draw_times(1000, generator, "uniform", k=3.0).mean() > 0.6


@pytest.mark.parametrize("kind", ["noise", "x0", "v", "velocity"])
def test_an_error_counts_as_that_of_the_velocity_that_it_means(kind):
    """At x = alpha x0 + sigma eps, another output means another velocity eps - x0; away from the
    ends.
    """
    x0, eps, t = (
        torch.randn(64, dtype=torch.float64),
        torch.randn(64, dtype=torch.float64),
        torch.rand(64).double(),
    )
    t = 0.1 + 0.8 * t
    alpha, sigma = 1 - t, t
    x, out = (
        alpha * x0 + sigma * eps,
        target(x0, eps, alpha, sigma, kind) + torch.randn(64, dtype=torch.float64),
    )
    meant = convert(out, x, alpha, sigma, kind, "velocity")
    error = (out - target(x0, eps, alpha, sigma, kind)) ** 2 * weight(
        alpha, sigma, kind, "velocity"
    )
    torch.testing.assert_close(error, (meant - (eps - x0)) ** 2)
