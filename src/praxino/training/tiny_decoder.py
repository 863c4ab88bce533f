"""The tiny decoder's stage: latents of a finished autoencoder and the clips that they are of."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from praxino.config import Config
from praxino.data.diorama import Edition
from praxino.data.diorama.split import UNSEEN
from praxino.data.latents import World, shuffled_indices
from praxino.data.pixels import strip, to_pixels, to_tensor
from praxino.errors import InputError
from praxino.models.tiny_decoder import TinyDecoder, TinyDecoderConfig
from praxino.storage.weights import checkpoint
from praxino.training.autoencoder import gradient_difference
from praxino.training.encoding import LatentEncoder
from praxino.training.sources import HERE, NOTHING, Sources, Workplace


class TinyDecoderStageConfig(Config):
    """What the tiny decoder sees and minimises."""

    kind: Literal["tiny-decoder"] = "tiny-decoder"
    decoder: TinyDecoderConfig = TinyDecoderConfig()
    seed: int = Field(0, ge=0, lt=2**32)
    edition: Edition = Field(2, description="of the diorama")
    frames: int = Field(17, gt=0)
    size: int = Field(64, gt=0)
    clips: int = Field(4096, gt=0, description="different clips to learn from")
    batch: int = Field(8, gt=0)
    gradients: float = Field(1.0, ge=0, description="weight of the gradient difference loss")


class TinyDecoderStage:
    """A `TrainingStage` that trains a `TinyDecoder`."""

    def __init__(
        self,
        config: TinyDecoderStageConfig,
        sources: Sources = NOTHING,
        workplace: Workplace = HERE,
    ) -> None:
        self.config, self.encoder = config, LatentEncoder(sources, workplace)
        vae = self.encoder.vae.config
        if (vae.latent_channels, vae.compression) != (
            config.decoder.channels,
            config.decoder.compression,
        ):
            raise InputError(
                f"the autoencoder makes {vae.latent_channels} channels of {vae.compression}",
                f"a tiny decoder is of {config.decoder.channels} channels of "
                f"{config.decoder.compression}",
            )
        torch.manual_seed(config.seed)
        self.module = TinyDecoder(config.decoder)
        if sources.init:
            checkpoint.load_weights(self.module, sources.init / "tiny_decoder")
        self.module.to(self.encoder.device)
        self.world = World(
            config.seed, config.frames, config.size, config.size, edition=config.edition
        )
        self._latents = self.encoder.latents(self.world, config.clips)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Latents (B, C, t, h, w) and clips (B, 3, T, H, W) in [-1, 1]."""
        indices = shuffled_indices(
            self.config.seed, self.config.clips, number * self.config.batch, self.config.batch
        )
        pixels = np.concatenate([self.world.pixels(int(clip), int(clip) + 1) for clip in indices])
        latents = self._latents[torch.from_numpy(indices)].float()
        return latents.to(self.encoder.device), to_tensor(pixels).to(self.encoder.device)

    def loss(
        self, batch: tuple[Tensor, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        latents, clips = batch
        decoded = self.module(latents).float()
        pixels, gradients = (decoded - clips).abs().mean(), gradient_difference(decoded, clips)
        psnr = -10 * torch.log10(((decoded - clips) / 2).square().mean() + 1e-8)
        return pixels + self.config.gradients * gradients, {
            "pixels": pixels.item(),
            "psnr": psnr.item(),
        }

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """Clips never trained on: as they are, through the whole decoder, through this one."""
        rows = []
        for clip in range(UNSEEN, UNSEEN + 4):
            true = self.world.pixels(clip, clip + 1)
            latents = self.encoder.encode(to_tensor(true))
            decoded = (self.encoder.vae.decode(latents).float(), self.module(latents).float())
            rows += [strip(true[0]), *(strip(to_pixels(film)[0]) for film in decoded)]
        return np.concatenate(rows)

    def save(self, folder: Path) -> None:
        checkpoint.save(folder / "tiny_decoder", self.config.decoder, self.module.state_dict())
