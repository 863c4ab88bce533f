"""A picture to draw on in world units (frame heights), supersampled and then reduced by area
averaging.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Colour = tuple[float, float, float]

WHITE: Colour = (255, 255, 255)
_SHIFT = 4  # OpenCV takes sixteenths of a pixel


class Canvas:
    """A view of the world: its corner (``left``, ``top``) and ``scale``, pixels per frame height.

    ``pixels`` is (rows, columns, 3) uint8, or (rows, columns) for a mask.
    """

    def __init__(
        self, pixels: NDArray[np.uint8], scale: float, left: float = 0.0, top: float = 0.0
    ) -> None:
        self.pixels = pixels
        self.scale = scale
        self.left = left
        self.top = top

    @property
    def right(self) -> float:
        return self.left + self.pixels.shape[1] / self.scale

    def row(self, y: float) -> int:
        """The row of pixels that ``y`` falls in, cut to the picture."""
        return min(max(round((y - self.top) * self.scale), 0), self.pixels.shape[0])

    def column(self, x: float) -> int:
        return min(max(round((x - self.left) * self.scale), 0), self.pixels.shape[1])

    def _pixel(self, x: float, y: float) -> tuple[int, int]:
        unit = self.scale * (1 << _SHIFT)
        return round((x - self.left) * unit), round((y - self.top) * unit)

    def _length(self, value: float) -> int:
        return max(1, round(value * self.scale * (1 << _SHIFT)))

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        cv2.circle(
            self.pixels, self._pixel(*centre), self._length(radius), colour, -1, cv2.LINE_8, _SHIFT
        )

    def ellipse(
        self, centre: Point, axes: Point, colour: Colour, angle: float = 0.0, arc: Point = (0, 360)
    ) -> None:
        """Half ``axes``; ``angle`` and ``arc`` in degrees, clockwise."""
        size = (self._length(axes[0]), self._length(axes[1]))
        cv2.ellipse(
            self.pixels, self._pixel(*centre), size, angle, *arc, colour, -1, cv2.LINE_8, _SHIFT
        )

    def polygon(self, points: list[Point], colour: Colour) -> None:
        cv2.fillPoly(
            self.pixels, [np.array([self._pixel(*p) for p in points])], colour, cv2.LINE_8, _SHIFT
        )

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def line(self, start: Point, end: Point, width: float, colour: Colour) -> None:
        thickness = max(1, round(width * self.scale))
        cv2.line(
            self.pixels,
            self._pixel(*start),
            self._pixel(*end),
            colour,
            thickness,
            cv2.LINE_8,
            _SHIFT,
        )

    def gradient(self, above: Colour, below: Colour, start: float, end: float) -> None:
        """The full width from y = ``start`` to ``end``, from one colour to the other."""
        rows = (np.arange(self.row(start), self.row(end)) + 0.5) / self.scale + self.top
        part = ((rows - start) / (end - start)).astype(np.float32)[:, None, None]
        ramp = np.asarray(above, np.float32) * (1 - part) + np.asarray(below, np.float32) * part
        self.pixels[self.row(start) : self.row(end)] = ramp


class Stencil(Canvas):
    """A canvas that takes no colours: what is drawn becomes 255. ``pixels`` is (rows, columns)
    uint8.
    """

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        super().disc(centre, radius, WHITE)

    def ellipse(
        self, centre: Point, axes: Point, colour: Colour, angle: float = 0.0, arc: Point = (0, 360)
    ) -> None:
        super().ellipse(centre, axes, WHITE, angle, arc)

    def polygon(self, points: list[Point], colour: Colour) -> None:
        super().polygon(points, WHITE)

    def line(self, start: Point, end: Point, width: float, colour: Colour) -> None:
        super().line(start, end, width, WHITE)


def oversampling(height: int) -> int:
    """How many times larger to draw: enough that edges are smooth, less where the picture is large
    itself.
    """
    return max(2, math.ceil(256 / height))


def reduce(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Area-average to the final size: this is the antialiasing."""
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def lit(colour: Colour, tint: tuple[float, float, float], gain: float = 1.0) -> Colour:
    """A surface colour under a light: multiplied channel by channel and clipped."""
    r, g, b = (min(255.0, c * t * gain) for c, t in zip(colour, tint, strict=True))
    return r, g, b


def blend(first: Colour, second: Colour, part: float) -> Colour:
    r, g, b = ((1 - part) * a + part * c for a, c in zip(first, second, strict=True))
    return r, g, b
