"""Who stands before whom: the world is flat, so that depth is an order, and no length."""

from pathlib import Path

import numpy as np

from praxino.data.labels.films import LabelledFilm
from praxino.data.labels.flow import write_grey
from praxino.storage.media.video import write_picture


class DepthWriter:
    """``images/FILM/000001.png`` and ``ranks/FILM/000001.png``: 0 for the backdrop, 1 for the
    farthest thing, and so on to the nearest.
    """

    exact = True

    def __init__(self, folder: Path, part: str) -> None:
        self.folder = folder

    def add(self, film: LabelledFilm) -> None:
        assert film.masks is not None
        for kind in ("images", "ranks"):
            (self.folder / kind / film.name).mkdir(parents=True)
        farthest = max((thing.depth for thing in film.tracks), default=0)
        ranks = np.zeros(film.frames.shape[:3], np.uint8)
        for thing, visible in zip(film.tracks, film.masks.visible, strict=True):
            ranks[visible] = farthest - thing.depth + 1
        for number, (pixels, rank) in enumerate(zip(film.frames, ranks, strict=True), 1):
            write_picture(self.folder / "images" / film.name / f"{number:06d}.png", pixels)
            write_grey(self.folder / "ranks" / film.name / f"{number:06d}.png", rank)

    def finish(self) -> None:
        """Nothing is left to be written."""
