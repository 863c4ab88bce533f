"""A suite: many scenes, a film of each, its scores; then one table and one page to look at.

Rows are written as they come and read back when a suite is run again, so that it goes on where it stopped. How films
are made is the caller's business: a suite asks for a judge, a callable from a case to its row, once in every process.
"""

import html
import itertools
import json
import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from praxino.data.diorama import Scene, caption, compose
from praxino.data.diorama.split import UNSEEN, Split
from praxino.errors import UnknownNameError
from praxino.storage.checkpoint import write_text

Row = dict[str, Any]
"""``index``, ``prompt`` and ``scores``: for each source of films ("model", "ceiling", ...) the scores by name."""

FALLING = ("fall", "bounce", "throw")


@dataclass(frozen=True)
class Case:
    """One scene of a suite: sample ``index`` of the world 0."""

    part: Split
    index: int

    def scene(self, frames: int, aspect: float, fps: float) -> Scene:
        return compose(0, self.index, frames, aspect, fps, self.part)

    def prompt(self, scene: Scene) -> str:
        """A paragraph that says everything, in a wording that training did not use for this scene."""
        return caption(scene, 1, self.index).paragraph


def _any(scene: Scene) -> bool:
    return bool(scene.things)


def _physical(scene: Scene) -> bool:
    falls = any(thing.motion in FALLING for thing in scene.things)
    return falls or (scene.relation is not None and scene.relation.name == "collide")


def _moving(scene: Scene) -> bool:
    return any(np.abs(thing.velocity).max() > 0.1 for thing in scene.things)


# The parts that a suite draws from in turn, and which scenes it takes.
SUITES: Final[dict[str, tuple[tuple[Split, ...], Callable[[Scene], bool]]]] = {
    "diorama": (("train", "train", "held-out"), _any),
    "rare": (("rare",), lambda scene: True),
    "physics": (("train",), _physical),
    "motion": (("train",), _moving),
}


def cases(suite: str, samples: int) -> list[Case]:
    """The first ``samples`` cases of a suite; never trained on, and always the same.

    Raises
    ------
    UnknownNameError
        For an unknown suite.
    """
    if suite not in SUITES:
        raise UnknownNameError("suite", suite, SUITES)
    parts, fits = SUITES[suite]
    stream = (Case(parts[i % len(parts)], UNSEEN + 10_000 + i) for i in itertools.count())
    chosen = (case for case in stream if fits(case.scene(17, 1.0, 8.0)))
    return list(itertools.islice(chosen, samples))


def run(
    chosen: Sequence[Case], judge: Callable[[], Callable[[Case], Row]], folder: Path, processes: int = 1
) -> Iterator[Row]:
    """Judge every case that ``folder`` has no row of yet, yielding all rows as they come.

    Parameters
    ----------
    judge : callable
        Called once in every process (with more than one it is pickled); returns what makes the row of a case.
    folder : Path
        Keeps ``rows.jsonl``.
    processes : int
        Each computes with an equal share of the threads.
    """
    done = {row["index"]: row for row in _rows(folder)}
    yield from (done[case.index] for case in chosen if case.index in done)
    left = [case for case in chosen if case.index not in done]
    for row in _judged(left, judge, processes):
        done[row["index"]] = row
        write_text(folder / "rows.jsonl", "".join(json.dumps(each) + "\n" for each in done.values()))
        yield row


def _judged(left: Sequence[Case], judge: Callable[[], Callable[[Case], Row]], processes: int) -> Iterator[Row]:
    if processes == 1 or len(left) < 2:
        yield from map(judge(), left)
        return
    threads = max(1, torch.get_num_threads() // processes)
    with multiprocessing.get_context("spawn").Pool(processes, _begin, (judge, threads)) as pool:
        yield from pool.imap_unordered(_judge_here, left)


_here: list[Callable[[Case], Row]] = []  # this process's judge


def _begin(judge: Callable[[], Callable[[Case], Row]], threads: int) -> None:
    torch.set_num_threads(threads)
    _here[:] = [judge()]


def _judge_here(case: Case) -> Row:
    return _here[0](case)


def _rows(folder: Path) -> list[Row]:
    path = folder / "rows.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def means(rows: Sequence[Row]) -> dict[str, dict[str, tuple[float, int]]]:
    """score -> source -> (mean, how many films had it), in the order in which scores first appear."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for source, scores in row["scores"].items():
            for name, value in scores.items():
                values[name][source].append(value)
    return {
        name: {source: (float(np.mean(each)), len(each)) for source, each in sources.items()}
        for name, sources in values.items()
    }


def table(rows: Sequence[Row]) -> str:
    """The means as text, one score a line, one source a column."""
    found = means(rows)
    sources = list(dict.fromkeys(source for each in found.values() for source in each))
    wide = max([len(name) for name in found], default=5)
    lines = [" ".join([f"{'score':<{wide}}", *(f"{source:>16}" for source in sources)])]
    for name, each in found.items():
        cells = (f"{each[s][0]:.3f} (n {each[s][1]})" if s in each else "-" for s in sources)
        lines.append(" ".join([f"{name:<{wide}}", *(f"{cell:>16}" for cell in cells)]))
    return "\n".join(lines)


def page(rows: Sequence[Row], title: str) -> str:
    """An HTML page: the table, then every prompt with the strips (files beside the page) of its sources."""
    parts = [
        f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title>",
        "<style>body{font:14px sans-serif;max-width:60em;margin:2em auto}",
        "img{display:block;image-rendering:pixelated}</style>",
        f"<h1>{html.escape(title)}</h1><pre>{html.escape(table(rows))}</pre>",
    ]
    for row in sorted(rows, key=lambda row: row["index"]):
        parts.append(f"<p>{html.escape(row['prompt'])}</p>")
        for source, scores in row["scores"].items():
            said = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
            strip = html.escape(row.get("strips", {}).get(source, ""))
            parts.append(f'<img src="{strip}" alt="{html.escape(source)}" width=768><small>{html.escape(said)}</small>')
    return "\n".join(parts) + "\n"
