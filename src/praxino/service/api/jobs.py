"""What the routes do with jobs: find those of the caller, wait for their end."""

import asyncio
import time
from typing import Final

from starlette.concurrency import run_in_threadpool

from praxino.service.api.auth import AppState
from praxino.service.api.errors import ApiError
from praxino.service.api.schemas import Deleted
from praxino.service.queue.jobs import ID, Job, Kind
from praxino.service.queue.quotas import Caller
from praxino.service.queue.retention import delete_job

JOB_POLL_SECONDS: Final = 0.1
"""Seconds between two looks at a job whose end a request waits for."""


async def require_quota(state: AppState, caller: Caller) -> None:
    """Raise `LimitError` if the caller's quota is used up already: the body need not be read
    then.
    """
    if caller.quota.max_at_once is not None:
        await run_in_threadpool(state.store.require_quota, caller.owner, caller.quota)


def fetch(state: AppState, caller: Caller, id_: str, *kinds: Kind) -> Job:
    """The caller's job of that id; 404 for others', so that nobody learns that they exist."""
    job = state.store.get(id_, caller.owner) if ID.fullmatch(id_) else None
    if job is None or job.kind not in kinds:
        raise ApiError(404, f"there is no {kinds[0]} of that id", "not_found")
    return job


async def fetch_async(state: AppState, caller: Caller, id_: str, *kinds: Kind) -> Job:
    """`fetch`, from an ``async`` route."""
    return await run_in_threadpool(fetch, state, caller, id_, *kinds)


async def wait_for(state: AppState, job: Job, seconds: float) -> Job | None:
    """A job when it has ended, or as it is after so many seconds; None if it was deleted."""
    until = time.monotonic() + seconds
    latest: Job | None = job
    while latest is not None and not latest.ended and time.monotonic() < until:
        await asyncio.sleep(JOB_POLL_SECONDS)
        latest = await run_in_threadpool(state.store.get, job.id)
    return latest


async def latest(state: AppState, job: Job, wait: int) -> tuple[Job, int | None]:
    """A job when it has ended, or as it is after so many seconds, and its place in the queue.

    Raises
    ------
    ApiError
        404 if it was deleted meanwhile.
    """
    now = await wait_for(state, job, wait)
    if now is None:
        raise ApiError(404, "it was deleted meanwhile", "not_found")
    return now, await run_in_threadpool(state.store.position, now)


def delete(state: AppState, job: Job) -> Deleted:
    """Delete a job with its files; 404 if it is gone already."""
    if not delete_job(state.store, state.objects, job):
        raise ApiError(404, f"there is no {job.kind} of that id", "not_found")
    return Deleted(id=job.id, object=f"{job.kind}.deleted")
