"""What goes over the wire between a client and `praxino serve`: requests, resources, events."""

import base64
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import httpx

URL: Final = "http://127.0.0.1:8400"
EXTRA: Final = frozenset(
    (
        "sampler",
        "rescale",
        "interval",
        "cache",
        "noise_mark",
        "reference_guidance",
        "enhance",
        "recaption",
        "prompt_used",
        "layout",
    )
)
"""Settings that go into ``extra_params``."""
MAX_RECONNECTS: Final = 10
"""Times in a row that a cut stream of events is opened again without news."""
AWAY: Final = (502, 503, 504)
"""Status of an answer while a server is started again."""
CHECK_WAIT_SECONDS: Final = 30
CHUNK_BYTES: Final = 2**16

Axes = Literal["space", "time", "space,time"]
Variant = Literal["video", "thumbnail", "spritesheet", "input_reference"]
File = str | os.PathLike[str] | bytes


class ServerError(Exception):
    """The server refused a request.

    Attributes
    ----------
    status : int
        Of HTTP.
    code : str
        The error's name, such as "invalid_value" or "rate_limit_exceeded".
    param : str or None
        The parameter that is wrong.
    retry_after : float or None
        Seconds after which it may go through.
    """

    def __init__(self, status: int, message: str, code: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.retry_after: float | None = None


class _Job:
    """Whatever a server makes in its own time."""

    status: str

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status not in ("queued", "in_progress")


@dataclass(frozen=True)
class Film(_Job):
    """A film, as the server last said.

    Attributes
    ----------
    status : str
        "queued", "in_progress", "completed", "failed" or "cancelled".
    percent : int
        0 to 100.
    error : str
        Why it failed; "" otherwise.
    has_content : bool
        Whether there is a file to download: a stopped film has one, too.
    fields : dict
        The whole resource, as JSON.
    """

    id: str
    status: str
    percent: int
    prompt: str
    model: str
    seed: int
    error: str
    has_content: bool
    fields: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Progress:
    """How far a film is.

    Attributes
    ----------
    step, steps : int
        Denoising steps.
    seconds_left : float or None
    queue_position : int or None
        Films that are made before it.
    preview : bytes
        A small animated WebP of the film as it is now; empty where there is none new.
    """

    status: str
    percent: int
    step: int
    steps: int
    seconds_left: float | None
    queue_position: int | None
    preview: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Check(_Job):
    """A detection or a verification of a file.

    Attributes
    ----------
    report : dict
        As `praxino detect --json` or `praxino verify --json` print it; empty until it is completed.
    """

    id: str
    kind: str
    status: str
    error: str
    report: dict[str, Any] = field(repr=False)


class EventStream:
    """Server-sent events of one film, over one or more connections (HTML standard, section 9.2).

    ``with stream.connection():`` around each connection: that it is cut, or that the server or a
    proxy before it is away for a while, is no error unless nothing new comes `MAX_RECONNECTS` times
    in a row.
    """

    def __init__(self) -> None:
        self.ended = False
        self._event = ""
        self._progress: Progress | None = None
        self._connections = self._idle = 0

    @property
    def pause(self) -> float:
        """Seconds to wait before the next connection: longer after each that brought nothing."""
        return min(5.0, 0.2 * 2 ** min(self._idle, 5)) if self._connections else 0.0

    @contextmanager
    def connection(self) -> Iterator[None]:
        """One connection; see the class."""
        self._connections += 1
        self._idle += 1
        try:
            yield
        except httpx.TransportError:
            if self._idle >= MAX_RECONNECTS:
                raise
        except ServerError as error:
            if error.status not in AWAY or self._idle >= MAX_RECONNECTS:
                raise
        else:
            if not self.ended and self._idle >= MAX_RECONNECTS:
                raise ServerError(200, "the server ends the stream of events before the film")

    def feed(self, line: str) -> Iterator[Progress]:
        """Take one line; yields what it completes."""
        name, _, value = line.partition(": ")
        if name == "event":
            self._event = value
        elif name == "data":
            data = json.loads(value)
            if self._event in ("done", "deleted"):
                self.ended = True
            elif self._event == "progress":
                progress = to_progress(data)
                self._idle = 0 if progress != self._progress else self._idle
                self._progress = progress
                yield progress
            elif self._event == "preview" and self._progress is not None:
                self._idle = 0
                preview = base64.b64decode(str(data["image"]).partition(",")[2])
                yield replace(self._progress, preview=preview)


def auth_headers(key: str | None) -> dict[str, str]:
    key = os.environ.get("PRAXINO_API_KEY", "") if key is None else key
    return {"Authorization": f"Bearer {key}"} if key else {}


def film_path(film: Film | str) -> str:
    return f"/v1/videos/{film if isinstance(film, str) else film.id}"


def page_params(limit: int, after: str | None) -> dict[str, Any]:
    return {"limit": limit} | ({} if after is None else {"after": after})


def event_request(film: Film | str, previews: bool) -> dict[str, Any]:
    timeout = httpx.Timeout(10.0, read=60.0)  # the server sends something every 15 s
    return {
        "url": f"{film_path(film)}/events",
        "params": {"previews": previews},
        "timeout": timeout,
    }


def check_request(timeout: httpx.Timeout) -> dict[str, Any]:
    """Wait for a check on the server, and longer than it for its answer."""
    read = None if timeout.read is None else timeout.read + CHECK_WAIT_SECONDS
    longer = httpx.Timeout(
        connect=timeout.connect, read=read, write=timeout.write, pool=timeout.pool
    )
    return {"params": {"wait": CHECK_WAIT_SECONDS}, "timeout": longer}


def film_request(prompt: str, picture: File | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request for a film: JSON, or a form that brings the picture."""
    body: dict[str, Any] = {"prompt": prompt}
    body |= {name: value for name, value in settings.items() if value is not None}
    extra = {name: body.pop(name) for name in EXTRA & body.keys()}
    if picture is None:
        return {"json": body | ({"extra_params": extra} if extra else {})}
    form = {name: str(value) for name, value in body.items()}
    form |= {"extra_params": json.dumps(extra)} if extra else {}
    return {"data": form, "files": {"input_reference": to_upload(picture)}}


def edit_request(
    path: str, prompt: str, film: Film | File, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The address and body of a request for a film that is made from another one."""
    request = film_request(prompt, None, settings)
    if isinstance(film, Film):
        request["json"]["video"] = {"id": film.id}
        return {"url": path, **request}
    body = request["json"]
    form = {
        name: json.dumps(value) if isinstance(value, (list, dict)) else str(value)
        for name, value in body.items()
    }
    return {"url": path, "data": form, "files": {"video": to_upload(film)}}


def character_request(
    name: str, pictures: Sequence[File], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of a request to remember a character."""
    form = {"name": name} | {key: str(value) for key, value in settings.items()}
    files = [("pictures", to_upload(picture)) for picture in pictures]
    # without a file there is no form
    return {"data": form, "files": files} if files else {"json": {"name": name, **settings}}


def to_upload(file: File) -> tuple[str, bytes]:
    """A file's name and content."""
    if isinstance(file, bytes):
        return "file", file
    path = Path(file)
    return path.name, path.read_bytes()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when the block ends, and is gone if the block fails."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with fresh.open("wb") as file:
            yield file
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def to_film(resource: Mapping[str, Any]) -> Film:
    return Film(
        id=resource["id"],
        status=resource["status"],
        percent=resource["progress"],
        prompt=resource["prompt"],
        model=resource["model"],
        seed=resource["seed"],
        error=(resource["error"] or {}).get("message", ""),
        has_content=resource["has_content"],
        fields=dict(resource),
    )


def to_progress(data: Mapping[str, Any]) -> Progress:
    return Progress(
        status=data["status"],
        percent=data["progress"],
        step=data["step"],
        steps=data["steps"],
        seconds_left=data["eta_seconds"],
        queue_position=data["queue_position"],
    )


def to_check(resource: Mapping[str, Any]) -> Check:
    return Check(
        id=resource["id"],
        kind=resource["object"],
        status=resource["status"],
        error=(resource["error"] or {}).get("message", ""),
        report=resource["report"] or {},
    )


def to_error(answer: httpx.Response) -> ServerError:
    """What an answer says is wrong; a proxy's answer may have another form."""
    message, code, param = f"{answer.status_code} {answer.reason_phrase}", "", None
    with suppress(ValueError, KeyError, TypeError):
        problem = answer.json()["error"]
        message, code, param = problem["message"], problem["code"] or "", problem["param"]
    error = ServerError(answer.status_code, message, code, param)
    with suppress(ValueError):
        error.retry_after = float(answer.headers.get("Retry-After", ""))
    return error
