"""``praxino train``: a named recipe, or a branch of a run that is there."""

import ctypes
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

import praxino
from praxino.cli import terminal
from praxino.cli.options import Device, Quiet
from praxino.cli.terminal import Progress
from praxino.errors import InputError
from praxino.log import logger

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from praxino.storage.weights.bundle import Bundle
    from praxino.training.loop import TrainingStage
    from praxino.training.parallel import Ranks
    from praxino.training.runs import RunConfig
    from praxino.training.sources import Sources

PARALLEL: Final = "loop.parallel."
TRUNK_SHARE: Final = 0.82
"""Part of ``--minutes`` at constant rate; in the rest the rate falls to 0."""
MMAP_THRESHOLD: Final = -3
"""glibc's number for the size from which on a buffer is mapped, and returned to the system, by
itself.
"""
OF_DATASETS: Final = ("finetune", "vae")
"""Recipes that learn clips of a folder."""
LORA_RATE: Final = 5e-4
"""Peak learning rate of a LoRA, unless ``--set`` says another."""
TRIM_THRESHOLD: Final = -1
"""glibc's number for the free memory at the end of the heap above which it is returned."""


Recipe = Annotated[
    str,
    typer.Argument(help="diorama, diorama-layout, diorama-vae-2, diorama-64, ... or smoke."),
]
Dataset = Annotated[
    Path | None, typer.Argument(help="Of finetune and vae: a folder of clips.", show_default=False)
]
Rank = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Of finetune: train a LoRA of this rank.")
]
SetField = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value, such as optimizer.lr=3e-4; repeatable."),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Folder of the run. [default: runs/RECIPE]"),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue from the newest checkpoint of the run.")
]
Until = Annotated[int | None, typer.Option(min=1, help="Last step; makes a trunk longer.")]
Minutes = Annotated[
    float | None,
    typer.Option(help="Constant rate for 82% of this time, then a cooldown as a branch."),
]
Cooldown = Annotated[
    Path | None,
    typer.Option(metavar="RUN/step-N", help="Branch from this checkpoint, the rate falling to 0."),
]
InitModel = Annotated[
    Path | None, typer.Option(help="Start from the weights of this model folder.")
]
Vae = Annotated[
    Path | None, typer.Option(help="Model folder whose autoencoder to use. [default: bundled]")
]
Footage = Annotated[Path | None, typer.Option(help="Folder of real clips, for the detector.")]


def train(
    recipe: Recipe,
    dataset: Dataset = None,
    set_: SetField = None,
    output: Output = None,
    resume: Resume = False,
    until: Until = None,
    minutes: Minutes = None,
    cooldown: Cooldown = None,
    init: InitModel = None,
    vae: Vae = None,
    footage: Footage = None,
    lora: Rank = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Train a model by a named recipe."""
    keep_memory()
    progress = Progress(quiet)
    if terminal.is_other_process():
        logger.setLevel(logging.ERROR)
    from praxino.generation.loading import find_model
    from praxino.training import runs
    from praxino.training.sources import Sources

    folder = output or Path("runs") / recipe
    set_ = [*_of_finetuning(recipe, dataset, lora), *(set_ or [])]
    run = _described(recipe, set_, cooldown, until)
    _require_free(folder, resume)
    if minutes is not None:
        _require_timed(run, minutes, resume, cooldown)
    sources = Sources(
        vae=find_model(vae) if vae else None,
        init=find_model(init) if init else None,
        footage=footage and footage.resolve(),
    )
    _require_used(run, sources)
    if cooldown is None:
        run = run.model_copy(update={"sources": sources})
    elif sources != type(sources)():
        raise InputError(
            "--vae, --init, --footage: a branch has those of its trunk", "leave them out"
        )
    if resume:
        names = [one.partition("=")[0].removeprefix(PARALLEL) for one in set_]
        machine = [name for name in names if name in runs.MACHINE]
        changed = len(machine) < len(names) or bool(vae or init or footage or cooldown)
        run = runs.resumed(folder, run, changed, until, machine)
    elif until is not None and cooldown is None:
        run = runs.extended(run, until)
    if minutes is not None:
        _timed(run, folder, device, progress, minutes)
        return
    stopped = _stop_on_signal()
    _carry_out(run, folder, resume, device, progress, stopped)
    if stopped():
        raise typer.Exit(143)


def _of_finetuning(recipe: str, dataset: Path | None, rank: int | None) -> list[str]:
    """What a dataset and a rank set; a LoRA goes by AdamW, whose rate is the field's usual one."""
    if dataset is not None and recipe not in OF_DATASETS:
        raise InputError(f"{recipe} takes no dataset", f"praxino train {' or '.join(OF_DATASETS)}")
    if rank is not None and recipe != "finetune":
        raise InputError(f"{recipe} takes no --lora", "praxino train finetune")
    settings = [] if dataset is None else [f"stage.dataset={dataset.resolve()}"]
    if rank is not None:
        settings += [f"stage.lora={rank}", f"optimizer.lr={LORA_RATE}", "optimizer.matrices=adamw"]
    return settings


def _described(
    recipe: str, settings: list[str], cooldown: Path | None, until: int | None
) -> "RunConfig":
    """The run of a recipe, or the branch of the trunk that ``cooldown`` is a checkpoint of."""
    from praxino import recipes
    from praxino.training import runs
    from praxino.training.sources import NOTHING

    config = recipes.recipe(recipe, settings)
    if cooldown is None:
        return runs.RunConfig(recipe=recipe, train=config, sources=NOTHING)
    if others := [one for one in settings if not one.startswith("stage.consistency.")]:
        raise InputError(
            f"--set {others[0]}: a branch has the settings of its trunk, but for stage.consistency",
            "leave it out",
        )
    run = runs.cooldown(cooldown, until)
    if settings:
        run = runs.with_consistency(run, config.stage)
    if run.recipe != recipe:
        raise InputError(
            f"{cooldown.parent} holds a run of {run.recipe}, not of {recipe}",
            f"praxino train {run.recipe}",
        )
    return run


def _require_timed(run: "RunConfig", minutes: float, resume: bool, cooldown: Path | None) -> None:
    """Raise if a run cannot be a trunk and a branch within a given time."""
    from praxino.training.parallel import rank_of_torchrun

    if not 0 < minutes <= 1e6:
        raise InputError(f"minutes={minutes}: must be above 0", "--minutes 8")
    if rank_of_torchrun()[1] > 1:
        raise InputError("--minutes: for one process", "--until ends the run of many")
    if resume or cooldown is not None:
        raise InputError(
            "--minutes begins a run", "--until makes a trunk longer, --cooldown branches from it"
        )
    if run.train.optimizer.decay != "none":
        raise InputError(
            "--minutes: the rate of this recipe falls by its steps", "--set optimizer.decay=none"
        )


def _require_free(folder: Path, resume: bool) -> None:
    if folder.is_file():
        raise InputError(f"{folder} is a file", "-o names the folder of the run")
    if folder.exists() and any(folder.iterdir()) and not resume:
        raise InputError(
            f"{folder} holds a run already", "--resume goes on with it, -o names another folder"
        )


def _require_used(run: "RunConfig", sources: "Sources") -> None:
    """Raise if a folder is named that this kind of stage does not read."""
    from praxino.training.stages import USES

    for name in sorted(set(type(sources).model_fields) - USES[run.train.stage.kind]):
        if getattr(sources, name) is not None:
            raise InputError(
                f"--{name} {getattr(sources, name)}: {run.recipe} does not use it", "leave it out"
            )


def _carry_out(
    run: "RunConfig",
    folder: Path,
    resume: bool,
    device: str,
    progress: Progress,
    stopped: Callable[[], bool],
) -> float:
    """Train to the last step, or until ``stopped``; the seconds that a step took, on average."""
    from praxino.generation.loading import choose_device
    from praxino.models.precision import resolve
    from praxino.training import parallel, runs, stages
    from praxino.training.loop import require_divisible
    from praxino.training.sources import Workplace

    place = parallel.own_device(choose_device(device))
    new = not (folder / "config.json").exists() and run.branch is None
    run = runs.for_device(run, place.type) if new else run
    config, loop = run.train.stage, run.train.loop
    compute = resolve(loop.compute, place)
    workplace = Workplace(str(place), folder.parent, _film, compute)
    with parallel.join(loop.parallel, loop.micro_batches, place) as ranks:
        progress = progress if ranks.first else Progress(quiet=True)
        about = {"praxino": praxino.__version__, "compute": compute} | runs.flat(run)
        ranks.require_alike(about, "the same command, and the same praxino, everywhere")
        encoder, world = stages.encoder(config, run.sources), stages.world(config)
        run = ranks.from_first(lambda: runs.begun(run, encoder, world, compute))
        if threads := run.train.loop.parallel.threads:
            _take_threads(threads, progress)
        with ranks.first_in_turn():
            stage = stages.build(config, run.sources, workplace)
        require_divisible(stage, loop.parallel)
        ranks.broadcast(stage.module)
        if ranks.first:
            runs.write(folder, run)
        return _steps(run, stage, folder, resume, progress, stopped, ranks)


def _steps(
    run: "RunConfig",
    stage: "TrainingStage",
    folder: Path,
    resume: bool,
    progress: Progress,
    stopped: Callable[[], bool],
    ranks: "Ranks",
) -> float:
    """Take the steps, with a bar; the seconds that one took, on average."""
    from praxino.training import loop

    train, steps, step, start = run.train, 0, 0, time.monotonic()
    with progress.bar(run.recipe, train.loop.steps) as advance:
        for report in loop.train(
            stage, train.loop, train.optimizer, folder, resume, run.branch, stopped, ranks
        ):
            step, steps = report.step, steps + 1
            advance(step, description=f"{run.recipe} loss {report.loss:.4f}")
    if 0 < step < train.loop.steps:
        progress.say(f"stopped at step {step} of {train.loop.steps}: --resume goes on from there")
    else:
        progress.say(f"wrote {folder / 'final'}")
    return (time.monotonic() - start) / max(1, steps)


def _take_threads(threads: int, progress: Progress) -> None:
    """Compute with as many threads as the run began with: another number rounds otherwise."""
    import torch

    if threads != torch.get_num_threads():
        progress.say(f"note: {threads} threads a process, as the run began with")
        torch.set_num_threads(threads)


def _timed(run: "RunConfig", folder: Path, device: str, progress: Progress, minutes: float) -> None:
    """A trunk for `TRUNK_SHARE` of the time, and a cooldown from its last checkpoint that fits into
    the rest.

    They lie beside ``folder``, which receives what came out, in few files.
    """
    from praxino.training import loop, runs

    start, signalled = time.monotonic(), _stop_on_signal()
    spent = lambda: (time.monotonic() - start) / 60  # noqa: E731
    folder = folder.resolve()
    trunk, cooldown = (folder.with_name(f"{folder.name}.{part}") for part in ("trunk", "cooldown"))
    for place in (trunk, cooldown):
        _require_free(place, resume=False)
    pace = _carry_out(
        run, trunk, False, device, progress, lambda: signalled() or spent() > TRUNK_SHARE * minutes
    )
    if signalled():
        raise typer.Exit(143)
    step, newest = loop.checkpoints(trunk)[-1]
    steps = max(1, round(60 * max(0.0, minutes - spent()) / pace))
    _carry_out(runs.cooldown(newest, step + steps), cooldown, False, device, progress, signalled)
    if signalled():
        raise typer.Exit(143)
    _collect(cooldown, folder)
    progress.say(
        f"wrote {folder}; praxino train {run.recipe} --until STEP --resume -o {trunk} goes on "
        f"from step {step}"
    )


def _collect(run: Path, folder: Path) -> None:
    """The weights of a finished run, its log and its last samples, in few files."""
    from praxino.storage.weights import compact

    if (run / "final" / "config.json").exists():
        compact.write_compact(folder, run / "final")
    else:
        shutil.copytree(run / "final", folder, dirs_exist_ok=True)
    shutil.copyfile(run / "log.jsonl", folder / "log.jsonl")
    if pictures := sorted((run / "samples").glob("*.png")):
        shutil.copyfile(pictures[-1], folder / "samples.png")


def _film(model: "Bundle", sentence: str) -> "NDArray[np.uint8]":
    """A film of a model in training, marked as every film is; float32, since other types draw with
    a copy.
    """
    import torch

    from praxino.generation.pipeline import Pipeline
    from praxino.storage.weights.lazy import in_memory

    device = next(model.dit.parameters()).device
    return Pipeline(in_memory(model), torch.device(device), "float32").generate(sentence).frames


def _stop_on_signal() -> Callable[[], bool]:
    """Whether SIGTERM has come: the run then ends with a checkpoint after the step at hand."""
    came = threading.Event()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: came.set())
    return came.is_set


def keep_memory() -> None:
    """Let torch ask for huge pages and glibc keep freed buffers: a step takes a tenth to a fifth
    less time.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        allocator = ctypes.CDLL("libc.so.6")
        for parameter, value in (
            (MMAP_THRESHOLD, 2**25),
            (TRIM_THRESHOLD, 2**31 - 1),
        ):  # the largest that it takes
            allocator.mallopt(parameter, value)
    except (OSError, AttributeError):  # another C library
        return
