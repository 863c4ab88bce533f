"""A worker: owns a device and a loaded model, claims jobs, does them one after another, and
announces that it lives.
"""

import logging
import math
import os
import re
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from sqlalchemy.exc import SQLAlchemyError

from praxino.cards import ModelCard
from praxino.errors import CheckpointError, InputError, JobError, MediaError, PraxinoError
from praxino.service.queue.jobs import (
    MADE,
    WITH_MODEL,
    Failure,
    Job,
    JobResult,
    Kind,
    Status,
    WorkerInfo,
)
from praxino.service.queue.retention import RetentionPolicy, delete_input, orphans, sweep
from praxino.service.queue.schema import first_line
from praxino.service.queue.store import Store
from praxino.service.worker import execute, films
from praxino.service.worker.heartbeat import Heartbeat
from praxino.service.worker.pieces import Pieces
from praxino.storage.objects import Objects, is_full

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline

logger = logging.getLogger("praxino.service")

Result = TypeVar("Result")

CLAIM_POLL_SECONDS: Final = ((5.0, 0.02), (60.0, 0.1), (math.inf, 0.5))
"""(idle, pause): until it was idle for so long, a worker looks for a job again after such a pause.
"""
ERROR_PAUSE_SECONDS: Final = 0.5
"""Pause after an error of the database or the storage."""
PIECES_KEPT_SECONDS: Final = 300.0
"""Seconds for which those who watch a film while it is made may take its last pieces."""
SWEEP_SECONDS: Final = 60.0
"""Seconds between two deletions of what is kept no longer."""
ORPHAN_SWEEP_SECONDS: Final = 3600.0
"""Seconds between two searches for files of no job."""
RESULT_RETRY_SECONDS: Final = 5.0
"""Seconds for which a leaving worker retries to store a result."""
SCRATCH_PREFIX: Final = "praxino-work-"
"""Beginning of the names of temporary folders; the machine and the worker's process follow."""


class Worker:
    """Does jobs until it is told to leave.

    Parameters
    ----------
    models : mapping
        Names that clients use, and where each model is.
    kinds : sequence
        The kinds of jobs it takes.
    """

    def __init__(
        self,
        store: Store,
        objects: Objects,
        models: Mapping[str, str],
        device: str = "auto",
        dtype: str = "auto",
        keeping: RetentionPolicy | None = None,
        kinds: Sequence[Kind] = get_args(Kind),
    ) -> None:
        self.id = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
        self.store, self.objects = store, objects
        self.models, self.device, self.dtype = dict(models), device, dtype
        self.keeping = keeping or RetentionPolicy()
        self.kinds = tuple(kinds)
        self.leaving = threading.Event()
        self._orphans: frozenset[str] = frozenset()
        self._shown: list[tuple[float, str]] = []
        self._loaded: tuple[str, Pipeline] | None = None
        self._cards: tuple[ModelCard, ...] = ()

    def run(self) -> None:
        """Claim and do jobs until `leave`; a job in progress then goes back into the queue."""
        if set(self.kinds) & set(WITH_MODEL):
            self._cards = tuple(
                self._pipeline(name).card.model_copy(update={"id": name}) for name in self.models
            )
        self._quietly(_remove_scratch_of_the_dead)
        with self._announced():
            idle, swept, searched = time.monotonic(), -math.inf, -math.inf
            while not self.leaving.is_set():
                if time.monotonic() - searched > ORPHAN_SWEEP_SECONDS:
                    self._orphans = (
                        self._quietly(orphans, self.store, self.objects, self._orphans)
                        or frozenset()
                    )
                    searched = time.monotonic()
                if time.monotonic() - swept > SWEEP_SECONDS:
                    self._quietly(sweep, self.store, self.objects, self.keeping)
                    self._remove_pieces()
                    swept = time.monotonic()
                job = self._quietly(self.store.claim, self.id, list(self.models), self.kinds)
                if job is not None:
                    self._quietly(self.do, job)
                    idle = time.monotonic()
                else:
                    idle_for = time.monotonic() - idle
                    self.leaving.wait(
                        next(pause for limit, pause in CLAIM_POLL_SECONDS if idle_for < limit)
                    )

    def _remove_pieces(self) -> None:
        """Delete the pieces of films that are whole since a while: their streams are at the end."""
        over = [name for until, name in self._shown if until < time.monotonic()]
        self._shown = [one for one in self._shown if one[1] not in over]
        for name in over:
            self._quietly(self.objects.remove, name)

    def leave(self) -> None:
        """Stop soon: may be called from a signal handler or another thread."""
        self.leaving.set()

    def do(self, job: Job) -> None:
        """Do one claimed job and store what came of it; errors are the job's, not the worker's."""
        logger.info("%s: begun by %s, attempt %d", job.id, self.id, job.attempts)
        with Heartbeat(self.store, job, self.leaving) as heartbeat:
            try:
                with tempfile.TemporaryDirectory(prefix=f"{_scratch()}{os.getpid()}-") as scratch:
                    result, size = self._result(job, Path(scratch).resolve(), heartbeat)
            except execute.Stopped:
                self._end(job, heartbeat)
            except Exception as error:  # whatever a film or a file does, the next job is another's
                # What ends this process may have ended others that it needed.
                if heartbeat.stop or heartbeat.hand_back:
                    logger.info("%s: ended by %s", job.id, first_line(error))
                    self._end(job, heartbeat)
                else:
                    self._fail(job, heartbeat, error)
            else:
                self._end(job, heartbeat, result, size)

    def _result(self, job: Job, folder: Path, heartbeat: Heartbeat) -> tuple[JobResult, int]:
        """What came of a job, its files stored; and their bytes."""
        pieces = Pieces(job, self.objects)
        for name in job.inputs:
            self._insist(self.objects.get, f"{job.id}/{name}", folder / name)
        if job.kind == "film":
            pipeline = self._pipeline(job.model)
            result = films.make_film(
                job, pipeline, folder, self.objects, heartbeat.step, heartbeat.raise_if_stopped
            )
        elif job.kind in MADE:
            inputs = execute.read_inputs(job, folder, self.objects, heartbeat.raise_if_stopped)
            callbacks = execute.Callbacks(
                heartbeat.step, heartbeat.preview, pieces.add, pieces.turn
            )
            result = execute.make(job, self._pipeline(job.model), folder, inputs, callbacks)
            self._quietly(pieces.end)
        else:
            result = execute.analyse(job, folder, heartbeat.raise_if_stopped)
        size = sum(
            self._insist(self.objects.put, job.file(name), folder / name)
            for name in result.files.values()
        )
        if pieces.count:
            self._shown.append((time.monotonic() + PIECES_KEPT_SECONDS, job.pieces))
        return result, size

    def _end(
        self, job: Job, heartbeat: Heartbeat, result: JobResult | None = None, size: int = 0
    ) -> None:
        """Store that a job is done, or, without a result, that it was stopped or is handed back."""
        if heartbeat.lost:
            logger.warning("%s: deleted, or another's, while %s worked on it", job.id, self.id)
            self._quietly(self.objects.remove, job.folder)
            return
        status: Status = "cancelled" if result is None or result.stopped else "completed"
        if result is None and heartbeat.hand_back:
            status = "queued"
        try:
            self._insist(
                self.store.end,
                job,
                status,
                self.keeping.seconds,
                result,
                size + self._input_size(job),
            )
        except JobError as error:
            if status == "queued":  # it may be another's by now, in the same folder
                return
            if not self._is_ended(job):
                logger.warning("%s", error)
                self._quietly(self.objects.remove, job.folder)
                return
        logger.info("%s: %s", job.id, status)
        if status != "queued":
            self._quietly(delete_input, self.store, self.objects, job)
        for attempt in range(1, job.attempts):  # what killed workers may have left
            self._quietly(self.objects.remove, f"{job.id}/{attempt}")

    def _is_ended(self, job: Job) -> bool:
        """Whether this attempt has ended: a try before may have been stored and its answer lost."""
        latest = self._quietly(self.store.get, job.id)
        attempt = (self.id, job.attempts)
        return latest is not None and latest.ended and (latest.worker, latest.attempts) == attempt

    def _fail(self, job: Job, heartbeat: Heartbeat, error: Exception) -> None:
        if heartbeat.lost:
            self._end(job, heartbeat)
            return
        failure = to_failure(error)
        if failure.code in ("internal_error", "storage_full"):
            logger.exception("%s failed", job.id)
        else:
            logger.info("%s: failed: %s", job.id, failure.message)
        self._quietly(self.objects.remove, job.folder)
        end = (job, "failed", self.keeping.seconds, None, self._input_size(job), failure)
        if self._quietly(self._insist, self.store.end, *end) is not None:
            self._quietly(delete_input, self.store, self.objects, job)

    def _input_size(self, job: Job) -> int:
        """Bytes of the files that a film was made from, which are kept beside it."""
        if job.kind not in MADE:
            return 0
        sizes = (self._quietly(self.objects.size, f"{job.id}/{name}") for name in job.inputs)
        return sum(size or 0 for size in sizes)

    def _pipeline(self, name: str) -> "Pipeline":
        """The model of a name; the one before leaves first, if it was another."""
        if self._loaded is None or self._loaded[0] != name:
            from praxino.generation.loading import load

            self._loaded = None
            self._loaded = (name, load(self.models[name], self.device, self.dtype))
        return self._loaded[1]

    @contextmanager
    def _announced(self) -> Iterator[None]:
        """Say every few seconds that this worker lives, while the block lasts, and at its end that
        it left.
        """
        done = threading.Event()
        info = WorkerInfo(
            id=self.id, host=socket.gethostname(), kinds=self.kinds, models=self._cards
        )

        def announce() -> None:
            while True:
                self._quietly(self.store.announce, self.id, info)
                if done.wait(self.store.lease / 4):
                    return

        thread = threading.Thread(target=announce, name="praxino-announce", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self._quietly(self.store.leave, self.id)

    def _insist(self, act: Callable[..., Result], *values: Any) -> Result:
        """Try again while the database or the storage does not answer: the work is done, and must
        not be lost so.
        """
        begun = time.monotonic()
        while True:
            try:
                return act(*values)
            except (JobError, MediaError, FileNotFoundError):
                raise
            except (OSError, SQLAlchemyError) as problem:
                patience = RESULT_RETRY_SECONDS if self.leaving.is_set() else 4 * self.store.lease
                if time.monotonic() - begun > patience or is_full(problem):
                    raise
                logger.warning("%s: trying again", first_line(problem))
                time.sleep(1)

    def _quietly(self, act: Callable[..., Result], *values: Any, **more: Any) -> Result | None:
        """What can be done again later: an error of the database or the storage is said, and the
        worker goes on.
        """
        try:
            return act(*values, **more)
        except Exception as error:
            logger.warning("%s: %s", type(error).__name__, first_line(error))
            time.sleep(ERROR_PAUSE_SECONDS)
            return None


def _remove_scratch_of_the_dead() -> None:
    """Delete the temporary folders of workers that were killed on this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_scratch()}*"):
        number = folder.name.removeprefix(_scratch()).partition("-")[0]
        if os.name == "posix" and number.isdecimal() and not _is_alive(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _scratch() -> str:
    return SCRATCH_PREFIX + re.sub(r"[^\w.]", "_", socket.gethostname()) + "-"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        return True
    return True


def to_failure(error: Exception) -> Failure:
    """What a client may know of an error: our own messages as they are, nothing of others, which
    may name paths.
    """
    message = " ".join(str(error).split())[:1000]
    if is_full(error) or is_full(error.__cause__ or error.__context__ or error):
        return Failure(
            code="storage_full", message="there is no room for the files: try again later"
        )
    if isinstance(error, InputError):
        return Failure(code="invalid_request", message=message)
    if isinstance(error, MediaError):
        return Failure(code="unreadable_file", message=message)
    if isinstance(error, CheckpointError):
        return Failure(
            code="model_unavailable", message="the model cannot be loaded: ask who runs this server"
        )
    if isinstance(error, PraxinoError):
        return Failure(code="generation_failed", message=message)
    if isinstance(error, MemoryError) or "out of memory" in message:
        return Failure(
            code="out_of_memory",
            message="there is not enough memory for it: ask for a smaller film",
        )
    return Failure(
        code="internal_error", message="something went wrong here: the server's log says what"
    )
