"""Error responses: one shape for all, that of the OpenAI API."""

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from praxino.errors import (
    InputError,
    JobError,
    LimitError,
    NoWorkerError,
    PraxinoError,
    UnknownNameError,
)
from praxino.service.api.bodies import parameter_of
from praxino.storage.objects import is_full

logger = logging.getLogger("praxino.service")


class Problem(BaseModel):
    """What is wrong, and with which parameter."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """The body of every error response."""

    error: Problem


class ApiError(PraxinoError):
    """An error response; raised anywhere below a route.

    Parameters
    ----------
    status : int
        Of HTTP.
    code : str
        The error's name for programs.
    param : str, optional
        The parameter that is wrong.
    **headers
        Further headers, with underscores for hyphens.
    """

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, **headers: str
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
"""What the field ``type`` says of a status; others are ``invalid_request_error`` below 500,
``server_error`` above.
"""
PLACES: Final = ("query", "path", "body", "header", "constrained-str", "float")
"""Parts of where a validator found something that a client never wrote."""
HINTS: Final = {
    "prompt": "say what is to be seen",
    "size": "64x64",
    "seconds": "2",
    "key": "it begins with px-",
    "input_reference.image_url": "data:image/png;base64,... of a picture",
}
"""What to write where a pattern was missed: patterns are for programs."""
MEANINGS: Final = {
    400: "The request cannot be carried out as it is",
    401: "No key, or a wrong one",
    403: "Not with this key, or not from there",
    404: "There is no such thing, or it is another's",
    405: "Not with this method",
    408: "The request took too long to arrive",
    409: "Not in the state that it is in",
    413: "The request is too large",
    415: "The content is of no type that is taken here",
    416: "No such part of the file",
    429: "A quota is used up: see Retry-After",
    503: "Not now",
    504: "Not in time",
    507: "There is no room left",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer so; what any route may answer is among them."""
    every = sorted({400, 401, 403, 503, *statuses})
    return {status: {"model": ErrorBody, "description": MEANINGS[status]} for status in every}


def files(text: str, *media: str) -> dict[str, Any]:
    """The success of a route that answers with something of one of these types."""
    return {
        "description": text,
        "content": {kind: {"schema": {"type": "string"}} for kind in media},
    }


def files_of(text: str, *media: str) -> dict[int | str, dict[str, Any]]:
    """The successes of a route that sends a file: whole, in part, or not again."""
    return {
        200: files(text, *media),
        206: files(f"{text}: the part of it that was asked for", *media),
        304: {"description": "It is what the client has (If-None-Match)"},
    }


EVENTS: Final = {
    "description": (
        "Server-sent events: progress, preview, done or deleted, each with JSON as its data"
    ),
    "content": {
        "text/event-stream": {
            "schema": {
                "type": "object",
                "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
                "required": ["event", "data"],
            }
        }
    },
}


def sent(json: str | None = None, form: str | None = None) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads its body itself: schemas, as JSON, a form, or
    either.
    """
    kinds = {"application/json": json, "multipart/form-data": form}
    content = {
        kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}
        for kind, name in kinds.items()
        if name
    }
    return {"requestBody": {"required": True, "content": content}}


def problem(
    status: int, message: str, code: str, param: str | None = None, **headers: str
) -> JSONResponse:
    """An error response."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    body = ErrorBody(error=Problem(message=message, type=kind, param=param, code=code))
    return JSONResponse(body.model_dump(), status, headers=headers)


def invalid(error: ValidationError | RequestValidationError) -> ApiError:
    """The first of a validator's complaints, without what was sent: that may be long, or secret."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"] if part not in PLACES]
    param = ".".join(where) or None
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if first["type"] == "string_pattern_mismatch":
        hint = HINTS.get(param or "")
        message = "has another form" + (f". hint: {hint}" if hint else "")
    return ApiError(400, f"{param}: {message}" if param else message, "invalid_value", param)


def install(app: FastAPI) -> None:
    """Let every error of an app leave it in this shape, and nothing of how it came about."""

    @app.exception_handler(ApiError)
    def _ours(_: Request, error: ApiError) -> Response:
        return problem(error.status, error.message, error.code, error.param, **error.headers)

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> Response:
        return _ours(request, invalid(error))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        codes = {404: "not_found", 405: "method_not_allowed"}
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_allowed(app, request)))
        code = codes.get(error.status_code, "invalid_request")
        return problem(error.status_code, f"{error.detail}", code, **headers)

    @app.exception_handler(PraxinoError)
    def _foreseen(_: Request, error: PraxinoError) -> Response:
        match error:
            case LimitError() | NoWorkerError():
                status, code = (
                    (429, "rate_limit_exceeded")
                    if isinstance(error, LimitError)
                    else (503, "no_worker")
                )
                return problem(
                    status, str(error), code, **{"Retry-After": str(max(1, error.retry_after))}
                )
            case JobError():
                return problem(409, str(error), "conflict")
            case UnknownNameError() if error.setting == "model":
                return problem(400, str(error), "unknown_model", "model")
            case InputError():
                return problem(400, str(error), "invalid_value", parameter_of(error.setting))
        return unforeseen(error)

    @app.exception_handler(ClientDisconnect)
    def _left(_: Request, __: ClientDisconnect) -> Response:
        # nobody reads it, and it is no error of ours
        return problem(400, "the client left", "client_left")

    for kind in (SQLAlchemyError, OSError, Exception):
        app.add_exception_handler(kind, lambda _, error: unforeseen(error))


def _allowed(app: FastAPI, request: Request) -> set[str]:
    """All methods of a path: the router names those of the first route that fits."""
    parts = request.url.path.split("/")
    fitting = [
        (path.count("{"), {method.upper() for method in methods})
        for path, methods in app.openapi()["paths"].items()
        if len(pattern := path.split("/")) == len(parts)
        and all(a == b or a.startswith("{") for a, b in zip(pattern, parts, strict=True))
    ]
    methods = min(fitting, key=lambda entry: entry[0], default=(0, {"GET"}))[1]
    return methods | {"HEAD"} if "GET" in methods else methods


def unforeseen(error: Exception) -> Response:
    """What went wrong on this side; the log says more."""
    full = is_full(error) or "database or disk is full" in str(error)
    if full:
        logger.error("there is no room left: %s", error)
        return problem(
            507, "there is no room left on the server: nothing was begun", "storage_full"
        )
    if isinstance(error, ConnectionError | TimeoutError):
        logger.error("%s", error)
        return problem(
            503,
            "the files cannot be reached: try again soon",
            "unavailable",
            **{"Retry-After": "5"},
        )
    logger.error("%s", error, exc_info=error)
    if isinstance(error, DBAPIError | PoolTimeoutError):
        return problem(
            503, "the jobs cannot be reached: try again soon", "unavailable", **{"Retry-After": "5"}
        )
    return problem(500, "something went wrong here: the server's log says what", "internal_error")
