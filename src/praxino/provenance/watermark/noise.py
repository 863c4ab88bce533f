"""A mark in the noise that a film is made of: its signs come from a key, its sizes from the seed.

Nothing is put into the pixels, and the noise stays exactly Gaussian: independent fair signs times
half-normal sizes (as in Gaussian Shading, arXiv 2404.04956). It is read by the model that made the
film, which finds its way back to the noise. Several thousand patterns of one key, chosen by the
seed, keep films as unlike as seeds make them.
"""

import hashlib
import math
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

PATTERNS: Final = 4096
"""Patterns of one key."""
READ: Final = 2**16
"""Values of the noise that are compared, at most."""


def watermark_noise(noise: Float[Tensor, "..."], key: bytes, seed: int) -> Float[Tensor, "..."]:
    """The noise of a ``seed``, with the signs that the key gives it; as Gaussian as before."""
    which = (
        int.from_bytes(hashlib.sha256(key + seed.to_bytes(8, "big")).digest()[:8], "big") % PATTERNS
    )
    signs = torch.from_numpy(_signs(key, which, noise.numel())).to(noise).view(noise.shape)
    return noise.abs() * signs


def match_probability(noise: Float[Tensor, "..."], key: bytes) -> tuple[float, float]:
    """How often noise that knows nothing of the key is like one of its patterns as much as this, at
    most.

    Returns
    -------
    tuple of float
        The bound (Hoeffding 1963, for any noise: the signs are the random ones), and the share of
        signs that agree.
    """
    values = noise.detach().cpu().double().numpy().reshape(-1)[:READ]
    values = np.clip(values, -2, 2) / math.sqrt(
        max(float((np.clip(values, -2, 2) ** 2).sum()), 1e-12)
    )
    best, which = 0.0, 0
    for pattern in range(PATTERNS):
        strength = float(_signs(key, pattern, len(values)) @ values)
        if strength > best:
            best, which = strength, pattern
    agreement = float(np.mean(_signs(key, which, len(values)) == np.sign(values)))
    return min(1.0, PATTERNS * math.exp(-(best**2) / 2)), agreement


def _signs(key: bytes, which: int, count: int) -> NDArray[np.float64]:
    """(count,) of 1 and -1; longer ones begin like shorter ones."""
    stream = hashlib.shake_128(b"praxino noise 1" + key + which.to_bytes(4, "big")).digest(
        -(-count // 8)
    )
    return np.asarray(
        1.0 - 2.0 * np.unpackbits(np.frombuffer(stream, np.uint8), count=count), np.float64
    )
