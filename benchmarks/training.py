"""How many samples a second does training take in, and where does a step's time go?

The denoiser's step as it is (`praxino train diorama`), and as edition 0.4 had it: bfloat16 whatever
the processor, Newton-Schulz in bfloat16, all 64 places of every sentence, batches made between the
steps. Same weights, same clips, one run, medians. Then the other recipes as they are.
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from praxino.cli.train import keep_memory
from praxino.models.precision import DTYPES, fastest
from praxino.recipes import recipe
from praxino.training.diffusion import Batch, Diffusion
from praxino.training.loop import LoopConfig, train
from praxino.training.optimizer import OptimizerConfig, make_optimizer
from praxino.training.sources import NOTHING, Workplace
from praxino.training.stages import build

WARMUP = 2
Parts = dict[str, float]
"""Seconds of each part of a step."""


def medians(steps: int, work: Callable[[int], Parts]) -> Parts:
    """Of the seconds that each part of a step took."""
    rows = [work(number) for number in range(steps)][WARMUP:]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def step_parts(
    stage: Diffusion, dtype: torch.dtype, batch: Callable[[int], Batch]
) -> Callable[[int], Parts]:
    """Data, forward, backward and update of a step, one after the other."""
    rule = make_optimizer(stage.module, OptimizerConfig(lr=1e-4), dtype)

    def step(number: int) -> Parts:
        marks = [time.perf_counter()]
        data = batch(number)
        marks.append(time.perf_counter())
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss, _ = stage.loss(data, torch.Generator().manual_seed(number))
        marks.append(time.perf_counter())
        loss.backward()
        nn.utils.clip_grad_norm_(stage.module.parameters(), 1.0)
        marks.append(time.perf_counter())
        rule.step()
        rule.zero_grad(set_to_none=True)
        marks.append(time.perf_counter())
        names = ("data", "forward", "backward", "update")
        return {
            name: after - before
            for name, before, after in zip(names, marks, marks[1:], strict=False)
        }

    return step


@contextmanager
def all_places(stage: Diffusion) -> Iterator[None]:
    """The text as edition 0.4 had it: every sentence as long as the longest that can be."""
    merged = stage.text.encode_merged
    stage.text.encode_merged = lambda sentences: (stage.text.encode(sentences), None)  # type: ignore[method-assign]
    yield
    stage.text.encode_merged = merged  # type: ignore[method-assign]


def denoiser(folder: Path, steps: int, batch: int) -> None:
    settings = [
        "stage.clips=256",
        f"stage.batch={batch}",
        "stage.pictures=0",
        "stage.drop_layout=1",
    ]
    stage = build(recipe("diorama", settings).stage, NOTHING, Workplace(cache=folder))
    assert isinstance(stage, Diffusion)
    kept, here = stage.batch(0), DTYPES[fastest()]
    with all_places(stage):
        before = medians(steps, step_parts(stage, torch.bfloat16, stage.batch))
    now = medians(steps, step_parts(stage, here, stage.batch))
    hidden = medians(steps, step_parts(stage, here, lambda number: kept))
    print(
        f"{f'denoiser, {batch} films a step':<36}{'data':>8}{'forward':>9}"
        f"{'backward':>10}{'update':>8}{'films/s':>9}"
    )
    rows = (
        ("as in 0.4", before),
        (f"as it is, {fastest()}", now),
        ("batches made beside the step", hidden),
    )
    for name, parts in rows:
        widths = {"data": 8, "forward": 9, "backward": 10, "update": 8}
        seconds = "".join(f"{parts[part]:>{width}.2f}" for part, width in widths.items())
        print(f"{name:<36}{seconds}{batch / sum(parts.values()):>9.2f}")
    print(
        f"films a second, against 0.4: {sum(before.values()) / sum(hidden.values()):.1f} times as "
        f"many"
    )


def others(folder: Path, steps: int) -> None:
    print(f"{'recipe':<18}{'s a step':>9}")
    for name in ("diorama-vae-2", "diorama-layout"):
        config = recipe(
            name, [f"loop.steps={steps}", "loop.sample_every=0", "loop.save_every=1000"]
        )
        loop = LoopConfig.model_validate({**config.loop.model_dump(), "snapshot_every": 0})
        seconds, last = [], time.perf_counter()
        for _ in train(build(config.stage), loop, config.optimizer, folder / name):
            seconds.append(time.perf_counter() - last)
            last = time.perf_counter()
        print(f"{name:<18}{statistics.median(seconds[WARMUP:-1]):>9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64, help="films a step of the denoiser")
    args = parser.parse_args()
    keep_memory()
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{machine}, {args.steps} steps, medians")
    with tempfile.TemporaryDirectory() as folder:
        denoiser(Path(folder), args.steps, args.batch)
        others(Path(folder), args.steps)


if __name__ == "__main__":
    main()
