"""Work in units that are done once, whatever is killed on the way.

A unit's name is a digest of what it is made from. Its result appears under that name as a whole,
and a unit whose result is there is not done again: it may be begun by any process on any machine
that sees the folder, and a driver, a worker or a node may go at any time.
"""

import hashlib
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from praxino.errors import InputError
from praxino.processes import limit_cpu_seconds, limit_memory, map_isolated, run_isolated, workers
from praxino.storage.files import write_text

MAX_JOB_CPU_SECONDS: Final = 3600.0
"""Processor time for one film, beyond which it counts as one that kills its decoder."""
CONNECT_SECONDS: Final = 5.0
"""Time within which a cluster must answer."""
RAY_RETRIES: Final = 2
"""Times that Ray begins a task again whose worker went."""

Row = dict[str, Any]
Job = TypeVar("Job")


class Unit(Protocol):
    """Some jobs whose results are kept together; a value that can be sent to other processes."""

    @property
    def target(self) -> Path:
        """Where the result appears when it is whole."""

    @property
    def jobs(self) -> Sequence[Any]:
        """What is done one after another."""

    def carry_out(self, job: Any) -> Any:
        """One job's result."""

    def give_up(self, job: Any) -> Any:
        """What stands for the result of a job that kills its process."""

    def finish(self, results: Iterable[Any]) -> None:
        """Make the target of the results of all jobs, which come one by one; the last thing
        atomically.
        """


def digest(parts: Iterable[str]) -> str:
    """Sixteen hexadecimal digits that name these texts in this order."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8", "surrogateescape")
        total.update(len(content).to_bytes(8, "big") + content)
    return total.hexdigest()[:16]


def grouped(items: Sequence[Job], size: int, name: Callable[[Job], str]) -> Iterator[Sequence[Job]]:
    """Items, about so many at a time, at most four times as many.

    A group begins where an item's name says so: one item more or less changes its own group alone.
    """
    group: list[Job] = []
    for item in items:
        if group and (int(digest([name(item)]), 16) % size == 0 or len(group) == 4 * size):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def do(unit: Unit) -> None:
    """Do a unit's jobs in this process, unless its result is there."""
    if unit.target.exists():
        return
    unit.finish(_results(unit))


def _results(unit: Unit) -> Iterator[Any]:
    for job in unit.jobs:
        limit_cpu_seconds(MAX_JOB_CPU_SECONDS)
        try:
            yield unit.carry_out(job)
        except MemoryError:
            yield unit.give_up(job)


def do_apart(unit: Unit) -> None:
    """Do each of a unit's jobs in a process of its own: one that kills it costs its own result."""
    if unit.target.exists():
        return
    unit.finish(_results_apart(unit))


def _results_apart(unit: Unit) -> Iterator[Any]:
    for job in unit.jobs:
        try:
            yield run_isolated(unit.carry_out, (job,), MAX_JOB_CPU_SECONDS)
        except (BrokenProcessPool, MemoryError):
            yield unit.give_up(job)


Executor = Callable[[Sequence[Unit]], Iterator[Unit]]
"""Does units and yields each when it is done."""


def here(processes: int | None = None) -> Executor:
    """Processes of this machine; as many as pay, where no number is given."""

    def execute(units: Sequence[Unit]) -> Iterator[Unit]:
        if not units:
            return
        count = processes or workers(len(units))
        jobs = [(unit,) for unit in units]
        for (unit,), _ in map_isolated(do, jobs, count, do_apart, limit_memory, here=False):
            yield unit

    return execute


def on_ray(address: str) -> Executor:
    """Tasks of a Ray cluster whose nodes see the footage and the dataset under the same paths.

    Raises
    ------
    InputError
        If Ray is not installed, or there is no cluster.
    """
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not installed", "pip install 'praxino[scale]'") from None
    _require_port(address)
    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"no Ray cluster at {address}: {error}", "ray start --head") from None

    def execute(units: Sequence[Unit]) -> Iterator[Unit]:
        task = ray.remote(num_cpus=1, max_retries=RAY_RETRIES)
        fast, apart = task(do), task(do_apart)
        limit = 4 * int(ray.cluster_resources().get("CPU", 1))
        waiting, running = list(reversed(units)), dict[Any, tuple[Unit, bool]]()
        while waiting or running:
            while waiting and len(running) < limit:
                unit = waiting.pop()
                running[fast.remote(unit)] = unit, False
            (done, *_), _ = ray.wait(list(running), num_returns=1)
            unit, careful = running.pop(done)
            try:
                ray.get(done)
            except (
                ray.exceptions.WorkerCrashedError,
                ray.exceptions.OutOfMemoryError,
                ray.exceptions.NodeDiedError,
            ):
                if careful:
                    raise
                running[apart.remote(unit)] = unit, True
                continue
            yield unit

    return execute


def _require_port(address: str) -> None:
    """Raise `InputError` at once where nothing listens: Ray waits for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise InputError(f"no Ray cluster at {address}: {error}", "ray start --head") from None


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """A list of rows as a file of lines; it appears as a whole."""
    lines = [json.dumps(row, ensure_ascii=True, sort_keys=True) for row in rows]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_lines(path: Path) -> Iterator[Row]:
    """The rows of `write_rows`."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
