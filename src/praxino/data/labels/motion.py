"""Where pixels go from one frame to the next, in closed form.

The camera moves the backdrop, a thing's track moves the thing. What moves otherwise (legs, wings,
wheels, what rolls; clouds, waves, rain) is not followed, and said to be unknown.

Legend: T frames, H W pixels.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama.canvas import Canvas, oversampling, reduce
from praxino.data.diorama.render import backdrop_corner, moving_scenery, pose
from praxino.data.diorama.scene import Thing
from praxino.data.diorama.sprites import DRAW
from praxino.data.labels.films import LabelledFilm
from praxino.data.labels.shards import instance_ids

NOWHERE = (255.0, 0.0, 255.0)
"""A colour that no thing has."""
OTHER_COLOUR = 12
"""Grey levels by which a part of a thing differs that does not move with it."""
TURNING = frozenset({"ball"})
"""Kinds that turn while they move, which a plain colour does not show."""


@dataclass(frozen=True, eq=False)
class Flow:
    """Motion from one frame to the next.

    Attributes
    ----------
    vectors : (H, W, 2) float32
        To the right and down, in pixels.
    valid : (H, W) bool
        Where it is known.
    occluded : (H, W) bool
        Where what is seen in this frame is hidden in the next one, or has left it.
    """

    vectors: NDArray[np.float32]
    valid: NDArray[np.bool_]
    occluded: NDArray[np.bool_]


class Motion:
    """The motion of a film with a scene."""

    def __init__(self, film: LabelledFilm) -> None:
        assert film.scene is not None
        self.scene, self.size, self.ids = film.scene, film.size, instance_ids(film)
        self.tall = film.size[0] * oversampling(film.size[0])

    def moved(
        self, places: NDArray[np.float64], owner: int, start: int, end: int
    ) -> NDArray[np.float64]:
        """Points (N, 2), x and y in pixels, of what ``owner`` is (0: the backdrop, n: the n-th
        thing) at frame ``start``, as they are at frame ``end``.
        """
        height, camera = self.size[0], self.scene.camera
        here, there = (self._corner(frame, owner) for frame in (start, end))
        there_in_world = places / height / camera.zoom[start] + here
        if owner:
            position = self.scene.things[owner - 1].position
            there_in_world = there_in_world + position[end] - position[start]
        result: NDArray[np.float64] = (there_in_world - there) * camera.zoom[end] * height
        return result

    def _corner(self, frame: int, owner: int) -> NDArray[np.float64]:
        camera = self.scene.camera
        left = camera.left[frame] if owner else backdrop_corner(self.scene, frame, self.tall)
        return np.array([left, camera.top[frame]])

    def owner_at(self, places: NDArray[np.float64], frame: int) -> NDArray[np.int64]:
        """The owners of the pixels in which points (N, 2) lie; -1 outside the picture."""
        height, width = self.size
        columns, rows = np.floor(places).astype(int).T
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        return np.where(inside, _nearest(self.ids[frame], places).astype(np.int64), -1)

    def unknown(self, frame: int, end: int) -> NDArray[np.bool_]:
        """(H, W): pixels that move otherwise than with their owner from ``frame`` to ``end``."""
        result = self._scenery(frame)
        for number, thing in enumerate(self.scene.things, 1):
            own = self.ids[frame] == number
            if own.any():
                result |= own & self._changes(thing, frame, end)
        return result

    def _scenery(self, frame: int) -> NDArray[np.bool_]:
        """(H, W): what rain, snow, clouds or waves cover at a frame."""
        covered = moving_scenery(self.scene, frame, *self.size)
        # rain falls before things, clouds and waves lie behind them
        if self.scene.weather not in ("rain", "snow"):
            covered &= self.ids[frame] == 0
        return covered

    def _changes(self, thing: Thing, frame: int, end: int) -> NDArray[np.bool_]:
        """(H, W): where a thing does not look, in its own frame, as it does later."""
        now, later = (pose(self.scene, thing, at) for at in (frame, end))
        if thing.kind in TURNING and now.travel != later.travel:
            return np.ones(self.size, bool)
        if replace(later, x=now.x, y=now.y) == now:
            return np.zeros(self.size, bool)
        pictures = []
        for one in (now, replace(later, x=now.x, y=now.y)):
            pixels = np.empty((self.tall, self.tall * self.size[1] // self.size[0], 3), np.uint8)
            pixels[:] = NOWHERE
            camera = self.scene.camera
            scale = float(self.tall * camera.zoom[frame])
            view = Canvas(pixels, scale, float(camera.left[frame]), float(camera.top[frame]))
            DRAW[thing.kind](view, one)
            pictures.append(reduce(pixels, *self.size).astype(np.int16))
        return np.abs(pictures[0] - pictures[1]).max(2) > OTHER_COLOUR

    def flow(self, frame: int) -> Flow:
        """From a frame to the next one."""
        height, width = self.size
        rows, columns = np.mgrid[:height, :width]
        places = np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5
        owners = self.ids[frame].ravel().astype(np.int64)
        there = np.empty_like(places)
        for owner in np.unique(owners):
            own = owners == owner
            there[own] = self.moved(places[own], int(owner), frame, frame + 1)
        hidden = self.owner_at(there, frame + 1) != owners
        hidden |= _nearest(self._scenery(frame + 1), there)
        vectors = (there - places).reshape(height, width, 2).astype(np.float32)
        return Flow(vectors, ~self.unknown(frame, frame + 1), hidden.reshape(height, width))


def _nearest(picture: NDArray[Any], places: NDArray[np.float64]) -> NDArray[Any]:
    """(N,): the pixels of a picture (H, W) in which points (N, 2), x and y, lie, or which are the
    nearest ones to points outside it.
    """
    height, width = picture.shape
    columns, rows = np.floor(places).astype(int).T
    return picture[rows.clip(0, height - 1), columns.clip(0, width - 1)]
