"""Fewer steps of a chain: which ones, and as much noise after each as before."""

import pytest
import torch

from praxino.diffusion.ddpm import Chain, cosine_betas, linear_betas
from praxino.diffusion.respacing import kept_indices, respaced
from praxino.errors import InputError


@pytest.mark.parametrize(
    ("respacing", "first", "last", "count"),
    [
        ("250", [0, 4, 8, 12, 16], [987, 991, 995, 999], 250),
        ("25", [0, 42, 83, 125, 166], [999], 25),
        ("ddim25", [0, 40], [960], 25),
        ("ddim250", [0, 4], [996], 250),
        ("10,10,10", [0, 37], [999], 30),
        ("1", [0], [0], 1),
        ("1000", [0, 1], [999], 1000),
    ],
)
def test_steps_are_those_of_the_published_code(respacing, first, last, count):
    kept = kept_indices(respacing, 1000)
    assert kept[: len(first)] == first
    assert kept[-len(last) :] == last
    assert len(kept) == count


@pytest.mark.parametrize(
    "wrong", ["ddim150", "ddim", "0", "-3", "1001", "a", "", "10,,10", "400,10,10", "ddim2,3"]
)
def test_steps_that_are_not_there_are_refused(wrong):
    with pytest.raises(InputError):
        kept_indices(wrong, 1000)


@pytest.mark.parametrize(
    ("betas", "golden"),
    [
        (linear_betas, [1.0e-4, 5.99065564e-4, 3.18445327e-2, 7.72193055e-2, 7.75193450e-2]),
        (cosine_betas, [4.12842248e-5, 2.13697234e-4, 9.15864498e-3, 0.749990286, 0.999937499]),
    ],
)
def test_as_much_noise_is_added_between_steps_that_stay(betas, golden):
    """Golden: guided-diffusion's SpacedDiffusion."""
    chain = Chain(betas())
    kept = kept_indices("250", 1000)
    shorter = respaced(chain, kept)
    assert shorter.betas[[0, 1, 100, 248, 249]].tolist() == pytest.approx(golden, rel=1e-7)
    assert torch.allclose(shorter.abar, chain.abar[kept], rtol=1e-12)
