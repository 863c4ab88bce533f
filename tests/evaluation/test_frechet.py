"""Distances between sets of features: known Gaussians, a public implementation, sets that do or do
not overlap.
"""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from praxino.errors import InputError
from praxino.evaluation.frechet import frechet, kernel_distance, neighbours, unbiased

RNG = np.random.default_rng(0)


class Given(torch.nn.Module):
    """Takes features for pictures."""

    def __init__(self, width):
        super().__init__()
        self.num_features = width

    def forward(self, x):
        return x


def theirs(metric, real, fake):
    """What torchmetrics makes of the same features."""
    metric.set_dtype(torch.float64)
    for features, is_real in ((real, True), (fake, False)):
        metric.update(torch.from_numpy(features), real=is_real)
    return metric.compute()


@pytest.mark.parametrize("width", [2, 16, 100])
@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_distances_agree_with_a_public_implementation(width):
    mix = RNG.normal(size=(width, width))
    real, fake = RNG.normal(size=(400, width)) @ mix, 1.2 * RNG.normal(size=(400, width)) + 0.3
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    fid = theirs(FrechetInceptionDistance(Given(width)), real, fake)
    assert frechet(real, fake) == pytest.approx(float(fid), rel=1e-6)
    kid, _spread = theirs(
        KernelInceptionDistance(Given(width), subsets=1, subset_size=400), real, fake
    )
    assert kernel_distance(real, fake, subsets=1, size=400)[0] == pytest.approx(
        float(kid), rel=1e-6
    )


def test_frechet_of_known_gaussians():
    real, fake = RNG.normal(0, 1, (200_000, 3)), RNG.normal(2, 3, (200_000, 3))
    assert frechet(real, fake) == pytest.approx(
        3 * (4 + 4), rel=0.02
    )  # (mean apart)^2 + (std apart)^2, three times


@given(st.integers(0, 1000), st.integers(1, 8))
@settings(max_examples=20, deadline=None)
def test_frechet_is_a_distance(seed, width):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(30, width)), rng.normal(size=(40, width)) + 1
    assert frechet(x, x) == pytest.approx(0, abs=1e-6)
    assert frechet(x, y) == pytest.approx(frechet(y, x), rel=1e-6)
    shifted = frechet(x + 7, y + 7)
    assert shifted == pytest.approx(frechet(x, y), rel=1e-6, abs=1e-9)


def test_frechet_stays_finite_with_few_samples_and_says_so(caplog):
    with caplog.at_level(logging.WARNING, "praxino"):
        assert 0 <= frechet(RNG.normal(size=(5, 64)), RNG.normal(size=(7, 64))) < 1000
    assert "5 samples for 64 dimensions" in caplog.text


def test_more_fakes_lower_the_distance_and_the_line_goes_on():
    real, fake = RNG.normal(size=(20_000, 16)), RNG.normal(size=(400, 16))
    assert abs(unbiased(real, fake)) < frechet(real, fake) < frechet(real, fake[:100])


def test_kernel_distance_is_nothing_for_one_source_and_grows_with_the_gap():
    real = RNG.normal(size=(500, 8))
    near, _ = kernel_distance(real, RNG.normal(size=(500, 8)), subsets=20)
    far, spread = kernel_distance(real, RNG.normal(size=(500, 8)) + 0.5, subsets=20)
    assert abs(near) < 0.02 < far
    assert 0 <= spread < far


def test_neighbours_see_mode_collapse_and_outliers():
    real = RNG.normal(size=(400, 4))
    same = neighbours(real, RNG.normal(size=(400, 4)))
    assert min(same.precision, same.recall, same.coverage) > 0.8
    assert same.density == pytest.approx(1, abs=0.15)
    collapsed = neighbours(real, 0.05 * RNG.normal(size=(400, 4)))
    assert collapsed.precision > 0.9
    assert collapsed.coverage < 0.4
    elsewhere = neighbours(real, RNG.normal(size=(400, 4)) + 50)
    assert (elsewhere.precision, elsewhere.recall, elsewhere.coverage) == (0, 0, 0)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (np.zeros((1, 4)), np.zeros((5, 4)), "real features of shape"),
        (np.zeros((5, 4)), np.zeros((0, 4)), "fake features of shape"),
        (np.zeros((5, 4)), np.zeros((5, 3)), "widths 4 and 3"),
        (np.zeros((5, 4)), np.full((5, 4), np.nan), "not all finite"),
    ],
)
def test_sets_that_cannot_be_compared(real, fake, message):
    for distance in (frechet, kernel_distance):
        with pytest.raises(InputError, match=message):
            distance(real, fake)
