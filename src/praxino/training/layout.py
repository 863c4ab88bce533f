"""The layout stage: sentences of the diorama, and what stands where in their scenes; no pixels are
drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from praxino.config import Config
from praxino.data.diorama import Edition, Scene, caption, compose, vocabulary, world
from praxino.data.diorama.layouts import MOTIONS, boxes, depths, shown_things
from praxino.data.diorama.phrases import SENTENCES
from praxino.data.layout_picture import draw_layout
from praxino.models.layout import ATTRIBUTES, LayoutConfig, LayoutNet
from praxino.models.text import TextConfig
from praxino.rng import Stream, generator
from praxino.storage.weights import checkpoint
from praxino.training.sources import HERE, NOTHING, Sources, Workplace

COORDINATE_SCENES: Final = 2000
"""Scenes whose tracks decide in which coordinates tracks are drawn."""


def world_layout() -> LayoutConfig:
    """The layouts of the diorama: its kinds, colours and motions."""
    kinds = tuple(world.KINDS)
    return LayoutConfig(
        text=TextConfig(vocabulary=vocabulary(), width=96, layers=2, length=64),
        kinds=kinds,
        colours=tuple(world.COLOURS),
        motions=MOTIONS,
        aspects=tuple(world.KINDS[kind].aspect for kind in kinds),
    )


class LayoutStageConfig(Config):
    """What the layout network sees."""

    kind: Literal["layout"] = "layout"
    layout: LayoutConfig
    seed: int = Field(0, ge=0, lt=2**32)
    edition: Edition = Field(2, description="of the diorama")
    batch: int = Field(128, gt=0, description="scenes a step")
    tags: float = Field(0.1, ge=0, le=1, description="part of lists of tags among the captions")
    paragraphs: float = Field(
        0.45, ge=0, le=1, description="part of paragraphs; the rest are sentences"
    )
    given: float = Field(
        0.25, ge=0, le=1, description="part of the scenes whose first frame is known"
    )


@dataclass(frozen=True)
class LayoutBatch:
    """Sentences, and for each the things (B, S, 5), which slots hold one (B, S), tracks (B, S, R),
    and in which frames tracks are known (B, S, F).
    """

    sentences: list[str]
    things: Tensor
    there: Tensor
    tracks: Tensor
    mask: Tensor


class LayoutStage:
    """A `TrainingStage` that trains a `LayoutNet`."""

    def __init__(
        self, config: LayoutStageConfig, sources: Sources = NOTHING, workplace: Workplace = HERE
    ) -> None:
        self.config = config
        self.device = torch.device(workplace.device)
        torch.manual_seed(config.seed)
        self.module = LayoutNet(config.layout)
        if sources.init:
            checkpoint.load_weights(self.module, sources.init / "layout")
        else:
            scenes = [self._scene(index) for index in range(COORDINATE_SCENES)]
            true = self.targets(scenes, [], np.zeros(len(scenes), bool))
            self.module.fit_coordinates(true.tracks[true.there])
        self.module.to(self.device)

    def _scene(self, index: int) -> Scene:
        frames, fps = self.config.layout.frames, self.config.layout.fps
        return compose(self.config.seed, index, frames, 1.0, fps, edition=self.config.edition)

    def batch(self, number: int) -> LayoutBatch:
        config = self.config
        rng = generator(Stream.LAYOUT_BATCH, config.seed, number)
        first = number * config.batch
        scenes = [self._scene(first + i) for i in range(config.batch)]
        sentences = [self._sentence(scene, first + i, rng) for i, scene in enumerate(scenes)]
        return self.targets(scenes, sentences, rng.random(config.batch) < config.given)

    def _sentence(self, scene: Scene, index: int, rng: np.random.Generator) -> str:
        texts, way = caption(scene, self.config.seed, index), rng.random()
        if way < self.config.tags:
            return texts.tags
        return (
            texts.paragraph if way < self.config.tags + self.config.paragraphs else texts.sentence
        )

    def targets(
        self, scenes: list[Scene], sentences: list[str], with_first: NDArray[np.bool_]
    ) -> LayoutBatch:
        """What the network should say of these scenes; the first frame is known where
        ``with_first``.
        """
        things, there, places = true_layouts(scenes, self.config.layout)
        tracks = torch.stack(
            [places[..., 0], places[..., 1], places[..., 3].log()], dim=-1
        ).flatten(2)
        tracks = torch.where(there[:, :, None], tracks, 0.0)
        mask = torch.zeros((*there.shape, self.config.layout.frames))
        mask[..., 0] = there * torch.from_numpy(with_first)[:, None]
        return LayoutBatch(
            sentences, *(part.to(self.device) for part in (things, there, tracks, mask))
        )

    def loss(
        self, batch: LayoutBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        text, used = self.module.encode(batch.sentences)
        attributes, right = self._attributes(batch, text, used)
        x0 = self.module.whiten(batch.tracks)
        eps = torch.randn(x0.shape, generator=generator, device=x0.device)
        t = torch.rand(len(x0), generator=generator, device=x0.device)
        noisy = torch.lerp(x0, eps, t[:, None, None])
        first = self.module.whiten_known(batch.tracks, batch.mask)
        out = self.module.track_velocity(
            noisy, t, batch.things, batch.there, text, used, first, batch.mask
        )
        errors = (out.float() - (eps - x0)).square().mean(2)  # (B, S)
        tracks = (errors * batch.there).sum() / batch.there.sum().clamp_min(1)
        return attributes + tracks, {
            "attributes": attributes.item(),
            "tracks": tracks.item(),
            **right,
        }

    def _attributes(
        self, batch: LayoutBatch, text: Tensor, used: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of every attribute that is to be written, and of the end of the list;
        shares that are right.
        """
        config = self.module.config
        written = batch.things.flatten(1)  # (B, S 5); what lies behind the end is not looked at
        logits = (
            self.module.attribute_logits(text, used, written)[:, :-1]
            .float()
            .unflatten(1, (config.slots, -1))
        )
        # (B, S)
        begun = torch.cat([batch.there.new_ones(len(written), 1), batch.there[:, :-1]], dim=1)
        losses, right = [], {}
        for number, (name, low, values) in enumerate(
            zip(ATTRIBUTES, config.offsets, config.values, strict=True)
        ):
            rows = begun if number == 0 else batch.there
            scores = logits[:, :, number, low : low + len(values)][rows]
            # a slot without a thing has kind 0: the end
            targets = (batch.things[:, :, number] - low).clamp_min(0)[rows]
            losses.append(
                F.cross_entropy(scores, targets, reduction="sum")
                if len(targets)
                else logits.sum() * 0
            )
            right[f"right/{name}"] = (
                (scores.argmax(1) == targets).float().mean().item() if len(targets) else 1.0
            )
        return torch.stack(losses).sum() / len(written), right

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """Layouts of the sentences that everybody tries first, two of each."""
        rows = [
            np.concatenate(
                [draw_layout(self.module.draw(sentence, seed), 160) for seed in range(2)], axis=1
            )
            for sentence in SENTENCES
        ]
        return np.concatenate(rows)

    def save(self, folder: Path) -> None:
        checkpoint.save(folder / "layout", self.config.layout, self.module.state_dict())


def true_layouts(scenes: Sequence[Scene], config: LayoutConfig) -> tuple[Tensor, Tensor, Tensor]:
    """The layouts of scenes of one length: attributes (B, S, 5), which slots hold one (B, S), boxes
    (B, S, F, 4).
    """
    shape = (len(scenes), config.slots)
    things = np.zeros((*shape, len(ATTRIBUTES)), np.int64)
    there = np.zeros(shape, bool)
    places = np.zeros((*shape, scenes[0].frames, 4), np.float32)
    for i, scene in enumerate(scenes):
        visible = shown_things(scene)
        for j, (one, depth) in enumerate(zip(visible, depths(visible), strict=True)):
            heading = "1" if one.heading > 0 else "-1"
            things[i, j] = config.numbers((one.kind, one.colour, one.motion, heading, str(depth)))
            there[i, j], places[i, j] = True, boxes(scene, one)
    return torch.from_numpy(things), torch.from_numpy(there), torch.from_numpy(places)


def window_boxes(boxes: Tensor, places: NDArray[np.int64]) -> Tensor:
    """The boxes (B, S, F, 4) of long clips in windows of t latent frames, (B, S, 4 (t - 1) + 1, 4).

    ``places`` (B, t) are latent frames: the first one is known by its last frame, the others by
    their four.
    """
    last = 4 * places[:, :1]
    frames = np.concatenate(
        [last, (4 * places[:, 1:, None] + np.arange(-3, 1)).reshape(len(places), -1)], axis=1
    )
    index = torch.from_numpy(frames)[:, None, :, None].expand(
        -1, boxes.shape[1], -1, boxes.shape[3]
    )
    return boxes.gather(2, index)
