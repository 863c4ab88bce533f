"""Every kind of stage that a run can have: one table of configs and of what is built from them."""

from collections.abc import Callable
from typing import Any, Final

from praxino.data.latents import drawing
from praxino.storage.weights import bundle
from praxino.training.autoencoder import Autoencoder, AutoencoderConfig
from praxino.training.diffusion import Diffusion, DiffusionConfig
from praxino.training.distill import Distill, DistillConfig
from praxino.training.finetune import Finetune, FinetuneConfig
from praxino.training.forensic import ForensicStage, ForensicStageConfig
from praxino.training.identity import IdentityStage, IdentityStageConfig
from praxino.training.latent_reader import LatentReaderStage, LatentReaderStageConfig
from praxino.training.layout import LayoutStage, LayoutStageConfig
from praxino.training.loop import TrainingStage
from praxino.training.ode_regression import OdeRegression, OdeRegressionConfig
from praxino.training.reader import ReaderStage, ReaderStageConfig
from praxino.training.refiner import RefinerStage, RefinerStageConfig
from praxino.training.sources import HERE, NOTHING, Sources, Workplace
from praxino.training.tiny_decoder import TinyDecoderStage, TinyDecoderStageConfig
from praxino.training.ways.pictures import PicturesConfig, PictureStage

StageConfig = (
    AutoencoderConfig
    | TinyDecoderStageConfig
    | DiffusionConfig
    | DistillConfig
    | FinetuneConfig
    | OdeRegressionConfig
    | RefinerStageConfig
    | LayoutStageConfig
    | LatentReaderStageConfig
    | ReaderStageConfig
    | ForensicStageConfig
    | IdentityStageConfig
    | PicturesConfig
)

STAGES: Final[dict[str, tuple[type[Any], Callable[[Any, Sources, Workplace], TrainingStage]]]] = {
    "autoencoder": (AutoencoderConfig, Autoencoder),
    "tiny-decoder": (TinyDecoderStageConfig, TinyDecoderStage),
    "diffusion": (DiffusionConfig, Diffusion),
    "distill": (DistillConfig, Distill),
    "finetune": (FinetuneConfig, Finetune),
    "ode-regression": (OdeRegressionConfig, OdeRegression),
    "refiner": (RefinerStageConfig, RefinerStage),
    "layout": (LayoutStageConfig, LayoutStage),
    "latent-reader": (LatentReaderStageConfig, LatentReaderStage),
    "reader": (ReaderStageConfig, ReaderStage),
    "forensic": (ForensicStageConfig, ForensicStage.of_footage),
    "identity": (IdentityStageConfig, IdentityStage),
    "pictures": (PicturesConfig, PictureStage),
}
"""By ``kind``: the config's type, and what builds the stage from (config, sources, workplace)."""

USES: Final[dict[str, frozenset[str]]] = {
    "autoencoder": frozenset({"init"}),
    "tiny-decoder": frozenset({"init", "vae"}),
    "diffusion": frozenset({"init", "vae"}),
    "distill": frozenset({"init", "vae"}),
    "finetune": frozenset({"init", "vae"}),
    "ode-regression": frozenset({"init"}),
    "refiner": frozenset({"init", "vae"}),
    "layout": frozenset({"init"}),
    "latent-reader": frozenset({"init", "vae"}),
    "reader": frozenset({"init", "vae"}),
    "forensic": frozenset({"init", "footage"}),
    "identity": frozenset({"init", "vae"}),
    "pictures": frozenset({"init", "vae"}),
}
"""By ``kind``: the fields of `Sources` that a stage reads."""


def build(
    config: StageConfig, sources: Sources = NOTHING, workplace: Workplace = HERE
) -> TrainingStage:
    """The stage that a config describes.

    Raises
    ------
    InputError
        If the sources do not fit it.
    CheckpointError
        If one is missing or damaged.
    """
    return STAGES[config.kind][1](config, sources, workplace)


def world(config: StageConfig) -> str | None:
    """The edition of the diorama that a stage learns and how this code draws it; None for a stage
    that learns of something else.
    """
    own = isinstance(config, AutoencoderConfig) and config.dataset
    return (
        None
        if own or isinstance(config, FinetuneConfig | ForensicStageConfig | OdeRegressionConfig)
        else f"{config.edition} {drawing(config.edition)}"
    )


def encoder(config: StageConfig, sources: Sources = NOTHING) -> str | None:
    """The digest of the encoder whose latents a stage learns, or None for a stage that uses no
    autoencoder.
    """
    own = isinstance(config, FinetuneConfig) and sources.vae is None  # that of the model
    if "vae" not in USES[config.kind] or own:
        return None
    return bundle.encoder_digest(bundle.read_vae(sources.autoencoder))
