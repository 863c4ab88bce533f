"""Films enlarged and reduced: the one undoes the other."""

import numpy as np
import pytest

from praxino.data.pixels import enlarged, reduced

RNG = np.random.default_rng(0)


def test_twice_the_rate_keeps_the_frames_and_puts_means_between():
    film = RNG.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    fast = enlarged(film, "time")
    assert fast.shape == (5, 4, 4, 3)
    assert np.array_equal(fast[::2], film)
    mean = (film[0].astype(int) + film[1]) / 2
    assert np.abs(fast[1] - mean).max() <= 0.5
    assert np.array_equal(reduced(fast, "time"), film)


def test_twice_the_size_is_nearly_undone_by_means_of_areas():
    film = np.broadcast_to(np.linspace(0, 255, 16, dtype=np.uint8)[None, :, None, None],
                           (2, 16, 16, 3)).copy()  # fmt: skip
    large = enlarged(film, "space")
    assert large.shape == (2, 32, 32, 3)
    assert np.abs(reduced(large, "space").astype(int) - film).max() <= 4


@pytest.mark.parametrize("axis", ["space", "time"])
def test_a_film_of_one_frame(axis):
    film = np.zeros((1, 8, 8, 3), np.uint8)
    assert reduced(enlarged(film, axis), axis).shape == film.shape
