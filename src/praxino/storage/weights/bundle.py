"""A complete model on disk: a folder with ``config.json`` and the parts ``vae/``, ``dit/`` and
``text/``.

More parts may stand beside them: ``layout/`` draws layouts from sentences, ``latent_reader/`` says
which of several films shows its layout best, ``tiny_decoder/`` shows a film as it forms,
``refiner/`` makes films larger and faster.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from pydantic import Field, model_validator
from torch import nn

from praxino.cards import Enhance
from praxino.config import Config
from praxino.diffusion.path import PathName
from praxino.diffusion.prediction import Prediction
from praxino.diffusion.sampling import SamplerName
from praxino.errors import CheckpointError
from praxino.models.dit import DiT, DiTConfig
from praxino.models.text import TextConfig, TextEncoder
from praxino.models.vae import VAE, VAEConfig
from praxino.storage.weights import checkpoint

if TYPE_CHECKING:
    from praxino.models.latent_reader import LatentReader
    from praxino.models.layout import LayoutNet
    from praxino.models.tiny_decoder import TinyDecoder

M = TypeVar("M", bound=nn.Module)
C = TypeVar("C", bound=Config)

BUNDLED = Path(__file__).parents[2] / "bundled"
"""Where the models are that come with the package."""


def bundled() -> list[str]:
    """Names of the models that come with the package and make films."""
    return sorted(path.name for path in BUNDLED.iterdir() if (path / checkpoint.CONFIG).exists())


class BundleConfig(Config):
    """What a model is and how it wants to be used."""

    name: str
    licence: str = "Apache-2.0"
    path: PathName = "flow"
    prediction: Prediction = "velocity"
    frames: int = Field(17, gt=0)
    height: int = Field(64, gt=0)
    width: int = Field(64, gt=0)
    proportions: bool = Field(
        False, description="whether it was trained on films of several proportions"
    )
    fps: float = Field(8.0, ge=1, le=240)
    steps: int = Field(20, gt=0)
    sampler: SamplerName = "unipc"
    guidance: float = Field(4.0, ge=0)
    shift: float = Field(1.0, gt=0)
    negative: str = Field("", description="what not to show, where nothing is said")
    pictures: Literal["none", "clean", "channels", "control"] = Field(
        "clean",
        description=(
            "how a film takes given frames: not, clean among the noise, in further channels, or "
            "by a control branch"
        ),
    )
    boundary: float | None = Field(
        None, gt=0, lt=1, description="time below which a second denoiser takes over"
    )
    guidance_low: float | None = Field(None, ge=0, description="and how strongly it is guided")
    last_time: float = Field(
        0.0, ge=0, lt=1, description="before the shift, where the grid ends but for its last step"
    )
    recaption: Literal["off", "grammar"] = Field(
        "off", description="who makes a short sentence long, where nothing is said"
    )
    enhance: Enhance = Field("off", description="how a film is enlarged, where nothing is said")
    ticks: int = Field(
        0, ge=0, description="the network is told whole numbers of 1/ticks; 0: any time"
    )

    @model_validator(mode="after")
    def _noise_says_something(self) -> "BundleConfig":
        if self.prediction == "noise" and self.path != "vp-linear":
            raise ValueError(
                f"at the end of {self.path} nothing is left of the data: noise says nothing "
                f"there; use v"
            )
        return self


@dataclass
class Bundle:
    """The parts of a model, in float32 on the CPU, and the digest of the files they came from."""

    config: BundleConfig
    vae: VAE
    dit: DiT
    text: TextEncoder
    digest: str
    layout: "LayoutNet | None" = None
    latent_reader: "LatentReader | None" = None
    tiny_decoder: "TinyDecoder | None" = None
    refiner: DiT | None = None


def read_vae(folder: Path) -> VAE:
    """A model's autoencoder by itself; errors as in `read`."""
    return read_part(folder / "vae", VAE, VAEConfig)


def encoder_digest(vae: VAE) -> str:
    """Twelve hexadecimal digits that name what makes the latents: another decoder changes none of
    them.
    """
    made_by = (
        *vae.encoder.parameters(),
        *vae.quant.parameters(),
        *vae.statistics(vae.quant.weight),
    )
    total = hashlib.sha256()
    for tensor in made_by:
        total.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:12]


def read_layout(folder: Path) -> "LayoutNet | None":
    """A model's layout network by itself, if it has one; errors as in `read`."""
    if not (folder / "layout").is_dir():
        return None
    from praxino.models.layout import LayoutConfig, LayoutNet

    return read_part(folder / "layout", LayoutNet, LayoutConfig)


def _read_latent_reader(folder: Path) -> "LatentReader | None":
    if not (folder / "latent_reader").is_dir():
        return None
    from praxino.models.latent_reader import LatentReader, LatentReaderConfig

    return read_part(folder / "latent_reader", LatentReader, LatentReaderConfig)


def _read_tiny_decoder(folder: Path) -> "TinyDecoder | None":
    if not (folder / "tiny_decoder").is_dir():
        return None
    from praxino.models.tiny_decoder import TinyDecoder, TinyDecoderConfig

    return read_part(folder / "tiny_decoder", TinyDecoder, TinyDecoderConfig)


def read(folder: Path) -> Bundle:
    """Load every part strictly; raises `CheckpointError` naming what is missing or damaged."""
    config = checkpoint.read_config(folder, BundleConfig)
    vae = read_vae(folder)
    dit = read_part(folder / "dit", DiT, DiTConfig)
    text = read_part(folder / "text", TextEncoder, TextConfig)
    if problem := mismatch(vae.config, dit.config, text.config.width):
        raise CheckpointError(
            f"{folder}: {problem}", "take all parts of a model from the same place"
        )
    layout, reader, tiny = (
        read_layout(folder),
        _read_latent_reader(folder),
        _read_tiny_decoder(folder),
    )
    if layout is not None and dit.config.layout != layout.config.channels:
        raise CheckpointError(
            f"{folder}: dit.layout {dit.config.layout}: must be the {layout.config.channels} "
            f"channels of its layouts",
            "take all parts of a model from the same place",
        )
    for name, part in (("latent_reader", reader), ("tiny_decoder", tiny)):
        if part is not None and part.config.channels != vae.config.latent_channels:
            raise CheckpointError(
                f"{folder}: {name} is of latents of {part.config.channels} channels, not "
                f"{vae.config.latent_channels}",
                "take all parts of a model from the same place",
            )
    refiner = read_refiner(folder, vae.config, text.config.width)
    if config.enhance != "off" and refiner is None:
        raise CheckpointError(
            f"{folder}: enhance {config.enhance}: it has no refiner", 'a folder "refiner", or off'
        )
    digest = checkpoint.content_digest(folder)
    return Bundle(config, vae, dit, text, digest, layout, reader, tiny, refiner)


def read_refiner(folder: Path, vae: VAEConfig, text_width: int) -> DiT | None:
    """A model's refiner by itself, if it has one; errors as in `read`."""
    if not (folder / "refiner").is_dir():
        return None
    refiner = read_part(folder / "refiner", DiT, DiTConfig)
    if problem := mismatch(vae, refiner.config, text_width, extra=vae.latent_channels):
        raise CheckpointError(
            f"{folder}: refiner: {problem}", "take all parts of a model from the same place"
        )
    return refiner


def mismatch(vae: VAEConfig, dit: DiTConfig, text_width: int, extra: int = 0) -> str | None:
    """Why these parts cannot work together, or None; ``extra`` channels go in beside the
    latents.
    """
    latents = vae.latent_channels
    if (dit.channels, dit.out_channels) != (latents + extra, latents):
        rule = f"must be {latents + extra} and {latents}, the latent channels being {latents}"
        return f"dit.channels {dit.channels}, dit.out_channels {dit.out_channels}: {rule}"
    control = 2 * latents + vae.compression.height * vae.compression.width
    if dit.control_layers and dit.control_channels != control:
        return f"dit.control_channels {dit.control_channels} must be {control}"
    if dit.text_width != text_width:
        return f"dit.text_width {dit.text_width} must be text.width {text_width}"
    return None


def read_part(folder: Path, module: Callable[[C], M], kind: type[C]) -> M:
    """One network: its config, and its weights strictly.

    Parameters
    ----------
    folder : Path
        Holds ``config.json`` and ``model.safetensors``.
    module : callable
        Builds the network from its config.
    kind : type
        Of the config.

    Raises
    ------
    CheckpointError
        If the folder is missing or damaged.
    """
    config = checkpoint.read_config(folder, kind)
    built = module(config)
    checkpoint.load_weights(built, folder)
    return built.eval()


def write(
    folder: Path, config: BundleConfig, dtype: torch.dtype | None = None, **parts: Any
) -> None:
    """Write ``config.json`` and one folder for each part, a network with its ``config``."""
    checkpoint.write_config(folder, config)
    for name, part in parts.items():
        checkpoint.save(folder / name, part.config, part.state_dict(), dtype)
