"""The forensic stage: real clips against themselves through autoencoders that are trained beside
the detector.

The autoencoders begin as strangers and get better, so that the network meets their traces at every
quality. Both members of a pair then go the same way: made smaller, compressed, cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.data import real_clips
from praxino.data.degrade import compressed, details_of, even
from praxino.data.pixels import resized, strip, to_pixels, to_tensor
from praxino.errors import InputError
from praxino.models.forensic import Forensic, ForensicConfig, round_trips
from praxino.rng import Stream, generator
from praxino.storage.weights import checkpoint
from praxino.training.sources import HERE, Sources, Workplace

Film = NDArray[np.uint8]


class ForensicStageConfig(Config):
    """What the network sees."""

    kind: Literal["forensic"] = "forensic"
    forensic: ForensicConfig = ForensicConfig()
    seed: int = Field(0, ge=0, lt=2**32)
    frames: int = Field(6, ge=4, multiple_of=2)
    side: int = Field(
        192,
        ge=96,
        multiple_of=8,
        description="pixels of the square that goes through an autoencoder",
    )
    crop: int = Field(64, ge=32, description="pixels of what the network sees of it")
    pairs: int = Field(4, gt=0, description="clips a step")
    crops: int = Field(4, gt=0, description="squares of each, in both members of a pair")
    warm: int = Field(600, ge=0, description="steps for the autoencoders alone")
    smallest: float = Field(0.45, gt=0, le=1, description="least scale at which a pair is seen")
    crf: tuple[int, int] = Field((16, 30), strict=False, description="range of its compression")
    swapped: float = Field(
        0.8, ge=0, le=1, description="part of the pairs that differ in fine wavelet bands only"
    )
    resampled: float = Field(
        0.2, ge=0, le=1, description="part of the pairs that are made by resizing alone"
    )


@dataclass(frozen=True)
class Clips:
    """One step's data: ``real`` (B, T, H, W, 3) and what to do with them."""

    real: Film
    small: Tensor
    rng: np.random.Generator
    warm: bool


class ForensicStage:
    """A `TrainingStage` that trains a `Forensic`.

    Parameters
    ----------
    films : sequence of (T, H, W, 3) uint8
        Real clips at about 8 frames a second, at least ``config.frames`` long.
    names : sequence of str
        Where each is from: a source is drawn as often as the root of its number of clips.
    """

    def __init__(
        self,
        config: ForensicStageConfig,
        films: Sequence[Film],
        names: Sequence[str],
        init: Path | None = None,
        workplace: Workplace = HERE,
    ) -> None:
        self.config, self.films = config, films
        self.device = torch.device(workplace.device)
        torch.manual_seed(config.seed)
        self.module = nn.ModuleDict({"forensic": Forensic(config.forensic), "trips": round_trips()})
        if init:
            checkpoint.load_weights(self.module["forensic"], init / "forensic")
        self.module.to(self.device)
        share = np.array([list(names).count(name) ** -0.5 for name in names])
        self.share = share / share.sum()

    @classmethod
    def of_footage(
        cls, config: ForensicStageConfig, sources: Sources, workplace: Workplace
    ) -> "ForensicStage":
        """The stage of a folder of real clips; raises `InputError` if none is named, or it holds
        none.
        """
        if sources.footage is None:
            raise InputError("the detector learns from real clips", "--footage FOLDER names them")
        films, names = real_clips.read(sources.footage, config.frames)
        return cls(config, films, names, sources.init, workplace)

    def batch(self, number: int) -> Clips:
        config = self.config
        rng = generator(Stream.FORENSIC_BATCH, config.seed, number)
        real = np.stack([self._cut(rng) for _ in range(config.pairs)])
        at = rng.integers(0, config.side - config.crop + 1, (config.pairs, 2))
        small = np.stack(
            [
                clip[:, y : y + config.crop, x : x + config.crop]
                for clip, (y, x) in zip(real, at, strict=True)
            ]
        )
        return Clips(real, to_tensor(small).to(self.device), rng, number < config.warm)

    def _cut(self, rng: np.random.Generator) -> Film:
        frames, side = self.config.frames, self.config.side
        film = self.films[int(rng.choice(len(self.films), p=self.share))]
        start = int(rng.integers(0, len(film) - frames + 1))
        film = film[start : start + frames]
        if min(film.shape[1:3]) < side:
            scale = side / min(film.shape[1:3])
            film = resized(film, *(max(side, round(length * scale)) for length in film.shape[1:3]))
        y, x = (int(rng.integers(0, length - side + 1)) for length in film.shape[1:3])
        film = film[:, y : y + side, x : x + side]
        return film[:, :, ::-1] if rng.random() < 0.5 else film

    def loss(self, batch: Clips, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        trips: Any = self.module["trips"]
        trip = trips[int(batch.rng.integers(len(trips)))]
        again = trip(batch.small).float()
        pixels = (again - batch.small).abs().mean()
        edges = sum((again.diff(dim=d) - batch.small.diff(dim=d)).abs().mean() for d in (3, 4))
        loss = pixels + 0.5 * edges
        metrics = {"pixels": pixels.item()}
        if batch.warm:
            return loss, metrics
        real, generated = self._pairs(batch)
        logits = self.module["forensic"](real).mean(dim=(1, 2, 3))
        distinction = F.binary_cross_entropy_with_logits(logits, generated * 0.9 + 0.05)
        right = ((logits > 0).float() == generated).float().mean()
        return loss + distinction, metrics | {"pair": distinction.item(), "right": right.item()}

    @torch.no_grad()
    def _pairs(self, batch: Clips) -> tuple[Tensor, Tensor]:
        """What the network sees, (N, 3, T, crop, crop), and whether it was made, (N,)."""
        films, labels = [], []
        for real in batch.real:
            generated = self._round_trip(real, batch.rng)
            way = _Way(self.config, batch.rng)
            for film, label in ((real, 0.0), (generated, 1.0)):
                films.append(way(film))
                labels += [label] * self.config.crops
        return to_tensor(np.concatenate(films)).to(self.device), torch.tensor(
            labels, device=self.device
        )

    def _round_trip(self, real: Film, rng: np.random.Generator) -> Film:
        if rng.random() < self.config.resampled:
            small = resized(
                real, *(int(side * rng.uniform(0.35, 0.75)) for side in real.shape[1:3])
            )
            return resized(small, *real.shape[1:3])
        trips: Any = self.module["trips"]
        trip = trips[int(rng.integers(len(trips)))]
        clip = to_tensor(real[None]).to(self.device)
        decoded = to_pixels(trip(clip).float())[0]
        if rng.random() < self.config.swapped:
            decoded = details_of(decoded, real, int(rng.integers(1, 4)))
        return decoded

    @torch.no_grad()
    def samples(self) -> Film:
        """Real squares, what the autoencoders made of them, and the differences, eight times as
        strong.
        """
        rng = np.random.default_rng(self.config.seed)
        rows = []
        trips: Any = self.module["trips"]
        for trip in trips:
            real = self._cut(rng)
            generated = to_pixels(trip(to_tensor(real[None]).to(self.device)).float())[0]
            apart = ((generated.astype(np.int16) - real) * 8 + 128).clip(0, 255).astype(np.uint8)
            rows.append(
                np.concatenate([strip(film, 1) for film in (real, generated, apart)], axis=1)
            )
        return np.concatenate(rows)

    def save(self, folder: Path) -> None:
        network: Any = self.module["forensic"]
        checkpoint.save(folder / "forensic", self.config.forensic, network.state_dict())


class _Way:
    """What happens to both members of a pair on their way."""

    def __init__(self, config: ForensicStageConfig, rng: np.random.Generator) -> None:
        least = max(config.crop + 8, round(config.side * config.smallest))
        self.side = int(rng.integers(least, config.side + 1)) // 2 * 2
        self.crf = int(rng.integers(config.crf[0], config.crf[1] + 1))
        self.rule = int(
            rng.choice([cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC])
        )
        self.at = rng.integers(0, self.side - config.crop + 1, (config.crops, 2))
        self.crop = config.crop

    def __call__(self, film: Film) -> Film:
        if film.shape[1] != self.side:
            size = (self.side, self.side)
            film = np.stack(
                [cv2.resize(frame, size, interpolation=self.rule) for frame in film]
            ).astype(np.uint8)
        film = compressed(even(film), self.crf)
        return np.stack([film[:, y : y + self.crop, x : x + self.crop] for y, x in self.at])
