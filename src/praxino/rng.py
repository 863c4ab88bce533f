"""Random numbers that are pure functions of (stream, seed, index): no state travels from one draw
to the next.

A stream is one use of randomness (scenes, captions, a stage's batches). Streams of the same seed
and index are independent: each jumps 2**128 draws further in one Philox sequence (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011). A number once given stays given: scenes,
suites and runs are remade from it.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a generator is for."""

    SCENE = 0
    SCENE_ALL_PAIRS = 1
    SCENE_HELD_OUT = 2
    SCENE_RARE = 3
    INDIVIDUAL = 4
    REFERENCE_POSES = 5
    CAPTION = 6
    READER_BATCH = 7
    AUTOENCODER_BATCH = 8
    SHUFFLE = 9
    DIFFUSION_BATCH = 10
    FORENSIC_BATCH = 11
    LOSS = 12
    SCENE_SECOND_EDITION = 13
    LAYOUT_BATCH = 14
    INDIVIDUAL_MARKS = 15
    CLIP_CHOICE = 16
    REFERENCE_PICTURES = 17
    LATENT_READER_BATCH = 18
    EXPANSION = 19
    IDENTITY_BATCH = 20
    IDENTITY_POOL = 21
    REFINER_PAIRS = 22
    REFINER_BATCH = 23
    DISTILL_BATCH = 24
    FINETUNE_BATCH = 25
    POINTS = 26
    PICTURE_BATCH = 27


def generator(stream: Stream, seed: int, index: int) -> np.random.Generator:
    """The generator of one item of a stream.

    Parameters
    ----------
    stream : Stream
    seed, index : int
        From 0 to below 2**64: which world or run, and which scene, step or epoch of it.
    """
    return np.random.Generator(np.random.Philox(key=[seed, index]).jumped(int(stream)))


def torch_seed(stream: Stream, seed: int, index: int) -> int:
    """A seed from 0 to below 2**63 for a ``torch.Generator``; arguments as in `generator`."""
    return int(generator(stream, seed, index).integers(2**63))
