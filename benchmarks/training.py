"""How many samples a second does training take in? Both recipes, on this machine, as shipped."""

import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch

from praxino.recipes import recipe
from praxino.training.loop import train
from praxino.training.runs import TrainConfig
from praxino.training.sources import NOTHING, Workplace
from praxino.training.stages import build

WARMUP, STEPS = 5, 25


def rate(config: TrainConfig, folder: Path) -> tuple[float, float]:
    """Median seconds a step and samples a second."""
    stage = build(config.stage, NOTHING, Workplace(cache=folder))
    counts = [
        len(batch[0] if isinstance(batch, tuple) else getattr(batch, "latents", batch))
        for batch in map(stage.batch, range(20))
    ]
    seconds, last = [], time.perf_counter()
    for _ in train(stage, config.loop, config.optimizer, folder / "run"):
        seconds.append(time.perf_counter() - last)
        last = time.perf_counter()
    steady = seconds[WARMUP:STEPS]
    return statistics.median(steady), statistics.mean(counts) / statistics.mean(steady)


def main() -> None:
    torch.set_float32_matmul_precision("medium")
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, bfloat16, {STEPS} steps"
    )
    print(f"{'recipe':<14}{'s a step':>9}{'samples/s':>11}")
    quick = [f"loop.steps={STEPS}", "loop.sample_every=0", "loop.save_every=1000"]
    for name, settings in (("diorama-vae", quick), ("diorama-64", [*quick, "stage.clips=512"])):
        with tempfile.TemporaryDirectory() as folder:
            step, samples = rate(recipe(name, settings), Path(folder))
        print(f"{name:<14}{step:>9.2f}{samples:>11.1f}")


if __name__ == "__main__":
    main()
