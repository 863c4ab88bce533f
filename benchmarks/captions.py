"""Do longer sentences make better films? ``python benchmarks/captions.py [MODEL] --films 24``.

The same scenes, which no training sees, asked for in four ways: by a few words that name the things
alone, by these completed by the grammar (``--recaption grammar``), by a sentence, and by the
paragraph of the suites. Scored by the bundled reader on what all four say: the things.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np

from praxino.data.diorama import caption, compose
from praxino.data.diorama.expand import expand
from praxino.data.pixels import to_tensor
from praxino.evaluation.diorama import scores
from praxino.evaluation.features import as_seen
from praxino.evaluation.readers import read_reader
from praxino.generation import loading

SEED = 31_415
NAMES = ("kind", "colour", "motion", "presence", "count", "binding")


def short(sentence: str) -> str:
    """The beginning of a sentence, up to where and when."""
    cut = [sentence.find(f" {word} ") for word in ("on", "in", "at", "by", "along", "across",
                                                   "through", "during", "under", "over", "as",
                                                   "while", "with clouds")]  # fmt: skip
    ends = [at for at in (*cut, sentence.find(",")) if at > 8]
    return sentence[: min(ends)] if ends else sentence


def main(model: str, films: int) -> None:
    pipeline, reader = loading.load(model), read_reader()
    config = pipeline.model.config
    rows: dict[str, list[dict[str, float]]] = {}
    done, index = 0, 0
    while done < films:
        scene = compose(SEED, index, config.frames, config.width / config.height, config.fps)
        words = caption(scene, SEED, index)
        index += 1
        if not scene.things:
            continue
        done += 1
        few = short(words.sentence)
        ways = {
            "few words": few,
            "few words, grammar": expand(few, index),
            "sentence": words.sentence,
            "paragraph": words.paragraph,
        }
        for way, prompt in ways.items():
            request = pipeline.request(prompt, seed=index)
            *_, last = pipeline.run(request, None)
            film = as_seen(last.video.frames)
            reading = reader.read(to_tensor(film[None]))[0]
            rows.setdefault(way, []).append(scores(film, scene, reading))
        print(f"{done} of {films}: {few} | {ways['few words, grammar']}", flush=True)
    print(f"\n{model}, {films} scenes of seed {SEED}\n")
    print(f"{'':22}" + "".join(f"{name:>10}" for name in NAMES) + f"{'mean':>10}")
    for way, own in rows.items():
        means = [statistics.fmean(row[n] for row in own if n in row and np.isfinite(row[n]))
                 if any(n in row for row in own) else float("nan") for n in NAMES]  # fmt: skip
        cells = "".join(f"{value:10.3f}" for value in means)
        print(f"{way:22}{cells}{statistics.fmean(v for v in means if np.isfinite(v)):10.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="diorama")
    parser.add_argument("--films", type=int, default=24)
    args = parser.parse_args()
    main(str(Path(args.model)) if Path(args.model).is_dir() else args.model, args.films)
