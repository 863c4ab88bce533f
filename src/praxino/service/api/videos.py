"""Films: ordered, watched, fetched, stopped, deleted."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from praxino.service.api import conversion, files, jobs, schemas, uploads
from praxino.service.api.auth import AppState, Caller, CallerDep, StateDep
from praxino.service.api.errors import EVENTS, ApiError, errors, files_of, sent
from praxino.service.api.head import is_bare
from praxino.service.queue.jobs import Job
from praxino.service.queue.retention import delete_input

router = APIRouter(prefix="/v1/videos", tags=["videos"])

Id = Annotated[str, Path(examples=["video_00000000000000000000000000000000"])]
VARIANTS: Final = {"video": "content", "thumbnail": "thumbnail", "spritesheet": "spritesheet"}
KINDS: Final = ("video/mp4", "image/png", "image/jpeg", "image/webp")


@router.post("", openapi_extra=sent("VideoCreate", "VideoForm"), responses=errors(404, 408, 413, 415, 429, 507))
async def create(request: Request, studio: StateDep, who: CallerDep) -> schemas.VideoResource:
    """Order a film. It waits in the queue until a worker has time for it."""
    await jobs.allowed(studio, who)
    async with uploads.json_or_form(request, schemas.VideoCreate, "input_reference") as (asked, picture):
        return await run_in_threadpool(_order, studio, who, asked, picture)


def _order(
    studio: AppState, who: Caller, asked: schemas.VideoCreate, picture: uploads.Upload | None
) -> schemas.VideoResource:
    if picture is not None:
        uploads.check_picture(picture, "input_reference")
    card = conversion.chosen(studio.store, asked.model, studio.default)
    settings = conversion.film(asked, card, picture is not None, studio.largest)
    if picture is not None:
        settings["image"] = f"input.{picture.ending}"
    wanted = conversion.priority(asked.priority, who)
    job = jobs.submit(studio, who, "video", settings, picture, model=card["id"], priority=wanted)
    return schemas.video(job, jobs.position(studio, job))


@router.get("", responses=errors(404))
def page(
    studio: StateDep,
    who: CallerDep,
    after: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> schemas.VideoList:
    """The caller's films, the newest first; ``after`` goes on behind the last one of a page."""
    last = jobs.owned(studio, who, after, "video") if after else None
    found, more = studio.store.page(who.owner, ("video",), last, limit, order == "asc")
    data = [schemas.video(job) for job in found]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return schemas.VideoList(data=data, first_id=ends[0], last_id=ends[1], has_more=more)


@router.get("/{id}", responses=errors(404))
def retrieve(id: Id, studio: StateDep, who: CallerDep) -> schemas.VideoResource:  # noqa: A002
    """One film, as far as it is."""
    job = jobs.owned(studio, who, id, "video")
    return schemas.video(job, jobs.position(studio, job))


@router.get("/{id}/content", responses=files_of("The file", *KINDS) | errors(404, 409, 416), response_class=Response)
async def content(
    id: Id,  # noqa: A002
    request: Request,
    studio: StateDep,
    who: CallerDep,
    variant: Literal["video", "thumbnail", "spritesheet", "input_reference"] = "video",
) -> Response:
    """The film, its poster, or some of its frames in one picture, marked and signed; or what it began with."""
    job = await jobs.found(studio, who, id, "video")
    if variant == "input_reference":
        if not job.input:
            raise ApiError(404, f"{job.id} began without a picture", "no_content")
        return await files.content(request, studio.objects, f"{job.id}/{job.input}", "picture")
    return await files.content(request, studio.objects, _file(job, VARIANTS[variant]), _title(job))


def _title(job: Job) -> str:
    """What who saves a film will call it, but for its ending: letters and digits of its sentence."""
    return "-".join(re.findall(r"[a-z0-9]+", job.order["prompt"].lower()))[:60].strip("-") or job.id


def _file(job: Job, which: str) -> str:
    name = job.result.get("files", {}).get(which)
    if name is not None:
        return job.file(name)
    if not job.ended:
        raise ApiError(409, f"{job.id} is {job.status}: it has no content yet", "not_ready")
    raise ApiError(404, f"{job.id} is {job.status}: it has no content", "no_content")


@router.delete("/{id}", responses=errors(404))
def delete(id: Id, studio: StateDep, who: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete a film with its files, whatever its state; one that is being made is stopped."""
    job = jobs.owned(studio, who, id, "video")
    if not delete_input(studio.store, studio.objects, job):
        raise ApiError(404, "there is no video of that id", "not_found")
    return schemas.Deleted(id=job.id, object="video.deleted")


@router.post("/{id}/cancel", responses=errors(404, 409))
def cancel(id: Id, studio: StateDep, who: CallerDep) -> schemas.VideoResource:  # noqa: A002
    """Stop a film. What there is of it is kept; twice is as once."""
    job = studio.store.cancel(jobs.owned(studio, who, id, "video"))
    return schemas.video(job)


@router.post(
    "/{id}/remix",
    responses=errors(404, 408, 413, 415, 429, 507),
    openapi_extra=sent("RemixCreate", "RemixForm"),
)
async def remix(id: Id, request: Request, studio: StateDep, who: CallerDep) -> schemas.VideoResource:  # noqa: A002
    """The same film with another sentence: same noise, same settings, same picture to begin with."""
    before = await jobs.found(studio, who, id, "video")
    await jobs.allowed(studio, who)
    async with uploads.json_or_form(request, schemas.RemixCreate) as (asked, _):
        return await run_in_threadpool(_again, studio, who, before, asked)


def _again(studio: AppState, who: Caller, before: Job, asked: schemas.RemixCreate) -> schemas.VideoResource:
    card = conversion.chosen(studio.store, before.model, None)
    settings = conversion.remix_request(before.order, asked, card, studio.largest)
    wanted = min(before.priority, who.limits.priority)
    with _given(studio, before) as picture:
        job = jobs.submit(studio, who, "video", settings, picture, before.model, wanted, before.id)
    return schemas.video(job, jobs.position(studio, job))


@contextmanager
def _given(studio: AppState, job: Job) -> Iterator[uploads.Upload | None]:
    """The picture that a film began with."""
    if not job.input:
        yield None
        return
    try:
        with studio.objects.open(f"{job.id}/{job.input}") as file:
            yield uploads.upload(file, job.input, "input_reference")
    except FileNotFoundError:
        raise ApiError(404, "the picture that it began with is gone", "not_found") from None


@router.get(
    "/{id}/events",
    response_class=StreamingResponse,
    responses={200: EVENTS, **errors(404)},
)
async def events(
    id: Id,  # noqa: A002
    request: Request,
    studio: StateDep,
    who: CallerDep,
    previews: bool = True,
) -> StreamingResponse:
    """Progress, time left and previews, as they come, until it ends."""
    job = await jobs.found(studio, who, id, "video")
    told = iter(()) if is_bare(request) else files.events(studio, job, previews)
    return StreamingResponse(told, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
