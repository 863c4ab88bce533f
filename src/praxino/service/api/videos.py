"""Films: submitted, watched, downloaded, stopped, deleted."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from praxino.service.api import (
    bodies,
    conversion,
    edits,
    events,
    files,
    jobs,
    live,
    references,
    schemas,
    uploads,
)
from praxino.service.api.auth import AppState, CallerDep, StateDep
from praxino.service.api.errors import EVENTS, ApiError, errors, files_of, sent
from praxino.service.api.middleware import is_head
from praxino.service.queue.jobs import Job
from praxino.service.queue.models import find_card
from praxino.service.queue.quotas import Caller
from praxino.service.queue.retention import delete_job
from praxino.service.queue.submission import InputFile, submit

router = APIRouter(prefix="/v1/videos", tags=["videos"])

Id = Annotated[str, Path(examples=["video_00000000000000000000000000000000"])]
VARIANTS: Final = {"video": "content", "thumbnail": "thumbnail", "spritesheet": "spritesheet"}
MEDIA_TYPES: Final = ("video/mp4", "image/png", "image/jpeg", "image/webp")
MAX_TITLE_CHARS: Final = 60
ENHANCED: Final = "enhanced.mp4"
"""Name of a film that is made larger, among the files of a job."""


@router.post(
    "",
    openapi_extra=sent("VideoCreate", "VideoForm"),
    responses=errors(404, 408, 413, 415, 429, 507),
)
async def create(request: Request, state: StateDep, caller: CallerDep) -> schemas.VideoResource:
    """Submit a film. It waits in the queue until a worker is free."""
    await jobs.require_quota(state, caller)
    files = ("input_reference", "image_reference")
    async with uploads.json_or_form(request, bodies.VideoCreate, *files) as (body, brought):
        return await run_in_threadpool(_create, state, caller, body, brought)


def _create(
    state: AppState, caller: Caller, body: bodies.VideoCreate, brought: uploads.Files
) -> schemas.VideoResource:
    (first,) = brought.get("input_reference", [None])
    if body.input_reference is not None:
        first = uploads.picture_of_url(body.input_reference.image_url, "input_reference")
    pictures = references.pictures_of(
        state,
        caller,
        conversion.sentences(body),
        body.references or (),
        body.keyframes or (),
        first,
        [*brought.get("image_reference", ()), *_image_references(body)],
    )
    card = find_card(state.store, body.model, state.default)
    order = conversion.to_request(body, card, pictures.settings, state.max_size_factor)
    references.require_keyframes(order, body.keyframes or ())
    priority = conversion.to_priority(body.priority, caller)
    about = {"model": card.id, "priority": priority}
    job = submit(state.store, state.objects, caller, "video", order, pictures.files, **about)
    return schemas.to_video_resource(job, state.store.position(job))


def _image_references(body: bodies.VideoCreate) -> list[InputFile]:
    """Pictures of @image1, @image2, ... inside of a body."""
    several = body.image_reference or []
    return [
        uploads.picture_of_url(one.image_url, f"image_reference.{number}")
        for number, one in enumerate(several if isinstance(several, list) else [several])
    ]


@router.get("", responses=errors(404))
def page(
    state: StateDep,
    caller: CallerDep,
    after: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> schemas.VideoList:
    """The caller's films, the newest first; ``after`` continues behind the last one of a page."""
    last = jobs.fetch(state, caller, after, "video") if after else None
    films, more = state.store.page(caller.owner, ("video",), last, limit, order == "asc")
    data = [schemas.to_video_resource(job) for job in films]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return schemas.VideoList(data=data, first_id=ends[0], last_id=ends[1], has_more=more)


@router.get("/{id}", responses=errors(404))
def retrieve(id: Id, state: StateDep, caller: CallerDep) -> schemas.VideoResource:  # noqa: A002
    """One film: its state, settings and progress."""
    job = jobs.fetch(state, caller, id, "video")
    return schemas.to_video_resource(job, state.store.position(job))


@router.get(
    "/{id}/content",
    responses=files_of("The file", *MEDIA_TYPES) | errors(404, 409, 416),
    response_class=Response,
)
async def content(
    id: Id,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
    variant: Literal["video", "thumbnail", "spritesheet", "input_reference"] = "video",
) -> Response:
    """The film, its poster, or some of its frames in one picture, marked and signed; or the picture
    it began with.
    """
    job = await jobs.fetch_async(state, caller, id, "video")
    if variant == "input_reference":
        if not job.input:
            raise ApiError(404, f"{job.id} began without a picture", "no_content")
        return await files.send(request, state.objects, f"{job.id}/{job.input}", "picture")
    return await files.send(
        request, state.objects, _storage_name(job, VARIANTS[variant]), _title(job)
    )


def _title(job: Job) -> str:
    """File name for whoever saves a film, without its ending: letters and digits of the prompt."""
    words = re.findall(r"[a-z0-9]+", job.request.prompt.lower())
    return "-".join(words)[:MAX_TITLE_CHARS].strip("-") or job.id


def _storage_name(job: Job, variant: str) -> str:
    if (name := job.result.files.get(variant)) is not None:
        return job.file(name)
    if not job.ended:
        raise ApiError(409, f"{job.id} is {job.status}: it has no content yet", "not_ready")
    raise ApiError(404, f"{job.id} is {job.status}: it has no content", "no_content")


@router.get(
    "/{id}/stream",
    responses=files_of("The film", "video/mp4") | errors(404, 409, 416),
    response_class=Response,
)
async def stream_content(id: Id, request: Request, state: StateDep, caller: CallerDep) -> Response:  # noqa: A002
    """The film while it is made, as fragmented MP4: marked, not signed yet; afterwards the same as
    its content. Films that are made window by window (`window` of a model) begin with their first
    window, others come when they are there.
    """
    job = await jobs.fetch_async(state, caller, id, "video")
    if job.status == "queued":
        raise ApiError(409, f"{job.id} is queued: it has no content yet", "not_ready")
    if not job.ended:
        return live.response(state, job, is_head(request))
    if "content" not in job.result.files:  # the film is there, and will never have any
        raise ApiError(409, f"{job.id} is {job.status}: it has no content", "no_content")
    return await files.send(request, state.objects, _storage_name(job, "content"), _title(job))


@router.post(
    "/{id}/turns",
    responses=errors(404, 408, 409, 413, 415, 429, 507),
    openapi_extra=sent("TurnCreate"),
)
async def turn_to(
    id: Id,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
) -> schemas.VideoResource:
    """Let a film that is being made window by window show something else from its next window
    on.
    """
    await jobs.fetch_async(state, caller, id, "video")
    body = await uploads.json_body(request, bodies.TurnCreate)
    job = await jobs.fetch_async(state, caller, id, "video")  # as it is by now
    await run_in_threadpool(live.add_turn, state, job, body.prompt)
    return schemas.to_video_resource(job)


@router.delete("/{id}", responses=errors(404))
def delete(id: Id, state: StateDep, caller: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete a film with its files, whatever its state; one in progress is stopped."""
    job = jobs.fetch(state, caller, id, "video")
    if not delete_job(state.store, state.objects, job):
        raise ApiError(404, "there is no video of that id", "not_found")
    return schemas.Deleted(id=job.id, object="video.deleted")


@router.post("/{id}/cancel", responses=errors(404, 409))
def cancel(id: Id, state: StateDep, caller: CallerDep) -> schemas.VideoResource:  # noqa: A002
    """Stop a film and keep what there is of it; may be repeated."""
    job = state.store.cancel(jobs.fetch(state, caller, id, "video"))
    return schemas.to_video_resource(job)


@router.post(
    "/{id}/remix",
    responses=errors(404, 408, 413, 415, 429, 507),
    openapi_extra=sent("RemixCreate", "RemixForm"),
)
async def remix(
    id: Id,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
) -> schemas.VideoResource:
    """Make a film again from another prompt: same noise, same settings, same pictures."""
    before = await jobs.fetch_async(state, caller, id, "video")
    await jobs.require_quota(state, caller)
    async with uploads.json_or_form(request, bodies.RemixCreate) as (body, _):
        return await run_in_threadpool(_remix, state, caller, before, body)


def _remix(
    state: AppState, caller: Caller, before: Job, body: bodies.RemixCreate
) -> schemas.VideoResource:
    card = find_card(state.store, before.model, None)
    memory = references.memory_of(state, caller)
    order = conversion.to_remix(before.request, body, card, state.max_size_factor, memory)
    about = {
        "model": before.model,
        "remixed_from": before.id,
        "priority": min(before.priority, caller.quota.priority),
    }
    with _inputs(state, before) as inputs:
        job = submit(state.store, state.objects, caller, "video", order, inputs, **about)
    return schemas.to_video_resource(job, state.store.position(job))


@router.post(
    "/{id}/enhance",
    responses=errors(404, 408, 409, 413, 415, 429, 507),
    openapi_extra=sent("EnhanceCreate"),
)
async def enhance(
    id: Id,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
) -> schemas.VideoResource:
    """Make a film larger, or faster: what it shows stays."""
    before = await jobs.fetch_async(state, caller, id, "video")
    await jobs.require_quota(state, caller)
    async with uploads.json_or_form(request, bodies.EnhanceCreate) as (body, _):
        return await run_in_threadpool(_enhance, state, caller, before, body)


def _enhance(
    state: AppState, caller: Caller, before: Job, body: bodies.EnhanceCreate
) -> schemas.VideoResource:
    card = find_card(state.store, before.model, None)
    if not card.refines:
        raise ApiError(409, f"{card.id} has no refiner: it makes no film larger", "conflict")
    about = {"model": before.model, "priority": conversion.to_priority(body.priority, caller)}
    with _inputs(state, before) as inputs, edits.film_of(state, before) as film:
        order = conversion.to_enhance(
            before.request, body, ENHANCED, card, edits.shape(film), state.max_size_factor
        )
        files = {name: file for name, file in inputs.items() if name in order.pictures}
        files[ENHANCED] = film
        job = submit(state.store, state.objects, caller, "video", order, files, **about)
    return schemas.to_video_resource(job, state.store.position(job))


@contextmanager
def _inputs(state: AppState, job: Job) -> Iterator[dict[str, InputFile]]:
    """The files that a film was made from."""
    with ExitStack() as stack:
        try:
            files = {
                name: stack.enter_context(state.objects.open(f"{job.id}/{name}"))
                for name in job.inputs
            }
        except FileNotFoundError:
            raise ApiError(404, "what it was made from is gone", "not_found") from None
        yield {
            name: uploads.require_media(InputFile.of(file, name), name)
            for name, file in files.items()
        }


@router.get(
    "/{id}/events", response_class=StreamingResponse, responses={200: EVENTS, **errors(404)}
)
async def watch(
    id: Id,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
    previews: bool = True,
) -> StreamingResponse:
    """Progress, time left and previews as server-sent events, until the film ends."""
    job = await jobs.fetch_async(state, caller, id, "video")
    stream = iter(()) if is_head(request) else events.stream(state, job, previews)
    return StreamingResponse(
        stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )
