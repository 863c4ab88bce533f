"""Latents of the diorama, encoded once and kept in shards, so that a training step does not wait for the encoder."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.clips import to_tensor
from praxino.data.diorama import compose, render
from praxino.log import logger
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
        shuffled = np.random.Generator(np.random.Philox(key=[seed, int(epoch)]).jumped(3)).permutation(size)
        chosen[mine] = shuffled[places[mine] % size]
    return chosen


@dataclass(frozen=True)
class World:
    """Which clips: the diorama's seed, and their frames, pixels and rate."""

    seed: int
    frames: int
    height: int
    width: int
    fps: float = 8.0

    def clips(self, start: int, end: int) -> Tensor:
        """(B, 3, T, H, W) in [-1, 1]: clips ``start`` to ``end - 1``."""
        made = (
            compose(self.seed, index, self.frames, self.width / self.height, self.fps) for index in range(start, end)
        )
        return to_tensor(np.stack([render(scene, self.height, self.width) for scene in made]))


@functools.cache
def _drawn(world: World) -> str:
    """How this world is drawn by this code: of enough clips to show every kind of thing."""
    sketches = replace(world, height=32, width=round(32 * world.width / world.height)).clips(0, 64)
    return hashlib.sha256(sketches.numpy().tobytes()).hexdigest()


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
    name = hashlib.sha256(f"{fingerprint} {world} {_drawn(world)}".encode()).hexdigest()[:12]
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
