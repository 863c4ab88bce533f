"""Latents of the diorama, encoded once and kept in shards, so that a training step does not wait
for the encoder.
"""

import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.diorama import Edition, Scene, Thing, compose, render
from praxino.data.diorama.references import individual, varied_pictures
from praxino.data.pixels import to_tensor
from praxino.log import logger
from praxino.rng import Stream, generator
from praxino.storage.weights import checkpoint

SHARD = 1024
"""Clips in one file."""


def shuffled_indices(seed: int, size: int, start: int, count: int) -> NDArray[np.int64]:
    """Which of ``size`` clips stand at places ``start`` .. ``start + count - 1`` of an endless
    shuffled sequence.

    Every epoch is a permutation of its own, a pure function of (seed, epoch).
    """
    places = np.arange(start, start + count)
    indices = np.empty(count, np.int64)
    for epoch in np.unique(places // size):
        mine = places // size == epoch
        shuffled = generator(Stream.SHUFFLE, seed, int(epoch)).permutation(size)
        indices[mine] = shuffled[places[mine] % size]
    return indices


MIN_CORES_TO_SHARE: Final = 4
"""From so many cores on, other processes draw while this one encodes."""
CANDIDATES: Final = 8
"""Scenes that a clip is chosen from, where those of several things are to come more often."""


@dataclass(frozen=True)
class World:
    """Which clips: the diorama's seed and edition, and their frames, pixels and rate.

    ``single`` is the part of the scenes with fewer than two things that are taken as they come; in
    the place of others stands a later scene, with more things if there is one among `CANDIDATES`.
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

    def pixels(self, start: int, end: int) -> NDArray[np.uint8]:
        """(B, T, H, W, 3): clips ``start`` to ``end - 1``."""
        scenes = map(self.scene, range(start, end))
        return np.stack([render(scene, self.height, self.width) for scene in scenes])

    def clips(self, start: int, end: int) -> Tensor:
        """(B, 3, T, H, W) in [-1, 1]: the same as a network wants them."""
        return to_tensor(self.pixels(start, end))


def draw(world: World, starts: Sequence[int], ends: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """`World.pixels` of one range after another; where there are many cores, other processes draw
    ahead.
    """
    cores = available_cores()
    if cores < MIN_CORES_TO_SHARE:
        yield from map(world.pixels, starts, ends)
        return
    with ProcessPoolExecutor(cores - 2, get_context("spawn")) as pool:
        yield from pool.map(world.pixels, starts, ends)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


PICTURES: Final = 4
"""Pictures of the individuals of a clip, all individuals together."""


def individuals_of(scene: Scene) -> list[Thing]:
    """The one or two things of a scene that pictures are given of: individuals that are not of a
    group.
    """
    if scene.relation is not None and scene.relation.name == "group":
        return []
    return [
        thing
        for thing in scene.things
        if thing.marking is not None and thing.marking.individual is not None
    ][:2]


def pictured_entities(count: int) -> list[int]:
    """Which of ``count`` individuals each of the `PICTURES` of a clip shows."""
    return [place * count // PICTURES for place in range(PICTURES)] if count else []


def world_pictures(
    encode: Callable[[Tensor], Tensor],
    fingerprint: str,
    cache: Path,
    world: World,
    clips: int,
    start: int = 0,
) -> Float[Tensor, "clips pictures channels h w"]:
    """Latents of `PICTURES` of the individuals of each clip, as `world_latents`; zeros where a clip
    has none.
    """
    name = hashlib.sha256(
        f"encoder {fingerprint} {world.key} pictures {_portraits()}".encode()
    ).hexdigest()[:12]
    make = functools.partial(_encoded_pictures, encode, world)
    return in_shards(cache / f"pictures-{name}", "pictures", start, clips, make)


def _encoded_pictures(
    encode: Callable[[Tensor], Tensor], world: World, low: int, high: int
) -> Tensor:
    pixels, rows = [], []
    for clip in range(low, high):
        things = individuals_of(world.scene(clip))
        rng = generator(Stream.REFERENCE_PICTURES, world.seed, clip)
        for place, entity in enumerate(pictured_entities(len(things))):
            pixels.append(varied_pictures(things[entity], rng, 1, world.height)[0])
            rows.append((clip - low, place))
    size = encode(to_tensor(np.zeros((1, 1, world.height, world.height, 3), np.uint8)))[
        0, :, 0
    ].shape
    latents = torch.zeros(high - low, PICTURES, *size, dtype=torch.float16)
    for first in range(0, len(rows), 64):
        batch = encode(to_tensor(np.stack(pixels[first : first + 64])[:, None]))[:, :, 0]
        for (row, place), latent in zip(rows[first : first + 64], batch, strict=True):
            latents[row, place] = latent.to(torch.float16).cpu()
    return latents


@functools.cache
def drawing(edition: Edition) -> str:
    """Twelve hexadecimal digits that name how this code draws an edition: of 64 clips, enough to
    show every kind.
    """
    sketches = World(0, 9, 32, 32, edition=edition).clips(0, 64)
    return hashlib.sha256(sketches.numpy().tobytes()).hexdigest()[:12]


@functools.cache
def _portraits() -> str:
    """How this code draws pictures of individuals: of a few, small."""
    total = hashlib.sha256()
    for index in range(12):
        total.update(
            varied_pictures(
                individual(0, index), generator(Stream.REFERENCE_PICTURES, 0, index), 4, 32
            ).tobytes()
        )
    return total.hexdigest()[:12]


def world_latents(
    encode: Callable[[Tensor], Tensor],
    fingerprint: str,
    cache: Path,
    world: World,
    clips: int,
    start: int = 0,
    batch: int = 16,
) -> Float[Tensor, "clips channels t h w"]:
    """Normalised latents of ``clips`` clips of the world from ``start`` on, float16, from ``cache``
    or made now.

    Parameters
    ----------
    encode : callable
        (B, 3, T, H, W) in [-1, 1] to latents.
    fingerprint : str
        Names the encoder's weights. Other weights, another world or other drawing: another folder
        in the cache.
    """
    name = hashlib.sha256(f"encoder {fingerprint} {world.key}".encode()).hexdigest()[:12]

    def make(low: int, high: int) -> Tensor:
        starts = range(low, high, batch)
        drawn = draw(world, starts, [min(first + batch, high) for first in starts])
        return torch.cat([encode(to_tensor(pixels)).to(torch.float16).cpu() for pixels in drawn])

    return in_shards(cache / f"latents-{name}", "latents", start, clips, make)


def in_shards(
    folder: Path,
    name: str,
    start: int,
    clips: int,
    make: Callable[[int, int], Tensor],
    shard: int = SHARD,
) -> Tensor:
    """What ``make`` makes of ``clips`` clips from ``start`` on, ``shard`` at a time, each a file of
    ``folder``.
    """
    parts = []
    for low in range(start, start + clips, shard):
        high = min(low + shard, start + clips)
        path = folder / f"{low:07d}-{high:07d}.safetensors"
        if not path.exists():
            logger.info(
                "encoding %s of clips %d to %d of %d to %d", name, low, high, start, start + clips
            )
            checkpoint.write_tensors(path, {name: make(low, high)})
        parts.append(checkpoint.load_tensors(path)[name])
    return torch.cat(parts)
