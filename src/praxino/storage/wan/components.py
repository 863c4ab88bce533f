"""One part of a foreign model at a time: its config, made from what the files say, and how its
weights are read.
"""

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from torch import Tensor

from praxino.errors import CheckpointError, InputError
from praxino.log import quiet_logging
from praxino.models.clip_vision import Sight, Vision
from praxino.models.dit import DiT, DiTConfig
from praxino.models.umt5 import UMT5, Tokeniser
from praxino.models.vace import network_of
from praxino.models.vae import VAE, VAEConfig
from praxino.storage.wan import names
from praxino.storage.wan.names import Layout
from praxino.storage.weights.checkpoint import HINT_SAME_PLACE, shapes
from praxino.storage.weights.files import LazyTensors, Weights, open_weights
from praxino.storage.weights.lazy import StoredModule

HINT_DOWNLOAD_ALL: Final = "download the whole repository"

MEAN_21: Final = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
    0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
STD_21: Final = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip
MEAN_22: Final = (
    -0.2289,
    -0.0052,
    -0.1323,
    -0.2339,
    -0.2799,
    0.0174,
    0.1838,
    0.1557,
    -0.1382,
    0.0542,
    0.2813,
    0.0891,
    0.1570,
    -0.0098,
    0.0375,
    -0.1825,
    -0.2246,
    -0.1207,
    -0.0698,
    0.5109,
    0.2665,
    -0.2108,
    -0.2158,
    0.2502,
    -0.2055,
    -0.0322,
    0.1109,
    0.1567,
    -0.0729,
    0.0899,
    -0.2799,
    -0.1230,
    -0.0313,
    -0.1649,
    0.0117,
    0.0723,
    -0.2839,
    -0.2083,
    -0.0520,
    0.3748,
    0.0152,
    0.1957,
    0.1433,
    -0.2944,
    0.3573,
    -0.0548,
    -0.1681,
    -0.0667,
)
STD_22: Final = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901,
    0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
    0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944,
    0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)  # fmt: skip
"""Statistics of the latents of the two autoencoders (Wan 2.1: 16 channels, Wan 2.2: 48)."""


def read_json(path: Path) -> dict[str, Any]:
    """An object in a JSON file; what cannot be read is a `CheckpointError`."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", HINT_DOWNLOAD_ALL) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error})", "download it again") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is damaged (no object)", "download it again")
    return value


def _built(kind: Callable[..., Any], source: Path, fields: Callable[[], dict[str, Any]]) -> Any:
    """A config from what a foreign one says; one that lacks something, or says what cannot be, is
    one line.
    """
    try:
        return kind(**fields())
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(
            f"{source}: {name or 'it'}: {first['msg']}", HINT_SAME_PLACE
        ) from None
    except KeyError as error:
        raise CheckpointError(
            f"{source} is not of this kind: it lacks {error.args[0]}", HINT_SAME_PLACE
        ) from None
    except (TypeError, ValueError, IndexError, ArithmeticError) as error:
        raise CheckpointError(
            f"{source} is not of this kind ({error!r})", HINT_SAME_PLACE
        ) from None


def dit(folder: Path, layout: Layout) -> StoredModule[DiT]:
    """The denoiser in ``folder``, beside its ``config.json``."""
    path, weights = folder / "config.json", open_weights(folder)
    raw = read_json(path)
    fields = _diffusers_dit if layout == "diffusers" else _original_dit
    return dit_of(path, weights, lambda: fields(path, raw, weights), layout)


def dit_of(
    source: Path, weights: Weights, fields: Callable[[], dict[str, Any]], layout: Layout
) -> StoredModule[DiT]:
    """A denoiser of these weights; ``fields`` are those of its config, and ``source`` says them."""
    config: DiTConfig = _built(DiTConfig, source, fields)
    place = str(weights.source)
    adapt = lambda network, weights: names.from_foreign(network, weights, layout, place)  # noqa: E731
    return StoredModule(config, weights, lambda: network_of(config), adapt)


def _diffusers_dit(path: Path, raw: dict[str, Any], weights: Weights) -> dict[str, Any]:
    kind = raw.get("_class_name")
    if kind not in ("WanTransformer3DModel", "WanVACETransformer3DModel"):
        raise CheckpointError(f"{path} is of a {kind}", "a WanTransformer3DModel")
    if raw["cross_attn_norm"] is not True or raw["qk_norm"] != "rms_norm_across_heads":
        raise CheckpointError(
            f"{path} is of another kind of Wan", "cross_attn_norm and qk_norm as published"
        )
    return {
        "channels": raw["in_channels"],
        "out_channels": raw["out_channels"],
        "patch": tuple(raw["patch_size"]),
        "width": raw["num_attention_heads"] * raw["attention_head_dim"],
        "heads": raw["num_attention_heads"],
        "layers": raw["num_layers"],
        "ffn": raw["ffn_dim"],
        "text_width": raw["text_dim"],
        "image_width": raw.get("image_dim") or 0,
        "image_places": raw.get("pos_embed_seq_len") or 0,
        "time_features": raw["freq_dim"],
        "eps": raw["eps"],
        "control_layers": tuple(raw.get("vace_layers") or ()),
        "control_channels": raw.get("vace_in_channels") or 96,
    }


def _original_dit(path: Path, raw: dict[str, Any], weights: Weights) -> dict[str, Any]:
    if (kind := raw.get("model_type")) not in ("t2v", "i2v", "flf2v", "ti2v", "vace"):
        raise CheckpointError(
            f"{path} is of a model for {kind}", "t2v, i2v, flf2v, ti2v and vace are known"
        )
    size = lambda name, axis: weights.entries[name].shape[axis] if name in weights.entries else 0  # noqa: E731
    return {
        "channels": raw["in_dim"],
        "out_channels": raw["out_dim"],
        "width": raw["dim"],
        "heads": raw["num_heads"],
        "layers": raw["num_layers"],
        "ffn": raw["ffn_dim"],
        "text_width": size("text_embedding.0.weight", 1),
        "image_width": size("img_emb.proj.1.weight", 1),
        "image_places": size("img_emb.emb_pos", 1),
        "time_features": raw["freq_dim"],
        "eps": raw["eps"],
        "control_layers": _control_layers(raw) if kind == "vace" else (),
        "control_channels": raw.get("vace_in_dim") or 96,
    }


def _control_layers(raw: dict[str, Any]) -> tuple[int, ...]:
    """Layers that a control branch adds to: as the config says, or else every second one."""
    return tuple(raw.get("vace_layers") or range(0, raw["num_layers"], 2))


def vae(place: Path, layout: Layout) -> StoredModule[VAE]:
    """The autoencoder in a folder of diffusers, or in an original file."""
    weights = open_weights(place)
    if layout == "diffusers":
        path = place / "config.json"
        raw = read_json(path)
        config: VAEConfig = _built(VAEConfig, path, lambda: _diffusers_vae(path, raw))
    else:
        config = _built(VAEConfig, place, lambda: _original_vae(weights))
    adapt = lambda network, weights: names.from_foreign(network, weights, layout, str(place))  # noqa: E731
    return StoredModule(config, weights, lambda: VAE(config), adapt)


def _diffusers_vae(path: Path, raw: dict[str, Any]) -> dict[str, Any]:
    if (kind := raw.get("_class_name")) != "AutoencoderKLWan":
        raise CheckpointError(f"{path} is of a {kind}", "an AutoencoderKLWan")
    if raw.get("attn_scales"):
        raise CheckpointError(
            f"{path} has attention outside the middle", "attn_scales as published: []"
        )
    patch = raw.get("patch_size") or 1
    return {
        "channels": raw.get("in_channels", 3) // patch**2,
        "latent_channels": raw["z_dim"],
        "width": raw["base_dim"],
        "decoder_width": raw.get("decoder_base_dim") or raw["base_dim"],
        "multipliers": tuple(raw["dim_mult"]),
        "blocks": raw["num_res_blocks"],
        "temporal": tuple(raw["temperal_downsample"]),
        "patch": patch,
        "residual": bool(raw.get("is_residual")),
        "mean": tuple(raw.get("latents_mean", MEAN_21)),
        "std": tuple(raw.get("latents_std", STD_21)),
    }


def _original_vae(weights: Weights) -> dict[str, Any]:
    """There is no config file: what differs between the two autoencoders can be seen in their
    tensors.
    """
    shapes = {name: entry.shape for name, entry in weights.entries.items()}
    latents = shapes["conv2.weight"][0]
    mean, std = {16: (MEAN_21, STD_21), 48: (MEAN_22, STD_22)}.get(latents, ((), ()))
    return {
        "latent_channels": latents, "width": shapes["encoder.conv1.weight"][0],
        "decoder_width": shapes["decoder.conv1.weight"][0] // VAEConfig().multipliers[-1],
        "patch": math.isqrt(shapes["encoder.conv1.weight"][1] // 3),
        "residual": any(name.startswith("encoder.downsamples.0.downsamples.") for name in shapes),
        "mean": mean, "std": std,
    }  # fmt: skip


def text(place: Path, layout: Layout, vocabulary: Tokeniser) -> StoredModule[UMT5]:
    """The text encoder in a folder of ``transformers``, or in an original file."""
    weights = open_weights(place)
    if layout == "original":
        return text_of(place, weights, lambda: _original_umt5(weights), layout, vocabulary)
    path = place / "config.json"
    raw = read_json(path)
    if (kind := raw.get("model_type")) != "umt5":
        raise CheckpointError(f"{path} is of a text encoder {kind}", "an umt5")
    return text_of(path, weights, lambda: raw, layout, vocabulary)


def text_of(
    source: Path,
    weights: Weights,
    fields: Callable[[], dict[str, Any]],
    layout: Layout,
    vocabulary: Tokeniser,
) -> StoredModule[UMT5]:
    """A text encoder of these weights; ``fields`` are those of its config, and ``source`` says
    them.
    """
    transformers, place = _transformers(), str(weights.source)
    config = _built(transformers.UMT5Config, source, fields)

    def adapt(network: UMT5, weights: Weights) -> Mapping[str, Tensor]:
        by_name = names.umt5_names(weights, layout)
        twice = "encoder.embed_tokens.weight"  # the word vectors, under their second name
        shapes = {
            name: tuple(t.shape)
            for name, t in network.encoder.state_dict().items()
            if name != twice
        }
        names.matched(
            {name: weights.entries[file].shape for name, file in by_name.items()},
            shapes,
            place,
        )
        read = weights.__getitem__
        return LazyTensors(
            {f"encoder.{name}": partial(read, file) for name, file in by_name.items()}
        )

    return StoredModule(
        config, weights, lambda: UMT5(transformers.UMT5EncoderModel(config), vocabulary), adapt
    )


def _original_umt5(weights: Weights) -> dict[str, Any]:
    shapes = {name: entry.shape for name, entry in weights.entries.items()}
    buckets, heads = shapes["blocks.0.pos_embedding.embedding.weight"]
    vocabulary, width = shapes["token_embedding.weight"]
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": shapes["blocks.0.attn.q.weight"][0] // heads,
        "d_ff": shapes["blocks.0.ffn.fc1.weight"][0],
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "num_layers": count(weights, "blocks."),
    }


def count(weights: Weights, prefix: str) -> int:
    """How many numbered parts there are under a name."""
    return len({name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)})


def tokeniser(folder: Path) -> Tokeniser:
    """The tokeniser of a folder that ``transformers`` writes."""
    transformers = _transformers()
    if not any((folder / name).is_file() for name in ("tokenizer.json", "spiece.model")):
        raise CheckpointError(f"{folder} holds no tokenizer", HINT_DOWNLOAD_ALL)
    try:
        return Tokeniser(transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True))
    except Exception as error:  # whatever the library makes of what it finds
        raise CheckpointError(
            f"{folder} holds no tokenizer ({str(error).splitlines()[0]})", HINT_DOWNLOAD_ALL
        ) from None


def vision(place: Path, layout: Layout, processor: Path | None = None) -> StoredModule[Vision]:
    """The picture encoder in a folder of ``transformers`` (with that of its preparation), or in a
    single file of either layout's names.
    """
    transformers = _transformers()
    weights = open_weights(place)
    path = place / "config.json"
    if place.is_dir() and layout == "diffusers":
        raw = read_json(path)
        raw = raw.get("vision_config", raw)  # in folders that hold all of CLIP
        config = _built(transformers.CLIPVisionConfig, path, lambda: raw)
    else:
        fields = _clip if layout == "diffusers" else _original_clip
        config = _built(transformers.CLIPVisionConfig, place, lambda: fields(weights))
    sight = (
        _sight(processor / "preprocessor_config.json")
        if processor
        else Sight(side=config.image_size)
    )

    def adapt(network: Vision, weights: Weights) -> dict[str, Tensor]:
        tensors = names.clip_tensors(weights, layout)
        old = (
            "vision_model."
            if any(n.startswith("vision_model.") for n in network.encoder.state_dict())
            else ""
        )
        tensors = {f"{old}{name}": tensor for name, tensor in tensors.items()}
        names.matched(shapes(tensors), shapes(network.encoder.state_dict()), str(place))
        return {f"encoder.{name}": tensor for name, tensor in tensors.items()}

    return StoredModule(
        config, weights, lambda: Vision(transformers.CLIPVisionModel(config), sight), adapt
    )


def _original_clip(weights: Weights) -> dict[str, Any]:
    shapes = {name: entry.shape for name, entry in weights.entries.items()}
    width, _, patch, _ = shapes["visual.patch_embedding.weight"]
    places = shapes["visual.pos_embedding"][1]
    ffn = shapes["visual.transformer.0.mlp.0.weight"][0]
    return _clip_fields(width, patch, places, ffn, count(weights, "visual.transformer."))


def _clip(weights: Weights) -> dict[str, Any]:
    shapes = {
        name.removeprefix("vision_model."): entry.shape for name, entry in weights.entries.items()
    }
    width, _, patch, _ = shapes["embeddings.patch_embedding.weight"]
    places = shapes["embeddings.position_embedding.weight"][0]
    ffn = shapes["encoder.layers.0.mlp.fc1.weight"][0]
    prefix = "vision_model." if "vision_model.post_layernorm.bias" in weights else ""
    layers = count(weights, f"{prefix}encoder.layers.")
    return _clip_fields(width, patch, places, ffn, layers)


def _clip_fields(width: int, patch: int, places: int, ffn: int, layers: int) -> dict[str, Any]:
    """A config for ``transformers``; the family has one picture encoder, with heads 80 wide."""
    return {
        "hidden_size": width,
        "intermediate_size": ffn,
        "patch_size": patch,
        "image_size": math.isqrt(places - 1) * patch,
        "num_hidden_layers": layers,
        "hidden_act": "gelu",
        "num_attention_heads": max(1, width // 80),
        "layer_norm_eps": 1e-5,
    }


def _sight(path: Path) -> Sight:
    raw = read_json(path)

    def fields() -> dict[str, Any]:
        crop = raw["crop_size"]
        side = crop["height"] if isinstance(crop, dict) else crop
        return {"side": side, "mean": tuple(raw["image_mean"]), "std": tuple(raw["image_std"])}

    return _built(Sight, path, fields)


def _transformers() -> Any:
    try:
        import transformers

        with quiet_logging():
            transformers.UMT5EncoderModel  # noqa: B018  with it comes torchao, where that is installed
    except ImportError:
        raise InputError(
            "this model needs the library transformers", 'pip install "praxino[hf]"'
        ) from None
    return transformers
