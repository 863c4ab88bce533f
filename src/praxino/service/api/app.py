"""The web application: routes, the layers around them, and the OpenAPI document. It needs no
torch.
"""

import functools
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

import praxino
from praxino.service.api import (
    analyses,
    bodies,
    captions,
    characters,
    edits,
    errors,
    films,
    images,
    stamps,
    system,
    videos,
)
from praxino.service.api.auth import AppState
from praxino.service.api.metrics import Metrics
from praxino.service.api.middleware import Guard, Head

ABOUT: Final = (
    "Films and pictures out of noise from a sentence, and the question whether a film was "
    "generated. The shape is that "
    "of the OpenAI videos API; fields for steps, guidance and seed have the names of vLLM-Omni."
)
BODIES: Final[tuple[type[BaseModel], ...]] = (
    bodies.VideoCreate, bodies.VideoForm, bodies.RemixCreate,
    bodies.RemixForm, bodies.ImageCreate, bodies.FileForm, bodies.StampForm,
    bodies.SessionCreate, bodies.CharacterCreate, bodies.CharacterForm,
    bodies.ExtensionCreate, bodies.ExtensionForm, bodies.EditCreate, bodies.EditForm,
    bodies.EnhanceCreate, bodies.CaptionCreate,
    bodies.FilmCreate, bodies.FilmMake, bodies.TakeUpdate,
)  # fmt: skip
"""Bodies that routes read themselves, since they come in more than one form."""
KEYLESS_PATHS: Final = ("/healthz", "/readyz", "/v1/session")


def create(state: AppState) -> ASGIApp:
    """The ASGI application; run it with any ASGI server."""
    app = FastAPI(
        title="Praxino",
        version=praxino.__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.praxino = state
    errors.install(app)
    for room in (characters, captions, edits, films, videos, images, analyses, stamps, system):
        app.include_router(room.router)  # the first that fits a path answers
    # made once somebody asks for it, as it takes longer than everything else here
    app.openapi = functools.cache(functools.partial(_described, app.openapi))  # type: ignore[method-assign]
    guarded: ASGIApp = Guard(app, state.max_upload_bytes, state.origins, state.is_open_async)
    if state.origins:
        guarded = CORSMiddleware(
            guarded,
            allow_origins=list(state.origins),
            allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type", "Range", "If-Range", "If-None-Match"],
            expose_headers=["Content-Disposition", "Content-Range", "ETag", "Retry-After"],
        )
    return Head(Metrics(guarded))


def _described(openapi: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The OpenAPI document, with bodies that routes read themselves, and with who may ask."""
    document = openapi()
    components = document["components"]["schemas"]
    for kind in BODIES:
        schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
        components |= schema.pop("$defs", {})
        components[kind.__name__] = schema
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        for method in methods.values():
            method["responses"].pop("422", None)  # what is invalid is 400 here
            if path not in KEYLESS_PATHS:
                method.setdefault("security", [{"key": []}])
    return document
