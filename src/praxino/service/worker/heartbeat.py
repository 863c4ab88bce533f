"""The lease of a job, renewed while a worker is at it."""

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from praxino.errors import JobError
from praxino.service.queue.jobs import Job
from praxino.service.queue.schema import first_line
from praxino.service.queue.store import Store
from praxino.service.worker.execute import Stopped

if TYPE_CHECKING:
    from praxino.generation.progress import Progress

logger = logging.getLogger("praxino.service")

REPORT_SECONDS: Final = 0.25
"""Seconds between two reports of progress, at least."""


class Heartbeat:
    """Renews the lease of a job while it is worked on, from a thread of its own: one step may
    outlast a lease.

    Parameters
    ----------
    leaving : threading.Event
        Set when the worker is to leave: the job is handed back then.

    Attributes
    ----------
    stop : bool
        Somebody asked to end the job and to keep what there is of it.
    lost : bool
        The job was deleted, or another worker has it.
    hand_back : bool
        The worker leaves, and the job returns to the queue.
    watched : bool
        Somebody watches, and previews are wanted.
    """

    def __init__(self, store: Store, job: Job, leaving: threading.Event) -> None:
        self.store, self.job, self.leaving = store, job, leaving
        self.stop = self.lost = self.watched = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="praxino-heartbeat", daemon=True)
        self._reported = self._begun = self._renewed = time.monotonic()

    @property
    def hand_back(self) -> bool:
        return self.leaving.is_set() and not self.stop

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def step(self, state: "Progress") -> bool:
        """Report a step; returns whether somebody watches. Raises `Stopped` where the job is to
        end.
        """
        now = time.monotonic()
        if now - self._reported > REPORT_SECONDS or state.step == 1:
            self._reported = now
            eta = (now - self._begun) / state.step * (state.steps - state.step)
            self._beat(state.step, state.steps, eta)
        self.raise_if_stopped()
        return self.watched

    def raise_if_stopped(self) -> None:
        """Raise `Stopped` where the job is to end."""
        if self.stop or self.lost or self.hand_back:
            raise Stopped(keep=self.stop and not self.lost)

    def preview(self, step: int, image: bytes) -> None:
        """Store a preview for those who watch; a database that is away costs no more than the
        preview.
        """
        try:
            self.store.show(self.job, step, image)
        except Exception as error:
            logger.warning("%s: %s", type(error).__name__, first_line(error))

    def _renew(self) -> None:
        while not self._done.wait(self.store.lease / 4):
            self._beat()

    def _beat(self, step: int = 0, steps: int = 0, eta: float | None = None) -> None:
        if self.lost:
            return
        try:
            reply = self.store.beat(self.job, step, steps, eta)
        except JobError:
            self.lost = True
        except Exception as error:
            logger.warning("the database does not answer: %s", type(error).__name__)
            # another worker may have it by now
            self.lost = time.monotonic() - self._renewed > self.store.lease
        else:
            self.stop = self.stop or reply.stop  # two threads ask; what was said once holds
            self.watched, self._renewed = reply.watched, time.monotonic()
