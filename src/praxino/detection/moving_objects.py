"""Single things that move before a camera that stands.

Lengths are in sides of the view, y down; times in seconds. Limbs, cloth, crowds and water are left
alone: only things that are small and whole are followed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.view import View

Array = NDArray[np.floating]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class TrackingThresholds:
    """What counts as one thing that moves; lengths in sides of the view."""

    max_moving_share: float = 0.25
    """Share of the picture that may move by itself before nothing is claimed of single things."""
    min_area_share: float = 0.008
    """Share of the picture that a thing must cover."""
    max_area_share: float = 0.15
    """Share of the picture above which nothing is claimed of a thing: it is near, or many."""
    search_radius: float = 0.12
    """Sides within which a thing is looked for from where it is expected."""
    min_similarity: float = 0.6
    """Correlation of its looks from which a thing is the same, near by."""
    min_similarity_anywhere: float = 0.8
    """Correlation of its looks from which a thing is the same, anywhere else."""
    max_still_change: float = 3.0
    """Grey levels within which a place stays what it is."""
    min_still_share: float = 0.75
    """Share of the picture that must stay what it is if the camera stands."""
    min_path: float = 0.06
    """Sides that a thing must move in all."""
    max_open_ground_contrast: float = 20.0
    """Grey levels by which columns or rows of open ground differ, at most: more is something to
    vanish behind.
    """


TRACKING: Final = TrackingThresholds()


@dataclass(frozen=True, eq=False)
class MovingObject:
    """Something that moves: where (T, 2) its middle is, in sides of the view, NaN where it is not
    seen, its width and height, and whether it was last seen on open ground, where nothing can hide
    it.
    """

    middle: Array
    size: tuple[float, float]
    open: bool = True


def things(view: View) -> tuple[list[MovingObject], bool]:
    """What moves before a camera that stands, and whether that can be told."""
    gaps = np.diff(view.times)
    # else what is fast and what was not filmed look alike
    even = len(gaps) > 0 and gaps.max() < 1.5 * np.median(gaps)
    stands = (
        even
        and (np.abs(np.diff(view.luma, axis=0)) < TRACKING.max_still_change).mean()
        > TRACKING.min_still_share
    )
    frames = view.frames.astype(np.float32)
    apart = np.abs(frames - np.median(frames, axis=0)).max(-1)  # (T, H, W)
    masks = apart > max(24.0, 6 * float(np.median(apart) + 1))
    if not stands or masks.mean() > TRACKING.max_moving_share:
        return [], False
    pictures = [cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in frames]
    objects: list[MovingObject] = []
    for frame, mask in enumerate(masks[:-3]):
        for box in _boxes(mask):
            if not any(_covers(thing, frame, box) for thing in objects):
                objects.append(_followed(pictures, frame, box))
    moving = [
        thing
        for thing in objects
        if np.isfinite(thing.middle[:, 0]).sum() >= 4 and path(thing) > TRACKING.min_path
    ]
    still = np.median(view.luma, axis=0)
    return [replace(thing, open=_open(still, thing)) for thing in moving], True


def _open(still: Array, thing: MovingObject) -> bool:
    """Whether the background about a thing's last place, as far as it would get in two steps, has
    no edge across its way.
    """
    visible = visible_frames(thing)
    end, before = thing.middle[visible[-1]], thing.middle[visible[-2]]
    reach = np.array(thing.size) / 2 + np.abs(2 * (end - before))
    (left, top), (right, bottom) = (
        (place * len(still)).astype(int).clip(0) for place in (end - reach, end + reach)
    )
    ground = cv2.GaussianBlur(still, (0, 0), 1.0)[top:bottom, left:right]
    along = 0 if abs(end[0] - before[0]) >= abs(end[1] - before[1]) else 1
    return bool(ground.size and np.ptp(ground.mean(along)) < TRACKING.max_open_ground_contrast)


def path(thing: MovingObject) -> float:
    """Sides between the farthest places of a thing."""
    places = thing.middle[np.isfinite(thing.middle[:, 0])]
    return float(np.ptp(places, axis=0).max())


def _covers(thing: MovingObject, frame: int, box: Box) -> bool:
    """Whether a thing is already known to be where a box is."""
    x, y, wide, tall = box
    place = thing.middle[frame] - (x + wide / 2, y + tall / 2)
    return bool(np.isfinite(place[0]) and abs(place[0]) < wide and abs(place[1]) < tall)


def _followed(pictures: Sequence[Array], first: int, box: Box) -> MovingObject:
    """A thing from one frame on, by its looks: near where it is expected, else wherever it is found
    again.
    """
    side = pictures[0].shape[0]
    middle = np.full((len(pictures), 2), np.nan)
    x, y, wide, tall = (round(length * side) for length in box)
    here: Array = np.array([x, y], np.float64)
    speed: Array = np.zeros(2)
    for frame in range(first, len(pictures)):
        if frame > first:
            before = pictures[frame - 1][
                int(here[1]) : int(here[1]) + tall, int(here[0]) : int(here[0]) + wide
            ]
            there, alike = _again(pictures[frame], before, here + speed)
            if alike < TRACKING.min_similarity:
                break
            speed, here = there - here, there
        middle[frame] = (here + np.array([wide, tall]) / 2) / side
    return MovingObject(middle, (wide / side, tall / side))


def _again(picture: Array, looks: Array, expected: Array) -> tuple[Array, float]:
    """Corner of the place most like ``looks``, and how alike it is (normalised correlation): near
    by, else anywhere.
    """
    tall, wide = looks.shape[:2]
    reach = int(TRACKING.search_radius * len(picture))
    left, top = (int(max(0, round(float(expected_side)) - reach)) for expected_side in expected)
    near = picture[top : top + tall + 2 * reach, left : left + wide + 2 * reach]
    for part, corner in ((near, (left, top)), (picture, (0, 0))):
        if part.shape[0] < tall or part.shape[1] < wide:
            continue
        score = cv2.matchTemplate(part, np.ascontiguousarray(looks), cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(score)
        if best >= (TRACKING.min_similarity if part is near else TRACKING.min_similarity_anywhere):
            return np.array([x + corner[0], y + corner[1]], np.float64), float(best)
    return expected, 0.0


def _boxes(mask: NDArray[np.bool_]) -> list[Box]:
    """Left, top, width and height, in sides, of what stands out in one frame, largest first, at
    most six.
    """
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(closed, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, _, table, _ = cv2.connectedComponentsWithStats(closed)
    side = len(mask)
    rows = [
        row
        for row in table[1:]
        if TRACKING.min_area_share < row[cv2.CC_STAT_AREA] / side**2 < TRACKING.max_area_share
    ]
    rows = sorted(rows, key=lambda row: -int(row[cv2.CC_STAT_AREA]))[:6]
    return [(row[0] / side, row[1] / side, row[2] / side, row[3] / side) for row in rows]


def visible_frames(thing: MovingObject) -> NDArray[np.intp]:
    """Frames in which a thing is seen."""
    return np.flatnonzero(np.isfinite(thing.middle[:, 0]))


def where(thing: MovingObject, frame: int) -> str:
    """Words for the place of a thing."""
    x, y = thing.middle[frame]
    return f"at {x:.0%} across and {y:.0%} down"


def near(
    thing: MovingObject, frame: int, objects: Sequence[MovingObject], reach: float = 0.15
) -> bool:
    """Whether another of the things is within so many sides."""
    here = thing.middle[frame]
    places = [
        other.middle[f]
        for other in objects
        if other is not thing
        for f in (frame, min(frame + 1, len(other.middle) - 1))
    ]
    return any(
        bool(np.isfinite(place[0]) and np.linalg.norm(place - here) < reach) for place in places
    )
