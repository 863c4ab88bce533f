"""What a clip is like, how answers for such clips fared, and when there is too little of it for a verdict."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from praxino.detection.fusion import SLOW, SMALL, Detector, Fusion
from praxino.detection.view import View
from praxino.storage.media.frames import MediaInfo

MIN_FRAMES: Final = 8
"""Frames of a view below which there is no verdict."""
MIN_SHORTER_SIDE: Final = 112
"""Pixels of the shorter side below which there is none."""
MOTIONLESS: Final = 0.25
"""Mean change of luma from frame to frame, of 255, below which there is none."""
TEXTURE: Final = 0.6
"""Deviation of luma from itself blurred, of 255, below which there is none; 1.3 is the least of any clip measured."""
BLOCK: Final = 8
"""Pixels a side of the blocks of H.264, MPEG-4 and JPEG."""
TILE: Final = 32
"""Pixels a side of a place on the map of blocks."""
EDGES: Final = 2
"""Lines of the grid that may be edges of what is shown, and do not count."""
BLOCKY: Final = 0.25
"""Of it, from which on a clip counts as compressed hard: the median after H.264 at CRF 35."""
MAX_BLOCKINESS: Final = 0.45
"""And from which on there is no verdict: real and generated clips are hardly told apart (most clips at CRF 42)."""
KINDS: Final = {
    "native": "clips as they are found",
    "crf 35": "clips compressed hard",
    "gif": "clips of 256 colours",
    "half rate": "clips of few frames a second",
    "scale 0.5": "small clips",
    "crf 28, scale 0.5": "small, compressed clips",
    "12 frames": "short clips",
    "8 frames": "very short clips",
}
"""Conditions that clips are told apart by, in words."""


def blockiness(view: View) -> float:
    """How much larger steps between neighbouring pixels are on a grid of `BLOCK` pixels than beside it, as the sum of
    the logs across and down, in the file's own pixels; the strongest `EDGES` lines of each phase do not count."""
    across, down = (np.abs(np.diff(view.own, axis=axis)).mean((0, 3 - axis)) for axis in (2, 1))
    return _on_grid(across) + _on_grid(down)


def block_map(view: View) -> NDArray[np.floating]:
    """(h/32, w/32) of the file's own pixels: log of how much larger steps are on the grid's strongest phase than beside
    it, place by place; zeros for less than 32 pixels."""
    luma = view.own
    found = np.zeros([max(1, side // TILE) for side in luma.shape[1:]])
    if min(luma.shape[1:]) < TILE:
        return found
    for axis in (2, 1):
        steps = np.abs(np.diff(luma, axis=axis)).mean(0)  # (h, w - 1) or (h - 1, w)
        steps = np.pad(steps, ((0, int(axis == 1)), (0, int(axis == 2))), mode="edge")
        line = steps.mean(0 if axis == 2 else 1)
        phase = int(np.argmax([line[start::BLOCK].mean() for start in range(BLOCK)]))
        on = np.arange(steps.shape[axis - 1]) % BLOCK == phase
        for row, column in np.ndindex(*found.shape):
            part = (slice(row * TILE, (row + 1) * TILE), slice(column * TILE, (column + 1) * TILE))
            tile, lines = steps[part], on[part[axis - 1]]
            tile = tile if axis == 2 else tile.T
            found[row, column] += np.log((tile[:, lines].mean() + 0.5) / (tile[:, ~lines].mean() + 0.5))
    return found


def _on_grid(steps: NDArray[np.floating]) -> float:
    if len(steps) < 4 * BLOCK:
        return 0.0
    phases = np.array([np.sort(steps[start::BLOCK])[:-EDGES].mean() for start in range(BLOCK)]) + 0.05
    return float(np.log(phases.max() / np.median(phases)))


def missing_evidence(found: MediaInfo, seen: Sequence[View], blocks: float) -> tuple[str, ...]:
    """Why the evidence does not carry a verdict; empty if it does."""
    most = max(len(view.frames) for view in seen)
    change = max(float(np.abs(np.diff(view.luma, axis=0)).mean()) for view in seen)
    lacking = {
        f"too short: {most} frames at {seen[0].fps:.1f} a second, {MIN_FRAMES} are needed": most < MIN_FRAMES,
        f"too small: {found.width}x{found.height}, {MIN_SHORTER_SIDE} pixels are needed": min(found.width, found.height)
        < MIN_SHORTER_SIDE,
        "compressed too hard: the codec's blocks hide what is finer": blocks > MAX_BLOCKINESS,
        "hardly any texture: there is nothing to follow": all(view.detail.std() < TEXTURE for view in seen),
        "hardly anything moves: most of the evidence is in motion": change < MOTIONLESS,
    }
    return tuple(reason for reason, so in lacking.items() if so)


def condition(found: MediaInfo, seen: Sequence[View], blocks: float) -> str:
    """Which of `KINDS` a clip is most like; of several, the first of small, slow, short, coloured, compressed."""
    frames = max(len(view.frames) for view in seen)
    if min(found.width, found.height) < SMALL:
        return "crf 28, scale 0.5" if blocks > BLOCKY else "scale 0.5"
    if seen[0].fps < SLOW:
        return "half rate"
    if frames <= 12:
        return "8 frames" if frames <= 9 else "12 frames"
    if "256 colours" in found.oddities:
        return "gif"
    return "crf 35" if blocks > BLOCKY else "native"


def reliability(probability: float, fitted: Fusion, detector: Detector, like: str) -> str:
    """How often answers like this one, and verdicts on clips like this one, were right: on clips from sources and
    generators that were left out of the fitting."""
    said = [
        f"of {row.clips} clips with answers from {row.low:.0%} to {row.high:.0%}, {row.generated} were generated"
        for row in fitted.table
        if row.low <= probability <= row.high and row.clips
    ][:1]
    said += [
        f"of {KINDS[like]}, {each.definite:.0%} got a verdict, and {each.right:.0%} of these were right"
        for each in detector.conditions
        if each.name == like and each.right is not None
    ]
    return "; ".join(said) + ": all from sources and generators left out of the fitting" if said else ""
