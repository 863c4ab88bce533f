"""A U-Net over space and time that denoises pixels (Ho et al., arXiv 2204.03458): something to
measure against.

Convolutions in space, then in time, at every resolution; attention in space, in time and to the
text at the coarsest. It is called as the `DiT` is, so every path, objective and sampler takes
either.

Legend: B batch, C channels, T frames, H W pixels, h w pixels at a resolution, D its width, L text
tokens.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from praxino.config import Config
from praxino.errors import ShapeError
from praxino.models.attention import attend
from praxino.models.embeddings import sinusoid


class UNetConfig(Config):
    """Sizes of a `UNet`."""

    channels: int = Field(3, gt=0)
    patch: int = Field(2, gt=0, description="pixels a side that are folded into channels first")
    widths: tuple[PositiveInt, ...] = Field(
        (32, 96, 192), strict=False, min_length=2, description="fine to coarse"
    )
    blocks: int = Field(
        1, gt=0, description="residual blocks at each resolution, on the way down and again up"
    )
    heads: int = Field(4, gt=0)
    text_width: int = Field(192, gt=0)
    time_features: int = Field(128, ge=4, multiple_of=2)

    @model_validator(mode="after")
    def _groups_divide(self) -> "UNetConfig":
        if any(width % 8 for width in self.widths) or self.widths[-1] % self.heads:
            raise ValueError(
                f"widths {self.widths} must be multiples of 8, the last one of {self.heads} heads"
            )
        return self

    @property
    def stride(self) -> int:
        """Height and width must be multiples of it."""
        return self.patch * 2 ** (len(self.widths) - 1)


class Block(nn.Module):
    """A residual block: two convolutions in space, modulated between them, then one in time."""

    def __init__(self, width_in: int, width: int, condition: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, width_in), nn.GroupNorm(8, width)
        self.space1 = nn.Conv3d(width_in, width, (1, 3, 3), padding=(0, 1, 1))
        self.space2 = nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1))
        self.time = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))
        self.modulation = nn.Linear(condition, 2 * width)
        self.skip = nn.Conv3d(width_in, width, 1) if width_in != width else nn.Identity()
        nn.init.zeros_(self.time.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # (B, D', T, h, w), (B, E)
        scale, shift = self.modulation(F.silu(condition))[:, :, None, None, None].chunk(2, dim=1)
        y = self.space1(F.silu(self.norm1(x)))  # (B, D, T, h, w)
        y = self.space2(F.silu(self.norm2(y) * (1 + scale) + shift))
        return self.skip(x) + y + self.time(F.silu(y))


class Mixer(nn.Module):
    """Attention: each frame by itself, each place by itself, then everything to the text."""

    def __init__(self, width: int, heads: int, text_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.qkv = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(2))
        self.q, self.kv = nn.Linear(width, width), nn.Linear(text_width, 2 * width)
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        for layer in self.out:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor, text: Tensor) -> Tensor:  # (B, D, T, h, w), (B, L, text)
        b, _, t, h, w = x.shape
        tokens = x.flatten(3).permute(0, 2, 3, 1)  # (B, T, hw, D)
        tokens = tokens + self._among(0, tokens.flatten(0, 1)).unflatten(0, (b, t))
        places = tokens.transpose(1, 2)  # (B, hw, T, D)
        places = places + self._among(1, places.flatten(0, 1)).unflatten(0, (b, h * w))
        every = places.flatten(1, 2)  # (B, hw T, D)
        k, v = (self._heads(part) for part in self.kv(text).chunk(2, dim=2))
        every = every + self.out[2](
            attend(self._heads(self.q(self.norms[2](every))), k, v).flatten(2)
        )
        return every.unflatten(1, (h, w, t)).permute(0, 4, 3, 1, 2)

    def _among(self, which: int, x: Tensor) -> Tensor:  # (B', N, D)
        q, k, v = (
            self._heads(part) for part in self.qkv[which](self.norms[which](x)).chunk(3, dim=2)
        )
        return self.out[which](attend(q, k, v).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1))


class UNet(nn.Module):
    """Noisy clips, their times and encoded sentences to whatever the objective asks for."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, condition = config.widths, 4 * config.widths[0]
        self.time = nn.Sequential(
            nn.Linear(config.time_features, condition), nn.SiLU(), nn.Linear(condition, condition)
        )
        self.text = nn.Linear(config.text_width, condition)
        folded = config.channels * config.patch**2
        self.stem = nn.Conv3d(folded, widths[0], (1, 3, 3), padding=(0, 1, 1))
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            before = widths[max(0, level - 1)]
            self.down.append(_row(before, width, config.blocks, condition))
            above = widths[min(level + 1, len(widths) - 1)]
            self.up.append(_row(above + width, width, config.blocks, condition))
        self.mixer = Mixer(widths[-1], config.heads, config.text_width)
        self.norm = nn.GroupNorm(8, widths[0])
        self.head = nn.Conv3d(widths[0], folded, (1, 3, 3), padding=(0, 1, 1))
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        x: Float[Tensor, "batch channels frames height width"],
        t: Float[Tensor, "batch 1"],
        text: Float[Tensor, "batch length features"],
    ) -> Float[Tensor, "batch channels frames height width"]:
        """``t`` is one time a clip, 0 (data) to 1; raises `ShapeError` where height or width is no
        multiple of ``config.stride``.
        """
        height, width, stride = *x.shape[3:], self.config.stride
        if height % stride or width % stride:
            raise ShapeError(
                f"{width}x{height}: must be multiples of {stride}", f"{stride * 4}x{stride * 4}"
            )
        words = text.abs().sum(2, keepdim=True) > 0
        sentence = (text * words).sum(1) / words.sum(1).clamp_min(1)  # (B, text)
        # (B, E)
        condition = self.time(sinusoid(1000 * t[:, 0], self.config.time_features)) + self.text(
            sentence
        )
        # (B, D, T, h, w)
        x = self.stem(F.pixel_unshuffle(x.transpose(1, 2), self.config.patch).transpose(1, 2))
        kept = []
        for level, row in enumerate(self.down):
            x = F.avg_pool3d(x, (1, 2, 2)) if level else x
            x = _through(row, x, condition)
            kept.append(x)
        x = self.mixer(x, text)
        for row in reversed(self.up):
            skip = kept.pop()
            if x.shape[3:] != skip.shape[3:]:
                x = F.interpolate(x, scale_factor=(1.0, 2.0, 2.0), mode="nearest")
            x = _through(row, torch.cat([x, skip], dim=1), condition)
        out = self.head(F.silu(self.norm(x)))
        # (B, C, T, H, W)
        return F.pixel_shuffle(out.transpose(1, 2), self.config.patch).transpose(1, 2)


def _row(width_in: int, width: int, blocks: int, condition: int) -> nn.ModuleList:
    return nn.ModuleList(
        Block(width_in if i == 0 else width, width, condition) for i in range(blocks)
    )


def _through(row: nn.Module, x: Tensor, condition: Tensor) -> Tensor:
    for block in row.children():
        x = block(x, condition)
    return x
