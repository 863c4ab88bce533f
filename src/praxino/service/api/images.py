"""Images: submitted and waited for in one request."""

import base64
import time
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from praxino.errors import InputError, JobError
from praxino.service.api import bodies, conversion, files, jobs, schemas, uploads
from praxino.service.api.auth import AppState, CallerDep, StateDep
from praxino.service.api.errors import ApiError, errors, files_of, sent
from praxino.service.queue.jobs import Job, new_id
from praxino.service.queue.models import find_card
from praxino.service.queue.quotas import Caller
from praxino.service.queue.retention import delete_job

router = APIRouter(prefix="/v1/images", tags=["images"])

Id = Annotated[str, Path(examples=["image_00000000000000000000000000000000"])]
IMAGE_WAIT_SECONDS: Final = 600.0
"""Seconds that a request waits for its images."""
IMAGE_POLL_SECONDS: Final = 0.5
"""Seconds between two looks whether the client is still there."""


@router.post(
    "/generations",
    responses=errors(408, 413, 415, 429, 504, 507),
    openapi_extra=sent("ImageCreate"),
)
async def generate(request: Request, state: StateDep, caller: CallerDep) -> schemas.Images:
    """Make images; a client that disconnects before they are done stops them."""
    await jobs.require_quota(state, caller)
    body = await uploads.json_body(request, bodies.ImageCreate)
    images = await run_in_threadpool(_submit, state, caller, body)
    try:
        done = [await _wait_for(state, request, job) for job in images]
    except BaseException:
        await run_in_threadpool(_delete_all, state, images)
        raise
    server = str(request.base_url) if body.response_format == "url" else ""
    data = [await run_in_threadpool(image_payload, state, job, server) for job in done]
    if body.response_format == "b64_json":
        await run_in_threadpool(_delete_all, state, done)  # nobody knows their ids
    return schemas.Images(created=int(time.time()), data=data)


def _submit(state: AppState, caller: Caller, body: bodies.ImageCreate) -> list[Job]:
    card = find_card(state.store, body.model, state.default)
    if (most := caller.quota.max_at_once) is not None and body.n > most:
        raise ApiError(
            400, f"n={body.n}: no more than {most} at once are allowed", "invalid_value", "n"
        )
    if card.needs_picture:
        raise InputError(
            f"{card.id} begins with a picture, and makes films", "name another model", "model"
        )
    priority = conversion.to_priority(body.priority, caller)
    images = [
        Job(
            id=new_id("image"),
            kind="image",
            order=conversion.to_image_request(body, card, number, state.max_size_factor),
            owner=caller.owner,
            model=card.id,
            priority=priority,
        )
        for number in range(body.n)
    ]
    return state.store.submit_all(images, caller.quota)


def _delete_all(state: AppState, images: list[Job]) -> None:
    for job in images:
        delete_job(state.store, state.objects, state.store.get(job.id) or job)


async def _wait_for(state: AppState, request: Request, job: Job) -> Job:
    """A completed image; raises what `errors` answers where there will be none."""
    until = time.monotonic() + IMAGE_WAIT_SECONDS
    while time.monotonic() < until:
        latest = await jobs.wait_for(state, job, IMAGE_POLL_SECONDS)
        if latest is None:
            raise ApiError(409, "it was deleted meanwhile", "conflict")
        if latest.status == "completed":
            return latest
        if latest.ended:
            code = latest.error.code if latest.error else "cancelled"
            message = latest.error.message if latest.error else "it was cancelled"
            raise ApiError(400 if code == "invalid_request" else 503, message, code)
        if await request.is_disconnected():
            raise JobError("the client left", "")
    raise ApiError(
        504,
        f"no image within {IMAGE_WAIT_SECONDS:.0f} s: submit videos and poll them instead",
        "timeout",
    )


def image_payload(state: AppState, job: Job, server: str) -> schemas.Image:
    """An image as base64, or, where ``server`` is an address, as one on it."""
    if server:
        return schemas.Image(url=f"{server}v1/images/{job.id}")
    pixels = b"".join(state.objects.read(job.file(job.result.files["content"])))
    return schemas.Image(b64_json=base64.b64encode(pixels).decode())


@router.get(
    "/{id}",
    response_class=Response,
    responses=files_of("The picture", "image/png") | errors(404, 409, 416),
)
async def content(id: Id, request: Request, state: StateDep, caller: CallerDep) -> Response:  # noqa: A002
    """An image as PNG."""
    job = await jobs.fetch_async(state, caller, id, "image")
    if job.status != "completed":
        raise ApiError(409 if not job.ended else 404, f"{job.id} is {job.status}", "not_ready")
    return await files.send(request, state.objects, job.file(job.result.files["content"]), job.id)


@router.delete("/{id}", responses=errors(404))
def delete(id: Id, state: StateDep, caller: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete an image that was answered with an address."""
    job = jobs.fetch(state, caller, id, "image")
    delete_job(state.store, state.objects, job)
    return schemas.Deleted(id=job.id, object="image.deleted")
