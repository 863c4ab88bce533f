"""The diffusion stage: a denoiser and its text encoder learn the diorama's latents, pictures and
films together.

In part of the steps some tokens of each clip stay clean (time 0) and do not count in the loss:
whole latent frames, or all but a box. One model so learns to begin from a picture, to go on, to
join and to fill in.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from praxino.config import Config
from praxino.data.diorama import Edition, Scene
from praxino.data.diorama.layouts import shown_things
from praxino.data.diorama.phrases import SENTENCES
from praxino.data.latents import World, shuffled_indices
from praxino.data.pixels import strip
from praxino.diffusion.objective import Times, Weighting, by_quartile, draw_times, weight
from praxino.diffusion.path import PATHS, shift_for_tokens
from praxino.diffusion.prediction import estimate_x0, target
from praxino.errors import InputError
from praxino.models.dit import DiT, DiTConfig
from praxino.models.layout import LayoutConfig
from praxino.models.pictures import Pictures
from praxino.models.raster import cover_of, draw_portraits, portraits_of, rasterize
from praxino.models.text import ENTITY_NAMES, TextConfig, TextEncoder
from praxino.models.vae import VAEConfig
from praxino.rng import Stream, generator
from praxino.shapes import VideoShape, token_grid
from praxino.storage.weights import bundle, checkpoint
from praxino.storage.weights.bundle import Bundle, BundleConfig
from praxino.training.batch import Auxiliary, Batch, LayoutChannels
from praxino.training.captions import CaptionMix, draw_captions
from praxino.training.consistency import ConsistencyConfig, ConsistencyLoss, places_of
from praxino.training.encoding import LatentEncoder
from praxino.training.grounding import GroundingConfig, GroundingHead
from praxino.training.layout import true_layouts, window_boxes, world_layout
from praxino.training.references import (
    ReferenceConfig,
    draw_clips,
    draw_pictures,
    named_slots,
)
from praxino.training.routing import RoutingConfig, RoutingLoss
from praxino.training.sources import HERE, NOTHING, Sources, Workplace
from praxino.training.tasks import (
    TaskMix,
    WindowConfig,
    corrupt,
    draw_task,
    draw_windows,
    no_task,
    token_times,
)
from praxino.training.warm_start import adapt_denoiser, adapt_text


class DiffusionConfig(Config):
    """What the denoiser sees and minimises."""

    kind: Literal["diffusion"] = "diffusion"
    bundle: BundleConfig
    dit: DiTConfig
    text: TextConfig
    seed: int = Field(0, ge=0, lt=2**32)
    edition: Edition = Field(2, description="of the diorama")
    clips: int = Field(
        24576, gt=0, description="different clips to learn from; in each stretch others"
    )
    stretch: int = Field(0, ge=0, description="batches of a stretch; 0: all of them are one")
    single: float = Field(
        1.0, gt=0, le=1, description="part of the scenes with fewer than two things that is taken"
    )
    batch: int = Field(
        64, gt=0, description="clips a step; a step of pictures takes four times as many"
    )
    cuda_batch: int = Field(512, gt=0, description="the same where a GPU trains")
    pictures: int = Field(5, ge=0, description="every how many steps is one of pictures; 0: never")
    drop: float = Field(0.1, ge=0, le=1, description="part of the sentences left out, for guidance")
    tags: float = Field(0.15, ge=0, le=1, description="part of lists of tags among the captions")
    paragraphs: float = Field(
        0.25, ge=0, le=1, description="part of paragraphs; the rest are sentences"
    )
    tasks: TaskMix = TaskMix()
    windows: WindowConfig = WindowConfig()
    references: ReferenceConfig = ReferenceConfig()
    layout: LayoutConfig | None = Field(
        None, description="of the layouts that it is told; none: it is told none"
    )
    drop_layout: float = Field(
        0.3, ge=0, le=1, description="part of the clips whose layout is left out"
    )
    drop_thing: float = Field(
        0.1, ge=0, le=1, description="part of the things that are left out of a layout"
    )
    jitter: float = Field(
        0.023, ge=0, description="largest displacement of a box, in picture heights"
    )

    times: Times = "logit-normal"
    shift: float | None = Field(
        1.5, gt=0, description="of the times trained at; none: by the number of tokens"
    )
    weighting: Weighting = "uniform"
    thing_weight: float = Field(
        0.0, ge=0, description="how much more an error counts where a thing is"
    )
    grounding: GroundingConfig = GroundingConfig()
    routing: RoutingConfig = RoutingConfig()
    consistency: ConsistencyConfig = ConsistencyConfig()
    fade: tuple[NonNegativeInt, PositiveInt] | None = Field(
        None,
        strict=False,
        description="batches between which thing_weight and the weights of grounding and routing "
        "fall linearly to 0; a cooldown sets them to its own",
    )

    @model_validator(mode="after")
    def _parts_add_up(self) -> "DiffusionConfig":
        if self.tags + self.paragraphs > 1:
            raise ValueError("tags and paragraphs are parts of a whole: at most 1 together")
        if self.tasks.frames + self.tasks.box + self.tasks.border > 1:
            raise ValueError("tasks are parts of a whole: at most 1 together")
        if self.fade and self.fade[0] >= self.fade[1]:
            raise ValueError(f"fade {self.fade}: the first batch, then a later one")
        return self

    @property
    def captions(self) -> CaptionMix:
        """How a clip is told."""
        return CaptionMix(drop=self.drop, tags=self.tags, paragraphs=self.paragraphs)

    def auxiliary_share(self, number: int) -> float:
        """What is left in batch ``number`` of all that the loss asks beside the prediction."""
        if self.fade is None:
            return 1.0
        first, end = self.fade
        return min(1.0, max(0.0, (end - number) / (end - first)))


class Diffusion:
    """A `TrainingStage` that trains a `DiT` and a `TextEncoder` on latents of a finished `VAE`."""

    def __init__(
        self, config: DiffusionConfig, sources: Sources = NOTHING, workplace: Workplace = HERE
    ) -> None:
        self.config, init, self._film = config, sources.init, workplace.film
        self.encoder = LatentEncoder(sources, workplace)
        self.vae, self.device = self.encoder.vae, self.encoder.device
        self.path = PATHS[config.bundle.path]()
        _require_fitting(config, self.vae.config)
        size = config.bundle
        torch.manual_seed(config.seed)
        self.dit, self.text = DiT(config.dit), TextEncoder(config.text)
        if init:
            self._load(init)
        self.module = nn.ModuleDict({"dit": self.dit, "text": self.text})
        self.head: GroundingHead | None = None
        if config.grounding.weight:
            self.head = self.module["grounding"] = GroundingHead(
                config.grounding, self.dit, config.dit.layout
            )
        self.routing = RoutingLoss(config.routing, self.dit) if config.routing.weight else None
        self.consistency: ConsistencyLoss | None = None
        if config.consistency.weight:
            self.consistency = ConsistencyLoss(config.consistency, self.vae)
        self.module.to(self.device)
        self.world = World(
            config.seed,
            size.frames,
            size.height,
            size.width,
            size.fps,
            config.edition,
            config.single,
        )
        self.long_world = replace(self.world, frames=config.windows.frames)
        self._stretch: tuple[int, Tensor] = (-1, torch.empty(0))
        self._portraits: tuple[int, Tensor, NDArray[np.bool_]] = (
            -1,
            torch.empty(0),
            np.empty(0, bool),
        )
        self._long: Tensor | None = None
        self._latents(0)  # what keeps them from being made or kept is said before the first step
        if config.windows.share:
            self._long = self.encoder.latents(self.long_world, config.windows.clips)

    def _load(self, init: Path) -> None:
        """Begin with the weights of a model folder."""
        trained = checkpoint.read_config(init / "dit", DiTConfig)
        weights = adapt_denoiser(self.dit, checkpoint.read_tensors(init / "dit"), trained)
        checkpoint.load_strict(self.dit, weights, str(init / "dit"))
        words = checkpoint.read_tensors(init / "text")
        before = checkpoint.read_config(init / "text", TextConfig)
        words = adapt_text(self.text, words, before)
        checkpoint.load_strict(self.text, words, str(init / "text"))

    def _latents(self, stretch: int) -> Tensor:
        """Latents of the clips of a stretch; those of one stretch are in memory."""
        if self._stretch[0] != stretch:
            count = self.config.clips
            latents = self.encoder.latents(self.world, count, stretch * count)
            self._stretch = stretch, latents
        return self._stretch[1]

    def _pictures(self, stretch: int) -> tuple[Tensor, NDArray[np.bool_]]:
        """Latents of the individuals of each clip of a stretch, and which clips show some; those
        of one stretch are in memory.
        """
        if self._portraits[0] != stretch:
            first = stretch * self.config.clips
            pictures = self.encoder.pictures(self.world, self.config.clips, first)
            self._portraits = stretch, pictures, pictures.flatten(1).any(1).numpy()
        return self._portraits[1:]

    def batch(self, number: int) -> Batch:
        rng = generator(Stream.DIFFUSION_BATCH, self.config.seed, number)
        if rng.random() < self.config.windows.share:
            return self._window_batch(number, rng)
        config = self.config
        still = config.pictures > 0 and number % config.pictures == config.pictures - 1
        count = config.batch * (4 if still else 1)
        start = number * config.batch * 4
        stretch = number // config.stretch if config.stretch else 0
        portraits = None
        if rng.random() < config.references.share:
            portraits, shows = self._pictures(stretch)
            indices = draw_clips(config.references, shows, config.seed, start, count, rng)
        else:
            indices = shuffled_indices(config.seed, config.clips, start, count)
        latents = self._latents(stretch)[torch.from_numpy(indices)].float()
        scenes = [self.world.scene(stretch * config.clips + int(clip)) for clip in indices]
        pictures: Pictures | None = None
        if portraits is not None:
            own = portraits[torch.from_numpy(indices)]
            pictures, scenes = draw_pictures(config.references, scenes, own, config.dit.slots, rng)
        sentences = draw_captions(config.captions, scenes, config.seed, start, rng)
        if still:
            latents = latents[:, :, :1]
        layout = self._layout(scenes, sentences, latents.shape, rng, pictures=pictures)
        task = draw_task(config.tasks, latents.shape, config.dit.patch, layout.cover, rng)
        return Batch(
            latents,
            latents,
            sentences,
            task,
            layout.channels,
            pictures,
            self._weight(layout, number),
            self._auxiliary(layout, number, pictures),
        ).to(self.device)

    def _window_batch(self, number: int, rng: np.random.Generator) -> Batch:
        """Windows of long clips: history is given, told to be clean though it seldom is."""
        config, start = self.config, number * self.config.batch * 4
        assert self._long is not None
        indices = shuffled_indices(config.seed, config.windows.clips, start, config.batch)
        places = draw_windows(self._long.shape[2], config.batch, rng)
        rows = [
            self._long[clip][:, place]
            for clip, place in zip(indices.tolist(), places.tolist(), strict=True)
        ]
        latents = torch.stack(rows).float()
        scenes = [self.long_world.scene(int(clip)) for clip in indices]
        sentences = draw_captions(config.captions, scenes, config.seed, start, rng)
        layout = self._layout(scenes, sentences, latents.shape, rng, places)
        task = no_task(latents.shape)
        task.clean[:, :, :3] = True
        inputs = torch.cat(
            [corrupt(latents[:, :, :3], config.windows, rng), latents[:, :, 3:]], dim=2
        )
        return Batch(
            latents,
            inputs,
            sentences,
            replace(task, groups="frames"),
            layout.channels,
            None,
            self._weight(layout, number),
            self._auxiliary(layout, number),
        ).to(self.device)

    def _auxiliary(
        self, layout: LayoutChannels, number: int, pictures: Pictures | None = None
    ) -> Auxiliary:
        share, config = self.config.auxiliary_share(number), self.config
        routes = places = None
        slots = named_slots(layout.names, layout.cover.shape[1])
        if self.routing is not None and pictures is not None:
            batch, _, *size = layout.cover.shape
            routes = layout.cover.new_zeros(batch, config.dit.slots, *size)
            row, thing = (slots >= 0).nonzero(as_tuple=True)
            routes[row, slots[row, thing]] = layout.cover[row, thing]
        if self.consistency is not None and pictures is not None:
            places = places_of(slots >= 0, layout.boxes, config.bundle.width / config.bundle.height)
        return Auxiliary(
            share * config.grounding.weight,
            share * config.routing.weight,
            config.consistency.weight,
            layout.true,
            routes,
            places,
        )

    def _weight(self, layout: LayoutChannels, number: int) -> Tensor:
        """(B, 1, t, h, w): 1 on average, more where things are, and most on individuals whose
        pictures are given.
        """
        named = named_slots(layout.names, layout.cover.shape[1]) >= 0
        things = self.config.auxiliary_share(number) * self.config.thing_weight
        extra = things + self.config.references.weight * named[:, :, None, None, None]
        weight = 1 + (extra * layout.cover).amax(1, keepdim=True)
        return weight / weight.mean(dim=(1, 2, 3, 4), keepdim=True)

    def _layout(
        self,
        scenes: list[Scene],
        sentences: list[str],
        size: torch.Size,
        rng: np.random.Generator,
        places: NDArray[np.int64] | None = None,
        pictures: Pictures | None = None,
    ) -> LayoutChannels:
        """The layouts of a batch; whole ones are left out mostly where the sentence is left out,
        too.

        ``places`` are the latent frames of windows; ``pictures`` become portraits.
        """
        config, count, (t, h, w) = self.config, len(scenes), tuple(size[2:])
        layout = config.layout or world_layout()
        things, there, boxes = true_layouts(scenes, layout)
        if places is not None:
            boxes = window_boxes(boxes, places)
        aspect = config.bundle.width / config.bundle.height
        cover = cover_of(there, boxes, (t, h, w), aspect)
        names = [[thing.name for thing in shown_things(scene)] for scene in scenes]
        if config.layout is None:
            return LayoutChannels(None, None, cover, boxes, names)
        true = rasterize(things, there, boxes, layout, (t, h, w), aspect) if self.head else None
        silent = np.array([not sentence for sentence in sentences])
        left_out = rng.random(count) < np.where(silent, 0.7, config.drop_layout)
        there = there & torch.from_numpy(
            (rng.random(there.shape) >= config.drop_thing) & ~left_out[:, None]
        )
        moved = rng.uniform(-config.jitter, config.jitter, (*there.shape, 1, 2)).astype(np.float32)
        near = boxes.clone()
        near[..., :2] += torch.from_numpy(moved)
        coloured = portraits = None
        if pictures is not None and config.dit.portraits:
            slots = torch.where(there, named_slots(names, there.shape[1]), -1)
            images, present = portraits_of(pictures, slots)
            portraits = draw_portraits(images, present, things, near, layout, (t, h, w), aspect)
            hidden = torch.from_numpy(rng.random(there.shape) < config.references.colourless)
            coloured = ~(present & hidden)
        raster = rasterize(things, there, near, layout, (t, h, w), aspect, coloured)
        if portraits is not None:
            raster = torch.cat([raster, portraits], dim=1)
        return LayoutChannels(raster, true, cover, boxes, names)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        x0, task, prediction = batch.latents, batch.task, self.config.bundle.prediction
        t = draw_times(len(x0), generator, self.config.times, self._shift(x0))
        eps = torch.randn(x0.shape, generator=generator, device=x0.device)
        # (B, 1, t, h, w)
        times = torch.where(task.clean, task.times.view(-1, 1, 1, 1, 1), t.view(-1, 1, 1, 1, 1))
        alpha, sigma = self.path.alpha(times), self.path.sigma(times)
        text, counts = self.text.encode_merged(batch.sentences)
        names = (
            self.text.name_slots(batch.sentences, text.shape[1]) if self.config.dit.slots else None
        )
        context = self.dit.context(text, counts=counts, pictures=batch.pictures, names=names)
        x = alpha * torch.where(task.clean, batch.inputs, x0) + sigma * eps
        out = self.dit(
            x, token_times(times, task.groups, self.config.dit.patch), context, layout=batch.layout
        ).float()
        error = (out - target(x0, eps, alpha, sigma, prediction)).square()
        noisy = (~task.clean).float()
        factor = weight(alpha, sigma, prediction, self.config.weighting) * noisy * batch.weight
        per_clip = (factor * error).mean(dim=(1, 2, 3, 4)) / (noisy * batch.weight).mean(
            dim=(1, 2, 3, 4)
        )
        metrics = by_quartile(per_clip.detach(), t)
        if batch.latents.shape[2] == 1:
            metrics = {"loss/pictures": per_clip.mean().item()}
        loss, also = per_clip.mean(), batch.auxiliary
        if self.head is not None and also.grounding and also.truth is not None:
            error = self.head.loss(also.truth)
            loss, metrics["grounding"] = loss + also.grounding * error, error.item()
        if self.routing is not None and also.routing and also.routes is not None:
            assert batch.pictures is not None
            error = self.routing.loss(batch.pictures, also.routes)
            loss, metrics["routing"] = loss + also.routing * error, error.item()
        if self.consistency is not None and also.places is not None and len(also.places):
            x0_of = estimate_x0(out, x, alpha, sigma, prediction)
            aspect = self.config.bundle.width / self.config.bundle.height
            error = self.consistency.loss(x0_of, x0, t, also.places, aspect)
            loss = loss + also.consistency * error
            metrics["consistency"] = error.item()
        return loss, metrics

    def _shift(self, latents: Tensor) -> float:
        if self.config.shift is not None:
            return self.config.shift
        grid = token_grid(latents.shape[2:], self.config.dit.patch)
        return shift_for_tokens(math.prod(grid), grid[0])

    def samples(self) -> NDArray[np.uint8]:
        """Films of the sentences that everybody tries first, one a row."""
        assert self._film is not None
        model = Bundle(self.config.bundle, self.vae, self.dit, self.text, digest="")
        sentences = (*SENTENCES, "a green box and a white dog in a room by day")
        return np.concatenate([strip(self._film(model, sentence)) for sentence in sentences])

    def save(self, folder: Path) -> None:
        bundle.write(folder, self.config.bundle, vae=self.vae, dit=self.dit, text=self.text)


def _require_fitting(config: DiffusionConfig, vae: VAEConfig) -> None:
    """Raise `InputError` if a run's networks do not fit one another, or its films not these."""
    if problem := bundle.mismatch(vae, config.dit, config.text.width):
        raise InputError(problem, "a run's networks must fit the autoencoder that it is given")
    size = config.bundle
    VideoShape(size.frames, size.height, size.width).validate(vae.compression, config.dit.patch)
    if config.references.share and not 2 <= config.dit.slots <= len(ENTITY_NAMES):
        raise InputError(
            "stage.references.share: the denoiser has no slots for pictures",
            "stage.dit.slots=4",
        )
    if config.dit.portraits and not (config.layout and config.references.share):
        raise InputError(
            "stage.dit.portraits: there are no boxes or no pictures to draw portraits of",
            "a run with stage.layout and stage.references.share",
        )
    if config.dit.layout != (config.layout.channels if config.layout else 0):
        raise InputError(
            f"dit.layout {config.dit.layout}: not the channels of stage.layout",
            "leave both as they are",
        )
    if config.grounding.weight and not (
        config.layout and config.grounding.layer <= config.dit.layers
    ):
        raise InputError(
            "stage.grounding.weight: the head reads layouts after one of the denoiser's blocks",
            "a run with stage.layout, and a stage.grounding.layer that there is",
        )
    if config.consistency.weight and not config.references.share:
        raise InputError(
            "stage.consistency.weight: no step has pictures of individuals",
            "a run with stage.references.share",
        )
    if config.routing.weight and not (
        config.references.share and max(config.routing.layers, default=0) <= config.dit.layers
    ):
        raise InputError(
            "stage.routing.weight: the loss reads blocks of the denoiser that look at pictures",
            "a run with stage.references.share, and stage.routing.layers that there are",
        )
