"""What a shot of a film is made from, and what others can be made from it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from praxino.generation.films import GivenVideo
from praxino.generation.images import GivenImage
from praxino.generation.layout import at
from praxino.generation.takes import Take
from praxino.layout import Layout
from praxino.request import Request
from praxino.script import Shot

Frames = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class MadeShot:
    """A shot that others can be made from: a take, or before it is made its shape alone.

    Attributes
    ----------
    run : (T, H, W, 3) uint8
        Its frames, behind those of the shots that it goes on from.
    count : int
        How many of them are its own.
    """

    key: str
    run: Frames
    count: int
    take: Take | None = None
    latents: Tensor | None = None
    content: bytes = b""
    order: "ShotOrder | None" = None

    @property
    def own(self) -> Frames:
        """The frames of this shot alone."""
        return self.run[len(self.run) - self.count :]

    @property
    def layout(self) -> Layout | None:
        """Where things are in its run, as far as its take says: before that they stand still."""
        layout = self.take.layout if self.take else None
        if layout is None:
            return None
        first = layout.frames - len(self.run)
        return at(layout, [max(0, frame) for frame in range(first, layout.frames)])

    def alone(self) -> "MadeShot":
        """This shot behind the last frame of what it goes on from: what is left of it once the
        shot after it is there, so that long runs take no more memory than their frames.
        """
        long = len(self.run) > self.count + 1
        return replace(self, run=self.run[-self.count - 1 :].copy()) if long else self


@dataclass(frozen=True, eq=False)
class ShotOrder:
    """What a shot is made from, complete and checked; ``key`` names all of it but the seed."""

    shot: Shot
    request: Request
    key: str
    images: tuple[GivenImage, ...]
    videos: tuple[GivenVideo, ...]
    before: MadeShot | None
    needs: tuple[MadeShot, ...] = ()
    notes: tuple[str, ...] = ()
