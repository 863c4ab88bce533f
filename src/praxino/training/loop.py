"""The training loop, the same for every stage: batch, loss, step, average, log, checkpoint.

Everything random in step ``n`` comes from ``(seed, n)``, so a run that is killed and resumed goes on bit for bit
as if nothing had happened. The loop is a generator: the command line draws a bar from it, tests count steps.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.errors import TrainingError
from praxino.log import logger
from praxino.storage import checkpoint
from praxino.storage.journal import Journal
from praxino.training.optimizer import EMA, OptimizerConfig, learning_rate, make_optimizer


class LoopConfig(Config):
    """How long a run is, and how often it looks up from its work."""

    steps: int = Field(gt=0)
    seed: int = Field(0, ge=0, lt=2**32)
    log_every: int = Field(20, gt=0)
    save_every: int = Field(500, gt=0)
    sample_every: int = Field(1000, gt=0)
    keep: int = Field(2, gt=0, description="newest checkpoints that stay on disk")
    bf16: bool = Field(True, description="compute in bfloat16; masters stay float32")


@runtime_checkable
class Stage(Protocol):
    """What a run optimises."""

    @property
    def module(self) -> nn.Module: ...

    def batch(self, step: int) -> Any:
        """The data of one step: a pure function of the stage's config and ``step``."""

    def loss(self, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss and what should be logged beside it."""

    def save(self, folder: Path) -> None:
        """Write the model's parts as folders below ``folder``."""


@dataclass(frozen=True)
class Report:
    """One finished step."""

    step: int
    steps: int
    loss: float
    metrics: dict[str, float]


def train(
    stage: Stage,
    config: LoopConfig,
    optimizer: OptimizerConfig,
    folder: Path,
    resume: bool = False,
    picture: Callable[[], NDArray[np.uint8]] | None = None,
) -> Iterator[Report]:
    """Run ``stage`` to its last step, reporting each one; the result is in ``folder / "final"``.

    Parameters
    ----------
    folder : Path
        Receives ``log.jsonl``, ``tensorboard/``, ``samples/``, ``step-N/`` (model and training state) and ``final/``.
    resume : bool
        Go on from the newest complete checkpoint in ``folder``, if there is one.
    picture : callable, optional
        Draws (height, width, 3) uint8 of what the model does now; called every ``sample_every`` steps with averaged
        weights in place.

    Raises
    ------
    TrainingError
        If a loss or gradient is not finite. Checkpoints written before it stay.
    """
    rule = make_optimizer(stage.module, optimizer)
    ema = EMA([p for p in stage.module.parameters() if p.requires_grad], optimizer.ema)
    first = _restore(folder, stage.module, rule, ema) if resume else 0
    device = next(stage.module.parameters()).device
    with Journal(folder, first) as journal:
        for step in range(first, config.steps):
            started = time.perf_counter()
            for group in rule.param_groups:
                group["lr"] = learning_rate(step, config.steps, optimizer)
            batch = stage.batch(step)
            generator = torch.Generator(device).manual_seed(config.seed * 1_000_003 + step)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
                loss, metrics = stage.loss(batch, generator)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(stage.module.parameters(), optimizer.clip)
            _check(step, loss, norm, optimizer)
            rule.step()
            rule.zero_grad(set_to_none=True)
            ema.update(step)

            done = step + 1
            metrics = {"loss": loss.item(), "gradient": float(norm), **metrics}
            journal.add(metrics, learning_rate(step, config.steps, optimizer), time.perf_counter() - started)
            if done % config.log_every == 0 or done == config.steps:
                journal.write(done)
            if picture and (done % config.sample_every == 0 or done == config.steps):
                journal.picture(done, _averaged(ema, picture))
            if done % config.save_every == 0 or done == config.steps:
                _save(folder, done, stage, rule, ema, config.keep)
            yield Report(done, config.steps, metrics["loss"], metrics)
    _averaged(ema, lambda: _export(stage, folder / "final"))


def _check(step: int, loss: Tensor, norm: Tensor, optimizer: OptimizerConfig) -> None:
    if not (torch.isfinite(loss) and torch.isfinite(norm)):
        raise TrainingError(
            f"step {step + 1}: loss {loss.item():.4g}, gradient norm {float(norm):.4g}: not finite, stopped",
            f"resume with a lower rate than optimizer.lr={optimizer.lr:g}",
        )


def _averaged(ema: EMA, action: Any) -> Any:
    ema.swap()
    try:
        return action()
    finally:
        ema.swap()


def _export(stage: Stage, folder: Path) -> None:
    with checkpoint.writing(folder) as fresh:
        stage.save(fresh)


def _state(module: nn.Module, rule: torch.optim.Optimizer, ema: EMA, step: int) -> dict[str, Any]:
    return {
        "step": torch.tensor(step),
        "model": dict(module.named_parameters()),
        "average": {str(i): tensor for i, tensor in enumerate(ema.average)},
        "optimizer": _moments(rule),
    }


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """The optimizer's tensors by the number of the parameter."""
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    return {str(i): dict(optimizer.state[p]) for i, p in enumerate(parameters)}


def _save(folder: Path, step: int, stage: Stage, rule: torch.optim.Optimizer, ema: EMA, keep: int) -> None:
    with checkpoint.writing(folder / f"step-{step:07d}") as fresh:
        _averaged(ema, lambda: stage.save(fresh))
        checkpoint.save_state(fresh / "state", _state(stage.module, rule, ema, step))
    for _, old in _checkpoints(folder)[:-keep]:
        checkpoint.remove(old)


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    found = [(re.fullmatch(r"step-(\d+)", path.name), path) for path in folder.glob("step-*")]
    return sorted((int(match[1]), path) for match, path in found if match)


def _restore(folder: Path, module: nn.Module, rule: torch.optim.Optimizer, ema: EMA) -> int:
    checkpoint.sweep(folder)
    saved = _checkpoints(folder)
    if not saved:
        logger.warning("nothing to resume in %s: starting from the beginning", folder)
        return 0
    state = _state(module, rule, ema, 0)
    with torch.no_grad():
        checkpoint.load_state(saved[-1][1] / "state", state)
    return int(state["step"])
