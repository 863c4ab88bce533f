"""What every route that gives a job in, or asks for one, does alike."""

import asyncio
import time
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from praxino.service.api.auth import AppState, Caller
from praxino.service.api.errors import ApiError
from praxino.service.api.uploads import Upload
from praxino.service.queue.jobs import ID, Job, Kind, new_id

JOB_POLL_SECONDS: Final = 0.1
"""Seconds between two looks at a job that somebody waits for."""


def submit(
    studio: AppState,
    who: Caller,
    kind: Kind,
    order: dict[str, Any],
    upload: Upload | None,
    model: str = "",
    priority: int = 0,
    remixed_from: str = "",
) -> Job:
    """Keep a job, its file first: whoever claims it finds the file there.

    Raises
    ------
    LimitError
        If the caller's quota is used up.
    """
    about: dict[str, Any] = {"model": model, "priority": priority, "remixed_from": remixed_from}
    job = Job(id=new_id(kind), kind=kind, owner=who.owner, order=order, **about)
    if upload is not None:
        job = job.model_copy(update={"input": f"input.{upload.ending}"})
        upload.file.seek(0)
        studio.objects.pour(f"{job.id}/{job.input}", upload.file)
    try:
        return studio.store.submit(job, who.limits, upload.size if upload else 0)
    except BaseException:
        if upload is not None:
            studio.objects.remove(job.id)
        raise


async def allowed(studio: AppState, who: Caller) -> None:
    """Raise `LimitError` if the caller's quota is used up already: what they send need not be read then."""
    if who.limits.most is not None:
        await run_in_threadpool(studio.store.check, who.owner, who.limits)


def owned(studio: AppState, who: Caller, id_: str, *kinds: Kind) -> Job:
    """The caller's job of that name; 404 for others', so that nobody learns that they are there."""
    job = studio.store.get(id_, who.owner) if ID.fullmatch(id_) else None
    if job is None or job.kind not in kinds:
        raise ApiError(404, f"there is no {kinds[0]} of that id", "not_found")
    return job


async def found(studio: AppState, who: Caller, id_: str, *kinds: Kind) -> Job:
    """`owned`, from an ``async`` route."""
    return await run_in_threadpool(owned, studio, who, id_, *kinds)


async def waited(studio: AppState, job: Job, seconds: float) -> Job | None:
    """A job when it has ended, or as it is after so many seconds; None if it was deleted."""
    until = time.monotonic() + seconds
    found: Job | None = job
    while found is not None and not found.ended and time.monotonic() < until:
        await asyncio.sleep(JOB_POLL_SECONDS)
        found = await run_in_threadpool(studio.store.get, job.id)
    return found


def position(studio: AppState, job: Job) -> int | None:
    """How many jobs are begun before one that waits."""
    return studio.store.position(job) if job.status == "queued" else None
