"""A branch for the picture of a character, beside a denoiser that was trained with none: Stand-In
(Xue et al., arXiv 2508.07901).

The picture runs through the denoiser's own blocks, by itself, at time 0 and without the sentence;
low-rank matrices are added to what makes its queries, keys and values, and the clip attends to it.

Legend: as of `models.dit`; P pictures of n tokens each.
"""

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.models import attention
from praxino.models.attention import Rotation
from praxino.models.context import Memory
from praxino.models.embeddings import gated, layer_norm, modulate
from praxino.models.pictures import Pictures
from praxino.shapes import token_grid

if TYPE_CHECKING:
    from praxino.models.dit import Block, DiT, DiTConfig

BEFORE = -1
"""The pictures' place in time, a latent frame before the clip."""


class LowRank(nn.Module):
    """What is added to a matrix."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))


class PictureLayer(nn.Module):
    """One block, as pictures go through it."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (LowRank(width, rank) for _ in range(3))

    def forward(
        self, x: Tensor, time: Tensor, rotation: Rotation, block: "Block"
    ) -> tuple[Tensor, Memory]:
        """What comes out of the block, (P, n, D), and what the clip attends to."""
        own = block.attention
        shift1, scale1, gate1, shift2, scale2, gate2 = (
            block.modulation.float() + time.float()
        ).unbind(2)  # (P, 1, D)
        h = modulate(layer_norm(block.norm1, x), shift1, scale1).to(x.dtype)
        q = own.norm_q(own.q(h) + self.q(h)).unflatten(2, (own.heads, -1))
        k = own.norm_k(own.k(h) + self.k(h)).unflatten(2, (own.heads, -1))
        v = (own.v(h) + self.v(h)).unflatten(2, (own.heads, -1))  # (P, n, heads, head)
        q, k = attention.rotate(q, rotation), attention.rotate(k, rotation)
        x = gated(x, own.out(attention.attend(q, k, v).flatten(2)), gate1)
        h = modulate(layer_norm(block.norm3, x), shift2, scale2).to(x.dtype)
        return gated(x, block.down(F.gelu(block.up(h), approximate="tanh")), gate2), (k, v)


class StandIn(nn.Module):
    """A layer for every block of a denoiser; for a config with a ``picture_rank``."""

    def __init__(self, config: "DiTConfig") -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            PictureLayer(config.width, config.picture_rank) for _ in range(config.layers)
        )

    def memory(self, dit: "DiT", pictures: Pictures) -> tuple[list[Memory], Tensor]:
        """Keys and values of pictures in every block, and the bias of their scores, as of
        `DiT.picture_memory`.

        Each picture sees itself alone, and all stand in the same place: below and right of the
        clip.
        """
        b, count = pictures.slot.shape
        x = dit.picture_tokens(pictures)  # (P, n, D)
        _, h, w = token_grid((1, *pictures.latents.shape[3:]), dit.config.patch)
        below, right = pictures.beside
        axes = torch.tensor([BEFORE]), below + torch.arange(h), right + torch.arange(w)
        places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
        rotation = attention.rotation_at(places, dit.config.head).to(x.device)
        _, steps = dit.times(x.new_full((b * count, 1), pictures.noise, dtype=torch.float32))
        memories = []
        for layer, block in zip(self.layers, dit.blocks, strict=True):
            x, memory = layer(x, steps, rotation, cast("Block", block))
            k, v = (part.unflatten(0, (b, count)).flatten(1, 2) for part in memory)
            memories.append((k, v))
        bias = pictures.bias.repeat_interleave(h * w, dim=1).to(x.dtype)
        return memories, bias[:, None, None]
