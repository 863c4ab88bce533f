"""Whether a clip shows the individuals of its pictures: a signal for the end of training.

What the denoiser makes of a noisy clip is decoded, each individual cut out, and held against the
same place of the true clip by a network that tells individuals apart, as rewards of identity do
with faces (IPRO, arXiv 2510.14255). That network must be another one than the one that judges.
"""

from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from praxino.config import Config
from praxino.errors import InputError
from praxino.models.identity import CROP_SHARE, IdentityConfig, IdentityNet
from praxino.models.vae import VAE
from praxino.storage.weights import bundle

MIN_INSIDE: Final = 0.8
"""Part of a thing that must lie in the picture, for it to be compared."""


class ConsistencyConfig(Config):
    """How much unlikeness counts, and where it is looked for."""

    weight: float = Field(0.0, ge=0, description="of it in the loss; 0: it is not looked for")
    network: str = Field(
        "", description="folder of a network that tells individuals apart, not of the judge"
    )
    latest: float = Field(
        0.7, gt=0, le=1, description="time up to which clips are decoded: noisier ones say little"
    )
    most: int = Field(16, gt=0, description="individuals a step")


class ConsistencyLoss:
    """Unlikeness of individuals in what is made of noisy clips, in their first frames.

    A first frame is decoded alone, which costs a seventeenth of a clip.
    """

    def __init__(self, config: ConsistencyConfig, vae: VAE) -> None:
        if not config.network:
            raise InputError(
                "stage.consistency.weight: no network tells individuals apart",
                "stage.consistency.network=FOLDER of a run of diorama-identity",
            )
        self.config, self.vae = config, vae
        folder = Path(config.network) / "identity"
        network = bundle.read_part(folder, IdentityNet, IdentityConfig)
        self.network = network.to(vae.quant.weight.device)
        for frozen in (self.network, vae):
            frozen.requires_grad_(False)

    def loss(
        self,
        estimated: Float[Tensor, "batch channels t h w"],
        true: Float[Tensor, "batch channels t h w"],
        times: Float[Tensor, " batch"],
        places: Float[Tensor, "things 4"],
        aspect: float,
    ) -> Tensor:
        """1 - cosine of each individual in what is estimated with itself in the true clip, on
        average; 0 where there is none to compare.

        Parameters
        ----------
        times : (B,)
            Of the noisy clips.
        places : (M, 4)
            For each individual, as `places_of` has them: its clip, and where it is.
        aspect : float
            Width of the pictures over their height.
        """
        rows = places[:, 0].long()
        able = times[rows] < self.config.latest
        every = max(1, int(able.sum()) // self.config.most)  # from the whole batch
        places, rows = (part[able][::every][: self.config.most] for part in (places, rows))
        if not len(rows):
            return estimated.new_zeros(())
        vectors = self.embed(estimated[rows, :, :1], places[:, 1:], aspect)
        with torch.no_grad():
            same = self.embed(true[rows, :, :1], places[:, 1:], aspect)
        return (1 - (vectors * same).sum(1)).mean()

    def embed(self, latents: Tensor, places: Tensor, aspect: float) -> Tensor:
        """Embeddings (M, D) of what stands at ``places`` (M, 3), x, y and height in picture
        heights, of first latent frames (M, C, 1, h, w).
        """
        pictures = self.vae.decode(latents)[:, :, 0]  # (M, 3, H, W)
        side = self.network.config.side
        steps = (torch.arange(side, device=places.device) + 0.5) / side - 0.5
        x, y, height = (part[:, None, None] for part in places.unbind(1))
        across = (x + CROP_SHARE * height * steps) * (2 / aspect) - 1  # (M, 1, side)
        down = (y + CROP_SHARE * height * steps[:, None]) * 2 - 1  # (M, side, 1)
        points = torch.stack(torch.broadcast_tensors(across, down), dim=-1)
        crops = F.grid_sample(pictures, points, padding_mode="border", align_corners=False)
        return self.network(crops)


def places_of(named: Tensor, boxes: Tensor, aspect: float) -> Tensor:
    """(M, 4): clip, x, y and height of things that are ``named`` (B, S) and lie in the picture in
    the first of ``boxes`` (B, S, F, 4), which are in picture heights.
    """
    x, y, width, height = boxes[:, :, 0].unbind(-1)

    def inside(middle: Tensor, size: Tensor, length: float) -> Tensor:
        low, high = (middle - size / 2).clamp_min(0), (middle + size / 2).clamp_max(length)
        return (high - low).clamp_min(0) / size.clamp_min(1e-6)

    able = named & (inside(x, width, aspect) * inside(y, height, 1.0) > MIN_INSIDE)
    row, thing = able.nonzero(as_tuple=True)
    where = torch.stack([x, y, height], dim=-1)[row, thing]
    return torch.cat([row[:, None].to(where), where], dim=1)
