"""Many files over several processes, where a file may kill the one that reads it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import Any, Final, TypeVar

Job = TypeVar("Job", bound=tuple[Any, ...])
Result = TypeVar("Result")

EACH: Final = 2**30
"""Bytes that a process may take: those of 4K films do."""
MAX_ADDRESS_SPACE_BYTES: Final = 4 * 2**30
"""Bytes of addresses that a process may take that reads files of anybody: a damaged length asks for
as many.
"""

KILLED: Final = "it kills the decoder, or wants too much memory or time"
"""Said of a file whose process was ended."""
MOMENT: Final = 0.2
"""Seconds between two looks whether what goes on is still wanted."""


def workers(files: int) -> int:
    """Processes for so many files: one a core that may be used, as far as memory reaches."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    memory = (
        os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if hasattr(os, "sysconf")
        else cores * EACH * 2
    )
    return max(1, min(cores, files, memory // (2 * EACH)))


def init_worker() -> None:
    """One thread each, for processes that share the cores by files; the parent answers Ctrl-C, and
    they end with it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2  # half a second, which programs that only start processes need not wait

    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


def limit_memory() -> None:
    """`init_worker`, and with no more memory than any file may need, where that can be said (not on
    Windows).
    """
    init_worker()
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS,
        (MAX_ADDRESS_SPACE_BYTES if hard < 0 else min(MAX_ADDRESS_SPACE_BYTES, hard), hard),
    )


def _steadfast() -> None:
    """`limit_memory`, and SIGTERM, which may come to a whole group, is for the parent to answer,
    too.

    For a pool of one process: pools end the others with it when one of them was killed.
    """
    limit_memory()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def limit_cpu_seconds(seconds: float) -> None:
    """End this process when it has worked so long from now on, whatever it does (not on
    Windows).
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def map_isolated(
    work: Callable[..., Result],
    jobs: Sequence[Job],
    processes: int,
    killed: Callable[..., Result],
    ready: Callable[[], None] = init_worker,
    here: bool = True,
) -> Iterator[tuple[Job, Result]]:
    """``work(*job)`` for each job, as they are done, in any order.

    What ran when a process was killed runs once more by itself, the rest goes on together.

    Parameters
    ----------
    killed : callable
        What stands for the result of a job that kills its process even by itself.
    ready : callable
        Called first in each process.
    here : bool
        Whether a single process is this one.
    """
    if processes == 1 and here:
        yield from ((job, work(*job)) for job in jobs)
        return
    left = list(jobs)
    while left:
        broken: list[Job] = []
        for job, done in run_pool(work, left, processes, ready):
            try:
                yield job, done.result()
            except BrokenProcessPool:
                broken.append(job)
        broken.sort(key=left.index)
        # as many as run or are about to
        suspects, left = (
            broken[: processes + 1],
            broken[processes + 1 :],
        )
        for job in suspects:
            for _, done in run_pool(work, [job], 1, ready):
                try:
                    yield job, done.result()
                except BrokenProcessPool:
                    yield job, killed(*job)


def run_pool(
    work: Callable[..., Result],
    jobs: Sequence[Job],
    processes: int,
    ready: Callable[[], None],
    check: Callable[[], None] | None = None,
) -> Iterator[tuple[Job, "Future[Result]"]]:
    """Each job with its result or error, as they are done; ``check`` is called every moment, and
    may raise.
    """
    others = set(active_children())
    pool = ProcessPoolExecutor(processes, get_context("spawn"), ready)
    try:
        job_of = {pool.submit(work, *job): job for job in jobs}
        left = set(job_of)
        while left:
            ended, left = wait(left, MOMENT if check else None, FIRST_COMPLETED)
            for done in ended:
                yield job_of[done], done
            if check and left:
                check()
    except BaseException:  # who stops listening waits for nothing
        for child in set(active_children()) - others:
            child.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def run_isolated(
    work: Callable[..., Result], job: Job, seconds: float, check: Callable[[], None] | None = None
) -> Result:
    """``work(*job)`` in a process of its own: a file that kills it, or takes too much memory or
    time, does so there.

    Parameters
    ----------
    seconds : float
        Of all cores together that it may take.
    check : callable, optional
        Called every moment; if it raises, the process is ended.

    Raises
    ------
    BrokenProcessPool
        If the process was ended.
    """
    ((_, done),) = run_pool(_hurried, [(work, job, seconds)], 1, _steadfast, check)
    return done.result()


def _hurried(work: Callable[..., Result], job: Job, seconds: float) -> Result:
    limit_cpu_seconds(seconds)
    return work(*job)
