"""Pictures of the diorama: the middle moment of each of its films, where most is seen."""

import functools
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from praxino.data.diorama import Edition, Scene, compose, render
from praxino.data.latents import drawing, in_shards
from praxino.models.vae import VAE
from praxino.storage.weights import bundle

FRAMES = 17
ENCODED_AT_ONCE = 64


@dataclass(frozen=True)
class Stills:
    """Which pictures: a pure function of their numbers."""

    seed: int
    size: int
    edition: Edition = 1

    def scene(self, number: int) -> Scene:
        """The scene at its middle moment, of one frame."""
        return at_frame(compose(self.seed, number, FRAMES, edition=self.edition), FRAMES // 2)

    def pixels(self, start: int, end: int) -> Tensor:
        """(B, 3, H, W) uint8: pictures ``start`` to ``end - 1``."""
        drawn = [
            render(self.scene(number), self.size, self.size)[0] for number in range(start, end)
        ]
        return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()

    def kept(self, cache: Path, count: int) -> Tensor:
        """The first pictures, from ``cache`` or drawn now."""
        folder = cache / f"stills-{self._digest('')}"
        return in_shards(folder, "pixels", 0, count, self.pixels)

    def latents(self, cache: Path, count: int, vae: VAE) -> Tensor:
        """(B, C, h, w): the first pictures as latents of unit variance, likewise."""
        folder = cache / f"stills-{self._digest(bundle.encoder_digest(vae))}"

        def encode(start: int, end: int) -> Tensor:
            parts = self.pixels(start, end).split(ENCODED_AT_ONCE)
            with torch.inference_mode():
                clips = [vae.encode(part[:, :, None].float() / 127.5 - 1) for part in parts]
                return torch.cat(clips)[:, :, 0].contiguous()

        return in_shards(folder, "latents", 0, count, encode)

    @functools.cache  # noqa: B019  (a handful of them is ever made)
    def _digest(self, encoder: str) -> str:
        parts = f"{self} {drawing(self.edition)} {encoder}"
        return hashlib.sha256(parts.encode()).hexdigest()[:12]


def at_frame(scene: Scene, frame: int) -> Scene:
    """One moment of a scene, as a scene of one frame."""
    moment = slice(frame, frame + 1)
    things = tuple(
        replace(thing, position=thing.position[moment], velocity=thing.velocity[moment])
        for thing in scene.things
    )
    camera = replace(
        scene.camera,
        left=scene.camera.left[moment],
        top=scene.camera.top[moment],
        zoom=scene.camera.zoom[moment],
    )
    return replace(scene, things=things, camera=camera)
