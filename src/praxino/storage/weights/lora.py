"""Changes of a denoiser (LoRA, arXiv 2106.09685, and its relatives), from every dialect that they
are published in.

A change is folded into the weights when they are read, so that a network costs nothing more to run,
and is the old one to the bit without it.
"""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import torch
from torch import Tensor, nn

from praxino.errors import CheckpointError, InputError
from praxino.log import logger
from praxino.models.dit import DiT
from praxino.models.text import TextEncoder
from praxino.storage.weights import few_steps, lora_names, stand_in
from praxino.storage.weights.files import HINT_COPY_AGAIN, Weights, open_weights
from praxino.storage.weights.lazy import LazyModule, ModelParts, PatchedModule

MAX_NAMES: Final = 3
"""Names of a file that a message tells."""
MAX_NAME_CHARS: Final = 100
"""Characters of each."""
EPSILON: Final = 1e-12
"""Length of a row below which it is not divided by."""


@dataclass(frozen=True)
class LoRASpec:
    """A LoRA that is asked for: its file, how strongly, and for which of two experts ("" is for
    both).
    """

    file: Path
    scale: float = 1.0
    expert: str = ""

    @classmethod
    def parsed(cls, text: str) -> "LoRASpec":
        """From ``[high=|low=]FILE[:SCALE]``.

        Raises
        ------
        InputError
            For a scale outside -10 to 10, or one that is no number behind the name of a file.
        """
        expert, equals, rest = text.partition("=")
        if not (equals and expert in ("high", "low")):
            expert, rest = "", text
        file, colon, scale = rest.rpartition(":")
        if not colon or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", scale):
            if Path(file).is_file():
                raise InputError(f"lora={text!r}: {scale!r} is no scale", f"{file}:1")
            return cls(Path(rest), 1.0, expert)
        if abs(float(scale)) > 10:
            raise InputError(f"lora={text!r}: the scale must be from -10 to 10", f"{file}:1")
        return cls(Path(file), float(scale), expert)


@dataclass(frozen=True)
class Update:
    """What is added to one matrix.

    Attributes
    ----------
    kind : str
        "low-rank" (LoRA): factors (down, up). "Kronecker" (LoKr, arXiv 2309.14859): factors of the
        product. "Hadamard" (LoHa, arXiv 2108.06098): two matrices that are multiplied by element.
    factors : tuple of Tensor
    scale : float
        Of the product.
    magnitude : Tensor, optional
        Length of each row of the changed matrix (DoRA, arXiv 2402.09353), or of each column.
    """

    kind: Literal["low-rank", "Kronecker", "Hadamard"]
    factors: tuple[Tensor, Tensor]
    scale: float = 1.0
    magnitude: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the matrix, which is not multiplied out for it."""
        (a, b), (c, d) = (tuple(factor.shape) for factor in self.factors)
        return {"low-rank": (c, b), "Kronecker": (a * c, b * d), "Hadamard": (a, b)}[self.kind]

    def change(self, weight: Tensor) -> Tensor:
        """What is added to ``weight`` (out, in), float32."""
        one, other = (factor.float() for factor in self.factors)
        match self.kind:
            case "low-rank":
                product = other @ one
            case "Kronecker":
                product = torch.kron(one, other)
            case "Hadamard":
                product = one * other
        product = self.scale * product
        if self.magnitude is None:
            return product
        weight = weight.float().reshape(product.shape)
        changed, length = weight + product, self.magnitude.float()
        dim = 0 if length.dim() > 1 and length.shape[0] == 1 else 1
        ratio = length.reshape(-1) / changed.norm(dim=dim).clamp_min(EPSILON)
        return changed * ratio.unsqueeze(dim) - weight


@dataclass(frozen=True)
class LoRA:
    """Changes of a network's tensors, by our names."""

    file: Path
    dialect: str
    updates: Mapping[str, Update]
    differences: Mapping[str, Tensor]

    def change(self, name: str, weight: Tensor) -> Tensor | None:
        """What is added to our tensor of this name, in float32; None if nothing is."""
        changes = []
        if name in self.updates:
            changes.append(self.updates[name].change(weight).reshape(weight.shape))
        if name in self.differences:
            changes.append(self.differences[name].float().reshape(weight.shape))
        return sum(changes[1:], changes[0]) if changes else None

    @property
    def rank(self) -> int:
        """The largest of its ranks; 0 if none is of low rank."""
        ranks = [up.factors[0].shape[0] for up in self.updates.values() if up.kind == "low-rank"]
        return max(ranks, default=0)


def read_lora(file: Path, network: DiT) -> LoRA:
    """The changes in ``file`` for a network of this shape; no tensor of the network is read.

    What the file holds for the pictures of another member of the family is left out, and logged.

    Raises
    ------
    CheckpointError
        If the file is damaged, has names that the network does not know, or is for another size.
    """
    weights = open_weights(file)
    names = lora_names.placement(weights, network)
    if names.unknown or not names.places:
        wrong = names.unknown or names.absent
        raise CheckpointError(
            f"{file}: {len(wrong)} of its {len(weights)} names have no place in this model: "
            f"{_listed(wrong)}",
            f"praxino inspect {file} says what it is",
        )
    if names.absent:
        logger.info(
            "%s: left out %d of its names, which are for the tokens of pictures that this model "
            "does not take (%s)",
            file, len(names.absent), _listed(names.absent),
        )  # fmt: skip
    parts_of: dict[str, dict[str, Tensor]] = {}
    for name, place in names.places.items():
        parts = parts_of.setdefault(place.module, {})
        if place.part in parts:
            raise CheckpointError(
                f"{file}: two of its names are for one place: {place.part} of {place.module}, such "
                f"as {_listed([name])}",
                "a file of one LoRA",
            )
        parts[place.part] = weights[name]
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    beside = _scaling(file, weights)
    updates, differences = {}, {}
    for module, parts in parts_of.items():
        update = _update(file, module, parts, beside)
        if update is not None:
            name = f"{module}.weight"
            _require_fitting(file, name, update.shape, own)
            updates[name] = update
        if "up_bias" in parts and update is not None:  # what is scaled is the pair's whole output
            parts["bias"] = parts.pop("up_bias").float() * update.scale
        for kind in ("weight", "bias", "modulation"):
            if kind in parts:
                name, difference = f"{module}.{kind}".lstrip("."), parts[kind]
                if kind == "weight" and difference.dim() > len(own.get(name, ())):
                    difference = difference.flatten(1)  # a convolution's, as it was published
                _require_fitting(file, name, tuple(difference.shape), own)
                differences[name] = difference
    return LoRA(file, lora_names.dialect(weights), updates, differences)


def _update(
    file: Path, module: str, parts: Mapping[str, Tensor], beside: "Scaling"
) -> Update | None:
    """The change of a module's matrix; None if it has none."""
    magnitude = parts.get("magnitude")
    try:
        alpha = float(parts["alpha"].reshape(())) if "alpha" in parts else None
        if "down" in parts or "up" in parts:
            down, up = (parts[name].flatten(1) for name in ("down", "up"))
            rank = down.shape[0]
            if up.shape[1] != rank:
                raise ValueError(f"its halves are of ranks {rank} and {up.shape[1]}")
            scale = beside.scale(rank) if alpha is None else alpha / rank
            return _checked(Update("low-rank", (down, up), scale, magnitude))
        if any(name.startswith("lokr_") for name in parts):
            factors, ranks = zip(*(_factor(parts, f"lokr_{n}") for n in ("w1", "w2")), strict=True)
            rank = next(filter(None, reversed(ranks)), 0)
            scale = alpha / rank if rank and alpha is not None else 1.0
            return _checked(Update("Kronecker", factors, scale, magnitude))
        if any(name.startswith("hada_") for name in parts):
            factors, ranks = zip(*(_factor(parts, f"hada_{n}") for n in ("w1", "w2")), strict=True)
            scale = alpha / ranks[0] if alpha is not None else 1.0
            return _checked(Update("Hadamard", factors, scale, magnitude))
    except KeyError as error:
        raise CheckpointError(
            f"{file}: {module} lacks one of its halves ({error.args[0]})", HINT_COPY_AGAIN
        ) from None
    except (ValueError, RuntimeError, IndexError) as error:
        problem = str(error).splitlines()[0]
        raise CheckpointError(f"{file}: {module}: {problem}", HINT_COPY_AGAIN) from None
    if parts.keys() & {"alpha", "magnitude", "up_bias"}:
        raise CheckpointError(
            f"{file}: {module} lacks its halves: there is only {', '.join(sorted(parts))}",
            HINT_COPY_AGAIN,
        )
    return None


def _checked(update: Update) -> Update:
    """The update, if its parts fit one another; raises `ValueError` if not."""
    rows, columns = update.shape
    one, other = (factor.shape for factor in update.factors)
    if update.kind == "Hadamard" and one != other:
        raise ValueError(f"its factors are of shapes {tuple(one)} and {tuple(other)}")
    magnitude = update.magnitude
    if magnitude is not None and (
        magnitude.numel() not in (rows, columns)
        or (magnitude.numel() != rows and magnitude.shape[0] != 1)
    ):
        raise ValueError(f"its magnitude has {magnitude.numel()} numbers for {rows} rows")
    return update


def _factor(parts: Mapping[str, Tensor], name: str) -> tuple[Tensor, int]:
    """A matrix that may be a product of two, and its rank then, 0 otherwise."""
    if name in parts:
        if parts[name].dim() < 2:
            raise ValueError(f"{name} is no matrix")
        return parts[name].flatten(1), 0
    a, b = parts[f"{name}_a"], parts[f"{name}_b"]
    return a.float() @ b.float(), b.shape[0]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    short = (n if len(n) <= MAX_NAME_CHARS else n[:MAX_NAME_CHARS] + "..." for n in sorted(names))
    return ", ".join(itertools.islice(short, MAX_NAMES)) + more


@dataclass(frozen=True)
class Scaling:
    """What PEFT and diffusers keep beside the tensors: the alpha of all pairs, and whether it is
    divided by the root of the rank (rsLoRA, arXiv 2312.03732).
    """

    alpha: float | None = None
    root: bool = False

    def scale(self, rank: int) -> float:
        """What the product of a pair of this rank is multiplied by."""
        return 1.0 if self.alpha is None else self.alpha / (rank**0.5 if self.root else rank)


def _scaling(file: Path, weights: Weights) -> Scaling:
    beside = file.with_name("adapter_config.json")
    text = (
        beside.read_text()
        if beside.is_file()
        else weights.metadata.get("lora_adapter_metadata", "{}")
    )
    try:
        values = {name.rpartition(".")[2]: value for name, value in json.loads(text).items()}
        if values.get("alpha_pattern") or values.get("rank_pattern"):
            raise CheckpointError(
                f"{file} scales each of its parts in its own way", "a LoRA with one alpha"
            )
        alpha = float(values["lora_alpha"]) if "lora_alpha" in values else None
        return Scaling(alpha, bool(values.get("use_rslora")))
    except (ValueError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{file} says of itself what cannot be read ({error})", HINT_COPY_AGAIN
        ) from None


def _require_fitting(
    file: Path, name: str, shape: tuple[int, ...], own: Mapping[str, tuple[int, ...]]
) -> None:
    if own.get(name) != shape:
        raise CheckpointError(
            f"{file} is for another model: {name} is {own.get(name)} here, {shape} there",
            "a LoRA made for a model of this size",
        )


@dataclass(frozen=True)
class Adapted(PatchedModule[DiT]):
    """A denoiser with changes folded in; a `LazyModule`."""

    loras: tuple[tuple[LoRA, float], ...]

    def change(self, name: str, layer: nn.Module) -> None:
        for own, parameter in layer.named_parameters(name, recurse=False):
            changed, base = None, parameter.float()
            for lora, scale in self.loras:
                change = lora.change(own, base if changed is None else changed)
                if change is not None:
                    changed = (base if changed is None else changed) + scale * change
            if changed is not None:
                kept = nn.Parameter(changed.to(parameter.dtype), requires_grad=False)
                setattr(layer, own.rpartition(".")[2], kept)


def adapted(model: ModelParts, loras: Sequence[LoRASpec]) -> ModelParts:
    """A model with LoRAs for its experts, and branches for pictures (`stand_in`); with the settings
    of a student of few steps (`few_steps`), if one of them makes it one.

    Raises
    ------
    CheckpointError
        As in `read_lora` and `stand_in.with_branch`.
    InputError
        For a LoRA of one expert where there are no two, and Stand-In for one of two.
    """
    if model.low is None and any(one.expert for one in loras):
        raise InputError(
            f"{model.config.name} has no experts: high= and low= mean nothing", "leave them out"
        )

    def changed(part: LazyModule[DiT], expert: str) -> LazyModule[DiT]:
        network, patches = part.build(), []
        for one in loras:
            if one.expert not in ("", expert):
                continue
            if stand_in.is_stand_in(open_weights(one.file)):
                part = stand_in.with_branch(part, one.file, one.scale)
            else:
                patches.append((read_lora(one.file, network), one.scale))
        return Adapted(part, tuple(patches)) if patches else part

    dit = changed(model.dit, "high")
    low = changed(model.low, "low") if model.low is not None else None
    if low is not None and low.config.picture_rank != dit.config.picture_rank:
        raise InputError(
            f"{model.config.name} has two experts: both take Stand-In, or none",
            "--lora high=FILE --lora low=FILE",
        )
    config = model.config
    foreign = not isinstance(model.vocabulary, TextEncoder)  # one of Wan's
    if foreign and (student := few_steps.first([one.file for one in loras if one.scale])):
        file, family = student
        config = family.applied(config)
        logger.warning("note: %s is %s's: %s, unless you say otherwise", file.name, family.name,
                       family.settings)  # fmt: skip
    return replace(model, config=config, dit=dit, low=low)
