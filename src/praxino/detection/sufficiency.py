"""Is there enough of a clip for a verdict? Its length, size, blocks, texture and motion."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from praxino.detection.evidence import phase_contrast
from praxino.detection.view import View
from praxino.storage.media.info import MediaInfo

MIN_FRAMES: Final = 8
"""Frames of a view below which there is no verdict."""
MIN_SHORTER_SIDE: Final = 112
"""Pixels of the shorter side below which there is none."""
MIN_LUMA_CHANGE: Final = 0.25
"""Mean change of luma from frame to frame, of 255, below which there is none."""
MIN_TEXTURE: Final = 0.6
"""Deviation of luma from itself blurred, of 255, below which there is none; 1.3 is the least of any
clip measured.
"""
BLOCK: Final = 8
"""Pixels a side of the blocks of H.264, MPEG-4 and JPEG."""
TILE: Final = 32
"""Pixels a side of a place on the map of blocks."""
EDGES: Final = 2
"""Lines of the grid that may be edges of what is shown, and do not count."""
MAX_BLOCKINESS: Final = 0.45
"""Blockiness above which no verdict is given: real and generated clips look alike (most at CRF 42).
"""


def blockiness(view: View) -> float:
    """How much larger steps between neighbouring pixels are on a grid of `BLOCK` pixels than beside
    it, as the sum of the logs across and down, in the file's own pixels; the strongest `EDGES`
    lines of each phase do not count.
    """
    across, down = (np.abs(np.diff(view.own, axis=axis)).mean((0, 3 - axis)) for axis in (2, 1))
    return phase_contrast(across, BLOCK, EDGES) + phase_contrast(down, BLOCK, EDGES)


def block_map(view: View) -> NDArray[np.floating]:
    """(h/32, w/32) of the file's own pixels: log of how much larger steps are on the grid's
    strongest phase than beside it, place by place; zeros for less than 32 pixels.
    """
    luma = view.own
    blocks = np.zeros([max(1, side // TILE) for side in luma.shape[1:]])
    if min(luma.shape[1:]) < TILE:
        return blocks
    for axis in (2, 1):
        steps = np.abs(np.diff(luma, axis=axis)).mean(0)  # (h, w - 1) or (h - 1, w)
        steps = np.pad(steps, ((0, int(axis == 1)), (0, int(axis == 2))), mode="edge")
        line = steps.mean(0 if axis == 2 else 1)
        phase = int(np.argmax([line[start::BLOCK].mean() for start in range(BLOCK)]))
        on = np.arange(steps.shape[axis - 1]) % BLOCK == phase
        for row, column in np.ndindex(*blocks.shape):
            part = (slice(row * TILE, (row + 1) * TILE), slice(column * TILE, (column + 1) * TILE))
            tile, lines = steps[part], on[part[axis - 1]]
            tile = tile if axis == 2 else tile.T
            blocks[row, column] += np.log(
                (tile[:, lines].mean() + 0.5) / (tile[:, ~lines].mean() + 0.5)
            )
    return blocks


def missing_evidence(info: MediaInfo, views: Sequence[View], blocks: float) -> tuple[str, ...]:
    """Why the evidence does not carry a verdict; empty if it does."""
    most = max(len(view.frames) for view in views)
    change = max(float(np.abs(np.diff(view.luma, axis=0)).mean()) for view in views)
    side, rate = min(info.width, info.height), views[0].fps
    plain = all(view.detail.std() < MIN_TEXTURE for view in views)
    size = f"{info.width}x{info.height}"
    lacking = (
        (
            most < MIN_FRAMES,
            f"too short: {most} frames at {rate:.1f} a second, {MIN_FRAMES} needed",
        ),
        (side < MIN_SHORTER_SIDE, f"too small: {size}, {MIN_SHORTER_SIDE} pixels needed"),
        (
            blocks > MAX_BLOCKINESS,
            "heavily compressed: block artefacts mask finer traces",
        ),
        (plain, "hardly any texture: there is nothing to follow"),
        (change < MIN_LUMA_CHANGE, "hardly anything moves: most of the evidence is in motion"),
    )
    return tuple(reason for is_lacking, reason in lacking if is_lacking)
