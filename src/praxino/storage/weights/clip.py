"""CLIP models in folders: as ``transformers`` saves them, or as open_clip does."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from praxino.errors import CheckpointError, InputError
from praxino.models.clip import CLIP, Tokenise
from praxino.models.clip_vision import Sight
from praxino.storage.weights import checkpoint
from praxino.storage.weights.files import open_weights

EXAMPLE: Final = "a folder of a CLIP model as transformers or open_clip saves it"
OPEN_CLIP: Final = "open_clip_config.json"
"""What a folder of open_clip holds beside its weights."""
OPEN_CLIP_WEIGHTS: Final = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
HEAD_WIDTH: Final = 64
"""Channels of a head, where a config does not say how many heads there are."""
TOWERS: Final = {"visual.transformer": "vision_model.encoder", "transformer": "text_model.encoder"}
BLOCK: Final = re.compile(r"^(visual\.transformer|transformer)\.resblocks\.(\d+)\.(.+)\.(\w+)$")
LAYERS: Final = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
"""Layers of a block: names of open_clip, and of ``transformers``."""
ENDS: Final = {
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
PROJECTIONS: Final = {
    "visual.proj": "visual_projection.weight",
    "text_projection": "text_projection.weight",
}
"""Matrices that are multiplied from the right in open_clip."""


def read(folder: Path) -> CLIP:
    """The model in a folder.

    Raises
    ------
    CheckpointError
        If it is no CLIP model, or lacks a part.
    InputError
        Without the library that runs it.
    """
    library, problem = transformers(), f"{folder} holds no CLIP model"
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is no folder", EXAMPLE)
    if (folder / OPEN_CLIP).is_file() and not (folder / "config.json").is_file():
        network = _open_clip(folder, library)
    else:
        network = pretrained(library.CLIPModel, folder)
    length = int(network.config.text_config.max_position_embeddings)
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokenise = _tokenise(tokenizer, length)
        tokenise([""])
    except Exception as error:  # whatever the library makes of a folder without one
        raise CheckpointError(f"{problem}: {_first_line(error)}", EXAMPLE) from None
    return CLIP(network, tokenise, _sight(folder)).eval().requires_grad_(False)


def transformers() -> Any:
    """The library; raises `InputError` if it is not there."""
    try:
        import transformers as library
    except ImportError:
        hint = 'pip install "praxino[hf]"'
        raise InputError("clip needs the library transformers", hint) from None
    library.utils.logging.set_verbosity_error()  # what is wrong is said by our errors, in one line
    library.utils.logging.disable_progress_bar()
    return library


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _sight(folder: Path) -> Sight:
    """Mean and deviation of the pictures that it was trained on; OpenAI's where nothing is said."""
    places = {
        folder / OPEN_CLIP: lambda tree: tree["preprocess_cfg"],
        folder / "preprocessor_config.json": lambda tree: {
            "mean": tree["image_mean"], "std": tree["image_std"]
        },
    }  # fmt: skip
    for path, find in places.items():
        try:
            fields = find(json.loads(path.read_text()))
            return Sight(mean=tuple(fields["mean"]), std=tuple(fields["std"]))
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return Sight()


def pretrained(kind: Any, folder: Path) -> Any:
    """A network of ``transformers`` in a folder, whole: the library itself would fill what is
    missing with random numbers.

    Raises
    ------
    CheckpointError
        If it is another one, or not whole.
    """
    try:
        network, loading = kind.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
        missing = sorted(loading["missing_keys"])
        problem = f"it lacks {missing[0]}" if missing else ""
    except Exception as error:  # whatever the library makes of a folder that is not CLIP's
        problem = _first_line(error)
    if problem:
        raise CheckpointError(f"{folder} holds no CLIP model ({problem})", EXAMPLE)
    return network.eval()


def _tokenise(tokenizer: Any, length: int) -> Tokenise:
    def tokenise(sentences: Sequence[str]) -> Tensor:
        ids = tokenizer(list(sentences)).input_ids
        most = max(map(len, ids))
        if most > length:
            raise InputError(
                f"a sentence of {most} pieces: CLIP reads {length}, two of them its ends",
                "a shorter sentence",
            )
        padded = tokenizer(
            list(sentences), padding="max_length", max_length=length, return_tensors="pt"
        )
        return torch.as_tensor(padded.input_ids)

    return tokenise


def _open_clip(folder: Path, library: Any) -> Any:
    """A network of open_clip as one of ``transformers``."""
    files = [folder / name for name in OPEN_CLIP_WEIGHTS if (folder / name).is_file()]
    if not files:
        raise CheckpointError(f"{folder}: {' or '.join(OPEN_CLIP_WEIGHTS)} is missing", EXAMPLE)
    try:
        fields = json.loads((folder / OPEN_CLIP).read_text())["model_cfg"]
        if isinstance(fields["vision_cfg"]["layers"], list):
            raise CheckpointError(f"{folder}: its picture encoder is a ResNet", "a ViT")
        network = library.CLIPModel(library.CLIPConfig(**_sizes(fields)))
    except CheckpointError:
        raise
    except Exception as error:  # whatever the library makes of sizes that are none
        problem = _first_line(error)
        raise CheckpointError(f"{folder / OPEN_CLIP} is damaged ({problem})", EXAMPLE) from None
    tensors = dict(as_transformers(open_weights(files[0])))
    checkpoint.load_strict(network, tensors, str(files[0]))
    return network.float().eval()


def _sizes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The config of ``transformers`` that open_clip's fields mean: GELU unless they say that it is
    the quick one, which OpenAI's own weights were trained with.
    """
    act = "quick_gelu" if fields.get("quick_gelu") else "gelu"

    def tower(own: Mapping[str, Any], heads: int) -> dict[str, Any]:
        return {
            "hidden_size": own["width"],
            "intermediate_size": int(own["width"] * own.get("mlp_ratio", 4.0)),
            "num_hidden_layers": own["layers"],
            "num_attention_heads": heads,
            "hidden_act": act,
            "projection_dim": fields["embed_dim"],
        }

    vision, text = fields["vision_cfg"], fields["text_cfg"]
    heads = vision["width"] // vision.get("head_width", HEAD_WIDTH)
    last = text.get("vocab_size", 49408) - 1
    return {
        "vision_config": tower(vision, heads)
        | {"image_size": vision["image_size"], "patch_size": vision["patch_size"]},
        "text_config": tower(text, text["heads"])
        | {
            "max_position_embeddings": text.get("context_length", 77),
            "vocab_size": last + 1,
            "eos_token_id": last,
            "bos_token_id": last - 1,
            "pad_token_id": last,
        },
        "projection_dim": fields["embed_dim"],
    }


def as_transformers(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Tensors of open_clip, and of OpenAI, by the names of ``transformers``; those that are not
    known keep theirs.
    """
    for name in tensors:
        tensor = tensors[name]
        if name in PROJECTIONS:
            yield PROJECTIONS[name], tensor.T.contiguous()
        elif name in ENDS:
            yield ENDS[name], tensor
        elif (block := BLOCK.match(name)) is None:
            yield name, tensor
        else:
            tower, number, layer, kind = block.groups()
            place = f"{TOWERS[tower]}.layers.{number}"
            if layer == "attn" and kind.startswith("in_proj_"):
                for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                    yield f"{place}.self_attn.{letter}_proj.{kind.removeprefix('in_proj_')}", part
            else:
                yield f"{place}.{LAYERS.get(layer, layer)}.{kind}", tensor
