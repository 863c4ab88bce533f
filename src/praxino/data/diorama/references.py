"""Clean pictures of one individual, for a memory that should know it again."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import lexicon
from praxino.data.diorama.canvas import Canvas, oversampling, reduce
from praxino.data.diorama.casting import Stage, Wanted, cast_alone
from praxino.data.diorama.scene import Thing
from praxino.data.diorama.things import DRAW, pose_of
from praxino.rng import Stream, generator

PLAIN = (232.0, 232.0, 228.0)


def individual(seed: int, index: int) -> Thing:
    """An animal or person with markings of its own: a pure function of its arguments."""
    rng = generator(Stream.INDIVIDUAL, seed, index)
    stage = Stage(rng, "grass", np.zeros(1), 1.0, 0.0, all_pairs=False)
    kind = str(rng.choice(["person", "cat", "dog", "horse"]))
    while True:
        (one,) = cast_alone(stage, 1, Wanted(kind))
        if one.marking:
            return one


def references(seed: int, index: int, count: int = 4, size: int = 64) -> tuple[Thing, NDArray[np.uint8]]:
    """An individual and ``count`` pictures of it, (count, size, size, 3) uint8 RGB.

    Alone on a plain ground, filling most of the picture, in other poses and facing either way.
    """
    one = individual(seed, index)
    rng = generator(Stream.REFERENCE_POSES, seed, index)
    factor = oversampling(size)
    pictures = np.empty((count, size, size, 3), np.uint8)
    height = 0.8 / max(1.0, lexicon.KINDS[one.kind].aspect)
    for i in range(count):
        pixels = np.full((size * factor, size * factor, 3), PLAIN, np.uint8)
        motion = ("still", "walk", "run")[i % 3]
        posed = replace(one, motion=motion, height=height, ground=0.5 + height / 2, heading=1 if i % 2 == 0 else -1)
        travel = float(rng.uniform(0, 2)) * height
        DRAW[one.kind](Canvas(pixels, float(size * factor)), pose_of(posed, (0.5, 0.5), travel, clock=travel))
        pictures[i] = reduce(pixels, size, size)
    return one, pictures
