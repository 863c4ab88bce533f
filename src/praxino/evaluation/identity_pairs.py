"""Whether two individuals of one film stay two: each is to look like its own pictures, and not as
the other one would look in its place.

The two are of different kinds, so that it is clear which is which; the rival of each is of its kind
with the colour and the marks of the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from praxino.data.diorama import Scene, Thing, caption, compose, render
from praxino.data.diorama.casting import MARKED_KINDS
from praxino.data.diorama.references import own_individual, varied_pictures
from praxino.evaluation.identity import (
    PICTURES,
    SEED,
    Film,
    IdentityJudge,
    held_out_individual,
    through,
)
from praxino.models.text import ENTITY_NAMES
from praxino.models.vae import VAE
from praxino.rng import Stream, generator

NAMES: Final = ("first", "second")
"""What the sentences call them."""
MAX_WORDINGS: Final = 100
PairMaker = Callable[[str, int, Mapping[str, Film]], Film]
"""A sentence, a seed, and the pictures of whom it names become a film."""


@dataclass(frozen=True, eq=False)
class PairCase:
    """A scene of two individuals that training never showed.

    Attributes
    ----------
    pictures : tuple
        Of each of them, as the model is given them.
    rivals : tuple
        Pictures of its kind with the looks of the other.
    """

    scene: Scene
    things: tuple[Thing, Thing]
    pictures: tuple[Film, Film]
    rivals: tuple[Film, Film]
    sentence: str


def pair_cases(
    count: int, frames: int, aspect: float, fps: float, size: int = 64, seed: int = SEED
) -> list[PairCase]:
    """The first so many cases, each a pure function of its place."""
    drawn: list[PairCase] = []
    index = 0
    while len(drawn) < count:
        scene = compose(seed, index, frames, aspect, fps)
        index += 1
        kinds = {thing.kind for thing in scene.things}
        if len(scene.things) != 2 or len(kinds) != 2 or not kinds <= set(MARKED_KINDS):
            continue
        rng = generator(Stream.IDENTITY_POOL, seed, index)
        things = tuple(
            replace(
                thing,
                marking=own_individual(held_out_individual(rng), thing.kind, thing.colour).marking,
            )
            for thing in scene.things
        )
        first, second = things
        if first.colour == second.colour:
            continue
        scene = replace(scene, things=things)
        if (sentence := _sentence(scene)) is None:
            continue
        looks = [
            replace(one, colour=other.colour, marking=other.marking)
            for one, other in ((first, second), (second, first))
        ]
        own, rivals = (
            tuple(varied_pictures(one, rng, PICTURES, size) for one in group)
            for group in (things, looks)
        )
        drawn.append(
            PairCase(scene, (first, second), (own[0], own[1]), (rivals[0], rivals[1]), sentence)
        )
    return drawn


def _sentence(scene: Scene) -> str | None:
    """The scene in words that name both and say nothing of their looks."""
    words = ENTITY_NAMES[:2]
    named = replace(
        scene,
        things=tuple(
            replace(thing, name=word) for thing, word in zip(scene.things, words, strict=True)
        ),
    )
    for index in range(MAX_WORDINGS):
        text = caption(named, SEED, index).sentence
        if all(text.count(word) == 1 for word in words):
            for word, name in zip(words, NAMES, strict=True):
                text = text.replace(word, f"@{name}")
            return text
    return None


def pair_scores(judge: IdentityJudge, film: Film, case: PairCase) -> dict[str, float]:
    """What a film shows of its two individuals.

    ``gate``: a thing of each kind is read. ``bound``: the share of the two that look more like
    their own pictures than like their rival's. ``both``: whether both do.
    """
    kinds = [thing.kind for thing in case.things]
    galleries = dict(zip(kinds, zip(case.pictures, case.rivals, strict=True), strict=True))
    likeness = judge.likeness(film, galleries)
    if len(likeness) < len(kinds):
        return {"gate": 0.0, "bound": 0.0, "both": 0.0}
    bound = [own > rival for own, rival in likeness.values()]
    return {"gate": 1.0, "bound": float(np.mean(bound)), "both": float(all(bound))}


def judge_pairs(
    judge: IdentityJudge, vae: VAE, make: PairMaker, cases: Sequence[PairCase]
) -> Iterator[dict[str, dict[str, float]]]:
    """The scores of each case by source."""
    for number, case in enumerate(cases):
        truth = render(case.scene, *case.pictures[0].shape[1:3])
        pictures = dict(zip(NAMES, case.pictures, strict=True))
        films = {
            "truth": truth,
            "autoencoder": through(vae, truth),
            "pictures": make(case.sentence, number, pictures),
        }
        yield {source: pair_scores(judge, film, case) for source, film in films.items()}


def pair_summary(rows: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """By source: means of all scores."""
    return {
        source: {
            name: float(np.mean([row[source][name] for row in rows]))
            for name in ("gate", "bound", "both")
        }
        | {"cases": len(rows)}
        for source in rows[0]
    }


def pair_table(scores: dict[str, dict[str, Any]]) -> str:
    """The summary as text."""
    lines = [f"{'':12} {'found':>7} {'bound':>7} {'both':>7}"]
    lines.append(f"{'chance':12} {'':>7} {0.5:7.2f} {0.25:7.2f}")
    for source, one in scores.items():
        lines.append(f"{source:12} {one['gate']:7.2f} {one['bound']:7.2f} {one['both']:7.2f}")
    return "\n".join(lines)
