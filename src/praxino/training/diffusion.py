"""The diffusion stage: a denoiser and its text encoder learn the diorama's latents, pictures and films together.

In part of the steps some tokens of each clip stay clean (time 0) and do not count in the loss: whole latent frames, or
all but a box. One model so learns to begin from a picture, to go on, to join and to fill in.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from praxino.config import Config
from praxino.data import shards
from praxino.data.clips import strip
from praxino.data.diorama import Edition, Scene, caption, compose
from praxino.data.diorama.wording import SENTENCES
from praxino.diffusion.objective import Times, Weighting, by_quartile, draw_times, target, weight
from praxino.diffusion.path import PATHS, shift_for_tokens
from praxino.errors import InputError
from praxino.models.dit import DiT, DiTConfig
from praxino.models.layout import LayoutConfig, channels, rasterize
from praxino.models.precision import fastest
from praxino.models.text import TextConfig, TextEncoder
from praxino.models.vae import VAE
from praxino.rng import Stream, generator
from praxino.shapes import VideoShape, token_grid
from praxino.storage import bundle, checkpoint
from praxino.storage.bundle import Bundle, BundleConfig
from praxino.training.layout import true_layouts
from praxino.training.sources import HERE, NOTHING, Sources, Workplace


class DiffusionConfig(Config):
    """What the denoiser sees and minimises."""

    kind: Literal["diffusion"] = "diffusion"
    bundle: BundleConfig
    dit: DiTConfig
    text: TextConfig
    seed: int = Field(0, ge=0, lt=2**32)
    edition: Edition = Field(2, description="of the diorama")
    clips: int = Field(24576, gt=0, description="different clips to learn from")
    batch: int = Field(64, gt=0, description="clips a step; a step of pictures takes four times as many")
    pictures: int = Field(5, ge=0, description="every how many steps is one of pictures; 0: never")
    drop: float = Field(0.1, ge=0, le=1, description="part of the sentences left out, for guidance")
    tags: float = Field(0.15, ge=0, le=1, description="part of lists of tags among the captions")
    paragraphs: float = Field(0.25, ge=0, le=1, description="part of paragraphs; the rest are sentences")
    keep_frames: float = Field(0.25, ge=0, le=1, description="part of the steps with clean latent frames")
    keep_box: float = Field(0.05, ge=0, le=1, description="part of the steps in which only a box is noisy")
    layout: LayoutConfig | None = Field(None, description="of the layouts that it is told; none: it is told none")
    drop_layout: float = Field(0.3, ge=0, le=1, description="part of the clips whose layout is left out")
    drop_thing: float = Field(0.1, ge=0, le=1, description="part of the things that are left out of a layout")
    jitter: float = Field(0.023, ge=0, description="largest displacement of a box, in picture heights")

    times: Times = "logit-normal"
    shift: float | None = Field(1.5, gt=0, description="of the times trained at; none: by the number of tokens")
    weighting: Weighting = "uniform"

    @model_validator(mode="after")
    def _parts_add_up(self) -> "DiffusionConfig":
        for one, other in (("keep_frames", "keep_box"), ("tags", "paragraphs")):
            if getattr(self, one) + getattr(self, other) > 1:
                raise ValueError(f"{one} and {other} are parts of a whole: at most 1 together")
        return self


@dataclass(frozen=True)
class Batch:
    """Latents, their sentences, which latent positions stay clean ((B, 1, t, h, w), True is clean), and layouts."""

    latents: Float[Tensor, "batch channels t h w"]
    sentences: list[str]
    clean: Tensor
    groups: Literal["clip", "frames", "tokens"]
    layout: Float[Tensor, "batch layout t h w"] | None = None


class Diffusion:
    """A `Stage` that trains a `DiT` and a `TextEncoder` on latents of a finished `VAE`."""

    def __init__(self, config: DiffusionConfig, sources: Sources = NOTHING, workplace: Workplace = HERE) -> None:
        self.config, init, self._film = config, sources.init, workplace.film
        self.device = torch.device(workplace.device)
        self.path = PATHS[config.bundle.path]()
        self.vae: VAE = bundle.read_vae(sources.autoencoder).to(self.device)
        if problem := bundle.mismatch(self.vae.config, config.dit, config.text.width):
            raise InputError(problem, "a run's networks must fit the autoencoder that it is given")
        size = config.bundle
        VideoShape(size.frames, size.height, size.width).check(self.vae.config.compression, config.dit.patch)
        if config.dit.layout != (channels(config.layout) if config.layout else 0):
            raise InputError(
                f"dit.layout {config.dit.layout}: not the channels of stage.layout", "leave both as they are"
            )
        torch.manual_seed(config.seed)
        self.dit, self.text = DiT(config.dit), TextEncoder(config.text)
        if init:
            checkpoint.fill(self.dit, self.dit.adapted(checkpoint.read_tensors(init / "dit")), str(init / "dit"))
            words = checkpoint.read_tensors(init / "text")
            words = self.text.adapted(words, checkpoint.read_config(init / "text", TextConfig))
            checkpoint.fill(self.text, words, str(init / "text"))
        self.module = nn.ModuleDict({"dit": self.dit, "text": self.text}).to(self.device)
        self.encoder = bundle.encoder_digest(self.vae)
        self.latents = shards.world_latents(
            self._encode,
            self.encoder,
            workplace.cache,
            shards.World(config.seed, size.frames, size.height, size.width, size.fps, config.edition),
            config.clips,
        )

    @torch.no_grad()
    def _encode(self, clips: Tensor) -> Tensor:
        clips = clips.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fastest(self.device.type) == "bfloat16"):
            return self.vae.encode(clips).float()

    def batch(self, number: int) -> Batch:
        config = self.config
        rng = generator(Stream.DIFFUSION_BATCH, config.seed, number)
        pictures = config.pictures > 0 and number % config.pictures == config.pictures - 1
        count = config.batch * (4 if pictures else 1)
        start = number * config.batch * 4
        chosen = shards.order(config.seed, len(self.latents), start, count)
        latents = self.latents[torch.from_numpy(chosen)].float()
        scenes = [self._scene(int(index)) for index in chosen]
        sentences = [worded(config, scene, start + i, rng) for i, scene in enumerate(scenes)]
        if pictures:
            latents = latents[:, :, :1]
        clean, groups = self._clean(latents, rng)
        layout = self._layout(scenes, sentences, latents, rng) if config.layout else None
        return Batch(latents.to(self.device), sentences, clean.to(self.device), groups, layout)

    def _layout(
        self, scenes: list[Scene], sentences: list[str], latents: Tensor, rng: np.random.Generator
    ) -> Float[Tensor, "batch layout t h w"]:
        """True layouts, moved a little, some things and some whole ones left out; mostly with the sentence, too."""
        config, count = self.config, len(scenes)
        assert config.layout is not None
        things, there, boxes = true_layouts(scenes, config.layout)
        silent = np.array([not sentence for sentence in sentences])
        left_out = rng.random(count) < np.where(silent, 0.7, config.drop_layout)
        there = there & torch.from_numpy((rng.random(there.shape) >= config.drop_thing) & ~left_out[:, None])
        moved = rng.uniform(-config.jitter, config.jitter, (*there.shape, 1, 2)).astype(np.float32)
        boxes[..., :2] += torch.from_numpy(moved)
        grid = (latents.shape[2], latents.shape[3], latents.shape[4])
        aspect = config.bundle.width / config.bundle.height
        return rasterize(things, there, boxes, config.layout, grid, aspect).to(self.device)

    def _scene(self, index: int) -> Scene:
        size = self.config.bundle
        aspect, edition = size.width / size.height, self.config.edition
        return compose(self.config.seed, index, size.frames, aspect, size.fps, edition=edition)

    def _clean(self, latents: Tensor, rng: np.random.Generator) -> tuple[Tensor, Literal["clip", "frames", "tokens"]]:
        b, _, t, h, w = latents.shape
        clean = torch.zeros(b, 1, t, h, w, dtype=torch.bool)
        way = rng.random()
        p, q, r = self.config.dit.patch
        if t == p or way > self.config.keep_frames + self.config.keep_box:
            return clean, "clip"
        if way < self.config.keep_frames:
            for row in clean:
                for frame in _clean_frames(t // p, rng):
                    row[:, frame * p : (frame + 1) * p] = True
            return clean, "frames"
        for row in clean:
            high, wide = int(rng.integers(1, max(2, h // q))) * q, int(rng.integers(1, max(2, w // r))) * r
            top, left = int(rng.integers((h - high) // q + 1)) * q, int(rng.integers((w - wide) // r + 1)) * r
            row[:] = True
            row[:, :, top : top + high, left : left + wide] = False
        return clean, "tokens"

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        x0, prediction = batch.latents, self.config.bundle.prediction
        t = draw_times(len(x0), generator, self.config.times, self._shift(x0))
        eps = torch.randn(x0.shape, generator=generator, device=x0.device)
        each = torch.where(batch.clean, 0.0, t.view(-1, 1, 1, 1, 1))  # (B, 1, t, h, w)
        alpha, sigma = self.path.alpha(each), self.path.sigma(each)
        text, counts = self.text.encode_merged(batch.sentences)
        context = self.dit.context(text, counts=counts)
        out = self.dit(alpha * x0 + sigma * eps, self._times(each, batch.groups), context, layout=batch.layout).float()
        error = (out - target(x0, eps, alpha, sigma, prediction)).square()
        noisy = (~batch.clean).float()
        factor = weight(alpha, sigma, prediction, self.config.weighting) * noisy
        per_clip = (factor * error).mean(dim=(1, 2, 3, 4)) / noisy.mean(dim=(1, 2, 3, 4))
        metrics = by_quartile(per_clip.detach(), t)
        if batch.latents.shape[2] == 1:
            metrics = {"loss/pictures": per_clip.mean().item()}
        return per_clip.mean(), metrics

    def _shift(self, latents: Tensor) -> float:
        if self.config.shift is not None:
            return self.config.shift
        grid = token_grid(latents.shape[2:], self.config.dit.patch)
        return shift_for_tokens(math.prod(grid), grid[0])

    def _times(self, each: Tensor, groups: str) -> Tensor:
        """The DiT's times (B, G) from a time per latent position."""
        p, q, r = self.config.dit.patch
        tokens = each[:, 0, ::p, ::q, ::r]  # (B, f, h, w)
        return {"clip": tokens[:, :1, 0, 0], "frames": tokens[:, :, 0, 0], "tokens": tokens.flatten(1)}[groups]

    def samples(self) -> NDArray[np.uint8]:
        """Films of the sentences that everybody tries first, one a row."""
        assert self._film is not None
        model = Bundle(self.config.bundle, self.vae, self.dit, self.text, digest="")
        sentences = (*SENTENCES, "a green box and a white dog in a room by day")
        return np.concatenate([strip(self._film(model, sentence)) for sentence in sentences])

    def save(self, folder: Path) -> None:
        bundle.write(folder, self.config.bundle, vae=self.vae, dit=self.dit, text=self.text)


def worded(config: DiffusionConfig, scene: Scene, wording: int, rng: np.random.Generator) -> str:
    """A scene as a training step is told it: tags, a sentence, a paragraph or nothing, in the config's shares."""
    if rng.random() < config.drop:
        return ""
    said = caption(scene, config.seed, wording)
    way = rng.random()
    if way < config.tags:
        return said.tags
    return said.paragraph if way < config.tags + config.paragraphs else said.sentence


def _clean_frames(t: int, rng: np.random.Generator) -> list[int]:
    """Which latent frames of ``t`` stay clean: the first, the first and last, a beginning, an end, or any."""
    cut = int(rng.integers(1, t))
    some = [i for i in range(t) if rng.random() < 0.4][: t - 1]
    ends = [0, t - 1] if t > 2 else [0]  # something must be left to learn
    ways = ([0], [0], ends, list(range(cut)), list(range(cut, t)), some)
    return ways[int(rng.integers(len(ways)))]
