"""Pairs that a refiner learns from: latents of clips, and of the same clips as they are where a
smaller or slower film of them was enlarged.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from praxino.data.latents import World, in_shards
from praxino.data.pixels import Axis, enlarged, reduced, to_pixels, to_tensor

SHARD: Final = 32
"""Pairs in one file: what a run loses that is killed while it makes them."""
Coder = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PairMaker:
    """Makes pairs with an autoencoder.

    Attributes
    ----------
    encode : callable
        (1, 3, T, H, W) in [-1, 1] to latents (1, C, t, h, w).
    decode : callable
        The way back.
    damage : callable
        (latents of a small or slow film, number of its clip) to such latents as a model makes them.
    fingerprint : str
        Names the weights of all three.
    """

    encode: Coder
    decode: Coder
    damage: Callable[[Tensor, World, int], Tensor]
    fingerprint: str

    def pair(self, world: World, axis: Axis, clip: int) -> Tensor:
        """(2, C, t, h, w): latents of a clip of the world, and of its enlarged film."""
        large = world.pixels(clip, clip + 1)[0]
        film = self._latents(reduced(large, axis))
        (small,) = to_pixels(self.decode(self.damage(film, world, clip)))
        return torch.cat([self._latents(large), self._latents(enlarged(small, axis))])

    def _latents(self, film: np.ndarray) -> Tensor:
        return self.encode(to_tensor(film[None]))


def world_pairs(
    maker: PairMaker, cache: Path, world: World, axis: Axis, clips: int
) -> Float[Tensor, "clips 2 channels t h w"]:
    """Pairs of the first ``clips`` clips of a world, float16, from ``cache`` or made now."""
    named = f"pairs {maker.fingerprint} {world.key} {axis}"
    name = hashlib.sha256(named.encode()).hexdigest()[:12]
    make = functools.partial(_pairs, maker, world, axis)
    return in_shards(cache / f"pairs-{name}", "pairs", 0, clips, make, SHARD)


def _pairs(maker: PairMaker, world: World, axis: Axis, low: int, high: int) -> Tensor:
    pairs = [maker.pair(world, axis, clip).to(torch.float16).cpu() for clip in range(low, high)]
    return torch.stack(pairs)
