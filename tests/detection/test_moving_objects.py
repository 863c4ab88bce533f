"""Single things: what is possible is let pass, what is not is named."""

import numpy as np
import pytest

from praxino.data.diorama import compose, render
from praxino.detection.moving_objects import things
from praxino.detection.view import gathered, view_of
from praxino.detection.violations import violations
from praxino.storage.media.info import VideoFrame
from support.footage import ball, textured

CLOCK = np.arange(16)


def found(path: list[tuple[float, float]]) -> list[str]:
    seen, clear = things(view_of(ball(path), 8.0))
    assert clear
    return [each.kind for each in violations(seen, 8.0)]


def roll(start: float = 0.15, speed: float = 0.04) -> list[tuple[float, float]]:
    return [(start + speed * i, 0.7) for i in CLOCK]


def test_a_rolling_ball_is_followed_to_the_pixel():
    seen, clear = things(view_of(ball(roll()), 8.0))
    assert clear
    way = max(seen, key=lambda thing: np.isfinite(thing.middle[:, 0]).sum()).middle
    known = np.isfinite(way[:, 0])
    np.testing.assert_allclose(np.diff(way[known], axis=0).mean(0), [0.04, 0], atol=0.005)


def fall() -> list[tuple[float, float]]:
    return [(0.3 + 0.02 * i, min(0.8, 0.15 + 0.8 * (i / 8) ** 2)) for i in CLOCK]


def bounce() -> list[tuple[float, float]]:
    way, y, v = [], 0.2, 0.0
    for i in CLOCK:
        way.append((0.3 + 0.02 * i, y))
        v += 0.05
        y += v
        if y > 0.8:
            y, v = 1.6 - y, -0.7 * v
    return way


@pytest.mark.parametrize("way", [roll, fall, bounce], ids=["roll", "fall", "bounce"])
def test_what_is_possible_is_let_pass(way):
    assert found(way()) == []


def test_what_rolls_out_of_the_picture_is_not_gone():
    assert found(roll(0.5, 0.06)) == []


def leap() -> list[tuple[float, float]]:
    return [(x + 0.35 * (i > 7), y) for i, (x, y) in enumerate(roll(0.12, 0.02))]


def gone() -> list[tuple[float, float]]:
    return [place if i < 9 else (-1.0, -1.0) for i, place in enumerate(roll())]


def lift() -> list[tuple[float, float]]:
    return [(x, 0.95 - y) for x, y in fall()]


def gain() -> list[tuple[float, float]]:
    return [(x, y) for (x, _), (_, y) in zip(bounce(), reversed(bounce()), strict=True)]


def turn() -> list[tuple[float, float]]:
    return [(0.2 + 0.055 * min(i, 16 - i), 0.7) for i in CLOCK]


@pytest.mark.parametrize(
    ("kind", "way"),
    [("leap", leap), ("gone", gone), ("lift", lift), ("gain", gain), ("turn", turn)],
)
def test_what_is_not_is_named(kind, way):
    assert kind in found(way())


def test_nothing_is_claimed_where_frames_are_missing():
    film = ball(roll())
    view = gathered(VideoFrame(index / 8 + (index > 7), frame) for index, frame in enumerate(film))
    assert things(view) == ([], False)


def test_what_rolls_behind_a_post_is_not_gone():
    film = ball([place if i < 9 else (-1.0, -1.0) for i, place in enumerate(roll())])
    film[:, :, 112:150] = 20
    seen, clear = things(view_of(film, 8.0))
    assert clear
    assert "gone" not in [each.kind for each in violations(seen, 8.0)]


def test_nothing_is_claimed_of_a_moving_camera():
    assert things(view_of(textured(16, 224, 224, step=4.0), 8.0)) == ([], False)


@pytest.mark.parametrize("count", [8, pytest.param(24, marks=pytest.mark.slow)])
def test_true_renderings_are_seldom_accused(count):
    scenes = [compose(11, index, frames=16) for index in range(count)]
    accused = 0
    for scene in scenes:
        seen, clear = things(view_of(render(scene, 224, 224), scene.fps))
        accused += bool(clear and violations(seen, scene.fps))
    assert accused <= count // 6
