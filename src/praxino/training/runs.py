"""What a run's folder remembers of how it was started: ``config.json``, enough to resume the run or
to do it again.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, Literal

import torch
from pydantic import Field, ValidationError

from praxino.config import Config
from praxino.errors import CheckpointError, InputError
from praxino.models.precision import Compute
from praxino.storage.weights import checkpoint
from praxino.training.diffusion import DiffusionConfig
from praxino.training.loop import LoopConfig, checkpoints
from praxino.training.optimizer import OptimizerConfig
from praxino.training.sources import Sources
from praxino.training.stages import StageConfig

FORMAT: Final = 4
"""Format of ``config.json``. 1 had no number and no digest of the encoder, ``loop.bf16`` instead of
``loop.compute``, and shared random streams: such a run goes on with its weights and settings, but
not with the batches it would have had. 2 had a length of its own for the grounding head. 3 was of
one process, with sums of gradients in float32.
"""
COOLDOWN_SHARE: Final = 0.18
"""Part of a branch's steps, counted from the trunk's first, in which the rate falls, where no
length is given.
"""


MACHINE: Final = ("replicas", "sharding", "recompute")
"""Settings of `ParallelConfig` that change no weights: a run may go on with others."""


class TrainConfig(Config):
    """All settings of a run."""

    stage: StageConfig = Field(discriminator="kind")
    loop: LoopConfig
    optimizer: OptimizerConfig


class RunConfig(Config):
    """A run: its settings, where its weights come from, and what must not change under it."""

    format: Literal[4] = FORMAT
    recipe: str
    train: TrainConfig
    sources: Sources
    branch: Path | None = Field(
        None, strict=False, description="checkpoint of the trunk that it began from"
    )
    world: str | None = Field(
        None, description="edition of the diorama and how it is drawn; none: another's clips"
    )
    encoder: str | None = Field(
        None, description="digest of the encoder whose latents it learns; none: it uses none"
    )


def write(folder: Path, run: RunConfig) -> None:
    """Write ``config.json`` into the run's folder."""
    checkpoint.write_config(folder, run)


def read(folder: Path) -> RunConfig:
    """The run in ``folder``; one of an older format is brought up to date.

    Raises
    ------
    CheckpointError
        If there is none, or it is damaged, or of a format that is not known.
    """
    path = folder / checkpoint.CONFIG
    try:
        tree = json.loads(path.read_text())
        assert isinstance(tree, dict)
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"{folder} holds no run", "-o names the folder of a run") from None
    except (OSError, ValueError, AssertionError):
        raise CheckpointError(f"{path} is damaged", "copy it again") from None
    number = tree.get("format", 1)
    if number not in range(1, FORMAT + 1):
        raise CheckpointError(
            f"{path} is of format {number}: known are 1 to {FORMAT}", "a newer praxino reads it"
        )
    try:
        for upgraded in UPGRADES[number - 1 :]:
            tree = upgraded(tree)
        return RunConfig.model_validate_json(json.dumps(tree))
    except (ValidationError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is of no run, or damaged ({str(error).splitlines()[0]})", "-o RUN"
        ) from None


def _second(tree: dict[str, Any]) -> dict[str, Any]:
    """A run of format 1 as one of format 2."""
    loop, stage = dict(tree["train"]["loop"]), dict(tree["train"]["stage"])
    loop["compute"] = "bfloat16" if loop.pop("bf16", True) else "float32"
    if stage["kind"] != "forensic":
        stage["edition"] = 1
    if "keep_frames" in stage:
        stage["tasks"] = {
            "frames": stage.pop("keep_frames"),
            "box": stage.pop("keep_box"),
            "border": 0,
            "told_noise": 0,
        }
    return {**tree, "format": 2, "train": {**tree["train"], "loop": loop, "stage": stage}}


def _third(tree: dict[str, Any]) -> dict[str, Any]:
    """A run of format 2 as one of format 3."""
    stage = dict(tree["train"]["stage"])
    if "grounding" in stage:
        head = dict(stage["grounding"])
        if batches := head.pop("batches", 0):
            stage["fade"] = (0, batches)
        stage["grounding"] = head
    return {**tree, "format": 3, "train": {**tree["train"], "stage": stage}}


def _fourth(tree: dict[str, Any]) -> dict[str, Any]:
    """A run of format 3 as one of format 4."""
    loop = {**tree["train"]["loop"], "parallel": {"reduction": "fast"}}
    return {**tree, "format": 4, "train": {**tree["train"], "loop": loop}}


UPGRADES: Final = (_second, _third, _fourth)
"""From each format to the next."""


def flat(config: Config, prefix: str = "") -> dict[str, Any]:
    """A config's values by their dotted names."""
    values: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            values |= flat(value, f"{prefix}{name}.")
        else:
            values[f"{prefix}{name}"] = value
    return values


def resumed(
    folder: Path,
    run: RunConfig,
    changed: bool,
    until: int | None = None,
    machine: Collection[str] = (),
) -> RunConfig:
    """The run that is in ``folder`` already, to go on with; ``run`` itself where there is none yet.

    Parameters
    ----------
    changed : bool
        Whether ``run`` has settings or sources that were given again; then they must be the same.
    until : int, optional
        Steps to go on to.
    machine : collection of str
        Which of `MACHINE` were given again: they may be others than before.

    Raises
    ------
    InputError
        If they are not the same; if the folder holds a run of another recipe, or something else; if
        ``until`` is not ahead.
    """
    if not (folder / checkpoint.CONFIG).exists():
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} holds no run to resume", "-o names the folder of a run")
        return run if until in (None, run.train.loop.steps) else extended(run, until)
    before = read(folder)
    if before.recipe != run.recipe:
        raise InputError(
            f"{folder} holds a run of {before.recipe}, not of {run.recipe}",
            f"praxino train {before.recipe} --resume",
        )
    own = {name: getattr(run.train.loop.parallel, name) for name in machine}
    before = _with_loop(before, parallel=before.train.loop.parallel.model_dump() | own)
    if changed:
        _require_same(folder, before, run, until)
    if until is None or until == before.train.loop.steps:
        return before
    done = max((step for step, _ in checkpoints(folder)), default=0)
    if until <= done:
        raise InputError(f"--until {until}: the run is at step {done} already", f"more than {done}")
    return extended(before, until)


def _require_same(folder: Path, before: RunConfig, run: RunConfig, until: int | None) -> None:
    """Raise `InputError` unless a run would go on as it began, but for its machine and its end."""
    old = before.train.loop
    kept = {name: getattr(old.parallel, name) for name in ("threads", *MACHINE)}
    parallel = run.train.loop.parallel.model_copy(update=kept)
    same: dict[str, Any] = {"compute": old.compute, "parallel": parallel}
    if until is not None:
        same["steps"] = old.steps
    config = for_device(run, "cuda").train if _batches_differ(before, run) else run.train
    config = config.model_copy(update={"loop": config.loop.model_copy(update=same)})
    again = before.model_copy(
        update={"train": config, "sources": run.sources, "branch": run.branch}
    )
    now = flat(again)
    others = [(name, value) for name, value in flat(before).items() if now.get(name) != value]
    if others:  # a run may be longer than its recipe says: that is told last
        name, value = min(others, key=lambda one: one[0] == "train.loop.steps")
        raise InputError(
            f"{folder} was started with other settings: {name.removeprefix('train.')}={value}",
            "--resume alone goes on with those",
        )


def _batches_differ(before: RunConfig, run: RunConfig) -> bool:
    """Whether the known run began on a GPU and the other one is written as for a processor."""
    one, other = before.train.stage, run.train.stage
    if not isinstance(one, DiffusionConfig) or not isinstance(other, DiffusionConfig):
        return False
    return one.batch != other.batch and one.batch == other.cuda_batch


def extended(run: RunConfig, until: int) -> RunConfig:
    """This run up to step ``until``; only a run whose rate does not depend on its length can have
    another.
    """
    if run.train.optimizer.decay != "none" or run.train.loop.cooldown_from is not None:
        raise InputError(
            f"--until {until}: the rate of this run falls until step {run.train.loop.steps}",
            "only a trunk (optimizer.decay=none) can be made longer",
        )
    return _with_loop(run, steps=until)


def cooldown(trunk: Path, until: int | None = None) -> RunConfig:
    """The run that branches from a checkpoint of a trunk and lets its rate fall to 0.

    Parameters
    ----------
    trunk : Path
        ``RUN/step-N``.
    until : int, optional
        Its last step, counted from the trunk's first; `COOLDOWN_SHARE` of all steps are the
        cooldown where not given.

    Raises
    ------
    InputError
        If that is no checkpoint of a run at constant rate, or ``until`` is not behind it.
    """
    steps = {path.name: step for step, path in checkpoints(trunk.parent)}
    if trunk.name not in steps:
        raise InputError(f"{trunk} is no checkpoint of a run", "--cooldown RUN/step-N")
    run, step = read(trunk.parent), steps[trunk.name]
    if run.train.optimizer.decay != "none" or run.train.loop.cooldown_from is not None:
        raise InputError(
            f"{trunk.parent} is no trunk: its rate falls already", "one with optimizer.decay=none"
        )
    until = max(step + 1, round(step / (1 - COOLDOWN_SHARE))) if until is None else until
    if until <= step:
        raise InputError(f"--until {until}: the branch begins at step {step}", f"more than {step}")
    branch = _with_loop(run, steps=until, cooldown_from=step)
    return _fading(branch, step, until).model_copy(update={"branch": trunk.resolve()})


def with_consistency(run: RunConfig, stage: StageConfig) -> RunConfig:
    """A branch that also asks what ``stage`` asks of individuals, which a trunk need not."""
    if not (isinstance(stage, DiffusionConfig) and isinstance(run.train.stage, DiffusionConfig)):
        raise InputError("stage.consistency: of a denoiser alone", "leave it out")
    own = run.train.stage.model_copy(update={"consistency": stage.consistency})
    return run.model_copy(update={"train": run.train.model_copy(update={"stage": own})})


def _fading(run: RunConfig, first: int, end: int) -> RunConfig:
    """The run, whose auxiliary losses fall with its rate: what guides a trunk would bias what is
    made of it.
    """
    stage, batches = run.train.stage, run.train.loop.micro_batches
    if not isinstance(stage, DiffusionConfig):
        return run
    stage = stage.model_copy(update={"fade": (first * batches, end * batches)})
    return run.model_copy(update={"train": run.train.model_copy(update={"stage": stage})})


def for_device(run: RunConfig, device: str) -> RunConfig:
    """The run as it begins on a device: a GPU takes larger batches, where the stage says of how
    many.
    """
    stage = run.train.stage
    if device != "cuda" or not isinstance(stage, DiffusionConfig):
        return run
    wide = stage.model_copy(update={"batch": stage.cuda_batch})
    return run.model_copy(update={"train": run.train.model_copy(update={"stage": wide})})


def begun(run: RunConfig, encoder: str | None, world: str | None, compute: Compute) -> RunConfig:
    """The run as it begins or goes on, here: with its encoder, its world and its arithmetic written
    down.

    Raises
    ------
    InputError
        If it began with another encoder, or another world.
    """
    if run.world not in (None, world):
        raise InputError(f"the run is of world {run.world}, this is {world}", "begin a new run")
    if run.encoder not in (None, encoder):
        raise InputError(
            f"the run learns latents of encoder {run.encoder}, not of {encoder}",
            "give it the autoencoder it had",
        )
    parallel = run.train.loop.parallel
    if parallel.reduction == "exact" and parallel.threads is None:
        parallel = parallel.model_copy(update={"threads": torch.get_num_threads()})
    begun_run = _with_loop(run, compute=compute, parallel=parallel.model_dump())
    return begun_run.model_copy(update={"encoder": encoder, "world": world})


def _with_loop(run: RunConfig, **changes: Any) -> RunConfig:
    loop = LoopConfig.model_validate({**run.train.loop.model_dump(), **changes})
    return run.model_copy(update={"train": run.train.model_copy(update={"loop": loop})})
