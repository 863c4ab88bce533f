"""The way of 2021: diffusion of pixels by the U-Net that beat GANs, told the sentence in place of a
class.
"""

from typing import Final, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.diffusion.ddpm import Chain, cosine_betas
from praxino.diffusion.guidance import guided
from praxino.diffusion.respacing import kept_indices, respaced
from praxino.diffusion.sampling import SAMPLERS
from praxino.models.adm import ADM, ADMConfig

STEPS: Final = 1000


class PixelsConfig(Config):
    """Sizes of a `Pixels`."""

    way: Literal["pixels"] = "pixels"
    adm: ADMConfig = ADMConfig(
        size=64, width=32, multipliers=(1, 2, 3, 4), blocks=2, attention=(16, 8), head_width=32
    )
    steps: int = Field(50, gt=0, le=STEPS, description="in which pictures are drawn")
    guidance: float = Field(3.0, ge=1)


class SentenceADM(ADM):
    """An `ADM` that is told a sentence beside the step."""

    def __init__(self, config: ADMConfig, text: int) -> None:
        super().__init__(config)
        self.words = nn.Linear(text, self.condition)

    def embed_time(self, steps: Tensor) -> Tensor:
        return super().embed_time(steps) + self.words(self.sentence)

    sentence: Tensor


class Pixels(nn.Module):
    """A `Way`."""

    def __init__(self, config: PixelsConfig, text: int) -> None:
        super().__init__()
        self.config, self.chain = config, Chain(cosine_betas(STEPS))
        self.adm = SentenceADM(config.adm, text)

    def _outputs(self, x: Tensor, index: Tensor, sentence: Tensor) -> tuple[Tensor, Tensor]:
        self.adm.sentence = sentence
        noise, place = self.adm(x, index.float()).float().chunk(2, dim=1)
        return noise, (place + 1) / 2

    def loss(
        self, x: Tensor, tokens: Tensor, sentence: Tensor, number: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        steps = torch.randint(1, STEPS + 1, (len(x),), generator=generator)
        eps = torch.randn(x.shape, generator=generator)
        model = lambda noisy, at: self._outputs(noisy, at - 1, sentence)  # noqa: E731
        loss = self.chain.hybrid_loss(model, x, steps, eps).mean()
        return loss, {}

    @torch.no_grad()
    def sample(self, tokens: Tensor, sentence: Tensor, generator: torch.Generator) -> Tensor:
        kept = torch.tensor(kept_indices(f"ddim{self.config.steps}", STEPS))
        chain, count = respaced(self.chain, kept.tolist()), len(kept)

        def denoiser_of(words: Tensor):  # type: ignore[no-untyped-def]
            def denoiser(x: Tensor, t: Tensor) -> Tensor:
                steps = torch.full((len(x),), round(float(t) * count))
                noise, _ = self._outputs(x, kept[steps - 1], words)
                return chain.estimate_x0(x, steps, noise).clamp(-1, 1)

            return denoiser

        model = guided(
            denoiser_of(sentence), denoiser_of(torch.zeros_like(sentence)), self.config.guidance
        )
        size = self.config.adm.size
        x = torch.randn(len(sentence), 3, size, size, generator=generator)
        times = torch.arange(count, -1, -1, dtype=torch.float64) / count
        *_, last = SAMPLERS["ddim"](model, x, times, chain.path())
        return last.x
