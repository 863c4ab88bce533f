"""``praxino serve``: the web application in this process, and workers in others that are kept
alive.

``praxino worker`` runs one worker, on this machine or another.
"""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from praxino.errors import InputError, PraxinoError
from praxino.service.locations import JOBS_VARIABLE, STORAGE_VARIABLE, Locations
from praxino.service.queue.jobs import Kind
from praxino.service.queue.retention import RetentionPolicy
from praxino.service.queue.store import LEASE_SECONDS

if TYPE_CHECKING:
    from praxino.service.api.auth import AppState
    from praxino.service.worker.worker import Worker

logger = logging.getLogger("praxino.service")

SHUTDOWN_SECONDS: Final = 20.0
"""Seconds that a worker has to hand back its job."""
EXIT_USAGE: Final = 2
"""Exit code of a mistake of whoever started the process."""
EXIT_TEMPFAIL: Final = 75
"""Exit code of a worker that may be able to begin soon (``EX_TEMPFAIL`` of sysexits.h)."""
MAX_RESTART_SECONDS: Final = 30.0
"""Seconds until a worker is started again that dies again and again, at most."""


@dataclass(frozen=True)
class WorkerConfig:
    """The models that workers serve, by name and place, and how they run."""

    models: dict[str, str]
    device: str = "auto"
    dtype: str = "auto"
    keeping: RetentionPolicy = field(default_factory=RetentionPolicy)
    kinds: tuple[str, ...] = get_args(Kind)
    lease: float = LEASE_SECONDS


def name_models(models: Sequence[str]) -> dict[str, str]:
    """Each model by the name that clients use: bundled ones and OWNER/NAME as they are, a folder by
    its own name.
    """
    named: dict[str, str] = {}
    for model in models:
        path = Path(model)
        is_folder = path.is_dir() and not re.fullmatch(r"[\w.-]+", model)
        name = path.resolve().name if is_folder else model
        if name in named:
            raise InputError(f"two models are called {name!r}", "rename one of the folders")
        named[name] = str(path.resolve()) if is_folder else model
    return named


def worker(places: Locations, work: WorkerConfig, with_parent: bool = False) -> None:
    """Do jobs until SIGTERM or Ctrl-C; a job in progress goes back into the queue.

    Parameters
    ----------
    with_parent : bool
        Leave, too, when standard input ends: whoever started this is gone then.
    """
    from praxino.service.worker.worker import Worker

    try:
        store, objects = places.open(work.lease)
    except PraxinoError as error:
        if not with_parent:
            raise
        logger.error("%s", error)
        sys.exit(EXIT_TEMPFAIL)  # they were there when the server began, and will be again
    working = Worker(store, objects, work.models, work.device, work.dtype, work.keeping, work.kinds)  # type: ignore[arg-type]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: working.leave())
    if with_parent:
        threading.Thread(target=_leave_with_parent, args=(working,), daemon=True).start()
    logger.info("worker %s: %s", working.id, ", ".join(work.models) or ", ".join(work.kinds))
    working.run()


def _leave_with_parent(working: "Worker") -> None:
    while os.read(0, 64):
        pass
    working.leave()


def serve(
    state: "AppState",
    port: int,
    places: Locations,
    work: WorkerConfig,
    workers: int,
    quiet: bool = False,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises
    ------
    InputError
        If the port is taken, or the server would be open to others than this machine.
    """
    import uvicorn

    from praxino.service.api.app import create

    state.require_keys()
    listening = _listen(state.host, port)
    config = uvicorn.Config(
        create(state),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        limit_concurrency=2000,
        backlog=512,
    )
    host = f"[{state.host}]" if ":" in state.host else state.host
    logger.info("the studio: http://%s:%d%s", host, listening.getsockname()[1], _audience(state))
    # uvicorn raises it again at its end: workers are waited for
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _workers(places, work, workers, quiet) as ended, listening:
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            if EXIT_USAGE in ended:
                sys.exit(EXIT_USAGE)


def _audience(state: "AppState") -> str:
    return " (open to this machine alone)" if state.is_open() else ""


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # Sockets that know their protocol send small answers at once: asyncio asks for that only
        # then.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(512)
        return listening
    except OSError as error:
        hint = "another --port" if port else "another --host"
        raise InputError(
            f"cannot listen at {host} port {port}: {error.strerror or error}", hint
        ) from None


@contextmanager
def _workers(places: Locations, work: WorkerConfig, count: int, quiet: bool) -> Iterator[list[int]]:
    """So many workers while the block lasts, each in its process, started again when it dies; how
    they died.
    """
    ended: list[int] = []
    done = threading.Event()
    threads = [
        threading.Thread(
            target=_keep_alive,
            args=(_command(work, quiet), places, done, ended),
            name=f"praxino-worker-{number}",
        )
        for number in range(count)
    ]
    try:
        for thread in threads:
            thread.start()
        yield ended
    finally:
        done.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _command(work: WorkerConfig, quiet: bool) -> list[str]:
    models = [part for path in work.models.values() for part in ("--model", path)]
    kinds = [part for kind in work.kinds for part in ("--kind", kind)]
    keeping = ["--keep-days", f"{work.keeping.days}", "--keep-bytes", f"{work.keeping.bytes}"]
    keeping += ["--lease", f"{work.lease}"]
    how = [
        "--device",
        work.device,
        "--dtype",
        work.dtype,
        *keeping,
        "--with-parent",
        *(["--quiet"] if quiet else []),
    ]
    return [sys.executable, "-m", "praxino", "worker", *models, *kinds, *how]


def _keep_alive(
    command: list[str], places: Locations, done: threading.Event, ended: list[int]
) -> None:
    """One worker, until ``done``, or until it ends with an error that would come again."""
    environment = os.environ | {JOBS_VARIABLE: places.jobs, STORAGE_VARIABLE: places.storage}
    pause = 1.0
    while not done.is_set():
        begun = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
        while process.poll() is None and not done.wait(0.2):
            pass
        if done.is_set():
            _end(process)
            return
        ended.append(process.returncode)
        if process.returncode == EXIT_USAGE:
            os.kill(os.getpid(), signal.SIGTERM)  # it said why, and would say it again
            return
        pause = 1.0 if time.monotonic() - begun > 60 else min(MAX_RESTART_SECONDS, 2 * pause)
        logger.warning(
            "a worker ended (exit code %s): another one starts in %.0f s", process.returncode, pause
        )
        done.wait(pause)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        logger.warning(
            "a worker does not end: it is killed, and its job begun again when a server runs"
        )
        process.kill()
        process.wait()
