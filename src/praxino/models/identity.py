"""Which individual a picture shows: an embedding in which pictures of one are near one another.

It looks at crops around a thing, whatever its pose, side and size, and whether they went through an
autoencoder. Cosines are its similarities.

Legend: B batch, D width of the embedding.
"""

import itertools
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.models.reader import Sighting

CROP_SHARE: Final = 1.5
"""Side of a square around a thing, of the thing's height."""


class IdentityConfig(Config):
    """Sizes of an `IdentityNet`."""

    side: int = Field(32, ge=16, multiple_of=8, description="pixels of a crop")
    width: int = Field(32, gt=0, multiple_of=8, description="channels at full size")
    embedding: int = Field(64, gt=0)
    threshold: float = Field(
        0.5, ge=-1, le=1, description="cosine from which two pictures count as of one individual"
    )


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


def crop_around(
    picture: NDArray[np.uint8], centre: tuple[float, float], height: float, side: int
) -> NDArray[np.uint8]:
    """A square around a thing, (side, side, 3); what lies outside the picture is its border.

    Parameters
    ----------
    centre, height
        Of the thing, in pictures' heights.
    """
    rows = len(picture)
    share = side / max(2.0, CROP_SHARE * height * rows)
    left, top = (side / 2 - share * rows * middle for middle in centre)
    matrix = np.array([[share, 0, left], [0, share, top]])
    return cv2.warpAffine(
        picture, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.uint8)


def crops_of(
    film: NDArray[np.uint8], thing: Sighting, side: int, most: int = 8
) -> NDArray[np.uint8]:
    """Squares around a thing that was read in a film (T, H, W, 3): (N, side, side, 3), of up to
    ``most`` frames in which it is seen, evenly spread.
    """
    frames = np.flatnonzero(np.isfinite(thing.track[:, 0]))
    frames = frames[np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int)]
    cut = [
        crop_around(film[frame], (float(x), float(y)), thing.height, side)
        for frame, (x, y) in zip(frames, thing.track[frames], strict=True)
    ]
    return np.stack(cut) if cut else np.empty((0, side, side, 3), np.uint8)
