"""Runs of the ways, by their names."""

import functools
from collections.abc import Callable
from typing import Final

from praxino.training.loop import LoopConfig
from praxino.training.optimizer import OptimizerConfig
from praxino.training.parallel import ParallelConfig
from praxino.training.runs import TrainConfig
from praxino.training.ways.gan import GANConfig
from praxino.training.ways.latents import LatentsConfig
from praxino.training.ways.pictures import WayConfig, plain
from praxino.training.ways.pixels import PixelsConfig
from praxino.training.ways.tokens import TokensConfig
from praxino.training.ways.vae import PictureVAEConfig

WAYS: Final[dict[str, tuple[WayConfig, OptimizerConfig]]] = {
    "gan": (
        GANConfig(),
        OptimizerConfig(
            lr=5e-4, matrices="adamw", betas=(0.0, 0.99), eps=1e-8, weight_decay=0.0, clip=1e6
        ),
    ),
    "gan-2018": (
        GANConfig(way="gan-2018", widths=(256, 256, 192, 128)),
        OptimizerConfig(
            lr=3e-4, matrices="adamw", betas=(0.0, 0.99), eps=1e-8, weight_decay=0.0, clip=1e6
        ),
    ),
    "vae": (PictureVAEConfig(), OptimizerConfig(lr=1e-3)),
    "tokens": (TokensConfig(), OptimizerConfig(lr=1e-3)),
    "pixels": (PixelsConfig(), OptimizerConfig(lr=1e-3)),
    "latent-unet": (LatentsConfig(way="latent-unet"), OptimizerConfig(lr=2e-3)),
    "latent-transformer": (LatentsConfig(), OptimizerConfig(lr=3e-3)),
}
"""Six ways to make pictures, the adversarial one as it is now and as it was: networks, and how they
follow gradients.
"""


def way(name: str) -> TrainConfig:
    """A way to make pictures from sentences (`training.ways`): two to eight million parameters.

    ``praxino train ways-NAME``: two CPU cores, 0.2 to 1.5 s a step.
    """
    model, optimizer = WAYS[name]
    kept = {"decay": "none", "ema": 0.995}
    return TrainConfig(
        stage=plain(model, batch=32),
        loop=LoopConfig(steps=1200, sample_every=300, parallel=ParallelConfig(reduction="fast")),
        optimizer=optimizer.model_copy(update=kept),
    )


RECIPES: Final[dict[str, Callable[[], TrainConfig]]] = {
    f"ways-{name}": functools.partial(way, name) for name in WAYS
}
