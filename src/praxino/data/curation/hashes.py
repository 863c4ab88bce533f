"""Fingerprints of shots, and which of many shots are the same one again.

A fingerprint is 64 bits: which of the lowest frequencies of a picture are above their median. It
survives encoding, scaling and brightness. Shots are compared by several frames each, the second
one mirrored, too.

Legend: N shots, K frames of each.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE: Final = 32
"""Pixels a side of the pictures that are hashed."""
LOW: Final = 8
"""Frequencies along each side."""
FRAMES: Final = 5
"""Frames of a shot that are hashed."""
BANDS: Final = 4
"""Parts of a hash, one of which two frames must share to be compared."""
DUPLICATE_BITS: Final = 14.0
"""Bits up to which shots count as one: the mean over frames of the nearest frame's. Different ones
are 21 apart or more, re-encoded ones 3 or less.
"""
MAX_BAND: Final = 64
"""Frames of one band that each is compared with: more are black ones, say, and near by others."""
NEAR_BITS: Final = 20
"""Bits by which two frames of a pair differ at most, for their shots to be compared."""
CHUNK: Final = 2**17
"""Pairs that are compared at a time."""

Hashes = NDArray[np.uint64]


def image_hash(grey: NDArray[np.uint8]) -> int:
    """64 bits of a picture (H, W)."""
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:LOW, :LOW].ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def shot_distances(first: Hashes, second: Hashes) -> NDArray[np.float64]:
    """Bits by which shots differ, (N,), of hashes of their frames (N, K) each: the mean over the
    frames of one of the nearest frame of the other, the smaller of both.
    """
    bits = np.bitwise_count(first[:, :, None] ^ second[:, None]).astype(np.float64)
    return np.minimum(bits.min(2).mean(1), bits.min(1).mean(1))


def same_shots(hashes: Hashes, mirrored: Hashes, most: float = DUPLICATE_BITS) -> list[int]:
    """For each shot the first of those that are the same one: itself, if there is none before it.

    Parameters
    ----------
    hashes, mirrored : (N, K)
        Of frames of each shot, and of the same mirrored.
    most : float
        Bits up to which two are the same.
    """
    parent = list(range(len(hashes)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    pairs = _candidates(hashes, mirrored)
    for first in range(0, len(pairs), CHUNK):
        one, other = pairs[first : first + CHUNK].T
        plain = shot_distances(hashes[one], hashes[other])
        turned = shot_distances(hashes[one], mirrored[other])
        same = np.minimum(plain, turned) <= most
        for a, b in zip(one[same].tolist(), other[same].tolist(), strict=True):
            low, high = sorted((root(a), root(b)))
            parent[high] = low
    return [root(number) for number in range(len(parent))]


def _candidates(hashes: Hashes, mirrored: Hashes) -> NDArray[np.int64]:
    """(M, 2): pairs of shots of which some frames are near and share a band; each once."""
    count, frames = hashes.shape
    owner = np.tile(np.repeat(np.arange(count), frames), 2)
    plain = np.arange(2 * count * frames) < count * frames
    every = np.concatenate([hashes.ravel(), mirrored.ravel()])
    width, near = 64 // BANDS, [np.empty(0, np.int64)]
    for band in range(BANDS):
        keys = (every >> np.uint64(band * width)) & np.uint64(2**width - 1)
        order = np.argsort(keys, kind="stable")
        key, shot, own, bits = keys[order], owner[order], plain[order], every[order]
        for lag in range(1, MAX_BAND):
            same = key[lag:] == key[:-lag]
            if not same.any():
                break
            at = np.flatnonzero(same & (own[:-lag] | own[lag:]))
            at = at[np.bitwise_count(bits[at] ^ bits[at + lag]) <= NEAR_BITS]
            a, b = shot[at], shot[at + lag]
            pairs = np.minimum(a, b) * count + np.maximum(a, b)
            near.append(np.unique(pairs[a != b]))
    pairs = np.unique(np.concatenate(near))
    return np.stack([pairs // max(1, count), pairs % max(1, count)], axis=1)
