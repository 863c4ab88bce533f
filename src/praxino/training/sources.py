"""Where a stage finds what it begins from, and where it works: the same for every kind of stage."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from praxino.config import Config
from praxino.storage.wan import family
from praxino.storage.weights import bundle
from praxino.storage.weights.bundle import BUNDLED, Bundle
from praxino.storage.weights.lazy import ModelParts, in_memory

FilmMaker = Callable[[Bundle, str], NDArray[np.uint8]]
"""A model and a sentence become a film, (T, H, W, 3) uint8."""


class Sources(Config):
    """Folders that a run takes weights or clips from."""

    vae: Path | None = Field(
        None, strict=False, description="model whose autoencoder to use; none: the bundled one"
    )
    init: Path | None = Field(None, strict=False, description="model whose weights to begin from")
    footage: Path | None = Field(None, strict=False, description="real clips")

    @property
    def autoencoder(self) -> Path:
        """The model whose autoencoder makes the latents."""
        return self.vae or BUNDLED / "diorama"


@dataclass(frozen=True)
class Workplace:
    """Where a run works.

    Attributes
    ----------
    device : str
        "cpu", "cuda", ...
    cache : Path
        Keeps latents between runs.
    film : callable, optional
        Makes the films that a diffusion run draws as samples; a run without it has none.
    compute : str
        "float32" or "bfloat16": what latents are encoded in, as the run computes.
    """

    device: str = "cpu"
    cache: Path = Path("runs")
    film: FilmMaker | None = None
    compute: Literal["float32", "bfloat16"] = "float32"


NOTHING: Final = Sources()
"""No folder is named: what comes with the package is used."""
HERE: Final = Workplace()
"""On the processor, in the present folder."""


def read_model(folder: Path) -> ModelParts:
    """A model of Wan's published layouts, or of this house; raises `CheckpointError` if there is
    none.
    """
    if family.layout_of(folder):
        return family.read(folder, folder.name)
    return in_memory(bundle.read(folder))
