"""Clips of equal shape together: buckets of frames, height and width, and the batches of them.

A clip goes into the largest shape that it fills; nothing is enlarged. A batch holds as many clips
of its bucket as a budget of tokens allows, so that all batches cost alike; the last batch of a
bucket goes on with its first clips, so that no clip is left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from praxino.config import Config
from praxino.data.order import permuted
from praxino.errors import InputError

RATIOS: Final = 7
"""Proportions of an area, evenly in their logarithm."""


CROPPED: Final = 0.2
"""Logarithm of the proportions by which a clip and its bucket may differ: what is over is cut off.
"""


class BucketConfig(Config):
    """Which shapes there are.

    Attributes
    ----------
    frames : tuple of int
        Lengths, each 4k + 1; 1 is a picture.
    areas : tuple of int
        Sides of squares of as many pixels.
    widest : float
        Width over height at most, and height over width.
    tokens : int
        Of a batch, at most; a single clip may have more.
    """

    frames: tuple[PositiveInt, ...] = Field((1, 17), strict=False, min_length=1)
    areas: tuple[PositiveInt, ...] = Field((64,), strict=False, min_length=1)
    widest: float = Field(2.0, ge=1)
    tokens: int = Field(5120, gt=0)


class Bucket(NamedTuple):
    """One shape: frames, height and width in pixels."""

    frames: int
    height: int
    width: int


def shapes(config: BucketConfig, grid: int) -> list[Bucket]:
    """All shapes, sides multiples of ``grid`` pixels, each once."""
    ratios = np.exp(np.linspace(-math.log(config.widest), math.log(config.widest), RATIOS))
    every = dict[Bucket, None]()
    for frames in sorted(config.frames):
        for side in sorted(config.areas):
            for ratio in ratios if config.widest > 1 else (1.0,):
                width, height = (
                    max(grid, grid * round(side * factor / grid))
                    for factor in (math.sqrt(ratio), 1 / math.sqrt(ratio))
                )
                every[Bucket(frames, height, width)] = None
    return list(every)


def bucket_of(frames: int, height: int, width: int, buckets: Sequence[Bucket]) -> Bucket | None:
    """The bucket of a clip: of those that it fills, the longest, of these the largest of near
    proportions; None for a clip that fills none.

    A clip of more than one frame never becomes a picture while a length for clips would do.
    """
    able = [
        one
        for one in buckets
        if one.frames <= frames and min(height / one.height, width / one.width) >= 1 - 1e-9
    ]
    if not able:
        return None
    longest = max(one.frames for one in able)
    able = [one for one in able if one.frames == longest]
    off = lambda one: abs(math.log((width / height) / (one.width / one.height)))  # noqa: E731
    near = max(CROPPED, min(off(one) for one in able) + 1e-9)
    able = [one for one in able if off(one) <= near]
    return max(able, key=lambda one: (one.height * one.width, -off(one)))


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of an epoch, as a function of their number.

    Attributes
    ----------
    buckets : list of Bucket
        Those that hold clips.
    members : list of (N,)
        Numbers of the clips in each.
    sizes : (B,)
        Clips of a batch of each.
    """

    buckets: list[Bucket]
    members: list[NDArray[np.int64]]
    sizes: NDArray[np.int64]
    seed: int = 0

    @classmethod
    def of(
        cls, clips: Sequence[Bucket | None], tokens: dict[Bucket, int], budget: int, seed: int = 0
    ) -> "Batches":
        """Batches of clips, each with its bucket.

        Parameters
        ----------
        tokens : dict
            Of one clip of each bucket.
        budget : int
            Of a batch, at most.

        Raises
        ------
        InputError
            If no clip is in a bucket.
        """
        buckets = sorted({one for one in clips if one is not None})
        if not buckets:
            raise InputError("no clip is as large as a bucket", "smaller areas, fewer frames")
        own = {one: number for number, one in enumerate(buckets)}
        number_of = np.array([-1 if one is None else own[one] for one in clips])
        members = [np.flatnonzero(number_of == number) for number in range(len(buckets))]
        sizes = np.array([max(1, budget // tokens[one]) for one in buckets], np.int64)
        return cls(buckets, members, sizes, seed)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Batches of each bucket in an epoch, (B,)."""
        return -(-np.array([len(one) for one in self.members]) // self.sizes)

    @property
    def epoch(self) -> int:
        """Batches of an epoch."""
        return int(self.counts.sum())

    def batch(self, number: int) -> tuple[Bucket, NDArray[np.int64]]:
        """The bucket of the batch of this number, from 0 on without end, and its clips."""
        epoch, place = divmod(number, self.epoch)
        drawn = int(permuted(np.array([place]), self.epoch, self.seed, epoch)[0])
        ends = np.cumsum(self.counts)
        bucket = int(np.searchsorted(ends, drawn, "right"))
        first = (drawn - int(ends[bucket] - self.counts[bucket])) * int(self.sizes[bucket])
        own = self.members[bucket]
        places = np.arange(first, first + int(self.sizes[bucket])) % len(own)
        return self.buckets[bucket], own[permuted(places, len(own), self.seed + 1 + bucket, epoch)]
