"""What does each choice of the bundled model's recipe buy? One change at a time, the same steps,
the same sentences.

``python benchmarks/ablations.py --steps 400``: trains the recipe ``diorama-64`` briefly, then again
with each change, and has the reader judge films of each. Finished runs stay in ``--folder``. The
last lines repeat the first with other clips, first weights and noise: differences smaller than
between those mean nothing.
"""

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from baselines import asked, judged, same_terms

from praxino import recipes
from praxino.evaluation.suite import Case
from praxino.generation.loading import load
from praxino.models.precision import fastest
from praxino.training import loop
from praxino.training.sources import NOTHING, Workplace
from praxino.training.stages import build

CHANGES: dict[str, list[str]] = {
    "as in the recipe": [],
    "predict x0": ["stage.bundle.prediction=x0"],
    "cosine path, v": ["stage.bundle.path=vp-cosine", "stage.bundle.prediction=v"],
    "uniform times": ["stage.times=uniform"],
    "times shifted by 1": ["stage.shift=1.0"],
    "times shifted by 3": ["stage.shift=3.0"],
    "no paragraphs": ["stage.paragraphs=0.0"],
    "mostly paragraphs": ["stage.paragraphs=0.7"],
    "no pictures": ["stage.pictures=0"],
    "nothing kept clean": [
        "stage.tasks.frames=0.0",
        "stage.tasks.box=0.0",
        "stage.tasks.border=0.0",
    ],
    "4 wide layers": [
        "stage.dit.layers=4",
        "stage.dit.width=336",
        "stage.dit.heads=4",
        "stage.dit.ffn=928",
    ],
    "12 narrow layers": [
        "stage.dit.layers=12",
        "stage.dit.width=200",
        "stage.dit.heads=4",
        "stage.dit.ffn=520",
    ],
    "EMA 0.99": ["optimizer.ema=0.99"],
    "AdamW": ["optimizer.matrices=adamw", "optimizer.lr=1e-3"],
    "other seeds": ["loop.seed=7", "stage.seed=7"],
    "third seeds": ["loop.seed=8", "stage.seed=8"],
}
SHOWN = ("seconds a step", "frechet", "attributes", "kind", "colour", "motion", "count", "popping")


def measured(name: str, folder: Path, base: list[str], chosen: list[Case]) -> dict[str, Any]:
    path = folder / name.replace(" ", "-").replace(",", "")
    if not (path / "found.json").exists():
        config = recipes.recipe("diorama-64", ["loop.sample_every=0", *base, *CHANGES[name]])
        stage = build(config.stage, NOTHING, Workplace(cache=folder.parent))
        for _ in loop.train(stage, config.loop, config.optimizer, path, any(path.glob("step-*"))):
            pass
        rows = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
        seconds = float(np.median([row["seconds"] for row in rows]))
        pipeline = load(path / "final", "cpu")
        films = lambda scene, said, seed: pipeline.generate(said, seed=seed).frames  # noqa: E731
        found = {"seconds a step": seconds} | judged(films, chosen, path / "films.png")
        (path / "found.json").write_text(json.dumps(found, indent=1) + "\n")
    return json.loads((path / "found.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--clips", type=int, default=4096)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--only", nargs="*", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--folder", type=Path, default=Path("runs/ablations"))
    given = parser.parse_args()
    terms = {name: value for name, value in vars(given).items() if name not in ("only", "folder")}
    same_terms(given.folder, terms)
    base = [
        f"loop.steps={given.steps}",
        f"loop.save_every={given.steps}",
        f"stage.batch={given.batch}",
    ]
    base += [f"stage.clips={given.clips}", "optimizer.ema=0.995"]
    chosen = asked(given.samples)
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{fastest()} in training"
    )
    print(
        f"{given.steps} steps of {given.batch}, {given.clips} clips, {given.samples} films of "
        f"unseen sentences"
    )
    print(f"{'':20}" + "".join(f"{name:>15}" for name in SHOWN), flush=True)
    for name in given.only:
        found = measured(name, given.folder, base, chosen)
        print(f"{name:20}" + "".join(f"{found[key]:15.3f}" for key in SHOWN), flush=True)


if __name__ == "__main__":
    main()
