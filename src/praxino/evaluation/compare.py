"""Two folders of films, real and made: how far apart they are, and how each moves.

Whatever cannot be read is named, skipped and counted; what a few films cannot tell is left out and
said.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from praxino.data.pixels import strip
from praxino.errors import CheckpointError, InputError, MediaError
from praxino.evaluation.features import CALLED, Extractor
from praxino.evaluation.frechet import caveats, distances
from praxino.evaluation.motion import Motion, motion
from praxino.evaluation.report import document, figure, noted
from praxino.evaluation.suite import measures
from praxino.log import logger
from praxino.storage.files import write_text
from praxino.storage.media import frames, video
from praxino.storage.media.folders import media_in
from praxino.storage.weights import checkpoint

MOTION: Final = tuple(part.name for part in fields(Motion))


@dataclass(frozen=True, eq=False)
class Measured:
    """What is kept of one film."""

    features: NDArray[np.float64]
    """(rows, D)."""
    motion: NDArray[np.float64]
    """The numbers of `Motion` in their order; none of a film that is too short to move."""
    shape: NDArray[np.int64]
    """Frames, height, width."""
    strip: NDArray[np.uint8]
    """A few frames side by side."""


@dataclass
class Collection:
    """What one folder holds, as numbers."""

    folder: Path
    called: str
    """What the Fréchet distance on these features is called."""
    films: list[Measured] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """``name: why`` of each file that could not be used."""

    @property
    def features(self) -> list[NDArray[np.float64]]:
        """(rows, D) of each film."""
        return [film.features for film in self.films]

    @property
    def motion(self) -> dict[str, float]:
        """Means over the films that move."""
        moving = [film.motion for film in self.films if len(film.motion)]
        return dict(zip(MOTION, np.mean(moving, axis=0).tolist(), strict=True)) if moving else {}

    @property
    def shapes(self) -> set[tuple[int, ...]]:
        """(frames, height, width) that occur."""
        return {tuple(film.shape.tolist()) for film in self.films}


def collect(
    folder: Path,
    extractor: Extractor,
    progress: Callable[[int, int], None] = lambda done, of: None,
    keep: Path | None = None,
) -> Collection:
    """Read every film and picture below ``folder``, in the order of their names.

    Parameters
    ----------
    progress : callable
        Told after each file how many are done, of how many.
    keep : Path, optional
        A folder that receives what was measured of each film, and from which it is read back if
        neither the film nor the network has changed since: a comparison that was stopped goes on
        where it was.

    Raises
    ------
    InputError
        If there is no such folder, or nothing in it that can be used.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "name a folder of films or pictures")
    paths = media_in(folder, pictures=True)
    collection = Collection(folder, extractor.called)
    for done, path in enumerate(paths, 1):
        try:
            collection.films.append(_measured(path, extractor, keep))
        except (MediaError, InputError, CheckpointError) as error:
            if isinstance(error, CheckpointError) and not collection.films:
                raise  # it is the network, not the film
            logger.warning("skipped %s: %s", path, error)
            collection.skipped.append(f"{path.relative_to(folder)}: {error}")
        progress(done, len(paths))
    if not collection.films:
        raise InputError(
            f"{folder}: none of {len(paths)} files can be used, such as {collection.skipped[0]}"
        )
    return collection


def _measured(path: Path, extractor: Extractor, keep: Path | None) -> Measured:
    if keep is None:
        return _measure(path, extractor)
    state = path.stat()
    key = (
        f"{path.resolve()} {state.st_size} {state.st_mtime_ns} {extractor.called} "
        f"{extractor.weights} {measures()}"
    )
    kept = keep / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
    if kept.exists():
        return Measured(
            **{name: tensor.numpy() for name, tensor in checkpoint.load_tensors(kept).items()}
        )
    film = _measure(path, extractor)
    checkpoint.write_tensors(
        kept, {name: torch.from_numpy(part) for name, part in vars(film).items()}
    )
    return film


def _measure(path: Path, extractor: Extractor) -> Measured:
    film = frames.read_video(path)
    moves = asdict(motion(film.frames, film.fps)) if len(film.frames) >= 3 else {}
    shape = np.array(film.frames.shape[:3])
    return Measured(
        extractor.rows(film.frames), np.array(list(moves.values())), shape, strip(film.frames)
    )


def compare(real: Collection, fake: Collection) -> dict[str, Any]:
    """All distances that so many films allow, as a tree of plain values, fit for JSON.

    ``distances`` has for each measure the value of ``fake`` against ``real`` and, as the floor that
    no fakes can be expected to go below, of one half of the real films against the other (at half
    the number of samples).

    Raises
    ------
    InputError
        If a folder holds a single film: a distance between distributions needs several.
    """
    for collection in (real, fake):
        if len(collection.films) < 2:
            raise InputError(
                f"{collection.folder} holds one film that can be used",
                "a distance needs at least two",
            )
    halves = [real.features[start::2] for start in (0, 1)]
    floor = distances(*halves) if len(halves[1]) > 1 else {}
    between = distances(real.features, fake.features)
    return {
        "called": real.called,
        "dimensions": real.features[0].shape[1],
        "sets": {
            name: _described(collection) for name, collection in (("real", real), ("fake", fake))
        },
        "distances": {
            name: {"fake": value} | _caveat(floor, name) for name, value in between.items()
        },
        "notes": list(_notes(real, fake)),
    }


def _caveat(floor: dict[str, float], name: str) -> dict[str, float]:
    return {"real halves": floor[name]} if name in floor else {}


def _described(collection: Collection) -> dict[str, Any]:
    frames, height, width = zip(*collection.shapes, strict=True)
    return {
        "folder": str(collection.folder),
        "films": len(collection.films),
        "rows": sum(map(len, collection.features)),
        "skipped": collection.skipped,
        "frames": [min(frames), max(frames)],
        "sizes": sorted({f"{w}x{h}" for w, h in zip(width, height, strict=True)}),
        "motion": collection.motion,
    }


def _notes(real: Collection, fake: Collection) -> Iterator[str]:
    films = min(len(real.films), len(fake.films))
    yield from caveats(films, real.features[0].shape[1])
    if real.called == CALLED["reader"] and any(
        frames < 9 for frames, _, _ in real.shapes | fake.shapes
    ):
        yield (
            "the reader knows films: of pictures, and of films of a few frames, its features say "
            "little"
        )
    if len(real.shapes | fake.shapes) > 1:
        yield (
            "films of unequal sizes or lengths: each was resized to what the network sees, which "
            "shows in a distance"
        )
    for collection in (real, fake):
        if collection.skipped:
            yield (
                f"{collection.folder}: {len(collection.skipped)} of "
                f"{len(collection.skipped) + len(collection.films)} files skipped"
            )


def comparison_table(report: dict[str, Any]) -> str:
    """What `compare` found, as text."""
    real, fake = report["sets"]["real"], report["sets"]["fake"]
    lines = [f"{'':26}{'real':>14}{'fake':>14}"]
    for name in ("films", "rows"):
        lines.append(f"{name:26}{real[name]:>14}{fake[name]:>14}")
    lines.append(f"{'skipped':26}{len(real['skipped']):>14}{len(fake['skipped']):>14}")
    lines.append(f"{'frames':26}{_range(real['frames']):>14}{_range(fake['frames']):>14}")
    lines.append(f"{'sizes':26}{_sizes(real['sizes']):>14}{_sizes(fake['sizes']):>14}")
    for name in {**real["motion"], **fake["motion"]}:
        cells = (f"{s['motion'][name]:.4f}" if name in s["motion"] else "-" for s in (real, fake))
        lines.append(f"{name:26}" + "".join(f"{cell:>14}" for cell in cells))
    lines.append(f"\n{'distance to real':26}{'fake':>14}{'real halves':>14}")
    for name, values in report["distances"].items():
        cells = (f"{values[s]:.4f}" if s in values else "-" for s in ("fake", "real halves"))
        lines.append(
            f"{name.replace('frechet', report['called']):26}"
            + "".join(f"{cell:>14}" for cell in cells)
        )
    return "\n".join([*lines, *noted(report)])


def _range(ends: list[int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"


def _sizes(sizes: list[str]) -> str:
    return sizes[0] if len(sizes) == 1 else f"{len(sizes)} sizes"


def write_comparison(
    folder: Path, report: dict[str, Any], real: Collection, fake: Collection
) -> None:
    """What `compare` found as ``index.html`` and ``scores.json``, with strips of the first eight
    films of each.
    """
    parts = []
    for name, collection in (("real", real), ("fake", fake)):
        for number, film in enumerate(collection.films[:8]):
            path = f"strips/{name}-{number}.png"
            video.write_picture(folder / path, film.strip)
            parts.append(figure(path, name))
    write_text(
        folder / "index.html",
        document(f"{fake.folder} against {real.folder}", comparison_table(report), parts),
    )
    write_text(folder / "scores.json", json.dumps(report, indent=1) + "\n")
