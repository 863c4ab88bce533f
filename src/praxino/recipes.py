"""Named training runs: each function's docstring says the command, the hardware, the time and what
to expect.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from pydantic import ValidationError

from praxino.data.diorama import vocabulary, world
from praxino.errors import InputError, UnknownNameError
from praxino.models.dit import DiTConfig
from praxino.models.latent_reader import LatentReaderConfig
from praxino.models.reader import ReaderConfig
from praxino.models.text import TextConfig
from praxino.models.vae import VAEConfig
from praxino.storage.weights.bundle import BundleConfig
from praxino.training.autoencoder import AutoencoderConfig, Bucket
from praxino.training.diffusion import DiffusionConfig
from praxino.training.distill import DistillConfig
from praxino.training.finetune import FinetuneConfig
from praxino.training.forensic import ForensicStageConfig
from praxino.training.identity import IdentityStageConfig
from praxino.training.latent_reader import LatentReaderStageConfig
from praxino.training.layout import LayoutStageConfig, world_layout
from praxino.training.loop import LoopConfig
from praxino.training.ode_regression import OdeRegressionConfig
from praxino.training.optimizer import OptimizerConfig
from praxino.training.reader import ReaderStageConfig
from praxino.training.references import ReferenceConfig
from praxino.training.refiner import RefinerStageConfig
from praxino.training.routing import RoutingConfig
from praxino.training.runs import TrainConfig
from praxino.training.stages import STAGES
from praxino.training.tasks import WindowConfig
from praxino.training.tiny_decoder import TinyDecoderStageConfig
from praxino.training.ways import recipes as ways


def diorama_vae() -> TrainConfig:
    """The autoencoder of the bundled model: 64x64, 4x8x8, 16 channels, 4.7 M parameters.

    ``praxino train diorama-vae``: two CPU cores, 41 minutes beside other work. Expect 26 dB on
    clips never seen (``benchmarks/quality.py``); on its training batches 22.5 dB at step 1,400, 25
    dB before whole clips begin.
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
            buckets=(
                Bucket(5, 32, 4, 2),
                Bucket(17, 32, 3, 1),
                Bucket(9, 32, 3, 2),
                Bucket(1, 64, 8, 1),
            ),
            last=(Bucket(17, 64, 2, 1), Bucket(17, 64, 2, 1), Bucket(1, 64, 8, 1)),
            whole_from=6175,
            kl=1e-3,
        ),
        loop=LoopConfig(steps=9500),
        optimizer=OptimizerConfig(lr=2e-3),
    )


def diorama_vae_2() -> TrainConfig:
    """The autoencoder of edition 1.0: that of `diorama_vae`, trained further on the world's second
    edition.

    ``praxino train diorama-vae-2 --init FOLDER``: a trunk at constant rate; whole clips, and
    squares of clips of 128 pixels. On two CPU cores without bfloat16 1.9 s a step.
    """
    first = diorama_vae()
    whole, large, pictures = Bucket(17, 64, 2, 1), Bucket(17, 64, 1, 2, 128), Bucket(1, 64, 8, 1)
    stage = first.stage.model_copy(
        update={
            "buckets": (whole, whole, large, pictures),
            "last": (),
            "whole_from": 0,
            "equivariance": 0.5,
            "kl": 1e-3,
        }
    )
    return TrainConfig(
        stage=stage,
        loop=LoopConfig(steps=20_000, snapshot_every=1000),
        optimizer=OptimizerConfig(lr=6e-4, decay="none"),
    )


def vae() -> TrainConfig:
    """An autoencoder goes on with clips of your own: whole ones, and pictures.

    ``praxino train vae DATASET --init diorama``: two CPU cores without bfloat16, 2 s a step. What
    was trained on the old latents must be trained on the new ones, unless ``--set
    stage.decoder_only=true`` leaves the encoder as it is.
    """
    whole = Bucket(17, 64, 2, 1)
    first = diorama_vae_2().stage
    stage = first.model_copy(
        update={"buckets": (whole, whole, Bucket(1, 64, 8, 1)), "equivariance": 0.25}
    )
    return TrainConfig(
        stage=stage,
        loop=LoopConfig(steps=1500, sample_every=500),
        optimizer=OptimizerConfig(lr=6e-4, warmup=50),
    )


def diorama_64() -> TrainConfig:
    """The bundled denoiser: sentences to 64x64 films of 17 frames, 7.7 M parameters with its text
    encoder.

    ``praxino train diorama-64 --vae runs/diorama-vae/final``: two CPU cores, two hours after a
    quarter of an hour of encoding. Expect a loss of 0.70 at step 500, 0.57 at 1,250, 0.48 at 3,000,
    0.45 at 4,000.
    """
    return TrainConfig(
        stage=DiffusionConfig(
            bundle=BundleConfig(name="diorama", guidance=3.0, windows=True),
            dit=DiTConfig(width=256, heads=4, layers=7, ffn=704, text_width=192, time_features=128),
            text=TextConfig(vocabulary=vocabulary(), length=64),
            tags=0.1,
            paragraphs=0.5,
            clips=36864,
        ),
        loop=LoopConfig(steps=5100),
        optimizer=OptimizerConfig(lr=3e-3),
    )


def diorama() -> TrainConfig:
    """The bundled denoiser of edition 1.0: told by a layout where things are; 7.8 M parameters with
    its text encoder.

    ``praxino train diorama --vae FOLDER``: a trunk at constant rate, to be made longer with
    ``--until`` and branched from with ``--cooldown``.
    """
    layout = world_layout()
    return TrainConfig(
        stage=DiffusionConfig(
            bundle=BundleConfig(name="diorama", guidance=3.0, windows=True),
            dit=DiTConfig(
                width=256,
                heads=4,
                layers=7,
                ffn=704,
                text_width=192,
                time_features=128,
                time_scale=50.0,
                layout=layout.channels,
                portraits=True,
                slots=4,
                slot_gain=8.0,
                spans=True,
            ),
            text=TextConfig(vocabulary=vocabulary(), length=64),
            layout=layout,
            tags=0.1,
            paragraphs=0.7,
            clips=20480,
            stretch=2600,
            single=0.6,
            windows=WindowConfig(share=0.25),
            references=ReferenceConfig(share=0.8, weight=3.0),
            routing=RoutingConfig(weight=0.1),
        ),
        loop=LoopConfig(steps=20_000, snapshot_every=1000),
        optimizer=OptimizerConfig(lr=2e-3, decay="none"),
    )


def diorama_refiner() -> TrainConfig:
    """The refiner: films twice as large, or of twice the rate; 7.0 M parameters.

    ``praxino train diorama-refiner --init FOLDER --vae FOLDER``: it begins as the denoiser in
    FOLDER. Two CPU cores, two hours after one for its pairs of clips.
    """
    base = diorama().stage
    assert isinstance(base, DiffusionConfig)
    channels = base.dit.channels
    less = {"layout": 0, "portraits": False, "spans": False}
    dit = base.dit.model_copy(update={"channels": 2 * channels} | less)
    return TrainConfig(
        stage=RefinerStageConfig(dit=dit, seed=120, references=ReferenceConfig(share=0.25)),
        loop=LoopConfig(steps=1200, sample_every=400),
        optimizer=OptimizerConfig(lr=1.5e-3, warmup=30, ema=0.99),
    )


def diorama_student() -> TrainConfig:
    """The student: films in one to eight steps, without a second evaluation for guidance; 7.1 M
    parameters.

    ``praxino train diorama-student --init FOLDER --vae FOLDER``: it begins as the denoiser in
    FOLDER. Two CPU cores, 7 s a step.
    """
    base = diorama().stage
    assert isinstance(base, DiffusionConfig)
    dit = base.dit.model_copy(update={"guided": True})
    more = {"dit": dit, "clips": 6144, "stretch": 0, "seed": 150, "routing": RoutingConfig()}
    data = base.model_copy(update=more)
    return TrainConfig(
        stage=DistillConfig(data=data),
        loop=LoopConfig(steps=2000, sample_every=500),
        optimizer=OptimizerConfig(lr=5e-4, warmup=100, ema=0.999),
    )


def wan_student() -> TrainConfig:
    """A student of four steps of a Wan model, by regression on its own films, as a file for
    ``--lora``.

    ``praxino train wan-student --init FOLDER``: what its films show is ``stage.sentences``, as many
    as can be had. Of 1.3 B parameters 24 GB of a GPU; it was tried on tiny random networks.
    """
    return TrainConfig(
        stage=OdeRegressionConfig(),
        loop=LoopConfig(steps=2000, sample_every=500),
        optimizer=OptimizerConfig(lr=2e-5, warmup=50, matrices="adamw"),
    )


def finetune() -> TrainConfig:
    """A model goes on with clips of your own: all of its weights, or a LoRA.

    ``praxino train finetune DATASET --init diorama [--lora 32]``: DATASET as `praxino curate`
    makes it, or a folder of films with texts beside them. The bundled model on two CPU cores: 3 s
    a step.
    """
    return TrainConfig(
        stage=FinetuneConfig(),
        loop=LoopConfig(steps=2000, sample_every=250, save_every=250, sample_first=True),
        optimizer=OptimizerConfig(lr=1e-3, warmup=50, ema=0.99),
    )


def diorama_layout() -> TrainConfig:
    """The layout network: what a sentence puts where; 1.4 M parameters, scenes alone.

    ``praxino train diorama-layout``: a trunk at constant rate; two CPU cores, an hour.
    """
    return TrainConfig(
        stage=LayoutStageConfig(layout=world_layout()),
        loop=LoopConfig(steps=10_000, snapshot_every=2000),
        optimizer=OptimizerConfig(lr=2e-3, decay="none", ema=0.998),
    )


def diorama_latent_reader() -> TrainConfig:
    """The latent reader: which things latents show, and where; 0.5 M parameters.

    ``praxino train diorama-latent-reader --vae FOLDER``: two CPU cores, 20 minutes after a quarter
    of an hour of encoding.
    """
    layout = world_layout()
    covers = len(layout.kinds) + len(layout.colours)
    return TrainConfig(
        stage=LatentReaderStageConfig(
            reader=LatentReaderConfig(covers=covers), layout=layout, seed=70
        ),
        loop=LoopConfig(steps=2000),
        optimizer=OptimizerConfig(lr=2e-3, ema=0.995),
    )


def diorama_tiny_decoder() -> TrainConfig:
    """The decoder of previews: 0.4 M parameters, for latents of a finished autoencoder.

    ``praxino train diorama-tiny-decoder --vae FOLDER``: two CPU cores, half an hour after ten
    minutes of encoding.
    """
    return TrainConfig(
        stage=TinyDecoderStageConfig(seed=80),
        loop=LoopConfig(steps=3000),
        optimizer=OptimizerConfig(lr=2e-3, ema=0.995),
    )


def diorama_judge() -> TrainConfig:
    """A second reader of the diorama, of other shape, seed and clips: it judges beside the bundled
    one.

    ``praxino train diorama-judge``: two CPU cores, 70 minutes. It also knows the second edition's
    things and reads the words that they carry.
    """
    first = diorama_reader().stage
    assert isinstance(first, ReaderStageConfig)
    reader = first.reader.model_copy(
        update={"kinds": tuple(world.KINDS), "width": 56, "fine": 2, "coarse": 8, "letters": 5}
    )
    return TrainConfig(
        stage=first.model_copy(
            update={"reader": reader, "seed": 90, "edition": 2, "every_pair": 0.7}
        ),
        loop=LoopConfig(steps=3200),
        optimizer=OptimizerConfig(lr=2e-3),
    )


def diorama_reader() -> TrainConfig:
    """The reader of the diorama: which things, colours and motions a clip shows, and where; 1.6 M
    parameters.

    ``praxino train diorama-reader``: two CPU cores, 67 minutes beside other work. Expect a loss of
    2.6 at step 500, 1.3 at 1,500, 0.6 at the end; then 98.9% of attributes, centres within 0.6
    pixels (``benchmarks/reader.py``).
    """
    return TrainConfig(
        stage=ReaderStageConfig(
            reader=ReaderConfig(
                kinds=tuple(kind for kind in world.KINDS if kind not in world.SECOND_EDITION_KINDS),
                colours=tuple(world.COLOURS),
                motions=tuple(
                    dict.fromkeys(m for kind in world.KINDS.values() for m in kind.motions)
                ),
                scene={
                    "place": tuple(world.PLACES),
                    "time": tuple(world.TIMES),
                    "weather": tuple(world.WEATHERS),
                    "camera": tuple(world.CAMERAS),
                    "sea": ("usual", *world.SEA_COLOURS),
                    "light": ("usual", *world.SUN_COLOURS),
                },
            )
        ),
        loop=LoopConfig(steps=2800),
        optimizer=OptimizerConfig(lr=2e-3),
    )


def diorama_identity() -> TrainConfig:
    """The network that tells individuals of the diorama apart; 0.4 M parameters.

    ``praxino train diorama-identity``: two CPU cores, 15 minutes. Expect the nearest of 95 other
    crops to show the same individual in nine of ten cases at the end.
    """
    return TrainConfig(
        stage=IdentityStageConfig(seed=95),
        loop=LoopConfig(steps=800),
        optimizer=OptimizerConfig(lr=2e-3, ema=0.99),
    )


def detector() -> TrainConfig:
    """The detector's network: camera detail against decoded detail, 0.13 M parameters.

    ``praxino train detector --footage FOLDER`` (real clips; folders in it are sources): two CPU
    cores, 15 minutes. Expect 82% of pairs told right at the end.
    """
    return TrainConfig(
        stage=ForensicStageConfig(),
        loop=LoopConfig(steps=1500),
        optimizer=OptimizerConfig(lr=6e-3, weight_decay=0.02, ema=0.99),
    )


def smoke() -> TrainConfig:
    """Every part of the diffusion stage in seconds, on 32 small clips; it learns nothing worth
    seeing.

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


RECIPES: Final[dict[str, Callable[[], TrainConfig]]] = {
    "diorama-vae": diorama_vae,
    "diorama-vae-2": diorama_vae_2,
    "diorama": diorama,
    "diorama-64": diorama_64,
    "diorama-refiner": diorama_refiner,
    "diorama-student": diorama_student,
    "wan-student": wan_student,
    "vae": vae,
    "finetune": finetune,
    "diorama-layout": diorama_layout,
    "diorama-latent-reader": diorama_latent_reader,
    "diorama-tiny-decoder": diorama_tiny_decoder,
    "diorama-reader": diorama_reader,
    "diorama-judge": diorama_judge,
    "diorama-identity": diorama_identity,
    "detector": detector,
    "smoke": smoke,
} | ways.RECIPES


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
        place = ".".join(str(part) for part in first["loc"] if part not in STAGES)
        value = "" if isinstance(first["input"], dict) else f"={first['input']!r}"
        raise InputError(
            f"{place}{value}: {first['msg']}", f"the recipe is RECIPES[{name!r}] in recipes.py"
        ) from None


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
