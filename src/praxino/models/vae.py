"""The causal 3D autoencoder, in the layout of Wan 2.1 (arXiv 2503.20314, section 4.1).

4x in time, 8x8 in space: the first frame alone is a latent frame, then every four frames are one.
No layer sees the future, so a film is encoded and decoded in chunks of any length with a `Memory`
of the frames that each layer still needs; the result does not depend on the chunks. A whole clip is
just one long first chunk.

Legend: B batch, C channels, T frames, H height, W width; lower case t, h, w are latent sizes.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from praxino.config import Config
from praxino.models.causal import FRAMEWISE_FROM_PIXELS, CausalConv3d, Memory
from praxino.models.resample import (
    AverageDown,
    Downsample,
    DuplicateUp,
    Upsample,
    as_clip,
    as_frames,
)
from praxino.shapes import Compression, VideoShape


class VAEConfig(Config):
    """Widths and statistics of a `VAE`."""

    channels: int = Field(3, gt=0)
    latent_channels: int = Field(16, gt=0)
    width: int = Field(96, gt=0, description="encoder channels at full resolution")
    decoder_width: int = Field(96, gt=0)
    multipliers: tuple[PositiveInt, ...] = Field((1, 2, 4, 4), strict=False, min_length=2)
    blocks: int = Field(2, gt=0, description="residual blocks per stage; the decoder has one more")
    temporal: tuple[bool, ...] = Field(
        (False, True, True), strict=False, description="stages that halve time"
    )
    patch: int = Field(1, gt=0, description="pixels folded into channels before the first layer")
    residual: bool = Field(
        False, description="Wan 2.2: a parameter-free shortcut around each stage"
    )
    mean: tuple[float, ...] = Field((), strict=False, description="of the latents, per channel")
    std: tuple[float, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _stages_agree(self) -> "VAEConfig":
        if len(self.temporal) != len(self.multipliers) - 1:
            raise ValueError(
                f"temporal has {len(self.temporal)} stages: must be one less than multipliers"
            )
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in (0, self.latent_channels):
                raise ValueError(f"{name} must have {self.latent_channels} numbers")
        if self.residual and self.multipliers[-1] > self.multipliers[-2]:
            raise ValueError("with residual, the last two multipliers must be equal")
        return self

    @property
    def compression(self) -> Compression:
        space = self.patch * 2 ** (len(self.multipliers) - 1)
        return Compression(2 ** sum(self.temporal), space, space)


class RMSNorm(nn.Module):
    """Divides each position by the root mean square over its channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(
            x, dim=1, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32)
        ).clamp_min(1e-12)
        scaled = x * (math.sqrt(x.shape[1]) / norm).to(x.dtype)
        gamma = self.gamma.to(x.dtype).view(-1, *[1] * (x.dim() - 2))
        return scaled * gamma if torch.is_grad_enabled() else scaled.mul_(gamma)


def _active(norm: RMSNorm, x: Tensor) -> Tensor:
    """The norm and SiLU of ``x``, in one new tensor where nothing is to be learned."""
    return F.silu(norm(x), inplace=not torch.is_grad_enabled())


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1 = RMSNorm(inputs)
        self.conv1 = CausalConv3d(inputs, outputs, (3, 3, 3))
        self.norm2 = RMSNorm(outputs)
        self.conv2 = CausalConv3d(outputs, outputs, (3, 3, 3))
        self.shortcut = CausalConv3d(inputs, outputs, (1, 1, 1)) if inputs != outputs else None

    def forward(self, x: Tensor, memory: Memory) -> Tensor:  # (B, C, T, H, W)
        skip = self.shortcut(x, memory) if self.shortcut is not None else x
        x = self.conv1(x, memory, partial(_active, self.norm1))
        x = self.conv2(x, memory, partial(_active, self.norm2))
        return skip + x if torch.is_grad_enabled() else x.add_(skip)


class FrameAttention(nn.Module):
    """Single-head attention among the positions of each frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = RMSNorm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        frames = as_frames(x)  # (B T, C, H, W)
        q, k, v = (
            self.qkv(self.norm(frames)).flatten(2).transpose(1, 2).unsqueeze(1).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)  # (B T, 1, H W, C)
        mixed = mixed.squeeze(1).transpose(1, 2).unflatten(2, frames.shape[2:])
        return x + as_clip(self.out(mixed), x.shape[0])


class Middle(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ResidualBlock(channels, channels)
        self.attention = FrameAttention(channels)
        self.second = ResidualBlock(channels, channels)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        return self.second(self.attention(self.first(x, memory), memory), memory)


class DownStage(nn.Module):
    """Residual blocks, then a downsampling unless it is the last stage."""

    def __init__(
        self, inputs: int, outputs: int, config: VAEConfig, down: bool, temporal: bool
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(outputs if j else inputs, outputs) for j in range(config.blocks)
        )
        self.down = Downsample(outputs, temporal) if down else None
        factors = (2 if temporal else 1, 2 if down else 1)
        self.shortcut = AverageDown(inputs, outputs, *factors) if config.residual else None

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        skip = self.shortcut(x) if self.shortcut is not None else None
        for block in self.blocks:
            x = block(x, memory)
        if self.down is not None:
            x = self.down(x, memory)
        return x if skip is None else x + skip


class UpStage(nn.Module):
    """Residual blocks (one more than in the encoder), then an upsampling unless it is the last
    stage.
    """

    def __init__(
        self, inputs: int, outputs: int, config: VAEConfig, up: bool, temporal: bool
    ) -> None:
        super().__init__()
        count = config.blocks + 1
        self.blocks = nn.ModuleList(
            ResidualBlock(outputs if j else inputs, outputs) for j in range(count)
        )
        narrow = outputs if config.residual else outputs // 2  # Wan 2.1 halves the channels here
        self.up = Upsample(outputs, narrow, temporal) if up else None
        self.shortcut = (
            DuplicateUp(inputs, outputs, 2 if temporal else 1, 2)
            if up and config.residual
            else None
        )

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        first = memory.begins(self)
        skip = self.shortcut(x, first) if self.shortcut is not None else None
        for block in self.blocks:
            x = block(x, memory)
        if self.up is not None:
            x = self.up(x, memory)
        return x if skip is None else x + skip


class Encoder(nn.Module):
    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = [config.width * m for m in config.multipliers]
        self.stem = CausalConv3d(config.channels * config.patch**2, widths[0], (3, 3, 3))
        self.stages = nn.ModuleList(
            DownStage(inputs, outputs, config, down, temporal)
            for inputs, outputs, down, temporal in zip(
                [widths[0], *widths],
                widths,
                [True] * len(config.temporal) + [False],
                [*config.temporal, False],
                strict=False,
            )
        )
        self.middle = Middle(widths[-1])
        self.norm = RMSNorm(widths[-1])
        self.head = CausalConv3d(widths[-1], 2 * config.latent_channels, (3, 3, 3))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:  # (B, C p p, T, H/p, W/p)
        first = memory.begins(self)
        x = self.stem(x, memory)
        for stage in cast(list[DownStage], list(self.stages)):
            x = torch.cat([stage(part, memory) for part in _portions(x, first)], dim=2)
        x = self.middle(x, memory)
        return self.head(x, memory, partial(_active, self.norm))  # (B, 2z, t, h, w)


class Decoder(nn.Module):
    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = [config.decoder_width * m for m in reversed(config.multipliers)]
        entering = [width if config.residual else width // 2 for width in widths]
        self.stem = CausalConv3d(config.latent_channels, widths[0], (3, 3, 3))
        self.middle = Middle(widths[0])
        self.stages = nn.ModuleList(
            UpStage(inputs, outputs, config, up, temporal)
            for inputs, outputs, up, temporal in zip(
                [widths[0], *entering],
                widths,
                [True] * len(config.temporal) + [False],
                [*config.temporal[::-1], False],
                strict=False,
            )
        )
        self.norm = RMSNorm(widths[-1])
        self.head = CausalConv3d(widths[-1], config.channels * config.patch**2, (3, 3, 3))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:  # (B, z, t, h, w)
        x = self.middle(self.stem(x, memory), memory)
        # (B, C p p, T, H/p, W/p)
        return torch.cat(list(self._risen(x, 0, memory, memory.begins(self))), dim=2)

    def _risen(self, x: Tensor, index: int, memory: Memory, first: bool) -> Iterator[Tensor]:
        """Through the stages from ``index`` on, few frames at a time: a stage never holds more of
        what is large.
        """
        if index == len(self.stages):
            yield self.head(x, memory, partial(_active, self.norm))
            return
        for part in _portions(x, first):
            yield from self._risen(self.stages[index](part, memory), index + 1, memory, first)
            first = False


def _portions(x: Tensor, first: bool) -> Sequence[Tensor]:
    """A clip as frames that are taken at a time: an even number, two `FRAMEWISE_FROM_PIXELS` ones;
    the ``first`` comes alone.
    """
    at_once = max(2, FRAMEWISE_FROM_PIXELS // math.prod(x.shape[3:]) // 2 * 2)
    if torch.is_grad_enabled() or x.shape[2] <= at_once:
        return [x]
    return [x[:, :, :1], *x[:, :, 1:].split(at_once, dim=2)] if first else x.split(at_once, dim=2)


class VAE(nn.Module):
    """Clips in [-1, 1] to latents of about unit variance and back."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        z = config.latent_channels
        self.encoder = Encoder(config)
        self.quant = nn.Conv3d(2 * z, 2 * z, 1)
        self.post_quant = nn.Conv3d(z, z, 1)
        self.decoder = Decoder(config)

    def statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each latent channel: (z, 1, 1, 1) each."""
        z = self.config.latent_channels
        mean, std = self.config.mean or (0.0,) * z, self.config.std or (1.0,) * z
        return like.new_tensor(mean).view(-1, 1, 1, 1), like.new_tensor(std).view(-1, 1, 1, 1)

    def normalise(self, latent: Tensor) -> Tensor:
        """Latents as the encoder makes them to ones of about unit variance."""
        mean, std = self.statistics(latent)
        return (latent - mean) / std

    def denormalise(self, latent: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        mean, std = self.statistics(latent)
        return latent * std + mean

    def posterior(
        self,
        clip: Float[Tensor, "batch channels frames height width"],
        memory: Memory | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (clamped to [-30, 20]) of the latents, not normalised."""
        x = fold(clip, self.config.patch)
        moments = self.quant(self.encoder(x, memory or Memory()))  # (B, 2z, t, h, w)
        mean, logvar = moments.chunk(2, dim=1)
        return mean, logvar.clamp(-30.0, 20.0)

    def reconstruct(self, latent: Tensor, memory: Memory | None = None) -> Tensor:
        """Decode latents that are not normalised; differentiable, not clamped."""
        return unfold(self.decoder(self.post_quant(latent), memory or Memory()), self.config.patch)

    def encode(
        self, clip: Float[Tensor, "batch channels frames height width"], chunk: int | None = None
    ) -> Float[Tensor, "batch latent t h w"]:
        """Normalised mean latents of a clip in [-1, 1].

        Parameters
        ----------
        chunk : int, optional
            Encode this many latent frames at a time: memory is constant in the film's length and
            the result the same.
        """
        VideoShape(*clip.shape[2:]).validate(self.config.compression)
        memory, step = Memory(), self.config.compression.time
        parts = [self.posterior(part, memory)[0] for part in chunks(clip, chunk, step)]
        return self.normalise(torch.cat(parts, dim=2))

    def decode(
        self, latent: Float[Tensor, "batch latent t h w"], chunk: int | None = None
    ) -> Float[Tensor, "batch channels frames height width"]:
        """A clip in [-1, 1] from normalised latents; ``chunk`` as in `encode`."""
        return torch.cat(list(self.stream(latent, chunk)), dim=2)

    def stream(
        self,
        latent: Float[Tensor, "batch latent t h w"],
        chunk: int | None = 1,
        memory: Memory | None = None,
    ) -> Iterator[Tensor]:
        """Decode chunk by chunk, yielding finished frames: (B, C, 1 or 4 * chunk, H, W) each.

        With the ``memory`` of the latents before, they go on from there.
        """
        memory = memory or Memory()
        for part in chunks(latent, chunk, 1):
            yield self.reconstruct(self.denormalise(part), memory).clamp(-1.0, 1.0)


def chunks(x: Tensor, latent_frames: int | None, step: int) -> list[Tensor]:
    """The first frame, then ``step * latent_frames`` frames at a time; or everything at once."""
    if latent_frames is None or x.shape[2] == 1:
        return [x]
    return [x[:, :, :1], *x[:, :, 1:].split(step * latent_frames, dim=2)]


def fold(x: Tensor, patch: int) -> Tensor:
    """(B, C, T, H, W) -> (B, C p p, T, H/p, W/p); column offset is the slower of the two."""
    if patch == 1:
        return x
    x = x.unflatten(4, (-1, patch)).unflatten(3, (-1, patch))  # (B, C, T, h, q, w, r)
    return x.permute(0, 1, 6, 4, 2, 3, 5).flatten(1, 3)


def unfold(x: Tensor, patch: int) -> Tensor:
    """The inverse of `fold`."""
    if patch == 1:
        return x
    x = x.unflatten(1, (-1, patch, patch))  # (B, C, r, q, T, h, w)
    return x.permute(0, 1, 4, 5, 3, 6, 2).flatten(5, 6).flatten(3, 4)
