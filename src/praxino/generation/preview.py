"""A film as it forms, without decoding it: a linear map from latents to colours, fitted to the
autoencoder itself.

A latent channel of a picture is mostly a smoothed colour, so a matrix of latent channels by three,
fitted on pictures of coloured squares and smooth shades, shows what a film will be like for next to
nothing; detail it cannot show.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.pixels import resized, to_pixels
from praxino.models.vae import VAE
from praxino.request import Request
from praxino.shapes import VideoShape

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline

SQUARES_A_SIDE = (2, 3, 4, 6)
"""Squares along a side of the pictures that the map is fitted on."""
PICTURES_EACH = 6


@dataclass(frozen=True)
class LatentToRGB:
    """The map: ``latent . weight + bias`` is the colour in [-1, 1]."""

    weight: Float[Tensor, "latent 3"]
    bias: Float[Tensor, "3"]
    explained: float
    """How much of the colours' variance it explains, on what it was fitted on."""

    def film(
        self, latent: Float[Tensor, "1 latent t h w"], shape: VideoShape
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Frames of ``shape``, each latent frame shown as long as the frames that it stands for."""
        colours = latent[0].float().movedim(0, -1) @ self.weight.to(latent.device) + self.bias.to(
            latent.device
        )
        pixels = to_pixels(colours.movedim(-1, 0)[None])[0]  # (t, h, w, 3)
        index = np.linspace(0, len(pixels) - 1, shape.frames).round().astype(int)
        return resized(pixels, shape.height, shape.width)[index]


@torch.inference_mode()
def fit(vae: VAE, side: int = 64) -> LatentToRGB:
    """Fit the map by least squares on pictures of ``side`` latent-aligned pixels, encoded one by
    one.
    """
    unit = vae.config.compression.height
    side = max(side, 4 * unit)
    device = vae.quant.weight.device
    latents, colours = [], []
    for picture in _pictures(side):
        clip = picture.unsqueeze(2).to(device)
        latents.append(vae.encode(clip)[0, :, 0].flatten(1).T)  # (h w, latent)
        colours.append(F.avg_pool2d(clip[:, :, 0], unit)[0].flatten(1).T)  # (h w, 3)
    x, y = torch.cat(latents).double(), torch.cat(colours).double()
    x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
    ridge = 1e-3 * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    solved = torch.linalg.solve(x.T @ x + ridge, x.T @ y)
    left = (y - x @ solved).square().sum() / (y - y.mean(0)).square().sum()
    return LatentToRGB(solved[:-1].float().cpu(), solved[-1].float().cpu(), float(1 - left))


def _pictures(side: int) -> Iterator[Tensor]:
    """(1, 3, side, side) in [-1, 1]: muted colours, as squares and as shades between them."""
    generator = torch.Generator().manual_seed(0)
    for count in SQUARES_A_SIDE:
        for number in range(PICTURES_EACH):
            light = torch.rand(1, 1, count, count, generator=generator) * 2 - 1
            hue = torch.rand(1, 3, count, count, generator=generator) - 0.5
            small = (light + hue).clamp(-1, 1)
            yield F.interpolate(
                small, size=(side, side), mode="bilinear" if number % 2 else "nearest"
            )


def sketch(pipeline: "Pipeline", latent: Tensor, request: Request) -> NDArray[np.uint8]:
    """A look at an unfinished film, (T, H, W, 3): by the tiny decoder, by the whole one where that
    is quick, or by `LatentToRGB`.
    """
    if pipeline.model.tiny_decoder is not None:
        with torch.inference_mode():
            return to_pixels(pipeline.model.tiny_decoder(latent.cpu().float()))[0]
    if pipeline.offloader.keep:
        return pipeline.decode(latent)
    return pipeline.colours.film(latent, request.shape)
