"""Many files at once: every file gets an answer or a reason, in one table that a stopped run goes on with.

`rows` takes and gives columns of plain values, so that any pipeline that maps batches runs it as it is, Ray's
``map_batches`` say.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import cv2
import torch

from praxino.detection import page
from praxino.detection.evidence import FAMILIES
from praxino.detection.report import Report, examine
from praxino.errors import InputError, PraxinoError
from praxino.storage.checkpoint import write_text

ENDINGS: Final = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".gif",
        ".webp",
        ".apng",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".m2ts",
        ".wmv",
        ".flv",
        ".ogv",
        ".3gp",
        ".y4m",
        ".mxf",
    ]
)
"""What is looked for in a folder."""


def films(folder: Path) -> list[Path]:
    """The films in a folder and below, sorted; hidden ones are left alone.

    Raises
    ------
    InputError
        If there is none.
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise InputError(f"no films in {folder}", f"names that end in {' '.join(sorted(ENDINGS))}")
    return found


def answer(path: Path, pages: Path | None = None) -> Report:
    """The report of one file; one that cannot be read is "unreadable", with the reason. With ``pages``, also its
    page."""
    try:
        found = examine(path)
    except (PraxinoError, MemoryError) as error:
        return Report(path=str(path), verdict="unreadable", reasons=(" ".join(str(error).split()) or "too large",))
    if pages is not None:
        page.write(pages / f"{path.name}.html", found)
    return found.report


def rows(batch: Mapping[str, Sequence[str]]) -> dict[str, list[str | float | None]]:
    """Columns for a batch of paths under ``"path"``: the verdict, the probability, and each family's log-odds."""
    flat = [_row(answer(Path(path))) for path in batch["path"]]
    return {name: [row[name] for row in flat] for name in COLUMNS}


def detect_all(
    paths: Sequence[Path], processes: int, journal: Path | None = None, pages: Path | None = None
) -> Iterator[Report]:
    """Reports as they are ready, in any order; those that ``journal`` holds already come first.

    Parameters
    ----------
    journal : Path
        JSON lines, one a finished file; a run that was stopped goes on from it.
    pages : Path
        Folder for an HTML page of each file.
    """
    known = _known(journal)
    fresh = []
    for path in paths:
        stamp = _stamp(path)
        if stamp in known and (pages is None or (pages / f"{path.name}.html").exists()):
            yield known[stamp]
        else:
            fresh.append(path)
    for report in _spread(fresh, processes, pages):
        if journal is not None:
            with journal.open("a") as file:
                file.write(json.dumps({"stamp": _stamp(Path(report.path)), "report": report.model_dump()}) + "\n")
        yield report


def _spread(paths: Sequence[Path], processes: int, pages: Path | None) -> Iterator[Report]:
    """Over processes; a file that kills its process is tried once more by itself, then given up."""
    if processes == 1:
        yield from (answer(path, pages) for path in paths)
        return
    left: list[Path] = []
    for path, done in _run(paths, processes, pages):
        try:
            yield done.result()
        except BrokenProcessPool:
            left.append(path)
    for path in left:
        for _, done in _run([path], 1, pages):
            try:
                yield done.result()
            except BrokenProcessPool:
                yield Report(path=str(path), verdict="unreadable", reasons=("reading it kills the decoder",))


def _run(paths: Sequence[Path], processes: int, pages: Path | None) -> Iterator[tuple[Path, "Future[Report]"]]:
    with ProcessPoolExecutor(processes, get_context("spawn"), _alone) as pool:
        asked = {pool.submit(answer, path, pages): path for path in paths}
        for done in as_completed(asked):
            yield asked[done], done


def _alone() -> None:
    """One thread a process: they share the cores by files."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _stamp(path: Path) -> str:
    try:
        about = path.stat()
    except OSError:
        return str(path)
    return f"{path} {about.st_size} {about.st_mtime_ns}"


def _known(journal: Path | None) -> dict[str, Report]:
    found: dict[str, Report] = {}
    if journal is None or not journal.exists():
        return found
    for line in journal.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
            found[row["stamp"]] = Report.model_validate_json(json.dumps(row["report"]))
        except (ValueError, KeyError, TypeError):
            continue  # the line that was being written when the run was stopped
    return found


COLUMNS: Final = ("path", "verdict", "probability", *FAMILIES, "reasons", "width", "height", "fps", "seconds", "codec")


def _row(report: Report) -> dict[str, str | float | None]:
    parts: dict[str, float | None] = dict.fromkeys(FAMILIES)
    parts |= {seen.family: round(seen.log_odds, 4) for seen in report.families}
    probability = None if report.probability is None else round(report.probability, 4)
    head = {"path": report.path, "verdict": report.verdict, "probability": probability}
    tail = {name: getattr(report, name) for name in ("width", "height", "fps", "seconds", "codec")}
    return head | parts | {"reasons": "; ".join(report.reasons)} | tail


def write(target: Path, reports: Sequence[Report]) -> None:
    """All reports in one file, sorted by path: .csv for a table, .json for everything.

    Raises
    ------
    InputError
        For another ending.
    """
    ordered = sorted(reports, key=lambda report: report.path)
    if target.suffix.lower() == ".json":
        write_text(target, json.dumps([report.model_dump() for report in ordered], indent=1) + "\n")
        return
    if target.suffix.lower() != ".csv":
        raise InputError(f"{target}: must end in .csv or .json for a folder", "results.csv")
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(_row(report) for report in ordered)
    write_text(target, text.getvalue())
