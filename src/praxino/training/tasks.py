"""Parts of a clip that are given in training, so that one model does every task: frames, all but a
box, a border, a history.

Given parts are told a time of their own, mostly 0, and do not count in the loss.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from praxino.config import Config

Groups = Literal["clip", "frames", "tokens"]
"""Which tokens share a time: all, those of a latent frame, none."""


class TaskMix(Config):
    """How often which part is given; the rest of the steps give nothing."""

    frames: float = Field(
        0.25,
        ge=0,
        le=1,
        description="whole latent frames: a beginning, an end, both, the middle, any",
    )
    box: float = Field(
        0.12, ge=0, le=1, description="all but a box, which moves with a thing where there is one"
    )
    border: float = Field(
        0.05, ge=0, le=1, description="an inner part: the border is to be painted"
    )
    told_noise: float = Field(
        0.4, ge=0, le=1, description="part of these clips whose given parts are a little noisy"
    )
    most_noise: float = Field(
        0.06, ge=0, lt=1, description="time of the noisiest of them; they are told it"
    )


@dataclass(frozen=True)
class TaskCondition:
    """Which latent places are given, (B, 1, t, h, w), how times are shared, and the given places'
    times, (B,).
    """

    clean: Tensor
    groups: Groups
    times: Tensor


def no_task(size: torch.Size) -> TaskCondition:
    """For latents of ``size`` (B, C, t, h, w)."""
    b, _, t, h, w = size
    return TaskCondition(torch.zeros(b, 1, t, h, w, dtype=torch.bool), "clip", torch.zeros(b))


def token_times(times: Tensor, groups: Groups, patch: tuple[int, int, int]) -> Tensor:
    """A denoiser's times (B, G) from a time per latent place, (B, 1, t, h, w)."""
    p, q, r = patch
    tokens = times[:, 0, ::p, ::q, ::r]  # (B, f, h, w)
    return {
        "clip": tokens[:, :1, 0, 0],
        "frames": tokens[:, :, 0, 0],
        "tokens": tokens.flatten(1),
    }[groups]


def draw_task(
    mix: TaskMix,
    size: torch.Size,
    patch: tuple[int, int, int],
    cover: Tensor | None,
    rng: np.random.Generator,
) -> TaskCondition:
    """What is given of a batch of latents of ``size`` (B, C, t, h, w), the same kind of part for
    all its clips.

    Parameters
    ----------
    patch : (p, q, r)
        Of the denoiser: a patch is given as a whole or not at all.
    cover : (B, S, t, h, w), optional
        How much of each place each thing covers: boxes move with one of them.
    """
    task, way = no_task(size), rng.random()
    if size[2] == patch[0] or way >= mix.frames + mix.box + mix.border:
        return task
    for number, row in enumerate(task.clean):
        if way < mix.frames:
            for frame in given_frames(size[2] // patch[0], rng):
                row[:, frame * patch[0] : (frame + 1) * patch[0]] = True
        else:
            row[:] = True
            part = cover[number] if cover is not None and way < mix.frames + mix.box else None
            row[_to_paint(part, size, patch, rng, border=way >= mix.frames + mix.box)] = False
    noisy = rng.random(size[0]) < mix.told_noise
    times = torch.from_numpy(np.where(noisy, rng.random(size[0]) * mix.most_noise, 0.0)).float()
    return TaskCondition(task.clean, "frames" if way < mix.frames else "tokens", times)


def given_frames(t: int, rng: np.random.Generator) -> list[int]:
    """Which latent frames of ``t``: the first, the ends, a beginning, an end, all but the middle,
    or any.
    """
    cut = int(rng.integers(1, t))
    some = [i for i in range(t) if rng.random() < 0.4][: t - 1]
    ends = [0, t - 1] if t > 2 else [0]  # something must be left to learn
    low = int(rng.integers(1, t - 1)) if t > 2 else 1
    high = int(rng.integers(low + 1, t)) if t > 2 else t
    around = [i for i in range(t) if not low <= i < high]
    ways = ([0], [0], ends, list(range(cut)), list(range(cut, t)), around, some)
    return ways[int(rng.integers(len(ways)))]


def _to_paint(
    cover: Tensor | None,
    size: torch.Size,
    patch: tuple[int, int, int],
    rng: np.random.Generator,
    border: bool,
) -> Tensor:
    """(1, t, h, w): the places that are not given, in whole patches."""
    _, _, t, h, w = size
    _, q, r = patch
    high, wide = int(rng.integers(1, max(2, h // q))) * q, int(rng.integers(1, max(2, w // r))) * r
    top, left = (
        int(rng.integers((h - high) // q + 1)) * q,
        int(rng.integers((w - wide) // r + 1)) * r,
    )
    inside = torch.zeros(1, t, h, w, dtype=torch.bool)
    inside[:, :, top : top + high, left : left + wide] = True
    if border and not bool(inside.all()):
        return ~inside
    if cover is None or not bool(cover.any()):
        return inside
    things = [number for number in range(len(cover)) if bool(cover[number].any())]
    own = cover[things[int(rng.integers(len(things)))]][None] > 0  # (1, t, h, w)
    whole = own.unflatten(3, (-1, r)).any(4).unflatten(2, (-1, q)).any(3)
    return whole.repeat_interleave(q, 2).repeat_interleave(r, 3)


ANCHOR_LEFT_OUT: Final = 0.2
"""Part of the windows whose anchor is any latent frame before the last of the history, instead of
the film's first.
"""


class WindowConfig(Config):
    """Windows of long clips: an anchor, two latent frames of history, and two new ones to learn.

    Diffusion forcing with history (DFoT, arXiv 2502.06764), noise on it as in Helios (arXiv
    2603.04379).
    """

    share: float = Field(0.0, ge=0, le=1, description="part of the steps that are of windows")
    frames: int = Field(33, ge=21, description="of the clips that windows are cut from, 4k+1")
    clips: int = Field(4096, gt=0)
    corrupted: float = Field(
        0.9, ge=0, le=1, description="part of the windows with noise on their history"
    )
    most_noise: float = Field(
        1 / 3, ge=0, lt=1, description="of each latent frame of history, at most; it is not told"
    )

    @field_validator("frames")
    @classmethod
    def _frames_are_whole(cls, frames: int) -> int:
        if frames % 4 != 1:
            raise ValueError("must be 4k+1")
        return frames


def draw_windows(
    t: int, count: int, rng: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """(count, 5): which latent frames of clips of ``t`` stand in each window: anchor, two of
    history, two new ones.
    """
    last = rng.integers(2, t - 2, count)  # the later one of the history
    anchors = np.where(rng.random(count) < ANCHOR_LEFT_OUT, rng.integers(0, last), 0)
    return np.stack([anchors, last - 1, last, last + 1, last + 2], axis=1)


def corrupt(history: Tensor, config: WindowConfig, rng: np.random.Generator) -> Tensor:
    """(B, C, t, h, w) with noise of its own on each latent frame, so that a film's own errors do
    not grow.
    """
    b, _, t = history.shape[:3]
    strength = (
        rng.random((b, 1, t, 1, 1))
        * config.most_noise
        * (rng.random((b, 1, 1, 1, 1)) < config.corrupted)
    )
    sigma = torch.from_numpy(strength).float()
    noise = torch.from_numpy(rng.standard_normal(history.shape, dtype=np.float32))
    return sigma * noise + (1 - sigma) * history
