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
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rivals import decoders, efficientnet

import praxino
from praxino.data.degrade import WAYS, compressed
from praxino.detection.detector import MEASURES
from praxino.detection.evidence import finite
from praxino.detection.sufficiency import (
    MAX_BLOCKINESS,
    MIN_FRAMES,
    MIN_LUMA_CHANGE,
    MIN_SHORTER_SIDE,
    blockiness,
)
from praxino.detection.view import View, view_of, views
from praxino.storage.files import write_text
from praxino.storage.media.frames import iter_frames, probe, stride

Film = NDArray[np.uint8]
NO_TRIP = "no trip"
"""The way of films that round trips are held against: compressed once more as they are."""


BASES = {
    "AnimateLCM-SVD": "SVD",
    "CausVid": "Wan2.1",
    "CausalWan": "Wan2.1",
    "Dreamix": "ImagenVideo",
    "FIFO-ZeroScope": "ZeroScope",
    "JointDiT": "SVD",
    "LargeMotionVAE(=VideoVAEPlus page)": "VideoVAEPlus",
    "LongLive": "Wan2.1",
    "Lumiere-I2V": "Lumiere",
    "MotionPrompting": "Lumiere",
    "Phantom": "Wan2.1",
    "PhaseLock-Wan2.1": "Wan2.1",
    "ResamplingForcing": "Wan2.1",
    "SelfForcing": "Wan2.1",
    "SkyReels-A2": "Wan2.1",
    "SkyReels-V2": "Wan2.1",
    "Stand-In-Wan": "Wan2.1",
    "VD3D": "SnapVideo",
    "VideoAlchemist": "SnapVideo",
    "Vista": "SVD",
}
"""Models that others were made from: both are left out together."""
SAME_SCENE = {"AskAnything": "PLLaVA-examples"}
"""Sources of camera clips that share one."""


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

    @property
    def base(self) -> str:
        """The model that a generator was made from, or itself; the source of a camera clip."""
        return BASES.get(self.group, SAME_SCENE.get(self.group, self.group))


@dataclass(frozen=True)
class Pair:
    """One row of the manifest of pairs: a generated and a camera clip of one scene."""

    generated: Clip
    real: Clip
    kind: str


def manifest(folder: Path) -> list[Clip]:
    """All clips of a folder."""
    return [
        Clip(
            folder / row["file"],
            row["label"] == "generated",
            row["generator"] or row["real_source"],
            row["source_repo"],
            _known(folder / row["file"]),
        )
        for row in csv.DictReader((folder / "manifest.csv").open())
    ]


def pairs(folder: Path, form: str) -> list[Pair]:
    """All pairs of a folder in one form: "matched" or "native"."""
    found = []
    for row in csv.DictReader((folder / "manifest.csv").open()):
        made, real = (folder / form / side / f"{row['name']}.mp4" for side in ("generated", "real"))
        page = row["source_repo"]
        found.append(
            Pair(
                Clip(made, True, row["generator"], page, _known(made)),
                Clip(real, False, row["real_group"], page, _known(real)),
                row["kind"],
            )
        )
    return found


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
    if way == decoders.BUNDLED or way.startswith((decoders.TRIP, NO_TRIP)):
        film = film[: (len(film) - 1) // 4 * 4 + 1]
        other = film if way == NO_TRIP else decoders.decoded(film, way)
        film = compressed(other[: len(film) - 1], 20)  # an even number, as all of them leave
        return [view_of(film, rate)]
    if way == "half rate":  # of what detectors see
        every = stride(rate)
        film, rate = film[::every], rate / every / 2
    return [view_of(WAYS[way](film), rate)]


Ask = Callable[[View, Clip], dict[str, float]]


def plain(view: View, clip: Clip) -> dict[str, float]:
    """The measures of all families that need no network."""
    return {
        f"{family}/{name}": value
        for family, of in MEASURES.items()
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
    "storage/media/codec",
    "storage/media/ffmpeg",
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


METADATA = ("width", "height", "rate", "seconds", "bytes", "bits_per_pixel")


def metadata(view: View, clip: Clip) -> dict[str, float]:
    """What a file says of itself: the floor below which nothing was learned from the picture."""
    return {name: float(np.log(value)) for name, value in zip(METADATA, clip.about, strict=True)}


def metadata_of(clip: Clip) -> str:
    """Changes with what `metadata` reads."""
    return "metadata 1"


TRIVIAL = ("bytes", "sharpness", "motion", "light", "saturation")


def trivial(view: View, clip: Clip) -> dict[str, float]:
    """Five differences that anybody could name: no detector worth its name is behind them."""
    hsv = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2HSV) for frame in view.frames])
    sharp = [cv2.Laplacian(frame, cv2.CV_32F).var() for frame in view.luma]
    values = (
        np.log(clip.about[4]),
        np.log(np.mean(sharp) + 1),
        np.log(np.abs(np.diff(view.luma, axis=0)).mean() + 0.1),
        view.luma.mean(),
        hsv[..., 1].mean(),
    )
    return dict(zip(TRIVIAL, map(float, values), strict=True))


def trivial_of(clip: Clip) -> str:
    """Changes with what `trivial` measures."""
    return "trivial 1"


@functools.cache
def _efficientnet() -> efficientnet.EfficientNet:
    return efficientnet.pretrained()


def content(view: View, clip: Clip) -> dict[str, float]:
    """What is shown: the mean features of the last block of a network of ImageNet."""
    means = _maps(view)[-1].mean((0, 2, 3))
    return {f"content/{index}": float(value) for index, value in enumerate(means)}


def _maps(view: View) -> list[torch.Tensor]:
    """Features of the eight frames in the middle, layer by layer."""
    middle = max(0, (len(view.frames) - 8) // 2)
    frames = torch.from_numpy(view.frames[middle : middle + 8]).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        return _efficientnet()(frames)


def content_of(clip: Clip) -> str:
    """Changes with what `content` measures."""
    return "content 1"


MIDDLE_BLOCKS = (11, 15)


def network(view: View, clip: Clip) -> dict[str, float]:
    """A frozen network of ImageNet as a detector: what its middle blocks see, as means over the
    picture, and how that varies over time.
    """
    maps = _maps(view)
    rows = torch.cat([maps[block + 1].mean((2, 3)) for block in MIDDLE_BLOCKS], 1)  # (T, C)
    values = torch.cat([rows.mean(0), rows.std(0)])
    return {f"network/{index}": float(value) for index, value in enumerate(values)}


def network_of(clip: Clip) -> str:
    """Changes with what `network` measures."""
    return "network 1"


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
    digest = hashlib.sha256(clip.path.read_bytes())
    digest.update(f" {way} {tag(clip)}".encode())
    key = digest.hexdigest()[:24]
    kept = cache / f"{key}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    found = [ask(view, clip) for view in seen(clip, way) if len(view.frames) >= 4]
    write_text(kept, json.dumps(found))
    return found
