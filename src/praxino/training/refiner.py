"""The refiner's stage: a denoiser learns to make a film of an enlarged one.

It begins as the denoiser of the model whose films it will refine, and sees windows of latents at
low noise, beside those of the enlarged film.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor

from praxino.config import Config
from praxino.data.diorama import Edition
from praxino.data.diorama.caption import caption
from praxino.data.diorama.split import UNSEEN
from praxino.data.latent_pairs import PairMaker, world_pairs
from praxino.data.latents import World, shuffled_indices
from praxino.data.pixels import Axis, enlarged, reduced, strip, to_pixels, to_tensor
from praxino.diffusion.path import Flow
from praxino.diffusion.prediction import as_denoiser
from praxino.diffusion.refinement import STARTS, refine
from praxino.errors import InputError
from praxino.models.dit import DiT, DiTConfig
from praxino.models.pictures import Pictures
from praxino.models.text import TextConfig, TextEncoder
from praxino.rng import Stream, generator
from praxino.shapes import window_starts
from praxino.storage.weights import bundle, checkpoint
from praxino.training.captions import CaptionMix, draw_captions
from praxino.training.encoding import LatentEncoder
from praxino.training.references import ReferenceConfig, draw_clips, draw_pictures
from praxino.training.sources import HERE, NOTHING, Sources, Workplace
from praxino.training.warm_start import adapt_refiner


class RefinerStageConfig(Config):
    """What the refiner sees and minimises."""

    kind: Literal["refiner"] = "refiner"
    dit: DiTConfig
    seed: int = Field(0, ge=0, lt=2**32)
    edition: Edition = Field(2, description="of the diorama")
    size: int = Field(64, gt=0, description="pixels of the films that are refined")
    fps: float = Field(8.0, gt=0, description="and their frames a second")
    frames: int = Field(33, gt=0, description="of the clips that windows are cut from, 4k+1")
    space_clips: int = Field(512, gt=1, description="different clips of twice the size")
    time_clips: int = Field(1024, gt=0, description="different clips of twice the rate")
    window: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (5, 8, 8), strict=False, description="latent frames, rows and columns"
    )
    batch: int = Field(48, gt=0)
    space: float = Field(0.6, ge=0, le=1, description="part of the steps of twice the size")
    captions: CaptionMix = CaptionMix(tags=0.1, paragraphs=0.7)
    damaged: float = Field(
        0.5, ge=0, le=1, description="part of the small films that are as the denoiser makes them"
    )
    most_damage: float = Field(
        0.3, ge=0, lt=1, description="time from which the denoiser makes them, at most"
    )
    condition_noise: float = Field(
        0.15, ge=0, lt=1, description="on the latents of the enlarged film, at most; it is not told"
    )
    most_time: float = Field(0.75, gt=0, le=1, description="times trained at, from 0 on")
    references: ReferenceConfig = ReferenceConfig()


@dataclass(frozen=True)
class RefinerBatch:
    """Windows of large films, and of the enlarged ones that they are to be made from."""

    latents: Float[Tensor, "batch channels t h w"]
    condition: Float[Tensor, "batch channels t h w"]
    sentences: list[str]
    pictures: Pictures | None

    def to(self, device: torch.device) -> "RefinerBatch":
        """The batch on a device."""
        pictures = None if self.pictures is None else self.pictures.to(device)
        latents, condition = self.latents.to(device), self.condition.to(device)
        return replace(self, latents=latents, condition=condition, pictures=pictures)


@dataclass(frozen=True)
class PairSource:
    """Clips of one size and rate, enlarged along one axis.

    Attributes
    ----------
    pairs : (clips, 2, C, t, h, w)
    portraits : (clips, PICTURES, C, h, w), optional
        Of the individuals of each clip.
    """

    world: World
    axis: Axis
    pairs: Tensor
    portraits: Tensor | None

    @property
    def shows(self) -> NDArray[np.bool_]:
        """Which clips show individuals."""
        assert self.portraits is not None
        return self.portraits.flatten(1).any(1).numpy()


class RefinerStage:
    """A `TrainingStage` that trains a `DiT` of twice as many channels in as out."""

    def __init__(
        self,
        config: RefinerStageConfig,
        sources: Sources = NOTHING,
        workplace: Workplace = HERE,
    ) -> None:
        self.config = config
        model = sources.init or sources.autoencoder
        self.encoder = LatentEncoder(sources, workplace)
        self.device, vae = self.encoder.device, self.encoder.vae.config
        width = checkpoint.read_config(model / "text", TextConfig).width
        if problem := bundle.mismatch(vae, config.dit, width, extra=vae.latent_channels):
            raise InputError(problem, "a refiner's network must fit the model that it refines")
        torch.manual_seed(config.seed)
        self.module = DiT(config.dit)
        self.text = bundle.read_part(model / "text", TextEncoder, TextConfig).to(self.device)
        self.base = bundle.read_part(model / "dit", DiT, DiTConfig).to(self.device)
        weights = adapt_refiner(self.module, self.base.state_dict())
        checkpoint.load_strict(self.module, weights, str(model / "dit"))
        self.module.to(self.device)
        self.sources = self._sources(workplace)

    def _sources(self, workplace: Workplace) -> list[PairSource]:
        """Clips of twice the size, at the films' rate and at twice that; then clips of twice the
        rate.
        """
        config, pair_sources = self.config, []
        plan: list[tuple[Axis, int, float, int]] = [
            ("space", 2 * config.size, config.fps, config.space_clips // 2),
            ("space", 2 * config.size, 2 * config.fps, config.space_clips // 2),
            ("time", config.size, 2 * config.fps, config.time_clips),
        ]
        maker = PairMaker(
            self.encoder.encode, self._decode, self._damaged, self.encoder.fingerprint + self._base
        )
        for number, (axis, size, fps, clips) in enumerate(plan):
            seed = config.seed + number
            world = World(seed, config.frames, size, size, fps, config.edition, single=0.6)
            pairs = world_pairs(maker, workplace.cache, world, axis, clips)
            small = replace(world, height=config.size, width=config.size)
            portraits = self.encoder.pictures(small, clips) if config.references.share else None
            pair_sources.append(PairSource(world, axis, pairs, portraits))
        return pair_sources

    @property
    def _base(self) -> str:
        """Names what small films are damaged by."""
        weights = [*self.base.parameters(), *self.text.parameters()]
        total = torch.stack([p.double().abs().sum() for p in weights]).sum()
        config = self.config
        return f" {total:.12e} {config.damaged} {config.most_damage} {config.window[0]}"

    @torch.no_grad()
    def _decode(self, latents: Tensor) -> Tensor:
        return self.encoder.vae.decode(latents.to(self.device)).float()

    @torch.no_grad()
    def _damaged(self, latents: Tensor, world: World, clip: int) -> Tensor:
        """Latents of a small film as they are, or as the denoiser makes them at low noise."""
        rng = generator(Stream.REFINER_PAIRS, world.seed, clip)
        if rng.random() >= self.config.damaged:
            return latents
        t = torch.tensor(rng.uniform(0, self.config.most_damage))
        noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32)).to(latents)
        text, counts = self.text.encode_merged([caption(world.scene(clip), world.seed, 0).sentence])
        context = self.base.context(text, counts=counts)
        estimate = as_denoiser(
            lambda x, t: self.base(x, t.to(x).expand(1, 1), context), Flow(), "velocity"
        )
        damaged, frames = latents.clone(), self.config.window[0]
        for first in window_starts(latents.shape[2], frames, 1):
            part = slice(first, first + frames)
            x = torch.lerp(latents[:, :, part], noise[:, :, part], t.float())
            damaged[:, :, part] = estimate(x, t)
        return damaged

    def batch(self, number: int) -> RefinerBatch:
        config = self.config
        rng = generator(Stream.REFINER_BATCH, config.seed, number)
        source = self.sources[int(rng.integers(2)) if rng.random() < config.space else 2]
        start, clips = number * config.batch, len(source.pairs)
        pictures: Pictures | None = None
        if rng.random() < config.references.share and source.portraits is not None:
            indices = draw_clips(
                config.references, source.shows, config.seed, start, config.batch, rng
            )
            scenes = [source.world.scene(int(clip)) for clip in indices]
            own = source.portraits[torch.from_numpy(indices)]
            pictures, scenes = draw_pictures(config.references, scenes, own, config.dit.slots, rng)
        else:
            indices = shuffled_indices(config.seed, clips, start, config.batch)
            scenes = [source.world.scene(int(clip)) for clip in indices]
        windows = [_window(source.pairs[clip], config.window, rng) for clip in indices.tolist()]
        latents, condition = torch.stack(windows, dim=1).float()
        sentences = draw_captions(config.captions, scenes, config.seed, start, rng)
        return RefinerBatch(latents, condition, sentences, pictures).to(self.device)

    def loss(
        self, batch: RefinerBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        x0, config = batch.latents, self.config

        def noise() -> Tensor:
            return torch.randn(x0.shape, generator=generator, device=x0.device)

        def share(most: float) -> Tensor:
            drawn = torch.rand(len(x0), generator=generator, device=x0.device)
            return (most * drawn).view(-1, 1, 1, 1, 1)

        t, eps = share(config.most_time), noise()
        condition = torch.lerp(batch.condition, noise(), share(config.condition_noise))
        with torch.no_grad():
            text, counts = self.text.encode_merged(batch.sentences)
            names = (
                self.text.name_slots(batch.sentences, text.shape[1]) if config.dit.slots else None
            )
        context = self.module.context(text, counts=counts, pictures=batch.pictures, names=names)
        x = torch.cat([torch.lerp(x0, eps, t), condition], dim=1)
        error = F.mse_loss(self.module(x, t.view(-1, 1), context).float(), eps - x0)
        return error, {"kept": F.mse_loss(batch.condition, x0).item()}

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """Clips never trained on: enlarged along each axis, refined, and as they are."""
        rows = []
        for source in self.sources[::2]:
            for clip in range(UNSEEN, UNSEEN + 2):
                true = source.world.pixels(clip, clip + 1)[0]
                small = self.encoder.encode(to_tensor(reduced(true, source.axis)[None]))
                film = enlarged(to_pixels(self._decode(small))[0], source.axis)
                scene = source.world.scene(clip)
                refined = self._refined(film, source.axis, caption(scene, 0, 0).sentence)
                side = 2 * self.config.size
                tall = np.concatenate([strip(one) for one in (film, refined, true)])
                rows.append(_widened(tall, 6 * side))
        return np.concatenate(rows)

    def _refined(self, film: NDArray[np.uint8], axis: Axis, sentence: str) -> NDArray[np.uint8]:
        text, counts = self.text.encode_merged([sentence])
        context = self.module.context(text, counts=counts)

        def network(x: Tensor, t: Tensor) -> Tensor:
            return self.module(x, t.to(x).expand(len(x), 1), context.repeated(len(x)))

        latents = self.encoder.encode(to_tensor(film[None]))
        noise = torch.Generator().manual_seed(self.config.seed)
        *_, last = refine(network, latents, STARTS[axis], self.config.window, noise)
        return to_pixels(self._decode(last.x))[0]

    def save(self, folder: Path) -> None:
        checkpoint.save(folder / "refiner", self.config.dit, self.module.state_dict())


def _window(pair: Tensor, window: tuple[int, int, int], rng: np.random.Generator) -> Tensor:
    """Cut one window out of both latents of a pair: (2, C, t, h, w)."""
    corner = [
        int(rng.integers(size - part + 1))
        for size, part in zip(pair.shape[2:], window, strict=True)
    ]
    f, r, c = (slice(first, first + part) for first, part in zip(corner, window, strict=True))
    return pair[:, :, f, r, c]


def _widened(picture: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """A picture on black, as wide as others."""
    return np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0)))
