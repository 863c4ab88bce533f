"""What do few steps cost? ``python benchmarks/student.py MODEL [--films 48]``

A model's student in 1, 2, 4 and 8 steps, and its teacher in 20, on one suite of sentences: what the
reader finds, the distance to true renderings, motion against the teacher's, diversity of eight
seeds against the teacher's (mean distance of the reader's features), seconds a film. A model
without a student makes all rows by its denoiser. ``--sheet``: a row of films for each.
"""

import argparse
import functools
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import praxino
from praxino.evaluation import report, suite
from praxino.evaluation.features import extractor
from praxino.evaluation.judge import Judge
from praxino.evaluation.motion import motion
from praxino.evaluation.readers import READER
from praxino.generation.loading import find_model
from praxino.storage.media.video import Video, write_picture

STEPS = (1, 2, 4, 8, 20)
SEEDS = 8
SHEET_FILMS = 6
Film = NDArray[np.uint8]


def make(model: Path, steps: int) -> Callable[[str, int, int], Any]:
    """Films of so many steps."""
    pipeline = praxino.load(model)
    return lambda prompt, seed, _: film_of(pipeline, prompt, seed, steps)


def film_of(pipeline: praxino.Pipeline, prompt: str, seed: int, steps: int) -> Video:
    """A film that is looked at by networks alone: it gets no mark."""
    *_, last = pipeline.run(pipeline.request(prompt, seed=seed, steps=steps), None)
    assert last.video is not None
    return last.video


def scores(model: Path, steps: int, cases: Sequence[suite.Case], home: Path) -> dict[str, float]:
    folder = home / str(steps)
    films = Judge(functools.partial(make, model, steps), model, READER, folder)
    found = report.summary(list(suite.run(cases, films, folder, 1)))
    whole = {}
    for by_source in found["scores"].values():
        for name, sources in by_source.items():
            if "model" in sources:
                whole.setdefault(name, []).append(sources["model"])
    means = {
        name: sum(one["mean"] * one["films"] for one in parts) / sum(one["films"] for one in parts)
        for name, parts in whole.items()
    }
    return means | {name: of["model"] for name, of in found["distances"].items() if "model" in of}


def moving(films: Sequence[Film], fps: float) -> float:
    """Mean dynamic degree."""
    return float(np.mean([motion(film, fps).dynamic for film in films]))


def diversity(films: Sequence[Sequence[Film]]) -> float:
    """Mean distance of the reader's features of films of one sentence."""
    features = extractor("reader").rows
    distances = []
    for of_one in films:
        vectors = [features(film).ravel() for film in of_one]
        distances += [np.linalg.norm(a - b) for a, b in itertools.combinations(vectors, 2)]
    return float(np.mean(distances))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("model", nargs="?", default="diorama")
    parser.add_argument("--films", type=int, default=48)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    model = find_model(options.model)
    pipeline, cases = praxino.load(model), suite.cases("diorama", options.films)
    config = pipeline.model.config
    prompts = [
        case.prompt(case.scene(config.frames, config.width / config.height, config.fps))
        for case in cases[:SHEET_FILMS]
    ]
    rows, table = [], {}
    with tempfile.TemporaryDirectory() as home:
        for steps in STEPS:
            row = scores(model, steps, cases, Path(home))
            films, seconds = [], []
            for prompt in prompts:
                of_one = []
                for seed in range(SEEDS):
                    began = time.perf_counter()
                    video = film_of(pipeline, prompt, seed, steps)
                    seconds.append(time.perf_counter() - began)
                    of_one.append(video.frames)
                films.append(of_one)
            row |= {
                "dynamic": moving([film for of_one in films for film in of_one], config.fps),
                "diversity": diversity(films),
                "seconds": statistics.median(seconds),
            }
            table[f"{steps}, {video.record['sampler']}"] = row
            middle = [of_one[0][[0, 5, 10, 15]] for of_one in films]
            rows.append(np.concatenate([frame for four in middle for frame in four], axis=1))
    print_table(table)
    if options.sheet:
        write_picture(options.sheet, np.concatenate(rows))


def print_table(table: dict[str, dict[str, float]]) -> None:
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    print(f"{'':<24} {' '.join(f'{steps:>12}' for steps in table)}")
    for name in names:
        cells = " ".join(f"{row.get(name, float('nan')):>12.3f}" for row in table.values())
        print(f"{name:<24} {cells}")
    teacher = list(table.values())[-1]
    for name in ("dynamic", "diversity"):
        cells = " ".join(f"{row[name] / teacher[name]:>12.2f}" for row in table.values())
        print(f"{name + ' / teacher':<24} {cells}")


if __name__ == "__main__":
    main()
