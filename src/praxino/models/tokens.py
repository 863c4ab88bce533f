"""Tokens of a clip: cut out and put together again, where each stands, and which it sees."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from praxino.errors import InputError
from praxino.models import attention
from praxino.models.attention import Grid, Pattern, Rotation


def patchify(x: Tensor, patch: Grid) -> Tensor:
    """(B, C, F, H, W) -> (B, N, C p q r), tokens in (f, h, w) order."""
    p, q, r = patch
    # (B, C, f, p, h, q, w, r)
    x = x.unflatten(4, (-1, r)).unflatten(3, (-1, q)).unflatten(2, (-1, p))
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)


def unpatchify(tokens: Tensor, grid: Grid, patch: Grid) -> Tensor:
    """(B, N, p q r C) -> (B, C, F, H, W); the channel is the last factor of a token."""
    x = tokens.unflatten(2, (*patch, -1)).unflatten(1, grid)  # (B, f, h, w, p, q, r, C)
    return x.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6).flatten(4, 5).flatten(2, 3)


@dataclass(frozen=True)
class TokenLayout:
    """Which token stands where and sees what: ``mask`` as in `attention.attend`."""

    grid: Grid
    pattern: Pattern
    rotation: Rotation
    mask: Tensor | None

    @classmethod
    def of_clip(
        cls,
        pattern: Pattern,
        block: int,
        head: int,
        grid: Grid,
        device: torch.device,
        visual_bias: Tensor | None,
    ) -> "TokenLayout":
        """The layout for one size of clip.

        Parameters
        ----------
        block : int
            Frames that see one another where ``pattern`` is "block-causal".
        head : int
            Width of a head.
        visual_bias : Tensor, optional
            Of reference tokens, which every token of the clip sees, too.
        """
        mask = attention.causal_mask(grid, block, device) if pattern == "block-causal" else None
        if visual_bias is not None:
            if pattern == "factorised":
                raise InputError(
                    "factorised attention takes no reference pictures",
                    "attention full or block-causal",
                )
            own = visual_bias.new_zeros(1, 1, 1, math.prod(grid))
            if mask is not None:
                own = own.masked_fill(~mask, -torch.inf)
            shape = (len(visual_bias), 1, own.shape[2], -1)
            # (B, 1, N or 1, N + R)
            mask = torch.cat([own.expand(shape), visual_bias.expand(shape)], dim=3)
        return cls(grid, pattern, attention.rotation(grid, head, device), mask)
