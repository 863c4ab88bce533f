"""A student of few steps by regression: a copy of a model learns to say, at few times of the films
that the model makes, how they end.

Nothing but sentences is needed. The films are blurred where one noise could have become several
(CausVid, arXiv 2412.07772, section 3.2, begins so); they are what other ways are held against.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from praxino.config import Config
from praxino.data.diorama.phrases import SENTENCES
from praxino.data.latents import shuffled_indices
from praxino.data.pixels import strip, to_pixels
from praxino.diffusion.path import Flow, grid
from praxino.diffusion.prediction import quantize_time
from praxino.diffusion.sampling import State, euler
from praxino.errors import InputError
from praxino.models.context import Context
from praxino.models.dit import DiT
from praxino.shapes import VideoShape
from praxino.storage.wan.names import foreign_names
from praxino.storage.weights.checkpoint import write_tensors
from praxino.storage.weights.few_steps import OWN, FewSteps
from praxino.training.sources import HERE, NOTHING, Sources, Workplace, read_model

FILE = "student.safetensors"
"""What is saved: differences of the teacher's weights, a file for ``--lora``."""


class OdeRegressionConfig(Config):
    """What the student learns of its teacher's films."""

    kind: Literal["ode-regression"] = "ode-regression"
    sentences: tuple[str, ...] = Field(
        SENTENCES, strict=False, min_length=1, description="what the teacher's films show, in turn"
    )
    films: int = Field(256, gt=0, description="of the teacher, which are made when first used")
    seed: int = Field(0, ge=0, lt=2**32)
    frames: int = Field(0, ge=0, description="of a film; 0: as many as the teacher makes")
    height: int = Field(0, ge=0)
    width: int = Field(0, ge=0)
    steps: int = Field(4, gt=0, description="of the student")
    shift: float = Field(5.0, gt=0, description="of the times at which it takes them")
    finer: int = Field(10, gt=0, description="steps of the teacher in each of them")
    guidance: float = Field(0.0, ge=0, description="of the teacher; 0: its own")
    batch: int = Field(4, gt=0)


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of films: states, their times, how the films end, and of which sentences they are.

    ``states`` and ``ends`` are (B, C, t, h, w), ``times`` and ``sentences`` (B,).
    """

    states: Tensor
    times: Tensor
    ends: Tensor
    sentences: Tensor


class OdeRegression:
    """A `TrainingStage` that trains a student of the model in ``sources.init``, of Wan or of this
    house.

    Raises
    ------
    InputError
        If no model is named, or it is no one that can be copied: of two experts, or that needs a
        picture, or that is no straight flow.
    """

    def __init__(
        self,
        config: OdeRegressionConfig,
        sources: Sources = NOTHING,
        workplace: Workplace = HERE,
    ) -> None:
        if sources.init is None:
            raise InputError("no teacher", "--init FOLDER", "init")
        self.config, self.parts = config, read_model(sources.init)
        own = self.parts.config
        straight = (own.path, own.prediction) == ("flow", "velocity")
        if self.parts.low is not None or own.pictures in ("channels", "control") or not straight:
            problem = f"{own.name}: one network that makes films of sentences by a flow is copied"
            raise InputError(problem, "another model", "init")
        self.device = torch.device(workplace.device)
        with torch.no_grad():
            encoder = self.parts.text.load(torch.float32)
            self.text = encoder.encode([*config.sentences, own.negative]).to(self.device)
        self.teacher = self.parts.dit.load(torch.float32).to(self.device).requires_grad_(False)
        self.module = copy.deepcopy(self.teacher).requires_grad_(True).train()
        self.times = grid(config.steps, config.shift)
        self._films: dict[int, Tensor] = {}

    def batch(self, number: int) -> Moments:
        """Moments of films, each film at one of the student's times."""
        config = self.config
        places = shuffled_indices(config.seed, config.films, number * config.batch, config.batch)
        which = np.random.default_rng([config.seed, number]).integers(
            config.steps, size=len(places)
        )
        films = torch.stack([self.film(int(place)) for place in places])  # (B, K + 1, C, t, h, w)
        rows, moments = torch.arange(len(places)), torch.from_numpy(which)
        sentences = torch.from_numpy(places % len(config.sentences))
        return Moments(films[rows, moments], self.times[moments].to(films), films[:, -1], sentences)

    @torch.no_grad()
    def film(self, number: int) -> Tensor:
        """(K + 1, C, t, h, w): a film of the guided teacher at the student's times, and its end."""
        if number not in self._films:
            sentence = number % len(self.config.sentences)
            states = [noise := self._noise(number)]
            for state in self.taught(sentence, noise):
                if state.step % self.config.finer == 0:
                    states.append(state.x)
            self._films[number] = torch.cat(states)
        return self._films[number]

    def taught(self, sentence: int, noise: Tensor) -> Iterator[State]:
        """States of a film of the guided teacher."""
        context = self._context(self.teacher, torch.tensor([sentence, -1]))
        guidance = self.config.guidance or self.parts.config.guidance

        def estimate(x: Tensor, t: Tensor) -> Tensor:
            times = quantize_time(t.to(x).expand(2, 1), self.parts.config.ticks)
            both = self.teacher(x.expand(2, *x.shape[1:]), times, context).float()
            return x - t.to(x) * torch.lerp(both[1:], both[:1], guidance)

        times = grid(self.config.steps * self.config.finer, self.config.shift)
        return euler(estimate, noise, times, Flow())

    def sampled(self, sentence: int, noise: Tensor) -> Iterator[State]:
        """States of a film of the student."""
        context = self._context(self.module, torch.tensor([sentence]))
        estimate = lambda x, t: self._end(x, t.to(x).expand(1), context)  # noqa: E731
        return euler(estimate, noise, self.times, Flow())

    def loss(self, batch: Moments, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        context = self._context(self.module, batch.sentences)
        error = self._end(batch.states, batch.times, context) - batch.ends
        loss = error.square().mean()
        return loss, {"ends": loss.detach().item()}

    def _end(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        """How films end, by the student, from states (B, C, t, h, w) at times (B,)."""
        times = quantize_time(t[:, None], self.parts.config.ticks)
        velocity = self.module(x, times, context).float()
        return x - t.view(-1, 1, 1, 1, 1) * velocity

    def _context(self, net: DiT, sentences: Tensor) -> Context:
        return net.context(self.text[sentences])

    def _noise(self, number: int) -> Tensor:
        own, config, vae = self.parts.config, self.config, self.parts.vae.config
        size = (
            getattr(config, name) or getattr(own, name) for name in ("frames", "height", "width")
        )
        shape = VideoShape(*size).validate(vae.compression, self.teacher.config.patch)
        drawn = torch.Generator().manual_seed(config.seed + number)
        latent = shape.latent(vae.compression, vae.latent_channels)
        return torch.randn(latent.size(), generator=drawn).to(self.device)

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """The first films, by the teacher and by the student from the same noise."""
        vae, rows = self.parts.vae.load(torch.float32).to(self.device), []
        for number in range(min(3, len(self.config.sentences))):
            *_, last = self.sampled(number, self._noise(number))
            for latent in (self.film(number)[-1:], last.x):
                rows.append(strip(to_pixels(vae.decode(latent).float())[0]))
        return np.concatenate(rows)

    def save(self, folder: Path) -> None:
        """Write `FILE`: what ``--lora`` adds to the teacher."""
        names = foreign_names(self.module, "original")
        before, tensors = self.teacher.state_dict(), {}
        for name, now in self.module.state_dict().items():
            stem, _, kind = names[name].rpartition(".")
            ending = {"weight": "diff", "bias": "diff_b", "modulation": "diff_m"}[kind]
            tensors[f"diffusion_model.{stem}.{ending}"] = (now - before[name]).contiguous().cpu()
        student = FewSteps("Praxino", "", self.config.steps, self.config.shift, "euler")
        metadata = {OWN: json.dumps(student._asdict())}
        write_tensors(folder / FILE, tensors, metadata)
