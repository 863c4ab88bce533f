"""Named training runs: each function's docstring says the command, the hardware, the time and what to expect."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from praxino.config import Config
from praxino.data import footage
from praxino.data.clips import strip
from praxino.data.diorama import lexicon, vocabulary
from praxino.data.diorama.wording import SENTENCES
from praxino.errors import InputError, UnknownNameError
from praxino.generation.pipeline import Pipeline
from praxino.models.dit import DiTConfig
from praxino.models.reader import ReaderConfig
from praxino.models.text import TextConfig
from praxino.models.vae import VAEConfig
from praxino.provenance.stamp import STANDARD
from praxino.storage import checkpoint
from praxino.storage.bundle import BUNDLED, Bundle, BundleConfig
from praxino.storage.parts import in_memory
from praxino.training.autoencoder import Autoencoder, AutoencoderConfig, Bucket
from praxino.training.diffusion import Diffusion, DiffusionConfig
from praxino.training.forensic import ForensicStage, ForensicStageConfig
from praxino.training.loop import LoopConfig, Stage
from praxino.training.optimizer import OptimizerConfig
from praxino.training.reader import ReaderStage, ReaderStageConfig


class TrainConfig(Config):
    """A whole run."""

    stage: AutoencoderConfig | DiffusionConfig | ReaderStageConfig | ForensicStageConfig = Field(discriminator="kind")
    loop: LoopConfig
    optimizer: OptimizerConfig


def diorama_vae() -> TrainConfig:
    """The autoencoder of the bundled model: 64x64, 4x8x8, 16 channels, 4.7 M parameters.

    ``praxino train diorama-vae``: two CPU cores, 41 minutes beside other work. Expect 26 dB on clips never seen
    (``benchmarks/quality.py``); on its training batches 22.5 dB at step 1,400, 25 dB before whole clips begin.
    """
    return TrainConfig(
        stage=AutoencoderConfig(
            vae=VAEConfig(
                width=32,
                decoder_width=48,
                multipliers=(1, 2, 2),
                blocks=1,
                temporal=(True, True),
                patch=2,
                residual=True,
            ),
            buckets=(Bucket(5, 32, 4, 2), Bucket(17, 32, 3, 1), Bucket(9, 32, 3, 2), Bucket(1, 64, 8, 1)),
            last=(Bucket(17, 64, 2, 1), Bucket(17, 64, 2, 1), Bucket(1, 64, 8, 1)),
            whole_from=6175,
            kl=1e-3,
        ),
        loop=LoopConfig(steps=9500),
        optimizer=OptimizerConfig(lr=2e-3),
    )


def diorama_64() -> TrainConfig:
    """The bundled denoiser: sentences to 64x64 films of 17 frames, 7.7 M parameters with its text encoder.

    ``praxino train diorama-64 --vae runs/diorama-vae/final``: two CPU cores, two hours after a quarter of an hour of
    encoding. Expect a loss of 0.70 at step 500, 0.57 at 1,250, 0.48 at 3,000, 0.45 at 4,000.
    """
    return TrainConfig(
        stage=DiffusionConfig(
            bundle=BundleConfig(name="diorama", guidance=3.0),
            dit=DiTConfig(width=256, heads=4, layers=7, ffn=704, text_width=192, time_features=128),
            text=TextConfig(vocabulary=vocabulary(), length=64),
            tags=0.1,
            paragraphs=0.5,
            keep_frames=0.15,
            clips=36864,
        ),
        loop=LoopConfig(steps=5100),
        optimizer=OptimizerConfig(lr=3e-3),
    )


def diorama_reader() -> TrainConfig:
    """The reader of the diorama: which things, colours and motions a clip shows, and where; 1.6 M parameters.

    ``praxino train diorama-reader``: two CPU cores, 67 minutes beside other work. Expect a loss of 2.6 at step 500, 1.3
    at 1,500, 0.6 at the end; then 98.9% of attributes, centres within 0.6 pixels (``benchmarks/reader.py``).
    """
    return TrainConfig(
        stage=ReaderStageConfig(
            reader=ReaderConfig(
                kinds=tuple(lexicon.KINDS),
                colours=tuple(lexicon.COLOURS),
                motions=tuple(dict.fromkeys(m for kind in lexicon.KINDS.values() for m in kind.motions)),
                scene={
                    "place": tuple(lexicon.PLACES),
                    "time": tuple(lexicon.TIMES),
                    "weather": tuple(lexicon.WEATHERS),
                    "camera": tuple(lexicon.CAMERAS),
                    "sea": ("usual", *lexicon.SEA_COLOURS),
                    "light": ("usual", *lexicon.SUN_COLOURS),
                },
            ),
        ),
        loop=LoopConfig(steps=2800),
        optimizer=OptimizerConfig(lr=2e-3),
    )


def detector() -> TrainConfig:
    """The detector's network: camera detail against decoded detail, 0.13 M parameters.

    ``praxino train detector --footage FOLDER`` (real clips; folders in it are sources): two CPU cores, 15 minutes.
    Expect 82% of pairs told right at the end.
    """
    return TrainConfig(
        stage=ForensicStageConfig(),
        loop=LoopConfig(steps=1500),
        optimizer=OptimizerConfig(lr=6e-3, weight_decay=0.02, ema=0.99),
    )


def smoke() -> TrainConfig:
    """Every part of the diffusion stage in seconds, on 32 small clips; it learns nothing worth seeing.

    ``praxino train smoke``: any machine, about ten seconds.
    """
    return TrainConfig(
        stage=DiffusionConfig(
            bundle=BundleConfig(name="smoke", frames=5, height=32, width=32, steps=4),
            dit=DiTConfig(width=48, heads=2, layers=2, ffn=96, text_width=32, time_features=32),
            text=TextConfig(vocabulary=vocabulary(), width=32, layers=1, heads=2),
            clips=32,
            batch=8,
        ),
        loop=LoopConfig(steps=20, log_every=5, save_every=10, sample_every=20),
        optimizer=OptimizerConfig(lr=2e-3, warmup=5),
    )


KINDS: Final = ("autoencoder", "diffusion", "reader", "forensic")
"""Of stages, which an error's place need not name."""
RECIPES: Final[dict[str, Callable[[], TrainConfig]]] = {
    "diorama-vae": diorama_vae,
    "diorama-64": diorama_64,
    "diorama-reader": diorama_reader,
    "detector": detector,
    "smoke": smoke,
}


def recipe(name: str, settings: Iterable[str] = ()) -> TrainConfig:
    """A named run with ``key=value`` settings applied, keys dotted: ``optimizer.lr=3e-4``.

    Raises
    ------
    UnknownNameError
        For an unknown recipe or key, with near ones.
    InputError
        For a value that the key does not take.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    tree = RECIPES[name]().model_dump()
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: must be key=value", "--set optimizer.lr=3e-4")
        _assign(tree, key, _value(text))
    try:
        return TrainConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in KINDS)
        value = "" if isinstance(first["input"], dict) else f"={first['input']!r}"
        raise InputError(f"{place}{value}: {first['msg']}", f"the recipe is RECIPES[{name!r}] in recipes.py") from None


def _assign(tree: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    node = tree
    for part in path:
        if not isinstance(node.get(part), dict):
            raise UnknownNameError("setting", key, _keys(tree))
        node = node[part]
    if last not in node or isinstance(node[last], dict):
        raise UnknownNameError("setting", key, _keys(tree))
    node[last] = value


def _keys(tree: dict[str, Any], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, value in tree.items():
        keys += _keys(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
    return keys


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


class Sources(Config):
    """Model folders that a run takes weights from: a diffusion stage's autoencoder (the bundled one unless
    given), and the weights that it continues from."""

    vae: Path | None = Field(None, strict=False)
    init: Path | None = Field(None, strict=False)
    footage: Path | None = Field(None, strict=False)


class _Run(Config):
    """What a run's folder remembers of how it was started."""

    recipe: str
    train: TrainConfig
    sources: Sources


def remember(folder: Path, name: str, config: TrainConfig, sources: Sources) -> None:
    """Write ``config.json`` into the run's folder: enough to resume it, or to do it again."""
    checkpoint.write_config(folder, _Run(recipe=name, train=config, sources=sources))


def resumed(
    folder: Path, name: str, config: TrainConfig, sources: Sources, changed: bool
) -> tuple[TrainConfig, Sources]:
    """The config and sources that the run in ``folder`` was started with.

    Parameters
    ----------
    changed : bool
        Whether settings were given again; then they must be the same.

    Raises
    ------
    InputError
        If they are not, or the folder holds a run of another recipe, or something else.
    """
    if not (folder / checkpoint.CONFIG).exists():
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} holds no run to resume", "-o names the folder of a run")
        return config, sources
    run = checkpoint.read_config(folder, _Run)
    if run.recipe != name:
        raise InputError(f"{folder} holds a run of {run.recipe}, not of {name}", f"praxino train {run.recipe} --resume")
    if changed and (run.train, run.sources) != (config, sources):
        raise InputError(f"{folder} was started with other settings", "--resume alone goes on with those")
    return run.train, run.sources


def build(
    config: TrainConfig, sources: Sources | None = None, cache: Path = Path("runs"), device: str = "cpu"
) -> Stage:
    """The stage that a config describes.

    Parameters
    ----------
    cache : Path
        Where latents are kept between runs.
    device : str
        Where the networks are trained: "cpu", "cuda", ...
    """
    sources = sources or Sources()
    if isinstance(config.stage, AutoencoderConfig):
        return Autoencoder(config.stage, sources.init, device)
    if isinstance(config.stage, ForensicStageConfig):
        if sources.footage is None:
            raise InputError("the detector learns from real clips", "--footage FOLDER names them")
        films, of = footage.read(sources.footage, config.stage.frames)
        return ForensicStage(config.stage, films, of, sources.init, device)
    vae = sources.vae or BUNDLED / "diorama"
    if isinstance(config.stage, ReaderStageConfig):
        return ReaderStage(config.stage, vae, sources.init, device)
    return Diffusion(config.stage, vae, cache, sources.init, device)


def samples(stage: Stage) -> Callable[[], NDArray[np.uint8]]:
    """What a run draws of itself: films of sentences, one a row, or clips beside what was made or read of them."""
    if isinstance(stage, Autoencoder | ReaderStage | ForensicStage):
        return stage.comparison
    assert isinstance(stage, Diffusion)
    model = in_memory(Bundle(stage.config.bundle, stage.vae, stage.dit, stage.text, digest=""))
    pipeline = Pipeline(model, stage.device, "float32")  # of other types it would draw with a copy
    STANDARD.check()  # they are marked: what keeps them from it is said before the first step
    sentences = (*SENTENCES, "a green box and a white dog in a room by day")
    return lambda: np.concatenate([strip(pipeline.generate(sentence).frames) for sentence in sentences])
