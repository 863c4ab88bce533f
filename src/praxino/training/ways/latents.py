"""The ways of latents: a U-Net (2022) and a transformer (2023) denoise what a trained autoencoder
makes of pictures.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.diffusion.guidance import guided
from praxino.diffusion.objective import draw_times
from praxino.diffusion.path import PATHS, grid
from praxino.diffusion.prediction import as_denoiser, target
from praxino.diffusion.sampling import SAMPLERS
from praxino.models.dit import DiT, DiTConfig
from praxino.models.unet import UNet, UNetConfig

FLOW = PATHS["flow"]()


class LatentsConfig(Config):
    """Sizes of a `Latents`."""

    way: Literal["latent-unet", "latent-transformer"] = "latent-transformer"
    size: int = Field(8, gt=0, description="latent positions a side")
    unet: UNetConfig = UNetConfig(channels=16, patch=1, widths=(128, 256), blocks=2, heads=4)
    dit: DiTConfig = DiTConfig(
        channels=16, patch=(1, 1, 1), width=256, heads=4, layers=6, ffn=704, time_features=128
    )
    shift: float = Field(1.0, gt=0)
    steps: int = Field(20, gt=0, description="in which pictures are drawn")
    guidance: float = Field(3.0, ge=1)


class Latents(nn.Module):
    """A `Way` of latents (B, C, h, w)."""

    def __init__(self, config: LatentsConfig, text: int) -> None:
        super().__init__()
        self.config = config
        self.network: UNet | DiT
        if config.way == "latent-unet":
            self.network = UNet(config.unet.model_copy(update={"text_width": text}))
        else:
            self.network = DiT(config.dit.model_copy(update={"text_width": text}))

    def _velocity(self, x: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        """(B, C, h, w) at times (B, 1)."""
        return self.network(x.unsqueeze(2), t, tokens)[:, :, 0].float()

    def loss(
        self, x: Tensor, tokens: Tensor, sentence: Tensor, number: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        t = draw_times(len(x), generator, "logit-normal", self.config.shift)
        eps = torch.randn(x.shape, generator=generator)
        alpha, sigma = (part.view(-1, 1, 1, 1) for part in (FLOW.alpha(t), FLOW.sigma(t)))
        out = self._velocity(alpha * x + sigma * eps, t[:, None], tokens)
        return F.mse_loss(out, target(x, eps, alpha, sigma, "velocity")), {}

    @torch.no_grad()
    def sample(self, tokens: Tensor, sentence: Tensor, generator: torch.Generator) -> Tensor:
        def denoiser_of(words: Tensor):  # type: ignore[no-untyped-def]
            return as_denoiser(
                lambda x, t: self._velocity(x, t.to(x).expand(len(x), 1), words), FLOW, "velocity"
            )

        model = guided(
            denoiser_of(tokens), denoiser_of(torch.zeros_like(tokens)), self.config.guidance
        )
        channels, size = self.config.dit.channels, self.config.size
        x = torch.randn(len(tokens), channels, size, size, generator=generator)
        *_, last = SAMPLERS["unipc"](model, x, grid(self.config.steps, self.config.shift), FLOW)
        return last.x
