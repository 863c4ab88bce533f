"""What ``praxino verify`` does: one file with its answer in words, or many with a table."""

from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from praxino.errors import MediaError, PraxinoError, ShapeError
from praxino.provenance import keys, signer
from praxino.provenance.reading import SURE
from praxino.provenance.statements import shown
from praxino.provenance.verify import CODES, SOUND, Verdict, unreadable, verify
from praxino.storage import crew
from praxino.storage.footage import ENDINGS, facts, found_in
from praxino.storage.video import check_file

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline

Bar = Callable[[str, int], AbstractContextManager[Callable[..., None]]]

STILL: Final = frozenset((".png", ".jpg", ".jpeg", ".avif", ".heic", ".tif", ".tiff"))
"""Endings of pictures, as they are looked for in folders beside films."""
FRAMES: Final = 257
"""Of a film whose noise is looked at, at most."""
SECONDS: Final = 180
"""Of all cores together that one file may take."""
GRAVEST: Final = ("tampered", "unreadable", "marked", "nothing", "signed")
"""Of several files, the outcome that comes first here gives the exit code."""


def one(path: Path, model: str | None = None) -> tuple[dict[str, Any], str, int]:
    """What was found in a file as a tree of plain values, in words, and its exit code; ``model`` reads its noise."""
    _ready()
    pipeline = _loaded(model) if model is not None else None
    found = _apart(path)
    plain, sentences = _plain(found), found.sentences
    if pipeline:
        plain["noise"], sentence = _noise(path, pipeline)
        sentences = [*sentences, sentence]
        if found.outcome == "nothing" and plain["noise"]["found"]:
            plain |= {"outcome": "marked", "code": CODES["marked"]}
    return plain, "\n".join(sentences), plain["code"]


def _ready() -> None:
    """Raise `InputError` once, not for every file, if this installation's settings cannot be read."""
    keys.mark_keys()
    for vouching in (signer.made, signer.chosen, signer.trusted):
        vouching()


def _apart(path: Path) -> Verdict:
    """In a process of its own, whatever the file does to it."""
    check_file(path)
    try:
        return crew.apart(verify, (path,), SECONDS)
    except BrokenProcessPool:
        raise MediaError(f"cannot read {path}: {crew.KILLED}", "is it a film or a picture, and complete?") from None


def _timed(path: Path) -> Verdict:
    crew.hurry(SECONDS)
    return verify(path)


def _loaded(model: str) -> "Pipeline":
    from praxino.generation.pipeline import load

    return load(model)


def _noise(path: Path, pipeline: "Pipeline") -> tuple[dict[str, Any], str]:
    from praxino.generation.inversion import noise_mark
    from praxino.storage.video import read

    try:
        known = facts(path)
        pipeline.plan(pipeline.request("a cat", height=known.height, width=known.width), speed=False).check()
        chance, agreement = noise_mark(pipeline, read(path, FRAMES))
    except ShapeError as error:
        return {"found": False, "problem": str(error)}, f"noise: not this model's as it is: {error}"
    except (PraxinoError, MemoryError) as error:
        return {"found": False, "problem": str(error)}, f"noise: not looked for: {error}"
    plain = {"found": chance <= SURE, "probability": chance, "agreement": agreement}
    if chance > SURE:
        return plain, "noise: no mark of this installation found"
    return plain, f"noise: marked by this installation (false-positive probability about {chance:.0e})"


def many(paths: Sequence[Path], processes: int, bar: Bar) -> tuple[list[dict[str, Any]], str, int]:
    """The same of all files named, and of those in folders, sorted by path."""
    _ready()
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    workers = min(processes, len(files)) or crew.workers(len(files))
    found: list[Verdict] = []
    jobs = [(file,) for file in files]
    with bar("verifying", len(files)) as advance:
        for _, verdict in crew.spread(_answer, jobs, workers, _killed, crew.bounded, here=False):
            found.append(verdict)
            advance(len(found), description=f"{verdict.outcome}: {Path(verdict.path).name}")
    found.sort(key=lambda verdict: verdict.path)
    worst = min(found, key=lambda verdict: GRAVEST.index(verdict.outcome))
    return [_plain(verdict) for verdict in found], _table(found), worst.code


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return found_in(path, ENDINGS | STILL, "films or pictures")


def _answer(path: Path) -> Verdict:
    """Of one file among others, which go on whatever it does."""
    try:
        return _timed(path)
    except PraxinoError as error:
        return unreadable(path, " ".join(str(error).split()))


def _killed(path: Path) -> Verdict:
    return unreadable(path, crew.KILLED)


def _plain(found: Verdict) -> dict[str, Any]:
    return {**found.model_dump(), "code": found.code, "sentences": found.sentences}


def _table(found: Sequence[Verdict]) -> str:
    rows = [("outcome", "signed by", "known", "mark", "made", "file")]
    for each in found:
        told, mark = each.credentials, each.mark
        by = "this installation" if told.own else told.by or "-"
        known = {True: "trusted", False: "no"}[told.state == "trusted"] if told.state in SOUND else "-"
        said = mark.message or ("found" if mark.found else "-")
        rows.append((each.outcome, by[:40], known, said, told.made[:10] or mark.month or "-", shown(each.path)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[5]]) for row in rows]
    lines += [f"{shown(each.path)}: {shown(each.problem)}" for each in found if each.problem]
    counts = {name: sum(each.outcome == name for each in found) for name in GRAVEST}
    return "\n".join([*lines, ", ".join(f"{count} {name}" for name, count in counts.items() if count)])
