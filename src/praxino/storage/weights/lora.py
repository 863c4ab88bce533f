"""Low-rank changes of a denoiser (LoRA, arXiv 2106.09685), in the four dialects that they are
published in.

diffusers and PEFT   transformer.blocks.0.attn1.to_q.lora_A.weight ComfyUI
diffusion_model.blocks.0.self_attn.q.lora_down.weight, .alpha, .diff, .diff_b, .diff_m kohya and
musubi     lora_unet_blocks_0_self_attn_q.lora_down.weight, .alpha DiffSynth
blocks.0.self_attn.q.lora_A.default.weight

A change is folded into the weights when they are read, so that a network costs nothing more to run,
and is the old one to the bit without it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from torch import Tensor, nn

from praxino.errors import CheckpointError, InputError
from praxino.models.dit import DiT
from praxino.storage.wan.names import foreign_names
from praxino.storage.weights.files import Weights, open_weights
from praxino.storage.weights.lazy import LazyModule, ModelParts, PatchedModule

PREFIXES: Final = (
    "base_model.model.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "lora_unet_",
    "",
)
ENDINGS: Final = (
    (r"\.(lora_A|lora_down)(\.default)?\.weight$", "down"),
    (r"\.(lora_B|lora_up)(\.default)?\.weight$", "up"),
    (r"\.alpha$", "alpha"),
    (r"\.diff$", "weight"),
    (r"(\.(lora_B|lora_up)(\.default)?\.bias|\.diff_b)$", "bias"),
    (r"\.diff_m$", "modulation"),
)
"""How names end, and what stands there; the last three are added to a tensor as they are."""


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
class LoRA:
    """Changes of a network's tensors, by our names; a low-rank one is a pair (down, up) with alpha
    folded into up.
    """

    file: Path
    dialect: str
    pairs: Mapping[str, tuple[Tensor, Tensor]]
    differences: Mapping[str, Tensor]

    def changes(self, name: str) -> Iterator[Tensor]:
        """What is added to our tensor of this name, in float32."""
        if name in self.pairs:
            down, up = self.pairs[name]
            yield up.float() @ down.float()
        if name in self.differences:
            yield self.differences[name].float()

    @property
    def rank(self) -> int:
        """The largest of its ranks."""
        return max((down.shape[0] for down, _ in self.pairs.values()), default=0)


def read_lora(file: Path, network: DiT) -> LoRA:
    """The changes in ``file`` for a network of this shape; no tensor of the network is read.

    Raises
    ------
    CheckpointError
        If the file is damaged, has names that the network does not know (ten are named), or is for
        another size.
    """
    weights = open_weights(file)
    modules = _modules(network)
    pairs_of: dict[str, dict[str, str]] = {}
    unknown = []
    for name in weights:
        place = _place(name, modules)
        if place is None:
            unknown.append(name)
        else:
            pairs_of.setdefault(place[0], {})[place[1]] = name
    halves = [name for name, parts in pairs_of.items() if ("down" in parts) != ("up" in parts)]
    for problem, names in (
        ("are unknown to this model", unknown),
        ("lack one of their halves", halves),
    ):
        if names:
            listed = "; ".join(sorted(names)[:10])
            raise CheckpointError(
                f"{file}: {len(names)} of its names {problem}: {listed}",
                "a LoRA made for this model",
            )
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    beside = _alpha(file, weights)
    pairs, differences = {}, {}
    for module, parts in pairs_of.items():
        if "down" in parts:
            down, up = weights[parts["down"]], weights[parts["up"]]
            _require_fitting(file, f"{module}.weight", (up.shape[0], down.shape[1]), own)
            alpha = float(weights[parts["alpha"]]) if "alpha" in parts else beside
            rank = down.shape[0]
            pairs[f"{module}.weight"] = (down, up * (alpha / rank) if alpha is not None else up)
        for kind in ("weight", "bias", "modulation"):
            if kind in parts:
                name = f"{module}.{kind}".lstrip(".")
                differences[name] = weights[parts[kind]]
                _require_fitting(file, name, tuple(differences[name].shape), own)
    return LoRA(file, _dialect(weights), pairs, differences)


def _modules(network: DiT) -> dict[str, str]:
    """Every name that a module may have in a file, to ours."""
    modules = {}
    for layout in ("diffusers", "original"):
        for own, foreign in foreign_names(network, layout).items():
            module, theirs = (name.rpartition(".")[0] for name in (own, foreign))
            modules[theirs] = module
            modules[theirs.replace(".", "_")] = module
    return modules


def _place(name: str, modules: Mapping[str, str]) -> tuple[str, str] | None:
    """(our module, which part of its change) of a name in a file."""
    for ending, part in ENDINGS:
        stem = re.sub(ending, "", name)
        if stem == name:
            continue
        for prefix in PREFIXES:
            if stem.startswith(prefix) and stem.removeprefix(prefix) in modules:
                return modules[stem.removeprefix(prefix)], part
    return None


def pairs_in(names: Iterable[str]) -> list[str]:
    """The first halves of low-rank pairs among the names of a file."""
    return [name for name in names if re.search(ENDINGS[0][0], name)]


def _dialect(names: Iterable[str]) -> str:
    """What made the file, as far as names tell."""
    first = sorted(names)[0]
    if first.startswith("lora_unet_"):
        return "kohya"
    if first.startswith(("diffusion_model.", "model.diffusion_model.")):
        return "ComfyUI"
    return (
        "diffusers"
        if ".attn1." in first or ".attn2." in first or first.startswith("transformer.")
        else "DiffSynth"
    )


def _alpha(file: Path, weights: Weights) -> float | None:
    """The alpha of all pairs that PEFT and diffusers keep beside the tensors, where they do."""
    beside = file.with_name("adapter_config.json")
    text = (
        beside.read_text()
        if beside.is_file()
        else weights.metadata.get("lora_adapter_metadata", "{}")
    )
    try:
        values = {name.rpartition(".")[2]: value for name, value in json.loads(text).items()}
        if values.get("use_rslora") or values.get("alpha_pattern") or values.get("use_dora"):
            raise CheckpointError(
                f"{file} scales each of its parts in its own way", "a LoRA with one alpha"
            )
        return float(values["lora_alpha"]) if "lora_alpha" in values else None
    except (ValueError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{file} says of itself what cannot be read ({error})", "download it again"
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
            changes = [
                (scale, change) for lora, scale in self.loras for change in lora.changes(own)
            ]
            if changes:
                changed = parameter.float()
                for scale, change in changes:
                    changed = changed + scale * change.reshape(parameter.shape)
                kept = nn.Parameter(changed.to(parameter.dtype), requires_grad=False)
                setattr(layer, own.rpartition(".")[2], kept)


def adapted(model: ModelParts, loras: Sequence[LoRASpec]) -> ModelParts:
    """A model with LoRAs for its experts.

    Raises
    ------
    CheckpointError
        As in `read`.
    InputError
        For a LoRA of one expert where there are no two.
    """
    if model.low is None and any(one.expert for one in loras):
        raise InputError(
            f"{model.config.name} has no experts: high= and low= mean nothing", "leave them out"
        )

    def changed(part: LazyModule[DiT], expert: str) -> LazyModule[DiT]:
        network = part.build()
        patches = [
            (read_lora(one.file, network), one.scale) for one in loras if one.expert in ("", expert)
        ]
        return Adapted(part, tuple(patches)) if patches else part

    low = changed(model.low, "low") if model.low is not None else None
    return replace(model, dit=changed(model.dit, "high"), low=low)
