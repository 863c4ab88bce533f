"""The training loop, the same for every stage: batches, loss, step, average, log, checkpoint.

Everything random in step ``n`` comes from ``(seed, n, m)``, m being the micro-batch. So a run that
is killed and resumed goes on bit for bit as if nothing had happened. The loop is a generator: the
command line draws a bar from it, tests count steps.

A run at a constant rate is a *trunk*: it can be made longer at any time. A *cooldown* branches from
one of its checkpoints, in a folder of its own, and lets the rate fall to 0 (Hu et al., arXiv
2404.06395, section 4; Haegele et al., arXiv 2405.18392). The trunk goes on as if there were no
branch.
"""

import contextlib
import math
import re
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from praxino import rng
from praxino.config import Config
from praxino.errors import TrainingError
from praxino.log import logger
from praxino.models.precision import DTYPES, Compute, resolve
from praxino.storage import files
from praxino.storage.weights import checkpoint
from praxino.training.optimizer import EMA, OptimizerConfig, learning_rate, make_optimizer
from praxino.training.run_log import RunLog


class LoopConfig(Config):
    """How long a run is, what it computes in, and how often it looks up from its work."""

    steps: int = Field(gt=0)
    cooldown_from: int | None = Field(
        None, ge=0, description="step from which on the rate falls linearly to 0"
    )
    seed: int = Field(0, ge=0, lt=2**32)
    micro_batches: int = Field(1, gt=0, description="batches a step, whose gradients are averaged")
    compute: Compute = Field("auto", description="type of products; masters stay float32")
    log_every: int = Field(20, gt=0)
    save_every: int = Field(500, gt=0, description="steps between checkpoints")
    save_minutes: float = Field(5.0, gt=0, description="a checkpoint at least so often")
    keep: int = Field(2, gt=0, description="newest checkpoints that stay on disk")
    snapshot_every: int = Field(
        0, ge=0, description="checkpoints of multiples of so many steps stay; 0: none"
    )
    sample_every: int = Field(1000, ge=0, description="steps between samples; 0: never")

    @model_validator(mode="after")
    def _cooldown_is_within(self) -> "LoopConfig":
        if self.cooldown_from is not None and self.cooldown_from >= self.steps:
            raise ValueError(f"cooldown_from {self.cooldown_from} must be below steps {self.steps}")
        return self


@runtime_checkable
class TrainingStage(Protocol):
    """What a run optimises."""

    @property
    def module(self) -> nn.Module: ...

    def batch(self, number: int) -> Any:
        """The data of micro-batch ``number`` (step x micro-batches + m): a pure function of config
        and number.
        """

    def loss(self, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss and what should be logged beside it."""

    def samples(self) -> NDArray[np.uint8]:
        """(height, width, 3): what the module does now, as a picture."""

    def save(self, folder: Path) -> None:
        """Write the model's parts as folders below ``folder``."""


@dataclass(frozen=True)
class StepReport:
    """One finished step."""

    step: int
    steps: int
    loss: float
    metrics: dict[str, float]


def train(
    stage: TrainingStage,
    config: LoopConfig,
    optimizer: OptimizerConfig,
    folder: Path,
    resume: bool = False,
    branch: Path | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[StepReport]:
    """Run ``stage`` to its last step, reporting each one; the result is in ``folder / "final"``.

    Parameters
    ----------
    folder : Path
        Receives ``log.jsonl``, ``tensorboard/``, ``samples/`` (made with averaged weights),
        ``step-N/`` (model and training state) and ``final/``.
    resume : bool
        Go on from the newest complete checkpoint in ``folder``, if there is one.
    branch : Path, optional
        Checkpoint of another run to begin from, where ``folder`` has none yet.
    stopped : callable
        Asked after each step; once it says yes, a checkpoint is written and the run ends there, to
        be resumed later.

    Raises
    ------
    TrainingError
        If a loss or gradient is not finite. Checkpoints written before it stay.
    """
    device = next(stage.module.parameters()).device
    dtype = DTYPES[resolve(config.compute, device)]
    rule = make_optimizer(stage.module, optimizer, dtype)
    ema = EMA([p for p in stage.module.parameters() if p.requires_grad], optimizer.ema)
    start = (_newest(folder) if resume else None) or branch
    first = _restore(start, stage.module, rule, ema) if start else 0
    saved_at = time.monotonic()
    batches = _ahead(stage.batch, first * config.micro_batches, config.steps * config.micro_batches)
    with RunLog(folder, first) as journal, contextlib.closing(batches):
        for step in range(first, config.steps):
            started = time.perf_counter()
            lr = learning_rate(step, config.steps, optimizer, config.cooldown_from)
            for group in rule.param_groups:
                group["lr"] = lr
            metrics = _gradients(stage, batches, config, step, dtype)
            metrics["gradient"] = _descend(stage, rule, step, metrics["loss"], optimizer)
            ema.update(step)

            done, last = step + 1, step + 1 == config.steps
            journal.add(metrics, lr, time.perf_counter() - started)
            _log(journal, done, config, lambda: _averaged(ema, stage.samples))
            halt = stopped()
            if halt or last or _is_due(done, saved_at, config):
                _save(folder, done, stage, rule, ema, config)
                saved_at = time.monotonic()
            yield StepReport(done, config.steps, metrics["loss"], metrics)
            if halt:
                return
    _averaged(ema, lambda: _export(stage, folder / "final"))


def _log(
    journal: RunLog, done: int, config: LoopConfig, samples: Callable[[], NDArray[np.uint8]]
) -> None:
    """Write metrics and samples where it is their turn, and at the end."""
    last = done == config.steps
    if done % config.log_every == 0 or last:
        journal.write(done)
    if config.sample_every and (done % config.sample_every == 0 or last):
        journal.picture(done, samples())


def _ahead(batch: Callable[[int], Any], first: int, end: int) -> Generator[Any, None, None]:
    """``batch(first)`` to ``batch(end - 1)``, each made by a thread while the one before it is
    used.
    """
    with ThreadPoolExecutor(1, "batches") as pool:
        waiting = pool.submit(batch, first) if first < end else None
        for number in range(first, end):
            assert waiting is not None
            ready = waiting.result()
            waiting = pool.submit(batch, number + 1) if number + 1 < end else None
            yield ready


def _gradients(
    stage: TrainingStage, batches: Iterator[Any], config: LoopConfig, step: int, dtype: torch.dtype
) -> dict[str, float]:
    """Add up the gradients of a step's micro-batches; the metrics, each averaged over those that
    have it.
    """
    device = next(stage.module.parameters()).device
    sums: dict[str, list[float]] = {}
    for number in range(step * config.micro_batches, (step + 1) * config.micro_batches):
        batch = next(batches)
        generator = torch.Generator(device).manual_seed(
            rng.torch_seed(rng.Stream.LOSS, config.seed, number)
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss, metrics = stage.loss(batch, generator)
        (loss / config.micro_batches).backward()
        for name, value in {"loss": loss.item(), **metrics}.items():
            sums.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in sums.items()}


def _descend(
    stage: TrainingStage,
    rule: torch.optim.Optimizer,
    step: int,
    loss: float,
    optimizer: OptimizerConfig,
) -> float:
    """Move the weights by the gradients, clipped; the norm that they had. Raises where loss or norm
    is not finite.
    """
    norm = float(nn.utils.clip_grad_norm_(stage.module.parameters(), optimizer.clip))
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise TrainingError(
            f"step {step + 1}: loss {loss:.4g}, gradient norm {norm:.4g}: not finite, stopped",
            f"resume with a lower rate than optimizer.lr={optimizer.lr:g}",
        )
    rule.step()
    rule.zero_grad(set_to_none=True)
    return norm


def _averaged(ema: EMA, action: Any) -> Any:
    ema.swap()
    try:
        return action()
    finally:
        ema.swap()


def _export(stage: TrainingStage, folder: Path) -> None:
    with files.atomic_folder(folder) as fresh:
        stage.save(fresh)


def _state(module: nn.Module, rule: torch.optim.Optimizer, ema: EMA, step: int) -> dict[str, Any]:
    return {
        "step": torch.tensor(step),
        "model": dict(module.named_parameters()) | dict(module.named_buffers()),
        "average": {str(i): tensor for i, tensor in enumerate(ema.average)},
        "optimizer": _moments(rule),
    }


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """The optimizer's tensors by the number of the parameter."""
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    return {str(i): dict(optimizer.state[p]) for i, p in enumerate(parameters)}


def _save(
    folder: Path,
    step: int,
    stage: TrainingStage,
    rule: torch.optim.Optimizer,
    ema: EMA,
    config: LoopConfig,
) -> None:
    with files.atomic_folder(folder / f"step-{step:07d}") as fresh:
        _averaged(ema, lambda: stage.save(fresh))
        checkpoint.save_state(fresh / "state", _state(stage.module, rule, ema, step))
    for old, path in checkpoints(folder)[: -config.keep]:
        if not _is_snapshot(old, config):
            checkpoint.delete_checkpoint(path)


def _is_due(step: int, saved_at: float, config: LoopConfig) -> bool:
    """Whether a checkpoint is to be written after this step, the last one being of ``saved_at``."""
    overdue = time.monotonic() - saved_at > 60 * config.save_minutes
    return overdue or step % config.save_every == 0 or _is_snapshot(step, config)


def _is_snapshot(step: int, config: LoopConfig) -> bool:
    return config.snapshot_every > 0 and step % config.snapshot_every == 0


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """The steps that a run's folder holds a checkpoint of, and where, in order."""
    matches = [(re.fullmatch(r"step-(\d+)", path.name), path) for path in folder.glob("step-*")]
    return sorted((int(match[1]), path) for match, path in matches if match)


def _newest(folder: Path) -> Path | None:
    checkpoint.recover_interrupted(folder)
    if saved := checkpoints(folder):
        return saved[-1][1]
    logger.warning("nothing to resume in %s: starting from the beginning", folder)
    return None


def _restore(start: Path, module: nn.Module, rule: torch.optim.Optimizer, ema: EMA) -> int:
    """Take weights, moments and averages from a checkpoint; the number of steps behind it."""
    state = _state(module, rule, ema, 0)
    with torch.no_grad():
        checkpoint.load_state(start / "state", state)
    return int(state["step"])
