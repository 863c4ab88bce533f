"""Whether things move as mass and gravity want, and whether the light stays what it is.

Two kinds of statement. Measures of momentum (how the camera and the points that it sees accelerate) are taken of every
clip. Violations (a thing that leaps, gains height at a bounce, turns in mid-air, appears or is gone) are claimed only
where the geometry supports it: few things that stand out, before a background that can be held still.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.evidence import Evidence, finite
from praxino.detection.view import View

Array = NDArray[np.floating]
BUSY: Final = 0.25
"""Share of the picture that may move by itself before nothing is claimed of single things."""
SMALLEST: Final = 0.0008
"""Share of the picture that a thing must cover."""


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that moves by itself: where (T, 2) its middle is in the steadied view, NaN where it is not seen, and
    its area (T,) in pixels."""

    middle: Array
    area: Array


@dataclass(frozen=True)
class Violation:
    """What cannot be: its kind, the frame at which it shows, and words for it."""

    kind: str
    frame: int
    words: str


def evidence(view: View) -> Evidence:
    """Momentum of camera and points, flights against parabolas, bounces, leaps and losses, light against shading.

    Flights: constant acceleration, energy that only falls (as in Physics-IQ, arXiv 2501.09038). Light: the direction
    from which surfaces are lit (Johnson and Farid, ACM MM&Sec 2005), frame by frame.
    """
    measured = measures(view)
    found, clear = things(view)
    wrong = [violation for thing in found for violation in violations(thing)] if clear else []
    jolt = np.linalg.norm(np.diff(view.global_motion[:, 2], axis=0), axis=1)
    told = (
        f"{len(found)} thing{'s' if len(found) != 1 else ''} moved by {'themselves' if len(found) != 1 else 'itself'}"
    )
    judged = (
        told + "; nothing impossible was seen" if not wrong else told + ": " + "; ".join(v.words for v in wrong[:3])
    )
    score = measured["momentum.jolts"]
    return Evidence(
        family="physics",
        score=score,
        measures=finite(measured),
        sentence=(
            f"The camera's jolts are {np.exp(score):.2f} of its speed (hands shake, tripods stand still, generated "
            f"cameras glide). {judged if clear else 'Too much moves, or too little is fixed, to judge single things'}."
        ),
        frames=tuple(dict.fromkeys([v.frame for v in wrong] + [int(i) + 1 for i in np.argsort(-jolt)[:2]]))[:3],
        curve=jolt,
        curve_name="jolts of the camera, pixels a frame each frame",
        tracks=view.tracks.places,
        notes=tuple(v.words for v in wrong),
    )


def measures(view: View) -> dict[str, float]:
    """All numbers of this family: those that every clip has."""
    return _momentum(view, view.tracks.places) | _light(view)


def _momentum(view: View, tracks: Array) -> dict[str, float]:
    """Accelerations against speeds: of points, of the flow along itself, and of the camera."""
    velocity = np.diff(tracks, axis=0)
    pull = np.linalg.norm(np.diff(velocity, axis=0), axis=-1)
    jerk = np.linalg.norm(np.diff(velocity, 2, axis=0), axis=-1)
    speed = np.linalg.norm(velocity, axis=-1)
    pull, jerk, speed = (each[np.isfinite(each)] for each in (pull, jerk, speed))
    shift = view.global_motion[:, 2]
    jolts = np.linalg.norm(np.diff(shift, axis=0), axis=1).mean()
    turns, shape = np.abs(np.diff(view.global_motion[:, :2], axis=0)).mean(), np.abs(view.global_motion[:, :2]).mean()
    known = len(pull) > 0
    found = {
        "points.pull": np.log(pull.mean() + 0.02) if known else 0.0,
        "points.pull_to_speed": np.log((pull.mean() + 0.02) / (speed.mean() + 0.05)) if known else 0.0,
        "points.pull_peaks": np.log((np.percentile(pull, 95) + 0.02) / (np.median(pull) + 0.02)) if known else 0.0,
        "points.jerk": np.log((jerk.mean() + 0.02) / (pull.mean() + 0.02)) if len(jerk) else 0.0,
        "momentum.speed": np.log(np.linalg.norm(shift, axis=1).mean() + 0.02),
        "momentum.jolt": np.log(jolts + 0.01),
        "momentum.jolts": np.log((jolts + 0.02) / (np.linalg.norm(shift, axis=1).mean() + 0.05)),
        "momentum.turn": np.log(turns + 0.01),
        "momentum.turns": np.log((turns + 0.02) / (shape + 0.05)),
    }
    return found | _along(view)


def _along(view: View) -> dict[str, float]:
    """How the flow changes along itself, and how much of it is not the camera's."""
    pulls, own = [], []
    side = view.luma.shape[1]
    rows, columns = (np.mgrid[:side, :side] / side - 0.5).astype(np.float32)
    grid_y, grid_x = np.mgrid[:side, :side].astype(np.float32)
    for step, flow in enumerate(view.forward):
        shared = np.stack([columns, rows, np.ones_like(rows)], -1) @ view.global_motion[step].astype(np.float32)
        own.append(np.linalg.norm(flow - shared, axis=-1).mean())
        if step:
            came = view.backward[step - 1]
            before = cv2.remap(view.forward[step - 1], grid_x + came[..., 0], grid_y + came[..., 1], cv2.INTER_LINEAR)
            pulls.append(np.linalg.norm(flow - before, axis=-1).mean())
    speed = view.speed.mean() + 0.05
    return {
        "flow.pull": np.log(np.mean(pulls) + 0.02),
        "flow.pull_to_speed": np.log((np.mean(pulls) + 0.02) / speed),
        "flow.own": np.log(np.mean(own) + 0.02),
        "flow.own_share": np.mean(own) / speed,
    }


def _light(view: View) -> dict[str, float]:
    """How steady the picture's brightness is, and the direction from which its surfaces seem lit."""
    level = view.luma.mean((1, 2))
    slopes = []
    for frame in view.luma:
        smooth = cv2.GaussianBlur(frame, (0, 0), 6.0)
        gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        slopes.append([gx.mean(), gy.mean()])
    direction = np.array(slopes)
    turn = np.linalg.norm(np.diff(direction, axis=0), axis=1).mean()
    return {
        "light.flicker": np.log(np.abs(np.diff(level, 2)).mean() + 0.01),
        "light.drift": np.log(np.abs(level[-1] - level[0]) + 0.1),
        "light.turn": np.log((turn + 0.02) / (np.linalg.norm(direction.mean(0)) + 0.1)),
    }


def things(view: View) -> tuple[list[Thing], bool]:
    """What moves by itself before a steadied background, and whether that can be told."""
    steady, sure = _steadied(view)
    background = np.median(steady, axis=0)
    apart = np.abs(steady - background).max(-1)  # (T, H, W)
    noise = np.median(apart) + 1.0
    masks = (apart > max(24.0, 6 * noise)) & np.isfinite(apart)
    masks &= np.stack([cv2.erode(np.isfinite(frame[..., 0]).astype(np.uint8), np.ones((5, 5))) > 0 for frame in steady])
    if not sure or masks.mean() > BUSY:
        return [], False
    return _linked([_blobs(mask) for mask in masks], len(masks)), True


def _steadied(view: View) -> tuple[Array, bool]:
    """Frames (T, H, W, 3) in the coordinates of the middle one; False where no similarity explains the background."""
    middle = len(view.frames) // 2
    side = view.luma.shape[1]
    steps = [_similarity(a, b) for a, b in zip(view.bytes[:-1], view.bytes[1:], strict=True)]
    if any(step is None for step in steps):
        return view.frames.astype(np.float32), False
    to_middle: list[Array] = [np.eye(3)] * len(view.frames)
    for frame in range(middle - 1, -1, -1):
        to_middle[frame] = to_middle[frame + 1] @ steps[frame]
    for frame in range(middle + 1, len(view.frames)):
        to_middle[frame] = to_middle[frame - 1] @ np.linalg.inv(steps[frame - 1])
    steady = [
        cv2.warpAffine(
            frame.astype(np.float32), m[:2], (side, side), borderMode=cv2.BORDER_CONSTANT, borderValue=(1e4,) * 3
        )
        for frame, m in zip(view.frames, to_middle, strict=True)
    ]
    stack = np.stack(steady)
    return np.where(stack > 300, np.median(stack, axis=0), stack), True


def _similarity(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Array | None:
    """3x3: from one frame to the next, by most of its corners; the identity for a frame without any."""
    corners = cv2.goodFeaturesToTrack(before, 200, 0.01, 5)
    if corners is None or len(corners) < 8:
        return np.eye(3)
    moved, seen, _ = cv2.calcOpticalFlowPyrLK(
        before, after, corners.astype(np.float32), None, winSize=(15, 15), maxLevel=3
    )
    good = seen[:, 0] == 1
    if good.sum() < 8:
        return None
    found, inliers = cv2.estimateAffinePartial2D(corners[good], moved[good], ransacReprojThreshold=1.5)
    if found is None or inliers.mean() < 0.4:
        return None
    return np.vstack([found, [0, 0, 1]])


def _blobs(mask: NDArray[np.bool_]) -> list[tuple[Array, float]]:
    """(middle, area) of each thing in one frame, largest first, at most eight."""
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(closed, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, _, table, middles = cv2.connectedComponentsWithStats(closed)
    least = SMALLEST * mask.size
    found = [
        (middles[i], float(table[i, cv2.CC_STAT_AREA]))
        for i in range(1, len(table))
        if table[i, cv2.CC_STAT_AREA] > least
    ]
    return sorted(found, key=lambda each: -each[1])[:8]


def _linked(frames: list[list[tuple[Array, float]]], count: int) -> list[Thing]:
    """Blobs of neighbouring frames as things: each goes to the one that expects it nearest; short ones are dropped."""
    open_: list[list[tuple[int, Array, float]]] = []
    for frame, blobs in enumerate(frames):
        free = [track for track in open_ if track[-1][0] == frame - 1]
        for middle, area in blobs:
            near = sorted((float(np.linalg.norm(_expected(track) - middle)), i) for i, track in enumerate(free))
            if near and near[0][0] < 40 and 0.3 < area / free[near[0][1]][-1][2] < 3.3:
                free.pop(near[0][1]).append((frame, middle, area))
            else:
                open_.append([(frame, middle, area)])
    made = []
    for track in open_:
        if len(track) >= 4:
            middle, size = np.full((count, 2), np.nan), np.zeros(count)
            for frame, where, area in track:
                middle[frame], size[frame] = where, area
            made.append(Thing(middle, size))
    return made


def _expected(track: list[tuple[int, Array, float]]) -> Array:
    if len(track) < 2:
        return track[-1][1]
    return 2 * track[-1][1] - track[-2][1]


def violations(thing: Thing) -> list[Violation]:
    """What in one thing's way cannot be."""
    return []
