"""Clean pictures of one individual, for a memory that should know it again."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from praxino.data.diorama import world
from praxino.data.diorama.canvas import Canvas, oversampling, reduce
from praxino.data.diorama.casting import CastingContext, Requirement, cast_alone
from praxino.data.diorama.compose import compose
from praxino.data.diorama.families import marking_of
from praxino.data.diorama.places import backdrop
from praxino.data.diorama.scene import Thing
from praxino.data.diorama.sprites import DRAW, pose_of
from praxino.rng import Stream, generator

PLAIN = (232.0, 232.0, 228.0)


def individual(seed: int, index: int) -> Thing:
    """An animal or person with markings of its own: a pure function of its arguments."""
    rng = generator(Stream.INDIVIDUAL, seed, index)
    stage = CastingContext(rng, "grass", np.zeros(1), 1.0, 0.0, all_pairs=False)
    kind = str(rng.choice(["person", "cat", "dog", "horse"]))
    while True:
        (one,) = cast_alone(stage, 1, Requirement(kind))
        if one.marking:
            return one


def references(
    seed: int, index: int, count: int = 4, size: int = 64
) -> tuple[Thing, NDArray[np.uint8]]:
    """An individual and ``count`` pictures of it, (count, size, size, 3) uint8 RGB.

    Alone on a plain ground, filling most of the picture, in other poses and facing either way.
    """
    one = individual(seed, index)
    rng = generator(Stream.REFERENCE_POSES, seed, index)
    return one, plain_pictures(one, rng, count, size)


def plain_pictures(
    one: Thing, rng: Generator, count: int = 4, size: int = 64, extent: float = 0.8
) -> NDArray[np.uint8]:
    """``count`` pictures of a thing on a plain ground, (count, size, size, 3) uint8 RGB.

    In other poses, facing left and right in turn; ``extent`` is the larger of its height and width,
    of the picture's.
    """
    factor = oversampling(size)
    pictures = np.empty((count, size, size, 3), np.uint8)
    height = extent / max(1.0, world.KINDS[one.kind].aspect)
    for i in range(count):
        pixels = np.full((size * factor, size * factor, 3), PLAIN, np.uint8)
        motion = ("still", "walk", "run")[i % 3]
        posed = replace(
            one,
            motion=motion,
            height=height,
            ground=0.5 + height / 2,
            heading=1 if i % 2 == 0 else -1,
        )
        travel = float(rng.uniform(0, 2)) * height
        DRAW[one.kind](
            Canvas(pixels, float(size * factor)), pose_of(posed, (0.5, 0.5), travel, clock=travel)
        )
        pictures[i] = reduce(pixels, size, size)
    return pictures


CLUTTER: Final = 0.25
"""Part of the varied pictures that show a place behind the thing, not a plain ground."""


def varied_pictures(
    one: Thing, rng: Generator, count: int = 4, size: int = 64
) -> NDArray[np.uint8]:
    """``count`` pictures of a thing, (count, size, size, 3) uint8 RGB, as people would give them.

    In other poses, facing either way, smaller or larger, not always in the middle, a little
    brighter or darker, some before a place.
    """
    factor = oversampling(size)
    pictures = np.empty((count, size, size, 3), np.uint8)
    usual = 0.8 / max(1.0, world.KINDS[one.kind].aspect)
    motions = [
        motion for motion in world.KINDS[one.kind].motions if motion in ("still", "walk", "run")
    ] or ["still"]
    for i in range(count):
        height = usual * float(rng.uniform(0.7, 1.1))
        place = (0.5 + float(rng.uniform(-0.08, 0.08)), 0.5 + float(rng.uniform(-0.06, 0.06)))
        canvas = Canvas(
            np.full((size * factor, size * factor, 3), PLAIN, np.uint8), float(size * factor)
        )
        if rng.random() < CLUTTER:
            backdrop(compose(int(rng.integers(2**31)), 0, frames=1), canvas)
        motion, heading = str(rng.choice(motions)), int(rng.choice([-1, 1]))
        posed = replace(
            one, motion=motion, height=height, ground=place[1] + height / 2, heading=heading
        )
        travel = float(rng.uniform(0, 2)) * height
        light = float(rng.uniform(0.92, 1.08))
        DRAW[one.kind](canvas, pose_of(posed, place, travel, travel, (light, light, light)))
        pictures[i] = reduce(canvas.pixels, size, size)
    return pictures


def own_individual(seed: int, kind: str, colour: str) -> Thing:
    """An individual of the second edition: the marks of this seed on an animal or person."""
    rng = generator(Stream.INDIVIDUAL, seed, 0)
    stage = CastingContext(rng, "grass", np.zeros(1), 1.0, 0.0, all_pairs=True)
    (one,) = cast_alone(stage, 1, Requirement(kind, colour=colour))
    free = [other for other in world.COLOURS if other != colour]
    return replace(one, marking=marking_of(seed, free))


def portraits(
    one: Thing, rng: Generator, count: int, size: int = 64
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Pictures of a thing as films show it: small or large, at any place, half before a place.

    Returns
    -------
    (count, size, size, 3) uint8
    (count, 3)
        Its centre and its height, in pictures' heights.
    """
    factor = oversampling(size)
    pictures = np.empty((count, size, size, 3), np.uint8)
    where = np.empty((count, 3))
    motions = [m for m in world.KINDS[one.kind].motions if m in ("still", "walk", "run")]
    for i in range(count):
        height = float(rng.uniform(0.3, 0.75)) / max(1.0, world.KINDS[one.kind].aspect / 1.3)
        place = (float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.4, 0.65)))
        pixels = np.full((size * factor, size * factor, 3), PLAIN, np.uint8)
        canvas = Canvas(pixels, float(size * factor))
        if rng.random() < 0.5:
            backdrop(compose(int(rng.integers(2**31)), 0, frames=1), canvas)
        posed = replace(
            one,
            motion=str(rng.choice(motions or ["still"])),
            height=height,
            ground=place[1] + height / 2,
            heading=int(rng.choice([-1, 1])),
        )
        travel, light = float(rng.uniform(0, 2)) * height, float(rng.uniform(0.6, 1.05))
        DRAW[one.kind](canvas, pose_of(posed, place, travel, travel, (light, light, light)))
        pictures[i], where[i] = reduce(canvas.pixels, size, size), (*place, height)
    return pictures, where
