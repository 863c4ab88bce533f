"""The progress of a job as server-sent events."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from praxino.service.api import schemas
from praxino.service.api.auth import AppState
from praxino.service.queue.jobs import ANALYSES, Job

EVENT_POLL_SECONDS: Final = 0.2
"""Seconds between two looks at a job that is watched."""
KEEP_ALIVE_SECONDS: Final = 15.0
"""Seconds of silence after which a comment is sent: proxies end silent connections."""
WATCHED_SECONDS: Final = 5.0
"""Seconds after a look at a job in which its worker makes previews."""


async def stream(state: AppState, job: Job, previews: bool) -> AsyncIterator[str]:
    """Events of a job until it ends: ``progress``, ``preview``, ``done``, ``deleted``."""
    sent: Any = None
    step, attempts, last_sent, last_watched = 0, job.attempts, time.monotonic(), 0.0
    while True:
        now = time.monotonic()
        latest, position = await run_in_threadpool(_read, state, job)
        if latest is None:
            yield to_event("deleted", {"id": job.id})
            return
        if latest.attempts != attempts:  # begun again: its previews are, too
            step, attempts = 0, latest.attempts
        progress = to_progress(latest, position)
        if progress != sent:
            yield to_event("progress", progress)
            sent, last_sent = progress, now
        if latest.ended:
            yield to_event("done", to_resource(latest))
            return
        if previews and now - last_watched > WATCHED_SECONDS / 2:
            await run_in_threadpool(state.store.watch, latest, WATCHED_SECONDS)
            last_watched = now
        if previews and (newer := await run_in_threadpool(state.store.preview, latest, step)):
            step, picture = newer
            data = base64.b64encode(picture).decode()
            yield to_event(
                "preview", {"id": job.id, "step": step, "image": f"data:image/webp;base64,{data}"}
            )
            last_sent = now
        if now - last_sent > KEEP_ALIVE_SECONDS:
            yield ": still here\n\n"
            last_sent = now
        await asyncio.sleep(
            EVENT_POLL_SECONDS if latest.status == "in_progress" else 3 * EVENT_POLL_SECONDS
        )


def _read(state: AppState, job: Job) -> tuple[Job | None, int | None]:
    latest = state.store.get(job.id)
    return latest, state.store.position(latest) if latest else None


def to_progress(job: Job, position: int | None) -> dict[str, Any]:
    """State, steps and time left of a job."""
    return {
        "id": job.id,
        "status": job.status,
        "progress": job.progress,
        "step": job.step,
        "steps": job.steps,
        "eta_seconds": None if job.eta is None else round(job.eta, 1),
        "queue_position": position,
    }


def to_resource(job: Job) -> dict[str, Any]:
    """A job as its resource."""
    if job.kind in ANALYSES:
        return schemas.to_analysis_resource(job).model_dump(mode="json")
    if job.kind == "stamp":
        return schemas.to_stamp_resource(job).model_dump(mode="json")
    return schemas.to_video_resource(job).model_dump(mode="json")


def to_event(name: str, data: dict[str, Any]) -> str:
    """One event as text (HTML standard, section 9.2)."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
