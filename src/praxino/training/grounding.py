"""A head that reads from the denoiser's inner tokens where which thing is: a signal for training,
dropped afterwards.

Layout channels of the true scene stand in for the features of a pretrained network that REPA aligns
with (arXiv 2410.06940); like there, an early block is read, and the signal ends before the training
does (HASTE, arXiv 2505.16792).
"""

import math
from typing import Any

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.models.dit import DiT
from praxino.models.tokens import patchify


class GroundingConfig(Config):
    """How much the head's error counts, and where it reads."""

    weight: float = Field(0.0, ge=0, description="of its error in the loss; 0: there is no head")
    layer: int = Field(3, gt=0, description="the block after which it reads, from 1")


class GroundingHead(nn.Module):
    """Tokens after one block of a `DiT` to the layout channels of their places."""

    def __init__(self, config: GroundingConfig, dit: DiT, channels: int) -> None:
        super().__init__()
        self.patch = dit.config.patch
        width = dit.config.width
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, channels * math.prod(self.patch))
        )
        self._tokens: Tensor | None = None
        dit.blocks[config.layer - 1].register_forward_hook(self._keep)

    def _keep(self, block: nn.Module, inputs: Any, tokens: Tensor) -> None:
        self._tokens = tokens

    def loss(self, layout: Float[Tensor, "batch channels t h w"]) -> Tensor:
        """Squared error of what the denoiser's last evaluation says of a true layout, as a part of
        its mean square.
        """
        assert self._tokens is not None
        tokens, self._tokens = self._tokens, None
        true = patchify(layout, self.patch)  # (B, N, C p q r)
        return (
            self.layers(tokens).float() - true
        ).square().mean() / true.square().mean().clamp_min(1e-6)
