"""A scene becomes a clip: backdrop, clouds and waves, shadows, things from far to near,
reflections, rain and snow.
"""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import places, world
from praxino.data.diorama.canvas import Canvas, Stencil, blend, lit, oversampling, reduce
from praxino.data.diorama.scene import Scene, Thing
from praxino.data.diorama.sprites import DRAW, Pose, pose_of

Pixels = NDArray[np.uint8]


def render(scene: Scene, height: int, width: int) -> Pixels:
    """Draw every frame: ``(frames, height, width, 3)`` uint8 RGB, antialiased.

    ``width / height`` should be the aspect the scene was composed for; else the view is cut or
    extended at its right edge.
    """
    factor = oversampling(height)
    tall, wide = height * factor, width * factor
    views = _Views(scene, tall, wide)
    clip = np.empty((scene.frames, height, width, 3), np.uint8)
    things = sorted(scene.things, key=lambda thing: thing.ground)
    for frame in range(scene.frames):
        canvas, shade = views.frame(frame)
        clock = scene.clock(frame)
        _sky_and_sea(scene, canvas, clock)
        if scene.place != "sea":
            _shadows(scene, canvas, shade, frame)
        for thing in things:
            DRAW[thing.kind](canvas, pose(scene, thing, frame))
            if scene.place == "sea":
                _reflection(scene, canvas, thing, frame)
        if scene.weather in ("rain", "snow"):
            _falling(scene, canvas, clock)
        clip[frame] = reduce(canvas.pixels, height, width)
    return clip


class _Views:
    """The painted backdrop of every frame, and the same in shadow: painted once for a camera that
    does not zoom.
    """

    def __init__(self, scene: Scene, tall: int, wide: int) -> None:
        self.scene, self.tall, self.wide = scene, tall, wide
        # on the grid of pixels
        self.left = math.floor(float(scene.camera.left.min()) * tall) / tall
        self.zooms = bool((scene.camera.zoom != 1).any())
        if not self.zooms:
            span = math.ceil((float(scene.camera.left.max()) - self.left) * tall) + wide
            self.world, self.shade = self._painted(span, float(tall), self.left, 0.0)

    def _painted(
        self, columns: int, scale: float, left: float, top: float
    ) -> tuple[Pixels, Pixels]:
        pixels = np.empty((self.tall, columns, 3), np.uint8)
        places.backdrop(self.scene, Canvas(pixels, scale, left, top))
        return pixels, places.shaded(pixels, self.scene.time)

    def frame(self, frame: int) -> tuple[Canvas, Pixels]:
        camera = self.scene.camera
        left, top, scale = (
            float(camera.left[frame]),
            float(camera.top[frame]),
            float(self.tall * camera.zoom[frame]),
        )
        if self.zooms:
            pixels, shade = self._painted(self.wide, scale, left, top)
            return Canvas(pixels, scale, left, top), shade
        start = round((left - self.left) * self.tall)
        view = slice(start, start + self.wide)
        return Canvas(self.world[:, view].copy(), scale, left, top), self.shade[:, view]


def backdrop_corner(scene: Scene, frame: int, tall: int) -> float:
    """The left edge of the backdrop that is seen, which lies on the grid of its ``tall`` pixels
    where the camera does not zoom.
    """
    left = float(scene.camera.left[frame])
    if (scene.camera.zoom != 1).any():
        return left
    first = math.floor(float(scene.camera.left.min()) * tall) / tall
    return first + round((left - first) * tall) / tall


def moving_scenery(scene: Scene, frame: int, height: int, width: int) -> NDArray[np.bool_]:
    """(height, width): where clouds, waves, rain or snow are drawn, which move by themselves."""
    factor = oversampling(height)
    tall, wide = height * factor, width * factor
    camera, clock = scene.camera, scene.clock(frame)
    view = Stencil(
        np.zeros((tall, wide), np.uint8),
        float(tall * camera.zoom[frame]),
        float(camera.left[frame]),
        float(camera.top[frame]),
    )
    _sky_and_sea(scene, view, clock)
    if scene.place == "sea":
        view.pixels[view.row(world.HORIZON["sea"]) :] = 255
    if scene.weather in ("rain", "snow"):
        _falling(scene, Stencil(view.pixels, float(tall)), clock)
    return reduce(view.pixels, height, width) > 0


def pose(scene: Scene, thing: Thing, frame: int) -> Pose:
    x, y = map(float, thing.position[frame])
    clock = scene.clock(frame)
    tint = world.TINT[scene.time]
    soft = blend((1.0, 1.0, 1.0), tint, 0.55)  # things keep enough of their colour to be told apart
    glow = (255, 226, 130) if scene.time == "night" else lit((170, 210, 236), tint)
    return pose_of(thing, (x, y), x - float(thing.position[0, 0]), clock, soft, glow)


def _shadows(scene: Scene, canvas: Canvas, shade: Pixels, frame: int) -> None:
    """Each thing darkens the ground where its height, sheared by the light's slope, falls on it."""
    mask = np.zeros(canvas.pixels.shape[:2], np.uint8)
    ground = Canvas(mask, canvas.scale, canvas.left, canvas.top)
    slope = scene.light.slope
    for thing in scene.things:
        x, y = thing.position[frame]
        low, high = thing.ground - y - thing.height / 2, thing.ground - y + thing.height / 2
        if high > 0.75:
            continue  # too far up to cast a shadow that one can see
        centre = x + slope * (low + high) / 2
        reach = 0.42 * thing.width + abs(slope) * (high - low) / 2
        fade = 1 / (1 + 1.5 * max(low, 0.0))
        ground.ellipse((centre, thing.ground), (reach * fade, 0.03 * fade), (255, 255, 255))
    cv2.copyTo(np.ascontiguousarray(shade), mask, canvas.pixels)


def _sky_and_sea(scene: Scene, canvas: Canvas, clock: float) -> None:
    rng = np.random.Generator(np.random.Philox(key=[scene.detail, 1]))
    wind = float(rng.choice([-1, 1])) * 0.07
    base = lit((250, 250, 252), world.TINT[scene.time])
    count = int(rng.integers(2, 4)) if scene.weather == "clouds" else 0
    for i in range(count):
        x = (i + float(rng.uniform(0.2, 0.8))) / count * scene.aspect + wind * clock
        y, size = float(rng.uniform(0.08, 0.24)), float(rng.uniform(0.8, 1.2))
        for dx, dy, rx, ry in (
            (-0.08, 0.01, 0.08, 0.04),
            (0.08, 0.01, 0.09, 0.042),
            (0.0, -0.02, 0.1, 0.055),
        ):
            canvas.ellipse((x + dx * size, y + dy * size), (rx * size, ry * size), base)
    if scene.place == "sea":
        _waves(scene, canvas, clock, rng)


def _waves(scene: Scene, canvas: Canvas, clock: float, rng: np.random.Generator) -> None:
    """Crests that drift and a path of light under the sun that shimmers."""
    far, near = places.water(scene)
    horizon = world.HORIZON["sea"]
    for depth in np.linspace(0.06, 0.95, 7):
        y = horizon + depth * (1 - horizon)
        x = float(rng.uniform(-0.2, 0.35)) + 0.1 * clock * (0.4 + depth)
        crest = blend(blend(far, near, depth), (255, 255, 255), 0.22)
        for step in range(
            math.floor((canvas.left - x) / 0.55) - 1, math.ceil((canvas.right - x) / 0.55) + 1
        ):
            start = x + 0.55 * step
            canvas.line((start, y), (start + 0.08 + 0.12 * depth, y), 0.006 + 0.008 * depth, crest)
    if scene.light.source == "overcast":
        return
    glitter = blend(places.sun_colour(scene), (255, 255, 255), 0.15)
    for i, depth in enumerate(np.linspace(0.03, 0.7, 9)):
        half = 0.05 + 0.05 * depth + 0.025 * math.sin(2 * math.pi * (0.9 * clock + 0.37 * i))
        y = horizon + depth * (1 - horizon)
        x = scene.light.x + 0.015 * math.sin(2 * math.pi * (0.6 * clock + 0.61 * i))
        canvas.line(
            (x - half, y), (x + half, y), 0.012, blend(blend(far, near, depth), glitter, 0.7)
        )


REFLECTED: Final = (
    0.4  # of what stands above the water is seen in it, squeezed to 60% of its height
)


def _reflection(scene: Scene, canvas: Canvas, thing: Thing, frame: int) -> None:
    """The water mirrors a boat below its water line; far birds are not seen in it."""
    if thing.kind != "boat":
        return
    x, line = float(thing.position[frame, 0]), thing.ground
    above = slice(canvas.row(line - thing.height), canvas.row(line))
    below = slice(above.stop, canvas.row(line + 0.6 * thing.height))
    columns = slice(canvas.column(x - thing.width / 2), canvas.column(x + thing.width / 2))
    image, water = canvas.pixels[above, columns][::-1], canvas.pixels[below, columns]
    if not image.size or not water.size:
        return
    mirrored = cv2.resize(image, (water.shape[1], water.shape[0]), interpolation=cv2.INTER_AREA)
    strength = REFLECTED * np.linspace(1, 0, len(water), dtype=np.float32)[:, None, None]
    canvas.pixels[below, columns] = water * (1 - strength) + mirrored * strength


def _falling(scene: Scene, canvas: Canvas, clock: float) -> None:
    """Rain or snow between the camera and the scene: it falls within the view, whatever the camera
    does.
    """
    rng = np.random.Generator(np.random.Philox(key=[scene.detail, 2]))
    rain = scene.weather == "rain"
    count, speed = (36, 2.2) if rain else (36, 0.35)
    pane = type(canvas)(canvas.pixels, float(canvas.pixels.shape[0]))
    places_x, places_y = rng.uniform(-0.1, pane.right + 0.1, count), rng.uniform(0, 1.1, count)
    phases, near = rng.uniform(0, 1, count), rng.uniform(0.7, 1.3, count)
    colour = lit(
        (206, 214, 228) if rain else (250, 252, 255), blend((1, 1, 1), world.TINT[scene.time], 0.5)
    )
    for x, y, phase, size in zip(places_x, places_y, phases, near, strict=True):
        y = (y + speed * size * clock) % 1.1 - 0.05
        if rain:
            pane.line((x, y), (x - 0.012 * size, y + 0.075 * size), 0.011, colour)
        else:
            pane.disc(
                (x + 0.03 * math.sin(2 * math.pi * (phase + 0.5 * clock)), y), 0.016 * size, colour
            )
