"""What the second edition of the world adds: individuals, stars, things with words, scenes that
repeat.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.random import Generator

from praxino.data.diorama import physics, world
from praxino.data.diorama.casting import MARKED_KINDS, CastingContext, material_of, pick, thing
from praxino.data.diorama.letters import draw_word
from praxino.data.diorama.scene import Individual, Marking, Scene, Thing
from praxino.data.diorama.split import held_out, put_aside
from praxino.rng import Stream, generator

SHARES: Final[dict[str, float]] = {"usual": 0.67, "star": 0.18, "lettered": 0.12, "cyclic": 0.03}
"""How often a scene is of which family."""
PLACES: Final[dict[str, dict[str, float]]] = {
    "star": {"grass": 0.35, "city": 0.25, "room": 0.4},
    "lettered": {"grass": 0.2, "road": 0.2, "city": 0.2, "room": 0.2, "sea": 0.2},
    "cyclic": {"grass": 0.3, "room": 0.3, "city": 0.2, "sea": 0.2},
}
CAMERAS: Final = {"still": 0.8, "zoom in": 0.1, "zoom out": 0.1}
STEADY: Final = frozenset({"still", "walk", "run", "drive", "roll", "slide", "fly", "sail", "jump"})
"""Motions that go on in both directions of time."""
PERIOD: Final = 2.0
"""Seconds after which a cyclic scene repeats."""

INDIVIDUALS_PART: Final = 0.5
"""Part of the animals and people of usual scenes that are individuals."""


def is_individual_held_out(individual: int) -> bool:
    """Whether training never shows the individual of this seed."""
    return put_aside(f"individual {individual}")


def marking_of(individual: int, colours: Collection[str]) -> Marking:
    """The marks of the individual of a seed: which, how many, how large, where, in which of the
    ``colours``.

    Parameters
    ----------
    colours : collection of str
        What its marks, its collar and its hat may have: none that its kind never has in training,
        nor its own.
    """
    rng = generator(Stream.INDIVIDUAL_MARKS, individual, 0)
    pattern = str(rng.choice(["spots", "stripes", "patch", "belt"]))
    count = int(rng.integers(1, 4)) if pattern in ("spots", "stripes") else 1
    slots = (
        np.linspace(-0.6, 0.6, count) if count > 1 else np.array([float(rng.uniform(-0.55, 0.55))])
    )
    heights = rng.uniform(-0.35, 0.35, count) if pattern in ("spots", "patch") else np.zeros(count)
    if pattern == "belt":
        heights = rng.uniform(-0.5, 0.5, count)
    places = tuple((float(x), float(y)) for x, y in zip(slots, heights, strict=True))
    scale = float(rng.uniform(1.0, 1.7))
    worn = (None, "collar", "hat")[int(rng.choice(3, p=[0.4, 0.3, 0.3]))]
    colour = str(rng.choice(sorted(colours)))
    worn_colour = str(rng.choice(sorted(colours)))
    return Marking(pattern, colour, Individual(individual, places, scale, worn, worn_colour))


def _marking(rng: Generator, kind: str, colour: str, all_pairs: bool) -> Marking:
    """The marking of an individual; held-out ones only with ``all_pairs``."""
    free = [c for c in world.COLOURS if c != colour and (all_pairs or not held_out(kind, c))]
    while True:
        seed = int(rng.integers(2**31))
        if all_pairs or not is_individual_held_out(seed):
            return marking_of(seed, free)


def with_individuals(rng: Generator, scene: Scene, all_pairs: bool) -> tuple[Thing, ...]:
    """The things of a scene, some of its animals and people with marks of their own; a group shares
    them.
    """
    group = scene.relation is not None and scene.relation.name == "group"
    things: list[Thing] = []
    for one in scene.things:
        if one.kind not in MARKED_KINDS or rng.random() >= INDIVIDUALS_PART:
            things.append(one)
        elif group and things and things[0].marking and things[0].marking.individual:
            things.append(replace(one, marking=things[0].marking))
        else:
            things.append(replace(one, marking=_marking(rng, one.kind, one.colour, all_pairs)))
    return (
        tuple(replace(one, marking=things[0].marking) for one in things) if group else tuple(things)
    )


def _star(stage: CastingContext) -> tuple[Thing, ...]:
    """One individual, half to seven tenths of the picture high, in its middle."""
    rng = stage.rng
    kind = pick(rng, {kind: 1.0 for kind in MARKED_KINDS if kind in stage.kinds()})
    colour, heading = stage.colour(kind), stage.heading()
    height = float(rng.uniform(0.5, 0.7)) / max(1.0, 0.8 * world.KINDS[kind].aspect)
    lane = float(rng.uniform(0.9, 0.96))
    motions = {
        m: w for m, w in {"still": 0.4, "walk": 0.4, "run": 0.2}.items() if stage.moves(kind, m)
    }
    motion = pick(rng, motions)
    speed = {"still": (0.0, 0.0), "walk": (0.12, 0.22), "run": (0.25, 0.4)}[motion]
    pace = stage.speed(*speed, heading)
    middle = stage.aspect * float(rng.uniform(0.38, 0.62)) - pace * float(stage.times[-1]) / 2
    track = physics.steady((middle, lane - height / 2), (pace, 0.0), stage.times)
    one = thing(stage, kind, colour, motion, heading, height, lane, track)
    return (replace(one, marking=_marking(rng, kind, colour, stage.all_pairs)),)


def _lettered(stage: CastingContext) -> tuple[Thing, ...]:
    """One large box, boat or sign with a word."""
    rng = stage.rng
    free = ["sign"] if stage.allowed("sign", stage.place) else []
    kind = "boat" if stage.place == "sea" else str(rng.choice([*stage.kinds(("box",)), *free]))
    height = float(
        rng.uniform(*{"boat": (0.62, 0.74), "box": (0.5, 0.64), "sign": (0.5, 0.6)}[kind])
    )
    lane = float(rng.uniform(0.88, 0.95))
    motion = (
        "still" if kind == "sign" or rng.random() < 0.6 else {"boat": "sail", "box": "slide"}[kind]
    )
    if not stage.moves(kind, motion):
        motion = "still"
    heading = stage.heading()
    pace = stage.speed(0.05, 0.14, heading) if motion != "still" else 0.0
    x = stage.aspect * float(rng.uniform(0.42, 0.58)) - pace * float(stage.times[-1]) / 2
    track = physics.steady((x, lane - height / 2), (pace, 0.0), stage.times)
    one = thing(
        stage,
        kind,
        stage.colour(kind),
        motion,
        heading,
        height,
        lane,
        track,
        material_of(stage, kind),
    )
    return (replace(one, word=draw_word(rng)),)


def _cyclic(stage: CastingContext) -> tuple[Thing, ...]:
    """One or two things that stay where they are: they jump in step with the period, rock, or
    stand.
    """
    rng, things = stage.rng, []
    for place in np.array([0.5]) if rng.random() < 0.5 else np.array([0.27, 0.73]):
        kind = pick(rng, {k: w for k, w in stage.kinds().items() if k not in ("bird", "car")})
        motion = "jump" if stage.moves(kind, "jump") and rng.random() < 0.7 else "still"
        if not stage.moves(kind, motion):
            continue
        height, lane = stage.size(kind), world.LANES[stage.place][1]
        start = (stage.standing(stage.aspect * float(place)), lane - height / 2)
        if motion == "jump":  # a jump of this speed and the pause after it fill half a period
            pause = 0.18
            track = physics.hopping(
                start, 0.0, world.GRAVITY * (PERIOD / 2 - pause) / 2, pause, stage.times
            )
        else:
            track = physics.steady(start, (0.0, 0.0), stage.times)
        one = thing(stage, kind, stage.colour(kind), motion, stage.heading(), height, lane, track)
        if kind == "boat":  # it rocks with the period, not with the usual waves
            one = replace(
                one, position=_bobbing(track[0], stage.times), velocity=np.zeros_like(track[0])
            )
        if kind in MARKED_KINDS:
            one = replace(one, marking=_marking(rng, kind, one.colour, stage.all_pairs))
        things.append(one)
    return tuple(things)


def _bobbing(position: physics.Array, times: physics.Array) -> physics.Array:
    return position + np.stack([0 * times, 0.012 * np.sin(2 * math.pi * times / PERIOD)], axis=1)


CAST: Final[dict[str, Callable[[CastingContext], tuple[Thing, ...]]]] = {
    "star": _star,
    "lettered": _lettered,
    "cyclic": _cyclic,
}
