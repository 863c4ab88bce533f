"""``praxino verify``: who signed a file and which mark it carries; one file in words, or many with
a table.
"""

import json
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from praxino.cli import batch
from praxino.cli.options import Json, Processes, Quiet
from praxino.cli.terminal import Progress
from praxino.errors import InputError, MediaError, PraxinoError, ShapeError

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline
    from praxino.provenance.verify import Verdict

MAX_NOISE_FRAMES: Final = 257
"""Frames of a film whose noise is read."""
MAX_CPU_SECONDS: Final = 180
"""Processor seconds, all cores together, that one file may take."""
GRAVEST: Final = ("tampered", "unreadable", "unverifiable", "marked", "nothing", "signed")
"""Outcomes, the gravest first: of several files, the gravest gives the exit code."""


def verify(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Films or pictures, or folders of them.", show_default=False),
    ],
    model: Annotated[
        str | None, typer.Option(help="Look for a mark in the noise, too, by this model.")
    ] = None,
    json_: Json = False,
    processes: Processes = 0,
    quiet: Quiet = False,
) -> None:
    """Say who signed a file, whether it is as it was then, and which mark it carries.

    Exit codes: 0 signed and as signed, 1 nothing found, 2 not to be read, 3 tampered with, 4 marked
    but not signed, 5 signed in a form that cannot be checked here.
    """
    progress = Progress(quiet)
    if len(paths) == 1 and not paths[0].is_dir():
        answer: Any
        answer, text, code = run_one(paths[0], model)
    elif model:
        raise InputError("--model reads the noise of one film at a time", "name one file")
    else:
        answer, text, code = run_batch(paths, processes, progress)
    typer.echo(json.dumps(answer, indent=1) if json_ else text)
    raise typer.Exit(code)


def run_one(path: Path, model: str | None = None) -> tuple[dict[str, Any], str, int]:
    """What was found in a file as a tree of plain values, in words, and its exit code; ``model``
    reads its noise.
    """
    from praxino.provenance.verify import CODES

    _require_settings()
    pipeline = _load(model) if model is not None else None
    verdict = _verify_isolated(path)
    plain, sentences = _plain(verdict), verdict.sentences
    if pipeline:
        plain["noise"], sentence = _read_noise(path, pipeline)
        sentences = [*sentences, sentence]
        if verdict.outcome == "nothing" and plain["noise"]["found"]:
            plain |= {"outcome": "marked", "code": CODES["marked"]}
    return plain, "\n".join(sentences), plain["code"]


def _require_settings() -> None:
    """Raise `InputError` once, not for every file, if this installation's settings cannot be
    read.
    """
    from praxino.provenance import keys
    from praxino.provenance.c2pa import identity

    keys.mark_keys()
    for anchors in (
        identity.installation_anchors,
        identity.configured_anchors,
        identity.trusted_anchors,
    ):
        anchors()


def _verify_isolated(path: Path) -> "Verdict":
    """In a process of its own, whatever the file does to it."""
    from praxino import processes
    from praxino.provenance.verify import verify as examine
    from praxino.storage.files import require_file

    require_file(path)
    try:
        return processes.run_isolated(examine, (path,), MAX_CPU_SECONDS)
    except BrokenProcessPool:
        raise MediaError(
            f"cannot read {path}: {processes.KILLED}", "is it a film or a picture, and complete?"
        ) from None


def _load(model: str) -> "Pipeline":
    from praxino.generation.loading import load

    return load(model)


def _read_noise(path: Path, pipeline: "Pipeline") -> tuple[dict[str, Any], str]:
    from praxino.generation.inversion import noise_mark
    from praxino.provenance.watermark.detect import MAX_FALSE_POSITIVE_RATE
    from praxino.storage.media.frames import probe, read_video

    try:
        info = probe(path)
        pipeline.plan(
            pipeline.request("a cat", height=info.height, width=info.width), speed=False
        ).validate()
        chance, agreement = noise_mark(pipeline, read_video(path, MAX_NOISE_FRAMES))
    except ShapeError as error:
        return {"found": False, "problem": str(error)}, f"noise: not this model's as it is: {error}"
    except (PraxinoError, MemoryError) as error:
        return {"found": False, "problem": str(error)}, f"noise: not looked for: {error}"
    plain = {
        "found": chance <= MAX_FALSE_POSITIVE_RATE,
        "probability": chance,
        "agreement": agreement,
    }
    if chance > MAX_FALSE_POSITIVE_RATE:
        return plain, "noise: no mark of this installation found"
    return (
        plain,
        f"noise: marked by this installation (false-positive probability about {chance:.0e})",
    )


def run_batch(
    paths: Sequence[Path], workers: int, progress: Progress
) -> tuple[list[dict[str, Any]], str, int]:
    """Verify files, and those in folders, sorted by path."""
    from praxino import processes

    _require_settings()
    files = batch.find_files(paths, _files_in)
    verdicts: list[Verdict] = []
    jobs = [(file,) for file in files]
    workers = batch.process_count(workers, len(files))
    with progress.bar("verifying", len(files)) as advance:
        for _, verdict in processes.map_isolated(
            _verify_in_pool, jobs, workers, _killed, processes.limit_memory, here=False
        ):
            verdicts.append(verdict)
            advance(len(verdicts), description=f"{verdict.outcome}: {Path(verdict.path).name}")
    verdicts.sort(key=lambda verdict: verdict.path)
    worst = min(verdicts, key=lambda verdict: GRAVEST.index(verdict.outcome))
    return [_plain(verdict) for verdict in verdicts], _table(verdicts), worst.code


def _files_in(folder: Path) -> list[Path]:
    from praxino.storage.media.folders import media_in

    return media_in(folder, pictures=True)


def _verify_in_pool(path: Path) -> "Verdict":
    """Verify one file in a worker process; whatever it does, the others go on."""
    from praxino import processes
    from praxino.provenance.verify import unreadable
    from praxino.provenance.verify import verify as examine

    try:
        processes.limit_cpu_seconds(MAX_CPU_SECONDS)
        return examine(path)
    except PraxinoError as error:
        return unreadable(path, " ".join(str(error).split()))


def _killed(path: Path) -> "Verdict":
    from praxino import processes
    from praxino.provenance.verify import unreadable

    return unreadable(path, processes.KILLED)


def _plain(verdict: "Verdict") -> dict[str, Any]:
    return {**verdict.model_dump(), "code": verdict.code, "sentences": verdict.sentences}


def _table(verdicts: Sequence["Verdict"]) -> str:
    from praxino.provenance.c2pa.manifest import printable

    rows = [
        ("outcome", "signed by", "known", "mark", "made", "file"),
        *(_row(verdict) for verdict in verdicts),
    ]
    lines = [
        f"{printable(unread.path)}: {printable(unread.problem)}"
        for unread in verdicts
        if unread.problem
    ]
    return "\n".join(
        [batch.table(rows), *lines, batch.tally([unread.outcome for unread in verdicts], GRAVEST)]
    )


def _row(verdict: "Verdict") -> tuple[str, ...]:
    from praxino.provenance.c2pa.manifest import printable
    from praxino.provenance.verify import SOUND

    credentials, mark = verdict.credentials, verdict.mark
    signer = "this installation" if credentials.own else credentials.by or "-"
    trust = (
        {True: "trusted", False: "no"}[credentials.state == "trusted"]
        if credentials.state in SOUND
        else "-"
    )
    message = mark.message or ("found" if mark.found else "-")
    if credentials.declared or mark.stamped:
        message += " (stamp)"
    date = credentials.made[:10] or mark.month or "-"
    return verdict.outcome, signer[:40], trust, message, date, printable(verdict.path)
