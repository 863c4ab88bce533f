"""The reader stage: clips of the diorama, spoiled in several ways, and what is true of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from praxino.config import Config
from praxino.data.diorama import Edition, Scene, compose, render
from praxino.data.diorama.split import UNSEEN
from praxino.data.pixels import strip, to_tensor
from praxino.models.reader import LETTERS, STRIDE, Fields, Reader, ReaderConfig, letter_numbers
from praxino.models.vae import VAE
from praxino.rng import Stream, generator
from praxino.storage.weights import bundle, checkpoint
from praxino.training.sources import HERE, NOTHING, Sources, Workplace

NO_LETTER_WEIGHT: Final = 0.1
"""Weight in the loss of the places of a word that hold no letter, which are most of them."""


class ReaderStageConfig(Config):
    """What the reader sees."""

    kind: Literal["reader"] = "reader"
    reader: ReaderConfig
    seed: int = Field(0, ge=0, lt=2**32)
    edition: Edition = Field(1, description="of the diorama")
    frames: int = Field(17, gt=0)
    size: int = Field(64, gt=0)
    batch: int = Field(16, gt=0)
    every_pair: float = Field(
        0.5, ge=0, le=1, description="part of the clips that may hold any pair, held-out ones too"
    )
    round_trips: float = Field(
        0.125, ge=0, le=1, description="part of every batch that goes through the autoencoder"
    )
    noise: float = Field(
        0.25, ge=0, description="largest standard deviation of added noise, of a range of 2"
    )
    blur: float = Field(1.2, ge=0, description="largest standard deviation of blur, pixels")


@dataclass(frozen=True)
class Truth:
    """What a batch's `Fields` should be; ``centres`` (P, 4) are batch, frame, row, column of each
    visible centre.
    """

    clips: Tensor
    heat: Tensor
    ignore: Tensor
    centres: Tensor
    offset: Tensor
    height: Tensor
    colour: Tensor
    motion: Tensor
    heading: Tensor
    scene: dict[str, Tensor]
    letters: Tensor
    """(P, letters) as `letter_numbers`."""


class ReaderStage:
    """A `TrainingStage` that trains a `Reader`."""

    def __init__(
        self, config: ReaderStageConfig, sources: Sources = NOTHING, workplace: Workplace = HERE
    ) -> None:
        self.config, init = config, sources.init
        self.device = torch.device(workplace.device)
        torch.manual_seed(config.seed)
        self.module = Reader(config.reader)
        if init:
            checkpoint.load_weights(self.module, init / "reader")
        self.module.to(self.device)
        self.vae: VAE = bundle.read_vae(sources.autoencoder).to(self.device)

    def batch(self, number: int) -> Truth:
        config = self.config
        rng = generator(Stream.READER_BATCH, config.seed, number)
        scenes = [
            compose(
                config.seed,
                number * config.batch + i,
                config.frames,
                1.0,
                8.0,
                self._part(rng),
                config.edition,
            )
            for i in range(config.batch)
        ]
        clips = np.stack([render(scene, config.size, config.size) for scene in scenes])
        clips = np.stack([_spoiled(clip, rng, config.noise, config.blur) for clip in clips])
        tensor = to_tensor(clips).to(self.device)
        if trips := round(config.round_trips * config.batch):
            with torch.no_grad():
                tensor[:trips] = self.vae.decode(self.vae.encode(tensor[:trips])).float()
        return truth(scenes, config.reader, tensor)

    def _part(self, rng: np.random.Generator) -> Literal["all", "train"]:
        return "all" if rng.random() < self.config.every_pair else "train"

    def loss(self, batch: Truth, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        fields = self.module(batch.clips)
        terms = losses(fields, batch)
        return torch.stack(list(terms.values())).sum(), {
            name: value.item() for name, value in terms.items()
        }

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """Clips never trained on, with a ring around every centre that was read."""
        clips = [render(scene, self.config.size, self.config.size) for scene in self._unseen(6)]
        readings = self.module.read(to_tensor(np.stack(clips)).to(self.device))
        for clip, reading in zip(clips, readings, strict=True):
            for thing in reading.things:
                for frame, centre in enumerate(thing.track):
                    if np.isfinite(centre).all():
                        x, y = (round(float(v) * self.config.size) for v in centre)
                        cv2.circle(clip[frame], (x, y), 5, (255, 0, 255), 1)
        return np.concatenate([strip(clip) for clip in clips])

    def _unseen(self, count: int) -> list[Scene]:
        return [
            compose(self.config.seed, UNSEEN + i, self.config.frames, part="all")
            for i in range(count)
        ]

    def save(self, folder: Path) -> None:
        checkpoint.save(folder / "reader", self.config.reader, self.module.state_dict())


def _spoiled(
    clip: NDArray[np.uint8], rng: np.random.Generator, noise: float, blur: float
) -> NDArray[np.uint8]:
    """Half of the clips stay clean; the others get blur, noise, or other brightness and
    contrast.
    """
    way = rng.random()
    if way < 0.5:
        return clip
    if way < 0.65 and blur:
        sigma = float(rng.uniform(0.3, blur))
        return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in clip]).astype(np.uint8)
    pixels = clip.astype(np.float32)
    if way < 0.8:
        pixels += rng.normal(0, float(rng.uniform(0, noise)) * 127.5, clip.shape).astype(np.float32)
    else:
        pixels = (pixels - 128) * float(rng.uniform(0.8, 1.2)) + 128 + float(rng.uniform(-16, 16))
    return pixels.clip(0, 255).astype(np.uint8)


def truth(scenes: list[Scene], config: ReaderConfig, clips: Tensor) -> Truth:
    """The targets of a batch of rendered ``scenes``."""
    size = clips.shape[3]
    b, t, h, w = len(scenes), scenes[0].frames, size // STRIDE, clips.shape[4] // STRIDE
    heat = np.zeros((b, len(config.kinds), t, h, w), np.float32)
    ignore = np.zeros((b, 1, t, h, w), bool)
    rows = []
    for i, scene in enumerate(scenes):
        for thing in scene.things:
            points = scene.camera.project(thing.position) * h  # (T, 2) in positions
            covered = scene.hidden(thing)
            for frame in range(t):
                x, y = points[frame]
                if not (0 <= x < w and 0 <= y < h):
                    continue
                row, column = int(y), int(x)
                around = (slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2))
                if covered[frame]:
                    ignore[(i, 0, frame, *around)] = True
                    continue
                map_ = heat[i, config.kinds.index(thing.kind), frame]
                _splat(map_, y - 0.5, x - 0.5)
                map_[row, column] = 1.0
                rows.append(
                    (
                        i,
                        frame,
                        row,
                        column,
                        x - column,
                        y - row,
                        np.log(thing.height * scene.camera.zoom[frame]),
                        config.colours.index(thing.colour),
                        config.motions.index(thing.motion),
                        thing.heading > 0,
                        *letter_numbers(thing.word, config.letters),
                    )
                )
    table = torch.tensor(rows, dtype=torch.float32, device=clips.device).reshape(
        -1, 10 + config.letters
    )
    return Truth(
        clips,
        torch.from_numpy(heat).to(clips.device),
        torch.from_numpy(ignore).to(clips.device),
        table[:, :4].long(),
        table[:, 4:6],
        table[:, 6:7],
        table[:, 7].long(),
        table[:, 8].long(),
        table[:, 9:10],
        _labels(scenes, config, clips.device),
        table[:, 10:].long(),
    )


def _labels(scenes: list[Scene], config: ReaderConfig, device: torch.device) -> dict[str, Tensor]:
    """The attributes of scenes as numbers of their values, (B,) each."""
    attributes = [scene.attributes for scene in scenes]
    return {
        name: torch.tensor([values.index(of[name]) for of in attributes], device=device)
        for name, values in config.scene.items()
    }


def _splat(map_: NDArray[np.float32], row: float, column: float, sigma: float = 0.7) -> None:
    """A soft peak around a centre, so that a near miss costs little."""
    y, x = np.ogrid[: map_.shape[0], : map_.shape[1]]
    np.maximum(map_, 0.9 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2)), out=map_)


def losses(fields: Fields, batch: Truth) -> dict[str, Tensor]:
    """Focal loss on the map of centres (Zhou et al., arXiv 1904.07850, eq. 1); the rest where
    centres are.
    """
    p = fields.heat.sigmoid().clamp(1e-4, 1 - 1e-4)
    hit = (batch.heat == 1).float()
    free = (~batch.ignore).float().maximum(hit)  # the centre of what hides another still counts
    positive = hit * (1 - p) ** 2 * p.log()
    quiet = (1 - hit) * (1 - batch.heat) ** 4 * p**2 * (1 - p).log()
    count = max(1, len(batch.centres))
    b, t, r, c = batch.centres.unbind(1)
    at = lambda field: field[b, :, t, r, c]  # noqa: E731  (P, .)
    terms = {
        "heat": -((positive + quiet) * free).sum() / count,
        "offset": F.l1_loss(at(fields.offset), batch.offset),
        "height": F.l1_loss(at(fields.height), batch.height),
        "colour": F.cross_entropy(at(fields.colour), batch.colour),
        "motion": F.cross_entropy(at(fields.motion), batch.motion),
        "heading": F.binary_cross_entropy_with_logits(at(fields.heading), batch.heading),
    }
    if fields.letters is not None:
        logits = at(fields.letters).unflatten(1, (-1, LETTERS))  # (P, letters, 27)
        weights = logits.new_ones(LETTERS)
        weights[-1] = NO_LETTER_WEIGHT
        terms["letters"] = F.cross_entropy(
            logits.flatten(0, 1), batch.letters.flatten(), weight=weights
        )
    if not len(batch.centres):
        terms = {
            name: value if name == "heat" else value.new_zeros(()) for name, value in terms.items()
        }
    scene = {name: F.cross_entropy(fields.scene[name], batch.scene[name]) for name in batch.scene}
    return terms | scene
