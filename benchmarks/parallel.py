"""What exact sums cost on one process: a step of the bundled denoiser's size, in this loop and in
one as anybody would write it.

    python benchmarks/parallel.py [--steps 12] [--batch 16]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from praxino.models.dit import DiT
from praxino.recipes import recipe
from praxino.training import loop, parallel
from praxino.training.optimizer import EMA, make_optimizer


class Denoising:
    """A stage that denoises noise: what it costs is all that counts."""

    def __init__(self, batch: int) -> None:
        torch.manual_seed(0)
        config = recipe("diorama").stage
        self.module: nn.Module = DiT(config.dit)
        self.sizes = (batch, config.dit.channels, 5, 8, 8)
        self.text = torch.randn(batch, 24, config.dit.text_width)

    def batch(self, number: int) -> torch.Tensor:
        return torch.randn(self.sizes, generator=torch.Generator().manual_seed(number))

    def loss(self, batch, generator):
        t = torch.rand(len(batch), 1, generator=generator)
        return (self.module(batch, t, self.text) - batch).square().mean(), {}

    def samples(self):
        return np.zeros((1, 1, 3), np.uint8)

    def save(self, folder: Path) -> None:
        (folder / "none").write_text("")


def plain(stage: Denoising, config, steps: int) -> list[float]:
    """Seconds of each step of a loop without anything around it."""
    rule = make_optimizer(stage.module, config.optimizer, torch.float32)
    weights = list(stage.module.parameters())
    average, seconds = EMA(weights, config.optimizer.ema), []
    for step in range(steps):
        begun = time.perf_counter()
        loss, _ = stage.loss(stage.batch(step), torch.Generator().manual_seed(step))
        loss.backward()
        nn.utils.clip_grad_norm_(weights, config.optimizer.clip)
        rule.step()
        rule.zero_grad(set_to_none=True)
        average.update(step)
        seconds.append(time.perf_counter() - begun)
    return seconds


def ours(stage: Denoising, config, steps: int, reduction: str) -> list[float]:
    """Seconds of each step of `praxino.training.loop`."""
    how = config.loop.model_copy(
        update={
            "steps": steps,
            "sample_every": 0,
            "save_every": 10**9,
            "save_minutes": 1e6,
            "compute": "float32",
            "parallel": parallel.ParallelConfig(reduction=reduction),
        }
    )
    seconds, begun = [], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for report in loop.train(stage, how, config.optimizer, Path(folder)):
            if report.step < steps:  # the last one writes a checkpoint
                seconds.append(time.perf_counter() - begun)
            begun = time.perf_counter()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=16)
    given = parser.parse_args()
    config = recipe("diorama")
    rows: dict[str, list[float]] = {"a plain loop": [], "fast": [], "exact": []}
    for _ in range(3):  # in turn, so that all see the same hour
        rows["a plain loop"] += plain(Denoising(given.batch), config, given.steps)[2:]
        for reduction in ("fast", "exact"):
            rows[reduction] += ours(Denoising(given.batch), config, given.steps, reduction)[2:]
    first = statistics.median(rows["a plain loop"])
    print(f"{'':14}seconds a step   of the plain loop")
    for name, seconds in rows.items():
        median = statistics.median(seconds)
        print(f"{name:14}{median:14.3f}{median / first:18.3f}")


if __name__ == "__main__":
    main()
