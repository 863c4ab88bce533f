"""What clients send, read with care: bodies as JSON or as a form, files by what is in them and not
by their names.
"""

import base64
import binascii
import io
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from praxino import processes
from praxino.errors import InputError, MediaError
from praxino.service.api.errors import ApiError, invalid
from praxino.service.queue import submission
from praxino.service.queue.submission import InputFile

B = TypeVar("B", bound=BaseModel)

R = TypeVar("R")

READ_CPU_SECONDS: Final = 120
"""Processor seconds that reading the files of one request may take."""
MAX_FORM_VALUE_BYTES: Final = 16_384
MAX_PROBLEM_CHARS: Final = 200
MAX_FILES: Final = {"pictures": 8, "image_reference": 4}
"""How many files of a name a form may bring, where it is not one."""
JSON_FIELDS: Final = {"extra_params", "references", "keyframes", "box"}
"""Fields of forms that are JSON."""
Files = dict[str, list[InputFile]]
"""Files of a form by the names of its fields."""


def require_picture(file: InputFile, param: str) -> None:
    """Raise `ApiError` 400 or 415 unless a file is a picture that a film can begin with."""
    try:
        submission.require_picture(file)
    except MediaError as error:
        raise ApiError(415, f"{param} {error}", "unsupported_media_type", param) from None
    except InputError as error:
        raise ApiError(400, f"{param} {error}", "invalid_value", param) from None


def require_media(file: InputFile, param: str) -> InputFile:
    """The file, if it is a film or a picture; raises `ApiError` 400 for an empty one, 415 for
    anything else.
    """
    if not file.size:
        raise ApiError(400, f"{param} is empty", "empty_file", param)
    if not file.ending:
        raise ApiError(
            415, f"{param} is neither a film nor a picture", "unsupported_media_type", param
        )
    return file


def read_isolated(read: Callable[[Sequence[Path]], R], files: Sequence[InputFile], param: str) -> R:
    """What ``read`` makes of copies of files, in a process of its own, since they may be anything;
    raises `ApiError` 400 for what it cannot read.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, one in enumerate(files):
            paths.append(Path(folder) / f"{number}.{one.ending}")
            one.file.seek(0)
            with paths[-1].open("wb") as copy:
                shutil.copyfileobj(one.file, copy)
        try:
            return processes.run_isolated(read, (paths,), READ_CPU_SECONDS)
        except (MediaError, InputError) as error:
            text = str(error)
            for path, one in zip(paths, files, strict=True):
                text = text.replace(str(path), one.name).replace(path.name, one.name)
            problem = f"{param}: {text}"
        except BrokenProcessPool:
            problem = f"{param}: cannot be read: {processes.KILLED}"
    raise ApiError(400, problem, "invalid_value", param)


async def json_body(request: Request, kind: type[B]) -> B:
    """A JSON body as one of the `schemas`; raises `ApiError` 400 or 415."""
    _only(request, "application/json")
    return await _json(request, kind)


@asynccontextmanager
async def json_or_form(
    request: Request, kind: type[B], *files: str
) -> AsyncIterator[tuple[B, Files]]:
    """A body of either kind, and the files that came with it as parts of a form of these names."""
    media = _only(request, "application/json", "multipart/form-data")
    if media == "application/json":
        yield await _json(request, kind), {}
        return
    async with _form(request, *files) as (values, brought):
        plain: dict[str, Any] = dict(values)
        for name in JSON_FIELDS & plain.keys():
            plain[name] = _parsed(values[name].encode(), name)
        yield validate(kind, plain, strict=False), brought


@asynccontextmanager
async def form(request: Request, file: str) -> AsyncIterator[tuple[dict[str, str], InputFile]]:
    """A form that must bring a file."""
    _only(request, "multipart/form-data")
    async with _form(request, file) as (values, brought):
        if file not in brought:
            raise ApiError(400, f"{file}: a file is needed", "missing_file", file)
        yield values, brought[file][0]


def picture_of_url(address: str, param: str) -> InputFile:
    """The picture in a ``data:`` address; raises `ApiError` 400 or 415 if there is none."""
    try:
        content = base64.b64decode(address.partition(",")[2], validate=True)
    except binascii.Error as error:
        raise ApiError(400, f"image_url: {error}", "invalid_value", f"{param}.image_url") from None
    file = require_media(InputFile.of(io.BytesIO(content)), param)
    require_picture(file, param)
    return file


def validate(kind: type[B], values: Any, strict: bool) -> B:
    """Values as one of the `schemas`; ``strict`` takes no string for a number."""
    try:
        return kind.model_validate(values, strict=strict)
    except ValidationError as error:
        raise invalid(error) from None


def _only(request: Request, *kinds: str) -> str:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in kinds:
        raise ApiError(
            415,
            f"content type {media[:64]!r}: must be {' or '.join(kinds)}",
            "unsupported_media_type",
        )
    return media


async def _json(request: Request, kind: type[B]) -> B:
    """Parsed and checked beside the event loop: a large body takes a while."""
    text = await request.body()
    return await run_in_threadpool(lambda: validate(kind, _parsed(text, None), strict=True))


def _parsed(text: bytes, param: str | None) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        return json.loads(text, parse_constant=refuse, parse_float=_number)
    except (ValueError, RecursionError) as error:
        problem = f"no JSON: {error}" if len(str(error)) < MAX_PROBLEM_CHARS else "no JSON"
        raise ApiError(
            400, f"{param}: {problem}" if param else problem, "invalid_json", param
        ) from None


def _number(text: str) -> float | int:
    """JSON knows numbers alone: 10.0 is as whole as 10."""
    value = float(text)
    return int(value) if value.is_integer() else value


@asynccontextmanager
async def _form(request: Request, *files: str) -> AsyncIterator[tuple[dict[str, str], Files]]:
    most = sum(MAX_FILES.get(name, 1) for name in files)
    try:
        sent = await request.form(
            max_files=max(1, most), max_fields=64, max_part_size=MAX_FORM_VALUE_BYTES
        )
    except HTTPException as error:
        raise ApiError(400, f"no form: {error.detail}", "invalid_form") from None
    except (ValueError, LookupError, AssertionError) as error:
        raise ApiError(400, f"no form: {type(error).__name__}", "invalid_form") from None
    try:
        yield _sorted(sent, files)
    finally:
        await sent.close()


def _sorted(sent: FormData, files: Sequence[str]) -> tuple[dict[str, str], Files]:
    """The values of a form, each there once, and the files that it may bring."""
    values: dict[str, str] = {}
    brought: Files = {}
    for name, value in sent.multi_items():
        shown_name = name[:64]
        if name in values or len(brought.get(name, ())) >= MAX_FILES.get(name, 1):
            raise ApiError(400, f"{shown_name!r} is there twice", "invalid_form", shown_name)
        if isinstance(value, UploadFile):
            if name not in files:
                raise ApiError(
                    400, f"{shown_name!r} must not be a file", "invalid_form", shown_name
                )
            if value.size or value.filename:  # a page sends an empty one where none was chosen
                file = require_media(InputFile.of(value.file, value.filename or ""), name)
                brought.setdefault(name, []).append(file)
        elif name in files:
            raise ApiError(400, f"{name} must be a file", "invalid_form", name)
        else:
            values[name] = value
    return values, brought
