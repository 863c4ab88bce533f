"""A small decoder of latents, for previews: less than a tenth of the autoencoder's work, a little
softer.

In the manner of TAEHV (Boer Bohan, 2025): frames go through 2D convolutions; what joins them in
time are blocks that also see the features of the frame before. It is causal, so that it can decode
a film as its latent frames come.

Legend: B batch, C latent channels, t h w latent frames, rows and columns, T = 4 (t - 1) + 1 frames,
D width.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.shapes import Compression


class TinyDecoderConfig(Config):
    """Sizes of a `TinyDecoder`, for latents that stand for 4x8x8 pixels."""

    channels: int = Field(16, gt=0, description="of the latents")
    widths: tuple[int, int, int] = Field(
        (64, 48, 32), strict=False, description="at an eighth, a quarter and half of the size"
    )

    @property
    def compression(self) -> Compression:
        return Compression(4, 8, 8)


class MemoryBlock(nn.Module):
    """A residual block over (B, T, D, h, w) that sees each frame beside the one before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.both = nn.Conv2d(2 * width, width, 3, padding=1)
        self.out = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, D, h, w)
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)
        y = self.both(torch.cat([x, before], dim=2).flatten(0, 1))
        return F.relu(x + self.out(F.relu(y)).unflatten(0, x.shape[:2]))


class TinyDecoder(nn.Module):
    """Normalised latents to clips."""

    def __init__(self, config: TinyDecoderConfig) -> None:
        super().__init__()
        self.config = config
        low, middle, high = config.widths
        self.stem = nn.Conv2d(config.channels, low, 3, padding=1)
        self.memory1, self.memory2 = MemoryBlock(low), MemoryBlock(low)
        self.frames = nn.Conv2d(low, 4 * low, 1)
        self.up1 = nn.Conv2d(low, middle, 3, padding=1)
        self.memory3 = MemoryBlock(middle)
        self.up2 = nn.Conv2d(middle, high, 3, padding=1)
        self.memory4 = MemoryBlock(high)
        self.out = nn.Conv2d(high, 3 * 4, 3, padding=1)

    def forward(
        self, latents: Float[Tensor, "batch channels t h w"]
    ) -> Float[Tensor, "batch 3 frames height width"]:
        """Clips of 4 (t - 1) + 1 frames and eight times the height and width, in [-1, 1] but for
        overshoot.
        """
        b, _, t, _, _ = latents.shape
        x = 3 * torch.tanh(latents / 3).transpose(1, 2)  # (B, t, C, h, w)
        x = F.relu(self.stem(x.flatten(0, 1))).unflatten(0, (b, t))  # (B, t, D, h, w)
        x = self.memory2(self.memory1(x))
        x = F.relu(self.frames(x.flatten(0, 1))).unflatten(1, (4, -1))  # (B t, 4, D, h, w)
        # (B, T, D, h, w): the first latent frame is one frame
        x = x.unflatten(0, (b, t)).flatten(1, 2)[:, 3:]
        x = self.memory3(self._double(x, self.up1))  # (B, T, D, 2h, 2w)
        x = self.memory4(self._double(x, self.up2))  # (B, T, D, 4h, 4w)
        x = F.pixel_shuffle(self.out(x.flatten(0, 1)), 2)  # (B T, 3, 8h, 8w)
        return x.unflatten(0, (b, -1)).transpose(1, 2)  # (B, 3, T, 8h, 8w)

    @staticmethod
    def _double(x: Tensor, convolution: nn.Conv2d) -> Tensor:
        """Convolve, then repeat each position twice along rows and columns: what it would be the
        other way, cheaper.
        """
        y = F.relu(convolution(x.flatten(0, 1)))
        return F.interpolate(y, scale_factor=2.0, mode="nearest").unflatten(0, x.shape[:2])
