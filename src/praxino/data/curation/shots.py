"""Where the shots of a film begin and end: cuts, dissolves and fades.

A cut is a change that stands out from those around it. In a dissolve the frame between two others
is their mean; where things or the camera move, it is not. A fade goes through frames of one colour.

Legend: F frames, P places of a thumbnail.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Border = Literal["end", "cut", "dissolve", "fade"]
"""What lies between a shot and the next; "end" at the film's own beginning and end."""

ANALYSED_WIDTH: Final = 96
"""Width of the frames that are compared, in pixels."""
THUMBNAIL: Final = (24, 14)
"""Width and height of what is kept of each frame."""
CUT_RATIO: Final = 3.0
"""How many times the changes around it a cut is."""
CUT_NEIGHBOURS: Final = 3
"""Frames on each side to which a change is compared."""
LEAST_CUT: Final = 7.0
"""Change of a cut at least, in levels of CIE Lab, the mean of its three."""
SPANS: Final = (4, 8, 14, 22)
"""Half lengths of dissolves that are looked for, in frames."""
LEAST_DISSOLVE: Final = 9.0
"""Grey levels by which the frames on both sides of a dissolve differ at least, on average."""
MIXED: Final = 0.27
"""How far the frames within a dissolve are from mixtures of its ends, of the ends' difference, at
most; 0.5 where every place changes at a moment of its own.
"""
OF_ONE: Final = 0.12
"""Part of the ends' difference, up to which a frame still is that of one end."""
STEADY: Final = 0.6
"""Change beside a dissolve, of that within, at most: longer ones are looked for first."""
ALIKE: Final = 0.75
"""Correlation of the ends, one moved a little, from which on they show one scene."""
MOVES: Final = (2, 3)
"""Places up and down, left and right, by which the ends are moved for that, at most."""
FLAT: Final = 5.0
"""Spread of grey levels, below which a frame is of one colour."""
PICTURE: Final = 10.0
"""Spread of grey levels from which on a frame beside flat ones is a picture."""
FADE_FRAMES: Final = 20
"""Frames beside flat ones among which a picture must be."""


@dataclass(frozen=True)
class Shot:
    """A stretch of one take.

    Attributes
    ----------
    first, end : int
        Frames from ``first`` up to and without ``end``; those of dissolves and fades are of no
        shot.
    before, after : str
        What lies there.
    """

    first: int
    end: int
    before: Border
    after: Border


@dataclass(eq=False)
class ShotDetector:
    """Finds shots in frames that are shown to it one after another; of each it keeps 336 bytes."""

    _before: NDArray[np.int16] | None = None
    _changes: list[float] = field(default_factory=list)
    _thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, frame: NDArray[np.uint8]) -> None:
        """The next frame, (H, W, 3) RGB."""
        height = max(8, round(ANALYSED_WIDTH * frame.shape[0] / frame.shape[1]))
        small = cv2.resize(frame, (ANALYSED_WIDTH, height), interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.int16)
        before, self._before = self._before, lab
        change = 0.0
        if before is not None and before.shape == lab.shape:
            change = float(np.abs(lab - before).mean())
        self._changes.append(change)
        grey = cv2.resize(lab[..., 0].astype(np.uint8), THUMBNAIL, interpolation=cv2.INTER_AREA)
        self._thumbnails.append(np.asarray(grey, np.uint8).ravel())

    @property
    def frames(self) -> int:
        """How many it was shown."""
        return len(self._changes)

    def shots(self) -> list[Shot]:
        """The shots of all frames so far, in order."""
        if not self.frames:
            return []
        changes = np.array(self._changes)
        grey = np.stack(self._thumbnails).astype(np.float32)  # (F, P)
        cuts = find_cuts(changes)
        fades = find_fades(grey)
        dissolves = find_dissolves(grey, [cuts, fades])
        borders = [(cut, cut, "cut") for cut in cuts]
        borders += [(first, end, "dissolve") for first, end in dissolves]
        borders += [(first, end, "fade") for first, end in fades]
        return _between(borders, self.frames)


def find_cuts(changes: NDArray[np.float64]) -> list[int]:
    """Frames with which a shot begins, by the change from the frame before each, (F,)."""
    n = CUT_NEIGHBOURS
    padded = np.pad(changes, n, mode="reflect") if len(changes) > n else np.pad(changes, n, "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * n + 1)
    around = (windows.sum(1) - changes) / (2 * n)
    able = (changes >= LEAST_CUT) & (changes >= CUT_RATIO * np.maximum(around, 0.5))
    return [
        int(frame)
        for frame in np.flatnonzero(able)
        if frame and changes[frame] >= windows[frame].max()
    ]


def find_fades(grey: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Stretches of frames of one colour, with the frames that lead there and back; thumbnails
    (F, P).
    """
    spread = grey.std(1)
    flat = spread < FLAT
    fades = []
    for first, end in _runs(flat):
        low, high = max(0, first - FADE_FRAMES), min(len(grey), end + FADE_FRAMES)
        left, right = spread[low:first], spread[end:high]
        if max(left.max(initial=0), right.max(initial=0)) < PICTURE:
            continue
        # until it is as rich as what it fades from and to
        while first > low and spread[first - 1] < 0.8 * left.max(initial=0):
            first -= 1
        while end < high and spread[end] < 0.8 * right.max(initial=0):
            end += 1
        fades.append((first, end))
    return fades


def find_dissolves(
    grey: NDArray[np.float32], others: Sequence[Sequence[int | tuple[int, int]]]
) -> list[tuple[int, int]]:
    """First and last frame of each stretch in which one picture turns into another, by thumbnails
    (F, P); none that holds one of the ``others``.
    """
    taken = np.zeros(len(grey), bool)
    for group in others:
        for one in group:
            first, end = one if isinstance(one, tuple) else (one - 1, one + 1)
            taken[max(0, first) : end] = True
    dissolves: list[tuple[int, int]] = []
    for half in reversed(SPANS):
        scores = _dissolving(grey, half)
        for frame in np.argsort(-scores):
            if scores[frame] <= 0:
                break
            first, end = int(frame) - half, int(frame) + half + 1
            if not taken[first:end].any():
                first, end = _mixed(grey, first, end)
                taken[first:end] = True
                dissolves.append((first, end))
    return sorted(dissolves)


def _mixed(grey: NDArray[np.float32], first: int, end: int) -> tuple[int, int]:
    """The frames within a stretch that are like neither of its ends."""
    to_first = np.abs(grey[first:end] - grey[first]).mean(1)
    to_last = np.abs(grey[first:end] - grey[end - 1]).mean(1)
    most = OF_ONE * to_first[-1]
    low = np.flatnonzero(to_first > most)[0]
    high = np.flatnonzero(to_last > most)[-1]
    return (first + int(low), first + int(high) + 1) if low < high else (first, end)


def _dissolving(grey: NDArray[np.float32], half: int) -> NDArray[np.float32]:
    """How far each frame is the middle of a dissolve of this half length: the difference of its
    ends, 0 where it is none, (F,).
    """
    count, scores = len(grey), np.zeros(len(grey), np.float32)
    beside = max(2, half // 2)
    at = np.arange(half + beside, count - half - beside)
    if not len(at):
        return scores
    a, b = grey[at - half], grey[at + half]
    ends = np.abs(a - b).mean(1)
    able = ends >= LEAST_DISSOLVE
    at, a, b, ends = at[able], a[able], b[able], ends[able]
    if not len(at):
        return scores
    off = np.stack(
        [
            np.abs(grey[at + round((2 * share - 1) * half)] - ((1 - share) * a + share * b)).mean(1)
            for share in (0.25, 0.5, 0.75)
        ]
    )
    outside = np.maximum(
        np.abs(grey[at - half - beside] - a).mean(1), np.abs(grey[at + half + beside] - b).mean(1)
    )
    good = (off.max(0) < MIXED * ends) & (outside < STEADY * ends)
    good[good] = _likeness(a[good], b[good]) < ALIKE
    scores[at[good]] = ends[good]
    return scores


def _likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest correlation of each of two thumbnails (N, P), one moved against the other."""
    if not len(a):
        return np.zeros(0, np.float32)
    width, height = THUMBNAIL
    up, left = MOVES
    inner = a.reshape(-1, height, width)[:, up : height - up, left : width - left]
    others = b.reshape(-1, height, width)
    best = np.full(len(a), -1.0, np.float32)
    for y in range(2 * up + 1):
        for x in range(2 * left + 1):
            moved = others[:, y : y + height - 2 * up, x : x + width - 2 * left]
            pair = (part.reshape(len(a), inner[0].size) for part in (inner, moved))
            best = np.maximum(best, _correlation(*pair))
    return best


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """The correlation of each row of (N, P) with the other's, (N,)."""
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    size = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return (a * b).sum(1) / np.maximum(size, 1e-6)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.pad(mask.astype(np.int8), 1)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _between(borders: Sequence[tuple[int, int, str]], frames: int) -> list[Shot]:
    """What is left of ``frames`` between borders, each (first, end, kind)."""
    shots: list[Shot] = []
    start, before = 0, "end"
    for first, end, kind in [*sorted(borders), (frames, frames, "end")]:
        if first > start:
            shots.append(Shot(start, first, before, kind))  # type: ignore[arg-type]
        if end >= start:
            start, before = end, kind
    return shots
