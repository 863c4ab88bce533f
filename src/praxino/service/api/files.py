"""Answers that are sent bit by bit: files, or parts of them, and events as they happen."""

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from praxino.service.api import schemas
from praxino.service.api.auth import AppState
from praxino.service.api.errors import ApiError
from praxino.service.api.head import is_bare
from praxino.service.queue.jobs import CHECKS, Job
from praxino.storage.media.formats import FORMATS
from praxino.storage.objects import Objects

MIMES: Final = {"html": "text/html; charset=utf-8"} | {known.ending: known.mime for known in FORMATS}
EVENT_POLL_SECONDS: Final = 0.2
"""Seconds between two looks at a job that is watched."""
KEEP_ALIVE_SECONDS: Final = 15.0
"""Seconds after which something is sent, if only a comment: proxies end what is silent."""
WATCHED_SECONDS: Final = 5.0
"""Seconds that a worker takes a job for watched after it was looked at."""


async def content(request: Request, objects: Objects, name: str, title: str, **headers: str) -> Response:
    """A file, the part of it that is asked for, or that it is still the same (RFC 9110, sections 13 and 14); ``title``
    is its name for who saves it.
    """
    size = await run_in_threadpool(objects.size, name)
    if size is None:
        raise ApiError(404, "the file is gone", "not_found")
    tag = f'"{name.replace("/", "-")}-{size:x}"'  # what has a name is never written again
    about = {"ETag": tag, "Cache-Control": "private, max-age=60", **headers}
    if same(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=about)
    whole = is_bare(request) or request.headers.get("if-range", tag) != tag  # ranges are for GET alone
    asked = None if whole else part(request.headers.get("range"), size)
    start, end = asked or (0, size)
    ending = name.rpartition(".")[2]
    sent = about | {
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - start),
        "Content-Disposition": f'inline; filename="{title}.{ending}"',
    }
    if asked:
        sent["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    pieces = iter(()) if is_bare(request) else objects.read(name, start, end)
    return StreamingResponse(pieces, 206 if asked else 200, sent, media_type=MIMES[ending])


def same(known: str | None, tag: str) -> bool:
    """Whether a client that says what it knows (``If-None-Match``) knows the file of that tag."""
    tags = [each.strip().removeprefix("W/") for each in (known or "").split(",")]
    return tag in tags or tags == ["*"]


def part(asked: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last of a ``Range``; None where all is to be sent: where none is asked for, or
    several are, or nothing that can be understood.

    Raises
    ------
    ApiError
        416 for a part that there is not.
    """
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", asked or "")
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise ApiError(416, f"the file has {size} bytes", "no_such_part", Content_Range=f"bytes */{size}")
    return start, end


async def events(studio: AppState, job: Job, previews: bool) -> AsyncIterator[str]:
    """Server-sent events of a job until it ends: ``progress``, ``preview``, ``done``, ``deleted``."""
    told: Any = None
    step, spoken, watched = 0, time.monotonic(), 0.0
    while True:
        now = time.monotonic()
        found, position = await run_in_threadpool(_look, studio, job)
        if found is None:
            yield event("deleted", {"id": job.id})
            return
        seen = about(found, position)
        if seen != told:
            yield event("progress", seen)
            told, spoken = seen, now
        if found.ended:
            yield event("done", to_resource(found))
            return
        if previews and now - watched > WATCHED_SECONDS / 2:
            await run_in_threadpool(studio.store.watch, found, WATCHED_SECONDS)
            watched = now
        if previews and (newer := await run_in_threadpool(studio.store.preview, found, step)):
            step, picture = newer
            data = base64.b64encode(picture).decode()
            yield event("preview", {"id": job.id, "step": step, "image": f"data:image/webp;base64,{data}"})
            spoken = now
        if now - spoken > KEEP_ALIVE_SECONDS:
            yield ": still here\n\n"
            spoken = now
        await asyncio.sleep(EVENT_POLL_SECONDS if found.status == "in_progress" else 3 * EVENT_POLL_SECONDS)


def _look(studio: AppState, job: Job) -> tuple[Job | None, int | None]:
    found = studio.store.get(job.id)
    return found, studio.store.position(found) if found and found.status == "queued" else None


def about(job: Job, position: int | None) -> dict[str, Any]:
    """How far a job is."""
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
    resource = schemas.check(job) if job.kind in CHECKS else schemas.video(job)
    return resource.model_dump(mode="json")


def event(name: str, data: dict[str, Any]) -> str:
    """One event as text (HTML standard, section 9.2)."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
