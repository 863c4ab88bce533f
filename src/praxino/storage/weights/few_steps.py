"""LoRAs that make a model of the Wan family a student of few steps: how they are told from others,
and how films are made with them where nothing else is said.

They were distilled with guidance folded in (DMD2, arXiv 2405.14867; CausVid, arXiv 2412.07772;
Self Forcing, arXiv 2506.08009), so that guidance is 1; steps and shift are their publishers'.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from praxino.diffusion.sampling import SAMPLERS, SamplerName
from praxino.errors import CheckpointError
from praxino.storage.weights import lora_names
from praxino.storage.weights.bundle import BundleConfig
from praxino.storage.weights.files import Weights, open_weights

METADATA: Final = ("modelspec.title", "ss_output_name", "name", "title")
"""What tools write of a file's name into it."""


OWN: Final = "praxino.few_steps"
"""Metadata of students that were made here: a `FewSteps` as JSON."""


class FewSteps(NamedTuple):
    """A family of such LoRAs.

    Attributes
    ----------
    name : str
    words : str
        A pattern, of the names of its files.
    steps : int
    shift : float
    sampler : str
    """

    name: str
    words: str
    steps: int
    shift: float
    sampler: SamplerName

    @property
    def settings(self) -> str:
        """How films are made with it, for people."""
        return f"{self.steps} steps, guidance 1, shift {self.shift:g}, {self.sampler}"

    def applied(self, config: BundleConfig) -> BundleConfig:
        """A model's config with these settings in place of its own."""
        low = None if config.guidance_low is None else 1.0
        return config.model_copy(
            update={
                "steps": self.steps,
                "guidance": 1.0,
                "guidance_low": low,
                "shift": self.shift,
                "sampler": self.sampler,
            }
        )


LIGHTX2V: Final = FewSteps(
    "LightX2V", r"lightx2v|step.?distill|cfg.?distill|self.?forcing", 4, 5.0, "euler"
)
FAMILIES: Final = (
    FewSteps("CausVid", r"caus.?vid", 8, 8.0, "unipc"),
    FewSteps(
        "Lightning",
        r"seko|wan.*lightning|lightning.*\dsteps?|\d.?steps?.*lightning",
        4,
        5.0,
        "euler",
    ),
    LIGHTX2V,
)


def find(file: Path, weights: Weights | None = None) -> FewSteps | None:
    """The family that a LoRA is of, by its name, what it says of itself, or its keys; None for
    others.

    A change of the modulation of each block (``diff_m``) beside pairs of low rank is left where a
    whole distilled network was taken apart: LightX2V's.
    """
    weights = open_weights(file) if weights is None else weights
    if OWN in weights.metadata:
        return _own(file, weights.metadata[OWN])
    texts = [file.stem, *(weights.metadata.get(name, "") for name in METADATA)]
    for family in FAMILIES:
        if any(re.search(family.words, text, re.IGNORECASE) for text in texts):
            return family
    parts = lora_names.parts_in(weights)
    return LIGHTX2V if {"down", "modulation", "bias"} <= parts else None


def _own(file: Path, text: str) -> FewSteps:
    try:
        student = FewSteps(**json.loads(text))
        if student.steps > 0 and student.shift > 0 and student.sampler in SAMPLERS:
            return student
    except (ValueError, TypeError):
        pass
    raise CheckpointError(f"{file} says of itself what cannot be read", "copy it again")


def first(files: Sequence[Path]) -> tuple[Path, FewSteps] | None:
    """The first of some LoRAs that is of such a family, and which."""
    for file in files:
        if (family := find(file)) is not None:
            return file, family
    return None
