"""How a clip goes on from frame to frame: steps, their evenness and direction, what lasts and what
is lost.

Generated clips move too straight: neighbouring changes point the same way and are alike in size.
Cameras shake, exposures differ, and each frame has noise of its own over a pattern that belongs to
the sensor.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.evidence import Evidence, Measures, correlation, finite
from praxino.detection.view import View, fetch

Array = NDArray[np.floating]
SCALES: Final = (224, 112, 56, 28, 14)
EPSILON: Final = 1e-9
STILL: Final = 0.2
"""Pixels a frame below which a place does not move."""


def evidence(view: View) -> Evidence:
    """Trajectories in pixel, detail, block-DCT and random-feature spaces, optical flow, noise, and
    tracked points.

    Sources: curvature of trajectories (ReStraV, arXiv 2507.00583), second-order differences (D3,
    arXiv 2508.00701), fixed-pattern noise (Lukas et al., IEEE TIFS 2006).
    """
    values = measures(view)
    bends = _bends(_reduced(view.luma, 112))
    score = float(bends.mean()) if len(bends) else 0.0
    order = np.argsort(-bends)[:3] + 1
    return Evidence(
        family="temporal",
        headline="pixels112.bend",
        measures=values,
        sentence=(
            f"Successive frame changes differ in direction by {_degrees(score):.0f} degrees on "
            f"average (higher: flicker or shake; lower: gliding motion); "
            f"{values['tracks.lasting']:.0%} of the tracked points last to the end."
        ),
        frames=tuple(int(i) for i in order),
        curve=bends,
        curve_name="direction of each change against the one before (1 straight on, -1 back)",
        tracks=view.tracks.places,
    )


def _degrees(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def measures(view: View) -> dict[str, float]:
    """All numbers of this family."""
    values: Measures = {}
    for name, points in _spaces(view).items():
        values |= {f"{name}.{key}": value for key, value in trajectory(points).items()}
    return finite(values | _motion(view) | _noise(view) | _lasting(view))


def trajectory(points: Array) -> Measures:
    """Step length of a path (T, D), the unevenness of its steps, its roughness, and how it
    bends.
    """
    steps = np.diff(points, axis=0)
    length = np.linalg.norm(steps, axis=1) + EPSILON
    second = np.linalg.norm(np.diff(steps, axis=0), axis=1) + EPSILON
    bends = _bends(points)
    spread = np.linalg.norm(points - points.mean(0), axis=1).mean() + EPSILON
    return {
        "step": np.log(length.mean() / spread),
        "unevenness": length.std() / length.mean(),
        "roughness": second.mean() / length.mean(),
        "roughness_unevenness": second.std() / second.mean(),
        "bend": bends.mean(),
        "bend_spread": bends.std(),
    }


def _bends(points: Array) -> Array:
    """(T-2,): cosine between each step and the one before."""
    steps = np.diff(points, axis=0)
    length = np.linalg.norm(steps, axis=1) + EPSILON
    return np.asarray((steps[1:] * steps[:-1]).sum(1) / (length[1:] * length[:-1]))


def _spaces(view: View) -> dict[str, Array]:
    """name -> (T, D): the frames as points."""
    frames = len(view.frames)
    spaces: dict[str, Array] = {}
    for side in SCALES:
        spaces[f"pixels{side}"] = _reduced(view.luma, side)
    spaces["detail"] = view.detail.reshape(frames, -1)
    strength = np.log(np.abs(blocks_dct(view.luma)) + 1)  # (T, h, w, 8, 8)
    order = np.add.outer(np.arange(8), np.arange(8))
    for name, band in (
        ("low", (order > 0) & (order < 3)),
        ("middle", (order >= 3) & (order < 7)),
        ("high", order >= 7),
    ):
        spaces[f"dct_{name}"] = strength[..., band].mean(-1).reshape(frames, -1)
    spaces["features"] = np.stack([_random_features(frame) for frame in view.luma])
    return spaces


def _reduced(luma: Array, side: int) -> Array:
    """(T, side * side)"""
    small = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in luma]
    return np.stack(small).reshape(len(luma), -1)


def blocks_dct(pictures: Array, side: int = 8) -> Array:
    """(T, H, W) to (T, H/side, W/side, side, side): the cosine transform of each block."""
    k, n = np.mgrid[:side, :side]
    basis = (np.cos(np.pi * (2 * n + 1) * k / (2 * side)) * np.sqrt(2 / side)).astype(np.float32)
    basis[0] /= np.sqrt(2)
    count, height, width = pictures.shape
    blocks = pictures[:, : height // side * side, : width // side * side]
    blocks = blocks.reshape(count, height // side, side, width // side, side).transpose(
        0, 1, 3, 2, 4
    )
    return np.asarray(basis @ blocks @ basis.T)


def _kernels() -> Array:
    rng = np.random.default_rng(0)
    kernels = rng.normal(size=(24, 7, 7)).astype(np.float32)
    kernels -= kernels.mean((1, 2), keepdims=True)
    return np.asarray(kernels / np.linalg.norm(kernels, axis=(1, 2), keepdims=True))


KERNELS: Final = _kernels()
"""Random filters: features of a network that was never trained, so that it knows no collection."""


def _random_features(frame: Array) -> Array:
    maps = [
        cv2.resize(np.abs(cv2.filter2D(frame, -1, k)), (14, 14), interpolation=cv2.INTER_AREA)
        for k in KERNELS
    ]
    return np.sqrt(np.stack(maps)).ravel()


def _motion(view: View) -> Measures:
    """What optical flow explains, and what it does not."""
    inside = (slice(3, -3), slice(3, -3))
    errors, changes, breaks, kept, fixed = [], [], [], [], []
    for step, flow in enumerate(view.forward):
        errors.append(view.unexplained(step)[inside].mean())
        changes.append(np.abs(view.luma[step + 1] - view.luma[step]).mean())
        apart = flow + fetch(view.backward[step], flow)
        apart = np.hypot(apart[..., 0], apart[..., 1])
        breaks.append((apart[inside] > 1).mean())
        sure = apart < 1
        kept.append(correlation(view.detail[step][sure], view.warped(view.detail, step)[sure]))
        fixed.append(correlation(view.detail[step].ravel(), view.detail[step + 1].ravel()))
    speeds = view.speed.mean((1, 2))
    error = np.mean(errors) + 0.1
    turns = (
        np.abs(np.diff(view.forward, axis=1)).mean() + np.abs(np.diff(view.forward, axis=2)).mean()
    )
    return {
        "flow.speed": np.log(speeds.mean() + 0.02),
        "flow.fastest": np.log(np.percentile(view.speed, 95) + 0.02),
        "flow.still": (view.speed < STILL).mean(),
        "flow.unevenness": speeds.std() / (speeds.mean() + 0.05),
        "flow.error": np.log(error),
        "flow.unexplained": np.log(error / (np.mean(changes) + 0.1)),
        "flow.error_to_detail": np.log(error / (np.abs(view.detail).mean() + 0.1)),
        "flow.error_unevenness": np.std(errors) / error,
        "flow.breaks": np.log(np.mean(breaks) + 0.005),
        "flow.roughness": np.log(turns / (speeds.mean() + 0.05) + 0.01),
        "detail.kept": np.mean(kept),
        "detail.kept_spread": np.std(kept),
        "detail.fixed": np.mean(fixed),
    }


def _noise(view: View) -> Measures:
    """How the finest detail varies over time at each place, and how much of it never changes."""
    over_time = view.detail.var(0)
    within = np.median(view.detail.var((1, 2)))
    return {
        "noise.quietest": np.log(np.percentile(over_time, 10) + 0.01),
        "noise.median": np.log(np.median(over_time) + 0.01),
        "noise.relative": np.log((np.median(over_time) + 0.01) / (within + 0.01)),
        "noise.fixed": np.log((view.detail.mean(0).var() + 0.01) / (view.detail.var() + 0.01)),
    }


def _lasting(view: View) -> Measures:
    """How long points can be followed, and how well they match."""
    alive = np.isfinite(view.tracks.places[..., 0])
    if not alive.size:
        return {"tracks.lasting": 0.0, "tracks.life": 0.0, "tracks.error": 0.0, "tracks.count": 0.0}
    return {
        "tracks.lasting": alive[-1].mean(),
        "tracks.life": alive.mean(),
        "tracks.error": np.log(view.tracks.error + 0.1),
        "tracks.count": np.log(alive.shape[1]),
    }
