"""The forward process made visible: a picture or clip at chosen steps of the discrete chain."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from praxino.data.pixels import resized, to_pixels, to_tensor
from praxino.diffusion.ddpm import Chain, cosine_betas, linear_betas
from praxino.errors import InputError, UnknownNameError
from praxino.storage.media.video import Video

SCHEDULES: Final[dict[str, Callable[[], torch.Tensor]]] = {
    "linear": linear_betas,
    "cosine": cosine_betas,
}


def noise_strip(
    video: Video,
    steps: Sequence[int] = (0, 100, 500, 1000),
    schedule: str = "linear",
    seed: int = 0,
    height: int = 256,
) -> Video:
    """Side by side: the clip after each of ``steps`` steps of noise (0 is the clip itself).

    Parameters
    ----------
    steps : sequence of int
        Each from 0 to 1000, in the chain of arXiv 2006.11239 (``schedule`` "linear") or arXiv
        2102.09672 ("cosine").
    height : int
        Larger pictures are reduced to this many rows (and four times as many columns) first: noise
        is per pixel. Films lose a last odd row or column, which they could not be written with.

    Returns
    -------
    Video
        Of as many frames as ``video``, ``len(steps)`` times as wide.
    """
    if schedule not in SCHEDULES:
        raise UnknownNameError("schedule", schedule, SCHEDULES)
    chain = Chain(SCHEDULES[schedule]())
    if wrong := [step for step in steps if not 0 <= step <= len(chain)]:
        raise InputError(f"step {wrong[0]}: must be from 0 to {len(chain)}", "0,100,500,1000")
    x0 = to_tensor(_reduced(video.frames, height)[None])
    generator = torch.Generator().manual_seed(seed)
    eps = torch.randn(x0.shape, generator=generator)
    panels = (x0 if step == 0 else chain.noised(x0, torch.tensor([step]), eps) for step in steps)
    pixels = np.concatenate([to_pixels(panel)[0] for panel in panels], axis=2)
    record = {
        "generator": "praxino",
        "noise": {"steps": list(steps), "schedule": schedule, "seed": seed},
    }
    return Video(pixels, video.fps, record)


def _reduced(frames: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """At most ``height`` rows and four times as many columns; films with even sizes."""
    rows, columns = frames.shape[1:3]
    scale = min(1.0, height / rows, 4 * height / columns)
    if scale < 1:
        frames = resized(frames, max(1, round(rows * scale)), max(1, round(columns * scale)))
    if len(frames) == 1:
        return frames
    rows, columns = (max(1, size // 2 * 2) for size in frames.shape[1:3])
    return frames[:, :rows, :columns]


def contact_sheet(video: Video, rows: int = 4) -> Video:
    """A clip as one picture: ``rows`` of its frames, evenly spread, one below the other."""
    indices = (
        np.linspace(0, len(video.frames) - 1, min(rows, len(video.frames))).round().astype(int)
    )
    return Video(
        np.concatenate([video.frames[i] for i in indices], axis=0)[None], video.fps, video.record
    )
