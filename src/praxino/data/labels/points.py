"""Tracks of points, with the arrays of TAP-Vid."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from praxino.data.labels.films import LabelledFilm
from praxino.data.labels.motion import Motion
from praxino.rng import Stream, generator

POINTS = 256
"""Points of a film, at most."""


class PointsWriter:
    """``FILM.npz`` with ``video`` (T, H, W, 3) uint8, ``points`` (N, T, 2) float32, x and y from 0
    to 1, and ``occluded`` (N, T).
    """

    exact = True

    def __init__(self, folder: Path, part: str) -> None:
        self.folder, self.count = folder, 0

    def add(self, film: LabelledFilm) -> None:
        points, occluded = tracks(film, self.count)
        self.count += 1
        np.savez_compressed(
            self.folder / f"{film.name}.npz", video=film.frames, points=points, occluded=occluded
        )

    def finish(self) -> None:
        """Nothing is left to be written."""


def tracks(film: LabelledFilm, number: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Points of a film, half of them on things, and where they are hidden; only points that move
    with their thing, or the backdrop, in all frames in which they are seen.
    """
    motion, chance = Motion(film), generator(Stream.POINTS, 0, number)
    height, width = film.size
    count = len(film.frames)
    unknown = np.stack(
        [motion.unknown(at, at + 1 if at + 1 < count else max(0, at - 1)) for at in range(count)]
    )
    places, hidden = list[NDArray[np.float64]](), list[NDArray[np.bool_]]()
    for place in range(4 * POINTS):
        frame = int(chance.integers(count))
        able = (motion.ids[frame] > 0 if place % 2 else motion.ids[frame] == 0) & ~unknown[frame]
        candidates = np.argwhere(able)
        if not len(candidates):
            continue
        row, column = candidates[chance.integers(len(candidates))]
        owner = int(motion.ids[frame, row, column])
        start = np.array([[column, row]]) + chance.random((1, 2))
        way = np.stack([motion.moved(start, owner, frame, at)[0] for at in range(count)])
        owners = np.array([motion.owner_at(way[at : at + 1], at)[0] for at in range(count)])
        visible = owners == owner
        columns, rows = np.floor(way).astype(int).T
        if unknown[visible, rows[visible], columns[visible]].any():
            continue
        places.append(way / (width, height))
        hidden.append(~visible)
        if len(places) == POINTS:
            break
    if not places:
        return np.empty((0, count, 2), np.float32), np.empty((0, count), bool)
    return np.stack(places).astype(np.float32), np.stack(hidden)
