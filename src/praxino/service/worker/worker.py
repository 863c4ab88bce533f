"""A worker: owns a device and a loaded model, claims jobs, does them one after another, and says that it lives."""

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

from praxino.errors import CheckpointError, InputError, JobError, MediaError, PraxinoError
from praxino.service.queue.jobs import MADE, Failure, Job, Kind, Status
from praxino.service.queue.retention import RetentionPolicy, delete_job, orphans, sweep
from praxino.service.queue.schema import first_line
from praxino.service.queue.store import Store
from praxino.service.worker import execute
from praxino.storage.objects import Objects, is_full

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline, Progress

logger = logging.getLogger("praxino.service")

Result = TypeVar("Result")

LOOKS: Final = ((5.0, 0.02), (60.0, 0.1), (math.inf, 0.5))
"""For so many seconds after its last job, a worker looks for another every so many seconds."""
SELDOM: Final = LOOKS[-1][1]
OFTEN: Final = 0.25
"""Seconds between two reports of progress, at least."""
TIDY: Final = 60.0
"""Seconds between two sweeps."""
SEARCH: Final = 3600.0
"""The same between two looks for files of no job."""
HURRY: Final = 5.0
"""Seconds that a worker which leaves tries to say what came of its job."""
SCRATCH: Final = "praxino-work-"
"""How the names of temporary folders begin; the machine and the worker's process follow."""


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
        self._strange: frozenset[str] = frozenset()
        self._loaded: tuple[str, Pipeline] | None = None
        self._cards: list[dict[str, Any]] = []

    def run(self) -> None:
        """Claim and do jobs until `leave`; a job in progress then goes back into the queue."""
        if set(self.kinds) & set(MADE):
            self._cards = [card(name, self._pipeline(name)) for name in self.models]
        self._quietly(_tidy)
        with self._announced():
            idle, swept, searched = time.monotonic(), -math.inf, -math.inf
            while not self.leaving.is_set():
                if time.monotonic() - searched > SEARCH:
                    self._strange = self._quietly(orphans, self.store, self.objects, self._strange) or frozenset()
                    searched = time.monotonic()
                if time.monotonic() - swept > TIDY:
                    self._quietly(sweep, self.store, self.objects, self.keeping)
                    swept = time.monotonic()
                job = self._quietly(self.store.claim, self.id, list(self.models), self.kinds)
                if job is not None:
                    self._quietly(self.do, job)
                    idle = time.monotonic()
                else:
                    since = time.monotonic() - idle
                    self.leaving.wait(next(pause for seconds, pause in LOOKS if since < seconds))

    def leave(self) -> None:
        """Stop soon: may be called from a signal handler or another thread."""
        self.leaving.set()

    def do(self, job: Job) -> None:
        """Do one claimed job, and say what came of it; errors are the job's, not the worker's."""
        logger.info("%s: begun by %s, attempt %d", job.id, self.id, job.attempts)
        with Heartbeat(self, job) as pulse:
            try:
                with tempfile.TemporaryDirectory(prefix=f"{_scratch()}{os.getpid()}-") as scratch:
                    result = self._result(job, Path(scratch).resolve(), pulse)
            except execute.Stopped:
                self._end(job, pulse, {})
            except Exception as error:  # whatever a film or a file does, the next job is another's
                if pulse.stop or pulse.back:  # what ends this process may have ended others that it needed
                    self._end(job, pulse, {})
                else:
                    self._failed(job, pulse, error)
            else:
                self._end(job, pulse, result)

    def _result(self, job: Job, folder: Path, pulse: "Heartbeat") -> dict[str, Any]:
        if job.input:
            self.objects.get(f"{job.id}/{job.input}", folder / job.input)
        if job.kind in MADE:
            result = execute.make(job, self._pipeline(job.model), folder, pulse.step, pulse.show)
        else:
            result = execute.analyse(job, folder, pulse.check)
        files = result["files"].values()
        result["bytes"] = sum(self._insist(self.objects.put, job.file(name), folder / name) for name in files)
        return result

    def _end(self, job: Job, pulse: "Heartbeat", result: dict[str, Any]) -> None:
        """Say that it is done, stopped, or handed back: whatever the pulse was told."""
        if pulse.lost:
            logger.warning("%s: deleted, or another's, while %s worked on it", job.id, self.id)
            self._quietly(self.objects.remove, job.folder)
            return
        status: Status = "cancelled" if not result or result.get("stopped") else "completed"
        if not result and pulse.back:
            status = "queued"
        size = result.pop("bytes", 0)
        try:
            self._insist(self.store.end, job, status, self.keeping.seconds, result, size + self._given(job))
        except JobError as error:
            logger.warning("%s", error)
            self._quietly(self.objects.remove, job.folder)
            return
        logger.info("%s: %s", job.id, status)
        if status != "queued":
            self._quietly(delete_job, self.store, self.objects, job)
        for attempt in range(1, job.attempts):  # what killed workers may have left
            self._quietly(self.objects.remove, f"{job.id}/{attempt}")

    def _failed(self, job: Job, pulse: "Heartbeat", error: Exception) -> None:
        if pulse.lost:
            self._end(job, pulse, {})
            return
        failure = failed(error)
        if failure.code in ("internal_error", "storage_full"):
            logger.exception("%s failed", job.id)
        else:
            logger.info("%s: failed: %s", job.id, failure.message)
        self._quietly(self.objects.remove, job.folder)
        end = (job, "failed", self.keeping.seconds, None, self._given(job), failure)
        self._quietly(self._insist, self.store.end, *end)
        self._quietly(delete_job, self.store, self.objects, job)

    def _given(self, job: Job) -> int:
        """Bytes of the picture that a film began with, which is kept beside it."""
        if not job.input or job.kind not in MADE:
            return 0
        return self._quietly(self.objects.size, f"{job.id}/{job.input}") or 0

    def _pipeline(self, name: str) -> "Pipeline":
        """The model of a name; the one before leaves first, if it was another."""
        if self._loaded is None or self._loaded[0] != name:
            from praxino.generation.loading import load

            self._loaded = None
            self._loaded = (name, load(self.models[name], self.device, self.dtype))
        return self._loaded[1]

    @contextmanager
    def _announced(self) -> Iterator[None]:
        """Say every few seconds that this worker lives, while the block lasts, and at its end that it left."""
        done = threading.Event()
        about = {"id": self.id, "host": socket.gethostname(), "kinds": list(self.kinds), "models": self._cards}

        def announce() -> None:
            while True:
                self._quietly(self.store.announce, self.id, about)
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
        """Try again while the database or the storage does not answer: the work is done, and must not be lost so."""
        begun = time.monotonic()
        while True:
            try:
                return act(*values)
            except JobError:
                raise
            except Exception as problem:
                patience = HURRY if self.leaving.is_set() else 4 * self.store.lease
                if time.monotonic() - begun > patience or is_full(problem):
                    raise
                logger.warning("%s: trying again", first_line(problem))
                time.sleep(1)

    def _quietly(self, act: Callable[..., Result], *values: Any, **more: Any) -> Result | None:
        """What can be done again later: an error of the database or the storage is said, and the worker goes on."""
        try:
            return act(*values, **more)
        except Exception as error:
            logger.warning("%s: %s", type(error).__name__, first_line(error))
            time.sleep(SELDOM)
            return None


def _tidy() -> None:
    """Delete the temporary folders of workers that were killed on this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_scratch()}*"):
        number = folder.name.removeprefix(_scratch()).partition("-")[0]
        if os.name == "posix" and number.isdecimal() and not _lives(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _scratch() -> str:
    return SCRATCH + re.sub(r"[^\w.]", "_", socket.gethostname()) + "-"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        return True
    return True


class Heartbeat:
    """Keeps a job while it is worked on, from a thread of its own: a single step may take longer than a lease.

    Attributes
    ----------
    stop, lost, back : bool
        What was heard: somebody wants it to end; it is not ours any more; the worker leaves and hands it back.
    """

    def __init__(self, worker: Worker, job: Job) -> None:
        self.worker, self.job = worker, job
        self.stop = self.lost = self.watched = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="praxino-pulse", daemon=True)
        self._told = self._begun = time.monotonic()
        self._kept = time.monotonic()

    @property
    def back(self) -> bool:
        return self.worker.leaving.is_set() and not self.stop

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def step(self, state: "Progress") -> bool:
        """Tell how far it is; whether somebody watches. Raises `Stopped` where it is to end."""
        now = time.monotonic()
        if now - self._told > OFTEN or state.step == 1:
            self._told = now
            eta = (now - self._begun) / state.step * (state.steps - state.step)
            self._beat(state.step, state.steps, eta)
        self.check()
        return self.watched

    def check(self) -> None:
        """Raise `Stopped` where the job is to end."""
        if self.stop or self.lost or self.back:
            raise execute.Stopped(keep=self.stop and not self.lost)

    def show(self, step: int, image: bytes) -> None:
        """Let those who watch see it."""
        self.worker._quietly(self.worker.store.show, self.job, step, image)

    def _beat_on(self) -> None:
        while not self._done.wait(self.worker.store.lease / 4):
            self._beat()

    def _beat(self, step: int = 0, steps: int = 0, eta: float | None = None) -> None:
        if self.lost:
            return
        try:
            heard = self.worker.store.beat(self.job, step, steps, eta)
        except JobError:
            self.lost = True
        except Exception as error:
            logger.warning("the database does not answer: %s", type(error).__name__)
            self.lost = time.monotonic() - self._kept > self.worker.store.lease  # by now it is another's
        else:
            self.stop, self.watched, self._kept = heard.stop, heard.watched, time.monotonic()


def failed(error: Exception) -> Failure:
    """What to tell a client of an error: our own messages as they are, nothing of others, which may name paths."""
    message = " ".join(str(error).split())[:1000]
    if is_full(error) or is_full(error.__cause__ or error.__context__ or error):
        return Failure(code="storage_full", message="there is no room for the files: try again later")
    if isinstance(error, InputError):
        return Failure(code="invalid_request", message=message)
    if isinstance(error, MediaError):
        return Failure(code="unreadable_file", message=message)
    if isinstance(error, CheckpointError):
        return Failure(code="model_unavailable", message="the model cannot be loaded: ask who runs this server")
    if isinstance(error, PraxinoError):
        return Failure(code="generation_failed", message=message)
    if isinstance(error, MemoryError) or "out of memory" in message:
        return Failure(code="out_of_memory", message="there is not enough memory for it: ask for a smaller film")
    return Failure(code="internal_error", message="something went wrong here: the server's log says what")


def card(name: str, pipeline: "Pipeline") -> dict[str, Any]:
    """What clients and servers have to know of a model, without having it."""
    from praxino.diffusion.sampling import SAMPLERS

    config, dit, each = pipeline.model.config, pipeline.model.dit.config, pipeline.model.vae.config.compression
    own = ("frames", "height", "width", "fps", "steps", "guidance", "sampler", "shift", "negative", "licence")
    return {
        "id": name,
        "digest": pipeline.model.digest,
        "defaults": {key: getattr(config, key) for key in own},
        "compression": [each.time, each.height, each.width],
        "patch": list(dit.patch),
        "pictures": config.pictures != "none",
        "needs_picture": config.pictures == "channels",
        "experts": 2 if config.boundary else 1,
        "samplers": list(SAMPLERS),
    }
