"""What happens to clips on their way: compression, smaller sizes, dropped frames, GIFs, messengers.

Each takes and returns a film (T, H, W, 3) uint8; none knows where it came from.
"""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from praxino.data.conditions import Condition
from praxino.data.pixels import resized
from praxino.storage.media.codec import h264

Film = NDArray[np.uint8]


def compressed(film: Film, crf: int) -> Film:
    """Through H.264 at a constant rate factor: 18 is hardly seen, 35 is blocky."""
    return h264(even(film), crf=str(crf)).decoded()


def scaled(film: Film, factor: float) -> Film:
    """Smaller by ``factor`` in both directions, sizes even."""
    height, width = (max(16, round(side * factor / 2) * 2) for side in film.shape[1:3])
    return resized(film, height, width)


def halved(film: Film) -> Film:
    """Every second frame."""
    return film[::2]


def gif(film: Film) -> Film:
    """256 colours a frame, dithered."""
    return np.stack(
        [np.asarray(Image.fromarray(frame).quantize(256).convert("RGB")) for frame in film]
    )


def messenger(film: Film) -> Film:
    """A film as messengers send it: smaller, compressed hard, then enlarged and compressed once
    more.
    """
    small = compressed(scaled(film, 0.75), 30)
    return compressed(even(resized(small, *film.shape[1:3])), 26)


def even(film: Film) -> Film:
    """Without an odd last row or column: encoders that halve the colours' size need even ones."""
    return film[:, : film.shape[1] // 2 * 2, : film.shape[2] // 2 * 2]


def details_of(generated: Film, real: Film, level: int) -> Film:
    """``real`` with the fine wavelet bands of ``generated``: what is coarser than ``2**level``
    pixels is the real clip's.
    """
    coarse = _coarse(real, level) - _coarse(generated, level)
    return (generated + coarse).clip(0, 255).round().astype(np.uint8)


def _coarse(film: Film, level: int) -> NDArray[np.float32]:
    """The band of means of ``2**level`` pixels a side (that of the Haar wavelet), smoothly
    enlarged.
    """
    height, width = film.shape[1:3]
    small = (max(1, width >> level), max(1, height >> level))
    pictures = film.astype(np.float32)
    means = [cv2.resize(frame, small, interpolation=cv2.INTER_AREA) for frame in pictures]
    return np.stack(
        [cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR) for mean in means]
    )


WAYS: Final[dict[Condition, Callable[[Film], Film]]] = {
    Condition.NONE: lambda film: film,
    Condition.CRF_18: lambda film: compressed(film, 18),
    Condition.CRF_23: lambda film: compressed(film, 23),
    Condition.CRF_28: lambda film: compressed(film, 28),
    Condition.CRF_35: lambda film: compressed(film, 35),
    Condition.CRF_42: lambda film: compressed(film, 42),
    Condition.THREE_QUARTERS: lambda film: scaled(film, 0.75),
    Condition.HALF_SIZE: lambda film: scaled(film, 0.5),
    Condition.QUARTER_SIZE: lambda film: scaled(film, 0.25),
    Condition.HALF_RATE: halved,
    Condition.FRAMES_12: lambda film: film[:12],
    Condition.FRAMES_8: lambda film: film[:8],
    Condition.GIF: gif,
    Condition.MESSENGER: messenger,
    Condition.CRF_28_HALF_SIZE: lambda film: compressed(scaled(film, 0.5), 28),
}
"""The ways in which detectors are tried."""
