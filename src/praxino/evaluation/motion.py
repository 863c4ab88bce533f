"""Motion in one film, without knowing what it shows: flicker, smoothness, how much moves, what
stays itself.

Films are (T, H, W, 3) uint8. The measures follow VBench (Huang et al., arXiv 2311.17982) where it
has one, with optical flow by Farnebäck in place of its networks, so that nothing has to be
downloaded.
"""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.errors import InputError

Film = NDArray[np.uint8]
MAX_WARP_SIDE = 2**15
"""Pixels a side that OpenCV's warping cannot take."""


@dataclass(frozen=True)
class Motion:
    """One film's measures."""

    flicker: float
    """Mean change of a pixel from frame to frame where nothing moves, 0 to 255: less is steadier.
    """
    smoothness: float
    """0 to 1: how well each frame is the middle of its neighbours, moved along half the flow
    between them.
    """
    dynamic: float
    """Fastest 5% of the motion between frames, in frame heights a second: 0 is a still picture."""
    similarity_variance: float
    """Variance of the similarity (correlation) of neighbouring frames: high where a film jumps."""
    consistency: float
    """0 to 1: how much of its colours each frame shares with the first one and with the one before,
    on the mean.
    """


def motion(film: Film, fps: float) -> Motion:
    """Measure a film of at least three frames.

    Raises
    ------
    InputError
        For a shorter one, or frames too large for the optical flow.
    """
    if len(film) < 3:
        raise InputError(
            f"{len(film)} frames: motion needs at least 3", "evaluate films, not pictures"
        )
    if max(film.shape[1:3]) >= MAX_WARP_SIDE:
        raise InputError(
            f"{film.shape[2]}x{film.shape[1]}: motion needs frames below {MAX_WARP_SIDE}",
            "resize the film",
        )
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in film])
    flows = [flow(a, b) for a, b in itertools.pairwise(grey)]
    return Motion(
        flicker=_flicker(grey, flows),
        smoothness=_smoothness(grey),
        dynamic=float(np.mean([_fastest(field) for field in flows])) / film.shape[1] * fps,
        similarity_variance=float(
            np.var([_correlation(a, b) for a, b in itertools.pairwise(film)])
        ),
        consistency=_consistency(film),
    )


def flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Dense optical flow between grey frames: (H, W, 2) pixels, x and y (Farnebäck, SCIA 2003)."""
    start = np.zeros((*first.shape, 2), np.float32)
    return np.asarray(
        cv2.calcOpticalFlowFarneback(first, second, start, 0.5, 3, 9, 3, 5, 1.1, 0), np.float32
    )


def _flicker(grey: NDArray[np.uint8], flows: list[NDArray[np.float32]]) -> float:
    change = np.abs(np.diff(grey.astype(np.float32), axis=0))
    still = np.stack([np.hypot(flow[..., 0], flow[..., 1]) < 0.1 for flow in flows])
    return float(change[still].mean()) if still.any() else 0.0


def _fastest(flow: NDArray[np.float32]) -> float:
    speed = np.sort(np.hypot(flow[..., 0], flow[..., 1]).ravel())
    return float(speed[-max(1, len(speed) // 20) :].mean())


def _smoothness(grey: NDArray[np.uint8]) -> float:
    """Each frame against its neighbours' middle, made by warping both halfway towards each
    other.
    """
    rows, columns = np.mgrid[: grey.shape[1], : grey.shape[2]].astype(np.float32)
    errors = []
    for before, now, after in zip(grey[:-2], grey[1:-1], grey[2:], strict=True):
        half = flow(before, after) / 2
        first = cv2.remap(
            before,
            columns - half[..., 0],
            rows - half[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        second = cv2.remap(
            after,
            columns + half[..., 0],
            rows + half[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        errors.append(np.abs((first.astype(np.float32) + second) / 2 - now).mean() / 255)
    return 1 - float(np.mean(errors))


def _consistency(film: Film) -> float:
    """VBench's subject consistency with histograms of Lab colours in place of a network's
    features.
    """
    colours = [_colours(frame) for frame in film]
    shared = [
        (np.minimum(now, colours[0]).sum() + np.minimum(now, before).sum()) / 2
        for before, now in itertools.pairwise(colours)
    ]
    return float(np.mean(shared))


def _colours(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(8, 16, 16) shares of a frame's pixels by lightness and the two axes of colour."""
    lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)
    counts = cv2.calcHist([lab], [0, 1, 2], None, [8, 16, 16], [0, 256] * 3)
    return np.asarray(counts / counts.sum(), np.float32)


def _correlation(first: Film, second: Film) -> float:
    a, b = (frame.astype(np.float64) - frame.mean() for frame in (first, second))
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else float((first == second).all())
