"""The ground truth of one sample: things with their tracks, the light, the weather, the camera.

Lengths are in frame heights, x to the right and y *down* from the top-left corner of the unmoved
view; time is in seconds. Tracks are in world coordinates; `Camera.project` turns them into the
picture's.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Marking:
    """What tells an individual from others of its kind and colour: a pattern in a second colour."""

    pattern: str  # "spots", "stripes", "patch", "belt"
    colour: str
    individual: "Individual | None" = (
        None  # with marks of its own; None: as everybody wears this pattern
    )


@dataclass(frozen=True)
class Individual:
    """The marks of one individual.

    ``places`` are the centres of its marks in half axes of the body, forward and up; ``scale``
    their size against the usual one; ``worn`` is "collar", "hat" or None, and ``worn_colour`` its
    colour.
    """

    seed: int
    places: tuple[tuple[float, float], ...]
    scale: float
    worn: str | None
    worn_colour: str


@dataclass(frozen=True)
class Thing:
    """One thing and where it is in every frame.

    ``position`` (frames, 2) is the centre, ``velocity`` (frames, 2) its derivative per second;
    ``height`` and ``width`` are the outline's; ``ground`` is the y on which it stands, or above
    which it flies; ``heading`` is +1 to the right, -1 to the left.
    """

    kind: str
    colour: str
    motion: str
    heading: int
    height: float
    width: float
    ground: float
    position: Array
    velocity: Array
    material: str | None = None
    marking: Marking | None = None
    word: str | None = None  # in large letters
    name: str | None = None  # by which captions call it


@dataclass(frozen=True)
class Light:
    """Where light comes from. ``slope`` is the sideways shift of a shadow per unit of elevation."""

    source: str  # "sun", "moon", "overcast", or "window" (then x, y are the window's centre)
    colour: str | None  # a named colour, or None for the usual one
    x: float
    y: float
    slope: float


@dataclass(frozen=True)
class Camera:
    """What part of the world is seen, frame by frame.

    ``motion`` is "still", "pan left", "pan right", "zoom in", "zoom out" or "follow"; ``left`` and
    ``top`` (frames,) are the view's corner in the world, ``zoom`` (frames,) how many times larger
    than life it shows things.
    """

    motion: str
    left: Array
    top: Array
    zoom: Array

    def project(self, position: Array) -> Array:
        """World coordinates (frames, 2) as the picture's: x from its left edge, y from its top, in
        its heights.
        """
        corner = np.stack([self.left, self.top], axis=1)
        return (position - corner) * self.zoom[:, None]


@dataclass(frozen=True)
class Relation:
    """What the first two things do together, or how they stand: "race", "fetch", "chase",
    "collide", "stack", "topple", "pass behind", "left of", "bigger than" or "group".
    """

    name: str
    count: int = 2


@dataclass(frozen=True)
class Scene:
    """Everything that is seen; enough to render it at any size."""

    place: str
    time: str
    weather: str  # "clear", "clouds", "rain" or "snow"
    tint: str | None  # a colour of the sea other than its own
    relation: Relation | None
    things: tuple[Thing, ...]
    light: Light
    camera: Camera
    fps: float
    aspect: float
    detail: int  # seed of what is scenery only: building outlines, cloud and star positions
    period: float | None = None  # seconds after which everything is as it was; None: never

    @property
    def frames(self) -> int:
        return len(self.camera.left)

    def clock(self, frame: int) -> float:
        """Seconds, for what sways, beats and drifts by itself; in a cyclic scene it swings to and
        fro.
        """
        seconds = frame / self.fps
        if self.period is None:
            return seconds
        return self.period / (2 * math.pi) * math.sin(2 * math.pi * seconds / self.period)

    def size(self, thing: Thing) -> Array:
        """(frames, 2): width and height of a thing's outline in the picture's heights, frame by
        frame.
        """
        return self.camera.zoom[:, None] * np.array([[thing.width, thing.height]])

    def visible(self, thing: Thing) -> NDArray[np.bool_]:
        """(frames,): whether any of the thing's outline is within the view; occlusion is not
        counted.
        """
        x, y = self.camera.project(thing.position).T
        width, height = self.size(thing).T / 2
        return (x + width > 0) & (x - width < self.aspect) & (y + height > 0) & (y - height < 1)

    def hidden(self, thing: Thing) -> NDArray[np.bool_]:
        """(frames,): whether the thing's centre is covered by the outline of a nearer one."""
        covered = np.zeros(self.frames, bool)
        for other in self.things:
            if other.ground > thing.ground:
                apart = np.abs(other.position - thing.position)
                covered |= (apart[:, 0] < 0.45 * other.width) & (apart[:, 1] < 0.45 * other.height)
        return covered

    def shows(self, thing: Thing) -> NDArray[np.bool_]:
        """(frames,): whether the thing's centre is within the view and not `hidden`."""
        x, y = self.camera.project(thing.position).T
        return (x >= 0) & (x < self.aspect) & (y >= 0) & (y < 1) & ~self.hidden(thing)

    @property
    def attributes(self) -> dict[str, str]:
        """What is true of the whole clip, by name; "usual" for a sea or a light that is not
        tinted.
        """
        return {
            "place": self.place,
            "time": self.time,
            "weather": self.weather,
            "camera": self.camera.motion,
            "sea": self.tint or "usual",
            "light": self.light.colour or "usual",
        }


@dataclass(frozen=True)
class Captions:
    """A scene in three lengths: a list of tags, a sentence, and a paragraph that names everything
    visible.
    """

    tags: str
    sentence: str
    paragraph: str


@dataclass(frozen=True)
class Sample:
    """A clip ``(frames, height, width, 3)`` uint8 RGB, its captions, and the truth behind both."""

    clip: NDArray[np.uint8]
    captions: Captions
    scene: Scene
