"""What light leaves of things: right where nothing is wrong, named where something is."""

import numpy as np
import pytest

from praxino.detection.lighting import contradictions, lights, lit_from, shadowed
from praxino.detection.moving_objects import things
from praxino.detection.view import view_of
from support import planted
from support.footage import textured


@pytest.mark.parametrize("turn", [0.0, 0.8, 2.0, 4.0])
def test_a_matt_ball_tells_where_its_light_is(turn):
    y, x = np.mgrid[:96, :96]
    u, v = (x - 48) / 30, (y - 48) / 30
    inside = u * u + v * v < 1
    light = np.array([np.cos(turn), np.sin(turn)]) * 0.7
    luma = np.where(inside, 120 * (1 + u * light[0] + v * light[1]), 40).astype(np.float32)
    found = lit_from(luma, inside)
    np.testing.assert_allclose(found / np.linalg.norm(found), light / 0.7, atol=0.05)


def test_an_even_body_tells_nothing():
    inside = np.zeros((96, 96), bool)
    inside[30:60, 30:60] = True
    assert np.isnan(lit_from(np.full((96, 96), 90, np.float32), inside)).all()


def test_a_shadow_keeps_the_colour_of_the_ground():
    still = np.tile(np.array([200.0, 160.0, 90.0], np.float32), (40, 40, 1))
    frame = still.copy()
    frame[5:15, 5:15] *= 0.6
    frame[20:30, 20:30] = (40, 60, 160)
    found = shadowed(frame, still)
    assert found[6:14, 6:14].all()
    assert not found[20:30, 20:30].any()


@pytest.mark.parametrize("films", [2, pytest.param(6, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "kind",
    [
        kind if kind == "shadow" else pytest.param(kind, marks=pytest.mark.slow)
        for kind in planted.LIGHT
    ],
)
def test_what_light_cannot_do_is_named(kind, films):
    made = [planted.balls(seed, kind) for seed in range(2, 2 + films)]
    assert sum(kind in planted.claims(film, 8.0) for film in made) >= films // 2


@pytest.mark.parametrize("films", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_what_light_does_is_let_pass(films):
    assert not any(planted.claims(planted.balls(seed, "even"), 8.0) for seed in range(films))


def test_where_nothing_moves_nothing_is_lit():
    view = view_of(np.repeat(textured(1, 224, 224), 16, axis=0), 8.0)
    found, _ = things(view)
    assert contradictions(lights(view, found)) == []
