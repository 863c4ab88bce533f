"""Arithmetic of shapes: how a clip, its latent and its tokens follow from one another. Nowhere
else.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from praxino.errors import ShapeError


@dataclass(frozen=True)
class Compression:
    """How many frames, rows and columns become one latent position. The first frame alone is
    one.
    """

    time: int = 4
    height: int = 8
    width: int = 8


@dataclass(frozen=True)
class LatentShape:
    """Channels, frames, height and width of a latent clip in latent positions."""

    channels: int
    frames: int
    height: int
    width: int

    def size(self, batch: int = 1) -> tuple[int, int, int, int, int]:
        """Size of a tensor of ``batch`` such latents."""
        return batch, self.channels, self.frames, self.height, self.width


def token_grid(size: Sequence[int], patch: tuple[int, int, int]) -> tuple[int, int, int]:
    """Tokens along time, height and width of a latent of ``size`` (t, h, w) cut into patches."""
    t, h, w = (length // side for length, side in zip(size, patch, strict=True))
    return t, h, w


def window_starts(length: int, window: int, overlap: int) -> list[int]:
    """Where windows begin that cover ``length``: each overlaps the one before by ``overlap`` or
    more, and the last one ends with it.
    """
    if length <= window:
        return [0]
    return [*range(0, length - window, max(1, window - overlap)), length - window]


@dataclass(frozen=True)
class VideoShape:
    """Frames, height and width of a clip in pixels."""

    frames: int
    height: int
    width: int

    @staticmethod
    def of_latent(frames: int, compression: Compression) -> int:
        """How many frames ``frames`` latent frames stand for."""
        return (frames - 1) * compression.time + 1

    def latent(self, compression: Compression, channels: int) -> LatentShape:
        """The latent's shape; `validate` says which clips have one."""
        return LatentShape(
            channels,
            (self.frames - 1) // compression.time + 1,
            self.height // compression.height,
            self.width // compression.width,
        )

    def in_proportion(
        self, picture: tuple[int, int], compression: Compression, patch: tuple[int, int, int]
    ) -> "VideoShape":
        """The shape with the proportions of a picture (height, width) and about as many pixels that
        can be made.
        """
        stretch = math.sqrt(self.height * self.width / math.prod(picture))
        units = compression.height * patch[1], compression.width * patch[2]
        height, width = (
            max(1, round(n * stretch / unit)) * unit for n, unit in zip(picture, units, strict=True)
        )
        return VideoShape(self.frames, height, width)

    def validate(
        self, compression: Compression, patch: tuple[int, int, int] = (1, 1, 1)
    ) -> "VideoShape":
        """Return self if a model of this compression and patch can make it.

        Raises
        ------
        ShapeError
            Names the size that does not fit and the nearest ones that do.
        """
        step = compression.time * patch[0]
        # the shortest clip: one patch of latent frames
        first = self.of_latent(patch[0], compression)
        if self.frames < first or (self.frames - first) % step:
            low = first + max(0, (self.frames - first) // step) * step
            raise ShapeError(
                f"frames={self.frames}: must be {step}k+{first}", f"{low} or {low + step}", "frames"
            )
        for name, size, unit in (
            ("height", self.height, compression.height * patch[1]),
            ("width", self.width, compression.width * patch[2]),
        ):
            if size < unit or size % unit:
                low = max(1, size // unit) * unit
                raise ShapeError(
                    f"{name}={size}: must be a multiple of {unit}", f"{low} or {low + unit}", name
                )
        return self
