"""``praxino detect``: was this generated? One film with its page, or many with one table."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from praxino.cli import batch
from praxino.cli.options import Json, Processes, Quiet
from praxino.cli.terminal import Progress
from praxino.errors import InputError, PraxinoError

if TYPE_CHECKING:
    from praxino.detection.report import Report


def detect(
    paths: Annotated[
        list[Path], typer.Argument(help="Films, or folders of films.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A page (.html) of one film; a table (.csv .json) of many."
        ),
    ] = None,
    pages: Annotated[Path | None, typer.Option(help="Folder for a page of every film.")] = None,
    json_: Json = False,
    processes: Processes = 0,
    quiet: Quiet = False,
) -> None:
    """Say whether films were generated, with the evidence; interrupted batches resume."""
    progress = Progress(quiet)
    if len(paths) == 1 and not paths[0].is_dir():
        answer: Any
        answer, text = run_one(paths[0], output, pages, progress)
    else:
        answer, text = run_batch(paths, output, pages, processes, progress)
    typer.echo(json.dumps(answer, indent=1) if json_ else text)


def run_one(
    path: Path, output: Path | None, pages: Path | None, progress: Progress
) -> tuple[dict[str, Any], str]:
    """The report of one film as a tree of plain values and as text; ``output`` is where its page or
    its JSON goes.
    """
    from praxino.detection import html
    from praxino.detection.batch import write_table
    from praxino.detection.detector import examine
    from praxino.detection.report import to_text
    from praxino.storage.files import require_writable, write_text

    if output is not None and output.suffix.lower() not in (".html", ".csv", ".json"):
        raise InputError(f"{output}: must end in .html, .csv or .json", "report.html")
    if output is not None and pages is not None:
        raise InputError("one film has one page: either --output or --pages", f"-o {output}")
    target = output or (pages / f"{path.name}.html" if pages else None)
    if target is not None:
        if output is None:
            target.parent.mkdir(parents=True, exist_ok=True)
        require_writable(target)
    examination = examine(path)
    if claim := _claim(path):
        report = examination.report.model_copy(update={"says": claim})
        examination = dataclasses.replace(examination, report=report)
    if target is not None:
        match target.suffix.lower():
            case ".html":
                html.write_page(target, examination)
            case ".json":
                write_text(target, examination.report.model_dump_json(indent=1) + "\n")
            case _:
                write_table(target, [examination.report])
        progress.say(f"wrote {target}")
    return examination.report.model_dump(), to_text(examination.report)


def _claim(path: Path) -> str:
    """What a film's mark and signature say, if it has any that can be read."""
    from praxino.provenance.verify import verify

    try:
        verdict = verify(path)
    except PraxinoError:  # it stands beside the answer, and stops none
        return ""
    return "; ".join(verdict.sentences) if verdict.outcome not in ("nothing", "unreadable") else ""


def run_batch(
    paths: Sequence[Path],
    output: Path | None,
    pages: Path | None,
    processes: int,
    progress: Progress,
) -> tuple[list[dict[str, Any]], str]:
    """The reports of all films, and a table of them; with ``output``, a stopped run is gone on
    with.
    """
    from praxino.detection.batch import detect_all, films, write_table
    from praxino.storage.files import require_writable

    if output is not None:
        if output.suffix.lower() not in (".csv", ".json"):
            raise InputError(
                f"{output}: must end in .csv or .json for many films",
                "results.csv, or --pages FOLDER",
            )
        require_writable(output)
    batch.require_there(paths)
    files = batch.find_files(paths, films)
    if pages is not None:
        pages.mkdir(parents=True, exist_ok=True)
    journal = output.with_name(f"{output.name}.part") if output else None
    reports: list[Report] = []
    workers = batch.process_count(processes, len(files))
    try:
        with progress.bar("checking", len(files)) as advance:
            for report in detect_all(files, workers, journal, pages):
                reports.append(report)
                advance(len(reports), description=f"{report.verdict}: {Path(report.path).name}")
    except KeyboardInterrupt:
        progress.say(
            f"stopped: {len(reports)} of {len(files)} "
            f"done{'; the same command goes on' if journal else ''}"
        )
        raise
    if output is not None and journal is not None:
        write_table(output, reports)
        journal.unlink(missing_ok=True)
        progress.say(f"wrote {output}")
    reports.sort(key=lambda report: report.path)
    return [report.model_dump() for report in reports], _table(reports)


def _table(reports: Sequence["Report"]) -> str:
    lines = []
    for report in reports:
        chance = "   -" if report.probability is None else f"{report.probability:4.0%}"
        why = f"  {'; '.join(report.reasons)}" if report.reasons else ""
        lines.append(f"{chance}  {report.verdict:<16}  {report.path}{why}")
    verdicts = [report.verdict for report in reports]
    return "\n".join([*lines, batch.tally(verdicts, sorted(set(verdicts)))])
