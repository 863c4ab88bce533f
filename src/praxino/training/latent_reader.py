"""The latent reader's stage: latents of the diorama with a little noise, and the layouts of their
scenes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from praxino.config import Config
from praxino.data.diorama import Edition
from praxino.data.diorama.split import UNSEEN
from praxino.data.latents import World, shuffled_indices
from praxino.errors import InputError
from praxino.models.latent_reader import LatentReader, LatentReaderConfig
from praxino.models.layout import LayoutConfig
from praxino.models.raster import rasterize
from praxino.rng import Stream, generator
from praxino.storage.weights import checkpoint
from praxino.training.encoding import LatentEncoder
from praxino.training.layout import true_layouts
from praxino.training.sources import HERE, NOTHING, Sources, Workplace


class LatentReaderStageConfig(Config):
    """What the latent reader sees."""

    kind: Literal["latent-reader"] = "latent-reader"
    reader: LatentReaderConfig
    layout: LayoutConfig
    seed: int = Field(0, ge=0, lt=2**32)
    edition: Edition = Field(2, description="of the diorama")
    clips: int = Field(8192, gt=0, description="different clips to learn from")
    size: int = Field(64, gt=0, description="pixels a side")
    batch: int = Field(64, gt=0)
    noise: float = Field(
        0.3, ge=0, lt=1, description="latest time of the noise on the latents, on the flow's path"
    )


@dataclass(frozen=True)
class LatentReaderBatch:
    """Latents (B, C, t, h, w) and the covers of their scenes' layouts, (B, K, t, h, w)."""

    latents: Tensor
    covers: Tensor


class LatentReaderStage:
    """A `TrainingStage` that trains a `LatentReader`."""

    def __init__(
        self,
        config: LatentReaderStageConfig,
        sources: Sources = NOTHING,
        workplace: Workplace = HERE,
    ) -> None:
        self.config, self.encoder = config, LatentEncoder(sources, workplace)
        self.device, channels = self.encoder.device, self.encoder.vae.config.latent_channels
        if config.reader.channels != channels:
            raise InputError(
                f"stage.reader.channels={config.reader.channels}: the autoencoder makes {channels}",
                f"--set stage.reader.channels={channels}",
            )
        torch.manual_seed(config.seed)
        self.module = LatentReader(config.reader)
        if sources.init:
            checkpoint.load_weights(self.module, sources.init / "latent_reader")
        self.module.to(self.device)
        self.world = World(
            config.seed,
            config.layout.frames,
            config.size,
            config.size,
            config.layout.fps,
            config.edition,
        )
        self._latents = self.encoder.latents(self.world, config.clips)

    def batch(self, number: int) -> LatentReaderBatch:
        indices = shuffled_indices(
            self.config.seed, self.config.clips, number * self.config.batch, self.config.batch
        )
        latents = self._latents[torch.from_numpy(indices)].float()
        rng = generator(Stream.LATENT_READER_BATCH, self.config.seed, number)
        t = (
            torch.from_numpy(rng.random((len(latents), 1, 1, 1, 1), dtype=np.float32))
            * self.config.noise
        )
        noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32))
        noisy = torch.lerp(latents, noise, t)
        return LatentReaderBatch(
            noisy.to(self.device), self._covers(indices, latents.shape).to(self.device)
        )

    def _covers(self, clips: NDArray[np.int64], size: torch.Size) -> Tensor:
        things, there, boxes = true_layouts(
            [self.world.scene(int(clip)) for clip in clips], self.config.layout
        )
        raster = rasterize(things, there, boxes, self.config.layout, (size[2], size[3], size[4]))
        return raster[:, : self.config.reader.covers]

    def loss(
        self, batch: LatentReaderBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        logits = self.module(batch.latents).float()
        loss = (
            F.binary_cross_entropy_with_logits(logits, batch.covers, reduction="none").sum(1).mean()
        )
        kinds = len(self.config.layout.kinds)
        metrics = {}
        for name, part in (("kind", slice(0, kinds)), ("colour", slice(kinds, None))):
            covers, predicted = batch.covers[:, part], logits[:, part]
            most, which = covers.max(1)
            there = most > 0.5
            if bool(there.any()):
                metrics[f"right/{name}"] = (
                    (predicted.argmax(1) == which)[there].float().mean().item()
                )
        return loss, metrics

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """Clips never trained on: for each latent frame, in grey, where things are (above) and are
        read (below).
        """
        kinds, clips = len(self.config.layout.kinds), np.arange(UNSEEN, UNSEEN + 6)
        latents = torch.cat(
            [self.encoder.encode(self.world.clips(int(clip), int(clip) + 1)) for clip in clips]
        )
        covers = self._covers(clips, latents.shape)[:, :kinds].amax(1)
        read = self.module(latents)[:, :kinds].sigmoid().amax(1).cpu()
        rows = [
            torch.cat(list(part), dim=1) for pair in zip(covers, read, strict=True) for part in pair
        ]
        grey = (torch.cat(rows) * 255).clamp(0, 255).byte().numpy()
        large = cv2.resize(grey, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
        return np.repeat(large[..., None], 3, axis=2)

    def save(self, folder: Path) -> None:
        checkpoint.save(folder / "latent_reader", self.config.reader, self.module.state_dict())
