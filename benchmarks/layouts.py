"""Does a layout say what its sentence says? On scenes and wordings that training never saw.

``python benchmarks/layouts.py FOLDER [--samples N]``: paragraphs of scenes of both editions ("seen"
pairs) and of held-out pairs, one layout each; the true layouts of the same scenes beside them.
"""

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path

import torch

from praxino.data.diorama import caption, compose
from praxino.data.diorama.layouts import layout_of
from praxino.data.diorama.split import UNSEEN
from praxino.evaluation.layouts import layout_scores
from praxino.storage.weights import bundle

SHOWN = ("count", "kind", "colour", "motion", "binding", "relation", "presence")
PARTS = {
    "first edition": ("train", 1),
    "second edition": ("train", 2),
    "held-out pairs": ("held-out", 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of a model or a checkpoint that holds layout/")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--temperature", type=float, default=0.5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    network = bundle.read_layout(args.folder)
    print(f"{args.samples} paragraphs each; in brackets the true layouts' score")
    print(f"{'':16}" + "".join(f"{name:>15}" for name in SHOWN))
    seconds = []
    for label, (part, edition) in PARTS.items():
        scores, truth = defaultdict(list), defaultdict(list)
        for index in range(UNSEEN + 500_000, UNSEEN + 500_000 + args.samples):
            scene = compose(0, index, part=part, edition=edition)
            started = time.perf_counter()
            drawn = network.draw(
                caption(scene, 1, index).paragraph, index - UNSEEN, temperature=args.temperature
            )
            seconds.append(time.perf_counter() - started)
            for sums, layout in ((scores, drawn), (truth, layout_of(scene))):
                for name, value in layout_scores(layout, scene).items():
                    sums[name].append(value)
        cells = [
            f"{statistics.mean(scores[n]):.3f} ({statistics.mean(truth[n]):.2f})" for n in SHOWN
        ]
        print(f"{label:16}" + "".join(f"{cell:>15}" for cell in cells))
    print(f"{1000 * statistics.median(seconds):.0f} ms a layout, one thread")


if __name__ == "__main__":
    main()
