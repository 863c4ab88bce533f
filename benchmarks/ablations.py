"""What does each choice of the bundled model's recipe buy? One change at a time, the same steps, the same sentences.

``python benchmarks/ablations.py --steps 400``: trains the recipe ``diorama-64`` briefly, then again with each change,
and has the reader judge films of each. Finished runs stay in ``--folder``. The last line repeats the first with other
seeds: differences smaller than between those two mean nothing.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from baselines import judged, truth

from praxino import recipes
from praxino.generation.pipeline import Pipeline, load
from praxino.training import loop

CHANGES: dict[str, list[str]] = {
    "as shipped": [],
    "predict x0": ["stage.bundle.prediction=x0"],
    "cosine path, v": ["stage.bundle.path=vp-cosine", "stage.bundle.prediction=v"],
    "uniform times": ["stage.times=uniform"],
    "times shifted by 1": ["stage.shift=1.0"],
    "times shifted by 3": ["stage.shift=3.0"],
    "no paragraphs": ["stage.paragraphs=0.0"],
    "mostly paragraphs": ["stage.paragraphs=0.7"],
    "no pictures": ["stage.pictures=0"],
    "nothing kept clean": ["stage.keep_frames=0.0", "stage.keep_box=0.0"],
    "4 wide layers": ["stage.dit.layers=4", "stage.dit.width=336", "stage.dit.heads=4", "stage.dit.ffn=928"],
    "12 narrow layers": ["stage.dit.layers=12", "stage.dit.width=200", "stage.dit.heads=4", "stage.dit.ffn=520"],
    "EMA 0.99": ["optimizer.ema=0.99"],
    "AdamW": ["optimizer.matrices=adamw", "optimizer.lr=1e-3"],
    "other seeds": ["loop.seed=7"],
}
SHOWN = ("seconds a step", "frechet", "attributes", "kind", "colour", "motion", "count", "popping")


class Films:
    """A finished run, asked as `judged` asks."""

    def __init__(self, folder: Path) -> None:
        self.pipeline: Pipeline = load(folder, "cpu")

    def films(self, said: list[str], generator: torch.Generator) -> np.ndarray:
        return np.stack([self.pipeline.generate(each, seed=generator.initial_seed()).frames for each in said])


def measured(name: str, folder: Path, base: list[str], samples: int, true: np.ndarray) -> dict[str, Any]:
    path = folder / name.replace(" ", "-").replace(",", "")
    if not (path / "found.json").exists():
        config = recipes.recipe("diorama-64", [*base, *CHANGES[name]])
        stage = recipes.build(config, cache=folder.parent)
        torch.manual_seed(config.loop.seed)
        for _ in loop.train(stage, config.loop, config.optimizer, path, any(path.glob("step-*"))):
            pass
        rows = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
        seconds = float(np.median([row["seconds"] for row in rows]))
        found = {"seconds a step": seconds} | judged(Films(path / "final"), samples, true, path / "films.png")
        (path / "found.json").write_text(json.dumps(found, indent=1) + "\n")
    return json.loads((path / "found.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--clips", type=int, default=4096)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--only", nargs="*", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--folder", type=Path, default=Path("runs/ablations"))
    asked = parser.parse_args()
    base = [f"loop.steps={asked.steps}", f"loop.save_every={asked.steps}", f"stage.batch={asked.batch}"]
    base += [f"stage.clips={asked.clips}", "optimizer.ema=0.995"]
    true = truth(640)
    print(f"{asked.steps} steps of {asked.batch}, {asked.clips} clips, {asked.samples} films of unseen sentences")
    print(f"{'':20}" + "".join(f"{name:>15}" for name in SHOWN), flush=True)
    for name in asked.only:
        found = measured(name, asked.folder, base, asked.samples, true)
        print(f"{name:20}" + "".join(f"{found[key]:15.3f}" for key in SHOWN), flush=True)


if __name__ == "__main__":
    main()
