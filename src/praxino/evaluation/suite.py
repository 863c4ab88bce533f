"""A suite: many scenes, a film of each, its scores.

Rows are written as they come and read back when a suite is run again, so that it goes on where it
stopped. How films are made is the caller's business: a suite asks for a judge, a callable from a
case to its row, once in every process.
"""

import functools
import hashlib
import itertools
import json
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import Field

from praxino.config import Config
from praxino.data.diorama import Edition, Scene, caption, compose
from praxino.data.diorama.split import UNSEEN, Split
from praxino.errors import CheckpointError, InputError, UnknownNameError
from praxino.storage.files import write_text
from praxino.storage.weights.checkpoint import CONFIG, read_config, write_config

Row = dict[str, Any]
"""``name``, ``part``, ``seed`` and ``prompt`` of the case; for each source of films ("model",
"truth", ...) its ``scores`` by name, and where it has them ``strips`` (paths of pictures beside the
page) and ``features`` (numbers of the reader).
"""

FALLING = ("fall", "bounce", "throw")


@dataclass(frozen=True)
class Case:
    """One film of a suite: of sample ``index`` of the world 0, from the noise of ``seed``.

    Sample ``other`` is of the same sort: films must not be held against the very scenes that they
    were asked for.
    """

    part: Split
    index: int
    other: int
    seed: int = 0
    edition: Edition = 1

    @property
    def name(self) -> str:
        return f"{self.part}-{self.index - UNSEEN}-{self.seed}"

    def scene(self, frames: int, aspect: float, fps: float, other: bool = False) -> Scene:
        return compose(
            0, self.other if other else self.index, frames, aspect, fps, self.part, self.edition
        )

    def prompt(self, scene: Scene) -> str:
        """A paragraph that says everything, in a wording that training did not use for this
        scene.
        """
        return caption(scene, 1, self.index).paragraph


class SuiteManifest(Config):
    """What the rows in a folder are of."""

    suite: str
    model: str = Field(description="digest of the model's weights")
    reader: str = Field(description="digest of the reader's weights")
    measures: str = Field(description="digest of the code that judged them")
    second_reader: str = Field(
        "", description="digest of the second reader's weights, if there is one"
    )
    best_of: int = 1


@functools.cache
def measures() -> str:
    """Names the measures: rows of others must not be mixed with rows of these."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def begin(folder: Path, judged: SuiteManifest) -> None:
    """Make ``folder`` hold rows of ``judged``, now or already.

    Raises
    ------
    InputError
        If it holds rows of something else.
    """
    if folder.is_file() or (
        folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIG).exists()
    ):
        raise InputError(f"{folder} is not a folder of an evaluation", "-o names another")
    if (folder / CONFIG).exists() and read_config(folder, SuiteManifest) != judged:
        raise InputError(
            f"{folder} holds an evaluation of other weights, another suite or other measures",
            "-o names another folder",
        )
    write_config(folder, judged)


def _any(scene: Scene) -> bool:
    return bool(scene.things)


def _physical(scene: Scene) -> bool:
    falls = any(thing.motion in FALLING for thing in scene.things)
    return falls or (scene.relation is not None and scene.relation.name == "collide")


def _moving(scene: Scene) -> bool:
    return any(np.abs(thing.velocity).max() > 0.1 for thing in scene.things)


def _two_colours(scene: Scene) -> bool:
    return len(scene.things) > 1 and len({thing.colour for thing in scene.things}) > 1


def _lettered(scene: Scene) -> bool:
    return any(thing.word is not None for thing in scene.things)


@dataclass(frozen=True)
class Suite:
    """Which scenes of which edition of the world a suite takes.

    Attributes
    ----------
    parts : tuple
        Drawn from in turn.
    fits : callable
        Which scenes it takes.
    start : int
        The first scene looked at.
    """

    parts: tuple[Split, ...]
    fits: Callable[[Scene], bool]
    start: int = UNSEEN + 10_000
    edition: Edition = 1


SUITES: Final[dict[str, Suite]] = {
    "diorama": Suite(("train", "train", "held-out"), _any),
    "rare": Suite(("rare",), lambda scene: True),
    "physics": Suite(("train",), _physical),
    "motion": Suite(("train",), _moving),
    "binding": Suite(("train",), _two_colours, UNSEEN + 2**39),
    "words": Suite(("train",), _lettered, UNSEEN + 2**39, edition=2),
}


def cases(suite: str, samples: int, seeds: int = 1) -> list[Case]:
    """The first ``samples`` scenes of a suite, each with ``seeds`` seeds; never trained on, and
    always the same.

    A film of another seed has another scene of its sort to be held against, too.

    Raises
    ------
    UnknownNameError
        For an unknown suite.
    """
    if suite not in SUITES:
        raise UnknownNameError("suite", suite, SUITES)
    drawn = SUITES[suite]

    def fitting(parts: Sequence[Split], start: int) -> Iterator[tuple[Split, int]]:
        stream = ((parts[i % len(parts)], start + i) for i in itertools.count())
        return (
            (part, index)
            for part, index in stream
            if drawn.fits(compose(0, index, part=part, edition=drawn.edition))
        )

    chosen_cases = []
    fitting_cases = list(itertools.islice(fitting(drawn.parts, drawn.start), samples))
    for seed in range(seeds):
        start = drawn.start + 1_000_000 + 1_010_000 * seed
        others = {part: fitting([part], start) for part in drawn.parts}
        chosen_cases.append(
            [
                Case(part, index, next(others[part])[1], seed, drawn.edition)
                for part, index in fitting_cases
            ]
        )
    return [case for same in zip(*chosen_cases, strict=True) for case in same]


def run(
    selected: Sequence[Case],
    judge: Callable[[], Callable[[Case], Row]],
    folder: Path,
    processes: int = 1,
) -> Iterator[Row]:
    """Judge every case that ``folder`` has no row of yet, yielding all rows as they come.

    Parameters
    ----------
    judge : callable
        Called once in every process (with more than one it is pickled); returns what makes the row
        of a case.
    folder : Path
        Keeps ``rows.jsonl``.
    processes : int
        Each computes with an equal share of the threads.
    """
    path = folder / "rows.jsonl"
    done = {row["name"]: row for row in _rows(path)}
    yield from (done[case.name] for case in selected if case.name in done)
    left = [case for case in selected if case.name not in done]
    folder.mkdir(parents=True, exist_ok=True)
    for row in _judged(left, judge, processes):
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        yield row


def _judged(
    left: Sequence[Case], judge: Callable[[], Callable[[Case], Row]], processes: int
) -> Iterator[Row]:
    if processes == 1 or len(left) < 2:
        yield from map(judge(), left)
        return
    threads = max(1, torch.get_num_threads() // processes)
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), _begin, (judge, threads)
    ) as pool:
        waiting = [pool.submit(_judge_here, case) for case in left]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BrokenProcessPool:
            raise InputError(
                "a process that made films was killed or could not begin", "fewer --processes"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_here: list[Callable[[Case], Row]] = []  # this process's judge


def _begin(judge: Callable[[], Callable[[Case], Row]], threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked stops the others
    torch.set_num_threads(threads)
    _here[:] = [judge()]


def _judge_here(case: Case) -> Row:
    return _here[0](case)


def _rows(path: Path) -> Iterator[Row]:
    """What was judged before; a last line that a killed process left unfinished is dropped."""
    if not path.exists():
        return
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(path, whole)
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            complete = isinstance(row, dict) and {"name", "part", "prompt", "scores"} <= row.keys()
        except ValueError:
            complete = False
        if not complete:
            raise CheckpointError(
                f"line {number} of {path} is damaged", "delete that line to judge its film again"
            )
        yield row
