"""How well does the reader read? Held-out renderings, clean, through the autoencoder, blurred, and
noisy.

``python benchmarks/reader.py [FOLDER]``: the bundled reader unless a run's model folder is named. A
thing counts if it shows for three frames; one that is not found has all its attributes wrong.
Things are matched by where they are alone.
"""

import platform
import sys
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from praxino.data.diorama import Scene, compose, render
from praxino.data.diorama.split import UNSEEN
from praxino.data.pixels import to_pixels, to_tensor
from praxino.evaluation.readers import READER, read_reader
from praxino.models.precision import fastest
from praxino.models.reader import Reading, Sighting
from praxino.storage.weights import bundle

CLIPS, SIZE = 200, 64
REACH = 0.15  # picture heights


def facts(scene: Scene, reading: Reading) -> tuple[dict[str, list[float]], list[float]]:
    """For each attribute whether it is right, for each thing; and distances of centres in
    pixels.
    """
    right: dict[str, list[float]] = defaultdict(list)
    apart: list[float] = []
    for name, value in scene.attributes.items():
        right[name].append(reading.scene[name] == value)
    free, hardly = list(reading.things), []
    for thing in scene.things:
        shows, true = scene.shows(thing), scene.camera.project(thing.position)
        if shows.sum() < 3:
            hardly.append(true)
            continue
        true = np.where(shows[:, None], true, np.nan)
        best, gap = _nearest(free, true)
        if best is None or gap.mean() > REACH:
            best, gap = None, np.zeros(0)
        else:
            free.remove(best)
        right["found"].append(best is not None)
        right["of its frames"].append(len(gap) / shows.sum())
        for name in ("kind", "colour", "motion"):
            right[name].append(best is not None and getattr(best, name) == getattr(thing, name))
        apart += list(gap * SIZE)
    # What shows for a frame or two, or by its edge, is not asked for, but who sees it is not wrong.
    extra = [each for each in free if not any(_near(each, true) for true in hardly)]
    right["nothing extra"].append(not extra)
    return right, apart


def _nearest(
    things: list[Sighting], true: NDArray[np.floating]
) -> tuple[Sighting | None, NDArray[np.floating]]:
    gaps = []
    for thing in things:
        gap = np.hypot(*(thing.track - true).T)
        gap = gap[np.isfinite(gap)]
        if len(gap):
            gaps.append((float(gap.mean()), thing, gap))
    if not gaps:
        return None, np.zeros(0)
    _, thing, gap = min(gaps, key=lambda each: each[0])
    return thing, gap


def _near(thing: Sighting, true: NDArray[np.floating]) -> bool:
    _, gap = _nearest([thing], true)
    return len(gap) > 0 and gap.mean() <= REACH


@torch.inference_mode()
def main(folder: Path) -> None:
    reader = read_reader(folder)
    vae = bundle.read_vae(bundle.BUNDLED / "diorama")
    scenes = [compose(5, UNSEEN + i, part="all") for i in range(CLIPS)]
    clips = np.stack([render(scene, SIZE, SIZE) for scene in scenes])
    with torch.autocast("cpu", torch.bfloat16, enabled=fastest() == "bfloat16"):
        trips = torch.cat([vae.decode(vae.encode(part)) for part in to_tensor(clips).split(8)])
    noise = np.random.default_rng(0).normal(0, 13, clips.shape)
    ways = {
        "clean": clips,
        "autoencoder": to_pixels(trips),
        "blur 1 px": np.stack(
            [[cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in clip] for clip in clips]
        ),
        "noise 5%": (clips + noise).clip(0, 255).astype(np.uint8),
    }
    table: dict[str, dict[str, float]] = {}
    for way, shown in ways.items():
        readings = [reading for part in to_tensor(shown).split(16) for reading in reader.read(part)]
        right: dict[str, list[float]] = defaultdict(list)
        apart: list[float] = []
        for scene, reading in zip(scenes, readings, strict=True):
            each, gaps = facts(scene, reading)
            apart += gaps
            for name, values in each.items():
                right[name] += values
        table[way] = {name: 100 * float(np.mean(values)) for name, values in right.items()}
        named = [name for name in right if name not in ("found", "of its frames", "nothing extra")]
        table[way]["all attributes"] = 100 * float(
            np.mean([v for name in named for v in right[name]])
        )
        table[way]["centre, mean pixels"] = float(np.mean(apart))
        table[way]["centre, 95% within"] = float(np.percentile(apart, 95))
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"float32"
    )
    print(
        f"{folder}: {CLIPS} held-out clips of {SIZE}x{SIZE}, "
        f"{sum(p.numel() for p in reader.parameters()):,} weights"
    )
    print(f"{'':20}" + "".join(f"{way:>13}" for way in ways))
    for name in table["clean"]:
        print(f"{name:20}" + "".join(f"{table[way][name]:13.2f}" for way in ways))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else READER)
