"""Where the tensors of a LoRA belong, whatever tool wrote it: a name is a root that only the tool
knows, the path of a module, and what stands there.

diffusers and PEFT   transformer.blocks.0.attn1.to_q.lora_A.weight
ComfyUI              diffusion_model.blocks.0.self_attn.q.lora_down.weight, .alpha, .diff, .diff_b
kohya, musubi        lora_unet_blocks_0_self_attn_q.lora_down.weight, .alpha
DiffSynth            pipe.dit.blocks.0.self_attn.q.lora_A.default.weight
LyCORIS              lycoris_blocks_0_self_attn_q.lokr_w1, .hada_w1_a, .dora_scale
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from praxino.models.dit import DiT
from praxino.storage.wan.names import foreign_names
from praxino.storage.weights import stand_in

_LOW_RANK: Final = r"lora(?:_linear_layer)?[._]"
PARTS: Final = tuple(
    (re.compile(rf"[._]{ending}$"), part)
    for ending, part in (
        (_LOW_RANK + r"(?:A|down)(?:\.(?!weight$)\w+)?(?:\.weight)?", "down"),
        (_LOW_RANK + r"(?:B|up)(?:\.(?!weight$|bias$)\w+)?(?:\.weight)?", "up"),
        (_LOW_RANK + r"(?:B|up)(?:\.\w+)?\.bias", "up_bias"),
        (r"alpha", "alpha"),
        (r"diff", "weight"),
        (r"diff_b", "bias"),
        (r"diff_m", "modulation"),
        (r"(?:dora_scale|lora_magnitude_vector(?:\.\w+)*)", "magnitude"),
        *((name, name) for name in ("lokr_w1", "lokr_w1_a", "lokr_w1_b")),
        *((name, name) for name in ("lokr_w2", "lokr_w2_a", "lokr_w2_b")),
        *((name, name) for name in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")),
    )
)
"""How names end, and what stands there. "weight", "bias" and "modulation" are added to a tensor as
they are.
"""
ROOT_WORDS: Final = frozenset(
    ("base", "model", "diffusion", "transformer", "module", "network", "net", "unet", "dit", "wan",
     "pipe", "lora", "lycoris")
)  # fmt: skip
"""What tools call the denoiser itself."""
OTHER_WORDS: Final = frozenset(["te", "te1", "te2", "text", "encoder", "clip", "vae"])
"""Words in the root of another network's names."""
PICTURE_MODULES: Final = re.compile(
    r"_cross_attn_(k|v|norm_k)_img$|_attn2_(add_[kv]_proj|norm_added_k)$|(^|_)img_emb_|_image_embedder_"
)
"""Modules that only those models of the family have which take the tokens of pictures."""


class Place(NamedTuple):
    """Our module (empty for the network itself), and which part of its change a tensor is."""

    module: str
    part: str


class Placement(NamedTuple):
    """Where the names of a file belong, which are unknown, and which are of modules that another
    member of the family has.
    """

    places: dict[str, Place]
    unknown: list[str]
    absent: list[str]


def placement(names: Iterable[str], network: DiT) -> Placement:
    """Match the names of a file with a network's modules: dots and underscores are alike, and the
    longest path that ends a name is its module.

    What is left before it must be what tools call a denoiser, or the same before every name.
    """
    modules = _modules(network)
    places: dict[str, Place] = {}
    absent: list[str] = []
    roots: dict[str, str] = {}
    for name in names:
        split = _part(name)
        if split is None:
            continue
        stem, part = split
        words = re.split(r"[._]+", stem)
        for first in range(len(words)):
            if (path := "_".join(words[first:])) in modules:
                places[name], roots[name] = Place(modules[path], part), "_".join(words[:first])
                break
        else:
            if PICTURE_MODULES.search("_".join(words)):
                absent.append(name)
    alike = len(set(roots.values())) == 1
    for name, root in roots.items():
        own = set(root.split("_")) - {""}
        if not (own <= ROOT_WORDS or (alike and not own & OTHER_WORDS)):
            del places[name]
    elsewhere = {*places, *absent}
    unknown = [name for name in names if name not in elsewhere]
    return Placement(places, unknown, absent)


def pairs_in(names: Iterable[str]) -> list[str]:
    """The first halves of low-rank pairs among the names of a file."""
    return [
        name
        for name in names
        if ((split := _part(name)) and split[1] == "down") or stand_in.is_first_half(name)
    ]


def parts_in(names: Iterable[str]) -> set[str]:
    """Which parts of changes a file has, as in `PARTS`."""
    return {split[1] for split in map(_part, names) if split}


def kind_of(names: Iterable[str]) -> str:
    """What a file of changes is: "LoRA", "DoRA", "LoKr", "LoHa", "Stand-In", "difference" (of whole
    tensors); empty for other files.
    """
    names = list(names)
    if stand_in.is_stand_in(names):
        return "Stand-In"
    parts = parts_in(names)
    if any(part.startswith("lokr_") for part in parts):
        return "LoKr"
    if any(part.startswith("hada_") for part in parts):
        return "LoHa"
    if "down" in parts:
        return "DoRA" if "magnitude" in parts else "LoRA"
    return "difference" if "weight" in parts else ""


def dialect(names: Iterable[str]) -> str:
    """What made the file, as far as names tell."""
    ordered = sorted(names)
    first = ordered[0]
    if any(".lokr_" in name or ".hada_" in name for name in ordered):
        return "LyCORIS"
    if first.startswith("lora_unet_"):
        return "kohya"
    if first.startswith(("diffusion_model.", "model.diffusion_model.")):
        return "ComfyUI"
    if ".attn1." in first or ".attn2." in first or first.startswith("transformer."):
        return "diffusers"
    return "DiffSynth"


def _part(name: str) -> tuple[str, str] | None:
    """What stands before the ending of a name, and which part it is."""
    for ending, part in PARTS:
        if match := ending.search(name):
            return name[: match.start()], part
    return None


def _modules(network: DiT) -> dict[str, str]:
    """Every path that a module may have in a file, dots as underscores, to ours."""
    modules = {}
    for layout in ("diffusers", "original"):
        for own, foreign in foreign_names(network, layout).items():
            module, theirs = (name.rpartition(".")[0] for name in (own, foreign))
            if theirs:
                modules[theirs.replace(".", "_")] = module
    return modules
