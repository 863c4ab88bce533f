"""What is known of a film or picture before and while it is decoded, and the limits that hold for
all of them.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from praxino.errors import MediaError

MAX_FRAME_PIXELS: Final = 8192 * 4608
"""Pixels of a film's frame that are taken on: somewhat more than 8K."""
ROWS: Final = 256
"""Rows of a picture that are worked on at a time."""
COMPLETE_HINT: Final = "is it a film or a picture, and complete?"

DAMAGE: Final = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    SyntaxError,
    TypeError,
    MemoryError,
    OverflowError,
    RuntimeError,
    struct.error,
    av.error.FFmpegError,
    Image.DecompressionBombError,
)
"""What decoders raise on damaged files."""


@dataclass(frozen=True)
class MediaInfo:
    """What a file says of its picture, and of its length, which is looked up where it does not say.

    Attributes
    ----------
    width, height : int
        Pixels as they are stored.
    rate : float
        Frames a second, 0 if unknown.
    seconds : float
        Length, 0 for a picture.
    codec : str
        As FFmpeg calls it; "picture" for what Pillow reads.
    bytes : int
        Size of the file.
    oddities : tuple of str
        Such as "transparent", "256 colours".
    frames : int
        How many are shown, 0 if unknown.
    comment : str
        Metadata field of that name.
    first : float
        Time of the first frame by the file's own clock, in seconds.
    indexed : bool
        Whether it says its length, and with it where its parts are.
    pixel_aspect : float
        Width over height of one of its pixels; 1 where it does not say it.
    """

    width: int
    height: int
    rate: float
    seconds: float
    codec: str
    bytes: int
    oddities: tuple[str, ...] = ()
    frames: int = 0
    comment: str = ""
    first: float = 0.0
    indexed: bool = True
    pixel_aspect: float = 1.0

    @property
    def bits_per_pixel(self) -> float:
        """Bits of the file for each pixel that it shows; 0 if its length is unknown."""
        pixels = self.width * self.height * self.rate * self.seconds
        return 8 * self.bytes / pixels if pixels else 0.0


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame.

    Attributes
    ----------
    seconds : float
        From the beginning.
    pixels : (H, W, 3) uint8
        RGB, upright.
    interlaced : bool
        Whether it is stored in two fields.
    duration : float
        Seconds that it is shown, where the file says it of each frame; otherwise 0.
    """

    seconds: float
    pixels: NDArray[np.uint8]
    interlaced: bool = False
    duration: float = 0.0


@dataclass
class DecodeBudget:
    """Pixels that may yet be decoded: some files are not seekable, some are mostly padding."""

    left: float = math.inf

    def spend(self, pixels: float) -> bool:
        """Take ``pixels`` off; whether nothing is left then."""
        self.left -= pixels
        return self.left < 0


def unreadable(path: Path, error: Exception) -> MediaError:
    """A decoder's complaint as one of ours."""
    if isinstance(error, MemoryError):
        return MediaError(f"{path} is too large for the memory that is free", "reduce it first")
    text = getattr(error, "strerror", None) or str(error)
    problem = " ".join(text.split()) or type(error).__name__
    return MediaError(f"cannot read {path}: {problem}", COMPLETE_HINT)


def require_pixels(path: Path, width: int, height: int, most: int) -> None:
    """Raise `MediaError` if a frame has more pixels than are taken on."""
    if width * height > most:
        raise MediaError(
            f"{path}: {width}x{height} is too large", f"at most {most:,} pixels; reduce it first"
        )


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4) to (H, W, 3): what is transparent is white, whatever lies hidden there."""
    rgb = np.empty((*rgba.shape[:2], 3), np.uint8)
    for first in range(0, len(rgba), ROWS):  # large pictures in little memory
        band = rgba[first : first + ROWS]
        alpha = band[..., 3:].astype(np.uint16)
        rgb[first : first + ROWS] = (band[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return rgb
