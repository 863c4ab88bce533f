"""What a transformer is told beside its tokens, made into vectors: times and reference tokens.

Legend: B batch, D width, M reference tokens, F features of a time.
"""

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoid(t: Tensor, features: int) -> Tensor:
    """Cosines then sines of ``t`` (in thousandths) at ``features / 2`` frequencies; computed in
    float64.
    """
    half = features // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / half)
    # few numbers, and not every device has float64
    angles = t.cpu().double()[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1).float().to(t.device)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """(B, N, D) by (B, G, D): each group of N / G tokens has its own; float32 inside."""
    groups = shift.shape[1]
    return torch.addcmul(
        shift.unsqueeze(2), x.unflatten(1, (groups, -1)), 1 + scale.unsqueeze(2)
    ).flatten(1, 2)


def gated(x: Tensor, branch: Tensor, gate: Tensor) -> Tensor:
    """x + gate * branch, groupwise, in float32."""
    groups = gate.shape[1]
    x_groups, branch_groups = (part.float().unflatten(1, (groups, -1)) for part in (x, branch))
    return torch.addcmul(x_groups, branch_groups, gate.unsqueeze(2)).flatten(1, 2).to(x.dtype)


def layer_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Layer normalisation in float32, whatever the layer's own type."""
    weight = norm.weight.float() if norm.weight is not None else None
    bias = norm.bias.float() if norm.bias is not None else None
    return F.layer_norm(x.float(), norm.normalized_shape, weight, bias, norm.eps)


class Embedding(nn.Sequential):
    """Linear, an activation, Linear."""

    def __init__(self, inputs: int, width: int, activation: nn.Module) -> None:
        super().__init__(nn.Linear(inputs, width), activation, nn.Linear(width, width))


GUIDANCE_SCALE: Final = 100.0
"""A guidance is told as so many."""


class GuidanceEmbedding(nn.Module):
    """The scale of a guidance to the model's width; zeros until it is trained."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.features = features
        self.up, self.down = nn.Linear(features, width), nn.Linear(width, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, guidance: Tensor) -> Tensor:  # (B,)
        features = sinusoid(GUIDANCE_SCALE * guidance, self.features).to(self.up.weight.dtype)
        return self.down(F.silu(self.up(features)))[:, None]  # (B, 1, D)


class ReferenceEmbedding(nn.Module):
    """Reference tokens to the model's width."""

    def __init__(self, inputs: int, width: int, places: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.zeros(places, inputs)) if places else None
        self.norm1 = nn.LayerNorm(inputs)
        self.up = nn.Linear(inputs, inputs)
        self.down = nn.Linear(inputs, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:  # (B, M, image_width)
        if self.places is not None:
            x = x + self.places
        x = self.down(F.gelu(self.up(layer_norm(self.norm1, x).to(self.up.weight.dtype))))
        return layer_norm(self.norm2, x).to(x.dtype)  # (B, M, D)
