"""From footage to a dataset, in passes that each go on where they were left: measure, decide,
examine and caption what is kept, write.

A dataset is a folder: ``measures/`` (scores of every shot), ``decision.jsonl``, ``captions.jsonl``,
``shards/`` with ``index.jsonl``, or ``clips/`` with ``metadata.jsonl``, and ``report.html``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
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
from praxino.data.curation.write import Examined, Shard, Writing, file_of
from praxino.errors import InputError
from praxino.processes import KILLED

FILMS_A_UNIT: Final = 16
CLIPS_A_SHARD: Final = 256
CLIPS_EXAMINED: Final = 16
"""Clips of a unit that is examined by a detector."""
CAPTIONS_KEPT: Final = 64
"""Captions after which they are written down."""
Show = Callable[[str, int, int], None]
"""(pass, units done, of how many)"""


@dataclass(frozen=True)
class Measured:
    """A `Unit`: the scores of some films."""

    dataset: Path
    sources: tuple[Source, ...]
    text: bool

    @property
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
            return {"source": job.name, "problem": f"cannot be read: {error.strerror}"}

    def give_up(self, job: Source) -> Row:
        return {"source": job.name, "problem": KILLED}

    def finish(self, results: Sequence[Row]) -> None:
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
            for some in grouped(self._unchanged(), FILMS_A_UNIT)
        ]
        self._do("measure", units)
        rows = []
        for unit in units:
            for source, line in zip(unit.sources, read_lines(unit.target), strict=True):
                row = SourceRow.model_validate(line)
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
        """All clips, each with the rule that leaves it out, if one does."""
        return decide(list(candidates(rows, rules)), rules)

    def examine(
        self, clips: Sequence[Clip], rules: Rules, examine: Callable[[Path], float]
    ) -> list[Clip]:
        """The clips decided about again, once a detector looked at those that were kept."""
        kept = [clip for clip in clips if not clip.reason]
        units = [Examined(self.dataset, tuple(some), examine)
                 for some in grouped(kept, CLIPS_EXAMINED)]  # fmt: skip
        self._do("examine", units)
        rows = {row["id"]: row for unit in units for row in read_lines(unit.target)}
        for row in rows.values():
            if "problem" in row:
                self.problems["clips that a detector could not read"] += 1
        again = []
        for clip in clips:
            shot = clip.shot
            if "generated" in (row := rows.get(clip.id, {})):
                shot = shot.model_copy(update={"generated": row["generated"]})
            again.append(replace(clip, shot=shot, reason="", same_as=""))
        return decide(again, rules)

    def save(self, clips: Sequence[Clip], rules: Rules, title: str) -> None:
        """Write down what was decided, and the report."""
        lines: list[Row] = [{"rules": rules.model_dump(), "problems": dict(self.problems)}]
        for clip in clips:
            scores = clip.shot.model_dump(exclude={"hashes", "mirrored", "thumbnail"})
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
        path = self.dataset / "captions.jsonl"
        rows = {row["id"]: row for row in read_lines(path)} if path.exists() else {}
        silent = [
            clip for clip in clips if not clip.caption and "caption" not in rows.get(clip.id, {})
        ]
        for number, row in enumerate(captioner.captions(silent), 1):
            rows[row["id"]] = row
            self.show("caption", number, len(silent))
            if number % CAPTIONS_KEPT == 0 or number == len(silent):
                write_rows(path, rows.values())
        for row in rows.values():
            if "problem" in row:
                self.problems[f"captions: {row['problem'][:60]}"] += 1
        return {id_: row["caption"] for id_, row in rows.items() if "caption" in row}

    def write(
        self,
        clips: Sequence[Clip],
        captions: dict[str, str],
        writing: Writing,
        folder: bool = False,
    ) -> list[Row]:
        """Write the clips that are kept; the rows of the index.

        Raises
        ------
        InputError
            If none is kept.
        """
        kept = sorted((clip for clip in clips if not clip.reason), key=lambda clip: clip.id)
        if not kept:
            raise InputError("no clip is kept", "report.html says which rules took them")
        units = [
            Shard(
                self.dataset,
                tuple(some),
                tuple(clip.caption or captions.get(clip.id, "") for clip in some),
                writing,
                folder,
            )
            for some in grouped(kept, CLIPS_A_SHARD)
        ]
        self._do("write", units)
        rows = [row for unit in units for row in read_lines(unit.target)]
        good = [row for row in rows if "problem" not in row]
        if bad := len(rows) - len(good):
            self.problems["clips that could not be cut"] += bad
        name = "metadata.jsonl" if folder else "index.jsonl"
        write_rows(self.dataset / name, good)
        return good

    def _do(self, name: str, units: Sequence[Unit]) -> None:
        waiting = [unit for unit in units if not unit.target.exists()]
        done = len(units) - len(waiting)
        self.show(name, done, len(units))
        for number, _ in enumerate(self.execute(waiting), done + 1):
            self.show(name, number, len(units))


def _short(problem: str, source: Source) -> str:
    """A problem without the names of its file, so that equal ones are counted together."""
    for name in (str(source.path), source.path.name, source.name):
        problem = problem.replace(name, "a film")
    return " ".join(problem.split())[:120]
