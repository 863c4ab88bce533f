"""Clips of a folder with a manifest, measured once: every family's numbers for each clip on each
way, kept on disk.
"""

import ast
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

import praxino
from praxino.data.degrade import WAYS
from praxino.detection import latent
from praxino.detection.detector import STATISTICS
from praxino.detection.evidence import finite
from praxino.detection.fusion import Samples, fold
from praxino.detection.sufficiency import (
    MAX_BLOCKINESS,
    MIN_FRAMES,
    MIN_LUMA_CHANGE,
    MIN_SHORTER_SIDE,
    blockiness,
)
from praxino.detection.view import View, view_of, views
from praxino.detection.weights import read_forensic
from praxino.storage.files import write_text
from praxino.storage.media.frames import iter_frames, probe, stride

Film = NDArray[np.uint8]
FOLDS = 4
"""Networks that are trained, each without the sources of one part: no clip is judged by one that
saw its source.
"""


@dataclass(frozen=True)
class Clip:
    """One row of a manifest: ``group`` is the generator or the real clip's source, ``page`` who
    published it.
    """

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
    """What a file says of itself, without a look at the picture: the floor that pixels must
    beat.
    """
    about = probe(path)
    return (about.width, about.height, about.rate, about.seconds, about.bytes, about.bits_per_pixel)


def seen(clip: Clip, way: str) -> list[View]:
    """The views of a clip that went a way."""
    if way == "none":
        return list(views(clip.path, probe(clip.path)))
    film, rate = np.stack([shot.pixels for shot in iter_frames(clip.path)]), probe(clip.path).rate
    if way == "half rate":  # of what detectors see
        every = stride(rate)
        film, rate = film[::every], rate / every / 2
    return [view_of(WAYS[way](film), rate)]


Ask = Callable[[View, Clip], dict[str, float]]


def plain(view: View, clip: Clip) -> dict[str, float]:
    """The measures of all families that need no network."""
    return {
        f"{family}/{name}": value
        for family, of in STATISTICS.items()
        for name, value in finite(of(view)).items()
    }


def thin(clips: list[Clip], way: str, cache: Path) -> NDArray[np.bool_]:
    """(N,): which clips have too little in them for a verdict
    (`praxino.detection.sufficiency.missing_evidence`).
    """
    rows = measured(clips, way, cache, outline, outline_of)
    least = {"frames": MIN_FRAMES, "side": MIN_SHORTER_SIDE, "change": MIN_LUMA_CHANGE}
    return np.array(
        [
            row["blocks"] > MAX_BLOCKINESS
            or any(row[name] < value for name, value in least.items())
            for row in rows
        ]
    )


def outline(view: View, clip: Clip) -> dict[str, float]:
    """What decides whether there is a verdict at all."""
    height, width = view.native.shape[1:3]
    change = float(np.abs(np.diff(view.luma, axis=0)).mean())
    return {
        "blocks": blockiness(view),
        "change": change,
        "frames": len(view.frames),
        "side": min(height, width),
    }


MEASURING = (
    "data/degrade",
    "storage/codec",
    "storage/footage",
    "detection/view",
    "detection/evidence",
    "detection/temporal",
    "detection/physics",
    "detection/frequency",
    "detection/latent",
    "detection/patches",
)


@functools.cache
def code() -> str:
    """Changes with the code that measures: not with its comments, docstrings, or what it says of a
    finding.
    """
    trees = []
    for name in MEASURING:
        tree = ast.parse((Path(praxino.__file__).parent / f"{name}.py").read_text())
        tree.body = [node for node in tree.body if getattr(node, "name", "") != "evidence"]
        for node in ast.walk(tree):
            for field in (
                getattr(node, "body", None) if isinstance(getattr(node, "body", None), list) else ()
            ):
                if isinstance(field, ast.Expr) and isinstance(field.value, ast.Constant):
                    field.value.value = ""
        trees.append(ast.dump(tree))
    return hashlib.sha256("".join(trees).encode()).hexdigest()[:16]


def measures_of(clip: Clip) -> str:
    """Changes with what `plain` measures."""
    return f"plain {code()}"


def outline_of(clip: Clip) -> str:
    """Changes with what `outline` measures."""
    return f"outline-4 {code()}"


def network_of(clip: Clip, networks: Path) -> str:
    """Changes with the network that judges a clip."""
    weights = (networks / f"part-{clip.part}/forensic/model.safetensors").read_bytes()
    return f"network {hashlib.sha256(weights).hexdigest()[:16]} {code()}"


@functools.cache
def network(folder: Path) -> latent.Networks:
    return latent.Networks(read_forensic(folder), latent.bundled_vae())


def networked(view: View, clip: Clip, networks: Path) -> dict[str, float]:
    """What the network says that was trained without the clip's source, and our own autoencoder."""
    pair = network(networks / f"part-{clip.part}")
    told = latent.summary(
        latent.forensic_logits(view, pair.forensic)
    ) | latent.reconstruction_error(view, pair.vae)
    return {f"latent/{name}": value for name, value in finite(told).items()}


Tag = Callable[[Clip], str]


def measured(
    clips: list[Clip], way: str, cache: Path, ask: Ask, tag: Tag
) -> list[dict[str, float]]:
    """For each clip the mean over its views of what is asked; from the cache, where ``tag`` finds
    it there.
    """
    cache.mkdir(parents=True, exist_ok=True)
    work = functools.partial(_one, way=way, cache=cache, ask=ask, tag=tag)
    with ProcessPoolExecutor(os.cpu_count(), initializer=_quiet) as pool:
        each = list(pool.map(work, clips, chunksize=4))
    return [
        {name: float(np.mean([view[name] for view in found])) for name in found[0]}
        for found in each
    ]


def _quiet() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _one(clip: Clip, way: str, cache: Path, ask: Ask, tag: Tag) -> list[dict[str, float]]:
    about = clip.path.stat()
    key = f"{clip.path.absolute()} {about.st_size} {about.st_mtime_ns} {way} {tag(clip)}"
    key = hashlib.sha256(key.encode()).hexdigest()[:24]
    kept = cache / f"{key}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    found = [ask(view, clip) for view in seen(clip, way) if len(view.frames) >= 4]
    write_text(kept, json.dumps(found))
    return found
