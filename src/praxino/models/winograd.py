"""Convolutions of 3x3x3 taps with a quarter of the products: Winograd's F(4x4, 3x3) (Lavin & Gray,
arXiv 1509.09308).

A frame falls into squares of 6x6 that overlap by two; each gives a square of 4x4 results. Inputs,
weights and results are mapped so that of the 144 products of a square, channel by channel, 36 are
left, and these are plain matrix products; the taps of time are one after the other in the dimension
that is summed. It is taken a few rows of squares at a time, so that what lies between the steps
stays in the processor's cache and takes no memory to speak of. Results differ from those of a
direct convolution by some 1e-5 of the largest.

Legend: C channels in, O channels out, K frames of a window, N squares taken at a time, h x w
squares of a frame.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Room = Callable[[str, int], Tensor]
"""(name, numbers) -> a flat tensor to write to, the same memory for the same name: fresh memory
costs more time than most of what is done with it here.
"""

AT_ONCE = 64
"""Squares that are taken at a time: what they become stays in the cache."""

SIDE, TILE = 4, 6
"""Sides of a square of results, and of the square of inputs it is made from."""

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
OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def mapped(weight: Tensor, room: Room) -> Tensor:
    """Weights (O, C, K, 3, 3) as the products of `convolve` want them: (36, K C, O)."""
    outputs, inputs = weight.shape[0], weight.shape[1] * weight.shape[2]
    weights = room("weights", 36 * inputs * outputs)
    torch.mm(_both_ways(WEIGHT, weight), _taps(weight, room).view(9, -1), out=weights.view(36, -1))
    return weights.view(36, inputs, outputs)


def mapped_for_two(weight: Tensor, room: Room) -> Tensor:
    """Weights (O, C, 3, 3, 3) as the products of `convolve_two` want them: (2, 72, C, O); they
    overwrite `mapped` ones.

    Of the taps g0 to g2 of time, (g0 + g1 + g2) / 2 and (g0 - g1 + g2) / 2; -g0 and g2.
    """
    outputs, inputs = weight.shape[:2]
    first, middle, last = _taps(weight, room).view(9, 3, -1).unbind(1)
    weights = room("weights", 144 * inputs * outputs).view(2, 36, -1)
    summed = room("sums", 18 * inputs * outputs).view(9, 2, -1)
    torch.add(first, last, out=summed[:, 0])
    torch.sub(summed[:, 0], middle, out=summed[:, 1])
    summed[:, 0].add_(middle)
    space = _both_ways(WEIGHT, weight)
    torch.mm(space / 2, summed.view(9, -1), out=weights[0])
    torch.neg(first, out=summed[:, 0])
    summed[:, 1] = last
    torch.mm(space, summed.view(9, -1), out=weights[1])
    return weights.view(2, 72, inputs, outputs)


def _taps(weight: Tensor, room: Room) -> Tensor:
    """(O, C, K, 3, 3) -> (3, 3, K, C, O)"""
    taps = room("taps", weight.numel()).view(3, 3, *(weight.shape[axis] for axis in (2, 1, 0)))
    return taps.copy_(weight.permute(3, 4, 2, 1, 0))


def convolve(
    window: Sequence[Tensor], weights: Tensor, bias: Tensor, out: Tensor, room: Room
) -> None:
    """Write the result at the last frame of a window to ``out``; around each frame there are zeros.

    Parameters
    ----------
    window : K tensors (1, C, H, W)
        Fastest with the channels last in memory. They may be of a smaller type than the weights.
    weights : Tensor (36, K C, O)
        From `mapped`.
    bias : Tensor (O,)
    out : Tensor (1, H, W, O), contiguous
    """
    inputs, outputs = weights.shape[1:]
    before = _both_ways(INPUT, bias)

    def products(strips: Tensor, rows: int, columns: int) -> Tensor:
        count = rows * columns
        squares = room("squares", 36 * count * inputs).view(
            TILE, TILE, rows, columns, len(strips), -1
        )
        for number, strip in enumerate(strips):
            squares[..., number, :] = _squares(strip, rows, columns)
        out = room("products", 36 * count * outputs).view(36, count, outputs)
        return torch.bmm(_factors(squares, before, room).view(36, count, inputs), weights, out=out)

    _by_rows(window, products, bias, out, room)


def convolve_two(
    window: Sequence[Tensor | None], weights: Tensor, bias: Tensor, out: Tensor, room: Room
) -> None:
    """`convolve` at the last two of four frames, of which the first may be None (zeros), with two
    thirds of its work.

    That is F(2, 3) along time: four products where direct taps need six. The frames d0 to d3 become
    d2 + d1, d2 - d1, d2 - d0 and d3 - d1; the sum of what the first two give belongs to one result
    and their difference to the other.

    Parameters
    ----------
    weights : Tensor (2, 72, C, O)
        From `mapped_for_two`.
    out : Tensor (2, H, W, O), contiguous
    """
    inputs, outputs = weights.shape[2:]
    before = _both_ways(INPUT, bias)

    def products(strips: Tensor, rows: int, columns: int) -> Tensor:
        count = rows * columns
        d0, d1, d2, d3 = (_squares(strip, rows, columns) for strip in strips)

        def factors(
            first: tuple[Tensor, Tensor, int], second: tuple[Tensor, Tensor, int]
        ) -> Tensor:
            squares = room("squares", 72 * count * inputs).view(
                TILE, TILE, 2, rows, columns, inputs
            )
            for number, (now, past, sign) in enumerate((first, second)):
                torch.add(now, past, alpha=sign, out=squares[:, :, number])
            return _factors(squares, before, room).view(72, count, inputs)

        both = room("products", 72 * count * outputs).view(72, count, outputs)
        torch.bmm(factors((d2, d1, 1), (d2, d1, -1)), weights[0], out=both)
        out = room("products of two", both.numel()).view(36, 2, -1)
        whole, alternate = both.view(36, 2, -1).unbind(1)
        torch.add(whole, alternate, out=out[:, 0])
        torch.sub(whole, alternate, out=out[:, 1])
        return out.view(both.shape).baddbmm_(factors((d2, d0, -1), (d3, d1, -1)), weights[1])

    _by_rows(window, products, bias, out, room)


def _by_rows(
    window: Sequence[Tensor | None],
    products: Callable[[Tensor, int, int], Tensor],
    bias: Tensor,
    out: Tensor,
    room: Room,
) -> None:
    """Fill ``out`` (F, H, W, O) a few rows of squares at a time.

    ``products`` makes (36 F N O) numbers of strips (K, 4 h + 2, 4 w + 2, C) of the window.
    """
    frames, height, width, outputs = out.shape
    rows, columns = -(-height // SIDE), -(-width // SIDE)
    whole = (height, width) == (rows * SIDE, columns * SIDE)
    tiles = out if whole else room("made", frames * rows * columns * SIDE**2 * outputs)
    tiles = tiles.view(frames, rows, SIDE, columns, SIDE, outputs)
    after = _both_ways(OUTPUT, bias)
    few = max(1, min(rows, AT_ONCE // columns))  # rows of squares at a time
    for top in range(0, rows, few):
        part = tiles[:, top : top + few]
        product = products(
            _strips(window, top * SIDE, part.shape[1], columns, room), part.shape[1], columns
        )
        results = room("results", part.numel())
        torch.mm(after, product.view(36, -1), out=results.view(16, -1))
        placed = results.view(SIDE, SIDE, frames, -1, columns, outputs).permute(2, 3, 0, 4, 1, 5)
        torch.add(placed, bias, out=part)
    if not whole:
        out.copy_(tiles.view(frames, rows * SIDE, columns * SIDE, outputs)[:, :height, :width])


def _strips(
    window: Sequence[Tensor | None], top: int, rows: int, columns: int, room: Room
) -> Tensor:
    """What ``rows`` of squares from pixel row ``top`` on are made from: (K, 4 h + 2, 4 w + 2,
    C).
    """
    one = next(frame for frame in window if frame is not None)
    channels, height, width = one.shape[1:]
    sides = (len(window), rows * SIDE + 2, columns * SIDE + 2, channels)
    strips = room("strips", math.prod(sides)).view(sides).zero_()
    first, last = max(0, top - 1), min(height, top + rows * SIDE + 1)
    for strip, frame in zip(strips, window, strict=True):
        if frame is not None:
            strip[first - top + 1 : last - top + 1, 1 : width + 1] = frame[
                0, :, first:last
            ].permute(1, 2, 0)
    return strips


def _squares(strip: Tensor, rows: int, columns: int) -> Tensor:
    """The squares of a strip, which overlap: (6, 6, h, w, C), a view."""
    step, channels, _ = strip.stride()
    across = (step, channels, SIDE * step, SIDE * channels, 1)
    return strip.as_strided((TILE, TILE, rows, columns, channels), across)


def _factors(squares: Tensor, before: Tensor, room: Room) -> Tensor:
    """Squares (6, 6, ...) mapped by ``before`` (36, 36)."""
    factors = room("factors", squares.numel()).view(36, -1)
    return torch.mm(before, squares.view(36, -1), out=factors)


def _both_ways(matrix: Sequence[Sequence[float]], like: Tensor) -> Tensor:
    """The map along rows and columns at once."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one)
