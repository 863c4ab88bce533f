"""Files of Stand-In (`models.stand_in`), as they are published: two low-rank halves for the
queries, keys and values of every block, ``blocks.0.self_attn.q_loras.down.weight``, behind whatever
a tool puts before.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from praxino.errors import CheckpointError
from praxino.models.dit import DiT, DiTConfig
from praxino.models.vace import network_of
from praxino.storage.weights.checkpoint import differences, shapes
from praxino.storage.weights.files import HINT_COPY_AGAIN, open_weights
from praxino.storage.weights.lazy import LazyModule, LoadedModule, StoredModule

NAME: Final = re.compile(
    r"(?:^|\.)blocks\.(\d+)\."
    r"(?:self_attn\.([qkv])_loras|attn1\.add_([qkv])_lora)\.(down|up)\.weight$"
)
BRANCH: Final = "stand_in."
"""How the names of the branch begin in a denoiser."""


def is_stand_in(names: Iterable[str]) -> bool:
    """Whether a file with these names is one of Stand-In."""
    return any(NAME.search(name) for name in names)


def is_first_half(name: str) -> bool:
    """Whether a tensor of this name comes first of its pair."""
    match = NAME.search(name)
    return match is not None and match[4] == "down"


def with_branch(part: LazyModule[DiT], file: Path, scale: float = 1.0) -> LazyModule[DiT]:
    """A denoiser with the branch for pictures that is in a file; what it makes without a picture
    is the same to the bit.

    Parameters
    ----------
    scale : float
        Of all that the branch adds to the denoiser's own matrices.

    Raises
    ------
    CheckpointError
        If the file is damaged or has other names beside, for a denoiser of another size, or for one
        that is given pictures already.
    """
    if part.config.picture_rank or part.config.slots:
        raise CheckpointError(
            f"{file}: the model is given pictures of characters already", "leave it out"
        )
    tensors = _tensors(file, scale)
    downs = [len(tensor) for name, tensor in tensors.items() if ".down." in name and tensor.dim()]
    rank = min(downs, default=1)
    config: DiTConfig = part.config.model_copy(update={"picture_rank": rank})
    with torch.device("meta"):
        expected = shapes(network_of(config).state_dict())
    own = {name: shape for name, shape in expected.items() if name.startswith(BRANCH)}
    if wrong := differences(shapes(tensors), own):
        raise CheckpointError(
            f"{file} is for another model: {len(wrong)} tensors, {'; '.join(wrong[:3])}",
            "a file made for a model of this size",
        )
    if isinstance(part, StoredModule):
        plain, adapt = part, part.adapt
        return replace(
            part,
            config=config,
            make=lambda: network_of(config),
            adapt=lambda _, weights: {**adapt(plain.build(), weights), **tensors},
        )
    assert isinstance(part, LoadedModule)
    network = network_of(config)
    network.load_state_dict({**part.network.state_dict(), **tensors})
    network.eval().requires_grad_(False)
    return LoadedModule(lambda: network)


def _tensors(file: Path, scale: float) -> dict[str, Tensor]:
    """The branch's tensors by our names."""
    weights, tensors = open_weights(file), {}
    matches = {name: NAME.search(name) for name in weights}
    if other := [name for name, match in matches.items() if match is None]:
        raise CheckpointError(
            f"{file}: {len(other)} of its {len(weights)} names are none of Stand-In: {other[0]}",
            HINT_COPY_AGAIN,
        )
    for name, match in matches.items():
        assert match is not None
        layer, of, half = match[1], match[2] or match[3], match[4]
        tensor = weights[name].float()
        own = f"{BRANCH}layers.{layer}.{of}.{half}.weight"
        tensors[own] = tensor * scale if half == "up" else tensor
    return tensors
