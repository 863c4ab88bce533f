"""A complete model on disk: a folder with ``config.json`` and the parts ``vae/``, ``dit/`` and
``text/``.

More parts may stand beside them: ``layout/`` draws layouts from sentences, ``latent_reader/`` says
which of several films shows its layout best, ``tiny_decoder/`` shows a film as it forms,
``refiner/`` makes films larger and faster, ``student/`` in few steps.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.overrides import TorchFunctionMode

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
from praxino.storage.weights.checkpoint import HINT_SAME_PLACE

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
    windows: bool = Field(
        False, description="whether longer films are made window by window, as it was trained"
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
    student_steps: int = Field(
        8, ge=0, description="up to so many its student takes, if it has one"
    )
    student_guidance: tuple[float, float] = Field(
        (1.0, 5.0), strict=False, description="range of the guidance that is folded into it"
    )
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
    """The parts of a model, in float32 on the CPU, and the digest of the files they came from.

    Networks that few films need are read when they are called for.
    """

    config: BundleConfig
    vae: VAE
    dit: DiT
    text: TextEncoder
    digest: str
    layout: "LayoutNet | None" = None
    latent_reader: "LatentReader | None" = None
    tiny_decoder: "TinyDecoder | None" = None
    refiner: Callable[[], DiT] | None = None
    student: Callable[[], DiT] | None = None


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
    return cast("LayoutNet | None", _read_small(folder, "layout", "LayoutNet"))


def _read_small(folder: Path, name: str, kind: str) -> Any:
    """A small network of `praxino.models` that not every model has; see `read_part`."""
    if not (folder / name).is_dir():
        return None
    module = import_module(f"praxino.models.{name}")
    config = getattr(module, f"{kind.removesuffix('Net')}Config")
    return read_part(folder / name, getattr(module, kind), config)


def read(folder: Path) -> Bundle:
    """Load every part strictly; raises `CheckpointError` naming what is missing or damaged."""
    config = checkpoint.read_config(folder, BundleConfig)
    vae = read_vae(folder)
    dit = read_part(folder / "dit", DiT, DiTConfig)
    text = read_part(folder / "text", TextEncoder, TextConfig)
    sizes, latents = (vae.config, text.config.width), vae.config.latent_channels
    if problem := mismatch(vae.config, dit.config, text.config.width):
        raise CheckpointError(f"{folder}: {problem}", HINT_SAME_PLACE)
    layout, reader = read_layout(folder), _read_small(folder, "latent_reader", "LatentReader")
    tiny = _read_small(folder, "tiny_decoder", "TinyDecoder")
    if layout is not None and dit.config.layout != layout.config.channels:
        raise CheckpointError(
            f"{folder}: dit.layout {dit.config.layout}: must be the {layout.config.channels} "
            f"channels of its layouts",
            HINT_SAME_PLACE,
        )
    for name, part in (("latent_reader", reader), ("tiny_decoder", tiny)):
        if part is not None and part.config.channels != latents:
            raise CheckpointError(
                f"{folder}: {name} is of latents of {part.config.channels} channels, not {latents}",
                HINT_SAME_PLACE,
            )
    refiner = find_network(folder / "refiner", *sizes, extra=latents)
    if config.enhance != "off" and refiner is None:
        raise CheckpointError(
            f"{folder}: enhance {config.enhance}: it has no refiner", 'a folder "refiner", or off'
        )
    student = find_network(folder / "student", *sizes, student=True)
    digest = checkpoint.content_digest(folder)
    return Bundle(config, vae, dit, text, digest, layout, reader, tiny, refiner, student)


def find_network(
    folder: Path, vae: VAEConfig, text_width: int, extra: int = 0, student: bool = False
) -> Callable[[], DiT] | None:
    """What reads the network of a folder beside the denoiser's, if there is one; ``extra`` as of
    `mismatch`, errors as of `read`.
    """
    if not folder.is_dir():
        return None
    config = checkpoint.read_config(folder, DiTConfig)
    problem = mismatch(vae, config, text_width, extra)
    if student and not (config.spans and config.guided):
        problem = "it is not told spans and a guidance"
    if problem:
        raise CheckpointError(f"{folder.parent}: {folder.name}: {problem}", HINT_SAME_PLACE)
    return functools.partial(read_part, folder, DiT, DiTConfig)


def mismatch(vae: VAEConfig, dit: DiTConfig, text_width: int, extra: int = 0) -> str | None:
    """Why these parts cannot work together, or None; ``extra`` channels go in beside latents."""
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
    with _Undrawn():
        built = module(config)
    checkpoint.load_weights(built, folder)
    return built.eval()


class _Undrawn(TorchFunctionMode):
    """Weights that are read at once need not be drawn before: that is half of the reading."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("uniform_", "normal_", "kaiming_uniform_"):
            return (args or (*kwargs.values(),))[0]
        return func(*args, **(kwargs or {}))


def write(
    folder: Path, config: BundleConfig, dtype: torch.dtype | None = None, **parts: Any
) -> None:
    """Write ``config.json`` and one folder for each part, a network with its ``config``."""
    checkpoint.write_config(folder, config)
    for name, part in parts.items():
        checkpoint.save(folder / name, part.config, part.state_dict(), dtype)
