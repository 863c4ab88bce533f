"""The variational way: a picture as a code of a few numbers, drawn from a normal distribution
(Kingma & Welling, arXiv 1312.6114), told the sentence.

Its spread is the best one for its errors (Rybkin et al., arXiv 2006.13202), which leaves nothing to
be weighed by hand. Legend: B pictures, Z numbers of a code, D width of a sentence.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from praxino.config import Config

FIRST_SIDE = 4


class PictureVAEConfig(Config):
    """Sizes of a `PictureVAE`."""

    way: Literal["vae"] = "vae"
    widths: tuple[PositiveInt, ...] = Field(
        (48, 96, 160, 224, 256), strict=False, description="channels, fine to coarse"
    )
    code: int = Field(128, gt=0)


class PictureVAE(nn.Module):
    """A `Way`."""

    def __init__(self, config: PictureVAEConfig, text: int) -> None:
        super().__init__()
        self.config, widths = config, config.widths
        self.down = nn.ModuleList(
            nn.Conv2d(before, width, 3, padding=1, stride=1 if place == 0 else 2)
            for place, (before, width) in enumerate(zip((3, *widths), widths, strict=False))
        )
        flat = widths[-1] * FIRST_SIDE**2
        self.moments = nn.Linear(flat + text, 2 * config.code)
        self.first = nn.Linear(config.code + text, flat)
        back = widths[::-1]
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in back)
        self.words = nn.ModuleList(nn.Linear(config.code + text, 2 * width) for width in back)
        self.up = nn.ModuleList(
            nn.Conv2d(width, after, 3, padding=1)
            for width, after in zip(back, (*back[1:], back[-1]), strict=True)
        )
        self.head = nn.Conv2d(back[-1], 3, 3, padding=1)

    def encode(self, x: Tensor, sentence: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of codes, (B, Z) each."""
        for layer in self.down:
            x = F.silu(layer(x))
        mean, log_variance = self.moments(torch.cat([x.flatten(1), sentence], dim=1)).chunk(2, 1)
        return mean, log_variance.clamp(-12, 6)

    def decode(self, code: Tensor, sentence: Tensor) -> Tensor:  # (B, Z), (B, D)
        condition = torch.cat([code, sentence], dim=1)
        x = self.first(condition).unflatten(1, (-1, FIRST_SIDE, FIRST_SIDE))
        layers = zip(self.norms, self.words, self.up, strict=True)
        for place, (norm, words, layer) in enumerate(layers):
            scale, shift = words(condition)[:, :, None, None].chunk(2, dim=1)
            x = F.silu(norm(x) * (1 + scale) + shift)
            x = layer(F.interpolate(x, scale_factor=2.0) if place < len(self.up) - 1 else x)
        return self.head(F.silu(x))  # (B, 3, H, W)

    def loss(
        self, x: Tensor, tokens: Tensor, sentence: Tensor, number: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        mean, log_variance = self.encode(x, sentence)
        eps = torch.randn(mean.shape, generator=generator)
        out = self.decode(mean + (log_variance / 2).exp() * eps, sentence)
        error = (out - x).square().mean()
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
        pixels = x[0].numel()
        bound = 0.5 * (error.clamp_min(1e-8).log() + 1 + math.log(2 * math.pi)) + kl / pixels
        return bound, {"error": error.item(), "kl": kl.item()}

    @torch.no_grad()
    def sample(self, tokens: Tensor, sentence: Tensor, generator: torch.Generator) -> Tensor:
        code = torch.randn(len(sentence), self.config.code, generator=generator)
        return self.decode(code, sentence)
