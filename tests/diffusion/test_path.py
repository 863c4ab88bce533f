"""Paths: ends, derivatives, shift."""

import pytest
import torch

from praxino.diffusion.ddpm import Chain
from praxino.diffusion.path import PATHS, Flow, grid, log_snr, noised, shift, shift_for_tokens

EVERY = {name: make() for name, make in PATHS.items()} | {"chain": Chain().path()}


@pytest.fixture(params=EVERY, name="path")
def _path(request):
    return EVERY[request.param]


def test_data_at_0_and_noise_at_1(path):
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(
        path.alpha(ends), torch.tensor([1.0, 0.0], dtype=torch.float64), atol=0.01, rtol=0
    )
    torch.testing.assert_close(
        path.sigma(ends), torch.tensor([0.0, 1.0], dtype=torch.float64), atol=1e-4, rtol=0
    )


def test_log_snr_falls_and_stays_finite(path):
    lam = log_snr(path, torch.linspace(0, 1, 1001, dtype=torch.float64))
    assert torch.isfinite(lam).all()
    assert (lam.diff() < 0).all()


def test_slope_is_the_derivative(path):
    # between the chain's steps, where it is smooth
    t = torch.linspace(0.0505, 0.9505, 10, dtype=torch.float64)
    h = 1e-6
    rise_alpha, rise_sigma = path.slope(t)
    torch.testing.assert_close(
        rise_alpha, (path.alpha(t + h) - path.alpha(t - h)) / (2 * h), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        rise_sigma, (path.sigma(t + h) - path.sigma(t - h)) / (2 * h), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("name", ["vp-linear", "vp-cosine"])
def test_variance_is_preserved(name):
    t = torch.linspace(0, 1, 50, dtype=torch.float64)
    path = PATHS[name]()
    torch.testing.assert_close(
        path.alpha(t) ** 2 + path.sigma(t) ** 2, torch.ones_like(t), atol=1e-9, rtol=0
    )


def test_the_chain_is_on_its_path():
    chain = Chain()
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    torch.testing.assert_close(chain.path().alpha(t) ** 2, chain.abar, atol=1e-12, rtol=1e-9)


def test_one_time_per_sample():
    x0, eps = torch.ones(2, 3, 4), torch.zeros(2, 3, 4)
    assert torch.equal(
        noised(Flow(), x0, eps, torch.tensor([0.0, 0.25])),
        torch.tensor([1.0, 0.75]).view(2, 1, 1) * x0,
    )


def test_shift_keeps_the_ends_and_composes():
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    assert torch.equal(shift(t, 1.0), t)
    assert shift(t, 3.0)[[0, -1]].tolist() == [0.0, 1.0]
    torch.testing.assert_close(shift(shift(t, 2.0), 3.0), shift(t, 6.0))


def test_grids_fall_from_start_to_0():
    times = grid(10, 5.0, start=0.8)
    assert len(times) == 11
    assert times[-1] == 0
    torch.testing.assert_close(times[0], shift(torch.tensor(0.8, dtype=torch.float64), 5.0))
    assert (times.diff() < 0).all()


def test_larger_clips_shift_more():
    assert shift_for_tokens(256, 1) == pytest.approx(1.0)
    assert shift_for_tokens(4096, 1) == pytest.approx(3.0)
    assert shift_for_tokens(4096 * 4, 4) == pytest.approx(6.0)
