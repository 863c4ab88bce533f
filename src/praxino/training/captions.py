"""How a training step is told what a clip shows: tags, a sentence, a paragraph or nothing."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from praxino.config import Config
from praxino.data.diorama import Scene, caption


class CaptionMix(Config):
    """How often which; the rest are sentences."""

    drop: float = Field(0.1, ge=0, le=1, description="part of the sentences left out, for guidance")
    tags: float = Field(0.15, ge=0, le=1, description="part of lists of tags among the captions")
    paragraphs: float = Field(0.25, ge=0, le=1, description="part of paragraphs")


def draw_captions(
    mix: CaptionMix, scenes: Sequence[Scene], seed: int, start: int, rng: np.random.Generator
) -> list[str]:
    """`draw_caption` of a step's scenes, in wordings from ``start`` on."""
    return [draw_caption(mix, scene, seed, start + i, rng) for i, scene in enumerate(scenes)]


def draw_caption(
    mix: CaptionMix, scene: Scene, seed: int, wording: int, rng: np.random.Generator
) -> str:
    """A scene as a training step is told it, in the shares of ``mix``; ``seed`` and ``wording``
    choose its words.
    """
    if rng.random() < mix.drop:
        return ""
    texts = caption(scene, seed, wording)
    way = rng.random()
    if way < mix.tags:
        return texts.tags
    return texts.paragraph if way < mix.tags + mix.paragraphs else texts.sentence
