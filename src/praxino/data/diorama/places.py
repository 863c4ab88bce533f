"""Backgrounds: sky, ground, road, sea, skyline and room, painted on any view of the world.

Scenery is drawn in cells one frame height wide, each from a generator of its own: what stands at a
place does not depend on what else is in view.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from praxino.data.diorama import world
from praxino.data.diorama.canvas import Canvas, Colour, blend, lit
from praxino.data.diorama.scene import Scene

WALLS = ((206, 186, 160), (170, 190, 200), (190, 178, 206), (198, 200, 170))
SUN: dict[str, Colour] = {
    "day": (255, 240, 130),
    "sunset": (255, 110, 50),
    "night": (236, 238, 222),
}
SNOW: Colour = (236, 240, 248)


def backdrop(scene: Scene, canvas: Canvas) -> None:
    """Paint everything that does not move by itself, over the whole of ``canvas``."""
    canvas.gradient(*sky(scene), 0.0, world.HORIZON[scene.place])
    if scene.place == "room":
        _room(scene, canvas)
        return
    if scene.time == "night" and scene.weather in ("clear", "clouds"):
        for left, rng in _cells(scene, canvas, "stars"):
            for x, y in zip(
                rng.uniform(left, left + 1, 9), rng.uniform(0.02, 0.45, 9), strict=True
            ):
                canvas.disc((x, y), 0.007, (210, 214, 235))
    if scene.light.source != "overcast":
        _sun(scene, canvas)
    {"grass": _grass, "road": _road, "city": _city, "sea": _sea}[scene.place](scene, canvas)


def _cells(scene: Scene, canvas: Canvas, layer: str) -> Iterator[tuple[float, Generator]]:
    """The left edge of each cell that may be seen, and the generator of what stands in it."""
    stream = {"stars": 1, "hills": 2, "tufts": 3, "buildings": 4}[layer] << 32
    for cell in range(math.floor(canvas.left - 0.5), math.ceil(canvas.right + 0.5)):
        yield (
            float(cell),
            np.random.Generator(np.random.Philox(key=[scene.detail, stream + (cell & 0xFFFFFFFF)])),
        )


def sky(scene: Scene) -> tuple[Colour, Colour]:
    """The sky's colour at the top and at the horizon."""
    table = world.OVERCAST if scene.light.source == "overcast" else world.SKY
    return table[scene.time]


def sun_colour(scene: Scene) -> Colour:
    named = scene.light.colour
    return world.COLOURS[named] if named else SUN[scene.time]


def _sun(scene: Scene, canvas: Canvas) -> None:
    """The sun, or the moon with its marks."""
    centre = (scene.light.x, scene.light.y)
    colour = sun_colour(scene)
    canvas.disc(centre, 0.125, blend(blend(*sky(scene), 0.5), colour, 0.3))
    canvas.disc(centre, 0.09, colour)
    if scene.light.source == "moon":
        for dx, dy, r in ((-0.03, -0.02, 0.02), (0.025, 0.02, 0.024), (0.02, -0.04, 0.012)):
            canvas.disc((centre[0] + dx, centre[1] + dy), r, blend(colour, (120, 120, 130), 0.35))


def _grass(scene: Scene, canvas: Canvas) -> None:
    tint = world.TINT[scene.time]
    horizon = world.HORIZON[scene.place]
    snowy = 0.75 if scene.weather == "snow" else 0.0
    hill, far, near, tuft = (
        lit(blend(c, SNOW, snowy), tint)
        for c in ((88, 138, 84), (150, 196, 96), (96, 156, 66), (82, 140, 60))
    )
    for left, rng in _cells(scene, canvas, "hills"):
        for x in (left, left + 0.5):
            centre = (x + float(rng.uniform(-0.1, 0.1)), horizon + 0.06)
            canvas.ellipse(centre, (0.38, float(rng.uniform(0.1, 0.18))), hill)
    canvas.gradient(far, near, horizon, 1.0)
    for left, rng in _cells(scene, canvas, "tufts"):
        for x, y in zip(
            rng.uniform(left, left + 1, 16), rng.uniform(horizon + 0.04, 0.98, 16), strict=True
        ):
            canvas.line((x, y), (x + 0.012, y - 0.03), 0.01, tuft)


def _road(scene: Scene, canvas: Canvas) -> None:
    _grass(scene, canvas)
    tint = world.TINT[scene.time]
    canvas.gradient(lit((104, 104, 108), tint), lit((86, 86, 92), tint), 0.70, 0.97)
    for y in (0.705, 0.962):
        canvas.box(canvas.left, y - 0.007, canvas.right, y + 0.007, lit((216, 212, 196), tint))
    _dashes(canvas, 0.80, lit((232, 226, 196), tint))


def _dashes(canvas: Canvas, y: float, colour: Colour) -> None:
    for mark in range(math.floor(canvas.left / 0.3) - 1, math.ceil(canvas.right / 0.3)):
        canvas.box(0.3 * mark, y - 0.01, 0.3 * mark + 0.15, y + 0.01, colour)


def _city(scene: Scene, canvas: Canvas) -> None:
    tint = world.TINT[scene.time]
    horizon = world.HORIZON["city"]
    for left, rng in _cells(scene, canvas, "buildings"):
        x = left
        while x < left + 0.99:
            width = min(float(rng.uniform(0.12, 0.2)), left + 0.99 - x)
            if left + 0.99 - (x + width) < 0.1:
                width = left + 0.99 - x  # no slivers at the edge of a cell
            _building(scene, canvas, x, width, rng)
            x += width + 0.01
    canvas.gradient(lit((150, 150, 154), tint), lit((158, 156, 154), tint), horizon, horizon + 0.06)
    canvas.gradient(lit((92, 92, 98), tint), lit((76, 76, 84), tint), horizon + 0.06, 1.0)
    _dashes(canvas, 0.955, lit((226, 222, 200), tint))


def _building(scene: Scene, canvas: Canvas, x: float, width: float, rng: Generator) -> None:
    horizon = world.HORIZON["city"]
    top = float(rng.uniform(0.2, 0.46))
    stone = ((128, 130, 146), (150, 136, 128), (112, 122, 140))[int(rng.integers(3))]
    wall = lit(stone, world.TINT[scene.time], 0.9)
    canvas.box(x, top, x + width, horizon, wall)
    for wx in np.arange(x + 0.025, x + width - 0.03, 0.05):
        for wy in np.arange(top + 0.03, horizon - 0.06, 0.07):
            lamp = (
                (255, 222, 120)
                if scene.time == "night" and rng.random() < 0.6
                else blend(wall, (30, 40, 60), 0.45)
            )
            canvas.box(wx, wy, wx + 0.026, wy + 0.035, lamp)


def water(scene: Scene) -> tuple[Colour, Colour]:
    """The sea's colour at the horizon and at the near edge, under this light."""
    near: Colour = world.COLOURS[scene.tint] if scene.tint else (34, 104, 176)
    far = blend(near, sky(scene)[1], 0.45)
    return lit(far, world.TINT[scene.time]), lit(near, world.TINT[scene.time], 0.9)


def _sea(scene: Scene, canvas: Canvas) -> None:
    canvas.gradient(*water(scene), world.HORIZON["sea"], 1.0)


def _room(scene: Scene, canvas: Canvas) -> None:
    rng = np.random.Generator(np.random.Philox(key=[scene.detail, 0]))
    gain = {"day": 1.0, "sunset": 0.92, "night": 0.72}[scene.time]
    tint = blend((1.0, 1.0, 1.0), world.TINT[scene.time], 0.6)
    horizon = world.HORIZON["room"]
    wall = WALLS[int(rng.integers(len(WALLS)))]
    canvas.gradient(lit(wall, tint, gain * 0.96), lit(wall, tint, gain), 0.0, horizon)
    canvas.gradient(lit((150, 104, 66), tint, gain), lit((182, 132, 88), tint, gain), horizon, 1.0)
    canvas.box(canvas.left, horizon - 0.03, canvas.right, horizon, lit((238, 232, 222), tint, gain))
    x, y = scene.light.x, scene.light.y
    canvas.box(x - 0.17, y - 0.17, x + 0.17, y + 0.17, lit((240, 236, 228), tint, gain))
    canvas.box(x - 0.145, y - 0.145, x + 0.145, y + 0.145, blend(*world.SKY[scene.time], 0.7))
    if scene.time == "night":
        canvas.disc((x + 0.06, y - 0.06), 0.03, SUN["night"])
    for bar in (
        (x - 0.008, y - 0.15, x + 0.008, y + 0.15),
        (x - 0.15, y - 0.008, x + 0.15, y + 0.008),
    ):
        canvas.box(*bar, lit((240, 236, 228), tint, gain))
    edge = x + 0.4 if x < scene.aspect / 2 else x - 0.4
    canvas.box(edge - 0.09, 0.2, edge + 0.09, 0.38, lit((112, 74, 46), tint, gain))
    canvas.box(
        edge - 0.07,
        0.22,
        edge + 0.07,
        0.36,
        lit(WALLS[int(rng.integers(len(WALLS)))], tint, gain * 0.8),
    )


def shaded(pixels: NDArray[np.uint8], time: str) -> NDArray[np.uint8]:
    """A surface in shadow: darker, and less so where the light is weak anyway."""
    strength = {"day": 0.58, "sunset": 0.58, "night": 0.66}[time]
    table = (np.arange(256) * strength).astype(np.uint8)
    return np.take(table, pixels)
