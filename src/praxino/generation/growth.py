"""A memory that grows by what was made: crops of a film, each verified against what was given.

A crop is kept only where the reader finds one thing of the right kind, where it is as like the
given pictures as two pictures of one individual are, unlike what is kept already, and as sharp.
Frames as they come are never kept: what is wrong in them would be learned.
"""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from praxino.data.pixels import to_tensor
from praxino.errors import InputError
from praxino.generation.memory import Entity, Memory
from praxino.models.identity import CROP_SHARE, IdentityConfig, IdentityNet, crop_around, crops_of
from praxino.models.reader import Reader, ReaderConfig, Sighting
from praxino.references import Reference
from praxino.storage.weights.bundle import BUNDLED, read_part

MAX_ALIKE: Final = 0.9
"""Correlation of thumbnails from which a crop shows no new view."""
MIN_SHARPNESS: Final = 0.7
"""Sharpness of a crop, against that of the given pictures."""
MAX_NEW: Final = 1
"""Crops of one film and entity that are kept."""
THUMBNAIL_PIXELS: Final = 24
"""Side at which views and sharpness are compared: about that of things in films."""
KINDS: Final = ("animal", "character")
"""Entities that the reader of the diorama can find."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A crop that may be kept.

    Attributes
    ----------
    pixels : (H, W, 3) uint8
    frame : int
    cosine : float
        Likeness to the pictures that were given.
    """

    pixels: NDArray[np.uint8]
    frame: int
    cosine: float


class Verifier:
    """Finds crops of an entity in films of the diorama.

    Parameters
    ----------
    reader, identity : Path
        Folders of the networks; the bundled ones where none are named.
    """

    def __init__(
        self,
        reader: Path = BUNDLED / "diorama-reader",
        identity: Path = BUNDLED / "diorama-identity",
    ) -> None:
        self.reader = read_part(reader / "reader", Reader, ReaderConfig).eval()
        self.network = read_part(identity / "identity", IdentityNet, IdentityConfig).eval()

    @torch.inference_mode()
    def candidates(
        self, film: NDArray[np.uint8], entity: Entity, memory: Memory
    ) -> list[Candidate]:
        """Crops of a film (T, H, W, 3) that may be kept of an entity, the best first.

        None of an entity without given pictures, or of a kind that the reader does not know, or
        where the film shows more than one thing of its kind.
        """
        pictures = [
            image.pixels
            for one in entity.pictures
            if not one.generated and (image := memory.image(one.digest)) is not None
        ]
        if not pictures or entity.kind not in KINDS:
            return []
        kept = [image.pixels for one in entity.pictures if (image := memory.image(one.digest))]
        views = [_view(one) for one in kept]
        centre = self._centre(pictures)
        sharp = MIN_SHARPNESS * float(np.median([_sharpness(one) for one in pictures]))
        able = [
            candidate
            for thing in self._things(film)
            for candidate in self._of_thing(film, thing, centre)
        ]
        able = [
            one
            for one in able
            if one.cosine >= self.network.config.threshold
            and _sharpness(one.pixels) >= sharp
            and max(float((_view(one.pixels) * view).mean()) for view in views) < MAX_ALIKE
        ]
        return sorted(able, key=lambda one: -one.cosine)[:MAX_NEW]

    @torch.inference_mode()
    def likeness(self, film: NDArray[np.uint8], pictures: list[NDArray[np.uint8]]) -> float | None:
        """How like what pictures show the likest thing of a film (T, H, W, 3) is: a cosine; None
        where the reader finds nothing.
        """
        centre = self._centre(pictures)
        side, cosines = self.network.config.side, []
        for thing in self.reader.read(to_tensor(film[None]))[0].things:
            if len(crops := crops_of(film, thing, side)):
                embedding = self.network.together(to_tensor(crops[:, None])[:, :, 0])
                cosines.append(float(embedding @ centre))
        return max(cosines, default=None)

    def _things(self, film: NDArray[np.uint8]) -> list[Sighting]:
        """What may be the entity: a thing that is the only one of its kind."""
        things = self.reader.read(to_tensor(film[None]))[0].things
        kinds = [thing.kind for thing in things]
        return [thing for thing in things if kinds.count(thing.kind) == 1]

    def _of_thing(
        self, film: NDArray[np.uint8], thing: Sighting, centre: torch.Tensor
    ) -> list[Candidate]:
        candidates = []
        for frame in np.flatnonzero(np.isfinite(thing.track[:, 0]))[::2]:
            x, y = (float(value) for value in thing.track[frame])
            side = max(16, round(CROP_SHARE * thing.height * film.shape[1]))
            pixels = crop_around(film[frame], (x, y), thing.height, side)
            cosine = float(self._embedded([pixels])[0].detach() @ centre.detach())
            candidates.append(Candidate(pixels, int(frame), cosine))
        return candidates

    def _centre(self, pictures: list[NDArray[np.uint8]]) -> torch.Tensor:
        """(D,): what pictures of one thing have in common."""
        return torch.nn.functional.normalize(self._embedded(pictures).mean(0), dim=0)

    def _embedded(self, pictures: list[NDArray[np.uint8]]) -> torch.Tensor:
        """(N, D) of pictures of any size."""
        size = (self.network.config.side,) * 2
        small = [
            np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.uint8)
            for one in pictures
        ]
        return self.network(to_tensor(np.stack(small)[:, None])[:, :, 0])


def grow(
    memory: Memory,
    references: Sequence[Reference],
    film: NDArray[np.uint8],
    name: str,
    ask: bool = False,
) -> list[str]:
    """Keep what a film (T, H, W, 3) shows of its remembered entities, where it can be verified;
    notes on what was kept.

    Parameters
    ----------
    name : str
        Of the film, for the origin of what is kept.
    ask : bool
        Propose it to whoever owns the memory instead.
    """
    names = {one.name: one for one in memory.entities()}
    able = [names[one.name] for one in references if one.name in names and one.pictures]
    if not any(one.pictures for one in able):
        return []
    verifier, notes = bundled_verifier(), []
    for entity in able:
        for candidate in verifier.candidates(film, entity, memory):
            content, origin = _png(candidate.pixels), f"{name}, frame {candidate.frame}"
            if ask:
                memory.propose(entity.name, content, origin, candidate.cosine)
                continue
            try:
                memory.add_generated(entity.name, content, origin)
            except InputError as error:  # all that it may have are given ones
                notes.append(str(error))
                break
            notes.append(
                f"@{entity.name} has one more picture, of frame {candidate.frame} "
                f"(likeness {candidate.cosine:.2f})"
            )
    return notes


@functools.cache
def bundled_verifier() -> Verifier:
    """A verifier of the bundled networks, loaded once."""
    return Verifier()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _sharpness(picture: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of a picture's thumbnail."""
    return float(cv2.Laplacian(_thumbnail(picture), cv2.CV_64F).var())


def _view(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A picture's thumbnail of mean 0 and deviation 1."""
    small = _thumbnail(picture).astype(np.float64)
    return (small - small.mean()) / max(float(small.std()), 1e-9)


def _thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
