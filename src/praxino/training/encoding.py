"""Latents that stages learn from: those of a finished autoencoder, encoded in the run's arithmetic
and kept.
"""

from pathlib import Path

import torch
from torch import Tensor

from praxino.data.latents import World, world_latents, world_pictures
from praxino.models.vae import VAE
from praxino.storage.weights import bundle
from praxino.training.sources import Sources, Workplace


class LatentEncoder:
    """The autoencoder of a run's sources, and the latents of clips of the world."""

    def __init__(self, sources: Sources, workplace: Workplace) -> None:
        self.device = torch.device(workplace.device)
        self.vae: VAE = bundle.read_vae(sources.autoencoder).to(self.device)
        self.compute = workplace.compute
        self.cache: Path = workplace.cache
        self.fingerprint = f"{bundle.encoder_digest(self.vae)} in {self.compute}"

    @torch.no_grad()
    def encode(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) in [-1, 1] to normalised latents (B, C, t, h, w), float32, on the run's
        device.
        """
        clips = clips.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.compute == "bfloat16"):
            return self.vae.encode(clips).float()

    def latents(self, world: World, clips: int, start: int = 0) -> Tensor:
        """`latents.world_latents` of this encoder."""
        return world_latents(self.encode, self.fingerprint, self.cache, world, clips, start)

    def pictures(self, world: World, clips: int, start: int = 0) -> Tensor:
        """`latents.world_pictures` of this encoder."""
        return world_pictures(self.encode, self.fingerprint, self.cache, world, clips, start)
