"""Which individual a picture shows: an embedding in which pictures of one are near one another.

It looks at crops around a thing, whatever its pose, side and size, and whether they went through an
autoencoder. Cosines are its similarities.

Legend: B batch, D width of the embedding.
"""

import itertools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config


class IdentityConfig(Config):
    """Sizes of an `IdentityNet`."""

    side: int = Field(32, ge=16, multiple_of=8, description="pixels of a crop")
    width: int = Field(32, gt=0, multiple_of=8, description="channels at full size")
    embedding: int = Field(64, gt=0)


class IdentityNet(nn.Module):
    """Crops to unit vectors."""

    def __init__(self, config: IdentityConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * factor for factor in (1, 2, 3, 4)]
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, padding=1)]
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.GroupNorm(8, before),
                nn.GELU(),
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                nn.GroupNorm(8, after),
                nn.GELU(),
                nn.Conv2d(after, after, 3, padding=1),
            ]
        self.body = nn.Sequential(*layers, nn.GroupNorm(8, widths[-1]), nn.GELU())
        places = (config.side // 8) ** 2
        self.head = nn.Linear(widths[-1] * places, config.embedding)

    def forward(
        self, crops: Float[Tensor, "batch 3 side side"]
    ) -> Float[Tensor, "batch embedding"]:
        """Embeddings of crops in [-1, 1]."""
        x = self.body(crops)  # (B, C, side / 8, side / 8)
        return F.normalize(self.head(x.flatten(1)), dim=1)  # (B, D)

    @torch.no_grad()
    def together(self, crops: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, " embedding"]:
        """One unit vector of several crops of one thing."""
        return F.normalize(self(crops).mean(0), dim=0)
