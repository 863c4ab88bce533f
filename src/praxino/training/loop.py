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
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from praxino.errors import InputError, TrainingError
from praxino.log import logger
from praxino.models.dit import DiT
from praxino.models.precision import DTYPES, Compute, resolve
from praxino.storage import files
from praxino.storage.weights import checkpoint
from praxino.training.context_parallel import share_tokens
from praxino.training.gradients import LARGEST_SUM, ExactReduceScatter, GradientSum
from praxino.training.optimizer import EMA, OptimizerConfig, learning_rate, make_optimizer
from praxino.training.parallel import ALONE, ParallelConfig, Ranks
from praxino.training.run_log import RunLog
from praxino.training.sharding import (
    ShardableStage,
    Shards,
    can_shard,
    recompute,
    reshard,
    shard,
    whole,
)


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
    parallel: ParallelConfig = ParallelConfig()
    keep: int = Field(2, gt=0, description="newest checkpoints that stay on disk")
    snapshot_every: int = Field(
        0, ge=0, description="checkpoints of multiples of so many steps stay; 0: none"
    )
    sample_every: int = Field(1000, ge=0, description="steps between samples; 0: never")
    sample_first: bool = Field(False, description="samples before the first step, too")

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


@runtime_checkable
class DatasetStage(Protocol):
    """A stage of somebody's own data. All processes call its methods at the same time."""

    def evaluate(self, step: int) -> dict[str, float]:
        """What is logged of data that is not trained on; nothing in most steps."""

    def largest_batch(self) -> Any:
        """The batch that takes most memory: it is tried before the first step."""


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
    ranks: Ranks = ALONE,
) -> Iterator[StepReport]:
    """Run ``stage`` to its last step, reporting each one; the result is in ``folder / "final"``.

    Parameters
    ----------
    folder : Path
        Receives ``log.jsonl``, ``tensorboard/``, ``samples/`` (made with averaged weights),
        ``step-N/`` (model and training state) and ``final/``. All processes see it.
    resume : bool
        Go on from the newest complete checkpoint in ``folder``, if there is one.
    branch : Path, optional
        Checkpoint of another run to begin from, where ``folder`` has none yet.
    stopped : callable
        Asked after each step; once it says yes in any process, a checkpoint is written and the run
        ends there, to be resumed later.
    ranks : Ranks
        The processes that share the work.

    Raises
    ------
    TrainingError
        If a loss or gradient is not finite. Checkpoints written before it stay.
    """
    trainer = _Trainer(stage, config, optimizer, ranks)
    start = ranks.from_first(lambda: (_newest(folder) if resume else None) or branch)
    first = trainer.restore(start) if start else 0
    saved_at = time.monotonic()
    own = ranks.micro_batches(range(first, config.steps), config.micro_batches)
    with (
        RunLog(folder, first) if ranks.first else contextlib.nullcontext() as log,
        contextlib.closing(_ahead(stage.batch, own)) as batches,
    ):
        trainer.try_largest()
        if config.sample_first and first == 0:
            trainer.draw(log, 0)
        for step in range(first, config.steps):
            started = time.perf_counter()
            metrics, lr = trainer.step(batches, step)
            done, last = step + 1, step + 1 == config.steps
            if log is not None:
                log.add(metrics, lr, time.perf_counter() - started)
            _log(log, trainer, done)
            halt, due = ranks.agree(stopped(), _is_due(done, saved_at, config))
            if halt or last or due:
                trainer.save(folder, done)
                saved_at = time.monotonic()
            yield StepReport(done, config.steps, metrics["loss"], metrics)
            if halt:
                return
    trainer.export(folder / "final")


def _log(log: RunLog | None, trainer: "_Trainer", done: int) -> None:
    """Write metrics and samples where it is their turn, and at the end; ``log`` is the first
    process'.
    """
    config, last = trainer.config, done == trainer.config.steps
    if log is not None and (done % config.log_every == 0 or last):
        log.write(done)
    if config.sample_every and (done % config.sample_every == 0 or last):
        trainer.draw(log, done)


class _Trainer:
    """A stage with its optimizer, its average and its gradients, on one process of several."""

    def __init__(
        self, stage: TrainingStage, config: LoopConfig, optimizer: OptimizerConfig, ranks: Ranks
    ) -> None:
        self.stage, self.config, self.optimizer, self.ranks = stage, config, optimizer, ranks
        self.device = next(stage.module.parameters()).device
        self.dtype = DTYPES[resolve(config.compute, self.device)]
        require_divisible(stage, config.parallel)
        self.networks = list(stage.denoisers) if isinstance(stage, ShardableStage) else []
        scatters = divide(self.networks, config.parallel, ranks)
        weights = [weight for weight in stage.module.parameters() if weight.requires_grad]
        self.shards = Shards(weights)
        self.rule = make_optimizer(stage.module, optimizer, self.dtype, self.shards)
        self.ema = EMA(self.shards.local, optimizer.ema)
        exact = config.parallel.reduction == "exact"
        self.gradients = GradientSum(weights, ranks, exact, scatters)

    def step(self, batches: Iterator[Any], step: int) -> tuple[dict[str, float], float]:
        """One step: metrics, each averaged over the micro-batches that have it, and the rate."""
        config = self.config
        lr = learning_rate(step, config.steps, self.optimizer, config.cooldown_from)
        for group in self.rule.param_groups:
            group["lr"] = lr
        self.gradients.reset()
        values: dict[str, list[float]] = {}
        for number in self.ranks.micro_batches(range(step, step + 1), config.micro_batches):
            for name, value in self._micro_batch(next(batches), number).items():
                values.setdefault(name, []).append(value)
        merged = self.ranks.merge(values)
        metrics = {name: sum(own) / len(own) for name, own in merged.items()}
        if isinstance(self.stage, DatasetStage):
            metrics |= self.stage.evaluate(step)
            self._reshard()  # a forward pass that nothing follows leaves weights gathered
        metrics["gradient"] = self._descend(step, metrics["loss"])
        self.ema.update(step)
        return metrics, lr

    def _micro_batch(self, batch: Any, number: int) -> dict[str, float]:
        """Add up the gradients of a micro-batch; its metrics."""
        generator = torch.Generator(self.device).manual_seed(
            rng.torch_seed(rng.Stream.LOSS, self.config.seed, number)
        )
        with torch.autocast(
            self.device.type,
            torch.bfloat16,
            enabled=self.dtype == torch.bfloat16,
            cache_enabled=not self.networks,  # it would keep copies of gathered weights
        ):
            loss, metrics = self.stage.loss(batch, generator)
        # processes that share a clip have the whole loss each, and a part of its gradient
        (loss / (self.config.micro_batches * self.ranks.context)).backward()
        self.gradients.add()
        return {"loss": loss.item(), **metrics}

    def try_largest(self) -> None:
        """Go there and back with the largest batch, so that memory that is not enough is not enough
        now.
        """
        if not isinstance(self.stage, DatasetStage):
            return
        try:
            self._micro_batch(self.stage.largest_batch(), 0)
        except torch.OutOfMemoryError:
            raise TrainingError(
                "the largest batch does not fit into memory", "fewer stage.buckets tokens"
            ) from None
        self.gradients.reset()
        self.shards.drop_gradients()

    def _descend(self, step: int, loss: float) -> float:
        """Move the weights by the gradients, clipped; the norm that they had. Raises where loss or
        norm is not finite.
        """
        exact = self.gradients.finish()
        norm = self.gradients.clip(self.optimizer.clip)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                f"step {step + 1}: loss {loss:.4g}, gradient norm {norm:.4g}: not finite, stopped",
                f"resume with a lower rate than optimizer.lr={self.optimizer.lr:g}",
            )
        if not exact:
            raise TrainingError(
                f"step {step + 1}: gradients of {LARGEST_SUM:g} or more: sums would not be exact",
                "a lower optimizer.lr, or --set loop.parallel.reduction=fast",
            )
        self.shards.take_gradients()
        self.rule.step()
        self.shards.drop_gradients()
        return norm

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """A block in which the stage has its averaged weights; those that are sharded lie in parts
        before and after it, on all processes.
        """
        self._reshard()
        self.ema.swap()
        try:
            yield
        finally:
            self._reshard()
            self.ema.swap()

    def _reshard(self) -> None:
        for network in self.networks:
            reshard(network)

    def draw(self, log: RunLog | None, step: int) -> None:
        """A picture of what the averaged weights do."""
        with self._averaged():
            picture = self.stage.samples()
        if log is not None:
            log.picture(step, picture)

    def export(self, folder: Path) -> None:
        """Write the model's parts, with averaged weights."""
        with self._averaged(), whole(self.stage.module):
            if self.ranks.first:
                with files.atomic_folder(folder) as fresh:
                    self.stage.save(fresh)
        self.ranks.wait()

    def save(self, folder: Path, step: int) -> None:
        """Write a checkpoint, and delete old ones."""
        target = folder / f"step-{step:07d}"
        with self._shared_folder(target) as fresh:
            with self._averaged(), whole(self.stage.module):
                if self.ranks.first:
                    self.stage.save(fresh)
            self.ranks.wait()
            checkpoint.save_state(fresh / "state", self._state(step))
        if self.ranks.first:
            for old, path in checkpoints(folder)[: -self.config.keep]:
                if not _is_snapshot(old, self.config):
                    checkpoint.delete_checkpoint(path)

    @contextmanager
    def _shared_folder(self, target: Path) -> Iterator[Path]:
        """A folder into which all processes write, and which then appears whole."""
        with contextlib.ExitStack() as stack:
            make = lambda: stack.enter_context(files.atomic_folder(target))  # noqa: E731
            yield self.ranks.from_first(make)
            self.ranks.wait()
        self.ranks.wait()

    def restore(self, start: Path) -> int:
        """Take weights, moments and averages from a checkpoint; the number of steps behind it."""
        state = self._state(0)
        with torch.no_grad():
            checkpoint.load_state(start / "state", state)
        return int(state["step"])

    def _state(self, step: int) -> dict[str, Any]:
        module, spread = self.stage.module, self.shards.spread
        parts = [
            (part, group.get("matrix", False))
            for group in self.rule.param_groups
            for part in group["params"]
        ]
        return {
            "step": torch.tensor(step),
            "model": dict(module.named_parameters()) | dict(module.named_buffers()),
            "average": {
                str(i): spread(part, average)
                for i, (part, average) in enumerate(
                    zip(self.shards.local, self.ema.average, strict=True)
                )
            },
            "optimizer": {
                str(i): {
                    # a matrix has one moment: the other is empty on every process
                    name: one if matrix and name == "second" else spread(part, one)
                    for name, one in self.rule.state[part].items()
                }
                for i, (part, matrix) in enumerate(parts)
            },
        }


def require_divisible(stage: TrainingStage, config: ParallelConfig) -> None:
    """Raise `InputError` if a stage has no denoiser that could do what a config asks for."""
    if not isinstance(stage, ShardableStage) and (config.context > 1 or config.recompute):
        what = "context" if config.context > 1 else "recompute"
        raise InputError(f"loop.parallel.{what}: this stage has no denoiser for it", "leave it out")


def divide(
    networks: Sequence[DiT], config: ParallelConfig, ranks: Ranks
) -> list[ExactReduceScatter]:
    """Prepare denoisers for many processes; what adds up their gradients."""
    scatters = []
    for network in networks:
        if config.context > 1:
            share_tokens(network, ranks)
        if config.recompute:
            recompute(network)
        if can_shard(config, ranks):
            scatters += shard(network, config, ranks)
    return scatters


def _ahead(batch: Callable[[int], Any], numbers: Iterator[int]) -> Generator[Any, None, None]:
    """The batches of these numbers, each made by a thread while the one before it is used."""
    with ThreadPoolExecutor(1, "batches") as pool:
        waiting = None
        for number in numbers:
            ready, waiting = waiting, pool.submit(batch, number)
            if ready is not None:
                yield ready.result()
        if waiting is not None:
            yield waiting.result()


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
