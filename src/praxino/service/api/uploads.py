"""What clients send, read with care: bodies as JSON or as a form, files by what is in them and not by their names."""

import base64
import binascii
import io
import json
import unicodedata
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar, cast

from fastapi import Request
from PIL import Image
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from praxino.service.api.errors import ApiError, invalid
from praxino.storage.media.formats import HEAD_BYTES, recognise
from praxino.storage.objects import Source

B = TypeVar("B", bound=BaseModel)

FIELD: Final = 16_384
"""Bytes of one value of a form."""
MAX_PICTURE_PIXELS: Final = 8192 * 4608
"""Pixels of a picture that a film begins with, at most."""
PICTURES: Final = frozenset(("png", "jpg", "webp"))
"""What a film may begin with."""


@dataclass(frozen=True)
class Upload:
    """A file that came with a request, open as long as the block that it was given to, a long one on the disk: its
    bytes, how many, what it is, and what the client calls it.
    """

    file: Source
    size: int
    ending: str
    name: str


def check_picture(given: Upload, param: str) -> None:
    """Raise `ApiError` 400 or 415 unless a file is a picture that a film can begin with; only its head is read."""
    if given.ending not in PICTURES:
        raise ApiError(415, f"{param} must be a PNG, JPEG or WebP", "unsupported_media_type", param)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is large is said below
            with Image.open(cast("Any", given.file), formats=("PNG", "JPEG", "WEBP")) as picture:
                pixels = picture.width * picture.height
    except Image.DecompressionBombError:
        pixels = MAX_PICTURE_PIXELS + 1
    except (OSError, ValueError, SyntaxError):
        raise ApiError(400, f"{param} cannot be read: is it complete?", "invalid_value", param) from None
    if pixels > MAX_PICTURE_PIXELS:
        raise ApiError(400, f"{param} is too large: at most {MAX_PICTURE_PIXELS:,} pixels", "invalid_value", param)


async def body(request: Request, kind: type[B]) -> B:
    """A JSON body as one of `wire`'s; raises `ApiError` 400 or 415."""
    _only(request, "application/json")
    return await _json(request, kind)


@asynccontextmanager
async def json_or_form(request: Request, kind: type[B], file: str = "") -> AsyncIterator[tuple[B, Upload | None]]:
    """A body of either kind, and the file that came with it under that name, or inside as ``data:`` address."""
    media = _only(request, "application/json", "multipart/form-data")
    if media == "application/json":
        asked = await _json(request, kind)
        inside = getattr(asked, file) if file else None
        yield asked, await run_in_threadpool(_inside, inside.image_url) if inside is not None else None
        return
    async with _form(request, file) as (values, brought):
        if "extra_params" in values:
            values["extra_params"] = _parsed(values["extra_params"].encode(), "extra_params")
        yield checked(kind, values, strict=False), brought


@asynccontextmanager
async def form(request: Request, file: str) -> AsyncIterator[tuple[dict[str, str], Upload]]:
    """A form that must bring a file."""
    _only(request, "multipart/form-data")
    async with _form(request, file) as (values, brought):
        if brought is None:
            raise ApiError(400, f"{file}: a file is needed", "missing_file", file)
        yield values, brought


def checked(kind: type[B], values: Any, strict: bool) -> B:
    """Values as one of `wire`'s; ``strict`` takes no string for a number."""
    try:
        return kind.model_validate(values, strict=strict)
    except ValidationError as error:
        raise invalid(error) from None


def _only(request: Request, *kinds: str) -> str:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in kinds:
        raise ApiError(415, f"content type {media[:64]!r}: must be {' or '.join(kinds)}", "unsupported_media_type")
    return media


async def _json(request: Request, kind: type[B]) -> B:
    """Parsed and checked beside the event loop: a large body takes a while."""
    text = await request.body()
    return await run_in_threadpool(lambda: checked(kind, _parsed(text, None), strict=True))


def _parsed(text: bytes, param: str | None) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        return json.loads(text, parse_constant=refuse, parse_float=_number)
    except (ValueError, RecursionError) as error:
        said = f"no JSON: {error}" if len(str(error)) < 200 else "no JSON"
        raise ApiError(400, f"{param}: {said}" if param else said, "invalid_json", param) from None


def _number(text: str) -> float | int:
    """JSON knows numbers alone: 10.0 is as whole as 10."""
    value = float(text)
    return int(value) if value.is_integer() else value


@asynccontextmanager
async def _form(request: Request, file: str) -> AsyncIterator[tuple[dict[str, str], Upload | None]]:
    try:
        sent = await request.form(max_files=1, max_fields=64, max_part_size=FIELD)
    except HTTPException as error:
        raise ApiError(400, f"no form: {error.detail}", "invalid_form") from None
    except (ValueError, LookupError, AssertionError) as error:
        raise ApiError(400, f"no form: {type(error).__name__}", "invalid_form") from None
    try:
        yield _sorted(sent, file)
    finally:
        await sent.close()


def _sorted(sent: FormData, file: str) -> tuple[dict[str, str], Upload | None]:
    """The values of a form, each there once, and the one file that it may bring."""
    values: dict[str, str] = {}
    brought = None
    for name, value in sent.multi_items():
        shown_name = name[:64]
        if name in values or (brought and name == file):
            raise ApiError(400, f"{shown_name!r} is there twice", "invalid_form", shown_name)
        if isinstance(value, UploadFile):
            if name != file:
                raise ApiError(400, f"{shown_name!r} must not be a file", "invalid_form", shown_name)
            if value.size or value.filename:  # a page sends an empty one where none was chosen
                brought = upload(value.file, value.filename or "", file)
        elif name == file:
            raise ApiError(400, f"{file} must be a file", "invalid_form", file)
        else:
            values[name] = value
    return values, brought


def _inside(address: str) -> Upload:
    try:
        content = base64.b64decode(address.partition(",")[2], validate=True)
    except binascii.Error as error:
        raise ApiError(400, f"image_url: {error}", "invalid_value", "input_reference.image_url") from None
    return upload(io.BytesIO(content), "", "input_reference")


def upload(file: Source, name: str, param: str) -> Upload:
    """A file by what is in it; raises `ApiError` 400 or 415 for none that is taken."""
    if not (size := file.seek(0, io.SEEK_END)):
        raise ApiError(400, f"{param} is empty", "empty_file", param)
    file.seek(0)
    known = recognise(file.read(HEAD_BYTES))
    if known is None:
        raise ApiError(415, f"{param} is neither a film nor a picture", "unsupported_media_type", param)
    return Upload(file, size, known.ending, safe_filename(name) or f"{param}.{known.ending}")


def safe_filename(name: str) -> str:
    """A client's name for a file as it may be shown: its last part, printable, and never used for anything else."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(letter for letter in last if not unicodedata.category(letter).startswith("C"))[:128].strip()
