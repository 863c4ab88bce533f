"""Models, health, metrics, the page and its session."""

from importlib import resources
from typing import Any, Final

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from praxino.service.api import bodies, schemas, uploads
from praxino.service.api.auth import CallerDep, StateDep, cookie_name
from praxino.service.api.errors import ApiError, errors, files, sent
from praxino.service.api.files import parse_range
from praxino.service.queue.models import served_models

router = APIRouter()

EYE_FILMS: Final = 32
"""Short films of the page's game, which docs/eye.py draws."""
WEB: Final = resources.files("praxino.service") / "web"
PAGE: Final = {
    "index.html": "text/html; charset=utf-8",
    "studio.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(
        (
            "studio.js",
            "api.js",
            "make.js",
            "strip.js",
            "check.js",
            "noise.js",
            "film.js",
            "cast.js",
            "layout.js",
            "learn.js",
            "net.js",
            "race.js",
            "eye.js",
        ),
        "text/javascript; charset=utf-8",
    ),
    "eye.json": "application/json",
    **{f"eye-{number:02d}.mp4": "video/mp4" for number in range(EYE_FILMS)},
}
"""The files of the page: nothing else is ever served from there."""


@router.get("/v1/models", tags=["models"], responses=errors())
def models(state: StateDep, caller: CallerDep) -> schemas.ModelList:
    """The models that workers serve, the default one first, then those that are ready."""
    served = sorted(served_models(state.store), key=lambda entry: entry[1].id != state.default)
    return schemas.ModelList(
        data=[schemas.to_model_resource(card, ready) for ready, card in served]
    )


@router.get("/v1/models/{id:path}", tags=["models"], responses=errors(404))
def model(id: str, state: StateDep, caller: CallerDep) -> schemas.ModelResource:  # noqa: A002
    """One model by its id."""
    for resource in models(state, caller).data:
        if resource.id == id:
            return resource
    raise ApiError(404, "there is no model of that id", "not_found")


@router.get("/healthz", tags=["operations"])
def healthz() -> schemas.Health:
    """Whether the server runs."""
    return schemas.Health(status="ok")


@router.get(
    "/readyz",
    tags=["operations"],
    responses={503: {"model": schemas.Health, "description": "Not now"}},
)
def readyz(state: StateDep) -> Any:
    """Whether films can be ordered: the jobs can be reached, and a worker with a model lives."""
    if any(alive and worker.models for alive, worker in state.store.workers()):
        return schemas.Health(status="ok")
    return JSONResponse(
        schemas.Health(status="unavailable", detail="no worker with a model lives").model_dump(),
        503,
    )


@router.get(
    "/metrics",
    tags=["operations"],
    response_class=Response,
    responses={200: files("Prometheus text", "text/plain"), **errors()},
)
def metrics(request: Request, state: StateDep, caller: CallerDep) -> Response:
    """Requests, jobs, queue and workers, for Prometheus."""
    return Response(request.scope["praxino.metrics"].text(state), media_type=CONTENT_TYPE_LATEST)


@router.post(
    "/v1/session",
    tags=["page"],
    status_code=204,
    responses=errors(408, 413, 415),
    openapi_extra={"security": [], **sent("SessionCreate")},
)
async def sign_in(request: Request, state: StateDep) -> Response:
    """Let the page use a key, which it cannot read again: films are shown by elements that send no
    headers.
    """
    body = await uploads.json_body(request, bodies.SessionCreate)
    if (
        not await state.is_open_async()
        and await run_in_threadpool(state.find_caller, body.key) is None
    ):
        raise ApiError(
            401, "that key is not known", "invalid_api_key", "key", WWW_Authenticate="Bearer"
        )
    answer = Response(status_code=204)
    secure = request.url.scheme == "https"
    answer.set_cookie(
        cookie_name(request),
        body.key,
        max_age=30 * 86_400,
        httponly=True,
        samesite="strict",
        secure=secure,
    )
    return answer


@router.get("/v1/session", tags=["page"])
def session(request: Request) -> schemas.Session:
    """Whether the page was given a key, which it cannot see itself."""
    return schemas.Session(key=cookie_name(request) in request.cookies)


@router.delete("/v1/session", tags=["page"], status_code=204)
def sign_out(request: Request) -> Response:
    """Let the page forget the key."""
    answer = Response(status_code=204)
    answer.delete_cookie(cookie_name(request), httponly=True, samesite="strict")
    return answer


@router.get("/", include_in_schema=False)
@router.get("/{name}", include_in_schema=False)
def web(request: Request, name: str = "index.html") -> Response:
    """The page; of its films the part that is asked for: players want no whole files."""
    if name not in PAGE:
        raise ApiError(404, "there is no such page", "not_found")
    content, headers = (WEB / name).read_bytes(), {"Cache-Control": "no-cache"}
    if not name.endswith(".mp4"):
        return Response(content, media_type=PAGE[name], headers=headers)
    part = parse_range(request.headers.get("range"), len(content))
    headers["Accept-Ranges"] = "bytes"
    if part is None:
        return Response(content, media_type=PAGE[name], headers=headers)
    start, end = part
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return Response(content[start:end], 206, headers, PAGE[name])
