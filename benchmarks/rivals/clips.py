"""Clips of a folder with a manifest, measured once: every family's numbers for each clip on each way, kept on disk."""

import csv
import functools
import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from praxino.data.degrade import WAYS
from praxino.detection import frequency, latent, patches, physics, temporal
from praxino.detection.evidence import finite
from praxino.detection.fusion import Samples, fold
from praxino.detection.view import View, view_of, views
from praxino.storage import bundle
from praxino.storage.footage import facts, shots

Film = NDArray[np.uint8]
FOLDS = 4
"""Networks that are trained, each without the sources of one part: no clip is judged by one that saw its source."""


@dataclass(frozen=True)
class Clip:
    """One row of a manifest: ``group`` is the generator or the real clip's source, ``page`` who published it."""

    path: Path
    made: bool
    group: str
    page: str
    about: tuple[float, ...]
    part: int = 0


def manifest(folder: Path) -> list[Clip]:
    """All clips, each with the part of the sources that it belongs to."""
    clips = [
        Clip(
            folder / row["file"],
            row["label"] == "generated",
            row["generator"] or row["real_source"],
            row["source_repo"],
            _known(folder / row["file"]),
        )
        for row in csv.DictReader((folder / "manifest.csv").open())
    ]
    made, groups = np.array([c.made for c in clips], np.float64), np.array([c.group for c in clips])
    parts = fold(Samples(np.zeros((len(clips), 0)), made, groups), FOLDS)
    return [replace(clip, part=int(part)) for clip, part in zip(clips, parts, strict=True)]


def _known(path: Path) -> tuple[float, ...]:
    """What a file says of itself, without a look at the picture: the floor that pixels must beat."""
    about = facts(path)
    return (about.width, about.height, about.rate, about.seconds, about.bytes, about.bits_per_pixel)


def seen(clip: Clip, way: str) -> list[View]:
    """The views of a clip that went a way."""
    if way == "none":
        return list(views(clip.path, facts(clip.path)))
    film = np.stack([shot.pixels for shot in shots(clip.path)])
    rate = facts(clip.path).rate
    return [view_of(WAYS[way](film), rate / 2 if way == "half rate" else rate)]


Ask = Callable[[View, Clip], dict[str, float]]


def plain(view: View, clip: Clip) -> dict[str, float]:
    """The measures of all families that need no network."""
    evidence = {
        "temporal": temporal.measures, "physics": physics.measures, "frequency": frequency.measures,
        "latent": latent.statistics, "patches": patches.measures,
    }  # fmt: skip
    return {f"{family}/{name}": value for family, of in evidence.items() for name, value in finite(of(view)).items()}


def measures_of(clip: Clip) -> str:
    """Changes with what `plain` measures."""
    return "plain-1"


def network_of(clip: Clip, networks: Path) -> str:
    """Changes with the network that judges a clip."""
    return f"network-{(networks / f'part-{clip.part}/forensic/model.safetensors').stat().st_mtime_ns}"


@functools.cache
def network(folder: Path) -> latent.Networks:
    return latent.Networks(bundle.read_forensic(folder), latent.bundled_vae())


def networked(view: View, clip: Clip, networks: Path) -> dict[str, float]:
    """What the network says that was trained without the clip's source, and our own autoencoder."""
    pair = network(networks / f"part-{clip.part}")
    told = latent.summary(latent.look(view, pair.forensic)) | latent.again(view, pair.vae)
    return {f"latent/{name}": value for name, value in finite(told).items()}


Tag = Callable[[Clip], str]


def measured(clips: list[Clip], way: str, cache: Path, ask: Ask, tag: Tag) -> list[dict[str, float]]:
    """For each clip the mean over its views of what is asked; from the cache, where ``tag`` finds it there."""
    cache.mkdir(parents=True, exist_ok=True)
    work = functools.partial(_one, way=way, cache=cache, ask=ask, tag=tag)
    with ProcessPoolExecutor(os.cpu_count(), initializer=_quiet) as pool:
        each = list(pool.map(work, clips, chunksize=4))
    return [{name: float(np.mean([view[name] for view in found])) for name in found[0]} for found in each]


def _quiet() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _one(clip: Clip, way: str, cache: Path, ask: Ask, tag: Tag) -> list[dict[str, float]]:
    key = hashlib.sha256(f"{clip.path.parent.parent.name}/{clip.path.name} {way} {tag(clip)}".encode()).hexdigest()[:24]
    kept = cache / f"{key}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    found = [ask(view, clip) for view in seen(clip, way) if len(view.frames) >= 4]
    kept.write_text(json.dumps(found))
    return found
