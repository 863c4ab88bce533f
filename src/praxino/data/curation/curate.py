"""From footage to a dataset, in passes that each go on where they were left: measure, decide,
examine and caption what is kept, write.

A dataset is a folder: ``measures/`` (scores of every shot), ``decision.jsonl``, ``captions.jsonl``,
``shards/`` with ``index.jsonl``, or ``clips/`` with ``metadata.jsonl``, and ``report.html``.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from praxino.data.curation.captions import Captioner
from praxino.data.curation.decide import Clip, Rules, candidates, decide
from praxino.data.curation.measures import SourceRow, measure
from praxino.data.curation.report import write_report
from praxino.data.curation.sources import Source, Sources
from praxino.data.curation.units import (
    Executor,
    Row,
    Unit,
    digest,
    grouped,
    read_lines,
    write_rows,
)
from praxino.data.curation.write import NO_SCORES, Examined, Shard, Writing, file_of
from praxino.errors import InputError
from praxino.processes import KILLED

FILMS_A_UNIT: Final = 4
CLIPS_A_SHARD: Final = 128
CLIPS_EXAMINED: Final = 16
"""Clips of a unit that is examined by a detector."""
CAPTIONS_SECONDS: Final = 20.0
"""Time after which captions are written down."""
CAPTIONS: Final = "captions.jsonl"
AGAIN: Final = "again"
"""Marks rows of films that may be read another time: a disk was away."""
Show = Callable[[str, int, int], None]
"""(pass, units done, of how many)"""


@dataclass(frozen=True)
class Measured:
    """A `Unit`: the scores of some films."""

    dataset: Path
    sources: tuple[Source, ...]
    text: bool

    @cached_property
    def target(self) -> Path:
        parts = [str(self.text)]
        for source in self.sources:
            about = source.path.stat()
            parts += [source.name, str(source.member), str(about.st_size), str(about.st_mtime_ns)]
        return self.dataset / "measures" / f"{digest(parts)}.jsonl"

    @property
    def jobs(self) -> Sequence[Source]:
        return self.sources

    def carry_out(self, job: Source) -> Row:
        try:
            with file_of(job) as path:
                return measure(path, job.name, self.text).model_dump(mode="json")
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            return {"source": job.name, "problem": problem, AGAIN: True}

    def give_up(self, job: Source) -> Row:
        return {"source": job.name, "problem": KILLED}

    def finish(self, results: Iterable[Row]) -> None:
        write_rows(self.target, results)


@dataclass(eq=False)
class Curation:
    """One dataset in the making.

    Attributes
    ----------
    sources : Sources
        What it is made from.
    dataset : Path
        The folder.
    execute : Executor
        Does units of work (`data.curation.units`).
    show : callable
        Is called with each unit that is done.
    problems : Counter
        What could not be read, and how often.
    """

    sources: Sources
    dataset: Path
    execute: Executor
    show: Show = lambda name, done, total: None
    problems: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.dataset.mkdir(parents=True, exist_ok=True)
        self.problems.update(self.sources.problems)

    def measure(self, text: bool = False) -> list[tuple[Source, SourceRow]]:
        """Every film with its row; films that could not be read are counted in ``problems``."""
        units = [
            Measured(self.dataset, tuple(some), text)
            for some in grouped(self._unchanged(), FILMS_A_UNIT, lambda source: source.name)
        ]
        for unit in units:
            if unit.target.exists() and any(AGAIN in row for row in read_lines(unit.target)):
                unit.target.unlink()
        self._do("measure", units)
        rows = []
        for unit in units:
            for source, line in zip(unit.sources, read_lines(unit.target), strict=True):
                row = SourceRow.model_validate(
                    {name: value for name, value in line.items() if name != AGAIN}
                )
                if row.problem:
                    self.problems[_short(row.problem, source)] += 1
                rows.append((source, row))
        return rows

    def _unchanged(self) -> list[Source]:
        """Films that are still there."""
        there = [source for source in self.sources.films if source.path.is_file()]
        if gone := len(self.sources.films) - len(there):
            self.problems["films that are gone"] += gone
        return there

    def decide(self, rows: Iterable[tuple[Source, SourceRow]], rules: Rules) -> list[Clip]:
        """All clips, each with the rule that leaves it out, if one does; spans that have none are
        counted in ``problems``.
        """
        clips: dict[str, Clip] = {}
        for source, row in rows:
            for span in source.spans:
                if not row.problem and span.start >= max(row.seconds, 1e-3):
                    self.problems["spans beyond the end of their film"] += 1
            for clip in candidates([(source, row)], rules):
                if clip.id in clips:
                    self.problems["spans that are there twice"] += 1
                clips.setdefault(clip.id, clip)
        return decide(list(clips.values()), rules)

    def examine(
        self, clips: Sequence[Clip], rules: Rules, examine: Callable[[Path], float]
    ) -> list[Clip]:
        """The clips decided about again, once a detector looked at all that are kept: what it
        leaves out may let others in.
        """
        rows: dict[str, Row] = {}
        while kept := [clip for clip in clips if not clip.reason and clip.id not in rows]:
            units = [
                Examined(self.dataset, tuple(some), examine)
                for some in grouped(kept, CLIPS_EXAMINED, lambda clip: clip.id)
            ]
            self._do("examine", units)
            rows |= {row["id"]: row for unit in units for row in read_lines(unit.target)}
            clips = decide([_examined(clip, rows.get(clip.id, {})) for clip in clips], rules)
        bad = sum("problem" in row for row in rows.values())
        self.problems.update({"clips that a detector could not read": bad} if bad else {})
        return list(clips)

    def save(self, clips: Sequence[Clip], rules: Rules, title: str) -> None:
        """Write down what was decided, and the report."""
        lines: list[Row] = [{"rules": rules.model_dump(), "problems": dict(self.problems)}]
        for clip in clips:
            scores = clip.shot.model_dump(exclude=set(NO_SCORES))
            lines.append(
                {
                    "id": clip.id,
                    "source": clip.source.name,
                    "start": clip.start,
                    "end": clip.end,
                    "crop": clip.crop,
                    "reason": clip.reason,
                    "same_as": clip.same_as,
                    "scores": scores,
                }
            )
        write_rows(self.dataset / "decision.jsonl", lines)
        write_report(self.dataset / "report.html", clips, rules, self.problems, title)

    def caption(self, clips: Sequence[Clip], captioner: Captioner) -> dict[str, str]:
        """Captions of clips that have none, by their ids; what an endpoint does not say is counted
        in ``problems``, and asked again next time.
        """
        path, saved_at = self.dataset / CAPTIONS, time.monotonic()
        rows = {row["id"]: row for row in read_lines(path)} if path.exists() else {}
        silent = [
            clip for clip in clips if not clip.caption and "caption" not in rows.get(clip.id, {})
        ]
        for number, row in enumerate(captioner.captions(silent), 1):
            rows[row["id"]] = row
            self.show("caption", number, len(silent))
            if number == len(silent) or time.monotonic() - saved_at > CAPTIONS_SECONDS:
                write_rows(path, rows.values())
                saved_at = time.monotonic()
        for row in rows.values():
            if "problem" in row:
                self.problems[f"captions: {row['problem'][:60]}"] += 1
        return self.captions()

    def captions(self) -> dict[str, str]:
        """Captions that were asked for once, by the ids of their clips."""
        path = self.dataset / CAPTIONS
        rows = read_lines(path) if path.exists() else iter(())
        return {row["id"]: row["caption"] for row in rows if "caption" in row}

    def write(self, clips: Sequence[Clip], writing: Writing, folder: bool = False) -> list[Row]:
        """Write the clips that are kept, and delete those that were before; the rows of the index.

        Raises
        ------
        InputError
            If none is kept.
        """
        captions = self.captions()
        kept = sorted((clip for clip in clips if not clip.reason), key=lambda clip: clip.id)
        if not kept:
            raise InputError("no clip is kept", "report.html says which rules took them")
        units = [
            Shard(
                self.dataset,
                tuple(some),
                tuple(_clean(clip.caption or captions.get(clip.id, "")) for clip in some),
                writing,
                folder,
            )
            for some in grouped(kept, CLIPS_A_SHARD, lambda clip: clip.id)
        ]
        self._do("write", units)
        rows = [row for unit in units for row in read_lines(unit.target)]
        good = [row for row in rows if "problem" not in row]
        if bad := len(rows) - len(good):
            self.problems["clips that could not be cut"] += bad
        name = "metadata.jsonl" if folder else "index.jsonl"
        write_rows(self.dataset / name, good)
        self._tidy(good)
        return good

    def _tidy(self, rows: Sequence[Row]) -> None:
        """Delete shards and clips of which the index says nothing: who reads the folder would take
        them for part of it.
        """
        named = {self.dataset / "shards" / row["shard"] for row in rows if "shard" in row}
        for row in rows:
            if "file_name" in row:
                clip = self.dataset / row["file_name"]
                named |= {clip, clip.with_suffix(".txt")}
        for part in ("shards", "clips"):
            for path in (self.dataset / part).glob("*"):
                if path not in named and path.is_file():
                    path.unlink()

    def _do(self, name: str, units: Sequence[Unit]) -> None:
        waiting = [unit for unit in units if not unit.target.exists()]
        done = len(units) - len(waiting)
        self.show(name, done, len(units))
        for number, _ in enumerate(self.execute(waiting), done + 1):
            self.show(name, number, len(units))


def _examined(clip: Clip, row: Row) -> Clip:
    """A clip that is to be decided about again, with what a detector found."""
    shot = clip.shot
    if "generated" in row:
        shot = shot.model_copy(update={"generated": row["generated"]})
    return replace(clip, shot=shot, reason="", same_as="")


def _clean(text: str) -> str:
    """A caption that can be written as UTF-8: half of a pair of surrogates cannot."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _short(problem: str, source: Source) -> str:
    """A problem without the names of its file, so that equal ones are counted together."""
    for name in (str(source.path), source.path.name, source.name):
        problem = problem.replace(name, "a film")
    return " ".join(problem.split())[:120]
