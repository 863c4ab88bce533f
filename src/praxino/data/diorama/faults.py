"""Films of the diorama with one thing wrong, of which place and time are known: to learn by what
generated films give themselves away.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import world
from praxino.data.diorama.compose import Edition, compose
from praxino.data.diorama.layouts import boxes, shown_things
from praxino.data.diorama.render import render
from praxino.data.diorama.scene import Scene, Thing

Film = NDArray[np.uint8]
LEAP: Final = 0.3
"""How far a thing leaps, in picture heights."""
GONE: Final = 5
"""Frames for which a thing is gone."""
GAIN: Final = 1.7
"""How much higher than it should a thing rises after an impact."""
TRIES: Final = 10_000
"""Scenes that are looked at for one that can have a fault."""
PATCH: Final = 0.16
"""Side of the patch that is repeated, in picture heights."""


@dataclass(frozen=True, eq=False)
class FaultyFilm:
    """A film with a fault.

    Attributes
    ----------
    frames : (T, H, W, 3) uint8
    fault : str
        Of `FAULTS`; "" for a film in which nothing is wrong.
    text : str
        What is wrong, in a sentence.
    first, last : int
        Frames in which it is seen.
    box : (float, float, float, float)
        Where: left, top, width and height in parts of the picture.
    index : int
        Of the scene in the world 0.
    """

    frames: Film
    fault: str = ""
    text: str = ""
    first: int = 0
    last: int = 0
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    index: int = 0


def faultless(seed: int, size: int, edition: Edition = 1) -> FaultyFilm:
    """The film of the first scene from ``seed`` on that shows one thing throughout, as most of
    those with a fault do.
    """
    for index in range(seed, seed + TRIES):
        scene = compose(0, index, 17, edition=edition)
        if _alone(scene) is not None:
            return FaultyFilm(render(scene, size, size), index=index)
    raise AssertionError("no scene of one thing")


def faulty(fault: str, seed: int, size: int, edition: Edition = 1) -> FaultyFilm:
    """The first film from ``seed`` on that can have this fault, with it.

    Parameters
    ----------
    size : int
        Pixels a side.
    """
    plant, chance = FAULTS[fault], np.random.default_rng(seed)
    for index in range(seed, seed + TRIES):
        scene = compose(0, index, 17, edition=edition)
        film = plant(scene, size, chance)
        if film is not None:
            return replace(film, index=index)
    raise AssertionError(f"no scene can have {fault}")


def _middle(scene: Scene, thing: Thing, first: int, last: int) -> tuple[float, float, float, float]:
    """Where a thing is in frames ``first`` to ``last``, all of them together."""
    x, y, width, height = boxes(scene, thing)[first : last + 1].T
    left, top = float((x - width / 2).min()), float((y - height / 2).min())
    right, bottom = float((x + width / 2).max()), float((y + height / 2).max())
    left, top, right, bottom = (min(max(value, 0.0), 1.0) for value in (left, top, right, bottom))
    return left, top, right - left, bottom - top


def _alone(scene: Scene, *motions: str) -> Thing | None:
    """The one thing of a scene that is seen throughout, of these motions."""
    things = shown_things(scene)
    if len(things) != 1 or (motions and things[0].motion not in motions):
        return None
    return things[0] if scene.shows(things[0]).all() else None


def _with(scene: Scene, thing: Thing, **changes: object) -> tuple[Scene, Thing]:
    new = replace(thing, **changes)  # type: ignore[arg-type]
    return replace(scene, things=tuple(new if one is thing else one for one in scene.things)), new


def _leap(scene: Scene, size: int, chance: np.random.Generator) -> FaultyFilm | None:
    thing = _alone(scene)
    if thing is None or scene.camera.motion == "follow":
        return None
    at = int(chance.integers(6, 12))
    position = thing.position.copy()
    position[at:, 0] += LEAP * (1 if scene.camera.project(position)[at, 0] < 0.5 else -1)
    wrong, new = _with(scene, thing, position=position)
    if not wrong.shows(new).all():
        return None
    box = _middle(wrong, new, at - 1, at)
    text = f"the {thing.kind} leaps aside from one frame to the next"
    return FaultyFilm(render(wrong, size, size), "leap", text, at - 1, at, box)


def _gone(scene: Scene, size: int, chance: np.random.Generator) -> FaultyFilm | None:
    thing = _alone(scene)
    if thing is None:
        return None
    at = int(chance.integers(5, 10))
    frames = render(scene, size, size)
    without = render(replace(scene, things=()), size, size)
    frames[at : at + GONE] = without[at : at + GONE]
    box = _middle(scene, thing, at, at + GONE - 1)
    text = f"the {thing.kind} is gone for a moment, and nothing hides it"
    return FaultyFilm(frames, "gone", text, at, at + GONE - 1, box)


def _colour(scene: Scene, size: int, chance: np.random.Generator) -> FaultyFilm | None:
    thing = _alone(scene)
    if thing is None or thing.marking is not None:
        return None
    at = int(chance.integers(6, 11))
    others = [name for name in world.COLOURS if name != thing.colour]
    changed, _ = _with(scene, thing, colour=str(chance.choice(others)))
    frames = render(scene, size, size)
    frames[at:] = render(changed, size, size)[at:]
    box = _middle(scene, thing, at - 1, at + 2)
    text = f"the {thing.kind} changes its colour"
    return FaultyFilm(frames, "colour", text, at - 1, scene.frames - 1, box)


def _shadow(scene: Scene, size: int, chance: np.random.Generator) -> FaultyFilm | None:
    thing = _alone(scene, "walk", "run", "still", "roll", "drive")
    if thing is None or scene.place == "sea" or scene.light.source not in ("sun", "moon"):
        return None
    if abs(scene.light.slope) < 0.5:
        return None
    wrong = replace(scene, light=replace(scene.light, slope=-scene.light.slope))
    left, top, width, height = _middle(scene, thing, 0, scene.frames - 1)
    side = abs(scene.light.slope) * height
    low = top + 0.6 * height
    box = (max(0.0, left - side), low, min(1.0, width + 2 * side), min(1.0 - low, 0.5 * height))
    text = f"the shadow of the {thing.kind} falls towards the {scene.light.source}"
    return FaultyFilm(render(wrong, size, size), "shadow", text, 0, scene.frames - 1, box)


def _mirror(scene: Scene, size: int, chance: np.random.Generator) -> FaultyFilm | None:
    boats = [thing for thing in shown_things(scene) if thing.kind == "boat"]
    if scene.place != "sea" or len(boats) != 1 or not scene.shows(boats[0]).all():
        return None
    boat = boats[0]
    others = [name for name in ("red", "yellow", "green", "purple") if name != boat.colour]
    changed, _ = _with(scene, boat, colour=str(chance.choice(others)))
    frames, other = render(scene, size, size), render(changed, size, size)
    line = (boat.ground - scene.camera.top) * scene.camera.zoom
    for frame, below in enumerate((line * size).round().astype(int)):
        frames[frame, below:] = other[frame, below:]
    left, _, width, height = _middle(scene, boat, 0, scene.frames - 1)
    low = float(line.min())
    box = (left, low, width, min(1.0 - low, 0.6 * height))
    text = "the water mirrors a boat of another colour"
    return FaultyFilm(frames, "mirror", text, 0, scene.frames - 1, box)


def _gain(scene: Scene, size: int, chance: np.random.Generator) -> FaultyFilm | None:
    thing = _alone(scene, "bounce")
    if thing is None:
        return None
    above = thing.ground - thing.position[:, 1] - thing.height / 2
    down = np.flatnonzero((above[1:-1] <= above[:-2]) & (above[1:-1] < above[2:])) + 1
    down = down[(down > 2) & (down < 12)]
    if not len(down) or above[: down[0]].max() < 0.15:
        return None
    at = int(down[0])
    position = thing.position.copy()
    rise = above[at:] * (GAIN * above[: at + 1].max() / max(0.05, above[at:].max()))
    position[at:, 1] = thing.ground - thing.height / 2 - rise
    wrong, new = _with(scene, thing, position=position)
    if not wrong.shows(new).all():
        return None
    box = _middle(wrong, new, at, min(at + 5, scene.frames - 1))
    text = f"the {thing.kind} bounces higher than it fell"
    return FaultyFilm(render(wrong, size, size), "gain", text, at, scene.frames - 1, box)


def _tiling(scene: Scene, size: int, chance: np.random.Generator) -> FaultyFilm | None:
    if scene.place not in ("grass", "city", "road") or scene.camera.motion != "still":
        return None
    frames = render(scene, size, size)
    side = round(PATCH * size)
    left, top = int(chance.integers(0, size - 3 * side)), int(chance.integers(0, size - 2 * side))
    patch = frames[0, top : top + side, left : left + side].copy()
    if patch.astype(int).std() < 18:
        return None  # nobody could see it
    for row in range(2):
        for column in range(3):
            rows = slice(top + row * side, top + (row + 1) * side)
            columns = slice(left + column * side, left + (column + 1) * side)
            frames[:, rows, columns] = patch
    box = (left / size, top / size, 3 * side / size, 2 * side / size)
    text = "the same piece is there six times, like tiles"
    return FaultyFilm(frames, "tiling", text, 0, scene.frames - 1, box)


FAULTS: Final[dict[str, Callable[[Scene, int, np.random.Generator], FaultyFilm | None]]] = {
    "leap": _leap,
    "gone": _gone,
    "colour": _colour,
    "shadow": _shadow,
    "mirror": _mirror,
    "gain": _gain,
    "tiling": _tiling,
}
"""What can be wrong, by name."""
