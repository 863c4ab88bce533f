"""Pictures of individuals in training: which a clip is given, in which slots, and how its sentence
calls them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from praxino.config import Config
from praxino.data.diorama import Scene
from praxino.data.latents import (
    PICTURES,
    individuals_of,
    pictured_entities,
    shuffled_indices,
)
from praxino.models.pictures import Pictures
from praxino.models.text import ENTITY_NAMES


class ReferenceConfig(Config):
    """How often pictures are given, and of what."""

    share: float = Field(
        0.0, ge=0, le=1, description="part of the steps that are no windows, with pictures"
    )
    left_out: float = Field(
        0.1, ge=0, le=1, description="part of the clips of such steps without them"
    )
    strange: float = Field(
        0.12,
        ge=0,
        le=1,
        description="part of the clips of such steps that show no individual and get another's",
    )
    noisy: float = Field(
        0.3, ge=0, le=1, description="part of the steps whose pictures are a little noisy"
    )
    most_noise: float = Field(0.1, ge=0, lt=1, description="time of the noisiest, which is told")
    colourless: float = Field(
        0.7,
        ge=0,
        le=1,
        description="part of the individuals whose colour their pictures say, and no layout; with "
        "a denoiser that takes portraits",
    )
    weight: float = Field(
        2.0, ge=0, description="how much more an error counts on an individual that is given"
    )


def draw_clips(
    config: ReferenceConfig,
    shows: NDArray[np.bool_],
    seed: int,
    start: int,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Which clips a step with pictures takes: as `shuffled_indices`, but most of them show
    individuals, though few clips do.

    Parameters
    ----------
    shows : (clips,)
        Whether each clip shows one.
    """
    strange = rng.random(count) < config.strange
    if shows.all() or not shows.any():
        return shuffled_indices(seed, len(shows), start, count)
    with_some, others = (
        group[shuffled_indices(seed, len(group), start, count)]
        for group in (np.flatnonzero(shows), np.flatnonzero(~shows))
    )
    return np.where(strange, others, with_some)


def named_slots(names: Sequence[Sequence[str | None]], things: int) -> Tensor:
    """(B, S): the slot of each thing that a sentence calls by a slot's name; -1 for others.

    ``names`` are what the sentences call the things of each clip.
    """
    slots = torch.full((len(names), things), -1)
    for row, called in zip(slots, names, strict=True):
        for place, name in enumerate(called[:things]):
            if name is not None:
                row[place] = ENTITY_NAMES.index(name)
    return slots


def draw_pictures(
    config: ReferenceConfig,
    scenes: Sequence[Scene],
    latents: Tensor,
    slots: int,
    rng: np.random.Generator,
) -> tuple[Pictures, list[Scene]]:
    """Pictures for a batch.

    Parameters
    ----------
    latents : (B, PICTURES, C, h, w)
        Of the individuals of each scene, as `data.shards.world_pictures` has them.

    Returns
    -------
    Pictures
    list of Scene
        The same scenes, whose given individuals have the names of their slots.
    """
    count = len(scenes)
    slot, index = np.zeros((count, PICTURES), np.int64), np.zeros((count, PICTURES), np.int64)
    there = np.zeros((count, PICTURES), bool)
    source = np.arange(count)
    named: list[Scene] = []
    with_some = [i for i, scene in enumerate(scenes) if individuals_of(scene)]
    for i, scene in enumerate(scenes):
        things = individuals_of(scene)
        strange = not things and bool(with_some)
        if strange:
            source[i] = with_some[int(rng.integers(len(with_some)))]
            individuals = individuals_of(scenes[source[i]])[:1]
        else:
            individuals = things if rng.random() >= config.left_out else []
        slots_of = rng.permutation(slots)[: len(individuals)]
        if individuals:
            entities = np.array(pictured_entities(len(individuals_of(scenes[source[i]]))))
            for entity, own in enumerate(slots_of.tolist()):
                places = rng.permutation(np.flatnonzero(entities == entity))
                places = places[: int(rng.integers(1, len(places) + 1))]
                slot[i, places], index[i, places], there[i, places] = (
                    own,
                    np.arange(len(places)),
                    True,
                )
        names = (
            {}
            if strange
            else {
                id(t): ENTITY_NAMES[s] for t, s in zip(individuals, slots_of.tolist(), strict=True)
            }
        )
        called = tuple(replace(thing, name=names.get(id(thing))) for thing in scene.things)
        named.append(replace(scene, things=called))
    noise = float(rng.uniform(0, config.most_noise)) if rng.random() < config.noisy else 0.0
    pictures = latents[torch.from_numpy(source)].float()
    eps = torch.from_numpy(rng.standard_normal(pictures.shape, dtype=np.float32))
    latents = noise * eps + (1 - noise) * pictures
    slot_, index_, there_ = (torch.from_numpy(part) for part in (slot, index, there))
    return Pictures(latents, slot_, index_, there_, noise), named
