"""The published checkpoints of guided diffusion (Dhariwal & Nichol, arXiv 2105.05233), and what was
fine-tuned from them, known by the names and shapes of their tensors.

No file says how it was configured, and shapes show neither how many heads an attention has nor how
the rows of its queries, keys and values lie. What is known here was computed from the code that the
checkpoints were published with.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from praxino.errors import CheckpointError
from praxino.models.adm import ADM, ADMClassifier, ADMConfig
from praxino.storage.weights.checkpoint import Shapes, differences
from praxino.storage.weights.files import Weights, open_weights
from praxino.storage.weights.lazy import StoredModule

Role = Literal["model", "upsampler", "classifier"]
Schedule = Literal["linear", "cosine"]


@dataclass(frozen=True)
class PublishedADM:
    """A published checkpoint.

    Attributes
    ----------
    name : str
        Of its file, without the ending.
    schedule : str
        Of the chain of 1,000 steps that it was trained on.
    classifier_scale : float
        How strongly the classifier of its size guides it, in the README it was published with.
    small : int
        Pixels a side of the pictures that an upsampler makes larger.
    """

    name: str
    role: Role
    config: ADMConfig
    schedule: Schedule = "linear"
    classifier_scale: float = 0.0
    small: int = 0


def _model(
    name: str, schedule: Schedule = "linear", scale: float = 0.0, small: int = 0, **sizes: Any
) -> PublishedADM:
    role: Role = "upsampler" if small else "model"
    return PublishedADM(name, role, ADMConfig(**sizes), schedule, scale, small)


def _classifier(name: str, schedule: Schedule = "linear", **sizes: Any) -> PublishedADM:
    return PublishedADM(name, "classifier", ADMConfig(width=128, outputs=1000, **sizes), schedule)


SIX: Final = (1, 1, 2, 2, 4, 4)
"""Multipliers of the levels at 256 pixels."""
SEVEN: Final = (0.5, *SIX)
"""Multipliers of the levels at 512 pixels."""
PUBLISHED: Final[dict[str, PublishedADM]] = {
    "b879ba9ed4fe94bb": _model(
        "64x64_diffusion", "cosine", 1.0,
        size=64, width=192, multipliers=(1, 2, 3, 4), blocks=3, order="new", classes=1000,
    ),
    "d91b9be2449a697e": _model(
        "128x128_diffusion", scale=0.5,
        size=128, width=256, multipliers=(1, 1, 2, 3, 4), blocks=2, heads=4, classes=1000,
    ),
    "408c4d65687d2b6d": _model(
        "256x256_diffusion", scale=1.0,
        size=256, width=256, multipliers=SIX, blocks=2, classes=1000,
    ),
    "b9c90be1570d1541": _model(
        "256x256_diffusion_uncond", scale=10.0,
        size=256, width=256, multipliers=SIX, blocks=2,
    ),
    "f95458c996170da9": _model(
        "512x512_diffusion", scale=4.0,
        size=512, width=256, multipliers=SEVEN, blocks=2, classes=1000,
    ),
    "cb6c1e5b4e458a6d": _model(
        "512x512_diffusion_uncond_finetune_008100", scale=10.0,
        size=512, width=256, multipliers=SEVEN, blocks=2,
    ),
    "99d9c28e89d75934": _model(
        "64_256_upsampler", small=64,
        size=256, width=192, multipliers=SIX, blocks=2, heads=4, channels=6, classes=1000,
    ),
    "2424e4b817a8f3a3": _model(
        "128_512_upsampler", small=128,
        size=512, width=192, multipliers=SIX, blocks=2, attention=(32, 16), channels=6,
        classes=1000,
    ),
    "1f101795c34a2e14": _classifier(
        "64x64_classifier", "cosine", size=64, multipliers=(1, 2, 3, 4), blocks=4
    ),
    "d574aa664c511e87": _classifier(
        "128x128_classifier", size=128, multipliers=(1, 1, 2, 3, 4), blocks=2
    ),
    "80623bcac5ce31ac": _classifier("256x256_classifier", size=256, multipliers=SIX, blocks=2),
    "14a2ce08b1e153d1": _classifier("512x512_classifier", size=512, multipliers=SEVEN, blocks=2),
}  # fmt: skip
"""By the first digits of the SHA-256 of a line for each tensor: its name and its shape."""
DIGITS: Final = 16
TELLING: Final = "time_embed.0.weight"
"""A tensor that every one of them has."""


def manifest_digest(shapes: Shapes) -> str:
    """What names a network's tensors, whatever they hold."""
    lines = "\n".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:DIGITS]


def is_adm(weights: Weights) -> bool:
    """Whether a file may be one of these: by the name of a tensor."""
    return TELLING in weights


def recognise(weights: Weights) -> PublishedADM:
    """Which of the published checkpoints has the tensors of a file.

    Raises
    ------
    CheckpointError
        If none has them; it names the nearest one, and the first differences.
    """
    shapes = weights.shapes
    published = PUBLISHED.get(manifest_digest(shapes))
    if published is not None:
        return published
    wrong, nearest = min(
        ((differences(shapes, _shapes(one)), one.name) for one in PUBLISHED.values()),
        key=lambda pair: len(pair[0]),
    )
    raise CheckpointError(
        f"{weights.source} is none of the published checkpoints: {len(wrong)} tensors differ from "
        f"the nearest, {nearest}: {'; '.join(wrong[:3])}",
        "a file that was published, or was fine-tuned from one",
    )


def read(path: Path) -> tuple[PublishedADM, StoredModule[Any]]:
    """A checkpoint as what it is, and its network, which is read when it is used; half-precision
    files, too.

    Raises
    ------
    CheckpointError
        If it is none of the published ones, or holds more than tensors.
    """
    weights = open_weights(path)
    published = recognise(weights)
    return published, StoredModule(
        published.config, weights, lambda: _build(published), lambda _, tensors: tensors
    )


def _build(published: PublishedADM) -> ADM | ADMClassifier:
    return (ADMClassifier if published.role == "classifier" else ADM)(published.config)


def _shapes(published: PublishedADM) -> Shapes:
    """Names and shapes of its tensors; none is made."""
    import torch

    with torch.device("meta"):
        state = _build(published).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
