"""Convolutions of 3x3x3 taps with a quarter of the products: Winograd's F(4x4, 3x3) (Lavin & Gray, arXiv 1509.09308).

A frame falls into squares of 6x6 that overlap by two; each gives a square of 4x4 results. Inputs, weights and results
are mapped so that of the 144 products of a square, channel by channel, 36 are left, and these are plain matrix
products; the taps of time are one after the other in the dimension that is summed. It is taken a few rows of squares
at a time, so that what lies between the steps stays in the processor's cache and takes no memory to speak of. Results
differ from those of a direct convolution by some 1e-5 of the largest.

Legend: C channels in, O channels out, K frames of a window, N squares taken at a time, h x w squares of a frame.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Room = Callable[[str, int], Tensor]
"""(name, numbers) -> a flat tensor to write to, the same memory for the same name: fresh memory costs more time than
most of what is done with it here."""

AT_ONCE = 64
"""Squares that are taken at a time: what they become stays in the cache."""

SIDE, TILE = 4, 6
"""Of a square of results, and of what it is made from."""

# Section 4.2 of the paper, for the points 0, 1, -1, 2, -2 and infinity.
INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
WEIGHT = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


def pays(weight: Tensor, pixels: int) -> bool:
    """Whether frames of so many pixels are computed faster this way, weights mapped anew: measured on two cores.

    It must not depend on how many frames come at a time, as what is remembered of them is of another type then.
    """
    outputs, inputs, *taps = weight.shape
    wide = min(inputs, outputs) >= 64 and taps == [3, 3, 3]
    return wide and weight.dtype == torch.float32 and pixels >= 2 * max(inputs, outputs)


def mapped(weight: Tensor, room: Room) -> Tensor:
    """Weights (O, C, K, 3, 3) as the products want them: (36, K C, O)."""
    outputs, inputs = weight.shape[0], weight.shape[1] * weight.shape[2]
    taps = room("taps", weight.numel()).view(3, 3, *(weight.shape[axis] for axis in (2, 1, 0)))
    taps.copy_(weight.permute(3, 4, 2, 1, 0))
    found = room("weights", 36 * inputs * outputs)
    torch.mm(_both_ways(WEIGHT, weight), taps.view(9, -1), out=found.view(36, -1))
    return found.view(36, inputs, outputs)


def convolve(window: Sequence[Tensor], weights: Tensor, bias: Tensor, out: Tensor, room: Room) -> None:
    """Write the result at the last frame of a window to ``out``; around each frame there are zeros.

    Parameters
    ----------
    window : K tensors (1, C, H, W)
        Fastest with the channels last in memory. They may be of a smaller type than the weights.
    weights : Tensor (36, K C, O)
        From `mapped`.
    bias : Tensor (O,)
    out : Tensor (H, W, O), contiguous
    """
    channels, height, width = window[0].shape[1:]
    inputs, outputs = len(window) * channels, weights.shape[2]
    before, after = _both_ways(INPUT, bias), _both_ways(OUTPUT, bias)
    rows, columns = -(-height // SIDE), -(-width // SIDE)
    whole = out.shape[:2] == (rows * SIDE, columns * SIDE)
    made = out if whole else room("made", rows * columns * SIDE**2 * outputs)
    made = made.view(rows, SIDE, columns, SIDE, outputs)
    few = max(1, min(rows, AT_ONCE // columns))  # rows of squares at a time
    for top in range(0, rows, few):
        part = made[top : top + few]
        count = len(part) * columns
        squares = room("squares", 36 * count * inputs)
        _gather(window, top * SIDE, squares.view(TILE, TILE, len(part), columns, len(window), channels), room)
        factors = room("factors", squares.numel())
        torch.mm(before, squares.view(36, -1), out=factors.view(36, -1))
        products = room("products", 36 * count * outputs)
        torch.bmm(factors.view(36, count, inputs), weights, out=products.view(36, count, outputs))
        results = room("results", 16 * count * outputs)
        torch.mm(after, products.view(36, -1), out=results.view(16, -1))
        torch.add(results.view(SIDE, SIDE, len(part), columns, outputs).permute(2, 0, 3, 1, 4), bias, out=part)
    if not whole:
        out.copy_(made.view(rows * SIDE, columns * SIDE, outputs)[:height, :width])


def _gather(window: Sequence[Tensor], top: int, squares: Tensor, room: Room) -> None:
    """Copy to ``squares`` (6, 6, h, w, K, C) those whose results begin at pixel row ``top``."""
    _, _, rows, columns, _, channels = squares.shape
    height, width = window[0].shape[2:]
    sides = (rows * SIDE + 2, columns * SIDE + 2, channels)
    strip = room("strip", math.prod(sides)).view(sides).zero_()
    step = strip.stride(0)
    across = (step, channels, SIDE * step, SIDE * channels, 1)
    first, last = max(0, top - 1), min(height, top + rows * SIDE + 1)
    for number, frame in enumerate(window):
        strip[first - top + 1 : last - top + 1, 1 : width + 1] = frame[0, :, first:last].permute(1, 2, 0)
        squares[..., number, :] = strip.as_strided((TILE, TILE, rows, columns, channels), across)


def _both_ways(matrix: Sequence[Sequence[float]], like: Tensor) -> Tensor:
    """The map along rows and columns at once."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one)
