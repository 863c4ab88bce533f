"""Pictures: ordered and waited for in one request."""

import base64
import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from praxino.errors import JobError
from praxino.service.api import conversion, files, jobs, schemas, uploads
from praxino.service.api.auth import AppState, Caller, CallerDep, StateDep
from praxino.service.api.errors import ApiError, errors, files_of, sent
from praxino.service.queue.jobs import Job, new_id
from praxino.service.queue.retention import delete_input

router = APIRouter(prefix="/v1/images", tags=["images"])

Id = Annotated[str, Path(examples=["image_00000000000000000000000000000000"])]
IMAGE_WAIT_SECONDS: Final = 600.0
"""Seconds that a request waits for its pictures."""
IMAGE_POLL_SECONDS: Final = 0.5
"""Seconds between two looks whether the client is still there."""


@router.post(
    "/generations",
    responses=errors(408, 413, 415, 429, 504, 507),
    openapi_extra=sent("ImageCreate"),
)
async def generate(request: Request, studio: StateDep, who: CallerDep) -> schemas.Images:
    """Make pictures; who leaves before they are done stops them."""
    await jobs.allowed(studio, who)
    asked = await uploads.body(request, schemas.ImageCreate)
    images = await run_in_threadpool(_order, studio, who, asked)
    try:
        done = [await _waited(studio, request, job) for job in images]
    except BaseException:
        await run_in_threadpool(_end, studio, images)
        raise
    here = str(request.base_url) if asked.response_format == "url" else ""
    data = [await run_in_threadpool(image_payload, studio, job, here) for job in done]
    if asked.response_format == "b64_json":
        await run_in_threadpool(_end, studio, done)  # nobody knows their names
    return schemas.Images(created=int(time.time()), data=data)


def _order(studio: AppState, who: Caller, asked: schemas.ImageCreate) -> list[Job]:
    card = conversion.chosen(studio.store, asked.model, studio.default)
    if (most := who.limits.most) is not None and asked.n > most:
        raise ApiError(400, f"n={asked.n}: no more than {most} at once are allowed", "invalid_value", "n")
    settings = [conversion.image(asked, card, number, studio.largest) for number in range(asked.n)]
    about: dict[str, Any] = {
        "owner": who.owner,
        "model": card["id"],
        "priority": conversion.priority(asked.priority, who),
    }
    images = [Job(id=new_id("image"), kind="image", order=order, **about) for order in settings]
    return studio.store.submit_all(images, who.limits)


def _end(studio: AppState, images: list[Job]) -> None:
    """Nobody needs these any more."""
    for job in images:
        delete_input(studio.store, studio.objects, studio.store.get(job.id) or job)


async def _waited(studio: AppState, request: Request, job: Job) -> Job:
    until = time.monotonic() + IMAGE_WAIT_SECONDS
    while time.monotonic() < until:
        found = await jobs.waited(studio, job, IMAGE_POLL_SECONDS)
        if found is None:
            raise ApiError(409, "it was deleted meanwhile", "conflict")
        if found.status == "completed":
            return found
        if found.ended:
            code = found.error.code if found.error else "cancelled"
            message = found.error.message if found.error else "it was cancelled"
            raise ApiError(400 if code == "invalid_request" else 503, message, code)
        if await request.is_disconnected():
            raise JobError("the client left", "")
    raise ApiError(504, f"no picture within {IMAGE_WAIT_SECONDS:.0f} s: order films and poll them instead", "timeout")


def image_payload(studio: AppState, job: Job, here: str) -> schemas.Image:
    """A picture, or where it lies on the server at that address."""
    if here:
        return schemas.Image(url=f"{here}v1/images/{job.id}")
    content = b"".join(studio.objects.read(job.file(job.result["files"]["content"])))
    return schemas.Image(b64_json=base64.b64encode(content).decode())


@router.get(
    "/{id}",
    response_class=Response,
    responses=files_of("The picture", "image/png") | errors(404, 409, 416),
)
async def content(id: Id, request: Request, studio: StateDep, who: CallerDep) -> Response:  # noqa: A002
    """A picture that was made, as PNG."""
    job = await jobs.found(studio, who, id, "image")
    if job.status != "completed":
        raise ApiError(409 if not job.ended else 404, f"{job.id} is {job.status}", "not_ready")
    return await files.content(request, studio.objects, job.file(job.result["files"]["content"]), job.id)


@router.delete("/{id}", responses=errors(404))
def delete(id: Id, studio: StateDep, who: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete a picture that was answered with an address."""
    job = jobs.owned(studio, who, id, "image")
    delete_input(studio.store, studio.objects, job)
    return schemas.Deleted(id=job.id, object="image.deleted")
