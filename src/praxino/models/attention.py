"""What attention in the transformer is made of: rotary positions in three dimensions, patterns of
who sees whom.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

Pattern = Literal["full", "factorised", "block-causal"]
Grid = tuple[int, int, int]
Rotation = Tensor
"""cos + i sin of every token's angles: (tokens, 1, head / 2), complex64."""


class RMSNorm(nn.Module):
    """Root-mean-square normalisation over the last axis in float32, then a gain (arXiv
    1910.07467).
    """

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == self.weight.dtype == torch.float32:
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return F.rms_norm(x.float(), self.weight.shape, eps=self.eps).to(x.dtype) * self.weight.to(
            x.dtype
        )


def rope_frequencies(head: int, theta: float = 10000.0) -> tuple[Tensor, Tensor, Tensor]:
    """Angles per position for time, height and width (Su et al., arXiv 2104.09864); float64.

    Of ``head`` numbers height and width take ``2 * (head // 6)`` each and time the rest, as in Wan.
    """
    space = 2 * (head // 6)
    sizes = (head - 2 * space, space, space)
    time, height, width = (
        theta ** -(torch.arange(0, n, 2, dtype=torch.float64) / n) for n in sizes
    )
    return time, height, width


def rotation(grid: Grid, head: int, device: torch.device) -> Rotation:
    """The angles of all tokens of a grid, in (f, h, w) order, as a `Rotation`."""
    axes = torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij")
    return rotation_at(torch.stack(axes, dim=-1).flatten(0, 2), head).to(device)


def rotation_at(positions: Int[Tensor, "*batch tokens 3"], head: int) -> Rotation:
    """The angles of tokens at any places (time, row, column), also negative ones: (..., tokens, 1,
    head / 2), CPU.
    """
    positions = positions.cpu().double()  # few numbers, and not every device has float64
    angles = [
        positions[..., axis, None] * frequency
        for axis, frequency in enumerate(rope_frequencies(head))
    ]
    table = torch.cat(angles, dim=-1).unsqueeze(-2)
    return torch.polar(torch.ones_like(table), table).to(torch.complex64)


def rotate(x: Float[Tensor, "batch tokens heads head"], by: Rotation) -> Tensor:
    """Turn neighbouring pairs of each head by the tokens' angles; as complex numbers that is one
    vectorised product.
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * by).flatten(-2).to(x.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention of (B, N, heads, head) tensors.

    ``mask`` is True where one may look, or what is added to the scores.
    """
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    if q.device.type == "cpu" and k.shape[2] <= 256 and q.shape[2] <= 1024:
        # On CPUs the fused kernel is slow for short sequences: a training step of 80 tokens takes
        # 0.88 against 0.58 s.
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if mask is not None:
            scores = (
                scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
            )
        return (scores.float().softmax(-1).to(v.dtype) @ v).transpose(1, 2)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


def causal_mask(grid: Grid, block: int, device: torch.device) -> Bool[Tensor, "tokens tokens"]:
    """Who may be seen (True): tokens of the same block of ``block`` latent frames, or of an earlier
    one.
    """
    frame = torch.arange(grid[0], device=device).repeat_interleave(grid[1] * grid[2]) // block
    return frame[:, None] >= frame[None, :]


def spatial(x: Tensor, grid: Grid) -> Tensor:
    """(B, f h w, ...) -> (B f, h w, ...): each frame by itself."""
    return x.unflatten(1, (grid[0], -1)).flatten(0, 1)


def temporal(x: Tensor, grid: Grid) -> Tensor:
    """(B, f h w, ...) -> (B h w, f, ...): each place by itself."""
    return x.unflatten(1, (grid[0], -1)).transpose(1, 2).flatten(0, 1)


def from_spatial(x: Tensor, grid: Grid) -> Tensor:
    return x.unflatten(0, (-1, grid[0])).flatten(1, 2)


def from_temporal(x: Tensor, grid: Grid) -> Tensor:
    return x.unflatten(0, (-1, grid[1] * grid[2])).transpose(1, 2).flatten(1, 2)
