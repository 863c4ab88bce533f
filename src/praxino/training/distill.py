"""The student's stage: a network that needs few steps learns from the denoiser that needs many.

Anchored splitting: the mean velocity of a step is that of its two parts, of which the first is a
short step of the guided teacher or one of the student's own average, and the second one of that
average (the identity of SplitMeanFlow, arXiv 2507.16884, without derivatives); where a step has no
length, it is the guided teacher's velocity. One network so takes steps of any number and length,
with the scale of the guidance as an input (guided distillation, arXiv 2210.03142).

Legend: B clips, G groups of tokens that share a time.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from praxino.config import Config
from praxino.data.diorama import Edition
from praxino.data.diorama.phrases import SENTENCES
from praxino.data.pixels import strip, to_pixels
from praxino.diffusion.path import Flow, grid
from praxino.diffusion.sampling import State, euler, flow_map
from praxino.errors import InputError
from praxino.models.context import Context
from praxino.models.dit import DiT, DiTConfig
from praxino.shapes import VideoShape
from praxino.storage.weights import bundle, checkpoint
from praxino.training.batch import Batch
from praxino.training.diffusion import Diffusion, DiffusionConfig
from praxino.training.sources import HERE, NOTHING, Sources, Workplace
from praxino.training.tasks import token_times

ROBUST: tuple[float, float] = (1e-3, 0.5)
"""c and p of the weight 1 / (|error|^2 + c)^p of a clip's error (MeanFlow, section 4.3)."""


class DistillConfig(Config):
    """What the student learns of its teacher."""

    kind: Literal["distill"] = "distill"
    data: DiffusionConfig = Field(description="as the teacher was trained; the network is spans")
    guidance: tuple[float, float] = Field(
        (1.0, 5.0), strict=False, description="range of the scales that are folded in"
    )
    pointwise: float = Field(
        0.5, gt=0, lt=1, description="part of the clips whose step has no length"
    )
    anchored: float = Field(
        0.25, ge=0, lt=1, description="part whose step begins with one of the teacher"
    )
    anchor: float = Field(0.05, gt=0, lt=1, description="how long that one is, in time")
    whole: float = Field(0.5, ge=0, le=1, description="part of the longer steps that end at 0")
    decay: float = Field(0.995, ge=0, lt=1, description="of the average that the student follows")
    from_noise: float = Field(0.1, ge=0, le=1, description="part of the steps that begin at 1")

    @model_validator(mode="after")
    def _parts_add_up(self) -> "DistillConfig":
        if self.pointwise + self.anchored > 1:
            raise ValueError("pointwise and anchored are parts of a whole: at most 1 together")
        low, high = self.guidance
        if not 1 <= low <= high:
            raise ValueError(f"guidance {low:g} to {high:g}: from 1 on, the smaller one first")
        if not (self.data.dit.spans and self.data.dit.guided):
            raise ValueError("data.dit must be told spans and guided")
        return self

    @property
    def edition(self) -> Edition:
        """The edition of the diorama."""
        return self.data.edition


@dataclass(frozen=True)
class Spans:
    """Steps of a batch: where each clip's begins, ends, and is split; and its guidance. (B,) each.

    The first ``pointwise`` clips have steps of no length, the next ``anchored`` ones begin with a
    step of the teacher.
    """

    t: Tensor
    r: Tensor
    s: Tensor
    guidance: Tensor
    pointwise: int
    anchored: int


def draw_spans(config: DistillConfig, count: int, generator: torch.Generator) -> Spans:
    """Steps for a batch of clips; times fall: t >= s >= r."""
    device = generator.device

    def uniform(low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator, device=device)

    t = torch.sigmoid(0.4 + torch.randn(count, generator=generator, device=device))
    t = torch.where(uniform() < config.from_noise, torch.ones_like(t), t)
    r = torch.where(uniform() < config.whole, torch.zeros_like(t), t * uniform())
    s = r + uniform(0.2, 0.8) * (t - r)
    pointwise = max(1, round(config.pointwise * count))
    anchored = min(count - pointwise, round(config.anchored * count))
    first, second = slice(0, pointwise), slice(pointwise, pointwise + anchored)
    r[first] = s[first] = t[first]
    near = t[second] - config.anchor
    s[second] = torch.where(near > r[second], near, s[second])
    return Spans(t, r, s, uniform(*config.guidance), pointwise, anchored)


class Velocities:
    """A network's velocities of a batch at any times; given places keep those that they are told.

    Parameters
    ----------
    contexts : sequence of Context
        Of the sentences; for a teacher also of nothing, from which guidance draws away.
    """

    def __init__(self, stage: Diffusion, net: DiT, batch: Batch, *contexts: Context) -> None:
        self.stage, self.net, self.batch, self.contexts = stage, net, batch, contexts

    def times(self, t: Tensor, rows: slice) -> Tensor:
        """(B, G) as the network is told them."""
        task = self.batch.task
        own, clean = task.times[rows].view(-1, 1, 1, 1, 1), task.clean[rows]
        times = torch.where(clean, own, t.view(-1, 1, 1, 1, 1))
        return token_times(times, task.groups, self.net.config.patch)

    def guided(self, x: Tensor, t: Tensor, guidance: Tensor, rows: slice) -> Tensor:
        """The teacher's velocity at t, guided."""
        times, layout = self.times(t, rows), self._layout(rows)
        sentences, silent = (context.rows(rows) for context in self.contexts)
        with_it = self.net(x, times, sentences, layout=layout).float()
        without = self.net(x, times, silent).float()
        return without + guidance.view(-1, 1, 1, 1, 1) * (with_it - without)

    def mean(self, x: Tensor, t: Tensor, r: Tensor, guidance: Tensor, rows: slice) -> Tensor:
        """The student's mean velocity from t to r."""
        context, layout = self.contexts[0].rows(rows), self._layout(rows)
        spans = self.times(t, rows), self.times(r, rows)
        return self.net(
            x, spans[0], context, layout=layout, end=spans[1], guidance=guidance
        ).float()

    def _layout(self, rows: slice) -> Tensor | None:
        layout = self.batch.layout if self.net.config.layout else None
        return None if layout is None else layout[rows]


class Distill:
    """A `TrainingStage` that trains a student of the model in ``sources.init``."""

    def __init__(
        self, config: DistillConfig, sources: Sources = NOTHING, workplace: Workplace = HERE
    ) -> None:
        model = sources.init or sources.autoencoder
        self.config = config
        self.data = Diffusion(config.data, Sources(init=model, vae=sources.vae or model), workplace)
        if self.data.config.bundle.prediction != "velocity" or not isinstance(self.data.path, Flow):
            raise InputError(
                f"{model}: a student learns velocities of straight paths", "a model of that kind"
            )
        self.text, self.device = self.data.text.requires_grad_(False), self.data.device
        self.teacher = bundle.read_part(model / "dit", DiT, DiTConfig).to(self.device)
        self.teacher.requires_grad_(False)
        student = self.data.dit
        followed = copy.deepcopy(student).requires_grad_(False)
        self.module = nn.ModuleDict({"student": student, "followed": followed})
        self.student, self.followed = student, followed

    def batch(self, number: int) -> Batch:
        return self.data.batch(number)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        x0, task = batch.latents, batch.task
        spans = draw_spans(self.config, len(x0), generator)
        eps = torch.randn(x0.shape, generator=generator, device=x0.device)
        own = task.times.view(-1, 1, 1, 1, 1)
        times = torch.where(task.clean, own, spans.t.view(-1, 1, 1, 1, 1))
        x = torch.lerp(torch.where(task.clean, batch.inputs, x0), eps, times)
        with torch.no_grad():
            self._follow()
            target = self._targets(batch, spans, x)
        every = slice(0, len(x0))
        student = Velocities(self.data, self.student, batch, self._context(self.student, batch))
        out = student.mean(x, spans.t, spans.r, spans.guidance, every)
        noisy = (~task.clean).float()
        error = (noisy * (out - target).square()).mean(dim=(1, 2, 3, 4))
        error = error / noisy.mean(dim=(1, 2, 3, 4))
        constant, power = ROBUST
        robust = error / (error.detach() + constant) ** power
        near, far = robust[: spans.pointwise].mean(), robust[spans.pointwise :].mean()
        balance = (near / far.clamp_min(1e-8)).detach()  # both count alike (AnyFlow)
        metrics = {
            "points": error[: spans.pointwise].mean().item(),
            "spans": error[spans.pointwise :].mean().item(),
        }
        return near + balance * far, metrics

    @torch.no_grad()
    def _follow(self) -> None:
        """One more step of the average that targets are made by."""
        pairs = zip(self.followed.parameters(), self.student.parameters(), strict=True)
        for average, now in pairs:
            average.lerp_(now, 1 - self.config.decay)

    def _targets(self, batch: Batch, spans: Spans, x: Tensor) -> Tensor:
        """Mean velocities that the student's are to be: (B, C, t, h, w)."""
        first, second = spans.pointwise, spans.pointwise + spans.anchored
        taught, own, long = slice(0, second), slice(second, len(x)), slice(first, len(x))
        silent = self._context(self.teacher, batch, silent=True)
        teacher = Velocities(
            self.data, self.teacher, batch, self._context(self.teacher, batch), silent
        )
        average = Velocities(self.data, self.followed, batch, self._context(self.followed, batch))
        t, r, s, guidance = spans.t, spans.r, spans.s, spans.guidance
        parts = [teacher.guided(x[taught], t[taught], guidance[taught], taught)]
        if own.start < own.stop:
            parts.append(average.mean(x[own], t[own], s[own], guidance[own], own))
        velocity = torch.cat(parts)
        if long.start < long.stop:
            t, r, s = (part[long].view(-1, 1, 1, 1, 1) for part in (t, r, s))
            kept = batch.task.clean[long]
            begun = velocity[long]
            between = torch.where(kept, x[long], x[long] - (t - s) * begun)
            ended = average.mean(between, spans.s[long], spans.r[long], guidance[long], long)
            velocity[long] = ((t - s) * begun + (s - r) * ended) / (t - r).clamp_min(1e-6)
        return velocity

    def _context(self, net: DiT, batch: Batch, silent: bool = False) -> Context:
        """What a network is told of a batch; nothing of it, for what guidance draws away from."""
        sentences = [""] * len(batch.sentences) if silent else batch.sentences
        text, counts = self.text.encode_merged(sentences)
        names = self.text.name_slots(sentences, text.shape[1]) if net.config.slots else None
        pictures = None if silent else batch.pictures
        return net.context(text, counts=counts, pictures=pictures, names=names)

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """Films of the sentences that everybody tries first: of 1, 2 and 4 steps, and of 20 of the
        teacher's, from one noise.
        """
        rows = []
        for number, sentence in enumerate(SENTENCES[:3]):
            for steps in (1, 2, 4):
                rows.append(self._film(self.sampled(sentence, number, steps)))
            rows.append(self._film(self.taught(sentence, number)))
        return np.concatenate(rows)

    def _film(self, states: Iterator[State]) -> NDArray[np.uint8]:
        *_, last = states
        return strip(to_pixels(self.data.vae.decode(last.x).float())[0])

    def sampled(self, sentence: str, seed: int, steps: int) -> Iterator[State]:
        """States of a film by the student in so many steps."""
        text, counts = self.text.encode_merged([sentence])
        context = self.student.context(text, counts=counts)
        guidance = torch.tensor([self.data.config.bundle.guidance], device=self.device)

        def estimate(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
            begin, end = (part.to(x).expand(1, 1) for part in (t, s))
            return x - t.to(x) * self.student(x, begin, context, end=end, guidance=guidance).float()

        return flow_map(estimate, self._noise(seed), grid(steps), Flow())

    def taught(self, sentence: str, seed: int, steps: int = 20) -> Iterator[State]:
        """States of the guided teacher's film from the same noise."""
        text, counts = self.text.encode_merged([sentence, ""])
        context = self.teacher.context(text, counts=counts)
        guidance = self.data.config.bundle.guidance

        def estimate(x: Tensor, t: Tensor) -> Tensor:
            both = self.teacher(x.expand(2, *x.shape[1:]), t.to(x).expand(2, 1), context).float()
            return x - t.to(x) * torch.lerp(both[1:], both[:1], guidance)

        return euler(estimate, self._noise(seed), grid(steps), Flow())

    def _noise(self, seed: int) -> Tensor:
        size, vae = self.data.config.bundle, self.data.vae.config
        shape = VideoShape(size.frames, size.height, size.width)
        drawn = torch.Generator().manual_seed(seed)
        latent = shape.latent(vae.compression, vae.latent_channels)
        return torch.randn(latent.size(), generator=drawn).to(self.device)

    def save(self, folder: Path) -> None:
        checkpoint.save(folder / "student", self.student.config, self.student.state_dict())
