"""What is checked of every request before anything else, and said with every answer: an ASGI layer around the app."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from praxino.service.api.errors import ApiError, problem, unforeseen

JSON: Final = 8 * 2**20
"""Bytes of a body that carries no file, or a picture inside JSON: larger ones go as a form."""
MAX_STRANGER_BODY_BYTES: Final = 2**16
"""Bytes of a body that a stranger may send."""
CLIENT_IDLE_SECONDS: Final = 30.0
"""Seconds that a client may be silent while it sends."""
SLOWEST: Final = 16 * 2**10
"""Bytes a second that it must send on the whole, beside that."""
FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What proxies add: whoever is behind one may be anybody."""
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of our own page: it loads nothing from anywhere else, and runs nothing that came with a request."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class Guard:
    """Around an app.

    Parameters
    ----------
    upload : int
        Bytes of a body, at most.
    origins : sequence of str
        Origins of other sites whose pages may use the API from a browser; none by default.
    opened : callable
        Says whether no keys are asked for: only names of this machine are answered to then, or any page on the web
        could reach the server through the browser of whoever runs it (DNS rebinding).
    """

    def __init__(
        self, app: ASGIApp, upload: int, origins: Sequence[str], opened: Callable[[], Awaitable[bool]]
    ) -> None:
        self.app, self.upload, self.origins, self.opened = app, upload, tuple(origins), opened

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
                self._dress(MutableHeaders(scope=message), headers)
            await send(message)

        try:
            refused = self._refused(scope, headers, await self.opened())
            if refused is None:
                await self.app(scope, self._bounded(scope, receive, headers), answer)
            else:
                await problem(*refused)(scope, receive, answer)
        except ApiError as error:
            if not started:
                await problem(error.status, error.message, error.code, Connection="close")(scope, receive, answer)
        except Exception as error:
            if not started:
                await unforeseen(error)(scope, receive, answer)

    def _dress(self, answer: MutableHeaders, asked: Headers) -> None:
        for name, value in HEADERS.items():
            answer.setdefault(name, value)
        if asked.get("origin") in self.origins:
            answer["Cross-Origin-Resource-Policy"] = "cross-origin"

    def _refused(self, scope: Scope, headers: Headers, opened: bool) -> tuple[int, str, str] | None:
        """Why a request is not even looked at: status, message and code."""
        host = _name(f"//{headers.get('host', '')}")
        if opened and (host not in LOOPBACK or any(name in headers for name in FORWARDED)):
            return 403, "without keys, only this machine itself is answered to: praxino keys add NAME", "wrong_host"
        origin = headers.get("origin")
        foreign = (
            origin is not None and origin not in self.origins and _address(origin) != headers.get("host", "").lower()
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
        return self.upload if headers.get("content-type", "").lower().startswith("multipart/") else JSON

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
                if time.monotonic() - begun > CLIENT_IDLE_SECONDS + count / SLOWEST:
                    raise ApiError(408, "the body arrives too slowly", "timeout")
            return message

        return bounded


def _name(address: str) -> str:
    """The host's name of an address, without its port."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _address(origin: str) -> str:
    """Name and port of an origin."""
    return origin.partition("://")[2].lower()
