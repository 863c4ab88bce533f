"""Films made from films: one that was made here, or a file that is sent."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from praxino.edits import FilmShape
from praxino.service.api import bodies, conversion, jobs, references, schemas, uploads
from praxino.service.api.auth import AppState, CallerDep, StateDep
from praxino.service.api.errors import ApiError, errors, sent
from praxino.service.queue.jobs import Job
from praxino.service.queue.models import find_card
from praxino.service.queue.quotas import Caller
from praxino.service.queue.submission import InputFile, submit

router = APIRouter(prefix="/v1/videos", tags=["videos"])

RESPONSES: Final = errors(404, 408, 409, 413, 415, 429, 507)


@router.post(
    "/extensions", openapi_extra=sent("ExtensionCreate", "ExtensionForm"), responses=RESPONSES
)
async def extend(request: Request, state: StateDep, caller: CallerDep) -> schemas.VideoResource:
    """Let a film go on, or begin earlier."""
    await jobs.require_quota(state, caller)
    async with uploads.json_or_form(request, bodies.ExtensionCreate, "video") as (body, brought):
        edit = {"task": "extend", "backward": body.backward}
        return await run_in_threadpool(_create, state, caller, body, edit, brought)


@router.post("/edits", openapi_extra=sent("EditCreate", "EditForm"), responses=RESPONSES)
async def edit(request: Request, state: StateDep, caller: CallerDep) -> schemas.VideoResource:
    """Make a film again: along its motion, in a part of the picture, in a stretch of time."""
    await jobs.require_quota(state, caller)
    files = ("video", "second", "mask")
    async with uploads.json_or_form(request, bodies.EditCreate, *files) as (body, brought):
        return await run_in_threadpool(_create, state, caller, body, _edit(body), brought)


def _edit(body: bodies.EditCreate) -> dict[str, Any]:
    """An edit as plain values, without the names of its files."""
    values: dict[str, Any] = {
        "strength": body.strength,
        "source": body.source,
        "start": body.start,
        "end": body.end,
        "box": body.box,
    }
    if body.task == "inpaint" and body.box is not None:
        values |= {"box": None, "boxes": [{"seconds": 0.0, "box": body.box}]}
    return {"task": body.task, **{name: one for name, one in values.items() if one is not None}}


def _create(
    state: AppState,
    caller: Caller,
    body: bodies.ExtensionCreate | bodies.EditCreate,
    edit: dict[str, Any],
    brought: uploads.Files,
) -> schemas.VideoResource:
    sentences = conversion.sentences(body)
    pictures = references.pictures_of(state, caller, sentences, body.references or ())
    card = find_card(state.store, body.model, state.default)
    with _films(state, caller, body, brought) as films:
        names = {field: f"{field}.{file.ending}" for field, file in films.items()}
        order = conversion.to_edit(
            body, edit | names, card, pictures.settings, shape(films["video"]),
            state.max_size_factor,
        )  # fmt: skip
        files = pictures.files | {names[field]: file for field, file in films.items()}
        about = {"model": card.id, "priority": conversion.to_priority(body.priority, caller)}
        job = submit(state.store, state.objects, caller, "video", order, files, **about)
    return schemas.to_video_resource(job, state.store.position(job))


@contextmanager
def _films(
    state: AppState,
    caller: Caller,
    body: bodies.ExtensionCreate | bodies.EditCreate,
    brought: uploads.Files,
) -> Iterator[dict[str, InputFile]]:
    """The films and pictures that one is made from, by the fields of `praxino.edits`."""
    films = {name: files[0] for name, files in brought.items()}
    with ExitStack() as stack:
        for name in ("video", "second"):
            if (source := getattr(body, name, None)) is not None:
                job = jobs.fetch(state, caller, source.id, "video")
                films[name] = stack.enter_context(film_of(state, job))
        if (mask := getattr(body, "mask", None)) is not None:
            films["mask"] = uploads.picture_of_url(mask.image_url, "mask")
        if "video" not in films:
            raise ApiError(400, "video: a film is needed", "missing_file", "video")
        yield films


@contextmanager
def film_of(state: AppState, job: Job) -> Iterator[InputFile]:
    """The film that a job has made; raises `ApiError` 409 if it has none yet, or 404 if it is
    gone.
    """
    if "content" not in job.result.files:
        raise ApiError(409, f"{job.id} is {job.status}: it has no film", "not_ready")
    with ExitStack() as stack:
        try:
            stored = stack.enter_context(state.objects.open(job.file(job.result.files["content"])))
        except FileNotFoundError:
            raise ApiError(404, "it was deleted meanwhile", "not_found") from None
        yield uploads.require_media(InputFile.of(stored, f"{job.id}.mp4"), "video")


def shape(file: InputFile) -> FilmShape:
    """The shape of a film."""
    return uploads.read_isolated(_read_shape, [file], "video")


def _read_shape(paths: Sequence[Path]) -> FilmShape:
    from praxino.storage.media.frames import read_video

    video = read_video(paths[0])
    count, height, width = video.frames.shape[:3]
    return FilmShape(count, height, width, video.fps)
