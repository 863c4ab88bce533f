"""Films of many shots: scripts that are sent, takes that are made, looked at and judged."""

import math
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from praxino.cards import ModelCard
from praxino.edits import FilmShape
from praxino.errors import InputError
from praxino.generation.takes import with_state
from praxino.references import mentions, require_known
from praxino.script import SHOT_PATTERN, FilmScript, parse_script
from praxino.service.api import bodies, files, jobs, references, schemas, uploads
from praxino.service.api.auth import AppState, CallerDep, StateDep
from praxino.service.api.errors import ApiError, errors, files_of, sent
from praxino.service.queue.films import Film, Films
from praxino.service.queue.jobs import FilmRequest, Job
from praxino.service.queue.models import find_card
from praxino.service.queue.quotas import Caller, require_shape
from praxino.service.queue.retention import delete_job
from praxino.service.queue.submission import submit

router = APIRouter(prefix="/v1/films", tags=["films"])

Id = Annotated[
    str, Path(pattern=r"^film_[0-9a-f]{32}$", examples=["film_00000000000000000000000000000000"])
]
ShotId = Annotated[str, Path(pattern=f"^{SHOT_PATTERN}$", examples=["one"])]
Number = Annotated[int, Path(ge=1, le=100_000)]
BODY: Final = errors(404, 408, 409, 413, 415)


@router.post("", openapi_extra=sent("FilmCreate"), responses=BODY)
async def create(request: Request, state: StateDep, caller: CallerDep) -> schemas.FilmResource:
    """Send the script of a film; nothing is made yet."""
    body = await uploads.json_body(request, bodies.FilmCreate)
    return await run_in_threadpool(_create, state, caller, body)


def _create(state: AppState, caller: Caller, body: bodies.FilmCreate) -> schemas.FilmResource:
    film = Films(state.objects, caller.owner).create(_script(state, caller, body))
    return _resource(state, caller, film)


@router.get("", responses=errors())
def all_films(state: StateDep, caller: CallerDep) -> schemas.FilmList:
    """The caller's films, the newest first."""
    films = Films(state.objects, caller.owner).all()
    return schemas.FilmList(data=[_resource(state, caller, film) for film in films])


@router.get("/{id}", responses=errors(404))
def retrieve_film(id: Id, state: StateDep, caller: CallerDep) -> schemas.FilmResource:  # noqa: A002
    """A film: its script, its takes, and how far it is."""
    return _resource(state, caller, _find(state, caller, id))


@router.put("/{id}", openapi_extra=sent("FilmCreate"), responses=BODY)
async def change(
    id: Id,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
) -> schemas.FilmResource:
    """Send another script; takes of shots that are as they were stay."""
    body = await uploads.json_body(request, bodies.FilmCreate)
    return await run_in_threadpool(_change, state, caller, id, body)


def _change(
    state: AppState, caller: Caller, id_: str, body: bodies.FilmCreate
) -> schemas.FilmResource:
    film = _find(state, caller, id_)
    _require_idle(state, caller, film)
    film = film.model_copy(update={"script": _script(state, caller, body)})
    Films(state.objects, caller.owner).save(film)
    return _resource(state, caller, film)


@router.post(
    "/{id}/takes",
    openapi_extra=sent("FilmMake"),
    responses=errors(404, 408, 409, 413, 415, 429, 507),
)
async def make(
    id: Id,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
) -> schemas.FilmResource:
    """Make the takes that are missing, or those of some shots, and put the film together."""
    await jobs.require_quota(state, caller)
    body = await uploads.json_body(request, bodies.FilmMake)
    return await run_in_threadpool(_make, state, caller, id, body)


def _make(state: AppState, caller: Caller, id_: str, body: bodies.FilmMake) -> schemas.FilmResource:
    film = _find(state, caller, id_)
    _require_idle(state, caller, film)
    for name in body.only or ():
        film.script.find(name)
    card = find_card(state.store, body.model or film.script.model or None, state.default)
    _require_sizes(film.script, card, state.max_size_factor)
    order = FilmRequest(film=film.id, only=tuple(body.only or ()))
    job = submit(state.store, state.objects, caller, "film", order, model=card.id)
    film = film.model_copy(update={"job": job.id})
    Films(state.objects, caller.owner).save(film)
    return _resource(state, caller, film)


@router.post("/{id}/cancel", responses=errors(404, 409))
def cancel_takes(id: Id, state: StateDep, caller: CallerDep) -> schemas.FilmResource:  # noqa: A002
    """Stop making takes; those that are made stay."""
    film = _find(state, caller, id)
    job = _job(state, caller, film)
    if job is None:
        raise ApiError(409, "nothing is made of it", "conflict")
    state.store.cancel(job)
    return _resource(state, caller, film)


@router.patch("/{id}/takes/{shot}/{number}", openapi_extra=sent("TakeUpdate"), responses=BODY)
async def judge(
    id: Id,  # noqa: A002
    shot: ShotId,
    number: Number,
    request: Request,
    state: StateDep,
    caller: CallerDep,
) -> schemas.FilmResource:
    """Say what is thought of a take: kept, rejected, or a draft again."""
    body = await uploads.json_body(request, bodies.TakeUpdate)
    return await run_in_threadpool(_judge, state, caller, id, (shot, number), body)


def _judge(
    state: AppState, caller: Caller, id_: str, which: tuple[str, int], body: bodies.TakeUpdate
) -> schemas.FilmResource:
    film, films = _find(state, caller, id_), Films(state.objects, caller.owner)
    _require_idle(state, caller, film)
    try:
        takes = with_state(films.takes(id_), *which, body.state)
    except InputError as error:
        raise ApiError(404, str(error), "not_found") from None
    films.save_takes(id_, takes)
    return _resource(state, caller, film)


@router.get(
    "/{id}/takes/{shot}/{number}",
    responses=files_of("The take", "video/mp4") | errors(404, 416),
    response_class=Response,
)
async def take(
    id: Id,  # noqa: A002
    shot: ShotId,
    number: Number,
    request: Request,
    state: StateDep,
    caller: CallerDep,
) -> Response:
    """A take, marked and signed."""
    films = Films(state.objects, caller.owner)
    takes = await run_in_threadpool(films.takes, id)
    one = next((one for one in takes if (one.shot, one.number) == (shot, number)), None)
    if one is None:
        raise ApiError(404, f"shot {shot} has no take {number}", "not_found")
    return await files.send(request, state.objects, films.path(id, f"{one.name}.mp4"), one.name)


@router.get(
    "/{id}/content",
    responses=files_of("The film", "video/mp4") | errors(404, 409, 416),
    response_class=Response,
)
async def content(
    id: Id,  # noqa: A002
    request: Request,
    state: StateDep,
    caller: CallerDep,
) -> Response:
    """The whole film, marked, and signed as made from its takes."""
    film = await run_in_threadpool(_find, state, caller, id)
    job = await run_in_threadpool(_job, state, caller, film)
    if job is None or "content" not in job.result.files:
        raise ApiError(409, "it is not put together yet", "not_ready")
    name = job.file(job.result.files["content"])
    return await files.send(request, state.objects, name, film.script.title or film.id)


@router.delete("/{id}", responses=errors(404))
def delete(id: Id, state: StateDep, caller: CallerDep) -> schemas.Deleted:  # noqa: A002
    """Delete a film with all its takes."""
    film = _find(state, caller, id)
    if (job := _job(state, caller, film)) is not None:
        delete_job(state.store, state.objects, job)
    Films(state.objects, caller.owner).delete(film.id)
    return schemas.Deleted(id=film.id, object="film.deleted")


def _script(state: AppState, caller: Caller, body: bodies.FilmCreate) -> FilmScript:
    """The script of a body, whose names are known; raises `InputError` for one that names files."""
    script = parse_script(body.script)
    for shot in script.shots:
        if named := shot.files():
            raise InputError(
                f"script: shots.{shot.id}: {named[0]}: no files here",
                "shot:ID/FRAME, or characters",
                "script",
            )
    for name, member in script.cast.items():
        if member.pictures:
            raise InputError(
                f"script: cast.{name}: no files here", "POST /v1/videos/characters", "script"
            )
    names = [*script.cast, *(one.name for one in references.memory_of(state, caller).entities())]
    for shot in script.shots:
        for name in (*mentions(script.sentence(shot)), *shot.cast):
            require_known(name, names)
    return script


def _require_sizes(script: FilmScript, card: ModelCard, max_size_factor: int) -> None:
    """Raise `InputError` for a shot of more pixels than this server makes for anybody."""
    usual = card.defaults
    width, height = map(int, script.size.split("x")) if script.size else (usual.width, usual.height)
    fps, enhance = script.fps or usual.fps, script.enhance or usual.enhance
    for shot in script.shots:
        frames = shot.frames or usual.frames
        if shot.seconds is not None:
            frames = math.ceil(shot.seconds * fps) + 1
        require_shape(FilmShape(frames, height, width, fps), enhance, card, max_size_factor)


def _find(state: AppState, caller: Caller, id_: str) -> Film:
    film = Films(state.objects, caller.owner).find(id_)
    if film is None:
        raise ApiError(404, "there is no film of that id", "not_found")
    return film


def _job(state: AppState, caller: Caller, film: Film) -> Job | None:
    """The film's latest job, if it is still kept."""
    return state.store.get(film.job, caller.owner) if film.job else None


def _require_idle(state: AppState, caller: Caller, film: Film) -> None:
    """Raise `ApiError` 409 while takes are being made."""
    job = _job(state, caller, film)
    if job is not None and not job.ended:
        raise ApiError(409, "takes of it are being made", "conflict")


def _resource(state: AppState, caller: Caller, film: Film) -> schemas.FilmResource:
    takes = Films(state.objects, caller.owner).takes(film.id)
    return schemas.to_film_resource(film, takes, _job(state, caller, film))
