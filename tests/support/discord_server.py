"""Enough of Discord to run a bot against: its REST API and its gateway, on loopback, in the bot's
own event loop.
"""

import asyncio
import json
import re
from typing import Any

from aiohttp import web

APPLICATION = {
    "id": "1",
    "name": "praxino",
    "description": "",
    "bot_public": True,
    "bot_require_code_grant": False,
    "icon": None,
    "verify_key": "",
    "flags": 0,
    "summary": "",
    "team": None,
    "owner": {"id": "3", "username": "o", "discriminator": "0", "avatar": None},
}
ME = {"id": "2", "username": "praxino", "discriminator": "0", "avatar": None, "bot": True}


class Discord:
    """The server: what the bot did is in ``commands``, ``answers`` and ``posts`` (in order) and
    ``messages`` (as they are now); answers to ``expired`` tokens cannot be edited any more.
    """

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.messages: dict[str, dict[str, Any]] = {}
        self.posts: list[dict[str, Any]] = []
        self.expired: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.socket: web.WebSocketResponse | None = None
        self.ready = asyncio.Event()
        self.count = 100

    async def __aenter__(self) -> "Discord":
        app = web.Application()
        app.add_routes([web.get("/gateway/", self._gateway), web.get("/cdn/{name}", self._cdn)])
        app.router.add_route("*", "/api/{path:.*}", self._rest)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.port = self.runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        self.socket = web.WebSocketResponse()
        await self.socket.prepare(request)
        await self.socket.send_json(
            {"op": 10, "d": {"heartbeat_interval": 45_000}, "s": None, "t": None}
        )
        async for message in self.socket:
            said = json.loads(message.data)
            if said["op"] == 2:
                about = {
                    "v": 10,
                    "user": ME,
                    "guilds": [],
                    "session_id": "s",
                    "resume_gateway_url": f"ws://127.0.0.1:{self.port}/gateway/",
                    "application": {"id": "1", "flags": 0},
                }
                await self.socket.send_json({"op": 0, "t": "READY", "s": 1, "d": about})
                self.ready.set()
            elif said["op"] == 1:
                await self.socket.send_json({"op": 11, "d": None, "s": None, "t": None})
        return self.socket

    async def _cdn(self, request: web.Request) -> web.Response:
        return web.Response(body=self.uploads[request.match_info["name"]])

    async def _rest(self, request: web.Request) -> web.Response:
        path, method = request.match_info["path"], request.method
        if path == "users/@me":
            if request.headers["Authorization"] != "Bot good":
                return _json({"message": "401: Unauthorized", "code": 0}, 401)
            return _json(ME)
        if path == "oauth2/applications/@me":
            return _json(APPLICATION)
        if path == "applications/1/commands" and method == "PUT":
            self.commands = await request.json()
            return _json(
                [
                    {**each, "id": str(50 + at), "application_id": "1", "version": "1"}
                    for at, each in enumerate(self.commands)
                ]
            )
        if found := re.fullmatch(r"interactions/(\d+)/(\w+)/callback", path):
            answer = await request.json()
            self.answers.append(answer)
            if answer["type"] == 4:
                self.messages[found[2]] = answer["data"]
            about = {
                "id": found[1],
                "type": 2,
                "response_message_id": "9",
                "response_message_loading": True,
                "response_message_ephemeral": False,
            }
            return _json(
                {
                    "interaction": about,
                    "resource": {
                        "type": answer["type"],
                        "message": _message(answer.get("data") or {}),
                    },
                }
            )
        if found := re.fullmatch(r"webhooks/1/(\w+)/messages/(@original|9)", path):
            if found[1] in self.expired:
                return _json({"message": "Invalid Webhook Token", "code": 50027}, 401)
            self.messages[found[1]] = await self._edited(request)
            return _json(_message(self.messages[found[1]]))
        if path == "channels/5/messages" and method == "POST":
            self.posts.append(await self._edited(request))
            return _json(_message(self.posts[-1]))
        return _json({"message": f"404: {method} {path}", "code": 0}, 404)

    async def _edited(self, request: web.Request) -> dict[str, Any]:
        if request.content_type == "application/json":
            return dict(await request.json())
        message: dict[str, Any] = {}
        async for part in await request.multipart():
            content = await part.read()
            if part.name == "payload_json":
                message |= json.loads(content)
            else:
                self.files[part.filename] = bytes(content)
        return message

    async def command(
        self, name: str, user: int = 7, files: dict[str, bytes] | None = None, **options: Any
    ) -> str:
        """Somebody uses a slash command; the token under which its answer will stand."""
        kinds = {str: 3, int: 4}
        given = [
            {"name": key, "type": kinds[type(value)], "value": value}
            for key, value in options.items()
        ]
        resolved = {}
        for key, content in (files or {}).items():
            self.count += 1
            id_ = str(self.count)
            self.uploads[id_] = content
            address = f"http://127.0.0.1:{self.port}/cdn/{id_}"
            resolved[id_] = {
                "id": id_,
                "filename": f"{key}.mp4",
                "size": len(content),
                "url": address,
                "proxy_url": address,
            }
            given.append({"name": key, "type": 11, "value": id_})
        data = {
            "id": "50",
            "name": name,
            "type": 1,
            "options": given,
            "resolved": {"attachments": resolved},
        }
        return await self._interact(2, data, user)

    async def press(self, token: str, user: int = 7) -> str:
        """Somebody presses the button of a message."""
        [row] = self.messages[token]["components"]
        button = row["components"][0]["custom_id"]
        more = {"message": _message(self.messages[token])}
        return await self._interact(3, {"custom_id": button, "component_type": 2}, user, **more)

    async def _interact(self, kind: int, data: dict[str, Any], user: int, **more: Any) -> str:
        assert self.socket is not None
        self.count += 1
        token = f"token{self.count}"
        who = {"id": str(user), "username": "u", "discriminator": "0", "avatar": None}
        channel = {"id": "5", "type": 1, "recipients": [who], "last_message_id": None}
        about = {
            "id": str(self.count),
            "application_id": "1",
            "type": kind,
            "token": token,
            "version": 1,
            "data": data,
            "user": who,
            "channel_id": "5",
            "channel": channel,
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": {},
            "context": 1,
            "app_permissions": "0",
            "attachment_size_limit": 10 * 2**20,
            **more,
        }
        await self.socket.send_json(
            {"op": 0, "t": "INTERACTION_CREATE", "s": self.count, "d": about}
        )
        return token

    async def until(self, true: Any, seconds: float = 60) -> None:
        """Return when something holds."""
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.02)


def _message(data: dict[str, Any]) -> dict[str, Any]:
    now = "2026-01-01T00:00:00+00:00"
    return {
        "id": "9",
        "channel_id": "5",
        "author": ME,
        "content": data.get("content") or "",
        "timestamp": now,
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "pinned": False,
        "type": 0,
        "components": data.get("components") or [],
    }


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=json.dumps(body).encode(), status=status, headers={"Content-Type": "application/json"}
    )
