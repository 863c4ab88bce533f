"""Films in which something cannot be: scenes of the diorama where one thing moves as nothing does,
and balls under a light that contradicts itself.
"""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import Scene, compose, render
from praxino.data.diorama.scene import Thing
from praxino.detection.moving_objects import things
from praxino.detection.physics import impossible
from praxino.detection.view import View, view_of

Array = NDArray[np.float64]
Film = NDArray[np.uint8]
FRAMES, HALF = 16, 8
SIDE = 224
MOVING = ("roll", "run", "drive", "walk", "slide", "fly", "sail")


def leap(way: Array) -> Array:
    """A third of the picture to one side, at once."""
    return np.concatenate(
        [way[:HALF], way[HALF:] + np.array([0.3 if way[HALF, 0] < 0.5 else -0.3, 0])]
    )


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
    return np.concatenate(
        [way[:HALF], np.stack([2 * way[HALF, 0] - way[HALF:, 0], way[HALF:, 1]], axis=1)]
    )


WAYS: dict[str, tuple[Callable[[Array], Array], tuple[str, ...]]] = {
    "leap": (leap, MOVING),
    "gone": (gone, MOVING),
    "gain": (gain, ("bounce",)),
    "lift": (lift, ("fall",)),
    "turn": (turn, MOVING),
}
LIGHT = ("shadow", "shadows", "mirror", "lit")
KINDS = (*WAYS, *LIGHT)


def films(kind: str | None, count: int) -> list[tuple[Film, float]]:
    """Films and their rates: dry scenes before a camera that stands, one violation in each, or
    none.
    """
    found: list[tuple[Film, float]] = []
    if kind in (*LIGHT, "even"):
        return [(balls(index, kind), 8.0) for index in range(count)]
    for index in range(3000):
        if len(found) == count:
            break
        scene = compose(7, index, frames=FRAMES, part="all")
        if scene.camera.motion != "still" or scene.weather in ("rain", "snow"):
            continue
        if kind is None:
            found.append((render(scene, SIDE, SIDE), scene.fps))
        else:
            found += [(render(each, SIDE, SIDE), each.fps) for each in _moved(scene, kind)]
    return found


def _moved(scene: Scene, kind: str) -> list[Scene]:
    change, motions = WAYS[kind]
    for place, thing in enumerate(scene.things):
        if thing.motion in motions and scene.shows(thing).all() and _far(thing, kind):
            every = list(scene.things)
            every[place] = replace(thing, position=change(thing.position))
            return [replace(scene, things=tuple(every))]
    return []


def _far(thing: Thing, kind: str) -> bool:
    return kind != "turn" or float(np.ptp(thing.position[:, 0])) > 0.4


def balls(seed: int, kind: str) -> Film:
    """Two matt balls that roll over mottled ground, or, every second time, glide over water that
    mirrors them, lit from one side. "lit": their shadows fall towards the light; "shadows": towards
    each other; "shadow", "mirror": there is none from the middle on; "even": nothing is wrong.
    """
    rng = np.random.default_rng(seed)
    water = kind == "mirror" or (kind == "even" and seed % 2 == 1)
    ground = cv2.GaussianBlur(rng.normal(170, 60, (SIDE, SIDE, 3)), (0, 0), 3.0).clip(110, 230)
    sun = float(rng.choice([-1, 1])) * rng.uniform(0.6, 0.9)
    light = np.array([sun, -0.5, 0.6]) / np.linalg.norm([sun, -0.5, 0.6])
    away = -np.sign(sun)
    falls = {"lit": (-away, -away), "shadows": (1, -1)}.get(kind, (away, away))
    radii, colours = rng.integers(14, 22, 2), rng.uniform(90, 230, (2, 3))
    frames = []
    for frame in range(FRAMES):
        picture, late = ground.copy(), frame >= HALF
        places = ((40 + 8.0 * frame, 55.0), (184 - 8.0 * frame, 150.0))
        for centre, radius, colour, side in zip(places, radii, colours, falls, strict=True):
            if not water and not (kind == "shadow" and late):
                _shade(picture, centre, int(radius), float(side))
            _ball(picture, centre, int(radius), colour, light)
            if water and not (kind == "mirror" and late):
                _image(picture, centre, int(radius))
        frames.append((picture + rng.normal(0, 1.5, picture.shape)).clip(0, 255).astype(np.uint8))
    return np.stack(frames)


def _shade(picture: Array, centre: tuple[float, float], radius: int, side: float) -> None:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    u, v = (
        (x - centre[0] - side * radius * 1.1) / (1.2 * radius),
        (y - centre[1] - radius) / (0.35 * radius),
    )
    picture[u * u + v * v < 1] *= 0.6


def _ball(
    picture: Array, centre: tuple[float, float], radius: int, colour: Array, light: Array
) -> None:
    """Lambert's law, and some light from everywhere."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    u, v = (x - centre[0]) / radius, (y - centre[1]) / radius
    inside = u * u + v * v < 1
    normal = np.stack([u, v, np.sqrt(np.maximum(1 - u * u - v * v, 0))], axis=-1)
    bright = 0.35 + 0.65 * np.maximum(normal @ light, 0)
    picture[inside] = (bright[..., None] * colour)[inside]


def _image(picture: Array, centre: tuple[float, float], radius: int) -> None:
    """What stands above the water, squeezed and fading."""
    tall, foot = int(1.2 * radius), int(centre[1] + radius)
    image = cv2.resize(
        picture[foot - 2 * radius : foot][::-1], (SIDE, tall), interpolation=cv2.INTER_AREA
    )
    strength = 0.4 * np.linspace(1, 0, tall)[:, None, None]
    picture[foot : foot + tall] = (1 - strength) * picture[foot : foot + tall] + strength * image


def claims(film: Film, fps: float) -> set[str]:
    """Kinds of what the detector says cannot be."""
    return of(view_of(film, fps))


def of(view: View) -> set[str]:
    """The same of one view."""
    seen, clear = things(view)
    return {each.kind for each in impossible(view, seen)} if clear else set()
