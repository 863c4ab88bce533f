"""Models of the Wan family in single files, as ComfyUI keeps them: a transformer, and its other
parts in folders beside its own.

No file says how it was configured: sizes are those of its tensors.
"""

import math
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any, Final, cast

from safetensors import safe_open

from praxino.errors import CheckpointError, InputError
from praxino.models.dit import DiT
from praxino.models.umt5 import UMT5, Tokeniser
from praxino.storage.wan import components, family, names
from praxino.storage.wan.names import Layout
from praxino.storage.weights.bundle import BundleConfig
from praxino.storage.weights.files import Weights, open_weights
from praxino.storage.weights.lazy import ModelParts, StoredModule

HEAD_WIDTH: Final = 128
"""Width of a head of attention in every member of the family: tensors do not show it."""
PREFIXES: Final = ("model.diffusion_model.", "diffusion_model.")
"""What some tools put before every name of a transformer."""
FOLDERS: Final = {
    "vae": ("vae",),
    "text": ("text_encoders", "clip"),
    "vision": ("clip_vision",),
    "tokenizer": ("tokenizer",),
}
"""Where ComfyUI keeps each part, below the folder that holds the transformer's."""
TOKENIZER: Final = "spiece_model"
"""The tensor in a text encoder's file that is its tokenizer's file."""
VAE_TENSORS: Final = ("conv2.weight",)
"""The tensor of an autoencoder that has as many rows as its latents have channels."""
TEXT_TENSORS: Final = ("shared.weight", "token_embedding.weight", "token_embd.weight")
"""The word vectors of a text encoder, by each layout's name."""
FIRST_BLOCK: Final = re.compile(r"(?:^|\.)(?:block|blocks|blk)\.0\.")
"""In names of tensors of a text encoder's first block."""
DIT_TENSORS: Final[dict[Layout, dict[str, str]]] = {
    "original": {
        "head": "head.head.weight",
        "ffn": "blocks.0.ffn.0.weight",
        "text": "text_embedding.0.weight",
        "image": "img_emb.proj.1.weight",
        "places": "img_emb.emb_pos",
        "time": "time_embedding.0.weight",
    },
    "diffusers": {
        "head": "proj_out.weight",
        "ffn": "blocks.0.ffn.net.0.proj.weight",
        "text": "condition_embedder.text_embedder.linear_1.weight",
        "image": "condition_embedder.image_embedder.ff.net.0.proj.weight",
        "places": "condition_embedder.image_embedder.pos_embed",
        "time": "condition_embedder.time_embedder.linear_1.weight",
    },
}
"""The tensors of a transformer by whose shapes its sizes are known, by each layout's names."""
VISION_TENSORS: Final = {
    "vision_model.embeddings.class_embedding": "diffusers",
    "embeddings.class_embedding": "diffusers",
    "visual.cls_embedding": "original",
}
"""The vector of a picture encoder that is as wide as its tokens, and the layout with that name."""
ENDINGS: Final = (".safetensors", ".pth", ".gguf")
EXPERT: Final = re.compile(
    r"(?i:(?P<word>high|low)[_-]?noise)|(?<![A-Za-z])(?P<capitals>HIGH|LOW)(?![A-Za-z])"
)
"""What tells the names of the two experts of Wan 2.2 apart."""


@dataclass(frozen=True)
class PartFiles:
    """Files of parts, where they were named: the others are looked for."""

    vae: Path | None = None
    text: Path | None = None
    tokenizer: Path | None = None
    vision: Path | None = None


def read_files(path: Path, name: str, files: PartFiles = PartFiles()) -> ModelParts:
    """The model whose transformer is in ``path``.

    Raises
    ------
    CheckpointError
        If it is no transformer of the family; if a part is not found, or several files fit.
    """
    path = path.resolve()
    paths = experts(path)
    dits = [transformer(file) for file in paths]
    config = dits[0].config
    vae_path = _part(path, files.vae, "vae", VAE_TENSORS, 0, config.out_channels)
    text_path = _part(path, files.text, "text", TEXT_TENSORS, 1, config.text_width)
    vae = components.vae(vae_path, "diffusers" if vae_path.is_dir() else "original")
    text, vocabulary = text_encoder(text_path, files.tokenizer)
    parts = [*paths, vae_path, text_path]
    vision = None
    if config.image_width:
        vision_tensors = (*VISION_TENSORS,)
        parts.append(_part(path, files.vision, "vision", vision_tensors, -1, config.image_width))
        vision = components.vision(parts[-1], _vision_layout(parts[-1]))
    elif files.vision:
        raise InputError(f"{path} looks at no pictures", "leave --vision out")
    clean = vae.config.patch > 1 and config.channels == config.out_channels
    choices = family.defaults(path.stem, dits, clean)
    model = ModelParts(
        BundleConfig(name=name, **choices),
        vae,
        dits[0],
        text,
        vocabulary,
        family.header_digest((file for part in parts for file in _files_of(part)), None),
        low=dits[1] if len(dits) == 2 else None,
        vision=vision,
    )
    family.require_fitting(model, path)
    return model


def experts(path: Path) -> list[Path]:
    """The file, or those of the two experts of which it is one by its name: the one for high noise
    first.

    Raises
    ------
    CheckpointError
        If the other one is not beside it.
    """
    match = EXPERT.search(path.name)
    if match is None:
        return [path]
    word = _noise(match)
    others = {
        other
        for other in path.parent.iterdir()
        if (their := EXPERT.search(other.name))
        and _noise(their) != word
        and EXPERT.sub("", other.name).lower() == EXPERT.sub("", path.name).lower()
    }
    if len(others) != 1:
        other_word = "low" if word == "high" else "high"
        raise CheckpointError(
            f"{path} is one of two experts: the one for {other_word} noise is not beside it",
            "both files in one folder",
        )
    return [path, *others] if word == "high" else [*others, path]


def _noise(match: re.Match[str]) -> str:
    """Say by a name which noise an expert is for: "high" or "low"."""
    return (match["word"] or match["capitals"]).lower()


def transformer(path: Path) -> StoredModule[DiT]:
    """A transformer in one file, of either layout's names, perhaps with another before each."""
    weights = bare(open_weights(path))
    layout = next((name for name, of in DIT_TENSORS.items() if of["head"] in weights), None)
    if layout is None or "patch_embedding.weight" not in weights:
        raise CheckpointError(
            f"{path} is no transformer of the Wan family", f"praxino inspect {path}"
        )
    return components.dit_of(path, weights, _config(path, weights, layout), layout)


def bare(weights: Weights) -> Weights:
    """Weights without what some tools put before every name."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in weights):
            return weights.renamed(methodcaller("removeprefix", prefix))
    return weights


def _config(path: Path, weights: Weights, layout: Layout) -> Callable[[], dict[str, Any]]:
    def fields() -> dict[str, Any]:
        shapes, named = weights.shapes, DIT_TENSORS[layout]
        width, channels, *patch = shapes["patch_embedding.weight"]
        size = lambda role, axis: shapes[named[role]][axis] if named[role] in shapes else 0  # noqa: E731
        return {
            "channels": channels,
            "out_channels": shapes[named["head"]][0] // math.prod(patch),
            "patch": tuple(patch),
            "width": width,
            "heads": _heads(path, width),
            "layers": components.count(weights, "blocks."),
            "ffn": shapes[named["ffn"]][0],
            "text_width": shapes[named["text"]][1],
            "image_width": size("image", 1),
            "image_places": size("places", 1),
            "time_features": shapes[named["time"]][1],
            **_control(weights),
        }

    return fields


def _control(weights: Weights) -> dict[str, Any]:
    """Fields of a control branch (VACE), whose blocks are evenly spread over the others."""
    count, layers = (components.count(weights, name) for name in ("vace_blocks.", "blocks."))
    if not count:
        return {}
    return {
        "control_layers": tuple(range(0, layers, -(-layers // count))),
        "control_channels": weights.shapes["vace_patch_embedding.weight"][1],
    }


def _heads(path: Path, width: int) -> int:
    """How many heads a transformer has: of 128 numbers each, or what a config beside it says."""
    if width % HEAD_WIDTH == 0:
        return width // HEAD_WIDTH
    beside = path.with_name("config.json")
    if not beside.is_file():
        raise CheckpointError(
            f"{path} is {width} wide: how many heads it has cannot be seen in its tensors",
            "its config.json, in the same folder",
        )
    raw = components.read_json(beside)
    return int(raw["num_heads"] if "num_heads" in raw else raw["num_attention_heads"])


def text_encoder(path: Path, tokenizer: Path | None) -> tuple[StoredModule[UMT5], Tokeniser]:
    """A text encoder in one file, of either layout's names, and its tokenizer."""
    weights = open_weights(path)
    vocabulary = _tokeniser(path, tokenizer)
    if "token_embd.weight" in weights:
        weights = weights.renamed(names.umt5_of_gguf)
    if "shared.weight" in weights:
        encoder = components.text_of(path, weights, _umt5(weights), "diffusers", vocabulary)
    else:
        encoder = components.text(path, "original", vocabulary)
    return encoder, vocabulary


def _umt5(weights: Weights) -> Callable[[], dict[str, Any]]:
    def fields() -> dict[str, Any]:
        shapes = {name: entry.shape for name, entry in weights.entries.items()}
        first = "encoder.block.0.layer.0.SelfAttention."
        buckets, heads = shapes[first + "relative_attention_bias.weight"]
        vocabulary, width = shapes["shared.weight"]
        return {
            "vocab_size": vocabulary,
            "d_model": width,
            "d_kv": shapes[first + "q.weight"][0] // heads,
            "d_ff": shapes["encoder.block.0.layer.1.DenseReluDense.wi_0.weight"][0],
            "num_heads": heads,
            "relative_attention_num_buckets": buckets,
            "num_layers": components.count(weights, "encoder.block."),
        }

    return fields


def _vision_layout(path: Path) -> Layout:
    """The layout of a picture encoder's names."""
    weights = open_weights(path)
    for name, layout in VISION_TENSORS.items():
        if name in weights:
            return cast("Layout", layout)
    raise CheckpointError(f"{path} holds no picture encoder", "--vision FILE")


def _tokeniser(text: Path, choice: Path | None) -> Tokeniser:
    """The tokenizer that was named, the one beside the text encoder, or the one inside it."""
    root = text.parent.parent
    folders = [choice] if choice else [text.parent, *(root / name for name in FOLDERS["tokenizer"])]
    for folder in folders:
        folder = folder.parent if folder.is_file() else folder
        if any((folder / name).is_file() for name in ("tokenizer.json", "spiece.model")):
            return components.tokeniser(folder)
    if choice:
        raise CheckpointError(f"{choice} holds no tokenizer", "a folder with tokenizer.json")
    try:
        if text.suffix == ".safetensors":
            with safe_open(text, framework="pt") as file, tempfile.TemporaryDirectory() as fresh:
                if TOKENIZER in file.keys():  # noqa: SIM118  (it is no mapping)
                    data = file.get_tensor(TOKENIZER).numpy().tobytes()
                    (Path(fresh) / "spiece.model").write_bytes(data)
                    return components.tokeniser(Path(fresh))
    except CheckpointError:
        pass  # what is inside is no tokenizer that can be read here
    raise CheckpointError(
        f"{text} has no tokenizer inside or beside it that can be read",
        "--tokenizer FOLDER, such as google/umt5-xxl of its repository",
    )


def _part(
    path: Path, choice: Path | None, kind: str, tensors: tuple[str, ...], axis: int, size: int
) -> Path:
    """The file of a part: the one that was named, or the only one in the folder that was named, or
    in those where ComfyUI keeps it, of which one of ``tensors`` has ``size`` numbers along
    ``axis``.
    """
    if choice is not None and not choice.is_dir():
        return choice
    if choice is not None and (choice / "config.json").is_file():
        return choice  # of a repository in the layout of diffusers
    folders = [choice] if choice else [path.parent.parent / name for name in FOLDERS[kind]]
    candidates, problems = list[Path](), list[str]()
    for file in (file for folder in folders for file in sorted(folder.rglob("*"))):
        if file.suffix not in ENDINGS:
            continue
        try:
            weights = open_weights(file)
        except (CheckpointError, InputError) as error:
            problems.append(str(error).partition(". hint")[0])
            continue
        shapes = [weights.shapes[name] for name in tensors if name in weights]
        fits = any(-len(shape) <= axis < len(shape) and shape[axis] == size for shape in shapes)
        if fits and (kind != "text" or _has_own_biases(weights)):
            candidates.append(file)
    if len(candidates) == 1:
        return candidates[0]
    flag = f"--{kind} FILE"
    if candidates:
        fitting = ", ".join(map(str, candidates))
        raise CheckpointError(f"{path}: several files fit as its {kind}: {fitting}", flag)
    where = " or ".join(map(str, folders))
    unread = f" (not read: {'; '.join(problems[:3])})" if problems else ""
    raise CheckpointError(f"{path}: no {kind} that fits in {where}{unread}", flag)


def _has_own_biases(weights: Weights) -> bool:
    """Whether each block of a text encoder weighs distances on its own, as UMT5's do: T5's share
    the first one's.
    """
    biases = [
        name for name in weights if re.search(r"relative_attention_bias|pos_embedding|rel_b", name)
    ]
    return any(not FIRST_BLOCK.search(name) for name in biases) or len(biases) == 0


def _files_of(part: Path) -> list[Path]:
    """The file of a part, or the files of its folder that hold weights."""
    if part.is_file():
        return [part]
    return [file for file in sorted(part.iterdir()) if file.suffix in ENDINGS]
