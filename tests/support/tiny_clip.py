"""A small CLIP with random weights in a folder of either layout."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

WIDTH, SIDE, LENGTH = 64, 32, 16
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def tiny_clip(folder: Path, layout: str = "transformers") -> Path:
    """The folder, filled."""
    import transformers

    folder.mkdir(parents=True)
    tokenizer = _tokenizer(transformers)
    tokenizer.save_pretrained(folder)
    network = _network(transformers, len(tokenizer))
    if layout == "transformers":
        network.save_pretrained(folder)
        return folder
    config = {
        "embed_dim": 24,
        "quick_gelu": True,
        "vision_cfg": {"image_size": SIDE, "layers": 1, "width": WIDTH, "patch_size": 8},
        "text_cfg": {
            "context_length": LENGTH, "vocab_size": len(tokenizer), "width": WIDTH, "heads": 2,
            "layers": 2,
        },
    }  # fmt: skip
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(_as_open_clip(network.state_dict()), folder / "open_clip_model.safetensors")
    return folder


def _tokenizer(transformers: Any) -> Any:
    words = [*LETTERS, *(letter + "</w>" for letter in LETTERS)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[])


def _network(transformers: Any, words: int) -> Any:
    generator = torch.Generator().manual_seed(0)
    tower = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH}
    config = transformers.CLIPConfig(
        text_config=tower | {
            "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": words,
            "max_position_embeddings": LENGTH, "eos_token_id": words - 1,
            "bos_token_id": words - 2, "pad_token_id": words - 1, "projection_dim": 24,
        },
        vision_config=tower | {
            "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": SIDE, "patch_size": 8,
            "projection_dim": 24,
        },
        projection_dim=24,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = transformers.CLIPModel(config).eval()
    with torch.no_grad():
        for _, parameter in sorted(network.named_parameters()):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def _as_open_clip(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Written from the names of open_clip, by hand."""
    result = {
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T,
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "text_projection": state["text_projection.weight"].T,
        "logit_scale": state["logit_scale"],
    }
    for ours, theirs in (
        ("visual.ln_pre", "vision_model.pre_layrnorm"),
        ("visual.ln_post", "vision_model.post_layernorm"),
        ("ln_final", "text_model.final_layer_norm"),
    ):
        result |= {f"{ours}.{kind}": state[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
    for ours, theirs, layers in (("visual.", "vision_model", 1), ("", "text_model", 2)):
        for n in range(layers):
            block, own = f"{ours}transformer.resblocks.{n}", f"{theirs}.encoder.layers.{n}"
            for kind in ("weight", "bias"):
                parts = [state[f"{own}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
                result[f"{block}.attn.in_proj_{kind}"] = torch.cat(parts)
                result[f"{block}.attn.out_proj.{kind}"] = state[f"{own}.self_attn.out_proj.{kind}"]
                for k in (1, 2):
                    result[f"{block}.ln_{k}.{kind}"] = state[f"{own}.layer_norm{k}.{kind}"]
                result[f"{block}.mlp.c_fc.{kind}"] = state[f"{own}.mlp.fc1.{kind}"]
                result[f"{block}.mlp.c_proj.{kind}"] = state[f"{own}.mlp.fc2.{kind}"]
    return {name: tensor.contiguous().clone() for name, tensor in result.items()}
