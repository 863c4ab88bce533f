"""The identity stage: crops of individuals, many of one kind and colour, some of them through an
autoencoder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from praxino.config import Config
from praxino.data.diorama import Edition, world
from praxino.data.diorama.casting import MARKED_KINDS
from praxino.data.diorama.families import is_individual_held_out
from praxino.data.diorama.references import own_individual, portraits
from praxino.data.pixels import to_pixels, to_tensor
from praxino.models.identity import IdentityConfig, IdentityNet, crop_around
from praxino.models.vae import VAE
from praxino.rng import Stream, generator
from praxino.storage.weights import bundle, checkpoint
from praxino.training.sources import HERE, NOTHING, Sources, Workplace

TEMPERATURE: Final = 0.1
"""Temperature of the contrastive loss."""
CROP_JITTER: Final = 0.15
"""How far a crop's centre and side are off, of its side."""


class IdentityStageConfig(Config):
    """What the network sees."""

    kind: Literal["identity"] = "identity"
    identity: IdentityConfig = IdentityConfig()
    seed: int = Field(0, ge=0, lt=2**32)
    edition: Edition = Field(2, description="of the diorama")
    size: int = Field(64, gt=0, description="pixels a side of the pictures that are cropped")
    pool: tuple[int, int, int] = Field(
        (40, 8, 6),
        strict=False,
        description="kinds and colours that are drawn once, individuals of each, pictures of each",
    )
    groups: int = Field(4, gt=0, description="kinds and colours in a step")
    individuals: int = Field(6, gt=1, description="of each")
    views: int = Field(4, gt=1, description="of each")
    round_trips: float = Field(0.5, ge=0, le=1, description="part through the autoencoder")

    @model_validator(mode="after")
    def _the_pool_is_enough(self) -> "IdentityStageConfig":
        for name, most in zip(("groups", "individuals", "views"), self.pool, strict=True):
            if getattr(self, name) > most:
                raise ValueError(f"{name} {getattr(self, name)}: the pool has {most}")
        return self


@dataclass(frozen=True)
class IdentityBatch:
    """Crops (B, 3, side, side) in [-1, 1], and which individual each shows."""

    crops: Tensor
    labels: Tensor


class IdentityStage:
    """A `TrainingStage` that trains an `IdentityNet`."""

    def __init__(
        self,
        config: IdentityStageConfig,
        sources: Sources = NOTHING,
        workplace: Workplace = HERE,
    ) -> None:
        self.config, self.device = config, torch.device(workplace.device)
        self.vae: VAE = bundle.read_vae(sources.autoencoder).to(self.device).eval()
        torch.manual_seed(config.seed)
        self.module = IdentityNet(config.identity)
        if sources.init:
            checkpoint.load_weights(self.module, sources.init / "identity")
        self.module.to(self.device)
        self._draw_pool()

    def _draw_pool(self) -> None:
        """Pictures of all individuals, as they are drawn and through the autoencoder:
        (G, I, V, H, W, 3) each, and where the individual is in each, (G, I, V, 3).
        """
        groups, individuals, views = self.config.pool
        size = self.config.size
        self._pictures = np.empty((2, groups, individuals, views, size, size, 3), np.uint8)
        self._places = np.empty((groups, individuals, views, 3))
        for group in range(groups):
            rng = generator(Stream.IDENTITY_POOL, self.config.seed, group)
            kind, colour = str(rng.choice(list(MARKED_KINDS))), str(rng.choice(list(world.COLOURS)))
            for number in range(individuals):
                one = own_individual(_trained_seed(rng), kind, colour)
                drawn = portraits(one, rng, views, size)
                self._pictures[0, group, number], self._places[group, number] = drawn
            flat = self._pictures[0, group].reshape(-1, 1, size, size, 3)
            with torch.inference_mode():
                clips = self.vae.decode(self.vae.encode(to_tensor(flat).to(self.device)))
            self._pictures[1, group] = to_pixels(clips).reshape(self._pictures[1, group].shape)

    def batch(self, number: int) -> IdentityBatch:
        config = self.config
        rng = generator(Stream.IDENTITY_BATCH, config.seed, number)
        sizes = (config.groups, config.individuals, config.views)
        group, one, view = (
            rng.permuted(np.tile(np.arange(most), (*sizes[:depth], 1)), axis=-1)[..., :count]
            for depth, (most, count) in enumerate(zip(config.pool, sizes, strict=True))
        )
        which = (group[:, None, None], one[..., None], view)
        places = self._places[which].reshape(-1, 3)
        through = (rng.random(sizes) < config.round_trips).astype(int)
        pictures = self._pictures[(through, *which)].reshape(len(places), *self._pictures.shape[4:])
        off = rng.uniform(-CROP_JITTER, CROP_JITTER, places.shape) * places[:, 2:]
        crops = self._crops(pictures, places + off)
        labels = torch.arange(config.groups * config.individuals).repeat_interleave(config.views)
        return IdentityBatch(crops.to(self.device), labels.to(self.device))

    def _crops(self, pictures: NDArray[np.uint8], places: NDArray[np.float64]) -> Tensor:
        """(B, 3, side, side) of pictures (B, H, W, 3)."""
        side = self.config.identity.side
        cut = [
            crop_around(picture, (x, y), height, side)
            for picture, (x, y, height) in zip(pictures, places.tolist(), strict=True)
        ]
        return to_tensor(np.stack(cut)[:, None])[:, :, 0]

    def loss(
        self, batch: IdentityBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Supervised contrast (Khosla et al., arXiv 2004.11362, eq. 2)."""
        vectors = self.module(batch.crops).float()  # (B, D)
        alike = batch.labels[:, None] == batch.labels
        itself = torch.eye(len(alike), dtype=torch.bool, device=alike.device)
        scores = (vectors @ vectors.T / TEMPERATURE).masked_fill(itself, -torch.inf)
        logs = scores.log_softmax(dim=1).masked_fill(itself, 0.0)
        others = alike & ~itself
        loss = -(logs * others).sum(1) / others.sum(1)
        nearest = scores.argmax(dim=1)
        right = (batch.labels[nearest] == batch.labels).float().mean().item()
        return loss.mean(), {"right/nearest": right}

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """Crops of a step that is never trained on, an individual a row."""
        batch = self.batch(2**30)
        views = self.config.views
        crops = to_pixels(batch.crops[:, :, None].cpu())[:, 0]
        rows = [
            np.concatenate(list(crops[i : i + views]), axis=1) for i in range(0, len(crops), views)
        ]
        return np.concatenate(rows[:8])

    def save(self, folder: Path) -> None:
        checkpoint.save(folder / "identity", self.config.identity, self.module.state_dict())


def _trained_seed(rng: np.random.Generator) -> int:
    """The seed of an individual that training may show."""
    while True:
        seed = int(rng.integers(2**31))
        if not is_individual_held_out(seed):
            return seed
