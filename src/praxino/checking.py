"""What ``praxino detect`` does: one film with its page, or many with one table."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from praxino.detection import folder, page
from praxino.detection.report import Report, examine, told
from praxino.errors import InputError, MediaError
from praxino.storage import crew
from praxino.storage.checkpoint import write_text
from praxino.storage.video import check_writable

Bar = Callable[[str, int], AbstractContextManager[Callable[..., None]]]
Say = Callable[[str], None]


def one(path: Path, output: Path | None, pages: Path | None, say: Say) -> tuple[dict[str, Any], str]:
    """The report of one film as a tree of plain values and as text; ``output`` is where its page or its JSON goes."""
    if output is not None and output.suffix.lower() not in (".html", ".csv", ".json"):
        raise InputError(f"{output}: must end in .html, .csv or .json", "report.html")
    if output is not None and pages is not None:
        raise InputError("one film has one page: either --output or --pages", f"-o {output}")
    target = output or (pages / f"{path.name}.html" if pages else None)
    if target is not None:
        if output is None:
            target.parent.mkdir(parents=True, exist_ok=True)
        check_writable(target)
    found = examine(path)
    if target is not None:
        match target.suffix.lower():
            case ".html":
                page.write(target, found)
            case ".json":
                write_text(target, found.report.model_dump_json(indent=1) + "\n")
            case _:
                folder.write(target, [found.report])
        say(f"wrote {target}")
    return found.report.model_dump(), told(found.report)


def many(
    paths: Sequence[Path], output: Path | None, pages: Path | None, processes: int, bar: Bar, say: Say
) -> tuple[list[dict[str, Any]], str]:
    """The reports of all films, and a table of them; with ``output``, a stopped run is gone on with."""
    if output is not None:
        if output.suffix.lower() not in (".csv", ".json"):
            raise InputError(f"{output}: must end in .csv or .json for many films", "results.csv, or --pages FOLDER")
        check_writable(output)
    for path in paths:
        if not path.exists():
            raise MediaError(f"no such file: {path}", "is the path right?")
    if pages is not None:
        pages.mkdir(parents=True, exist_ok=True)
    found = list(dict.fromkeys(film for path in paths for film in (folder.films(path) if path.is_dir() else [path])))
    journal = output.with_name(f"{output.name}.part") if output else None
    reports: list[Report] = []
    workers = min(processes, len(found)) or crew.workers(len(found))
    try:
        with bar("checking", len(found)) as advance:
            for report in folder.detect_all(found, workers, journal, pages):
                reports.append(report)
                advance(len(reports), description=f"{report.verdict}: {Path(report.path).name}")
    except KeyboardInterrupt:
        say(f"stopped: {len(reports)} of {len(found)} done{'; the same command goes on' if journal else ''}")
        raise
    if output is not None and journal is not None:
        folder.write(output, reports)
        journal.unlink(missing_ok=True)
        say(f"wrote {output}")
    reports.sort(key=lambda report: report.path)
    return [report.model_dump() for report in reports], _table(reports)


def _table(reports: Sequence[Report]) -> str:
    lines = []
    for report in reports:
        chance = "   -" if report.probability is None else f"{report.probability:4.0%}"
        why = f"  {'; '.join(report.reasons)}" if report.reasons else ""
        lines.append(f"{chance}  {report.verdict:<16}  {report.path}{why}")
    counts = {
        verdict: sum(r.verdict == verdict for r in reports) for verdict in dict.fromkeys(r.verdict for r in reports)
    }
    return "\n".join([*lines, ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))])
