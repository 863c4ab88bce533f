"""Shots that are there again are found, and others are not taken for them."""

import cv2
import numpy as np
import pytest

from praxino.data.curation.hashes import FRAMES, image_hash, same_shots, shot_distances
from support.reels import scene


def hashes(film):
    places = np.linspace(0, len(film) - 1, FRAMES).round().astype(int)
    greys = [cv2.cvtColor(film[place], cv2.COLOR_RGB2GRAY) for place in places]
    return (
        np.array([image_hash(grey) for grey in greys], np.uint64),
        np.array([image_hash(grey[:, ::-1]) for grey in greys], np.uint64),
    )


CHANGES = {
    "smaller": lambda film: np.stack([cv2.resize(frame, (64, 48)) for frame in film]),
    "brighter": lambda film: (film * 0.8 + 20).astype(np.uint8),
    "noisy": lambda film: (
        (film + np.random.default_rng(0).normal(0, 6, film.shape)).clip(0, 255).astype(np.uint8)
    ),
    "mirrored": lambda film: film[:, :, ::-1],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_shot_is_the_same(change):
    film = scene(1, step=0.3)
    films = [scene(2, step=0.3), film, scene(3, step=0.3), CHANGES[change](film)]
    own, turned = (np.stack(parts) for parts in zip(*map(hashes, films), strict=True))
    assert same_shots(own, turned) == [0, 1, 2, 1]


def test_different_shots_are_far_apart():
    films = [scene(seed, step=0.3) for seed in range(12)]
    own = np.stack([hashes(film)[0] for film in films])
    pairs = [(a, b) for a in range(12) for b in range(a)]
    bits = shot_distances(own[[a for a, _ in pairs]], own[[b for _, b in pairs]])
    assert bits.min() > 16


def test_many_shots_are_compared_in_no_time():
    rng = np.random.default_rng(0)
    own, turned = rng.integers(0, 2**64, (2, 3000, FRAMES), dtype=np.uint64)
    flips = np.uint64(1) << rng.integers(0, 64, (50, FRAMES)).astype(np.uint64)
    own[-50:] = own[:50] ^ flips
    turned[-60:-50] = own[60:70]
    first = same_shots(own, turned)
    assert first[-50:] == list(range(50))
    assert first[-60:-50] == list(range(60, 70))
    assert first[:2940] == list(range(2940))


def test_no_shots_and_black_ones():
    none = np.empty((0, FRAMES), np.uint64)
    assert same_shots(none, none) == []
    black = np.zeros((200, FRAMES), np.uint64)
    assert same_shots(black, black) == [0] * 200
