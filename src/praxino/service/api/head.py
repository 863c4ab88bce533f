"""HEAD, answered as GET is, without its body (RFC 9110, section 9.3.2)."""

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BARE: Final = "praxino.bare"


class Head:
    """Around an app whose routes know nothing of HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def bare(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app({**scope, "method": "GET", BARE: True}, receive, bare)


def is_bare(request: Request) -> bool:
    """Whether nobody will see the body: long ones need not be made."""
    return BARE in request.scope
