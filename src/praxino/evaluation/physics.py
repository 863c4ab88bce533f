"""Whether what moves in a film moves as the diorama's physics want: falls, bounces, collisions,
shadows.

Tracks are in picture heights, y down; they come from a reader, so the measures bear gaps (NaN) and
jitter.
"""

import itertools
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import world
from praxino.models.reader import Sighting

Film = NDArray[np.uint8]
Array = NDArray[np.float64]


def gravity(y: NDArray[np.floating], fps: float) -> float | None:
    """Acceleration of the first flight, picture heights per second squared: a parabola fitted from
    where the thing is first seen, or stops lying still, to the first impact, or to where it is out
    of sight. None for fewer than four frames of it.
    """
    visible = np.flatnonzero(np.isfinite(y))
    visible = visible[_rested(y[visible]) :]
    lost = np.flatnonzero(np.diff(visible) > 1)
    visible = visible[: int(lost[0]) + 1] if len(lost) else visible
    if len(visible) < 4:
        return None
    # a falling thing's steps grow by so much each
    drop, gain = (
        np.diff(y[visible]),
        world.GRAVITY / fps**2,
    )
    landed = np.flatnonzero((drop[:-1] > 0.02) & (drop[1:] <= 0.25 * drop[:-1]))
    impact = int(landed[0]) if len(landed) else len(drop) - 1
    # it has touched down within this step
    early = impact > 0 and 0.02 < drop[impact - 1] > drop[impact] - gain / 2
    flight = visible[: impact + (1 if early else 2)]
    if len(flight) < 4:
        return None
    return float(2 * np.polyfit(flight / fps, y[flight].astype(np.float64), 2)[0])


def _rested(y: NDArray[np.floating], still: float = 0.01) -> int:
    """How many frames to leave out before a flight: those at one height, if there are three of them
    or more.
    """
    moved = np.flatnonzero(np.abs(y - y[:1]) > still)
    flat = int(moved[0]) if len(moved) else len(y)
    return flat if flat >= 3 else 0


RISE: Final = 0.03
"""Picture heights: what rises less than that has not bounced."""


def bounce(y: NDArray[np.floating]) -> float | None:
    """1 if every top of a bouncing thing is lower than the last, else 0; None for what does not
    fall and rise again.
    """
    y = y[np.isfinite(y)]
    if not len(y):
        return None
    tops, deepest = [float(y[0])], float(y[0])
    for before, here, after in zip(y[:-2], y[1:-1], y[2:], strict=True):
        deepest = max(deepest, float(here))
        if here < before and here <= after and deepest - here > RISE:
            tops.append(float(here))
            deepest = float(here)
    if len(tops) < 2:
        return None
    return float(all(later > earlier - RISE for earlier, later in itertools.pairwise(tops)))


def momentum(tracks: Sequence[NDArray[np.floating]], masses: Sequence[float]) -> float | None:
    """Change of the momentum of two things that meet, as a share of all that moves; None if they
    are not seen to, or go through each other: that is no collision.
    """
    x = np.stack(tracks).astype(np.float64)
    together = np.isfinite(x).all(axis=0)
    if together.sum() < 6 or np.unique(np.sign((x[0] - x[1])[together])).size != 1:
        return None
    gap = np.where(together, np.abs(x[0] - x[1]), np.inf)
    meet = int(np.argmin(gap))
    before = [_slope(positions[max(0, meet - 5) : meet]) for positions in x]
    after = [_slope(positions[meet + 1 : meet + 6]) for positions in x]
    if None in before or None in after:
        return None
    p = [
        sum(m * v for m, v in zip(masses, part, strict=True) if v is not None)
        for part in (before, after)
    ]
    moving = sum(m * abs(v) for m, v in zip(masses, before, strict=True) if v is not None)
    return float(abs(p[1] - p[0]) / moving) if moving > 1e-6 else None


def _slope(x: Array) -> float | None:
    t = np.flatnonzero(np.isfinite(x))
    return float(np.polyfit(t, x[t], 1)[0]) if len(t) >= 3 else None


def shadow_agrees(
    film: Film, light: tuple[float, float], sighting: Sighting, aspect: float
) -> float | None:
    """1 if the shadow of a thing on the ground lies away from the sun or moon, 0 if on the side of
    it.

    None where the film does not tell: a light nearly above, no shadow beside the thing.

    Parameters
    ----------
    light : (float, float)
        Where sun or moon stands (`light_at`).
    aspect : float
        The thing's width over its height.
    """
    lean = shadow_lean(film, sighting, aspect)
    side = light[0] - film.shape[2] / film.shape[1] / 2
    if lean is None or abs(side) < 0.1 or abs(lean) < 0.08:
        return None
    return float((lean > 0) == (side < 0))


SUN: Final = 0.09
"""Radius of sun and moon, picture heights."""


def light_at(film: Film, least: float = 16.0) -> tuple[float, float] | None:
    """Where sun or moon stands in a film whose camera does not move: x and y in picture heights;
    None without one.

    The even disc that stands out most from the ring around it (Lab), among the upper three fifths
    of the median frame; ``least`` is how much. On true renderings 80% of suns and moons are found,
    95% of those within 0.06.
    """
    side = film.shape[1]
    usual = np.median(film, axis=0).astype(np.float32) / 255
    lab = cv2.cvtColor(usual, cv2.COLOR_RGB2LAB)[: round(0.62 * side)]
    inside, within = _ringed(lab, 0.0, 0.9 * SUN * side)
    outside, around = _ringed(lab, 1.55 * SUN * side, 2.0 * SUN * side)
    stands_out = np.linalg.norm(inside - outside, axis=-1) - 2 * within - 0.7 * around
    row, column = np.unravel_index(int(stands_out.argmax()), stands_out.shape)
    if stands_out[row, column] < least:
        return None
    return (float(column) + 0.5) / side, (float(row) + 0.5) / side


def _ringed(
    image: NDArray[np.float32], low: float, high: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean colour and spread of colours among the pixels from ``low`` to ``high`` away, at every
    pixel.
    """
    reach = round(high)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    far = np.hypot(x, y)
    kernel = ((far >= low) & (far <= high)).astype(np.float32)
    kernel /= kernel.sum()
    mean = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT)
    square = cv2.filter2D(image * image, -1, kernel, borderType=cv2.BORDER_REFLECT)
    return np.asarray(mean), np.asarray(np.sqrt((square - mean * mean).clip(0).sum(-1)))


def shadow_lean(film: Film, sighting: Sighting, aspect: float) -> float | None:
    """How much darker the ground is to the right of a thing's feet than to the left, as a share: -1
    to 1, the median over the frames in which it stands; None if those are fewer than three.
    """
    tall, wide = film.shape[1:3]
    half, ground = aspect * sighting.height / 2, float(np.nanmax(sighting.track[:, 1]))
    shares = []
    for frame, (x, y) in enumerate(sighting.track):
        if not y > ground - 0.05:
            continue
        foot = y + sighting.height / 2
        rows = slice(round((foot - 0.03) * tall), round((foot + 0.025) * tall))
        left, right = (
            slice(round(edge * tall), round((edge + 0.1) * tall))
            for edge in (float(x) - half - 0.1, float(x) + half)
        )
        if left.start < 0 or right.stop > wide or rows.stop > tall:
            continue
        grey = cv2.cvtColor(film[frame], cv2.COLOR_RGB2GRAY)[rows].astype(np.float32)
        there, here = float(grey[:, left].mean()), float(grey[:, right].mean())
        shares.append((there - here) / max(10.0, there, here))
    return float(np.median(shares)) if len(shares) >= 3 else None
