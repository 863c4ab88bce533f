"""Why did diffusion win? Six ways to make pictures from sentences, on one world, with equal
processor time: ``python benchmarks/ways.py FOLDER [--minutes 10] [--seeds 5]``

For each way three learning rates are tried for a third of the time each, and the best one is
trained as often as there are seeds. Budgets are minutes of processor time, so that other work on
the machine counts for nobody; what is finished stays in FOLDER, and the same command goes on. At
four moments of every run pictures are drawn and read:

- **census**: pictures of no sentence; which kinds and colours, which places and times occur
  (modes), and how far their shares are from the world's (KL); beside them the floors: true
  pictures read back, and as many as were drawn from the world itself;
- **within a sentence**: how much of what it leaves open varies (entropy, spread of features),
  against the world;
- **quality**: kernel distance of the reader's features, and what the reader finds of sentences;
- **copies**: distance to the nearest training picture, against pictures never seen;
- seconds a picture, arithmetic a step, and how many steps the budget held.
"""

import argparse
import itertools
import json
import math
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from praxino import recipes
from praxino.data.diorama import Scene, caption
from praxino.data.diorama.layouts import shown_things
from praxino.data.diorama.split import UNSEEN
from praxino.data.pixels import to_tensor
from praxino.errors import TrainingError
from praxino.evaluation.frechet import kernel_distance
from praxino.evaluation.readers import read_reader
from praxino.models.reader import Reading
from praxino.storage.media.video import write_picture
from praxino.training import loop
from praxino.training.runs import TrainConfig
from praxino.training.sources import NOTHING, Workplace
from praxino.training.stages import build
from praxino.training.ways.gan import GANConfig
from praxino.training.ways.pictures import SHOWN, Pictures, read
from praxino.training.ways.recipes import WAYS
from praxino.training.ways.stills import Stills
from praxino.training.ways.tokens import TokensConfig

Pixels = NDArray[np.uint8]
MOMENTS = (0.125, 0.25, 0.5, 1.0)
"""Parts of the budget after which pictures are drawn."""
SWEEP = 1000
"""The seed of runs that try learning rates."""
RATES = (0.4, 1.0, 2.5)
"""Learning rates that are tried, in parts of the recipe's."""
CENSUS, ASKED, OPEN = 512, 128, 48
"""Pictures of no sentence; of sentences; and of each sentence that leaves things open."""
REPEATED = 5
"""A picture is a film of so many equal frames for the reader."""
AT_ONCE = 32
WHICH = Stills(0, 64)
AXES = ("kind and colour", "place and time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--count", type=int, default=8192)
    args = parser.parse_args()
    judge = Judge(args.count)
    for name in args.ways:
        best = sweep(args, name, judge)
        for seed in range(args.seeds):
            run(args, name, best, seed, args.minutes, judge, MOMENTS)
    table(args.folder, judge)


def sweep(args: argparse.Namespace, name: str, judge: "Judge") -> float:
    """The learning rate, in parts of the recipe's, that is best after a third of the time."""
    results = {}
    for rate in RATES:
        last = run(args, name, rate, SWEEP, args.minutes / 3, judge, (1.0,))[-1]
        results[rate] = last.get("kernel x 1000", math.inf) if last["finite"] else math.inf
    return min(results, key=lambda rate: results[rate])


def run(
    args: argparse.Namespace,
    name: str,
    rate: float,
    seed: int,
    minutes: float,
    judge: "Judge",
    moments: Sequence[float],
) -> list[dict[str, Any]]:
    """What was measured at each moment of one run, or read of one that is finished. A run that was
    cut off begins anew.
    """
    folder = args.folder / f"{name}-{args.count}-{minutes:.3g}-{rate:g}-{seed}"
    path = folder / "measured.json"
    if path.exists():
        result: list[dict[str, Any]] = json.loads(path.read_text())
        return result
    shutil.rmtree(folder, ignore_errors=True)
    train, stage = prepared(args, name, rate, seed, 60 * minutes)
    rows, spent, steps = list[dict[str, Any]](), 0.0, 0
    for moment in moments:
        budget = 60 * minutes * moment
        spent, steps, finite = until(stage, train, folder, budget, spent, steps)
        row: dict[str, Any] = {"moment": moment, "steps": steps, "minutes": spent / 60}
        row |= {"finite": finite, "TFLOP": arithmetic(stage, steps) / 1e12}
        if finite:
            way = read(folder / f"step-{steps:07d}")
            row |= judge.measured(way, folder / f"sheet-{moment:g}.png", seed)
        rows.append(row)
        print(name, rate, seed, {key: round(value, 3) for key, value in row.items()}, flush=True)
        if not finite:
            break
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows))
    return rows


def prepared(
    args: argparse.Namespace, name: str, rate: float, seed: int, seconds: float
) -> tuple[TrainConfig, Any]:
    """A run whose warm-up, whose averages and whose phases are parts of the time, and its stage."""
    train = recipes.recipe(
        f"ways-{name}",
        [
            "loop.steps=1000000", f"stage.seed={seed}", f"stage.count={args.count}",
            "loop.sample_every=0", "loop.save_every=1000000", "loop.save_minutes=600",
        ],
    )  # fmt: skip
    steps = max(20.0, seconds / timed_step(build_stage(train.stage, args.folder), 0))
    optimizer = train.optimizer.model_copy(
        update={
            "lr": rate * train.optimizer.lr,
            "warmup": round(0.05 * steps),
            "ema": 1 - 1 / max(10.0, 0.1 * steps),
        }
    )
    model = train.stage.model
    if isinstance(model, GANConfig):
        model = model.model_copy(update={"anneal": max(1, round(0.6 * steps))})
    if isinstance(model, TokensConfig):  # half of the time for each part
        model = model.model_copy(update={"switch": max(1, round(steps / 2))})
    stage = train.stage.model_copy(update={"model": model})
    train = train.model_copy(update={"optimizer": optimizer, "stage": stage})
    return train, build_stage(stage, args.folder)


def build_stage(config: Any, cache: Path) -> Any:
    return build(config, NOTHING, Workplace(cache=cache))


def until(
    stage: Any, train: TrainConfig, folder: Path, budget: float, spent: float, steps: int
) -> tuple[float, int, bool]:
    """Go on until so many seconds of processor time are spent on steps."""
    began = time.process_time() - spent
    stopped = lambda: time.process_time() - began >= budget  # noqa: E731
    try:
        for report in loop.train(
            stage, train.loop, train.optimizer, folder, steps > 0, None, stopped
        ):
            steps = report.step
    except TrainingError as error:  # not finite
        print(f"{folder.name}: {error}", flush=True)
        return time.process_time() - began, steps, False
    return time.process_time() - began, steps, True


def timed_step(stage: Any, number: int) -> float:
    """Seconds of processor time of a step there and back, the median of three warm ones."""
    times = []
    for _ in range(4):
        began = time.process_time()
        batch = stage.batch(number)
        stage.loss(batch, torch.Generator().manual_seed(0))[0].backward()
        times.append(time.process_time() - began)
    stage.module.zero_grad()
    return float(np.median(times[1:]))


def arithmetic(stage: Any, steps: int) -> float:
    """Floating-point operations of so many steps, there and back."""
    model = stage.config.model
    if isinstance(model, TokensConfig) and steps > model.switch:
        first = model.switch * flops(stage, 0)
        return first + (steps - model.switch) * flops(stage, model.switch)
    return steps * flops(stage, 0)


def flops(stage: Any, number: int) -> float:
    backward = {torch.ops.aten.convolution_backward: grouped}
    with FlopCounterMode(display=False, custom_mapping=backward) as counter:
        stage.loss(stage.batch(number), torch.Generator().manual_seed(0))[0].backward()
    stage.module.zero_grad()
    return float(counter.get_total_flops())


def grouped(gradient: Any, x: Any, weight: Any, *others: Any, out_shape: Any = None) -> int:
    """Operations of a convolution's gradients, of which torch's own counter forgets the groups."""
    each = 2 * math.prod(gradient) * math.prod(weight[1:])  # weight: (outputs, inputs / groups, ..)
    return each * sum(bool(one) for one in others[-1][:2])  # of what goes in, of weights


class Judge:
    """The reader, and what it says of the world itself."""

    def __init__(self, count: int) -> None:
        self.reader, self.count = read_reader(), count
        self.truth = {
            axis: Counter(
                itertools.chain.from_iterable(cells(scene)[axis] for scene in scenes(4000))
            )
            for axis in AXES
        }
        self.seen = WHICH.pixels(0, count).permute(0, 2, 3, 1).numpy()
        unseen = [WHICH.scene(UNSEEN + n) for n in range(CENSUS)]
        self.true = np.stack([drawn(scene) for scene in unseen])
        self.true_features = self.features(self.true)
        self.seen_features = self.features(self.seen)

    def measured(self, way: Pictures, sheet: Path, seed: int) -> dict[str, float]:
        began = time.process_time()
        free = batches(way, [""] * CENSUS, seed)
        seconds = (time.process_time() - began) / CENSUS
        readings = self.read(free)
        row = {"seconds a picture": seconds} | self.census(readings)
        features = self.features(free)
        row["kernel x 1000"] = 1000 * kernel_distance(self.true_features, features)[0]
        row["nearest / unseen's"] = self.copies(features) / self.copies(self.true_features)
        row |= self.asked(way, seed)
        row |= self.open(way, seed)
        rows = batches(way, [text for text in SHOWN for _ in range(8)], seed)
        write_picture(sheet, grid(rows, 8))
        return row

    def census(self, readings: Sequence[Reading]) -> dict[str, float]:
        """Cells that occur, and the divergence of their shares from the world's."""
        row = {}
        for axis in AXES:
            found = Counter(itertools.chain.from_iterable(seen_cells(r)[axis] for r in readings))
            row[f"{axis}: modes"] = sum(1 for cell in self.truth[axis] if found[cell])
            row[f"{axis}: KL"] = divergence(found, self.truth[axis])
        row["nothing is read"] = float(np.mean([not reading.things for reading in readings]))
        return row

    def asked(self, way: Pictures, seed: int) -> dict[str, float]:
        """What the reader finds of sentences never seen."""
        wanted = [WHICH.scene(UNSEEN + 10_000 + n) for n in range(ASKED)]
        words = [caption(scene, 0, n).paragraph for n, scene in enumerate(wanted)]
        readings = self.read(batches(way, words, seed))
        kinds, colours, places = [], [], []
        for scene, reading in zip(wanted, readings, strict=True):
            kinds_seen = {one.kind for one in reading.things}
            pairs_seen = {(one.kind, one.colour) for one in reading.things}
            for thing in shown_things(scene):
                kinds.append(thing.kind in kinds_seen)
                colours.append((thing.kind, thing.colour) in pairs_seen)
            places.append(reading.scene.get("place") == scene.place)
        return {"kind": mean(kinds), "kind in its colour": mean(colours), "place": mean(places)}

    def open(self, way: Pictures, seed: int) -> dict[str, float]:
        """Within one sentence: entropy of the colours of what has none, and spread of features."""
        entropies, spreads = [], []
        for text, kind in (("a ball on the grass", "ball"), ("a car in a city", "car")):
            drawn_ = batches(way, [text] * OPEN, seed)
            colours = Counter(
                one.colour for reading in self.read(drawn_) for one in reading.things
                if one.kind == kind
            )  # fmt: skip
            entropies.append(entropy(colours))
            spreads.append(spread(self.features(drawn_)))
        return {"colours (bits)": mean(entropies), "spread": mean(spreads)}

    @torch.inference_mode()
    def read(self, pictures: Pixels) -> list[Reading]:
        parts = np.array_split(pictures, math.ceil(len(pictures) / AT_ONCE))
        return [r for part in parts for r in self.reader.read(as_films(part))]

    @torch.inference_mode()
    def features(self, pictures: Pixels) -> NDArray[np.float64]:
        parts = np.array_split(pictures, math.ceil(len(pictures) / AT_ONCE))
        return np.concatenate(
            [self.reader.features(as_films(part)).double().numpy() for part in parts]
        )

    def copies(self, features: NDArray[np.float64]) -> float:
        """Median distance to the nearest training picture."""
        apart = np.sqrt(
            np.maximum(
                (features**2).sum(1)[:, None] + (self.seen_features**2).sum(1)
                - 2 * features @ self.seen_features.T, 0,
            )
        )  # fmt: skip
        return float(np.median(apart.min(1)))

    def floors(self) -> dict[str, dict[str, float]]:
        """The same measures of true pictures, and of as many cells drawn from the world."""
        half = len(self.true) // 2
        read_back = self.census(self.read(self.true))
        read_back["kernel x 1000"] = (
            1000 * kernel_distance(self.true_features[:half], self.true_features[half:])[0]
        )
        read_back["nearest / unseen's"] = 1.0
        chance = np.random.default_rng(0)
        sampled = {}
        for axis in AXES:
            names, counts = zip(*self.truth[axis].items(), strict=True)
            shares = np.array(counts) / sum(counts)
            found = Counter(
                {names[i]: int(n) for i, n in enumerate(chance.multinomial(CENSUS, shares))}
            )
            sampled[f"{axis}: modes"] = float(sum(1 for n in found.values() if n))
            sampled[f"{axis}: KL"] = divergence(found, self.truth[axis])
        return {"true pictures": read_back, "as many drawn cells": sampled}


def scenes(count: int) -> Iterator[Scene]:
    return (WHICH.scene(n) for n in range(count))


def cells(scene: Scene) -> dict[str, list[tuple[str, str]]]:
    return {
        AXES[0]: [(thing.kind, thing.colour) for thing in shown_things(scene)],
        AXES[1]: [(scene.place, scene.time)],
    }


def seen_cells(reading: Reading) -> dict[str, list[tuple[str, str]]]:
    return {
        AXES[0]: [(one.kind, one.colour) for one in reading.things],
        AXES[1]: [(reading.scene.get("place", ""), reading.scene.get("time", ""))],
    }


def divergence(found: Counter[Any], truth: Counter[Any]) -> float:
    """KL(found || truth) in bits, half a picture added to every cell of both."""
    names = sorted(set(found) | set(truth))
    one, other = (np.array([counts[name] + 0.5 for name in names]) for counts in (found, truth))
    one, other = one / one.sum(), other / other.sum()
    return float((one * np.log2(one / other)).sum())


def entropy(counts: Counter[str]) -> float:
    """Bits."""
    shares = np.array(list(counts.values())) / max(1, counts.total())
    return float(-(shares * np.log2(shares)).sum()) if len(shares) else 0.0


def spread(features: NDArray[np.float64]) -> float:
    """Mean distance of pairs."""
    return mean([float(np.linalg.norm(a - b)) for a, b in itertools.combinations(features, 2)])


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def drawn(scene: Scene) -> Pixels:
    from praxino.data.diorama import render

    return render(scene, WHICH.size, WHICH.size)[0]


def as_films(pictures: Pixels) -> torch.Tensor:
    return to_tensor(np.repeat(pictures[:, None], REPEATED, axis=1))


def batches(way: Pictures, words: Sequence[str], seed: int) -> Pixels:
    parts = [words[first : first + AT_ONCE] for first in range(0, len(words), AT_ONCE)]
    return np.concatenate([way.draw(part, 7919 * seed + n) for n, part in enumerate(parts)])


def grid(pictures: Pixels, columns: int) -> Pixels:
    rows = [
        np.concatenate(list(pictures[i : i + columns]), axis=1)
        for i in range(0, len(pictures), columns)
    ]
    return np.concatenate(rows)


def table(folder: Path, judge: Judge) -> None:
    """Medians of the seeds, and their least and largest, at the end of the time."""
    columns: dict[str, list[dict[str, float]]] = {}
    for path in sorted(folder.glob("*/measured.json")):
        *name, _, _, _, seed = path.parent.name.split("-")
        if int(seed) != SWEEP:
            columns.setdefault("-".join(name), []).append(json.loads(path.read_text())[-1])
    for name, row in judge.floors().items():
        columns[name] = [row]
    keys = list(dict.fromkeys(key for rows in columns.values() for row in rows for key in row))
    for key in keys:
        print(f"\n{key}")
        for name, rows in columns.items():
            values = [float(row[key]) for row in rows if key in row]
            if values:
                low, high = min(values), max(values)
                print(f"  {name:22}{np.median(values):10.3f}   {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
