"""The picture encoder of Wan's older picture-to-video models: CLIP's, of ``transformers``, without
its last layer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config


class Sight(Config):
    """How a picture is prepared; the defaults are CLIP's."""

    side: int = Field(224, gt=0, description="pixels of the square that is cut from the middle")
    mean: tuple[float, float, float] = Field((0.48145466, 0.4578275, 0.40821073), strict=False)
    std: tuple[float, float, float] = Field((0.26862954, 0.26130258, 0.27577711), strict=False)


class Vision(nn.Module):
    """Pictures to the tokens that a denoiser attends to beside the text."""

    def __init__(self, encoder: Any, sight: Sight) -> None:
        super().__init__()
        self.encoder = encoder
        self.sight = sight

    def encode(self, pictures: Sequence[NDArray[np.uint8]]) -> Float[Tensor, "1 tokens width"]:
        """The tokens of all pictures (H, W, 3), one after the other."""
        like = next(self.encoder.parameters())
        pixels = torch.stack([self._preprocess(picture) for picture in pictures]).to(
            like.device, like.dtype
        )
        states = self.encoder(pixel_values=pixels, output_hidden_states=True).hidden_states[-2]
        return states.flatten(0, 1).unsqueeze(0)

    def _preprocess(self, picture: NDArray[np.uint8]) -> Tensor:
        """(3, side, side): the shorter side resized, the middle cut out, mean and deviation
        removed.
        """
        height, width = picture.shape[:2]
        side = self.sight.side
        scale = side / min(height, width)
        size = (max(side, int(width * scale)), max(side, int(height * scale)))
        small = np.array(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
        top, left = (small.shape[0] - side) // 2, (small.shape[1] - side) // 2
        square = (
            torch.from_numpy(small[top : top + side, left : left + side]).permute(2, 0, 1) / 255
        )
        mean, std = (torch.tensor(part).view(3, 1, 1) for part in (self.sight.mean, self.sight.std))
        return (square - mean) / std
