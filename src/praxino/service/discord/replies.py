"""Where the bot answers: a message that Discord lets it edit for a quarter of an hour, and its
channel after that.

What must outlive the bot lies beside the files of the job, so that one that starts again ends what
another began.
"""

import asyncio
import contextlib
import io
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import aiohttp
import discord
from pydantic import ValidationError

from praxino.config import Config
from praxino.errors import PraxinoError
from praxino.service.queue.jobs import Job
from praxino.storage.objects import Objects

logger = logging.getLogger("praxino.service")

REPLY_EDIT_SECONDS: Final = 14 * 60.0
"""Seconds that an answer can be edited, somewhat fewer than Discord's fifteen minutes."""
LENGTH: Final = 1900
"""Characters of a message, somewhat fewer than Discord's two thousand."""
ROOM: Final = 10 * 2**20
"""Bytes of a file that every channel takes."""


class Place(Config):
    """What Discord must be told to edit an answer, or to write below it; ``room`` is the bytes that
    a file may have.
    """

    application: int
    token: str
    message: int
    channel: int | None
    user: int
    room: int
    until: float

    @contextlib.asynccontextmanager
    async def kept_for(self, objects: Objects, job: Job) -> AsyncIterator[None]:
        """Kept beside a job's files until the block ends, or fails; if the bot leaves meanwhile, or
        Discord cannot be reached, the next one finds it.
        """
        await _quietly(objects.write, _name(job), self.model_dump_json().encode())
        try:
            yield
        except (discord.HTTPException, PraxinoError):
            await _quietly(objects.remove, _name(job))
            raise
        await _quietly(objects.remove, _name(job))

    @classmethod
    def kept(cls, objects: Objects, job: Job) -> "Place | None":
        """The one that was kept, if its answer has not ended yet."""
        try:
            return cls.model_validate_json(b"".join(objects.read(_name(job))))
        except ValidationError:
            return None


async def _quietly(act: Callable[..., None], *values: Any) -> None:
    """An answer is not held up by a storage that is away."""
    try:
        await asyncio.to_thread(act, *values)
    except OSError as error:
        logger.warning("%s", error)


def _name(job: Job) -> str:
    return f"{job.id}/reply.json"


class Reply:
    """The answer to one command, from its beginning or from where another bot left it."""

    def __init__(self, client: discord.Client, place: Place) -> None:
        self.client, self.place = client, place
        self._webhook = discord.Webhook.partial(place.application, place.token, client=client)

    @classmethod
    async def begin(cls, interaction: discord.Interaction[Any]) -> "Reply":
        """Say that it will take a while."""
        begun = await interaction.response.defer(thinking=True)
        message = begun.message_id if begun else None
        return cls(
            interaction.client,
            Place(
                application=interaction.application_id,
                token=interaction.token,
                message=message or (await interaction.original_response()).id,
                channel=interaction.channel_id,
                user=interaction.user.id,
                room=int(getattr(interaction, "filesize_limit", 0) or ROOM),
                until=time.time() + REPLY_EDIT_SECONDS,
            ),
        )

    async def progress(self, content: str, view: discord.ui.View | None) -> None:
        """Say how far it is, as long as that can be said."""
        if time.time() < self.place.until:
            with contextlib.suppress(discord.HTTPException, aiohttp.ClientError):  # one edit less
                await self._webhook.edit_message(
                    self.place.message, content=content[:LENGTH], view=view
                )

    async def end(self, content: str, files: Mapping[str, bytes]) -> None:
        """Say what came of it; in the channel where the answer is too old to be edited, or was
        deleted.
        """
        try:
            await self._webhook.edit_message(
                self.place.message, content=content[:LENGTH], attachments=_files(files), view=None
            )
        except discord.HTTPException as error:
            if error.status not in (401, 404) or self.place.channel is None:
                raise
            channel = self.client.get_partial_messageable(self.place.channel)
            mentions = discord.AllowedMentions(
                everyone=False, roles=False, users=[discord.Object(self.place.user)]
            )
            text = f"<@{self.place.user}>\n{content}"[:LENGTH]
            await channel.send(text, files=_files(files), allowed_mentions=mentions)


def _files(files: Mapping[str, bytes]) -> list[discord.File]:
    return [discord.File(io.BytesIO(content), name) for name, content in files.items()]
