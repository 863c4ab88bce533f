"""Files as answers: whole, in part, or not again (RFC 9110, sections 13 and 14)."""

import re
from typing import Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from praxino.service.api.errors import ApiError
from praxino.service.api.middleware import is_head
from praxino.storage.media.formats import FORMATS
from praxino.storage.objects import Objects

MEDIA_TYPES: Final = {"html": "text/html; charset=utf-8", "c2pa": "application/c2pa"} | {
    ending: format_.mime for format_ in FORMATS for ending in (format_.ending, *format_.aliases)
}


async def send(
    request: Request, objects: Objects, name: str, title: str, **headers: str
) -> Response:
    """A stored file, the range of it that the request names, or 304 where the client has it.

    Parameters
    ----------
    title : str
        Name for whoever saves the file, without its ending.
    """
    size = await run_in_threadpool(objects.size, name)
    if size is None:
        raise ApiError(404, "the file is gone", "not_found")
    # A storage name is never written twice: name and size are enough.
    tag = f'"{name.replace("/", "-")}-{size:x}"'
    common = {"ETag": tag, "Cache-Control": "private, max-age=60", **headers}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=common)
    # ranges are for GET alone
    whole = is_head(request) or request.headers.get("if-range", tag) != tag
    part = None if whole else parse_range(request.headers.get("range"), size)
    start, end = part or (0, size)
    ending = name.rpartition(".")[2]
    sent = common | {
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - start),
        "Content-Disposition": f'inline; filename="{title}.{ending}"',
    }
    if part:
        sent["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    pieces = iter(()) if is_head(request) else objects.read(name, start, end)
    return StreamingResponse(pieces, 206 if part else 200, sent, media_type=MEDIA_TYPES[ending])


def matches(header: str | None, tag: str) -> bool:
    """Whether an ``If-None-Match`` names the tag."""
    tags = [text.strip().removeprefix("W/") for text in (header or "").split(",")]
    return tag in tags or tags == ["*"]


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte of a ``Range``, and the one after its last; None for no range, several, or one
    that is malformed.

    Raises
    ------
    ApiError
        416 for a range outside the file.
    """
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", header or "")
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise ApiError(
            416, f"the file has {size} bytes", "no_such_part", Content_Range=f"bytes */{size}"
        )
    return start, end
