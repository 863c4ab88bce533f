"""How much of a clip survives an autoencoder? On clips that training never saw, of both editions of the world.

``python benchmarks/autoencoder.py diorama FOLDER ...``: PSNR in dB over all frames, of the worst frame by its number,
of rain and snow, of stars, of things with words, and of squares of clips of 128 pixels, for each model or checkpoint
that holds ``vae/``.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from praxino.data.clips import to_pixels, to_tensor
from praxino.data.diorama import Scene, compose, render
from praxino.data.diorama.split import UNSEEN
from praxino.generation.pipeline import find
from praxino.models.vae import VAE
from praxino.storage import bundle

Clips = NDArray[np.uint8]


def scenes(edition: int, wanted: Callable[[Scene], bool] = lambda scene: True) -> Iterator[Scene]:
    stream = (compose(0, UNSEEN + 700_000 + i, edition=edition) for i in itertools.count())
    return (scene for scene in stream if wanted(scene))


def is_star(scene: Scene) -> bool:
    large = any(thing.height > 0.42 and thing.kind in ("cat", "dog") for thing in scene.things)
    return large and any(thing.marking is not None and thing.marking.individual is not None for thing in scene.things)


def groups(count: int) -> dict[str, Clips]:
    """Clips by what they show."""
    chosen = {
        "first edition": scenes(1),
        "second": scenes(2),
        "rain": scenes(1, lambda scene: scene.weather == "rain"),
        "snow": scenes(1, lambda scene: scene.weather == "snow"),
        "stars": scenes(2, is_star),
        "words": scenes(2, lambda scene: any(thing.word for thing in scene.things)),
    }
    clips = {
        name: np.stack([render(s, 64, 64) for s in itertools.islice(each, count)]) for name, each in chosen.items()
    }
    large = np.stack([render(scene, 128, 128) for scene in itertools.islice(scenes(2), count)])
    return clips | {"128 pixels": large[:, :, 32:96, 32:96]}


@torch.inference_mode()
def errors(vae: VAE, clips: Clips) -> NDArray[np.float64]:
    """Mean squared error of each clip and frame: (clips, frames)."""
    made = [
        to_pixels(vae.decode(vae.encode(to_tensor(part)))) for part in np.array_split(clips, max(1, len(clips) // 8))
    ]
    return ((np.concatenate(made).astype(float) - clips) ** 2).mean(axis=(2, 3, 4))


def decibels(error: float) -> str:
    return f"{10 * np.log10(255**2 / error):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--clips", type=int, default=32, help="of each sort")
    args = parser.parse_args()
    clips = groups(args.clips)
    print(f"{'PSNR, dB':28}{'worst frame':>13}" + "".join(f"{name:>15}" for name in clips))
    for name in args.models:
        vae = bundle.read_vae(Path(name) if (Path(name) / "vae").is_dir() else find(name))
        measured = {sort: errors(vae, each) for sort, each in clips.items()}
        worst = decibels(measured["first edition"].mean(axis=0).max())
        print(f"{name[-27:]:28}{worst:>13}" + "".join(f"{decibels(each.mean()):>15}" for each in measured.values()))


if __name__ == "__main__":
    main()
