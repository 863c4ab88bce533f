"""Scenes of the diorama in which something impossible happens to one thing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import Scene, compose, render
from praxino.data.diorama.scene import Thing
from praxino.detection.things import things, violations
from praxino.detection.view import view_of

Array = NDArray[np.float64]
HALF = 8
MOVING = ("roll", "run", "drive", "walk", "slide", "fly", "sail")


def leap(way: Array) -> Array:
    """A third of the picture to one side, at once."""
    return np.concatenate([way[:HALF], way[HALF:] + np.array([0.3 if way[HALF, 0] < 0.5 else -0.3, 0])])


def gone(way: Array) -> Array:
    return np.concatenate([way[:HALF], np.full_like(way[HALF:], -5)])


def gain(way: Array) -> Array:
    """A bounce backwards in time."""
    return np.stack([way[:, 0], way[::-1, 1]], axis=1)


def lift(way: Array) -> Array:
    """A fall upside down."""
    return np.stack([way[:, 0], way[:, 1].max() + way[:, 1].min() - way[:, 1]], axis=1)


def turn(way: Array) -> Array:
    """Back where it came from, without a cause."""
    return np.concatenate([way[:HALF], np.stack([2 * way[HALF, 0] - way[HALF:, 0], way[HALF:, 1]], axis=1)])


KINDS: dict[str, tuple[Callable[[Array], Array], tuple[str, ...]]] = {
    "leap": (leap, MOVING), "gone": (gone, MOVING), "gain": (gain, ("bounce",)), "lift": (lift, ("fall",)),
    "turn": (turn, MOVING),
}  # fmt: skip


def scenes(kind: str | None, count: int) -> list[Scene]:
    """Dry scenes before a camera that stands, with one violation planted in each, or none."""
    found: list[Scene] = []
    for index in range(2000):
        scene = compose(7, index, frames=16, part="all")
        if scene.camera.motion != "still" or scene.weather in ("rain", "snow") or len(found) == count:
            continue
        if kind is None:
            found.append(scene)
            continue
        change, motions = KINDS[kind]
        for place, thing in enumerate(scene.things):
            if thing.motion in motions and scene.shows(thing).all() and _far(thing, kind):
                every = list(scene.things)
                every[place] = replace(thing, position=change(thing.position))
                found.append(replace(scene, things=tuple(every)))
                break
    return found


def _far(thing: Thing, kind: str) -> bool:
    return kind != "turn" or float(np.ptp(thing.position[:, 0])) > 0.4


def claims(scene: Scene) -> set[str]:
    """Kinds of what the detector says cannot be."""
    view = view_of(render(scene, 224, 224), scene.fps)
    seen, clear = things(view)
    return {each.kind for each in violations(seen, view.fps)} if clear else set()
