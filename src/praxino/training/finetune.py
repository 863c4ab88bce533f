"""The fine-tuning stage: a model of this house, or of Wan, goes on with clips of a dataset, in full
or by a LoRA.

Clips lie in buckets of one shape; latents and, where the text encoder is not trained, its tokens
are made once and kept.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.data.buckets import Bucket, BucketConfig
from praxino.data.clips import ClipDataset
from praxino.data.pixels import strip, to_pixels
from praxino.diffusion.objective import Times, Weighting, by_quartile, draw_times, weight
from praxino.diffusion.path import PATHS, grid, shift_for_tokens
from praxino.diffusion.prediction import estimate_x0, quantize_time, target
from praxino.diffusion.sampling import euler
from praxino.errors import InputError
from praxino.log import logger
from praxino.models.dit import DiT
from praxino.models.text import TextEncoder
from praxino.models.vae import VAE
from praxino.rng import Stream, generator
from praxino.shapes import VideoShape, token_grid
from praxino.storage.wan.names import to_foreign
from praxino.storage.weights import bundle, checkpoint
from praxino.training.corpus import CaptionTokens, Corpus, CorpusConfig, clip_tokens
from praxino.training.lora import LoRAAdapter
from praxino.training.sources import HERE, NOTHING, Sources, Workplace, read_model
from praxino.training.tasks import TaskCondition, TaskMix, draw_task, no_task, token_times
from praxino.training.training_memory import step_bytes

HELD_OUT_BATCHES: Final = 2
"""Batches of clips that are never trained on, of which the error is measured."""
SAMPLES: Final = 4
SAMPLE_STEPS: Final = 20


class FinetuneConfig(Config):
    """What a model learns of a dataset."""

    kind: Literal["finetune"] = "finetune"
    dataset: str = Field("", description="folder of clips, as praxino curate makes it")
    lora: int = Field(0, ge=0, le=1024, description="rank of a LoRA; 0: all weights are trained")
    dialect: Literal["comfyui", "diffusers", "kohya"] = "comfyui"
    expert: Literal["", "high", "low"] = Field("", description="of a model of two")
    buckets: BucketConfig | None = Field(
        None, description="none: the model's own frames and area, and pictures"
    )
    fps: float = Field(0.0, ge=0, description="frames a second that are learned; 0: the model's")
    batch: int = Field(
        16, gt=0, description="clips of the model's own shape whose tokens a batch has"
    )
    held_out: float = Field(
        0.05, ge=0, lt=1, description="part of the clips that is not trained on"
    )
    evaluate_every: int = Field(50, gt=0, description="steps between two looks at those")
    drop: float = Field(0.1, ge=0, le=1, description="part of the captions left out, for guidance")
    tasks: TaskMix = Field(
        TaskMix(frames=0.2, box=0.0, border=0.0),
        description="for models that may be given frames",
    )
    seed: int = Field(0, ge=0, lt=2**32)
    times: Times = "logit-normal"
    shift: float | None = Field(None, gt=0, description="of the times; none: by tokens")
    weighting: Weighting = "uniform"


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """Clips of one bucket: latents (B, C, t, h, w), captions, and what is given of them."""

    number: int
    latents: Tensor
    captions: list[str]
    task: TaskCondition

    def to(self, device: torch.device) -> "ClipBatch":
        """The batch on a device."""
        task = replace(
            self.task, clean=self.task.clean.to(device), times=self.task.times.to(device)
        )
        return replace(self, latents=self.latents.to(device), task=task)


class Finetune:
    """A `TrainingStage` that trains the denoiser of the model in ``sources.init``.

    Raises
    ------
    InputError
        If no model or no dataset is named, or they do not fit.
    """

    def __init__(
        self, config: FinetuneConfig, sources: Sources = NOTHING, workplace: Workplace = HERE
    ) -> None:
        if sources.init is None:
            raise InputError("no model to go on with", "--init diorama, or a folder", "init")
        if not config.dataset:
            raise InputError("no dataset", "praxino train finetune DATASET --init ...", "dataset")
        self.config, self.init, self.cache = config, sources.init, workplace.cache
        self.device = torch.device(workplace.device)
        self.parts = read_model(sources.init)
        own = self.parts.config
        if own.pictures in ("channels", "control") or self.parts.vision is not None:
            raise InputError(f"{own.name} needs pictures beside the noise", "another model", "init")
        if bool(self.parts.low) != bool(config.expert):
            what = "says which expert" if self.parts.low else "has no experts"
            raise InputError(
                f"expert={config.expert!r}: {own.name} {what}", "high or low", "expert"
            )
        self.path = PATHS[own.path]()
        self.vae = self._autoencoder(sources).to(self.device).requires_grad_(False)
        part = self.parts.low if config.expert == "low" else self.parts.dit
        assert part is not None
        torch.manual_seed(config.seed)
        self.dit: DiT = part.load(torch.float32).to(self.device)
        self.corpus = self._corpus(ClipDataset(Path(config.dataset)))
        self.text: TextEncoder | None = None
        encoder = self.parts.text.load(torch.float32)
        if isinstance(encoder, TextEncoder) and not config.lora:
            self.text = self.corpus.with_words(encoder, str(self.init))
        else:
            captions = [*(clip.caption for clip in self.corpus.data.clips), "", own.negative]
            self.tokens = CaptionTokens(encoder, captions, self.parts.digest, self.cache)
        self.module = self._trained().to(self.device)
        self.corpus.tell()
        logger.info("the dearest step takes about %.2f GB", self.dearest_step() / 1e9)
        self.corpus.encode(self.device)

    def _autoencoder(self, sources: Sources) -> VAE:
        """The model's own, or another one that it is to work with from now on."""
        own = self.parts.vae.load(torch.float32)
        if sources.vae is None:
            return own
        other = bundle.read_vae(sources.vae)
        for name in ("latent_channels", "compression"):
            if getattr(other.config, name) != getattr(own.config, name):
                raise InputError(
                    f"{sources.vae}: its {name} are {getattr(other.config, name)}, not the model's "
                    f"{getattr(own.config, name)}",
                    "an autoencoder that began as the model's",
                    "vae",
                )
        return other

    def _corpus(self, data: ClipDataset) -> Corpus:
        """The dataset in the model's own shapes, or in those that are network_times for."""
        config, own = self.config, self.parts.config
        side = round(math.sqrt(own.height * own.width))
        buckets = config.buckets or BucketConfig(frames=(1, own.frames), areas=(side,), widest=1.0)
        if config.buckets is None:
            shape, patch = Bucket(own.frames, side, side), self.dit.config.patch
            tokens = config.batch * clip_tokens(shape, self.vae.config.compression, patch)
            buckets = buckets.model_copy(update={"tokens": tokens})
        sorting = CorpusConfig(
            buckets=buckets,
            fps=config.fps or own.fps,
            held_out=config.held_out,
            seed=config.seed,
        )
        return Corpus(data, sorting, self.vae, self.dit.config.patch, self.cache)

    def _trained(self) -> nn.Module:
        if self.config.lora:
            self.dit.requires_grad_(False)
            self.adapter = LoRAAdapter(self.dit, self.config.lora)
            return nn.ModuleDict({"lora": self.adapter})
        self.dit.requires_grad_(True).train()
        parts: dict[str, nn.Module] = {"dit": self.dit}
        if self.text is not None:
            parts["text"] = self.text
        return nn.ModuleDict(parts)

    @property
    def denoisers(self) -> list[DiT]:
        """The one that is trained, or that a LoRA stands beside."""
        return [self.dit]

    def _largest(self) -> tuple[Bucket, int]:
        """The bucket whose batches have most tokens, and how many clips."""
        batches, tokens = self.corpus.batches, self.corpus.tokens
        sizes = zip(batches.buckets, batches.sizes.tolist(), strict=True)
        return max(sizes, key=lambda pair: pair[1] * tokens[pair[0]])

    def largest_batch(self) -> ClipBatch:
        """A batch of the bucket that takes most memory."""
        one, count = self._largest()
        own = self.corpus.batches.members[self.corpus.batches.buckets.index(one)]
        return self._batch(0, one, np.resize(own, count), None)

    def dearest_step(self) -> int:
        """Bytes of the step of the bucket that takes most."""
        one, count = self._largest()
        channels, width = self.vae.config.latent_channels, self.dit.config.text_width
        shape = VideoShape(*one).latent(self.vae.config.compression, channels)

        def forward() -> Tensor:
            x = torch.empty(count, *shape.size()[1:])
            return self.dit(x, torch.empty(count, 1), torch.empty(count, 64, width)).sum()

        return step_bytes([self.dit, self.vae, self.module], forward)

    def batch(self, number: int) -> ClipBatch:
        one, clips = self.corpus.batches.batch(number)
        return self._batch(
            number, one, clips, generator(Stream.FINETUNE_BATCH, self.config.seed, number)
        )

    def _batch(
        self, number: int, one: Bucket, clips: NDArray[np.int64], rng: np.random.Generator | None
    ) -> ClipBatch:
        latents = self.corpus.latents(one, clips.tolist())
        captions = self.corpus.captions(clips.tolist())
        task = no_task(latents.shape)
        if rng is not None:
            captions = [text if rng.random() >= self.config.drop else "" for text in captions]
            if self.parts.config.pictures == "clean":
                task = draw_task(self.config.tasks, latents.shape, self.dit.config.patch, None, rng)
        return ClipBatch(number, latents, captions, task).to(self.device)

    def loss(self, batch: ClipBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        per_clip, t = self._errors(batch, generator)
        return per_clip.mean(), by_quartile(per_clip.detach(), t)

    def _errors(self, batch: ClipBatch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The error of each clip, and its time, (B,) each."""
        x0, task, own = batch.latents, batch.task, self.parts.config
        t = self._times(len(x0), generator, x0)
        eps = torch.randn(x0.shape, generator=generator, device=x0.device)
        times = torch.where(task.clean, task.times.view(-1, 1, 1, 1, 1), t.view(-1, 1, 1, 1, 1))
        alpha, sigma = self.path.alpha(times), self.path.sigma(times)
        network_times = quantize_time(
            token_times(times, task.groups, self.dit.config.patch), own.ticks
        )
        out = self.dit(
            alpha * x0 + sigma * eps, network_times, self._context(batch.captions)
        ).float()
        error = (out - target(x0, eps, alpha, sigma, own.prediction)).square()
        noisy = (~task.clean).float()
        factor = weight(alpha, sigma, own.prediction, self.config.weighting) * noisy
        return (factor * error).mean(dim=(1, 2, 3, 4)) / noisy.mean(dim=(1, 2, 3, 4)), t

    def _times(self, count: int, generator: torch.Generator, latents: Tensor) -> Tensor:
        """Times in which the network that is trained is network_times."""
        grid_ = token_grid(latents.shape[2:], self.dit.config.patch)
        shift = self.config.shift or shift_for_tokens(math.prod(grid_), grid_[0])
        t = draw_times(count, generator, self.config.times, shift)
        low, high = 0.0, 1.0
        if self.config.expert:
            boundary = self.parts.config.boundary or 0.0
            low, high = (boundary, 1.0) if self.config.expert == "high" else (0.0, boundary)
        return low + (high - low) * t

    def _context(self, captions: list[str]) -> Any:
        if self.text is not None:
            text, counts = self.text.encode_merged(captions)
            return self.dit.context(text, counts=counts)
        text, counts = self.tokens.merged(captions)
        counts = None if counts is None else counts.to(self.device)
        return self.dit.context(text.to(self.device), counts=counts)

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """Errors on clips that are not trained on, by quarters of time, the noise always the same;
        nothing where it is not their step.
        """
        if self.corpus.aside is None or step % self.config.evaluate_every:
            return {}
        drawn = torch.Generator(device=self.device).manual_seed(0)
        errors = []
        for number in range(min(HELD_OUT_BATCHES, self.corpus.aside.epoch)):
            one, clips = self.corpus.aside.batch(number)
            errors.append(self._errors(self._batch(number, one, clips, None), drawn))
        per_clip, t = (torch.cat(part) for part in zip(*errors, strict=True))
        quarters = by_quartile(per_clip, t)
        named = {f"held out/{name.partition('/')[2]}": value for name, value in quarters.items()}
        return named | {"held out": float(per_clip.mean())}

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """Films of the first captions that are not trained on, or of the first ones."""
        batches = self.corpus.aside or self.corpus.batches
        one = max(batches.buckets, key=lambda bucket: self.corpus.tokens[bucket])
        clips = batches.members[batches.buckets.index(one)][:SAMPLES]
        shape = VideoShape(*one).latent(
            self.vae.config.compression, self.vae.config.latent_channels
        )
        rows = []
        for number, clip in enumerate(clips.tolist()):
            drawn = torch.Generator().manual_seed(number)
            noise = torch.randn(shape.size(), generator=drawn).to(self.device)
            latent = self._film(self.corpus.captions([clip])[0], noise)
            rows.append(strip(to_pixels(self.vae.decode(latent).float())[0]))
        return np.concatenate(rows)

    def _film(self, caption: str, noise: Tensor) -> Tensor:
        """Guided latents of a caption, by Euler's rule."""
        own = self.parts.config
        context = self._context([caption, own.negative])

        def estimate(x: Tensor, t: Tensor) -> Tensor:
            times = quantize_time(t.to(x).expand(2, 1), own.ticks)
            both = self.dit(x.expand(2, *x.shape[1:]), times, context).float()
            guided = torch.lerp(both[1:], both[:1], own.guidance)
            alpha, sigma = self.path.alpha(t).to(x), self.path.sigma(t).to(x)
            return estimate_x0(guided, x, alpha, sigma, own.prediction)

        *_, last = euler(
            estimate, noise, grid(SAMPLE_STEPS, own.shift, last=own.last_time), self.path
        )
        return last.x

    def save(self, folder: Path) -> None:
        if self.config.lora:
            self.adapter.save(folder, self.dit, self.config.dialect)
            return
        if self.text is not None:
            config = self.parts.config
            bundle.write(folder, config, vae=self.vae, dit=self.dit, text=self.text)
            return
        tensors = {name: one.bfloat16() for name, one in to_foreign(self.dit, "original").items()}
        checkpoint.write_tensors(folder / "model.safetensors", tensors, {})
