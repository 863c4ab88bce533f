"""The latent reader: which things latents show, and where, without decoding them.

It says in the terms of layouts: for each place of a latent, how much of it each kind of thing and
each colour covers. So it can tell which of several films shows its layout best, for a twentieth of
what decoding one costs.

Legend: B batch, C latent channels, t h w latent frames, rows and columns, D width, K kinds and
colours.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.models.reader import Block


class LatentReaderConfig(Config):
    """Sizes of a `LatentReader`."""

    channels: int = Field(16, gt=0, description="of the latents")
    covers: int = Field(
        gt=0, description="kinds and colours of the layouts, the first channels of their rasters"
    )
    width: int = Field(96, gt=0, multiple_of=8)
    blocks: int = Field(4, gt=0)


class LatentReader(nn.Module):
    """Normalised latents to logits of covers."""

    def __init__(self, config: LatentReaderConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv3d(config.channels, config.width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(config.width) for _ in range(config.blocks)))
        self.norm = nn.GroupNorm(8, config.width)
        self.head = nn.Conv3d(config.width, config.covers, 1)
        nn.init.constant_(self.head.bias, -3.0)  # type: ignore[arg-type]  # most places hold nothing

    def forward(
        self, latents: Float[Tensor, "batch channels t h w"]
    ) -> Float[Tensor, "batch covers t h w"]:
        x = self.blocks(self.stem(latents))  # (B, D, t, h, w)
        return self.head(F.gelu(self.norm(x)))  # (B, K, t, h, w)

    @torch.no_grad()
    def agreement(
        self,
        latents: Float[Tensor, "batch channels t h w"],
        raster: Float[Tensor, "batch layout t h w"],
    ) -> Float[Tensor, " batch"]:
        """How well latents show their layouts: a mean log-probability, 0 at best.

        Half of it is of what layouts say is there, half of what they say is not, so that large
        things do not hide small ones' absence. A layout of nothing is judged by the second alone.

        Parameters
        ----------
        latents : (B, C, t, h, w)
            Clean, or nearly.
        raster : (B, layout, t, h, w)
            `models.raster.rasterize` of each layout; its channels beyond the covers are not looked
            at.
        """
        cover = raster[:, : self.config.covers]
        logits = self(latents)
        there = (cover * F.logsigmoid(logits)).sum((1, 2, 3, 4)) / cover.sum(
            (1, 2, 3, 4)
        ).clamp_min(1e-6)
        absent = ((1 - cover) * F.logsigmoid(-logits)).sum((1, 2, 3, 4)) / (1 - cover).sum(
            (1, 2, 3, 4)
        )
        return 0.5 * there + 0.5 * absent * self.config.covers
