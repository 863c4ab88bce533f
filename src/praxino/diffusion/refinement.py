"""A larger or faster film out of an enlarged one: its latents are made noisy, and denoised again by
a network that sees the enlarged film beside them.

The network knows windows of a few latent frames, rows and columns. Windows overlap by half, and
their predictions are averaged at every step (MultiDiffusion, arXiv 2302.08113): there is one film
at all times, and no border that could be seen.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Final

import torch
from torch import Tensor

from praxino.cards import STEPS_PER_AXIS
from praxino.diffusion.path import Flow, grid
from praxino.diffusion.prediction import as_denoiser
from praxino.diffusion.sampling import State, euler, standard_normal
from praxino.shapes import window_starts

Window = tuple[int, int, int]
"""Latent frames, rows and columns."""
Refiner = Callable[[Tensor, Tensor], Tensor]
"""(N, 2C, t, h, w) of noisy latents and those of the enlarged film, and a time, to velocities
(N, C, t, h, w).
"""
STARTS: Final = {"space": 0.4, "time": 0.2}
"""Times from which a film is denoised again, for each axis along which it was enlarged: earlier
ones draw more that is new, later ones keep more of the film. Chosen on six clips, of 0.2 to 0.7, by
what is drawn and by errors (`benchmarks/refiner.py`).
"""
CONDITION_NOISE: Final = 0.05
"""Noise on the latents of the enlarged film, as a time: it hides in what way they differ from those
that the network was trained with.
"""
AT_ONCE: Final = 16
"""Windows that are evaluated in one batch."""


def refine(
    network: Refiner,
    enlarged: Tensor,
    start: float,
    window: Window,
    generator: torch.Generator,
    steps: int = STEPS_PER_AXIS,
) -> Iterator[State]:
    """The states of a film that is refined.

    Parameters
    ----------
    enlarged : Tensor (1, C, t, h, w)
        Latents of the enlarged film.
    start : float
        Time from 0 to 1 from which it is denoised.
    generator : torch.Generator
        Where all noise comes from.
    """
    path = Flow()

    def noisy(t: float) -> Tensor:
        return (1 - t) * enlarged + t * standard_normal(enlarged, generator)

    x, condition = noisy(start), noisy(CONDITION_NOISE)

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        return averaged(lambda part: network(part, t), torch.cat([x, condition], 1), window)

    denoiser = as_denoiser(velocity, path, "velocity")
    yield from euler(denoiser, x, grid(steps, start=start), path)


def averaged(function: Callable[[Tensor], Tensor], x: Tensor, window: Window) -> Tensor:
    """What ``function`` makes of overlapping windows of ``x`` (1, C, t, h, w), put together: a mean
    that counts the middle of a window most.
    """
    sizes = tuple(x.shape[2:])
    extent = tuple(min(pair) for pair in zip(window, sizes, strict=True))
    axes = [
        [slice(first, first + part) for first in window_starts(size, part, part // 2)]
        for size, part in zip(sizes, extent, strict=True)
    ]
    places = list(itertools.product(*axes))
    weight = _weight(extent).to(x)
    total, weights = None, x.new_zeros(sizes)
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        output = function(torch.cat([x[:, :, f, r, c] for f, r, c in some]))
        if total is None:
            total = output.new_zeros(1, output.shape[1], *sizes)
        for part, (f, r, c) in zip(output, some, strict=True):
            total[0, :, f, r, c] += weight * part
            weights[f, r, c] += weight
    assert total is not None
    return total / weights


def _weight(extent: tuple[int, ...]) -> Tensor:
    """(t, h, w): a trapezoid along each axis, one at its middle half."""
    ramps = []
    for size in extent:
        distance = torch.arange(size) + 0.5
        ramps.append((torch.minimum(distance, size - distance) / (size / 4)).clamp(max=1))
    frames, rows, columns = ramps
    return frames[:, None, None] * rows[:, None] * columns
