"""Guidance: identities at its ends, intervals, rescale."""

import pytest
import torch

from praxino.diffusion.guidance import guided
from praxino.diffusion.path import Flow
from praxino.diffusion.prediction import as_denoiser

X, T = torch.randn(2, 3, 4), torch.tensor(0.5)


def cond(x, t):
    return x + 1


def uncond(x, t):
    return 0.5 * x


def forbidden(x, t):
    raise AssertionError("must not be called")


def test_scale_1_is_the_conditional_estimate_and_costs_nothing():
    assert torch.equal(guided(cond, forbidden, 1.0)(X, T), cond(X, T))


def test_scale_0_is_the_unconditional_estimate():
    torch.testing.assert_close(guided(cond, uncond, 0.0)(X, T), uncond(X, T))


def test_scale_is_one_plus_w():
    w = 2.5
    torch.testing.assert_close(
        guided(cond, uncond, 1 + w)(X, T), (1 + w) * cond(X, T) - w * uncond(X, T)
    )


def test_outside_the_interval_nothing_is_guided():
    denoiser = guided(cond, forbidden, 4.0, interval=(0.6, 0.9))
    assert torch.equal(denoiser(X, T), cond(X, T))
    inside = guided(cond, uncond, 4.0, interval=(0.2, 0.6))
    assert not torch.equal(inside(X, T), cond(X, T))


def test_both_at_once_is_one_after_the_other():
    both = guided(forbidden, forbidden, 3.0, both=lambda x, t: (cond(x, t), uncond(x, t)))
    torch.testing.assert_close(both(X, T), guided(cond, uncond, 3.0)(X, T))


def test_full_rescale_gives_the_conditional_spread():
    made = guided(cond, uncond, 6.0, rescale=1.0)(X, T)
    torch.testing.assert_close(made.flatten(1).std(1), cond(X, T).flatten(1).std(1))


@pytest.mark.parametrize("kind", ["noise", "v", "velocity"])
def test_guiding_estimates_is_guiding_outputs(kind):
    path = Flow()
    first, second = (lambda x, t: x.sin()), (lambda x, t: x.cos())
    mixed = as_denoiser(lambda x, t: 3 * first(x, t) - 2 * second(x, t), path, kind)
    each = guided(as_denoiser(first, path, kind), as_denoiser(second, path, kind), 3.0)
    torch.testing.assert_close(each(X, T), mixed(X, T))
