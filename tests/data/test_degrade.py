"""What happens to clips on their way."""

import numpy as np
import pytest

from praxino.data.degrade import WAYS, details_of, halved, scaled
from support.footage import textured


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_a_film_that_can_be_encoded(way):
    film = textured(8, 96, 128)
    went = WAYS[way](film)
    assert went.dtype == np.uint8
    assert went.ndim == 4
    assert went.shape[1] % 2 == went.shape[2] % 2 == 0
    assert len(went) == (4 if way == "half rate" else 8)


def test_what_the_ways_say():
    film = textured(8, 96, 128)
    assert scaled(film, 0.5).shape == (8, 48, 64, 3)
    np.testing.assert_array_equal(halved(film), film[::2])
    error = [
        np.abs(WAYS[way](film).astype(int) - film).mean()
        for way in ("crf 18", "crf 23", "crf 28", "crf 35")
    ]
    assert error == sorted(error)
    assert len(np.unique(WAYS["gif"](film)[0].reshape(-1, 3), axis=0)) <= 256


@pytest.mark.parametrize("level", [1, 2, 3])
def test_only_fine_bands_are_swapped(level):
    real, made = textured(4, 64, 64, seed=0), textured(4, 64, 64, seed=1)
    mixed = details_of(made, real, level).astype(float)
    block = 2**level
    means = lambda film: film.reshape(4, 64 // block, block, 64 // block, block, 3).mean((2, 4))  # noqa: E731
    towards_real = np.abs(means(mixed) - means(real.astype(float))).mean()
    assert towards_real < 0.7 * np.abs(means(mixed) - means(made.astype(float))).mean()
    same = details_of(real, real, level)
    np.testing.assert_array_equal(same, real)
