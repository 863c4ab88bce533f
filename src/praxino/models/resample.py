"""Halving and doubling of clips in space and time: the layers between an autoencoder's stages.

Legend as in `vae`: B batch, C channels, T frames, H height, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.models.causal import CausalConv3d, Memory


def as_frames(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(0, 1)  # (B, C, T, H, W) -> (B T, C, H, W)


def as_clip(x: Tensor, batch: int) -> Tensor:
    return x.unflatten(0, (batch, -1)).transpose(1, 2)  # (B T, C, H, W) -> (B, C, T, H, W)


class Downsample(nn.Module):
    """Halves height and width, and time where ``temporal``; the very first frame stays alone."""

    def __init__(self, channels: int, temporal: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)
        self.time = nn.Conv3d(channels, channels, (3, 1, 1), stride=(2, 1, 1)) if temporal else None

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        memory.free_rooms()
        x = as_clip(self.conv(F.pad(as_frames(x), (0, 1, 0, 1))), x.shape[0])  # (B, C, T, H/2, W/2)
        if self.time is None:
            return x
        if not memory.begins(self):
            return self.time(memory.extend(self.time, x, 1))  # (B, C, T/2, H/2, W/2)
        memory.push(self.time, x[:, :, -1:].clone(), 1)
        if x.shape[2] == 1:
            return x
        return torch.cat([x[:, :, :1], self.time(x)], dim=2)  # (B, C, 1 + (T-1)/2, H/2, W/2)


class Upsample(nn.Module):
    """Doubles height and width, and time where ``temporal``; the very first frame stays alone."""

    def __init__(self, channels: int, outputs: int, temporal: bool) -> None:
        super().__init__()
        self.time = CausalConv3d(channels, 2 * channels, (3, 1, 1)) if temporal else None
        self.conv = nn.Conv2d(channels, outputs, 3, padding=1)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        memory.free_rooms()
        if self.time is not None:
            if not memory.begins(self):
                x = self._double(x, memory)
            elif x.shape[2] > 1:
                x = torch.cat([x[:, :, :1], self._double(x[:, :, 1:], memory)], dim=2)
        return as_clip(_doubled(as_frames(x), self.conv), x.shape[0])  # (B, outputs, T', 2H, 2W)

    def _double(self, x: Tensor, memory: Memory) -> Tensor:
        """(B, C, T, H, W) -> (B, C, 2T, H, W)"""
        assert self.time is not None
        pair = self.time(x, memory).unflatten(1, (2, -1))  # (B, 2, C, T, H, W)
        return pair.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)


def _doubled(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """``conv`` (3x3) of the picture with each pixel doubled: (B, C, H, W) -> (B, C', 2H, 2W).

    Where nothing is to be learned, the large picture is never made: two of every three taps meet
    the same pixel, so that each of the four kinds of result is a 2x2 convolution of the small one,
    with 16 products instead of 36.
    """
    if torch.is_grad_enabled() or torch.is_autocast_enabled(x.device.type):
        return conv(F.interpolate(x, scale_factor=2.0, mode="nearest-exact"))
    rows = _pairs_of_taps(conv.weight, 2)
    x = F.pad(x, (1, 1, 1, 1))
    height, width = x.shape[2] - 2, x.shape[3] - 2
    out = x.new_empty(len(x), 2 * height, 2 * width, conv.out_channels).permute(0, 3, 1, 2)
    for i, row in enumerate(rows):
        for j, weight in enumerate(_pairs_of_taps(row, 3)):
            part = x[:, :, i : i + height + 1, j : j + width + 1].contiguous(
                memory_format=torch.channels_last
            )
            out[:, :, i::2, j::2] = F.conv2d(part, weight, conv.bias)
    return out


def _pairs_of_taps(weight: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Two taps each that even and odd positions of a doubled picture see of three along an axis."""
    a, b, c = weight.unbind(axis)
    return torch.stack([a, b + c], axis), torch.stack([a + b, c], axis)


class AverageDown(nn.Module):
    """Shortcut of a downsampling stage: folds time and space into channels and averages groups of
    them.
    """

    def __init__(self, inputs: int, outputs: int, time: int, space: int) -> None:
        super().__init__()
        self.outputs, self.time, self.space = outputs, time, space
        assert inputs * time * space**2 % outputs == 0

    def forward(self, x: Tensor) -> Tensor:  # (B, C, T, H, W)
        # The very first frame pairs with nothing.
        x = F.pad(x, (0, 0, 0, 0, -x.shape[2] % self.time, 0))
        x = x.unflatten(4, (-1, self.space)).unflatten(3, (-1, self.space))
        x = x.unflatten(2, (-1, self.time))
        x = x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)  # (B, C dt dh dw, t, h, w)
        return x.unflatten(1, (self.outputs, -1)).mean(2)


class DuplicateUp(nn.Module):
    """Shortcut of an upsampling stage: repeats channels and unfolds them into time and space."""

    def __init__(self, inputs: int, outputs: int, time: int, space: int) -> None:
        super().__init__()
        self.outputs, self.time, self.space = outputs, time, space
        self.repeats = outputs * time * space**2 // inputs
        assert self.repeats * inputs == outputs * time * space**2

    def forward(self, x: Tensor, first: bool) -> Tensor:  # (B, C, t, h, w)
        x = x.repeat_interleave(self.repeats, dim=1)
        # (B, C', dt, dh, dw, t, h, w)
        x = x.unflatten(1, (self.outputs, self.time, self.space, self.space))
        x = x.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        return x[:, :, self.time - 1 :] if first else x
