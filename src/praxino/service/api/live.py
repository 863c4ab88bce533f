"""A film as an answer while it is made: its pieces, as the worker stores them; and what it turns
to.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Final

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse

from praxino.references import require_references
from praxino.service.api.auth import AppState
from praxino.service.api.errors import ApiError
from praxino.service.queue.jobs import Job
from praxino.service.queue.models import find_card

CONTENT_TYPE: Final = 'video/mp4; codecs="avc1.64001f"'
"""What browsers are told of fragmented MP4 as `storage.media.fragments` writes it."""
PIECE_POLL_SECONDS: Final = 0.2
"""Seconds between two looks for the next piece."""
MAX_TURNS: Final = 1000
"""Sentences that one film may turn to."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # proxies hand on what they have
}


def response(state: AppState, job: Job, head: bool) -> Response:
    """The film of a job that has not ended, from its beginning, as far as it is made and as it goes
    on.
    """
    content = none() if head else pieces(state, job)
    return StreamingResponse(content, headers=HEADERS, media_type=CONTENT_TYPE)


async def pieces(state: AppState, job: Job) -> AsyncIterator[bytes]:
    """The pieces of a film until it has ended; each is read when the one before has been taken.

    A film that has none, since it is made at once, comes when it is there. One whose worker was
    killed after the first piece begins anew: its stream ends.
    """
    number, latest = 0, job
    while True:
        current = await run_in_threadpool(state.store.get, job.id)
        if current is None or (number and current.attempts != latest.attempts):
            return
        latest = current
        while piece := await run_in_threadpool(_read, state, latest.piece(number)):
            yield piece
            number += 1
        if latest.ended:
            break
        await asyncio.sleep(PIECE_POLL_SECONDS)
    if not number and (name := latest.result.files.get("content")):
        async for piece in iterate_in_threadpool(state.objects.read(latest.file(name))):
            yield piece


def _read(state: AppState, name: str) -> bytes:
    return b"".join(state.objects.read(name))


async def none() -> AsyncIterator[bytes]:
    """No pieces."""
    return
    yield


def add_turn(state: AppState, job: Job, prompt: str) -> None:
    """Let a film show something else from its next window on.

    Raises
    ------
    ApiError
        400 if it is not made window by window, 409 if it is not being made, 429 after `MAX_TURNS`.
    InputError
        For a name that nothing of the film stands for.
    """
    card = find_card(state.store, job.model, state.default)
    if not 0 < card.window < job.request.frames or job.request.edit is not None:
        problem = f"{job.id} is made at once: only longer films can turn"
        raise ApiError(400, problem, "invalid_value", "prompt")
    if job.status != "in_progress":
        raise ApiError(409, f"{job.id} is {job.status}: it cannot turn", "conflict")
    require_references(prompt, job.request.references)
    if len(state.objects.files(job.turns)) >= MAX_TURNS:
        raise ApiError(429, f"{job.id} has turned {MAX_TURNS} times", "limit_reached", "prompt")
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    state.objects.write(f"{job.turns}/{name}.txt", prompt.encode())
