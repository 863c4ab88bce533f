"""Named staircases, and recipes as ones: what `praxino cost` knows by name."""

from collections.abc import Callable
from typing import Final

from praxino.errors import InputError
from praxino.models.dit import DiTConfig
from praxino.training.cost import Staircase, Step
from praxino.training.diffusion import DiffusionConfig
from praxino.training.runs import TrainConfig


def ten_billion() -> Staircase:
    """10 B parameters on 100 M clips of HD-VILA's size: all at 256 pixels, a tenth also longer, the
    best twentieth at 480 rows, the best hundredth at 720.
    """
    return Staircase(
        name="10b",
        network=DiTConfig(width=4096, heads=32, layers=38, ffn=16384),
        steps=(
            Step(name="pictures", clips=2e8, frames=1, height=256, width=256),
            Step(name="256 pixels", clips=1e8, frames=33, height=256, width=256),
            Step(name="256 pixels, long", clips=1e7, frames=81, height=256, width=256),
            Step(name="480 rows", clips=5e6, frames=81, height=480, width=832),
            Step(name="720 rows", clips=1e6, frames=81, height=720, width=1280),
        ),
    )


def one_billion() -> Staircase:
    """1.4 B parameters (Wan's smaller network) on 10 M clips."""
    return Staircase(
        name="1b",
        network=DiTConfig(),
        steps=(
            Step(name="pictures", clips=2e7, frames=1, height=256, width=256),
            Step(name="256 pixels", clips=1e7, frames=33, height=256, width=256),
            Step(name="480 rows", clips=5e5, frames=81, height=480, width=832),
        ),
    )


STAIRCASES: Final[dict[str, Callable[[], Staircase]]] = {"10b": ten_billion, "1b": one_billion}


def of_recipe(name: str, config: TrainConfig) -> Staircase:
    """A denoiser's recipe as a staircase of one step.

    Raises
    ------
    InputError
        If it trains something else.
    """
    stage, loop = config.stage, config.loop
    if not isinstance(stage, DiffusionConfig):
        raise InputError(f"{name} trains no denoiser from noise", "diorama, or a staircase")
    shape = stage.bundle
    clips = float(loop.steps * loop.micro_batches * stage.batch)
    return Staircase(
        name=name,
        network=stage.dit,
        steps=(
            Step(
                name=name,
                clips=clips,
                frames=shape.frames,
                height=shape.height,
                width=shape.width,
            ),
        ),
        text_tokens=24,
        fps=shape.fps,
        recompute=loop.parallel.recompute,
    )
