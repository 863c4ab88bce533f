"""Ways of moving things that cannot be: leaps, losses, gains of height, falls upwards, turns.

What is claimed is claimed of things that are small, whole and alone. Lengths are in sides of the
view, y down; times in seconds.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from praxino.detection.moving_objects import MovingObject, near, visible_frames, where

Array = NDArray[np.floating]


@dataclass(frozen=True)
class ViolationThresholds:
    """How far a way must be from what can be; sides of the view and seconds."""

    border: float = 0.02
    """Sides from the border of the view within which a thing may come and go."""
    min_leap: float = 0.12
    """Sides that a thing must be off its way to have leapt."""
    min_gain: float = 0.05
    """Sides by which a later top must be higher to have gained height."""
    min_lift: float = 0.5
    """Sides a second squared of upward acceleration in flight that are claimed."""
    lift_frames: int = 5
    """Frames of such a flight."""
    min_turn: float = 0.6
    """Sides a second by which velocity must change from one frame to the next to have turned."""


LIMITS: Final = ViolationThresholds()


@dataclass(frozen=True)
class Violation:
    """What cannot be: its kind, the frame at which it shows, and words for it."""

    kind: str
    frame: int
    words: str


def violations(objects: Sequence[MovingObject], fps: float) -> list[Violation]:
    """What in the things' ways cannot be, of those that are small and steady, thing by thing."""
    violated = []
    for thing in objects:
        others = [other for other in objects if other is not thing]
        violated += _leaps_and_losses(thing, others)
        violated += [*_gains(thing), *_lifts(thing, fps), *_turns(thing, others, fps)]
    return violated


def _inside(thing: MovingObject, place: Array) -> bool:
    """Whether all of a thing is well within the view."""
    half = np.array(thing.size) / 2 + LIMITS.border
    return bool((place > half).all() and (place < 1 - half).all())


def _leaps_and_losses(thing: MovingObject, others: Sequence[MovingObject]) -> list[Violation]:
    """A leap to where nothing carried it, or a loss where nothing can hide it."""
    visible = visible_frames(thing)
    steps = np.linalg.norm(np.diff(thing.middle[visible], axis=0), axis=1)
    leaps = []
    for i in range(2, len(steps) - 2):
        usual = np.delete(steps[i - 2 : i + 3], 2).max()
        here, there = thing.middle[visible[i]], thing.middle[visible[i + 1]]
        if (
            steps[i] > LIMITS.min_leap + 3 * usual
            and _inside(thing, here)
            and _inside(thing, there)
            and not near(thing, int(visible[i]), others)
        ):
            leaps.append(
                Violation(
                    "leap", int(visible[i]), f"something leaps {where(thing, int(visible[i]))}"
                )
            )
    end = int(visible[-1])
    if end < len(thing.middle) - 1 and len(visible) >= 5 and not leaps:
        ahead = thing.middle[end] + 2 * (thing.middle[end] - thing.middle[visible[-2]])
        inside = _inside(thing, thing.middle[end]) and _inside(thing, ahead)
        if thing.open and inside and not near(thing, end, others):
            leaps.append(Violation("gone", end, f"something is gone {where(thing, end)}"))
    return leaps[:1]


def _gains(thing: MovingObject) -> list[Violation]:
    """Tops of a bouncing thing that rise."""
    visible = visible_frames(thing)
    y = thing.middle[visible, 1]
    tops = [i for i in range(1, len(y) - 1) if y[i] < y[i - 1] and y[i] <= y[i + 1]]
    # A way that ends while rising has a top yet to come.
    for one, two in itertools.pairwise([*tops, len(y) - 1]):
        deepest = y[one : two + 1].max()
        if y[one] - y[two] > LIMITS.min_gain and deepest - y[one] > 2 * LIMITS.min_gain:
            frame = int(visible[two])
            return [
                Violation(
                    "gain", frame, f"something bounces higher than before {where(thing, frame)}"
                )
            ]
    return []


def _lifts(thing: MovingObject, fps: float) -> list[Violation]:
    """A long smooth way along which a thing is pulled up: a parabola that opens upwards."""
    visible = visible_frames(thing)
    for start in range(len(visible) - LIMITS.lift_frames + 1):
        part = visible[start : start + LIMITS.lift_frames]
        x, y = thing.middle[part].T
        clock = part / fps
        bend, _, _ = np.polyfit(clock, y, 2)
        wrong = np.abs(y - np.polyval(np.polyfit(clock, y, 2), clock)).max()
        straight = np.abs(y - np.polyval(np.polyfit(clock, y, 1), clock)).max()
        aside = abs(np.polyfit(clock, x, 2)[0])
        if (
            2 * bend < -LIMITS.min_lift
            and y[0] - y[-1] > 0.15
            and wrong < 0.15 * straight
            and 2 * aside < LIMITS.min_lift
        ):
            frame = int(part[LIMITS.lift_frames // 2])
            return [Violation("lift", frame, f"something falls upwards {where(thing, frame)}")]
    return []


def _turns(thing: MovingObject, others: Sequence[MovingObject], fps: float) -> list[Violation]:
    """A sudden change of sideways velocity, before and after which the way is straight, with
    nothing there to cause it.
    """
    visible = visible_frames(thing)
    if len(visible) < 7 or (np.diff(visible) > 1).any():
        return []
    x = thing.middle[visible, 0]
    speed = np.diff(x) * fps
    for i in range(3, len(speed) - 2):
        before, after = speed[i - 3 : i], speed[i : i + 3]
        frame = int(visible[i])
        steady = max(before.std(), after.std()) < 0.25 * LIMITS.min_turn
        back = (
            before.mean() * after.mean() < 0
            and min(abs(before.mean()), abs(after.mean())) > LIMITS.min_turn / 4
        )
        alone = _inside(thing, thing.middle[frame]) and not any(
            near(thing, f, others, 0.2) for f in (frame - 1, frame)
        )
        if abs(after.mean() - before.mean()) > LIMITS.min_turn and steady and back and alone:
            return [
                Violation(
                    "turn", frame, f"something turns back, touching nothing, {where(thing, frame)}"
                )
            ]
    return []
