"""A Discord bot: /imagine, /film and /check, through the same jobs as the API, with the same marks and signatures."""

import asyncio
import contextlib
import io
import logging
import re
import time
from typing import Any, Final

import aiohttp
import discord
from discord import app_commands
from sqlalchemy.exc import SQLAlchemyError

from praxino.errors import InputError, JobError, PraxinoError
from praxino.service.api import conversion, jobs, schemas, uploads
from praxino.service.api.auth import AppState, Caller
from praxino.service.api.errors import ApiError
from praxino.service.api.uploads import Upload
from praxino.service.discord.replies import Place, Reply
from praxino.service.queue.jobs import CHECKS, MADE, Job, Kind
from praxino.service.queue.quotas import Quota
from praxino.service.queue.schema import first_line

logger = logging.getLogger("praxino.service")

PROGRESS_POLL_SECONDS: Final = 1.5
"""Seconds between two edits of a message: Discord allows about one a second."""
RARELY: Final = 15.0
"""Seconds between two looks at a job that nobody can be told of before its end."""
BACK: Final = 86_400.0
"""Seconds that an answer may have waited for a bot to start again."""
OWNER: Final = "discord_"
"""How the owners of what is asked for there begin; their user's number follows."""
WIDTH: Final = 20
"""Blocks of a progress bar."""
ECHO: Final = 300
"""Characters of a sentence that are said again."""
ENDINGS: Final = {"video": "film.mp4", "image": "image.png"}

Interaction = discord.Interaction["Bot"]


class Bot(discord.Client):
    """A bot for one studio.

    Parameters
    ----------
    studio : AppState
        Its jobs and films; workers may be anywhere.
    limits : Quota
        What each Discord user may ask for.
    """

    def __init__(self, studio: AppState, limits: Quota) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # it does not speak
        super().__init__(intents=discord.Intents(guilds=True), allowed_mentions=discord.AllowedMentions.none())
        self.studio, self.limits = studio, limits
        self.tree = app_commands.CommandTree(self)
        self.tree.error(_refused)
        self.tree.add_command(_imagine)
        self.tree.add_command(_film)
        self.tree.add_command(_check)
        self.add_dynamic_items(Stop)
        self._resumed: asyncio.Task[None] | None = None

    async def setup_hook(self) -> None:
        """Tell Discord which commands there are, and go on with what another bot left."""
        await self.tree.sync()
        self._resumed = asyncio.create_task(_resume_all(self))

    async def close(self) -> None:
        """Leave; what is being made goes on."""
        if self._resumed is not None:
            self._resumed.cancel()
        await super().close()

    def caller(self, user: int) -> Caller:
        """Who asks, and what they may ask for."""
        return Caller(f"{OWNER}{user}", self.limits)

    async def cancel(self, job: str, user: int) -> None:
        """Stop somebody's job; raises `JobError` if it has ended."""
        found = await asyncio.to_thread(self.studio.store.get, job, self.caller(user).owner)
        if found is None:
            raise JobError("it was deleted", "")
        await asyncio.to_thread(self.studio.store.cancel, found)


def _left(studio: AppState) -> list[tuple[Job, Place]]:
    """Jobs of the last day whose answers have not ended."""
    unposted = studio.store.since(OWNER, BACK)
    places = [(job, Place.kept(studio.objects, job)) for job in unposted]
    return [(job, place) for job, place in places if place is not None]


async def _resume_all(bot: Bot) -> None:
    """End what other bots began, all at once."""
    try:
        left = await asyncio.to_thread(_left, bot.studio)
    except Exception:  # whatever the database or the storage say
        logger.exception("what another bot left cannot be looked up")
        return
    await asyncio.gather(*(_resume(bot, job, Reply(bot, place)) for job, place in left))


async def _resume(bot: Bot, job: Job, reply: Reply) -> None:
    """End an answer that another bot began."""
    try:
        if job.kind in MADE:
            await _finish(bot, reply, job)
            return
        async with reply.place.kept_for(bot.studio.objects, job):
            name = discord.utils.escape_markdown(job.order["name"])
            await reply.end(f"**{name}**: the bot was started again meanwhile: please ask once more", {})
    except Exception:
        logger.exception("the answer to %s cannot be ended", job.id)


@app_commands.command(name="imagine", description="A picture out of noise from a sentence")
@app_commands.describe(prompt="What is to be seen", seed="The same seed makes the same picture")
async def _imagine(
    interaction: Interaction, prompt: app_commands.Range[str, 1, 1000], seed: app_commands.Range[int, 0] | None = None
) -> None:
    asked = uploads.checked(schemas.ImageCreate, {"prompt": prompt, "seed": seed}, strict=False)
    await _make(interaction, "image", asked, None)


@app_commands.command(name="film", description="A film out of noise from a sentence")
@app_commands.describe(
    prompt="What is to be seen",
    seconds="How long",
    picture="What it begins with",
    seed="The same seed makes the same film",
)
async def _film(
    interaction: Interaction,
    prompt: app_commands.Range[str, 1, 1000],
    seconds: app_commands.Range[int, 1, 60] | None = None,
    picture: discord.Attachment | None = None,
    seed: app_commands.Range[int, 0] | None = None,
) -> None:
    values = {"prompt": prompt, "seconds": None if seconds is None else str(seconds), "seed": seed}
    asked = uploads.checked(schemas.VideoCreate, values, strict=False)
    await _make(interaction, "video", asked, picture)


@app_commands.command(name="check", description="Was this film generated, and what does it say of itself?")
@app_commands.describe(file="A film or a picture")
async def _check(interaction: Interaction, file: discord.Attachment) -> None:
    bot, reply = interaction.client, await Reply.begin(interaction)
    who = bot.caller(interaction.user.id)
    await jobs.allowed(bot.studio, who)
    upload = await _fetched(bot, file)
    name = discord.utils.escape_markdown(upload.name)
    lines, files = [f"**{name}**"], {}
    first: Job | None = None
    async with contextlib.AsyncExitStack() as kept:
        for kind in CHECKS:  # one after the other: who asks may have one place
            try:
                job = await asyncio.to_thread(jobs.submit, bot.studio, who, kind, {"name": upload.name}, upload)
                if first is None:
                    first = job
                    await kept.enter_async_context(reply.place.kept_for(bot.studio.objects, first))
                ended = await _followed(bot, reply, job, f"looking at **{name}**", None)
                lines.append(_told(ended) if ended else f"{kind}: it was deleted")
                if ended and "page" in ended.result.get("files", {}):
                    files["evidence.html"] = await _file(bot, ended, "page", reply.place.room)
            except PraxinoError as error:  # what the other found is said
                lines.append(f"{kind}: {error}")
        await reply.end("\n".join(lines), files)


async def _make(
    interaction: Interaction,
    kind: Kind,
    asked: schemas.VideoCreate | schemas.ImageCreate,
    picture: discord.Attachment | None,
) -> None:
    """Order it, show how far it is, and post it."""
    bot, reply = interaction.client, await Reply.begin(interaction)
    who = bot.caller(interaction.user.id)
    await jobs.allowed(bot.studio, who)
    upload = await _fetched(bot, picture) if picture else None
    if upload is not None:
        uploads.check_picture(upload, upload.name)
    job = await asyncio.to_thread(_ordered, bot, who, kind, asked, upload)
    await _finish(bot, reply, job)


async def _finish(bot: Bot, reply: Reply, job: Job) -> None:
    """Show how far it is, and post it."""
    said = f"> {_quoted(job.order['prompt'])}"
    async with reply.place.kept_for(bot.studio.objects, job):
        ended = await _followed(bot, reply, job, said, Stop.under(job, reply.place.user))
        await _post(bot, reply, ended, said)


def _ordered(
    bot: Bot, who: Caller, kind: Kind, asked: schemas.VideoCreate | schemas.ImageCreate, upload: Upload | None
) -> Job:
    studio = bot.studio
    card = conversion.chosen(studio.store, None, studio.default)
    if isinstance(asked, schemas.VideoCreate):
        order = conversion.film(asked, card, upload is not None, studio.largest)
    else:
        order = conversion.image(asked, card, 0, studio.largest)
    if upload is not None:
        order["image"] = f"input.{upload.ending}"
    return jobs.submit(studio, who, kind, order, upload, model=card["id"], priority=conversion.priority("normal", who))


async def _followed(bot: Bot, reply: Reply, job: Job, said: str, view: discord.ui.View | None) -> Job | None:
    """Say how far a job is until it ends; None if it was deleted."""
    shown = ""
    while True:
        try:
            found = await asyncio.to_thread(bot.studio.store.get, job.id)
            if found is None or found.ended:
                return found
            before = await asyncio.to_thread(jobs.position, bot.studio, found)
        except SQLAlchemyError as error:
            logger.warning("the database does not answer: %s", first_line(error))
            await asyncio.sleep(RARELY)
            continue
        text = f"{said}\n{bar(found, before)}"
        if text != shown:
            await reply.progress(text, view)
            shown = text
        await asyncio.sleep(PROGRESS_POLL_SECONDS if time.time() < reply.place.until else RARELY)


def bar(job: Job, before: int | None) -> str:
    """How far a job is, as text."""
    if job.status == "queued":
        return f"waiting: {before} before it" if before else "it begins in a moment"
    full = WIDTH * job.progress // 100
    left = f", about {job.eta:.0f} s left" if job.eta and job.eta >= 1 else ""
    return f"`{'█' * full}{'░' * (WIDTH - full)}` {job.progress}%{left}"


async def _post(bot: Bot, reply: Reply, job: Job | None, said: str) -> None:
    """The film, or why there is none."""
    files: dict[str, bytes] = {}
    if job is None:
        content = f"{said}\nIt was deleted."
    elif "content" not in job.result.get("files", {}):
        content = f"{said}\n{job.error.message if job.error else 'It was stopped before there was anything to see.'}"
    else:
        note = f"stopped at step {job.step} of {job.steps}, " if job.status == "cancelled" else ""
        content = f"{said}\n-# {note}{job.model}, seed {job.order['seed']}; marked and signed as generated"
        try:
            files[ENDINGS[job.kind]] = await _file(bot, job, "content", reply.place.room)
        except InputError as error:
            content = f"{said}\n{error}"
    await reply.end(content, files)


async def _file(bot: Bot, job: Job, which: str, most: int) -> bytes:
    """A file of a job; raises `InputError` if Discord would not take it."""
    place = job.file(job.result["files"][which])
    size = await asyncio.to_thread(bot.studio.objects.size, place) or 0
    if size > most:
        raise InputError(f"it has {size / 2**20:.0f} MiB: Discord takes {most / 2**20:.0f}", "a shorter one")
    return await asyncio.to_thread(lambda: b"".join(bot.studio.objects.read(place)))


async def _fetched(bot: Bot, attachment: discord.Attachment) -> Upload:
    """What somebody attached, by what is in it."""
    if attachment.size > bot.studio.upload:
        raise InputError(f"{attachment.filename}: longer than {bot.studio.upload // 2**20} MiB", "cut it first")
    return uploads.upload(io.BytesIO(await attachment.read()), attachment.filename, "file")


def _told(job: Job) -> str:
    """What a look at a file found, in a few lines."""
    if job.status != "completed":
        return f"{job.kind}: {job.error.message if job.error else job.status}"
    report = job.result["report"]
    if job.kind == "verify":
        return f"**{report['outcome']}**\n" + "\n".join(f"- {line}" for line in report["sentences"])
    sure = "" if report["probability"] is None else f" ({report['probability']:.0%} generated)"
    reasons = f": {'; '.join(report['reasons'])}" if report["reasons"] else ""
    return f"**{report['verdict']}**{sure}{reasons}"


def _quoted(text: str) -> str:
    """A sentence to be said again: on one line, and not too long."""
    line = discord.utils.escape_markdown(" ".join(text.split()))
    return line if len(line) <= ECHO else f"{line[:ECHO]}…"


class Stop(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"stop:(?P<job>\w+):(?P<user>[0-9]+)"):
    """A button that stops a film; it is its maker's alone, and works for every bot that runs when it is pressed."""

    def __init__(self, job: str, user: int) -> None:
        self.job, self.user = job, user
        style = discord.ButtonStyle.secondary
        super().__init__(
            discord.ui.Button(label="Stop, and keep what there is", style=style, custom_id=f"stop:{job}:{user}")
        )

    @classmethod
    def under(cls, job: Job, user: int) -> discord.ui.View:
        """The button, to be put under a message."""
        view = discord.ui.View(timeout=None)
        view.add_item(cls(job.id, user))
        return view

    @classmethod
    async def from_custom_id(
        cls, _: discord.Interaction[Any], __: discord.ui.Item[Any], match: re.Match[str], /
    ) -> "Stop":
        """The one that was pressed."""
        return cls(match["job"], int(match["user"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Ask the worker to end it."""
        if interaction.user.id != self.user:
            await interaction.response.send_message("It is somebody else's film.", ephemeral=True)
            return
        try:
            await interaction.client.cancel(self.job, self.user)
            await interaction.response.defer()
        except JobError as error:
            await interaction.response.send_message(str(error), ephemeral=True)


async def _refused(interaction: Interaction, error: app_commands.AppCommandError) -> None:
    """Say what is wrong to who asked, and nothing of what went wrong inside."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if isinstance(cause, ApiError):
        said = cause.message
    elif isinstance(cause, PraxinoError):
        said = str(cause)
    else:
        logger.error("a command failed", exc_info=cause)
        said = "Something went wrong here: the log says what."
    if interaction.response.is_done():
        await interaction.edit_original_response(content=said[:1900], view=None)
    else:
        await interaction.response.send_message(said[:1900], ephemeral=True)


def run(studio: AppState, limits: Quota, token: str) -> None:
    """Serve Discord until Ctrl-C; raises `InputError` if it does not know the token."""

    async def serve() -> None:
        async with Bot(studio, limits) as bot:
            await bot.start(token)

    try:
        asyncio.run(serve())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise InputError(f"Discord cannot be reached: {error}", "is there a network?") from None
    except discord.LoginFailure:
        raise InputError("Discord does not know this token", "PRAXINO_DISCORD_TOKEN, of the bot's page there") from None
