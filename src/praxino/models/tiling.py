"""Large pictures in squares: where these lie, and how what was made of them is put together
again.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from praxino.shapes import window_starts


class Blend:
    """Tiles put together: a weighted mean where they overlap."""

    def __init__(self, frames: int, size: tuple[int, int], overlap: int) -> None:
        self.frames, self.size, self.overlap = frames, size, overlap
        self.total: Tensor | None = None
        self.weights: Tensor | None = None

    def add(self, parts: Iterable[Tensor], top: int, left: int) -> None:
        """Frames of a tile, few at a time, whose corner is at ``top``, ``left``."""
        frame = 0
        for part in parts:
            rows, columns = slice(top, top + part.shape[3]), slice(left, left + part.shape[4])
            mask = torch.outer(
                _ramp(rows, self.size[0], self.overlap, part),
                _ramp(columns, self.size[1], self.overlap, part),
            )
            if self.total is None or self.weights is None:
                self.total = part.new_zeros(*part.shape[:2], self.frames, *self.size)
                self.weights = part.new_zeros(self.size)
            self.total[:, :, frame : frame + part.shape[2], rows, columns] += part * mask
            if frame == 0:
                self.weights[rows, columns] += mask
            frame += part.shape[2]

    def result(self) -> Tensor:
        assert self.total is not None
        assert self.weights is not None
        return self.total.div_(self.weights)


def corners(size: Sequence[int], tile: int, overlap: int) -> list[tuple[int, int]]:
    """Where tiles begin, row by row."""
    rows, columns = (window_starts(length, tile, overlap) for length in size)
    return [(top, left) for top in rows for left in columns]


def _ramp(place: slice, size: int, overlap: int, like: Tensor) -> Tensor:
    """Weights of a tile along one axis: where it meets a neighbour, nothing for a quarter of the
    overlap, where its edge can be seen, then rising to one by the third quarter.
    """
    distance = torch.arange(place.stop - place.start, device=like.device, dtype=like.dtype)
    fade = ((distance - overlap // 4 + 1) / (overlap // 2 + 1)).clamp(0, 1)
    start = fade if place.start > 0 else torch.ones_like(fade)
    end = fade.flip(0) if place.stop < size else torch.ones_like(fade)
    return torch.minimum(start, end)
