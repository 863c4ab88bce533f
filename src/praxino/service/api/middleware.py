"""ASGI layers around the app: `Guard` checks every request and answer, `Head` answers HEAD as
GET.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from praxino.service.api.errors import ApiError, problem, unforeseen

MAX_JSON_BYTES: Final = 8 * 2**20
"""Bytes of a body that carries no file, or a picture inside JSON: larger ones go as a form."""
MAX_STRANGER_BODY_BYTES: Final = 2**16
"""Bytes of a body that a stranger may send."""
CLIENT_IDLE_SECONDS: Final = 30.0
"""Seconds that a client may be silent while it sends."""
MIN_BYTES_PER_SECOND: Final = 16 * 2**10
"""Average rate below which a client is cut off."""
FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What proxies add: whoever is behind one may be anybody."""
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; "
    "connect-src 'self'; frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors "
    "'none'"
)
"""Content-Security-Policy of our page: it loads nothing from other sites and runs no inline script.
"""
HEADERS: Final = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
HEAD_FLAG: Final = "praxino.head"
"""Key of a scope whose method was HEAD."""


class Guard:
    """Refuses what no route should see, bounds bodies, and adds security headers to every answer.

    Parameters
    ----------
    max_upload_bytes : int
        Largest body with a file.
    origins : sequence of str
        Origins of other sites whose pages may use the API from a browser; none by default.
    is_open : callable
        Says whether no keys are required: only names of this machine are answered to then, or any
        page on the web could reach the server through the browser of whoever runs it (DNS
        rebinding).
    """

    def __init__(
        self,
        app: ASGIApp,
        max_upload_bytes: int,
        origins: Sequence[str],
        is_open: Callable[[], Awaitable[bool]],
    ) -> None:
        self.app, self.max_upload_bytes, self.origins, self.is_open = (
            app,
            max_upload_bytes,
            tuple(origins),
            is_open,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._add_headers(MutableHeaders(scope=message), headers)
            await send(message)

        try:
            refusal = self._refusal(scope, headers, await self.is_open())
            if refusal is None:
                await self.app(scope, self._bounded(scope, receive, headers), answer)
            else:
                await problem(*refusal)(scope, receive, answer)
        except ApiError as error:
            if not started:
                await problem(error.status, error.message, error.code, Connection="close")(
                    scope, receive, answer
                )
        except Exception as error:
            if not started:
                await unforeseen(error)(scope, receive, answer)

    def _add_headers(self, answer: MutableHeaders, request: Headers) -> None:
        for name, value in HEADERS.items():
            answer.setdefault(name, value)
        if request.get("origin") in self.origins:
            answer["Cross-Origin-Resource-Policy"] = "cross-origin"

    def _refusal(
        self, scope: Scope, headers: Headers, is_open: bool
    ) -> tuple[int, str, str] | None:
        """Why a request is not even looked at: status, message and code."""
        host = _name(f"//{headers.get('host', '')}")
        if is_open and (host not in LOOPBACK or any(name in headers for name in FORWARDED)):
            return (
                403,
                "without keys, only this machine itself is answered to: praxino keys add NAME",
                "wrong_host",
            )
        origin = headers.get("origin")
        foreign = (
            origin is not None
            and origin not in self.origins
            and _address(origin) != headers.get("host", "").lower()
        )
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and (
            foreign or (origin is None and headers.get("sec-fetch-site") == "cross-site")
        ):
            return 403, "pages of other sites may not use this server", "wrong_origin"
        length = headers.get("content-length", "")
        room = self._room(scope, headers)
        if length.isascii() and length.isdecimal() and int(length[:20]) > room:
            return 413, f"the body is longer than {room:,} bytes", "too_large"
        return None

    def _room(self, scope: Scope, headers: Headers) -> int:
        if scope["path"] == "/v1/session":
            return MAX_STRANGER_BODY_BYTES
        return (
            self.max_upload_bytes
            if headers.get("content-type", "").lower().startswith("multipart/")
            else MAX_JSON_BYTES
        )

    def _bounded(self, scope: Scope, receive: Receive, headers: Headers) -> Receive:
        """``receive``, as long as the client sends not too much, and not too slowly."""
        room, count, begun, whole = self._room(scope, headers), 0, time.monotonic(), False

        async def bounded() -> Message:
            nonlocal count, whole
            if whole:
                return await receive()  # waits for the client to leave
            try:
                message = await asyncio.wait_for(receive(), CLIENT_IDLE_SECONDS)
            except TimeoutError:
                raise ApiError(408, "the body did not arrive", "timeout") from None
            if message["type"] == "http.request":
                count += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if count > room:
                    raise ApiError(413, f"the body is longer than {room:,} bytes", "too_large")
                if time.monotonic() - begun > CLIENT_IDLE_SECONDS + count / MIN_BYTES_PER_SECOND:
                    raise ApiError(408, "the body arrives too slowly", "timeout")
            return message

        return bounded


class Head:
    """Answers HEAD as GET without its body (RFC 9110, section 9.3.2), for routes that know nothing
    of HEAD.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            await send(
                {**message, "body": b""} if message["type"] == "http.response.body" else message
            )

        await self.app({**scope, "method": "GET", HEAD_FLAG: True}, receive, send_without_body)


def is_head(request: Request) -> bool:
    """Whether the client asked with HEAD: long bodies need not be made."""
    return HEAD_FLAG in request.scope


def _name(address: str) -> str:
    """The host's name of an address, without its port."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _address(origin: str) -> str:
    """Name and port of an origin."""
    return origin.partition("://")[2].lower()
