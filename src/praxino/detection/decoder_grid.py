"""Does the picture beat in time, or lie on a grid, as decoders of latents leave it?

Video autoencoders make four frames and squares of 8 to 32 pixels at a time. What they
leave in space mostly drowns in the codec's own blocks of 8 pixels, which begin at the same corner;
what they leave in time does not: the change of the change is larger in one frame of every four.
Both are looked for in the file's own frames at its own rate, are shown with their period and phase
for a person to check, and have no part in the answer.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from praxino.config import Config
from praxino.storage.media.frames import iter_frames
from praxino.storage.media.info import MediaInfo, VideoFrame

Array = NDArray[np.float64]
FRAMES: Final = 96
"""Frames, from the first on, that are looked at."""
SIDE: Final = 480
"""Pixels of the longer side at which change is measured: a beat is the same at any size."""
WINDOW: Final = 1024
"""Pixels of the middle, across and down, in which a grid is looked for."""
GRID_STRIDE: Final = 6
"""A grid is looked for in one of so many frames."""
PERIOD: Final = 4
"""Frames that the decoders of Wan, HunyuanVideo and CogVideoX make at a time."""
MIN_CYCLES: Final = 6
MIN_BEAT: Final = 0.05
"""Log amplitude of a beat that is told of: 5% more and less change."""
MAX_CHANCE: Final = 0.018
"""Probability of as regular a beat by chance, by Rayleigh's test, above which none is told of."""
REPEATED: Final = 0.3
"""A smaller part of the median change from frame to frame is a frame that is shown again."""
CELLS: Final = (4.5, 40.0)
"""Pixels of cells that are looked for: smaller ones are a codec's blocks in a larger picture."""
BLOCK: Final = 8
"""Pixels of a codec's blocks."""
MIN_PEAK: Final = 15.0
"""How far a grid's line in the spectrum stands above what is beside it, across and down, where it
is told of: in 2% of camera clips (`benchmarks/decoder_grids.py`).
"""
MODEL_RATES: Final = (8, 16)
"""Frames a second of many models; cameras take 24 and more."""
MODEL_SIZES: Final = (
    (512, 512), (720, 480), (768, 512), (832, 480), (848, 480), (960, 544), (1024, 576),
    (1216, 704), (1280, 704), (1360, 768),
)  # fmt: skip
"""Pixels of the longer and of the shorter side at which public models are usually run."""
FACTORS: Final = (8, 16, 32)
"""Pixels a side that decoders make of one latent."""


class GridFinding(Config):
    """What beats, and what lies on a grid; None for what does not.

    Attributes
    ----------
    beat : int
        Frames from beat to beat.
    beat_strength : float
        Log amplitude of the change of the change: 0.1 for 10% more.
    beat_first : int
        The first frame, from 0, with the largest one.
    cell : tuple of float
        Pixels across and down of a grid that is not a codec's.
    cells : tuple of int
        About how many of them there are.
    unjudged : str
        Why no beat could be looked for; empty if it could.
    sentences : tuple of str
        The same in words, with what else may have left it; and habits of length, size and rate.
    """

    beat: int | None = None
    beat_strength: float | None = None
    beat_first: int | None = None
    cell: tuple[float, float] | None = None
    cells: tuple[int, int] | None = None
    unjudged: str = ""
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Traces:
    """What a film's frames left: ``change`` (N - 1,) and ``bend`` (N - 2,) are mean first and
    second differences over time, ``across`` and ``down`` the mean second differences in space of
    each column and row.
    """

    change: Array
    bend: Array
    across: Array
    down: Array


def decoder_grid(path: Path, info: MediaInfo) -> tuple[GridFinding, Traces]:
    """Look at the first `FRAMES` frames of a film.

    Raises
    ------
    MediaError
        If the file cannot be read.
    """
    film = traces(itertools.islice(iter_frames(path, 0.0, info), FRAMES))
    return finding(film, info), film


def traces(frames: Iterable[VideoFrame]) -> Traces:
    """Measure frames one by one; nothing of them is kept."""
    last: list[NDArray[np.float32]] = []
    change, bend = [], []
    profiles: list[tuple[Array, Array]] = []
    shape: tuple[int, ...] = ()
    for index, frame in enumerate(frames):
        shape = shape or frame.pixels.shape
        if frame.pixels.shape != shape:
            break  # recordings that were joined: the first is looked at
        luma = np.asarray(cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY), np.uint8)
        if index % GRID_STRIDE == 0:
            profiles.append(_profiles(luma))
        scale = min(1.0, SIDE / max(luma.shape))
        size = (max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale)))
        last.append(cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32))
        if len(last) > 1:
            change.append(float(np.abs(last[-1] - last[-2]).mean()))
        if len(last) > 2:
            bend.append(float(np.abs(last[2] - 2 * last[1] + last[0]).mean()))
            last.pop(0)
    across, down = (
        np.mean([pair[axis] for pair in profiles], axis=0) if profiles else np.zeros(0)
        for axis in (0, 1)
    )
    return Traces(np.array(change), np.array(bend), across, down)


def _profiles(luma: NDArray[np.uint8]) -> tuple[Array, Array]:
    """Mean second differences of the middle of a frame: of each column, and of each row."""
    top, left = (max(0, (side - WINDOW) // 2) for side in luma.shape)
    middle = luma[top : top + WINDOW, left : left + WINDOW].astype(np.float32)
    steps = (np.minimum(np.abs(np.diff(middle, 2, axis=axis)), 12) for axis in (1, 0))
    across, down = (step.mean(axis) for step, axis in zip(steps, (0, 1), strict=True))
    return across.astype(np.float64), down.astype(np.float64)


def finding(of: Traces, info: MediaInfo) -> GridFinding:
    """What is told of the traces."""
    fields: dict[str, object] = {"unjudged": _unjudged(of)}
    sentences = []
    beat = None if fields["unjudged"] else _beat(of)
    if beat is not None:
        strength, first = beat
        fields |= {"beat": PERIOD, "beat_strength": strength, "beat_first": first}
        sentences.append(
            f"Motion is uneven once in every {PERIOD} frames, by {np.expm1(strength):.0%}, most at "
            f"frames {first}, {first + PERIOD}, {first + 2 * PERIOD} and so on: consistent with a "
            f"decoder that makes {PERIOD} frames at a time; a conversion of the frame rate may "
            f"leave it, too."
        )
    cell = _cell(of)
    if cell is not None:
        cells = (round(info.width / cell[0]), round(info.height / cell[1]))
        fields |= {"cell": cell, "cells": cells}
        widths = ", ".join(str(factor * cells[0]) for factor in FACTORS)
        sentences.append(
            f"Detail repeats every {cell[0]:.2f} x {cell[1]:.2f} pixels, about {cells[0]} times "
            f"across and {cells[1]} down, which is no codec's grid: consistent with a decoder of "
            f"8x8, 16x16 or 32x32 pixels in a picture {widths} pixels wide that was scaled, and "
            f"with scaling alone from a multiple of {cells[0]}."
        )
    sentences += _habits(info)
    return GridFinding.model_validate(fields | {"sentences": tuple(sentences)})


def _habits(info: MediaInfo) -> list[str]:
    """Length, size and rate, if two of them are such as models are run at; a sentence, or none."""
    side, shorter = max(info.width, info.height), min(info.width, info.height)
    groups, rest = divmod(info.frames - 1, PERIOD)
    habits = []
    if info.frames > PERIOD * MIN_CYCLES and rest == 0:
        habits.append(f"{info.frames} frames, which is {PERIOD} x {groups} + 1")
    if (side, shorter) in MODEL_SIZES:
        habits.append(f"{info.width}x{info.height} pixels")
    if round(info.rate, 2) in MODEL_RATES:
        habits.append(f"{info.rate:g} frames a second")
    if len(habits) < 2:
        return []
    return [f"{' and '.join(habits)}: models are often run so, and cameras seldom."]


def _unjudged(of: Traces) -> str:
    """Why no beat can be looked for."""
    least = PERIOD * MIN_CYCLES + 2
    if len(of.bend) < least - 2:
        return f"{least} frames are needed, {len(of.bend) + 2 if len(of.bend) else 'few'} are there"
    if (of.change < REPEATED * np.median(of.change)).any():
        return "frames are repeated, as a conversion of the frame rate does, which beats by itself"
    return ""


def _beat(of: Traces, period: int = PERIOD) -> tuple[float, int] | None:
    """Log amplitude and first frame of a beat, if there is one."""
    cycles = len(of.bend) // period
    logs = np.log(of.bend[: cycles * period] + 0.02)
    around = sliding_window_view(np.pad(logs, period, mode="reflect"), 2 * period + 1)
    uneven = np.clip(logs - np.median(around, axis=-1), -0.5, 0.5)
    turns = np.exp(-2j * np.pi * np.arange(period) / period)
    vectors = (uneven - uneven.mean()).reshape(cycles, period) @ turns
    mean, power = vectors.mean(), float((np.abs(vectors) ** 2).mean())
    amplitude = 2 * float(np.abs(mean)) / period
    chance = float(np.exp(-cycles * np.abs(mean) ** 2 / (power + 1e-12)))
    if chance > MAX_CHANCE or amplitude < MIN_BEAT:
        return None
    phase = round(-float(np.angle(mean)) * period / (2 * np.pi)) % period
    return amplitude, phase + 1  # a bend lies at its middle frame


def _cell(of: Traces) -> tuple[float, float] | None:
    """Pixels across and down of the strongest grid that both ways have, if there is one."""
    if min(len(of.across), len(of.down)) < 4 * CELLS[1]:
        return None
    grid = np.geomspace(1 / CELLS[1], 1 / CELLS[0], 4000)
    near = round(0.004 / np.log(grid[1] / grid[0]))  # cells are square, but sides are rounded
    lines, resolution = [], 1.5 / min(len(of.across), len(of.down))
    for profile in (of.across, of.down):
        frequencies, peaks = comb(profile)
        lines.append(np.interp(grid, frequencies, peaks))
    wide = [sliding_window_view(np.pad(line, near), 2 * near + 1).max(-1) for line in lines]
    both = np.minimum(*wide)
    multiples = grid * BLOCK
    both[np.abs(multiples - np.round(multiples)) < BLOCK * resolution] = 0
    best = int(both.argmax())
    if both[best] < MIN_PEAK:
        return None
    span = slice(max(0, best - near), best + near + 1)
    across, down = (1 / grid[span][int(line[span].argmax())] for line in lines)
    return float(across), float(down)


def comb(profile: Array) -> tuple[Array, Array]:
    """Frequencies, a pixel, and how far each stands above those beside it: power over what noise
    of that power exceeds half of the time.
    """
    logs = np.log(profile + 0.05)
    around = sliding_window_view(np.pad(logs, 15, mode="reflect"), 31)
    flat = np.clip(logs - np.median(around, axis=-1), -0.3, 0.3)
    count = 8 * len(flat)
    power = np.abs(np.fft.rfft((flat - flat.mean()) * np.hanning(len(flat)), count)) ** 2
    beside = sliding_window_view(np.pad(power, 96, mode="reflect"), 193)
    floor = np.median(beside, axis=-1) / np.log(2)
    return np.fft.rfftfreq(count).astype(np.float64), power / (floor + 1e-9)
