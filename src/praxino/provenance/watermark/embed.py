"""The mark in the pixels: the same faint tile over every frame, stronger where the picture hides
it.

Spread spectrum (Cox et al. 1997) in waves that survive codecs, shaped by what is masked (Watson
1993), in luma alone.
"""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.provenance.watermark.carriers import carriers, pattern, tile
from praxino.provenance.watermark.channel_code import encoded

Film = NDArray[np.uint8]
Field = NDArray[np.float32]

SIDE: Final = 256
"""Rows or columns, whichever are fewer, that larger frames are reduced to for all but the marking
itself.
"""
QUALITY: Final = 42.5
"""Decibels of PSNR that a marked film has at least, before it is rounded."""
LOSS: Final = 0.009
"""Structural similarity that a marked film loses at most."""
LOOKS: Final = 4
"""Frames on which that is measured, at least."""
MIN_STRENGTH, TEXTURE_GAIN, MAX_STRENGTH = 0.6, 1.0, 4.0
"""Amplitude where nothing hides the mark, how it grows with the activity around, and where that
ends (of 255).
"""
AROUND: Final = (7, 7)
"""Samples of the square in which activity is measured."""


MIN_SHORTER_SIDE: Final = 24
"""Samples: smaller frames hold no tile."""
MAX_ELONGATION: Final = 16
"""Longer side over shorter side, from which on no mark is put into a frame or looked for."""


def has_room(height: int, width: int) -> bool:
    """Whether frames of this size can hold a mark: tiny and thin ones cannot."""
    return min(height, width) >= MIN_SHORTER_SIDE and max(height, width) <= MAX_ELONGATION * min(
        height, width
    )


def mark(film: Film, message: int, key: bytes) -> Film:
    """Put a message of 48 bits into a film (T, H, W, 3) or a picture (1, H, W, 3); the same shape
    comes back.

    Parameters
    ----------
    key : bytes
        Who has it finds the mark (`detect.find`), and could remove it.
    """
    height, width = film.shape[1:3]
    own = carriers(key)
    faint = pattern(
        own.waves(), own.amplitudes(encoded(message)), height, width, tile(height, width)
    )
    rows, columns = working_size(height, width)
    small = cv2.resize(faint, (columns, rows), interpolation=cv2.INTER_AREA)
    hiding = [_hiding(frame, rows, columns) for frame in film]
    power = float(np.mean([np.mean((mask * small) ** 2) for mask in hiding]))
    faint = faint * np.float32(min(1.0, 255 * 10 ** (-QUALITY / 20) / math.sqrt(max(power, 1e-9))))
    looks = range(0, len(film), max(1, len(film) // LOOKS))
    loss = float(
        np.mean([1 - similarity(film[i], _added(film[i], hiding[i], faint)) for i in looks])
    )
    faint = faint * np.float32(min(1.0, math.sqrt(LOSS / max(loss, 1e-9))))
    return np.stack([_added(frame, mask, faint) for frame, mask in zip(film, hiding, strict=True)])


def working_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns with `SIDE` as the smaller number; smaller frames stay as they are."""
    scale = min(1.0, SIDE / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def luma(frame: Film, rows: int, columns: int) -> Field:
    """(rows, columns) of a frame (H, W, 3), in 0..255."""
    if frame.shape[:2] != (rows, columns):
        frame = np.asarray(
            cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8
        )
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.float32)


def _hiding(frame: Film, rows: int, columns: int) -> Field:
    """(rows, columns): the amplitude that is not seen there."""
    light = luma(frame, rows, columns)
    activity = cv2.blur(np.abs(light - cv2.blur(light, (5, 5))), AROUND)
    # not the empty side of an edge
    textured = cv2.blur(cv2.erode(activity, np.ones(AROUND)), AROUND)
    return np.asarray(
        np.clip(MIN_STRENGTH + TEXTURE_GAIN * textured, MIN_STRENGTH, MAX_STRENGTH), np.float32
    )


def _added(frame: Film, hiding: Field, faint: Field) -> Film:
    height, width = frame.shape[:2]
    mask = cv2.resize(hiding, (width, height), interpolation=cv2.INTER_LINEAR)
    change = cv2.multiply(mask, faint)
    return np.asarray(cv2.add(frame, cv2.merge([change] * 3), dtype=cv2.CV_8U), np.uint8)


def similarity(frame: Film, other: Film) -> float:
    """Structural similarity of luma, at most 1 (Wang et al. 2004; Gaussian window of 1.5
    pixels).
    """
    one, two = (np.asarray(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), np.float32) for f in (frame, other))

    def mean(field: Field) -> Field:
        return np.asarray(cv2.GaussianBlur(field, (11, 11), 1.5), np.float32)

    light, lights = mean(one), mean(two)
    own, others, shared = (
        mean(one * one) - light**2,
        mean(two * two) - lights**2,
        mean(one * two) - light * lights,
    )
    small, smaller = (0.03 * 255) ** 2, (0.01 * 255) ** 2
    ratio = (2 * shared + small) / (own + others + small) * (2 * light * lights + smaller)
    return float(np.mean(ratio / (light**2 + lights**2 + smaller)))
