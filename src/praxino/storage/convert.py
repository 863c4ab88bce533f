"""Foreign weights: rename tables between our networks and the diffusers layout of the Wan family, both ways.

A table maps each of our names to the foreign one, made from rules over our own state dict; the way back is its inverse.
"""

import re
from collections.abc import Mapping
from typing import Final

from torch import Tensor

from praxino.errors import CheckpointError
from praxino.models.dit import DiT
from praxino.models.vae import VAE

Rules = tuple[tuple[str, str], ...]

DIT_RULES: Final[Rules] = (
    (r"^time_embedding\.0", "condition_embedder.time_embedder.linear_1"),
    (r"^time_embedding\.2", "condition_embedder.time_embedder.linear_2"),
    (r"^time_projection", "condition_embedder.time_proj"),
    (r"^text_embedding\.0", "condition_embedder.text_embedder.linear_1"),
    (r"^text_embedding\.2", "condition_embedder.text_embedder.linear_2"),
    (r"^reference_embedding\.0", "condition_embedder.image_embedder.norm1"),
    (r"^reference_embedding\.1", "condition_embedder.image_embedder.ff.net.0.proj"),
    (r"^reference_embedding\.3", "condition_embedder.image_embedder.ff.net.2"),
    (r"^reference_embedding\.4", "condition_embedder.image_embedder.norm2"),
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
)

VAE_RULES: Final[Rules] = (
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
    (r"^decoder\.stages\.(\d+)\.blocks\.", r"decoder.up_blocks.\1.resnets."),
    (r"\.(down|up)\.conv\.", r".\1.resample.1."),
    (r"\.(down|up)\.time\.", r".\1.time_conv."),
)
RESIDUAL_VAE_RULES: Final[Rules] = (
    *VAE_RULES,
    (r"^encoder\.stages\.(\d+)\.blocks\.", r"encoder.down_blocks.\1.resnets."),
    (r"^encoder\.stages\.(\d+)\.down\.", r"encoder.down_blocks.\1.downsampler."),
    (r"^decoder\.stages\.(\d+)\.up\.", r"decoder.up_blocks.\1.upsampler."),
)
PLAIN_VAE_RULES: Final[Rules] = (
    *VAE_RULES,
    (r"^decoder\.stages\.(\d+)\.up\.", r"decoder.up_blocks.\1.upsamplers.0."),
)


def foreign_names(model: DiT | VAE) -> dict[str, str]:
    """Our names of ``model``'s tensors to those of the diffusers layout."""
    if isinstance(model, DiT):
        return {name: _renamed(name, DIT_RULES) for name in model.state_dict()}
    if model.config.residual:
        return {name: _renamed(name, RESIDUAL_VAE_RULES) for name in model.state_dict()}
    # The plain encoder is one flat list: each stage's blocks and then its downsampling.
    per_stage = model.config.blocks + 1

    def flat(match: re.Match[str]) -> str:
        stage, kind, block = int(match[1]), match[2], match[3]
        return f"encoder.down_blocks.{stage * per_stage + (int(block) if kind == 'blocks' else per_stage - 1)}."

    names = {name: _renamed(name, PLAIN_VAE_RULES) for name in model.state_dict()}
    pattern = re.compile(r"^encoder\.stages\.(\d+)\.(blocks|down)\.(?:(\d+)\.)?")
    return {name: pattern.sub(flat, foreign) for name, foreign in names.items()}


def _renamed(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def from_foreign(model: DiT | VAE, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict for ``model`` from foreign tensors; every tensor must be known and present.

    Raises
    ------
    CheckpointError
        Names the first ten missing, unknown or misshapen tensors and says how many there are.
    """
    names = foreign_names(model)
    wrong = [f"missing {name}" for name in names.values() if name not in tensors]
    wrong += [f"unknown {name}" for name in tensors.keys() - set(names.values())]
    if wrong:
        raise CheckpointError(f"{len(wrong)} tensors do not fit: {'; '.join(sorted(wrong)[:10])}")
    wanted = to_foreign(model)
    wrong = [
        f"{name} is {tuple(tensors[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if tensors[name].shape != tensor.shape
    ]
    if wrong:
        raise CheckpointError(f"{len(wrong)} tensors do not fit: {'; '.join(sorted(wrong)[:10])}")
    own = model.state_dict()
    return {name: tensors[foreign].reshape(own[name].shape) for name, foreign in names.items()}


def to_foreign(model: DiT | VAE) -> dict[str, Tensor]:
    """The tensors of ``model`` under foreign names and in foreign shapes."""
    names = foreign_names(model)
    return {names[name]: _foreign_shape(model, name, tensor) for name, tensor in model.state_dict().items()}


def _foreign_shape(model: DiT | VAE, name: str, tensor: Tensor) -> Tensor:
    if isinstance(model, DiT):
        if name == "patch_embedding.weight":
            return tensor.view(tensor.shape[0], model.config.channels, *model.config.patch)
        return tensor
    if name.endswith("gamma"):
        return tensor.view(-1, 1, 1) if ".attention." in name else tensor.view(-1, 1, 1, 1)
    return tensor
