"""Foreign weights: rename tables between our networks and the two published layouts of the Wan
family, both ways.

A table maps each of our names to the foreign one, made from rules over our own state dict; the way
back is its inverse. "diffusers" is the layout of that library, "original" that of the files the
models were first published in.
"""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final, Literal

from torch import Tensor

from praxino.errors import CheckpointError
from praxino.models.dit import DiT
from praxino.models.vae import VAE
from praxino.storage.weights.checkpoint import HINT_SAME_PLACE, Shapes, differences, shapes
from praxino.storage.weights.files import LazyTensors, Weights

Layout = Literal["diffusers", "original"]
Rules = tuple[tuple[str, str], ...]

DIFFUSERS_DIT: Final[Rules] = (
    (r"^time_embedding\.0", "condition_embedder.time_embedder.linear_1"),
    (r"^time_embedding\.2", "condition_embedder.time_embedder.linear_2"),
    (r"^time_projection", "condition_embedder.time_proj"),
    (r"^text_embedding\.0", "condition_embedder.text_embedder.linear_1"),
    (r"^text_embedding\.2", "condition_embedder.text_embedder.linear_2"),
    (r"^reference_embedding\.places", "condition_embedder.image_embedder.pos_embed"),
    (r"^reference_embedding\.up", "condition_embedder.image_embedder.ff.net.0.proj"),
    (r"^reference_embedding\.down", "condition_embedder.image_embedder.ff.net.2"),
    (r"^reference_embedding", "condition_embedder.image_embedder"),
    (r"\.cross\.reference\.norm_k", ".cross.norm_added_k"),
    (r"\.cross\.reference\.([kv])\.", r".cross.add_\1_proj."),
    (r"\.(attention|cross)\.([qkv])\.", r".\1.to_\2."),
    (r"\.(attention|cross)\.out\.", r".\1.to_out.0."),
    (r"\.attention\.", ".attn1."),
    (r"\.cross\.", ".attn2."),
    (r"\.up\.", ".ffn.net.0.proj."),
    (r"\.down\.", ".ffn.net.2."),
    (r"modulation$", "scale_shift_table"),
    (r"^head\.", "proj_out."),
    (r"^control\.patch_embedding", "vace_patch_embedding"),
    (r"^control\.blocks", "vace_blocks"),
    (r"\.before\.", ".proj_in."),
    (r"\.after\.", ".proj_out."),
)

ORIGINAL_DIT: Final[Rules] = (
    (r"^time_projection", "time_projection.1"),
    (r"^reference_embedding\.places", "img_emb.emb_pos"),
    (r"^reference_embedding\.norm1", "img_emb.proj.0"),
    (r"^reference_embedding\.up", "img_emb.proj.1"),
    (r"^reference_embedding\.down", "img_emb.proj.3"),
    (r"^reference_embedding\.norm2", "img_emb.proj.4"),
    (r"\.norm2\.", ".norm3."),  # there, norms are counted by kind; here, in the order they run
    (r"\.cross\.reference\.(k|v|norm_k)\.", r".cross_attn.\1_img."),
    (r"\.attention\.", ".self_attn."),
    (r"\.cross\.", ".cross_attn."),
    (r"\.out\.", ".o."),
    (r"\.up\.", ".ffn.0."),
    (r"\.down\.", ".ffn.2."),
    (r"^modulation$", "head.modulation"),
    (r"^head\.(weight|bias)", r"head.head.\1"),
    (r"^control\.patch_embedding", "vace_patch_embedding"),
    (r"^control\.blocks", "vace_blocks"),
    (r"\.(before|after)\.", r".\1_proj."),
)

DIFFUSERS_VAE: Final[Rules] = (
    (r"^quant\.", "quant_conv."),
    (r"^post_quant\.", "post_quant_conv."),
    (r"coder\.stem\.", "coder.conv_in."),
    (r"coder\.norm\.", "coder.norm_out."),
    (r"coder\.head\.", "coder.conv_out."),
    (r"\.middle\.first\.", ".mid_block.resnets.0."),
    (r"\.middle\.second\.", ".mid_block.resnets.1."),
    (r"\.middle\.attention\.qkv\.", ".mid_block.attentions.0.to_qkv."),
    (r"\.middle\.attention\.out\.", ".mid_block.attentions.0.proj."),
    (r"\.middle\.attention\.", ".mid_block.attentions.0."),
    (r"\.shortcut\.", ".conv_shortcut."),
    (r"\.conv\.", ".resample.1."),
    (r"\.time\.", ".time_conv."),
    (r"^decoder\.stages\.(\d+)\.blocks\.", r"decoder.up_blocks.\1.resnets."),
)
RESIDUAL_VAE: Final[Rules] = (
    (r"^encoder\.stages\.(\d+)\.blocks\.", r"encoder.down_blocks.\1.resnets."),
    (r"^encoder\.stages\.(\d+)\.down\.", r"encoder.down_blocks.\1.downsampler."),
    (r"^decoder\.stages\.(\d+)\.up\.", r"decoder.up_blocks.\1.upsampler."),
)
PLAIN_VAE: Final[Rules] = (
    (r"^encoder\.down\.", "encoder.down_blocks."),  # already one flat list
    (r"^decoder\.stages\.(\d+)\.up\.", r"decoder.up_blocks.\1.upsamplers.0."),
)
ORIGINAL_VAE: Final[Rules] = (
    (r"^quant\.", "conv1."),
    (r"^post_quant\.", "conv2."),
    (r"coder\.stem\.", "coder.conv1."),
    (r"coder\.norm\.", "coder.head.0."),
    (r"coder\.head\.(weight|bias)", r"coder.head.2.\1"),
    (r"\.middle\.attention\.qkv\.", ".middle.1.to_qkv."),
    (r"\.middle\.attention\.out\.", ".middle.1.proj."),
    (r"\.middle\.attention\.", ".middle.1."),
    (r"\.middle\.first\.", ".middle.0."),
    (r"\.middle\.second\.", ".middle.2."),
    (r"\.norm1\.", ".residual.0."),
    (r"(?<!coder)\.conv1\.", ".residual.2."),
    (r"\.norm2\.", ".residual.3."),
    (r"\.conv2\.", ".residual.6."),
    (r"\.conv\.", ".resample.1."),
    (r"\.time\.", ".time_conv."),
    (r"^encoder\.down\.", "encoder.downsamples."),
    (r"^decoder\.up\.", "decoder.upsamples."),
)


ORIGINAL_UMT5: Final[Rules] = (
    (r"^token_embedding\.", "shared."),
    (r"^norm\.", "encoder.final_layer_norm."),
    (r"\.norm1\.", ".layer.0.layer_norm."),
    (r"\.norm2\.", ".layer.1.layer_norm."),
    (r"\.attn\.", ".layer.0.SelfAttention."),
    (r"\.pos_embedding\.embedding\.", ".layer.0.SelfAttention.relative_attention_bias."),
    (r"\.ffn\.gate\.0\.", ".layer.1.DenseReluDense.wi_0."),
    (r"\.ffn\.fc1\.", ".layer.1.DenseReluDense.wi_1."),
    (r"\.ffn\.fc2\.", ".layer.1.DenseReluDense.wo."),
    (r"^blocks\.", "encoder.block."),
)
"""From the original names of the text encoder to those of ``transformers``."""

GGUF_UMT5: Final[Rules] = (
    (r"^enc\.blk\.", "encoder.block."),
    (r"^enc\.output_norm\.", "encoder.final_layer_norm."),
    (r"^token_embd\.", "shared."),
    (r"\.attn_([qkvo])\.", r".layer.0.SelfAttention.\1."),
    (r"\.attn_rel_b\.", ".layer.0.SelfAttention.relative_attention_bias."),
    (r"\.attn_norm\.", ".layer.0.layer_norm."),
    (r"\.ffn_gate\.", ".layer.1.DenseReluDense.wi_0."),
    (r"\.ffn_up\.", ".layer.1.DenseReluDense.wi_1."),
    (r"\.ffn_down\.", ".layer.1.DenseReluDense.wo."),
    (r"\.ffn_norm\.", ".layer.1.layer_norm."),
)
"""From the names of the text encoder in GGUF, those of llama.cpp, to those of ``transformers``."""

ORIGINAL_CLIP: Final[Rules] = (
    (r"^visual\.", ""),
    (r"^cls_embedding$", "embeddings.class_embedding"),
    (r"^pos_embedding$", "embeddings.position_embedding.weight"),
    (r"^patch_embedding\.", "embeddings.patch_embedding."),
    (r"^pre_norm\.", "pre_layrnorm."),
    (r"^post_norm\.", "post_layernorm."),
    (r"^transformer\.", "encoder.layers."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.attn\.proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.2\.", ".mlp.fc2."),
)
"""From the original names of the picture encoder to those of ``transformers``, but for the joint
``attn.to_qkv``.
"""


def umt5_names(stored: Iterable[str], layout: Layout) -> dict[str, str]:
    """Names of ``transformers`` to those in a file: the word vectors may stand under either of two
    names.
    """
    names = {
        _renamed(name, ORIGINAL_UMT5) if layout == "original" else name: name for name in stored
    }
    words = names.pop("encoder.embed_tokens.weight", None)
    return (
        {"shared.weight": words, **names}
        if words is not None and "shared.weight" not in names
        else names
    )


def umt5_of_gguf(name: str) -> str:
    """The name in ``transformers`` of a text encoder's tensor in GGUF."""
    return _renamed(name, GGUF_UMT5)


def clip_tensors(tensors: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """A picture encoder's tensors under the names of ``transformers``; what it shares a file with
    is left out.
    """
    if layout == "diffusers":
        return {
            name.removeprefix("vision_model."): tensors[name]
            for name in tensors
            if not name.endswith("position_ids") and name != "visual_projection.weight"
        }
    ours = {}
    for name in tensors:
        if not name.startswith("visual.") or name == "visual.head":
            continue  # the original file holds a text encoder, too
        renamed, tensor = _renamed(name, ORIGINAL_CLIP), tensors[name]
        if ".attn.to_qkv." in renamed:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                ours[renamed.replace("attn.to_qkv", f"self_attn.{letter}_proj")] = part
        elif renamed.startswith("embeddings.") and "patch" not in renamed:
            ours[renamed] = tensor.squeeze(0) if tensor.shape[1] > 1 else tensor.flatten()
        else:
            ours[renamed] = tensor
    return ours


def foreign_names(model: DiT | VAE, layout: Layout = "diffusers") -> dict[str, str]:
    """Our names of ``model``'s tensors to those of a published layout."""
    names = {name: name for name in model.state_dict()}
    if isinstance(model, DiT):
        rules = DIFFUSERS_DIT if layout == "diffusers" else ORIGINAL_DIT
    elif layout == "diffusers":
        rules = DIFFUSERS_VAE + (RESIDUAL_VAE if model.config.residual else PLAIN_VAE)
        names = names if model.config.residual else _flat(names, "encoder", model.config.blocks + 1)
    else:
        rules = ORIGINAL_VAE
        for coder, length in (
            ("encoder", model.config.blocks + 1),
            ("decoder", model.config.blocks + 2),
        ):
            names = (
                _nested(names, coder, length - 1)
                if model.config.residual
                else _flat(names, coder, length)
            )
    return {name: _renamed(foreign, rules) for name, foreign in names.items()}


STAGE: Final = r"^{}\.stages\.(\d+)\.(blocks|down|up)\.(?:(\d+)\.)?"
"""A pattern of our names inside a stage: its number, the kind of part, and for a block its number.
"""
LIST: Final = {"encoder": "down", "decoder": "up"}


def _flat(names: dict[str, str], coder: str, per_stage: int) -> dict[str, str]:
    """Stages as one flat list: each one's blocks, then its resampling."""

    def place(match: re.Match[str]) -> str:
        return (
            f"{coder}.{LIST[coder]}.{int(match[1]) * per_stage + int(match[3] or per_stage - 1)}."
        )

    return {name: re.sub(STAGE.format(coder), place, foreign) for name, foreign in names.items()}


def _nested(names: dict[str, str], coder: str, blocks: int) -> dict[str, str]:
    """Stages as lists in a list: the resampling is the last of its stage."""
    inner = {"encoder": "downsamples", "decoder": "upsamples"}[coder]

    def place(match: re.Match[str]) -> str:
        return f"{coder}.{LIST[coder]}.{match[1]}.{inner}.{match[3] or blocks}."

    return {name: re.sub(STAGE.format(coder), place, foreign) for name, foreign in names.items()}


def _renamed(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def from_foreign(
    model: DiT | VAE,
    tensors: Mapping[str, Tensor],
    layout: Layout = "diffusers",
    source: str = "the file",
) -> Mapping[str, Tensor]:
    """A state dict for ``model`` from foreign tensors, each of which is read when it is asked for;
    every tensor must be known and present.

    Raises
    ------
    CheckpointError
        Names the first ten missing, unknown or misshapen tensors and says how many there are.
    """
    names = foreign_names(model, layout)
    there = tensors.shapes if isinstance(tensors, Weights) else shapes(tensors)
    matched(there, shapes(to_foreign(model, layout)), source)
    own = shapes(model.state_dict())
    read = lambda name, foreign: tensors[foreign].reshape(own[name])  # noqa: E731
    return LazyTensors({name: partial(read, name, foreign) for name, foreign in names.items()})


def matched(shapes: Shapes, expected: Shapes, source: str) -> None:
    """Raise `CheckpointError` unless names and shapes are the same: it says how many differ, and
    names ten.
    """
    if wrong := differences(shapes, expected):
        raise CheckpointError(
            f"{source}: {len(wrong)} tensors do not fit: {'; '.join(wrong[:10])}", HINT_SAME_PLACE
        )


def to_foreign(model: DiT | VAE, layout: Layout = "diffusers") -> dict[str, Tensor]:
    """The tensors of ``model`` under foreign names and in foreign shapes."""
    names = foreign_names(model, layout)
    return {
        names[name]: _foreign_shape(model, name, tensor)
        for name, tensor in model.state_dict().items()
    }


def _foreign_shape(model: DiT | VAE, name: str, tensor: Tensor) -> Tensor:
    if isinstance(model, DiT):
        if name == "patch_embedding.weight":
            return tensor.view(tensor.shape[0], model.config.channels, *model.config.patch)
        if name == "control.patch_embedding.weight":
            return tensor.view(tensor.shape[0], model.config.control_channels, *model.config.patch)
        return tensor.unsqueeze(0) if name == "reference_embedding.places" else tensor
    if name.endswith("gamma"):
        return tensor.view(-1, 1, 1) if ".attention." in name else tensor.view(-1, 1, 1, 1)
    return tensor
