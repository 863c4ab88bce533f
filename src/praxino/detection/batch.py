"""Many files at once: every file gets an answer or a reason, in one table that a stopped run goes
on with.

`rows` takes and gives columns of plain values, so that any pipeline that maps batches runs it as it
is, Ray's ``map_batches`` say.
"""

import csv
import functools
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from praxino import processes
from praxino.detection import html
from praxino.detection.detector import edition, examine
from praxino.detection.evidence import FAMILIES
from praxino.detection.report import Report, path_text
from praxino.errors import InputError, PraxinoError
from praxino.storage.files import write_text
from praxino.storage.media.folders import media_in

Job = tuple[Path, Path | None]
"""A file, and where its page goes."""


def films(folder: Path) -> list[Path]:
    """The films in a folder and below, sorted; hidden ones are left alone.

    Raises
    ------
    InputError
        If there is none.
    """
    return media_in(folder, pictures=False)


def answer(path: Path, target: Path | None = None, threads: int = 1) -> Report:
    """The report of one file; one that cannot be read is "unreadable", with the reason. Its page
    goes to ``target``.
    """
    try:
        examination = examine(path, threads=threads)
        if target is not None:
            html.write_page(target, examination)
    except PraxinoError as error:
        return Report(
            path=path_text(path), verdict="unreadable", reasons=(" ".join(str(error).split()),)
        )
    except Exception as error:  # whatever a library makes of a strange file, the others go on
        problem = f"{type(error).__name__} {' '.join(str(error).split())[:200]}".strip()
        return Report(
            path=path_text(path),
            verdict="unreadable",
            reasons=(f"it could not be examined: {problem}",),
        )
    return examination.report


def page_names(paths: Sequence[Path], pages: Path | None) -> dict[Path, Path | None]:
    """Where each file's page goes: in folders like those that the files lie in."""
    if pages is None:
        return dict.fromkeys(paths)
    places = {path: path.parent.resolve() / path.name for path in paths}
    top = os.path.commonpath([place.parent for place in places.values()])
    return {
        path: pages / place.relative_to(top).with_name(f"{place.name}.html")
        for path, place in places.items()
    }


def rows(batch: Mapping[str, Sequence[str]]) -> dict[str, list[str | float | None]]:
    """Columns for a batch of paths under ``"path"``: the verdict, the probability, and each
    family's log-odds.
    """
    flat = [_row(answer(Path(path))) for path in batch["path"]]
    return {name: [row[name] for row in flat] for name in COLUMNS}


def detect_all(
    paths: Sequence[Path], workers: int, journal: Path | None = None, pages: Path | None = None
) -> Iterator[Report]:
    """Reports as they are ready, in any order; those that ``journal`` holds already come first.

    Parameters
    ----------
    journal : Path
        JSON lines, one a finished file; a run that was stopped goes on from it.
    pages : Path
        Folder for an HTML page of each file.
    """
    finished = _read_journal(journal)
    fresh: list[Job] = []
    for path, target in page_names(paths, pages).items():
        done = finished.get(_stamp(path))
        if done is not None and (target is None or target.exists() or done.verdict == "unreadable"):
            yield done
        else:
            fresh.append((path, target))
    work = functools.partial(answer, threads=2) if workers == 1 else answer
    for (path, _), report in processes.map_isolated(work, fresh, workers, _killed, _alone):
        if journal is not None:
            with journal.open("a") as file:
                file.write(
                    "\n" + json.dumps({"stamp": _stamp(path), "report": report.model_dump()})
                )
        yield report


def _killed(path: Path, target: Path | None) -> Report:
    return Report(
        path=path_text(path), verdict="unreadable", reasons=("reading it kills the decoder",)
    )


def _alone() -> None:
    """Few threads a process, which share the cores by files."""
    processes.init_worker()
    os.environ["OMP_NUM_THREADS"] = "1"  # of torch, which pages need


def _stamp(path: Path) -> str:
    """Changes with the file, with its place, and with the detector."""
    try:
        about = path.stat()
    except OSError:
        return str(path.absolute())
    return f"{path.absolute()} {about.st_size} {about.st_mtime_ns} {edition()}"


def _read_journal(journal: Path | None) -> dict[str, Report]:
    reports: dict[str, Report] = {}
    if journal is None or not journal.exists():
        return reports
    for line in journal.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
            reports[row["stamp"]] = Report.model_validate_json(json.dumps(row["report"]))
        except (ValueError, KeyError, TypeError):
            continue  # the line that was being written when the run was stopped
    return reports


COLUMNS: Final = (
    "path",
    "verdict",
    "probability",
    *FAMILIES,
    "reasons",
    "width",
    "height",
    "fps",
    "seconds",
    "codec",
    "oddities",
)


def _row(report: Report) -> dict[str, str | float | None]:
    parts: dict[str, float | None] = dict.fromkeys(FAMILIES)
    parts |= {
        finding.family: round(finding.log_odds, 4)
        for finding in report.families
        if finding.log_odds is not None
    }
    probability = None if report.probability is None else round(report.probability, 4)
    head = {"path": report.path, "verdict": report.verdict, "probability": probability}
    tail = {name: getattr(report, name) for name in ("width", "height", "fps", "seconds", "codec")}
    return (
        head
        | parts
        | {"reasons": "; ".join(report.reasons)}
        | tail
        | {"oddities": "; ".join(report.oddities)}
    )


def write_table(target: Path, reports: Sequence[Report]) -> None:
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
