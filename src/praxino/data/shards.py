"""Latents of the diorama, encoded once and kept in shards, so that a training step does not wait for the encoder."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.clips import to_tensor
from praxino.data.diorama import Edition, compose, render
from praxino.log import logger
from praxino.rng import Stream, generator
from praxino.storage import checkpoint

SHARD = 1024
"""Clips in one file."""


def order(seed: int, size: int, start: int, count: int) -> NDArray[np.int64]:
    """Which of ``size`` clips stand at places ``start`` .. ``start + count - 1`` of an endless shuffled sequence.

    Every epoch is a permutation of its own, a pure function of (seed, epoch).
    """
    places = np.arange(start, start + count)
    chosen = np.empty(count, np.int64)
    for epoch in np.unique(places // size):
        mine = places // size == epoch
        shuffled = generator(Stream.SHUFFLE, seed, int(epoch)).permutation(size)
        chosen[mine] = shuffled[places[mine] % size]
    return chosen


@dataclass(frozen=True)
class World:
    """Which clips: the diorama's seed and edition, and their frames, pixels and rate."""

    seed: int
    frames: int
    height: int
    width: int
    fps: float = 8.0
    edition: Edition = 1

    @property
    def key(self) -> str:
        """Names these clips and how this code draws them."""
        size = f"{self.frames}x{self.height}x{self.width} at {self.fps:g}"
        return f"edition {self.edition} drawn {drawing(self.edition)} seed {self.seed} size {size}"

    def clips(self, start: int, end: int) -> Tensor:
        """(B, 3, T, H, W) in [-1, 1]: clips ``start`` to ``end - 1``."""
        made = (
            compose(self.seed, index, self.frames, self.width / self.height, self.fps, edition=self.edition)
            for index in range(start, end)
        )
        return to_tensor(np.stack([render(scene, self.height, self.width) for scene in made]))


@functools.cache
def drawing(edition: Edition) -> str:
    """Twelve hexadecimal digits that name how this code draws an edition: of 64 clips, enough to show every kind."""
    sketches = World(0, 9, 32, 32, edition=edition).clips(0, 64)
    return hashlib.sha256(sketches.numpy().tobytes()).hexdigest()[:12]


def world_latents(
    encode: Callable[[Tensor], Tensor], fingerprint: str, cache: Path, world: World, clips: int, batch: int = 16
) -> Float[Tensor, "clips channels t h w"]:
    """Normalised latents of the world's first ``clips`` clips, float16, from ``cache`` or made now.

    Parameters
    ----------
    encode : callable
        (B, 3, T, H, W) in [-1, 1] to latents.
    fingerprint : str
        Names the encoder's weights. Other weights, another world or other drawing: another folder in the cache.
    """
    name = hashlib.sha256(f"encoder {fingerprint} {world.key}".encode()).hexdigest()[:12]
    parts = []
    for start in range(0, clips, SHARD):
        end = min(start + SHARD, clips)
        path = cache / f"latents-{name}" / f"{start:07d}-{end:07d}.safetensors"
        if not path.exists():
            logger.info("encoding clips %d to %d of %d", start, end, clips)
            made = [
                encode(world.clips(first, min(first + batch, end))).to(torch.float16).cpu()
                for first in range(start, end, batch)
            ]
            checkpoint.write_tensors(path, {"latents": torch.cat(made)})
        parts.append(checkpoint.load_tensors(path)["latents"])
    return torch.cat(parts)
