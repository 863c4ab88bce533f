"""Where a clip looks up the pictures that it is given: a signal for training, dropped afterwards.

Tokens on an individual should look at its pictures, and others should not: so two individuals do
not blend. The attention that the pictures of one entity get is held against its boxes, which are
known, as TokenCompose does with words and segments (arXiv 2312.03626, equation 3) and DreamO with
pictures (arXiv 2504.16915, its routing constraint).
"""

from typing import Any, cast

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from praxino.config import Config
from praxino.models import attention
from praxino.models.context import Memory
from praxino.models.dit import Block, DiT, SelfAttention
from praxino.models.pictures import Pictures
from praxino.models.tokens import TokenLayout, patchify

MIN_COVER = 0.25
"""Part of a place that a thing covers, from which on the place is its own."""


class RoutingConfig(Config):
    """How much the error counts, and in which blocks attention is read."""

    weight: float = Field(0.0, ge=0, description="of its error in the loss; 0: there is none")
    layers: tuple[PositiveInt, ...] = Field(
        (3, 4, 5), strict=False, description="blocks whose attention is read, from 1"
    )


class RoutingLoss:
    """Keeps the attention that a `DiT`'s last evaluation gave to pictures, and says how much of it
    came from elsewhere than the entity itself.
    """

    def __init__(self, config: RoutingConfig, dit: DiT) -> None:
        self.patch = dit.config.patch
        self._shares: dict[int, Tensor] = {}
        for layer in config.layers:
            block = cast(Block, dit.blocks[layer - 1])
            block.attention.register_forward_hook(self._keep)

    def _keep(self, module: SelfAttention, inputs: tuple[Any, ...], _: Tensor) -> None:
        x, places, layer, visual = inputs
        if visual is not None:  # pictures themselves go through the same blocks
            self._shares[layer] = picture_attention(module, x, places, visual)

    def loss(
        self, pictures: Pictures, cover: Float[Tensor, "batch slots t h w"]
    ) -> Float[Tensor, ""]:
        """(1 - share)^2 on average over entities and layers, share being the part of the attention
        to an entity's pictures that comes from its own places.

        Parameters
        ----------
        cover : (B, slots, t, h, w)
            How much of each place each entity covers; zeros for one that the clip does not show.
        """
        # (B, slots, N): a token is the entity's if one of its places is
        own = torch.stack(
            [patchify(part, self.patch).amax(2) > MIN_COVER for part in cover.split(1, dim=1)], 1
        ).float()
        slots = torch.arange(cover.shape[1], device=cover.device)
        # (B, P, slots)
        of_slot = ((pictures.slot[..., None] == slots) & pictures.there[..., None]).float()
        valid = (own.sum(2) > 0) & (of_slot.sum(1) > 0)  # (B, slots)
        shares, self._shares = self._shares, {}
        errors = []
        for share in shares.values():
            looked = share.unflatten(2, (pictures.slot.shape[1], -1)).sum(3)  # (B, N, P)
            looked = (looked @ of_slot).transpose(1, 2)  # (B, slots, N)
            inside = (looked * own).sum(2) / looked.sum(2).clamp_min(1e-6)
            errors.append(((1 - inside).square() * valid).sum() / valid.sum().clamp_min(1))
        return torch.stack(errors).mean()


def picture_attention(
    module: SelfAttention, x: Tensor, places: TokenLayout, visual: Memory
) -> Float[Tensor, "batch tokens keys"]:
    """The part of each token's attention that goes to each token of the pictures, averaged over
    heads; arguments as of the module.
    """
    q = module.norm_q(module.q(x)).unflatten(2, (module.heads, -1))
    q = attention.rotate(q, places.rotation)
    k = torch.cat([module.keys(x, places.rotation)[0], visual[0]], dim=1)
    # (B, heads, N, N + R)
    scores = (q * q.shape[-1] ** -0.5).transpose(1, 2) @ k.transpose(1, 2).transpose(-1, -2)
    if places.mask is not None:
        scores = scores + places.mask
    return scores.float().softmax(-1)[..., x.shape[1] :].mean(1)
