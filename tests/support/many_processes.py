"""A program for torchrun: fine-tunes a tiny model in several ways, and prints what its weights
became.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch

from praxino.recipes import recipe
from praxino.storage.weights import bundle
from praxino.training import loop, parallel
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build


def digest(folder):
    """What a run's last weights are called."""
    model = bundle.read(folder / "final")
    total = hashlib.sha256()
    for part in (model.dit, model.text):
        for _, weight in sorted(part.state_dict().items()):
            total.update(weight.float().numpy().tobytes())
    return total.hexdigest()[:12]


def run(ranks, name, words, steps, folder, dataset, model):
    """A run's digest and its norms of gradients, from the first process."""
    torch.set_num_threads(1)
    settings = [
        f"stage.dataset={dataset}",
        "stage.batch=1",
        "stage.held_out=0.3",
        "loop.micro_batches=6",
        "loop.sample_every=0",
        "loop.save_every=1",
        "loop.compute=float32",
        f"loop.steps={steps}",
        *words,
    ]
    config = recipe("finetune", settings)
    if ranks.world > 1:
        ranks = parallel.group(config.loop.parallel, torch.device("cpu"))
    with ranks.first_in_turn():
        stage = build(config.stage, Sources(init=model), Workplace(cache=folder))
    ranks.broadcast(stage.module)
    target = folder / name
    reports = loop.train(stage, config.loop, config.optimizer, target, True, ranks=ranks)
    result = {"norms": [report.metrics["gradient"] for report in reports]}
    if ranks.first and not config.stage.lora:
        result["digest"] = digest(target)
    elif ranks.first:
        content = (target / "final" / "lora.safetensors").read_bytes()
        result["digest"] = hashlib.sha256(content).hexdigest()[:12]
    return result if ranks.first else None


def main():
    order = json.loads(Path(sys.argv[1]).read_text())
    places = [Path(order[name]) for name in ("folder", "dataset", "model")]
    with parallel.join(parallel.ParallelConfig(), 6, torch.device("cpu")) as ranks:
        results = {name: run(ranks, name, *case, *places) for name, case in order["cases"].items()}
    if all(results.values()):
        (Path(sys.argv[1]).with_suffix(".out")).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
