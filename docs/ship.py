"""Put a finished run into the package: ``python docs/ship.py runs/diorama 1.0 --layout
runs/diorama-layout``.

Copies the run's model (or its autoencoder, refiner, student, reader, or network that tells
individuals apart) as bfloat16 to ``src/praxino/bundled`` and
draws its losses as ``docs/curves-1.0.png`` (``docs/curves-reader-1.0.png``). A denoiser that is
told layouts ships with the network that draws them.
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from praxino.evaluation import identity
from praxino.evaluation.readers import IDENTITY, READER, read_identity, read_reader
from praxino.models.dit import DiT, DiTConfig
from praxino.storage.weights import bundle, checkpoint

HERE = Path(__file__).parent
LOSSES = {
    "denoiser": ("loss", "loss/q1", "loss/q2", "loss/q3", "loss/q4", "loss/pictures"),
    "autoencoder": ("pixels", "gradients", "kl"),
    "identity": ("loss", "right/nearest"),
    "refiner": ("loss", "kept"),
    "student": ("loss", "points", "spans"),
    "reader": (
        "heat",
        "offset",
        "height",
        "colour",
        "motion",
        "heading",
        "camera",
        "light",
        "weather",
    ),
}


def curves(run: Path, what: str, target: Path) -> None:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for name in LOSSES[what]:
        points = [(row["step"], row[name]) for row in rows if name in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=name, linewidth=0.8)
    axes.set(title=f"{what}: losses", xlabel="step", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    figure.savefig(target, dpi=100)


def main(run: Path, edition: str, layout: Path | None) -> None:
    if (run / "final" / "identity").exists():
        what, target = "identity", IDENTITY
        own = read_identity(run / "final")
        judge = identity.IdentityJudge(read_reader(), own)
        cosines = identity.true_cosines(judge, bundle.read_vae(bundle.BUNDLED / "diorama"))
        least = round(float(np.percentile(cosines, 5)), 3)
        print(f"threshold: 5% of {len(cosines)} true films are below {least}")
        config = own.config.model_copy(update={"threshold": least})
        checkpoint.save(target / "identity", config, own.state_dict(), torch.bfloat16)
    elif beside := [name for name in ("refiner", "student") if (run / "final" / name).exists()]:
        what, target = beside[0], bundle.BUNDLED / "diorama" / beside[0]
        network = bundle.read_part(run / "final" / what, DiT, DiTConfig)
        checkpoint.save(target, network.config, network.state_dict(), torch.bfloat16)
    elif (run / "final" / "reader").exists():
        what, target = "reader", READER
        reader = read_reader(run / "final")
        checkpoint.save(target / "reader", reader.config, reader.state_dict(), torch.bfloat16)
    else:
        what, target = "denoiser", bundle.BUNDLED / "diorama"
        whole = (run / "final" / "dit").exists()
        model = bundle.read(run / "final" if whole else target)
        if not whole:
            what, model.vae = "autoencoder", bundle.read_vae(run / "final")
        parts = {"vae": model.vae, "dit": model.dit, "text": model.text}
        if model.dit.config.layout:
            drawn = bundle.read_layout(layout / "final") if layout else model.layout
            if drawn is None:
                raise SystemExit(
                    "this denoiser is told layouts: --layout RUN names the network that draws them"
                )
            parts["layout"] = drawn
        bundle.write(target, model.config, torch.bfloat16, **parts)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{target}: {size / 1e6:.2f} MB")
    prefix = "" if what == "denoiser" else f"{what}-"
    curves(run, what, HERE / f"curves-{prefix}{edition}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("edition")
    parser.add_argument("--layout", type=Path, help="run of the recipe diorama-layout")
    args = parser.parse_args()
    main(args.run, args.edition, args.layout)
