"""A film that is shown while it is made: pieces of fragmented MP4, stored one after another, and
sentences that it turns to.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from praxino.service.queue.jobs import Job
from praxino.service.queue.schema import first_line
from praxino.storage.media.fragments import FragmentWriter
from praxino.storage.objects import Objects

logger = logging.getLogger("praxino.service")


class Pieces:
    """Stores what is finished of a job's film, for those who watch.

    A storage that fails costs them the rest of it, and not the film.
    """

    def __init__(self, job: Job, objects: Objects) -> None:
        self.job, self.objects = job, objects
        self.count = 0
        self._written = bytearray()
        self._writer: FragmentWriter | None = None
        self._failed = False
        self._last_turn = ""

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Store more frames (T, H, W, 3)."""
        if self._failed:
            return
        try:
            if self._writer is None:
                self._writer = FragmentWriter(self, self.job.request.fps)
            self._writer.write(frames)
            self._store()
        except Exception as error:
            logger.warning("%s: not shown any further: %s", self.job.id, first_line(error))
            self._failed = True

    def end(self) -> None:
        """Store the last frames."""
        if self._writer is not None and not self._failed:
            self._writer.close()
            self._store()

    def turn(self) -> str:
        """The newest sentence that somebody sent since this was asked; "" if there is none."""
        try:
            names = [name for name in self.objects.files(self.job.turns) if name > self._last_turn]
            if not names:
                return ""
            self._last_turn = names[-1]
            return b"".join(self.objects.read(f"{self.job.turns}/{names[-1]}")).decode()
        except OSError as error:
            logger.warning("%s: %s", self.job.id, first_line(error))
            return ""

    def write(self, data: bytes) -> None:
        """Take what the encoder wrote."""
        self._written += data

    def _store(self) -> None:
        self.objects.write(self.job.piece(self.count), bytes(self._written))
        self.count += 1
        self._written.clear()
