"""The Wan family on disk, in both published layouts: which parts a folder holds, and what each
member wants.

The folder that diffusers writes names its parts in ``model_index.json``; the original one is known
by its file names.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from praxino.errors import CheckpointError
from praxino.models.clip_vision import Vision
from praxino.models.dit import DiT
from praxino.models.umt5 import UMT5, Tokeniser
from praxino.models.vae import VAE
from praxino.storage.wan import components
from praxino.storage.wan.names import Layout
from praxino.storage.weights.bundle import BundleConfig, mismatch
from praxino.storage.weights.checkpoint import HINT_SAME_PLACE
from praxino.storage.weights.lazy import ModelParts, StoredModule

INDEX: Final = "model_index.json"
PIPELINES: Final = ("WanPipeline", "WanImageToVideoPipeline", "WanVACEPipeline")
NEGATIVE: Final = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，残缺的，"
    "多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
"""What the models were tuned not to show; part of their defaults."""


def layout_of(folder: Path) -> Layout | None:
    """Which layout a folder has, or None if it holds no model of the family."""
    if (folder / INDEX).is_file():
        return "diffusers"
    original = sorted(folder.glob("*_VAE.pth")) or sorted(folder.glob("models_t5_*.pth"))
    return "original" if original else None


def read(folder: Path, name: str) -> ModelParts:
    """Every part of the model in ``folder``, checked by names and shapes; weights stay on disk.

    Raises
    ------
    CheckpointError
        Names what is missing, damaged, or of another kind of model.
    """
    layout = layout_of(folder)
    if layout is None:
        raise CheckpointError(f"{folder} holds no model", f"{INDEX} or *_VAE.pth would name one")
    parts = (_diffusers if layout == "diffusers" else _original)(folder)
    config = BundleConfig(name=name, licence=licence_of(folder), **parts.choices)
    high, low = (*parts.dits, None)[:2]
    assert high is not None
    model = ModelParts(
        config,
        parts.vae,
        high,
        parts.text,
        parts.vocabulary,
        header_digest(
            (
                path
                for path in sorted(folder.rglob("*"))
                if path.suffix in (".safetensors", ".pth", ".json") and path.is_file()
            ),
            folder,
        ),
        low=low,
        vision=parts.vision,
    )
    require_fitting(model, folder)
    return model


@dataclass(frozen=True)
class _Parts:
    choices: dict[str, Any]
    vae: StoredModule[VAE]
    dits: list[StoredModule[DiT]]
    text: StoredModule[UMT5]
    vocabulary: Tokeniser
    vision: StoredModule[Vision] | None


def _diffusers(folder: Path) -> _Parts:
    index = components.read_json(folder / INDEX)
    kind = index.get("_class_name")
    if kind not in PIPELINES:
        raise CheckpointError(f"{folder} holds a {kind}", f"one of {', '.join(PIPELINES)}")
    have = {
        part
        for part, entry in index.items()
        if isinstance(entry, list) and len(entry) == 2 and entry[1]
    }
    if "transformer" not in have:
        raise CheckpointError(f"{folder / INDEX} names no transformer", HINT_SAME_PLACE)
    dits = [
        components.dit(folder / part, "diffusers")
        for part in ("transformer", "transformer_2")
        if part in have
    ]
    vocabulary = components.tokeniser(folder / "tokenizer")
    eye = folder / "image_encoder"
    scheduler = components.read_json(folder / "scheduler" / "scheduler_config.json")
    choices = defaults(folder.name, dits, bool(index.get("expand_timesteps"))) | {
        "shift": float(scheduler.get("flow_shift") or scheduler.get("shift") or 1.0),
        "sampler": "euler" if "Euler" in str(scheduler.get("_class_name")) else "unipc",
        "boundary": index.get("boundary_ratio") if len(dits) == 2 else None,
    }
    return _Parts(
        choices,
        components.vae(folder / "vae", "diffusers"),
        dits,
        components.text(folder / "text_encoder", "diffusers", vocabulary),
        vocabulary,
        components.vision(eye, "diffusers", folder / "image_processor")
        if "image_encoder" in have
        else None,
    )


def _original(folder: Path) -> _Parts:
    places = [
        folder / place
        for place in ("high_noise_model", "low_noise_model")
        if (folder / place).is_dir()
    ]
    places = places or [folder]
    dits = [components.dit(place, "original") for place in places]
    vocabulary = components.tokeniser(folder / "google" / "umt5-xxl")
    kind = components.read_json(places[0] / "config.json").get("model_type")
    return _Parts(
        defaults(folder.name, dits, kind == "ti2v"),
        components.vae(_only(folder, "*_VAE.pth"), "original"),
        dits,
        components.text(_only(folder, "models_t5_*.pth"), "original", vocabulary),
        vocabulary,
        components.vision(_only(folder, "models_clip_*.pth"), "original")
        if dits[0].config.image_width
        else None,
    )


def require_fitting(model: ModelParts, folder: Path) -> None:
    """Raise unless the parts belong together and each file holds what its config says."""
    vae, latents = model.vae.config, model.vae.config.latent_channels
    extra = latents + vae.compression.time if model.config.pictures == "channels" else 0
    for dit in (model.dit, model.low):
        if dit and (problem := mismatch(vae, dit.config, model.text.config.d_model, extra)):
            raise CheckpointError(f"{folder}: {problem}", HINT_SAME_PLACE)
    if model.dit.config.image_width and model.vision is None:
        raise CheckpointError(f"{folder} lacks its picture encoder", components.HINT_DOWNLOAD_ALL)
    for part in (model.vae, model.dit, model.low, model.text, model.vision):
        if isinstance(part, StoredModule):
            part.validate()


def defaults(name: str, dits: Sequence[StoredModule[DiT]], clean: bool) -> dict[str, Any]:
    """What the makers of the family recommend for each of its members.

    Parameters
    ----------
    name : str
        Of the folder: only it tells the two picture-to-video models of Wan 2.1 apart.
    clean : bool
        Whether given frames stay clean among noise, as in Wan 2.2 5B.
    """
    dit = dits[0].config
    pictures = "clean" if clean else "channels" if dit.channels > dit.out_channels else "none"
    if dit.control_layers:
        pictures = "control"
    values: dict[str, Any] = {
        "frames": 81,
        "height": 480,
        "width": 832,
        "fps": 16.0,
        "steps": 50,
        "guidance": 5.0,
        "shift": 5.0,
        "negative": NEGATIVE,
        "pictures": pictures,
        "last_time": 0.001,
        "ticks": 1000,
        "proportions": True,
    }
    large = {"height": 720, "width": 1280}
    if pictures == "control" and len(dits) == 1:
        return values | {"shift": 16.0} | ({} if dit.width == 1536 else large)
    if clean:
        return values | {"frames": 121, "height": 704, "width": 1280, "fps": 24.0}
    if len(dits) == 2 and pictures == "channels":
        return values | large | {"steps": 40, "guidance": 3.5, "guidance_low": 3.5, "boundary": 0.9}
    if len(dits) == 2:
        return (
            values
            | large
            | {"steps": 40, "guidance": 4.0, "guidance_low": 3.0, "shift": 12.0, "boundary": 0.875}
        )
    if dit.image_places:
        return values | large | {"shift": 16.0}
    if pictures == "channels":
        return values | {"steps": 40} | ({"shift": 3.0} if "480" in name else large)
    return values | ({"guidance": 6.0, "shift": 8.0} if dit.width == 1536 else {})


def _only(folder: Path, pattern: str) -> Path:
    paths = sorted(folder.glob(pattern))
    if len(paths) != 1:
        there = ", ".join(path.name for path in paths) or "none"
        raise CheckpointError(
            f"{folder} must hold one {pattern}, found {there}", components.HINT_DOWNLOAD_ALL
        )
    return paths[0]


def licence_of(folder: Path) -> str:
    """What the folder's card says, or "unknown"."""
    card = folder / "README.md"
    match = (
        re.search(r"^license:\s*(\S+)", card.read_text(errors="replace"), re.M)
        if card.is_file()
        else None
    )
    return match[1] if match else "unknown"


def header_digest(paths: Iterable[Path], root: Path | None) -> str:
    """Twelve hexadecimal digits that name the weights: SHA-256 over sizes, beginnings and ends of
    files.

    Whole files of tens of gigabytes would take minutes; a header of safetensors alone names every
    tensor.
    """
    total = hashlib.sha256()
    for path in paths:
        size, name = path.stat().st_size, path.relative_to(root) if root else Path(path.name)
        total.update(f"{name.as_posix()} {size}\n".encode())
        with path.open("rb") as file:
            total.update(file.read(2**20))
            file.seek(max(0, size - 2**20))
            total.update(file.read())
    return total.hexdigest()[:12]
