"""Films with labels to a folder, in one of the formats."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Protocol

from praxino.data.labels import coco, depth, flow, mot, points, shards, yolo
from praxino.data.labels.films import LabelledFilm, Source
from praxino.errors import InputError
from praxino.processes import init_worker
from praxino.storage.files import atomic_folder

MAX_FILMS: Final = 10**6
AHEAD: Final = 4
"""Films that every process has before it is waited for."""


class Writer(Protocol):
    """Writes films in one format."""

    exact: bool
    """Whether it needs masks and a scene, which films of a model do not have."""

    def add(self, film: LabelledFilm) -> None:
        """Write one film."""

    def finish(self) -> None:
        """Write what stands for all of them."""


FORMATS: Final[dict[str, Callable[[Path, str], Writer]]] = {
    "coco": coco.CocoWriter,
    "mot": mot.MotWriter,
    "yolo": yolo.YoloWriter,
    "webdataset": shards.ShardWriter,
    "kitti-flow": flow.KittiFlowWriter,
    "sintel-flow": flow.SintelFlowWriter,
    "tap": points.PointsWriter,
    "depth": depth.DepthWriter,
}
"""Formats by name."""
LICENCE: Final = (
    "These films and their labels were drawn by a program. To the extent possible under law, all "
    "rights in them are waived: CC0 1.0, https://creativecommons.org/publicdomain/zero/1.0/\n"
)
PAINTED: Final = (
    "These films were made by a model, and labelled by the layouts that it was told. Their licence "
    "is whoever's who made them.\n"
)


def drawn(source: Source, count: int, processes: int) -> Iterator[LabelledFilm]:
    """The first ``count`` films of the world, in their order."""
    if processes == 1:
        yield from map(source.film, range(count))
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), init_worker) as pool:
        waiting: list[Any] = []
        for number in range(count):
            waiting.append(pool.submit(source.film, number))
            if len(waiting) >= AHEAD * processes:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def export(
    labelled: Iterator[LabelledFilm],
    folder: Path,
    name: str,
    part: str,
    show: Callable[[int], None],
) -> None:
    """Write films to ``folder``, which appears whole.

    Parameters
    ----------
    name : str
        The format, of `FORMATS`.
    part : str
        What files are called after: train, say.
    show : callable
        Is called with how many films are written.

    Raises
    ------
    InputError
        If the format needs what films do not have.
    """
    require_room(folder)
    with atomic_folder(folder) as fresh:
        writer, licence = FORMATS[name](fresh, part), LICENCE
        for number, film in enumerate(labelled, 1):
            licence = LICENCE if film.scene else PAINTED
            if writer.exact and film.masks is None:
                raise InputError(
                    f"{name}: needs exact masks, and of {film.name} only boxes are known",
                    "coco, mot, yolo, webdataset",
                )
            writer.add(film)
            show(number)
        writer.finish()
        (fresh / "LICENCE.txt").write_text(licence)


def require_room(folder: Path) -> None:
    """Raise `InputError` if a folder, or a file, is there that holds something, or is worked in."""
    if folder.resolve() == Path.cwd():
        raise InputError(f"{folder}: this folder would be replaced", "another folder with -o")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder} is not empty", "another folder with -o")


def require_count(count: int) -> None:
    """Raise `InputError` for a number of films that cannot be written."""
    if not 1 <= count <= MAX_FILMS:
        raise InputError(f"count={count}: must be from 1 to {MAX_FILMS:,}", "--count 100")
