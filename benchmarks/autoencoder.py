"""How much of a clip survives an autoencoder? On clips that training never saw, of both editions of
the world.

``python benchmarks/autoencoder.py diorama FOLDER ...``: PSNR in dB over all frames, of the worst
frame by its number, of rain and snow, of stars, of things with words, and of squares of clips of
128 pixels, for each model or checkpoint that holds ``vae/``. Then, of individuals with markings,
how many are told from 159 others of their kind by their colours, drawn at several sizes, in pixels
and where gallery and picture went through the autoencoder.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from praxino.data.diorama import Scene, compose, render, world
from praxino.data.diorama.families import is_individual_held_out, marking_of
from praxino.data.diorama.references import PLAIN, individual, plain_pictures
from praxino.data.diorama.scene import Thing
from praxino.data.diorama.split import UNSEEN, held_out
from praxino.data.pixels import to_pixels, to_tensor
from praxino.generation.loading import find_model
from praxino.models.vae import VAE
from praxino.storage.weights import bundle

Clips = NDArray[np.uint8]


def scenes(edition: int, wanted: Callable[[Scene], bool] = lambda scene: True) -> Iterator[Scene]:
    stream = (compose(0, UNSEEN + 700_000 + i, edition=edition) for i in itertools.count())
    return (scene for scene in stream if wanted(scene))


def is_star(scene: Scene) -> bool:
    large = any(thing.height > 0.42 and thing.kind in ("cat", "dog") for thing in scene.things)
    return large and any(
        thing.marking is not None and thing.marking.individual is not None for thing in scene.things
    )


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
        name: np.stack([render(s, 64, 64) for s in itertools.islice(each, count)])
        for name, each in chosen.items()
    }
    large = np.stack([render(scene, 128, 128) for scene in itertools.islice(scenes(2), count)])
    return clips | {"128 pixels": large[:, :, 32:96, 32:96]}


@torch.inference_mode()
def errors(vae: VAE, clips: Clips) -> NDArray[np.float64]:
    """Mean squared error of each clip and frame: (clips, frames)."""
    made = [
        to_pixels(vae.decode(vae.encode(to_tensor(part))))
        for part in np.array_split(clips, max(1, len(clips) // 8))
    ]
    return ((np.concatenate(made).astype(float) - clips) ** 2).mean(axis=(2, 3, 4))


RIVALS, EXTENTS = 160, (0.8, 0.5, 0.35, 0.25)
BINS = (8, 16, 16)
"""Of histograms of Lab colours."""
GROUND_DISTANCE = 12.0
"""Lab distance from the plain ground from which on a pixel belongs to the individual."""


def colours(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A smoothed histogram of the Lab colours of what is not plain ground."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    ground = cv2.cvtColor(np.float32([[PLAIN]]) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    own = lab[np.linalg.norm(lab - ground, axis=1) > GROUND_DISTANCE]
    histogram, _ = np.histogramdd(own, BINS, ((0, 100), (-80, 80), (-80, 80)))
    for axis in range(3):
        histogram = 0.5 * histogram + 0.25 * (
            np.roll(histogram, 1, axis) + np.roll(histogram, -1, axis)
        )
    return (np.sqrt(histogram) / np.sqrt(max(1.0, histogram.sum()))).astype(np.float32).ravel()


def individuals(kind: str) -> list[Thing]:
    """With marks that training never shows."""
    free = [name for name in world.COLOURS if not held_out(kind, name)]
    seeds = itertools.islice(
        (seed for seed in itertools.count() if is_individual_held_out(seed)), RIVALS
    )
    stream = (one for i in itertools.count() if (one := individual(0, UNSEEN + i)).kind == kind)
    return [
        replace(one, marking=marking_of(seed, [name for name in free if name != one.colour]))
        for seed, one in zip(seeds, stream, strict=False)
    ]


@torch.inference_mode()
def recognised(vae: VAE | None) -> list[float]:
    """For each extent the share of individuals whose picture is nearest to a gallery picture of
    their own.
    """

    def seen(
        things: list[Thing], count: int, extent: float
    ) -> NDArray[np.float32]:  # (RIVALS, count, bins)
        rng = np.random.default_rng(count)
        pictures = np.concatenate(
            [plain_pictures(one, rng, count, extent=extent) for one in things]
        )
        if vae is not None:
            parts = np.array_split(pictures[:, None], len(pictures) // 16)
            pictures = np.concatenate(
                [to_pixels(vae.decode(vae.encode(to_tensor(part))))[:, 0] for part in parts]
            )
        return np.stack([colours(picture) for picture in pictures]).reshape(len(things), count, -1)

    right: dict[float, list[float]] = {extent: [] for extent in EXTENTS}
    for things in (individuals("cat"), individuals("person")):
        gallery = seen(things, 4, EXTENTS[0])
        for extent in EXTENTS:
            likeness = np.einsum("ib,jkb->ijk", seen(things, 1, extent)[:, 0], gallery).max(2)
            right[extent].append(float((likeness.argmax(1) == np.arange(len(things))).mean()))
    return [float(np.mean(shares)) for shares in right.values()]


def read(name: str) -> VAE:
    return bundle.read_vae(Path(name) if (Path(name) / "vae").is_dir() else find_model(name))


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
        vae = read(name)
        measured = {sort: errors(vae, each) for sort, each in clips.items()}
        worst = decibels(measured["first edition"].mean(axis=0).max())
        print(
            f"{name[-27:]:28}{worst:>13}"
            + "".join(f"{decibels(each.mean()):>15}" for each in measured.values())
        )
    print(f"\n{'recognised, drawn at':28}" + "".join(f"{extent:>10}" for extent in EXTENTS))
    for name in ("pixels", *args.models):
        vae = None if name == "pixels" else read(name)
        print(f"{name[-27:]:28}" + "".join(f"{share:>10.2f}" for share in recognised(vae)))


if __name__ == "__main__":
    main()
