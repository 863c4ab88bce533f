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
FRAMES_A_LOOK: Final = 48
"""Frames from one such look to the next where a film is marked while it passes."""
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


class Marker:
    """One message for frames of one size.

    Parameters
    ----------
    message : int
        48 bits.
    key : bytes
        Who has it finds the mark (`detect.find`), and could remove it.
    """

    def __init__(self, message: int, key: bytes, height: int, width: int) -> None:
        own = carriers(key)
        amplitudes = own.amplitudes(encoded(message))
        self.rows, self.columns = working_size(height, width)
        self.pattern = pattern(own.waves(), amplitudes, height, width, tile(height, width))
        self._small = cv2.resize(
            self.pattern, (self.columns, self.rows), interpolation=cv2.INTER_AREA
        )

    def hiding(self, light: Field) -> Field:
        """(rows, columns): the amplitude that is not seen in luma of that size."""
        activity = cv2.blur(np.abs(light - cv2.blur(light, (5, 5))), AROUND)
        # not the empty side of an edge
        textured = cv2.blur(cv2.erode(activity, np.ones(AROUND)), AROUND)
        return np.asarray(
            np.clip(MIN_STRENGTH + TEXTURE_GAIN * textured, MIN_STRENGTH, MAX_STRENGTH), np.float32
        )

    def power(self, hiding: Field) -> float:
        """Mean square of what the pattern changes at full strength, in steps of 255."""
        return float(np.mean((hiding * self._small) ** 2))

    def change(self, hiding: Field, strength: float) -> Field:
        """(H, W): what is added to a frame."""
        return _amount(hiding, self.pattern * np.float32(strength))


class StreamMarker:
    """Marks frames of luma one after the other: their number is not known, and none is kept.

    The strength follows the mean over all frames so far, so that it hardly changes after the first
    seconds.
    """

    def __init__(self, message: int, key: bytes, height: int, width: int) -> None:
        self._marker = Marker(message, key, height, width)
        self._power, self._loss = _Mean(), _Mean()

    def change(self, light: NDArray[np.integer], step: float) -> Field:
        """(H, W): what is added to a frame of luma (H, W), of which one step of 255 is ``step``
        of its own.
        """
        marker = self._marker
        small = cv2.resize(light, (marker.columns, marker.rows), interpolation=cv2.INTER_AREA)
        hiding = marker.hiding(np.asarray(small, np.float32) / np.float32(step))
        strength = _within_quality(self._power.of(marker.power(hiding)))
        if self._power.count % FRAMES_A_LOOK == 1:
            plain = np.asarray(light, np.float32) / np.float32(step)
            changed = plain + marker.change(hiding, strength)
            self._loss.of(float(1 - _similarity(plain, changed)) / strength**2)
        strength *= min(1.0, math.sqrt(LOSS / max(self._loss.value * strength**2, 1e-9)))
        return marker.change(hiding, strength * step)


class _Mean:
    def __init__(self) -> None:
        self.value, self.count = 0.0, 0

    def of(self, number: float) -> float:
        """The mean of all numbers, with this one."""
        self.count += 1
        self.value += (number - self.value) / self.count
        return self.value


def mark(film: Film, message: int, key: bytes) -> Film:
    """Put a message of 48 bits into a film (T, H, W, 3) or a picture (1, H, W, 3); the same shape
    comes back.

    Parameters
    ----------
    key : bytes
        Who has it finds the mark (`detect.find`), and could remove it.
    """
    height, width = film.shape[1:3]
    marker = Marker(message, key, height, width)
    hiding = [marker.hiding(luma(frame, marker.rows, marker.columns)) for frame in film]
    strength = _within_quality(float(np.mean([marker.power(mask) for mask in hiding])))
    faint = marker.pattern * np.float32(strength)
    looks = range(0, len(film), max(1, len(film) // LOOKS))
    loss = float(
        np.mean([1 - similarity(film[i], _added(film[i], hiding[i], faint)) for i in looks])
    )
    faint = faint * np.float32(min(1.0, math.sqrt(LOSS / max(loss, 1e-9))))
    return np.stack([_added(frame, mask, faint) for frame, mask in zip(film, hiding, strict=True)])


def _within_quality(power: float) -> float:
    """The strength, at most 1, at which a mark of such power keeps to `QUALITY`."""
    return min(1.0, 255 * 10 ** (-QUALITY / 20) / math.sqrt(max(power, 1e-9)))


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


def _amount(hiding: Field, faint: Field) -> Field:
    """(H, W): the pattern, as strong as it is not seen."""
    height, width = faint.shape
    mask = cv2.resize(hiding, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(mask, faint), np.float32)


def _added(frame: Film, hiding: Field, faint: Field) -> Film:
    change = _amount(hiding, faint)
    return np.asarray(cv2.add(frame, cv2.merge([change] * 3), dtype=cv2.CV_8U), np.uint8)


def similarity(frame: Film, other: Film) -> float:
    """Structural similarity of luma, at most 1 (Wang et al. 2004; Gaussian window of 1.5
    pixels).
    """
    one, two = (np.asarray(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), np.float32) for f in (frame, other))
    return _similarity(one, two)


def _similarity(one: Field, two: Field) -> float:
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
