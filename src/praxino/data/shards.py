"""Latents of the diorama, encoded once and kept in shards, so that a training step does not wait for the encoder."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.clips import to_tensor
from praxino.data.diorama import Edition, Scene, compose, render
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


CANDIDATES: Final = 8
"""Scenes that a clip is chosen from, where those of several things are to come more often."""


@dataclass(frozen=True)
class World:
    """Which clips: the diorama's seed and edition, and their frames, pixels and rate.

    ``single`` is the part of the scenes with fewer than two things that are taken as they come; in the place of others
    stands a later scene, with more things if there is one among `CANDIDATES`.
    """

    seed: int
    frames: int
    height: int
    width: int
    fps: float = 8.0
    edition: Edition = 1
    single: float = 1.0

    @property
    def key(self) -> str:
        """Names these clips and how this code draws them."""
        size = f"{self.frames}x{self.height}x{self.width} at {self.fps:g}"
        drawn = f"edition {self.edition} drawn {drawing(self.edition)} seed {self.seed} size {size}"
        return drawn if self.single == 1 else f"{drawn} single {self.single:g}"

    def scene(self, clip: int) -> Scene:
        """The scene of a clip: a pure function of the world and the clip's number."""
        aspect = self.width / self.height
        if self.single == 1:
            return compose(self.seed, clip, self.frames, aspect, self.fps, edition=self.edition)
        patience = generator(Stream.CLIP_CHOICE, self.seed, clip).random(CANDIDATES)
        for candidate in range(CANDIDATES):
            index = clip * CANDIDATES + candidate
            scene = compose(self.seed, index, self.frames, aspect, self.fps, edition=self.edition)
            if len(scene.things) > 1 or patience[candidate] < self.single:
                break
        return scene

    def clips(self, start: int, end: int) -> Tensor:
        """(B, 3, T, H, W) in [-1, 1]: clips ``start`` to ``end - 1``."""
        scenes = map(self.scene, range(start, end))
        return to_tensor(np.stack([render(scene, self.height, self.width) for scene in scenes]))


@functools.cache
def drawing(edition: Edition) -> str:
    """Twelve hexadecimal digits that name how this code draws an edition: of 64 clips, enough to show every kind."""
    sketches = World(0, 9, 32, 32, edition=edition).clips(0, 64)
    return hashlib.sha256(sketches.numpy().tobytes()).hexdigest()[:12]


def world_latents(
    encode: Callable[[Tensor], Tensor],
    fingerprint: str,
    cache: Path,
    world: World,
    clips: int,
    start: int = 0,
    batch: int = 16,
) -> Float[Tensor, "clips channels t h w"]:
    """Normalised latents of ``clips`` clips of the world from ``start`` on, float16, from ``cache`` or made now.

    Parameters
    ----------
    encode : callable
        (B, 3, T, H, W) in [-1, 1] to latents.
    fingerprint : str
        Names the encoder's weights. Other weights, another world or other drawing: another folder in the cache.
    """
    name = hashlib.sha256(f"encoder {fingerprint} {world.key}".encode()).hexdigest()[:12]
    parts = []
    for low in range(start, start + clips, SHARD):
        high = min(low + SHARD, start + clips)
        path = cache / f"latents-{name}" / f"{low:07d}-{high:07d}.safetensors"
        if not path.exists():
            logger.info("encoding clips %d to %d of %d to %d", low, high, start, start + clips)
            fresh = [
                encode(world.clips(first, min(first + batch, high))).to(torch.float16).cpu()
                for first in range(low, high, batch)
            ]
            checkpoint.write_tensors(path, {"latents": torch.cat(fresh)})
        parts.append(checkpoint.load_tensors(path)["latents"])
    return torch.cat(parts)
