"""``praxino inspect``: what a checkpoint is, from names and shapes alone: no tensor is read,
nothing is downloaded.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from praxino.errors import CheckpointError

if TYPE_CHECKING:
    from praxino.storage.weights.files import Weights
    from praxino.storage.weights.lazy import LazyModule, ModelParts

Findings = list[tuple[str, str]]
"""(label, text) in the order to print."""
GIB = 2**30

TELLING_TENSORS = (
    ("head.modulation", "a transformer of the Wan family, original names"),
    (
        "condition_embedder.time_embedder.linear_1.weight",
        "a transformer of the Wan family, names of diffusers",
    ),
    ("decoder.middle.0.residual.0.gamma", "an autoencoder of the Wan family, original names"),
    (
        "decoder.mid_block.resnets.0.norm1.gamma",
        "an autoencoder of the Wan family, names of diffusers",
    ),
    ("blocks.0.pos_embedding.embedding.weight", "an UMT5 text encoder, original names"),
    (
        "encoder.block.0.layer.0.SelfAttention.q.weight",
        "an UMT5 text encoder, names of transformers",
    ),
    ("token_embd.weight", "a text encoder, names of llama.cpp"),
    ("visual.patch_embedding.weight", "a CLIP picture encoder, original names"),
    ("vision_model.embeddings.class_embedding", "a CLIP picture encoder, names of transformers"),
)
"""A tensor that tells what a file is, and what it is."""
LOOKING = ("img_emb.proj.1.weight", "condition_embedder.image_embedder.norm1.weight")
"""Tensors of transformers that look at pictures through CLIP."""


def inspect(
    path: Annotated[str, typer.Argument(help="A model folder, a file of weights, or OWNER/NAME.")],
) -> None:
    """Say what a checkpoint is: its parts, parameters, types, licence, and what it needs."""
    for name, value in describe(path):
        typer.echo(f"{name:<12} {value}")


def describe(name: str) -> Findings:
    """What is known of a checkpoint.

    Raises
    ------
    CheckpointError
        If there is nothing of that name, or it is damaged, or of no known kind.
    """
    from praxino.generation import loading
    from praxino.storage.wan import family
    from praxino.storage.weights import hub
    from praxino.storage.weights.checkpoint import CONFIG

    path = Path(name)
    if path.is_file():
        return _file(path)
    if not path.exists() and hub.is_id(name):
        return [("repository", name), *hub.described(name)]
    folder = loading.find_model(name)
    if not family.layout_of(folder) and not (folder / "dit" / CONFIG).exists():
        return _file(folder)
    return _model(folder, loading.load(name, device="cpu").model)


def _model(folder: Path, model: "ModelParts") -> Findings:
    from praxino.references import MAX_REFERENCES
    from praxino.storage.wan import family

    config = model.config
    layout = family.layout_of(folder)
    kind = {
        "diffusers": "Wan, layout of diffusers",
        "original": "Wan, original layout",
        None: "Praxino",
    }[layout]
    lines = [("kind", kind), ("licence", config.licence), ("weights", model.digest)]
    parts = {
        "text": model.text,
        "dit": model.dit,
        "low noise": model.low,
        "vae": model.vae,
        "vision": model.vision,
    }
    for name, part in parts.items():
        if part is not None:
            lines += _part(name, part)
    for name in ("layout", "latent_reader", "tiny_decoder"):
        if (network := getattr(model, name)) is not None:
            lines.append(
                (name.replace("_", " "), _count(sum(p.numel() for p in network.parameters())))
            )
    makes = {
        "none": "text to film, pictures with --frames 1",
        "clean": "text or first and last frame to film, pictures with --frames 1",
        "control": "text, pictures, frames, films and masks to film",
        "channels": "first and last frame to film"
        if model.dit.config.image_places
        else "first frame to film",
    }
    lines.append(("makes", makes[config.pictures]))
    if (slots := model.dit.config.slots) or config.pictures == "control":
        lines.append(("entities", f"{slots or MAX_REFERENCES} by their pictures"))
    else:
        lines.append(("entities", "by their descriptions"))
    size = (
        f"{config.frames} frames of {config.width}x{config.height} at {config.fps:g} a second, "
        f"{config.steps} steps"
    )
    lines.append(("by default", f"{size}, guidance {config.guidance:g}, shift {config.shift:g}"))
    lines.append(("needs", f"praxino plan {folder} says how much memory and time"))
    return lines


def _part(name: str, part: "LazyModule[Any]") -> Findings:
    from torch import nn

    from praxino.models.dit import DiTConfig
    from praxino.storage.weights.lazy import StoredModule

    if isinstance(part, StoredModule):
        lines = [(name, _sizes(part.weights))]
    else:
        network = part.load(part.stored)
        assert isinstance(network, nn.Module)
        lines = [(name, _count(sum(p.numel() for p in network.parameters())))]
    if isinstance(part.config, DiTConfig):
        c = part.config
        lines.append(
            ("", f"{c.layers} layers of width {c.width}, {c.heads} heads, {c.channels} channels in")
        )
    return lines


def _sizes(weights: "Weights") -> str:
    return (
        f"{_count(weights.numbers)}, {str(weights.dtype).removeprefix('torch.')}, "
        f"{weights.bytes / GIB:.2f} GiB"
    )


def _count(numbers: int) -> str:
    return (
        f"{numbers / 1e9:.2f} billion parameters"
        if numbers > 1e9
        else f"{numbers / 1e6:.1f} million parameters"
    )


def _file(path: Path) -> Findings:
    from praxino.storage.wan import single_files
    from praxino.storage.weights import adm, few_steps, lora_names
    from praxino.storage.weights.files import open_weights

    weights = single_files.bare(open_weights(path))
    if adm.is_adm(weights):
        return _adm(path, weights)
    for mark, kind in TELLING_TENSORS:
        if mark in weights:
            needs = "the rest of its model"
            if "transformer" in kind:
                eye = ", --vision" if any(name in weights for name in LOOKING) else ""
                needs = f"--vae, --text{eye}, or folders of them beside its own: --model {path}"
            return [("kind", kind), ("holds", _sizes(weights)), ("needs", needs)]
    if kind := lora_names.kind_of(weights):
        pairs = lora_names.pairs_in(weights)
        ranks = sorted({weights.entries[name].shape[0] for name in pairs})
        widths = sorted({weights.entries[name].shape[1] for name in pairs})
        pairs_and_ranks = f"{len(pairs)} pairs, rank {', '.join(map(str, ranks))}, "
        layers = f"a model with layers of width {', '.join(map(str, widths))}"
        beside = " --reference PICTURE" if kind == "Stand-In" else ""
        family = few_steps.find(path, weights)
        return [
            ("kind", f"a {kind}"),
            ("holds", f"{pairs_and_ranks if pairs else ''}{_sizes(weights)}"),
            *([("few steps", f"{family.name}: {family.settings}")] if family else []),
            ("needs", f"{layers if pairs else 'a model'}: --lora {path}{beside}"),
        ]
    first = ", ".join(sorted(weights)[:3])
    raise CheckpointError(
        f"{path} is of no known kind (it holds {first}, ...)", "a Wan model or a LoRA for one"
    )


def _adm(path: Path, weights: "Weights") -> Findings:
    """A network of 2021 (`storage.weights.adm`)."""
    from praxino.storage.weights import adm

    published = adm.recognise(weights)
    config = published.config
    classes = f"one of {config.classes} classes" if config.classes else "no classes"
    does = {
        "model": f"draws pictures of {config.size} pixels a side, told {classes}",
        "upsampler": f"makes pictures larger, to {config.size} pixels a side, told {classes}",
        "classifier": f"sees {config.size} pixels a side, tells {config.outputs} classes apart",
    }
    flag = {"model": "--model", "upsampler": "--upsampler", "classifier": "--classifier"}
    heads = f"{config.heads} heads" if config.heads else f"heads of {config.head_width} channels"
    return [
        ("kind", f"{published.name}, a {published.role} of guided diffusion (2021)"),
        ("holds", _sizes(weights)),
        ("", f"{len(config.widths)} levels of width {config.width}, {heads}, {config.order} order"),
        ("does", does[published.role]),
        ("chain", f"{published.schedule}, 1000 steps"),
        ("needs", f"praxino generate {flag[published.role]} {path}"),
    ]
