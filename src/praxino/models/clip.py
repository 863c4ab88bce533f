"""CLIP (Radford et al., arXiv 2103.00020): sentences and pictures in one space; the networks are
those of ``transformers``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from praxino.models.clip_vision import Sight

Tokenise = Callable[[Sequence[str]], Tensor]
"""Sentences to the ids of their pieces, (N, L)."""


OPENAI: Final = Sight()


class CLIP(nn.Module):
    """Sentences and pictures to vectors of length 1; their products say how well they fit.

    Parameters
    ----------
    network : CLIPModel
    tokenise : callable
    sight : Sight
        Mean and deviation of the pictures that it was trained on.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Any, tokenise: Tokenise, sight: Sight = OPENAI) -> None:
        super().__init__()
        self.network, self.tokenise = network, tokenise
        self.register_buffer("mean", torch.tensor(sight.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(sight.std).view(3, 1, 1), persistent=False)

    @property
    def side(self) -> int:
        """Pixels a side of the pictures that it sees."""
        return int(self.network.config.vision_config.image_size)

    def embed_images(
        self, pixels: Float[Tensor, "batch 3 side side"]
    ) -> Float[Tensor, "batch width"]:
        """Pictures in [0, 1] of `side` pixels; differentiable."""
        network = self.network
        pooled = network.vision_model(pixel_values=(pixels - self.mean) / self.std).pooler_output
        return F.normalize(network.visual_projection(pooled), dim=1)

    def embed_text(self, sentences: Sequence[str]) -> Float[Tensor, "count width"]:
        """Sentences, each by itself.

        Raises
        ------
        InputError
            If one is longer than the network reads.
        """
        ids: Int[Tensor, "count length"] = self.tokenise(sentences).to(self.mean.device)
        pooled = self.network.text_model(input_ids=ids).pooler_output
        return F.normalize(self.network.text_projection(pooled), dim=1)
