"""How long films are kept: jobs whose time is over go, and the oldest where all together take too
much room.
"""

import logging
from typing import Final

from pydantic import Field

from praxino.config import Config
from praxino.service.queue.jobs import ID, UPLOADS, Job
from praxino.service.queue.store import Store
from praxino.storage.objects import Objects

logger = logging.getLogger("praxino.service")

KEEP_DAYS: Final = 30.0


class RetentionPolicy(Config):
    """How long and how much is kept; 0 is for ever, and whatever there is."""

    days: float = Field(KEEP_DAYS, ge=0)
    bytes: int = Field(0, ge=0)

    @property
    def seconds(self) -> float | None:
        """Seconds that a job is kept after its end, None for ever."""
        return 86_400 * self.days or None


def sweep(store: Store, objects: Objects, keeping: RetentionPolicy) -> int:
    """Delete what need not be kept any more; how many jobs that were."""
    for job in store.uncleared():
        delete_input(store, objects, job)
    count = 0
    while expired := store.to_sweep(keeping.seconds, keeping.bytes or None):
        for job in expired:
            delete_job(store, objects, job)
        count += len(expired)
    if count:
        logger.info("%d old jobs were deleted", count)
    return count


def delete_input(store: Store, objects: Objects, job: Job) -> None:
    """Delete the file that a check or a stamp which has ended was of."""
    if job.input and job.kind in UPLOADS:
        objects.remove(f"{job.id}/{job.input}")
        store.clear_input(job)


def orphans(store: Store, objects: Objects, before: frozenset[str]) -> frozenset[str]:
    """Delete files of no job, which killed programs leave, if they were so ``before``, too; what
    else is so now.

    Asked for an hour apart, that lets alone what is being handed in: files are there before their
    job.
    """
    folders = [name for name in objects.folders() if ID.fullmatch(name)]
    strange = frozenset(folders) - store.existing(folders)
    for name in strange & before:
        objects.remove(name)
    return strange - before


def delete_job(store: Store, objects: Objects, job: Job) -> bool:
    """Delete a job with its files; False if another was first.

    Files of one that has ended go first: whatever happens in between, the record still says what to
    delete. A worker that is at it finds out that the record is gone, and deletes what it still
    writes.
    """
    if job.ended:
        objects.remove(job.id)
    gone = store.delete(job)
    objects.remove(job.id)
    return gone
