"""Cuts, dissolves and fades are found, and what moves is none of them."""

import numpy as np
import pytest

from praxino.data.curation.shots import Shot, ShotDetector
from support.footage import ball
from support.reels import dissolve, fade, scene


def shots(film):
    detector = ShotDetector()
    for frame in film:
        detector.add(frame)
    assert detector.frames == len(film)
    return detector.shots()


def test_cuts_are_found_to_the_frame():
    film = np.concatenate([scene(1, 20), scene(2, 30), scene(3, 12)])
    assert shots(film) == [
        Shot(0, 20, "end", "cut"),
        Shot(20, 50, "cut", "cut"),
        Shot(50, 62, "cut", "end"),
    ]


@pytest.mark.parametrize("frames", [10, 16, 30])
def test_a_dissolve_belongs_to_no_shot(frames):
    first, second = shots(dissolve(scene(1, 60), scene(2, 60), frames))
    assert (first.after, second.before) == ("dissolve", "dissolve")
    start = 60 - frames
    assert abs(first.end - start) <= 5
    assert abs(second.first - 60) <= 5


@pytest.mark.parametrize("frames", [4, 10])
def test_a_fade_belongs_to_no_shot(frames):
    first, second = shots(fade(scene(1, 40), scene(2, 40), frames))
    assert (first.after, second.before) == ("fade", "fade")
    assert 30 - frames <= first.end <= 40
    assert 40 <= second.first <= 40 + frames + 4


@pytest.mark.parametrize("step", [0.0, 0.5, 3.0, 8.0])
def test_what_glides_is_one_shot(step):
    assert len(shots(scene(4, 60, step))) == 1


def test_what_flashes_or_moves_fast_is_one_shot():
    assert len(shots(ball([(0.1 + 0.02 * i, 0.5) for i in range(40)]))) == 1
    lit = scene(5, 40, 0.2).astype(float) * np.linspace(0.5, 1.3, 40)[:, None, None, None]
    assert len(shots(lit.clip(0, 255).astype(np.uint8))) == 1


def test_short_films_and_none():
    assert shots([]) == []
    assert shots(scene(1, 1)) == [Shot(0, 1, "end", "end")]
    assert shots(scene(1, 3)) == [Shot(0, 3, "end", "end")]


def test_a_film_that_changes_its_size_goes_on():
    detector = ShotDetector()
    for frame in [*scene(1, 10), *scene(1, 10, size=(128, 96))]:
        detector.add(frame)
    assert sum(shot.end - shot.first for shot in detector.shots()) == 20
