"""Whether things move as mass and gravity want, and whether the light stays what it is.

Two kinds of statement. Measures of momentum (how the camera and the points that it sees accelerate)
are taken of every clip. Violations (a thing that leaps, gains height at a bounce, turns in mid-air,
is gone; shadows, mirror images and lit sides that contradict each other) are claimed only where the
geometry supports it: few things that stand out, before a background that can be held still.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.evidence import Evidence, Measures, finite
from praxino.detection.lighting import contradictions, lights
from praxino.detection.moving_objects import MovingObject, things
from praxino.detection.view import View
from praxino.detection.violations import Violation, violations

Array = NDArray[np.floating]


def evidence(view: View) -> Evidence:
    """Momentum of camera and points; of single things flights that bend upwards, collisions that
    give height, leaps, losses and turns, shadows and mirror images. What cannot be is told; it does
    not move the answer.
    """
    measured = measures(view)
    objects, clear = things(view)
    wrong = impossible(view, objects) if clear else []
    jolt = np.linalg.norm(np.diff(view.global_motion[:, 2], axis=0), axis=1)
    lines = (
        f"{len(objects)} thing{'s' if len(objects) != 1 else ''} moved by "
        f"{'themselves' if len(objects) != 1 else 'itself'}"
    )
    unclear = "Too much moves, or too little is fixed, to judge single things"
    judged = (
        lines + "; nothing impossible was seen"
        if not wrong
        else lines + ": " + "; ".join(v.words for v in wrong[:3])
    )
    score = measured["momentum.jolts"]
    return Evidence(
        family="physics",
        headline="momentum.jolts",
        measures=measured,
        sentence=(
            f"The camera's jolts are {np.exp(score):.2f} of its speed (hands shake, tripods stand "
            f"still, generated cameras glide). {judged if clear else unclear}."
        ),
        frames=tuple(
            dict.fromkeys([v.frame for v in wrong] + [int(i) + 1 for i in np.argsort(-jolt)[:2]])
        )[:3],
        curve=jolt,
        curve_name="jolts of the camera, pixels a frame each frame",
        tracks=view.tracks.places,
        notes=tuple(f"{v.words}, at {view.times[v.frame]:.1f} s" for v in wrong),
    )


def impossible(view: View, objects: list[MovingObject]) -> list[Violation]:
    """What in the ways and in the light of things before a camera that stands cannot be."""
    return violations(objects, view.fps) + contradictions(lights(view, objects))


def measures(view: View) -> dict[str, float]:
    """All numbers of this family: those that every clip has."""
    return finite(_momentum(view, view.tracks.places) | _light(view))


def _momentum(view: View, tracks: Array) -> Measures:
    """Accelerations against speeds: of points, of the flow along itself, and of the camera."""
    velocity = np.diff(tracks, axis=0)
    pull = np.linalg.norm(np.diff(velocity, axis=0), axis=-1)
    jerk = np.linalg.norm(np.diff(velocity, 2, axis=0), axis=-1)
    speed = np.linalg.norm(velocity, axis=-1)
    pull, jerk, speed = (series[np.isfinite(series)] for series in (pull, jerk, speed))
    shift = view.global_motion[:, 2]
    jolts = np.linalg.norm(np.diff(shift, axis=0), axis=1).mean()
    turns, shape = (
        np.abs(np.diff(view.global_motion[:, :2], axis=0)).mean(),
        np.abs(view.global_motion[:, :2]).mean(),
    )
    measured = len(pull) > 0
    values = {
        "points.pull": np.log(pull.mean() + 0.02) if measured else 0.0,
        "points.pull_to_speed": np.log((pull.mean() + 0.02) / (speed.mean() + 0.05))
        if measured
        else 0.0,
        "points.pull_peaks": np.log((np.percentile(pull, 95) + 0.02) / (np.median(pull) + 0.02))
        if measured
        else 0.0,
        "points.jerk": np.log((jerk.mean() + 0.02) / (pull.mean() + 0.02)) if len(jerk) else 0.0,
        "momentum.speed": np.log(np.linalg.norm(shift, axis=1).mean() + 0.02),
        "momentum.jolt": np.log(jolts + 0.01),
        "momentum.jolts": np.log((jolts + 0.02) / (np.linalg.norm(shift, axis=1).mean() + 0.05)),
        "momentum.turn": np.log(turns + 0.01),
        "momentum.turns": np.log((turns + 0.02) / (shape + 0.05)),
    }
    return values | _along(view)


def _along(view: View) -> Measures:
    """How the flow changes along itself, and how much of it is not the camera's."""
    pulls, own = [], []
    side = view.luma.shape[1]
    rows, columns = (np.mgrid[:side, :side] / side - 0.5).astype(np.float32)
    grid_y, grid_x = np.mgrid[:side, :side].astype(np.float32)
    for step, flow in enumerate(view.forward):
        shared = np.stack([columns, rows, np.ones_like(rows)], -1) @ view.global_motion[
            step
        ].astype(np.float32)
        own.append(np.linalg.norm(flow - shared, axis=-1).mean())
        if step:
            came = view.backward[step - 1]
            before = cv2.remap(
                view.forward[step - 1],
                grid_x + came[..., 0],
                grid_y + came[..., 1],
                cv2.INTER_LINEAR,
            )
            pulls.append(np.linalg.norm(flow - before, axis=-1).mean())
    speed = view.speed.mean() + 0.05
    return {
        "flow.pull": np.log(np.mean(pulls) + 0.02),
        "flow.pull_to_speed": np.log((np.mean(pulls) + 0.02) / speed),
        "flow.own": np.log(np.mean(own) + 0.02),
        "flow.own_share": np.mean(own) / speed,
    }


def _light(view: View) -> Measures:
    """How steady the picture's brightness is."""
    level = view.luma.mean((1, 2))
    return {
        "light.flicker": np.log(np.abs(np.diff(level, 2)).mean() + 0.01),
        "light.drift": np.log(np.abs(level[-1] - level[0]) + 0.1),
    }
