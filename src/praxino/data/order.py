"""The order in which a run sees its clips, as a function: nothing is shuffled, stored or sent.

A Feistel network permutes 4^k numbers; what falls outside of those that there are is permuted again
until it falls inside (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).

Legend: N things, M of them asked for.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

ROUNDS: Final = 6
MIX: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Factors of SplitMix64 (Steele et al., OOPSLA 2014)."""
STEP: Final = np.uint64(0x9E3779B97F4A7C15)

Numbers = NDArray[np.int64]


def permuted(places: Numbers, count: int, seed: int, epoch: int = 0) -> Numbers:
    """Which of ``count`` things stand at these places of an epoch's order, (M,); each thing stands
    at one place.

    Parameters
    ----------
    places : (M,)
        From 0 to below ``count``.
    seed, epoch : int
        Each pair is an order of its own.
    """
    bits = max(1, (max(2, count) - 1).bit_length() + 1) // 2
    half = np.uint64(2**bits - 1)
    keys = _mixed(np.arange(ROUNDS, dtype=np.uint64) + _key(seed, epoch))
    result = np.asarray(places, np.uint64).copy()
    outside = np.ones(len(result), bool)
    while outside.any():
        x = result[outside]
        left, right = x >> np.uint64(bits), x & half
        for key in keys:
            left, right = right, left ^ (_mixed(right + key) & half)
        result[outside] = (left << np.uint64(bits)) | right
        outside = result >= np.uint64(count)
    return result.astype(np.int64)


def _key(seed: int, epoch: int) -> np.uint64:
    both = np.array([seed, epoch], np.uint64)
    return _mixed(_mixed(both[:1]) + both[1:])[0]


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 of each number."""
    x = x + STEP
    for shift, factor in zip((30, 27), MIX, strict=True):
        x = (x ^ (x >> np.uint64(shift))) * factor
    return x ^ (x >> np.uint64(31))
