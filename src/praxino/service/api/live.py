"""A film as an answer while it is made: its pieces, as the worker stores them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from praxino.service.api.auth import AppState
from praxino.service.queue.jobs import Job
from praxino.storage.media.fragments import CONTENT_TYPE

PIECE_POLL_SECONDS: Final = 0.2
"""Seconds between two looks for the next piece."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # proxies hand on what they have
}


def response(state: AppState, job: Job, head: bool) -> Response:
    """The film of a job that has not ended, from its beginning, as far as it is made and as it goes
    on.
    """
    pieces = none() if head else stream(state, job)
    return StreamingResponse(pieces, headers=HEADERS, media_type=CONTENT_TYPE)


async def stream(state: AppState, job: Job) -> AsyncIterator[bytes]:
    """The pieces of a film until it has ended; each is read when the one before has been taken.

    A film whose worker was killed after the first piece begins anew: its stream ends.
    """
    number, latest = 0, job
    while True:
        current = await run_in_threadpool(state.store.get, job.id)
        if current is None or (number and current.attempts != latest.attempts):
            return
        latest = current
        while (piece := await run_in_threadpool(_read, state, latest, number)) is not None:
            yield piece
            number += 1
        if latest.ended:
            return
        await asyncio.sleep(PIECE_POLL_SECONDS)


def _read(state: AppState, job: Job, number: int) -> bytes | None:
    return b"".join(state.objects.read(job.piece(number))) or None


async def none() -> AsyncIterator[bytes]:
    """No pieces."""
    return
    yield
