"""Single things that move before a camera that stands, and what in their ways cannot be.

Lengths are in sides of the view, y down; times in seconds. What is claimed is claimed of things that are small, whole
and alone: limbs, cloth, crowds and water are left alone.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.view import View

Array = NDArray[np.floating]
Box = tuple[float, float, float, float]
BUSY: Final = 0.25
"""Share of the picture that may move by itself before nothing is claimed of single things."""
MIN_AREA_SHARE: Final = 0.008
"""Share of the picture that a thing must cover."""
REACH: Final = 0.12
"""Sides within which a thing is looked for from where it is expected."""
ALIKE: Final = 0.6
"""Correlation of its looks from which a thing is the same, near by."""
MIN_SIMILARITY_ANYWHERE: Final = 0.8
"""And anywhere else."""
SAME: Final = 3.0
"""Grey levels within which a place stays what it is."""
MOSTLY: Final = 0.75
"""Share of the picture that must stay what it is if the camera stands."""
LEAST_PATH: Final = 0.06
"""Sides that a thing must move in all."""
MAX_AREA_SHARE: Final = 0.15
"""Share of the picture above which nothing is claimed of a thing: it is near, or many."""
PLAIN: Final = 20.0
"""Grey levels by which columns or rows of open ground differ, at most: more is something to vanish behind."""
EDGE: Final = 0.02
"""Sides from the border of the view within which a thing may come and go."""
LEAP: Final = 0.12
"""Sides that a thing must be off its way to have leapt."""
GAIN: Final = 0.05
"""Sides by which a later top must be higher to have gained height."""
LIFT: Final = 0.5
"""Sides a second squared of upward acceleration in flight that are claimed."""
LIFTED: Final = 5
"""Frames of such a flight."""
TURN: Final = 0.6
"""Sides a second by which velocity must change from one frame to the next to have turned."""


@dataclass(frozen=True, eq=False)
class MovingObject:
    """Something that moves: where (T, 2) its middle is, in sides of the view, NaN where it is not seen, its width and
    height, and whether it was last seen on open ground, where nothing can hide it."""

    middle: Array
    size: tuple[float, float]
    open: bool = True


@dataclass(frozen=True)
class Violation:
    """What cannot be: its kind, the frame at which it shows, and words for it."""

    kind: str
    frame: int
    words: str


def things(view: View) -> tuple[list[MovingObject], bool]:
    """What moves before a camera that stands, and whether that can be told."""
    gaps = np.diff(view.times)
    even = len(gaps) > 0 and gaps.max() < 1.5 * np.median(gaps)  # else what is fast and what was not filmed look alike
    stands = even and (np.abs(np.diff(view.luma, axis=0)) < SAME).mean() > MOSTLY
    frames = view.frames.astype(np.float32)
    apart = np.abs(frames - np.median(frames, axis=0)).max(-1)  # (T, H, W)
    masks = apart > max(24.0, 6 * float(np.median(apart) + 1))
    if not stands or masks.mean() > BUSY:
        return [], False
    pictures = [cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in frames]
    found: list[MovingObject] = []
    for frame, mask in enumerate(masks[:-3]):
        for box in _boxes(mask):
            if not any(_covers(thing, frame, box) for thing in found):
                found.append(_followed(pictures, frame, box))
    moving = [thing for thing in found if np.isfinite(thing.middle[:, 0]).sum() >= 4 and path(thing) > LEAST_PATH]
    still = np.median(view.luma, axis=0)
    return [replace(thing, open=_open(still, thing)) for thing in moving], True


def _open(still: Array, thing: MovingObject) -> bool:
    """Whether the background about a thing's last place, as far as it would get in two steps, has no edge across its
    way."""
    seen = _seen(thing)
    end, before = thing.middle[seen[-1]], thing.middle[seen[-2]]
    reach = np.array(thing.size) / 2 + np.abs(2 * (end - before))
    (left, top), (right, bottom) = ((place * len(still)).astype(int).clip(0) for place in (end - reach, end + reach))
    ground = cv2.GaussianBlur(still, (0, 0), 1.0)[top:bottom, left:right]
    along = 0 if abs(end[0] - before[0]) >= abs(end[1] - before[1]) else 1
    return bool(ground.size and np.ptp(ground.mean(along)) < PLAIN)


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
    """A thing from one frame on, by its looks: near where it is expected, else wherever it is found again."""
    side = pictures[0].shape[0]
    middle = np.full((len(pictures), 2), np.nan)
    x, y, wide, tall = (round(each * side) for each in box)
    here: Array = np.array([x, y], np.float64)
    speed: Array = np.zeros(2)
    for frame in range(first, len(pictures)):
        if frame > first:
            before = pictures[frame - 1][int(here[1]) : int(here[1]) + tall, int(here[0]) : int(here[0]) + wide]
            there, alike = _again(pictures[frame], before, here + speed)
            if alike < ALIKE:
                break
            speed, here = there - here, there
        middle[frame] = (here + np.array([wide, tall]) / 2) / side
    return MovingObject(middle, (wide / side, tall / side))


def _again(picture: Array, looks: Array, expected: Array) -> tuple[Array, float]:
    """Corner of the place most like ``looks``, and how alike it is (normalised correlation): near by, else anywhere."""
    tall, wide = looks.shape[:2]
    reach = int(REACH * len(picture))
    left, top = (int(max(0, round(float(each)) - reach)) for each in expected)
    near = picture[top : top + tall + 2 * reach, left : left + wide + 2 * reach]
    for part, corner in ((near, (left, top)), (picture, (0, 0))):
        if part.shape[0] < tall or part.shape[1] < wide:
            continue
        score = cv2.matchTemplate(part, np.ascontiguousarray(looks), cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(score)
        if best >= (ALIKE if part is near else MIN_SIMILARITY_ANYWHERE):
            return np.array([x + corner[0], y + corner[1]], np.float64), float(best)
    return expected, 0.0


def _boxes(mask: NDArray[np.bool_]) -> list[Box]:
    """Left, top, width and height, in sides, of what stands out in one frame, largest first, at most six."""
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(closed, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, _, table, _ = cv2.connectedComponentsWithStats(closed)
    side = len(mask)
    rows = [row for row in table[1:] if MIN_AREA_SHARE < row[cv2.CC_STAT_AREA] / side**2 < MAX_AREA_SHARE]
    rows = sorted(rows, key=lambda row: -int(row[cv2.CC_STAT_AREA]))[:6]
    return [(row[0] / side, row[1] / side, row[2] / side, row[3] / side) for row in rows]


def violations(found: Sequence[MovingObject], fps: float) -> list[Violation]:
    """What in the things' ways cannot be, of those that are small, steady and alone; most certain kinds first."""
    said = []
    for thing in found:
        others = [other for other in found if other is not thing]
        said += _comings(thing, others)
        said += [*_gains(thing), *_lifts(thing, fps), *_turns(thing, others, fps)]
    return said


def where(thing: MovingObject, frame: int) -> str:
    """Words for the place of a thing."""
    x, y = thing.middle[frame]
    return f"at {x:.0%} across and {y:.0%} down"


def _inside(thing: MovingObject, place: Array) -> bool:
    """Whether all of a thing is well within the view."""
    half = np.array(thing.size) / 2 + EDGE
    return bool((place > half).all() and (place < 1 - half).all())


def _seen(thing: MovingObject) -> NDArray[np.intp]:
    return np.flatnonzero(np.isfinite(thing.middle[:, 0]))


def _comings(thing: MovingObject, others: Sequence[MovingObject]) -> list[Violation]:
    """A leap to where nothing carried it, or a loss where nothing can hide it."""
    seen = _seen(thing)
    steps = np.linalg.norm(np.diff(thing.middle[seen], axis=0), axis=1)
    said = []
    for i in range(2, len(steps) - 2):
        usual = np.delete(steps[i - 2 : i + 3], 2).max()
        here, there = thing.middle[seen[i]], thing.middle[seen[i + 1]]
        if (
            steps[i] > LEAP + 3 * usual
            and _inside(thing, here)
            and _inside(thing, there)
            and not near(thing, int(seen[i]), others)
        ):
            said.append(Violation("leap", int(seen[i]), f"something leaps {where(thing, int(seen[i]))}"))
    end = int(seen[-1])
    if end < len(thing.middle) - 1 and len(seen) >= 5 and not said:
        ahead = thing.middle[end] + 2 * (thing.middle[end] - thing.middle[seen[-2]])
        inside = _inside(thing, thing.middle[end]) and _inside(thing, ahead)
        if thing.open and inside and not near(thing, end, others):
            said.append(Violation("gone", end, f"something is gone {where(thing, end)}"))
    return said[:1]


def near(thing: MovingObject, frame: int, found: Sequence[MovingObject], reach: float = 0.15) -> bool:
    """Whether another of the things is within so many sides."""
    here = thing.middle[frame]
    places = [
        other.middle[f] for other in found if other is not thing for f in (frame, min(frame + 1, len(other.middle) - 1))
    ]
    return any(bool(np.isfinite(place[0]) and np.linalg.norm(place - here) < reach) for place in places)


def _gains(thing: MovingObject) -> list[Violation]:
    """Tops of a bouncing thing that rise."""
    seen = _seen(thing)
    y = thing.middle[seen, 1]
    tops = [i for i in range(1, len(y) - 1) if y[i] < y[i - 1] and y[i] <= y[i + 1]]
    for one, two in itertools.pairwise([*tops, len(y) - 1]):  # a way that ends while rising has a top yet to come
        deepest = y[one : two + 1].max()
        if y[one] - y[two] > GAIN and deepest - y[one] > 2 * GAIN:
            frame = int(seen[two])
            return [Violation("gain", frame, f"something bounces higher than before {where(thing, frame)}")]
    return []


def _lifts(thing: MovingObject, fps: float) -> list[Violation]:
    """A long smooth way along which a thing is pulled up: a parabola that opens upwards."""
    seen = _seen(thing)
    for start in range(len(seen) - LIFTED + 1):
        part = seen[start : start + LIFTED]
        x, y = thing.middle[part].T
        clock = part / fps
        bend, _, _ = np.polyfit(clock, y, 2)
        wrong = np.abs(y - np.polyval(np.polyfit(clock, y, 2), clock)).max()
        straight = np.abs(y - np.polyval(np.polyfit(clock, y, 1), clock)).max()
        aside = abs(np.polyfit(clock, x, 2)[0])
        if 2 * bend < -LIFT and y[0] - y[-1] > 0.15 and wrong < 0.15 * straight and 2 * aside < LIFT:
            frame = int(part[LIFTED // 2])
            return [Violation("lift", frame, f"something falls upwards {where(thing, frame)}")]
    return []


def _turns(thing: MovingObject, others: Sequence[MovingObject], fps: float) -> list[Violation]:
    """A sudden change of sideways velocity, before and after which the way is straight, with nothing there to cause
    it."""
    seen = _seen(thing)
    if len(seen) < 7 or (np.diff(seen) > 1).any():
        return []
    x = thing.middle[seen, 0]
    speed = np.diff(x) * fps
    for i in range(3, len(speed) - 2):
        before, after = speed[i - 3 : i], speed[i : i + 3]
        frame = int(seen[i])
        steady = max(before.std(), after.std()) < 0.25 * TURN
        back = before.mean() * after.mean() < 0 and min(abs(before.mean()), abs(after.mean())) > TURN / 4
        alone = _inside(thing, thing.middle[frame]) and not any(near(thing, f, others, 0.2) for f in (frame - 1, frame))
        if abs(after.mean() - before.mean()) > TURN and steady and back and alone:
            return [Violation("turn", frame, f"something turns back, touching nothing, {where(thing, frame)}")]
    return []
