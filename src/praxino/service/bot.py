"""A Discord bot: /imagine, /film and /check, through the same jobs as the API, with the same marks and signatures."""

import asyncio
import contextlib
import io
import logging
import time
from typing import Final

import discord
from discord import app_commands

from praxino.errors import InputError, JobError, PraxinoError
from praxino.service import asking, orders, uploads, wire
from praxino.service.access import Caller, Studio
from praxino.service.answers import ApiError
from praxino.service.jobs import Job, Kind
from praxino.service.limits import Limits
from praxino.service.uploads import Upload

logger = logging.getLogger("praxino.service")

EVERY: Final = 1.5
"""Seconds between two edits of a message: Discord allows about one a second."""
LONGEST: Final = 14 * 60.0
"""Seconds that an answer can be edited, somewhat fewer than Discord's fifteen minutes."""
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
    studio : Studio
        Its jobs and films; workers may be anywhere.
    limits : Limits
        What each Discord user may ask for.
    """

    def __init__(self, studio: Studio, limits: Limits) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # it does not speak
        super().__init__(intents=discord.Intents(guilds=True), allowed_mentions=discord.AllowedMentions.none())
        self.studio, self.limits = studio, limits
        self.tree = app_commands.CommandTree(self)
        self.tree.error(_refused)
        self.tree.add_command(_imagine)
        self.tree.add_command(_film)
        self.tree.add_command(_check)

    async def setup_hook(self) -> None:
        """Tell Discord which commands there are."""
        await self.tree.sync()

    def caller(self, user: discord.abc.User) -> Caller:
        """Who asks, and what they may ask for."""
        return Caller(f"discord_{user.id}", self.limits)


@app_commands.command(name="imagine", description="A picture out of noise from a sentence")
@app_commands.describe(prompt="What is to be seen", seed="The same seed makes the same picture")
async def _imagine(
    interaction: Interaction, prompt: app_commands.Range[str, 1, 1000], seed: app_commands.Range[int, 0] | None = None
) -> None:
    asked = uploads.checked(wire.ImageCreate, {"prompt": prompt, "seed": seed}, strict=False)
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
    asked = uploads.checked(wire.VideoCreate, values, strict=False)
    await _make(interaction, "video", asked, picture)


@app_commands.command(name="check", description="Was this film generated, and what does it say of itself?")
@app_commands.describe(file="A film or a picture")
async def _check(interaction: Interaction, file: discord.Attachment) -> None:
    bot = interaction.client
    await interaction.response.defer(thinking=True)
    who = bot.caller(interaction.user)
    await asking.allowed(bot.studio, who)
    upload = await _fetched(bot, file)
    order = {"name": upload.name}
    kinds: tuple[Kind, ...] = ("verify", "detect")
    name = discord.utils.escape_markdown(upload.name)
    ended: list[Job | None] = []
    for kind in kinds:  # one after the other: who asks may have one place
        job = await asyncio.to_thread(asking.submit, bot.studio, who, kind, order, upload)
        ended.append(await _followed(interaction, job, f"looking at **{name}**", None))
    lines = [f"**{name}**", *(_told(job) for job in ended if job is not None)]
    pages = [job for job in ended if job is not None and "page" in job.result.get("files", {})]
    files = [await _file(bot, job, "page", "evidence.html") for job in pages]
    await interaction.edit_original_response(content="\n".join(lines)[:1900], attachments=files, view=None)


async def _make(
    interaction: Interaction, kind: Kind, asked: wire.VideoCreate | wire.ImageCreate, picture: discord.Attachment | None
) -> None:
    """Order it, show how far it is, and post it."""
    bot = interaction.client
    await interaction.response.defer(thinking=True)
    who = bot.caller(interaction.user)
    await asking.allowed(bot.studio, who)
    upload = await _fetched(bot, picture) if picture else None
    if upload is not None:
        uploads.check_picture(upload, upload.name)
    job = await asyncio.to_thread(_ordered, bot, who, kind, asked, upload)
    said = f"> {_quoted(asked.prompt)}"
    ended = await _followed(interaction, job, said, Cancel(job, interaction.user.id))
    await _post(interaction, ended, said)


def _ordered(
    bot: Bot, who: Caller, kind: Kind, asked: wire.VideoCreate | wire.ImageCreate, upload: Upload | None
) -> Job:
    studio = bot.studio
    card = orders.chosen(studio.store, None, studio.default)
    if isinstance(asked, wire.VideoCreate):
        order = orders.film(asked, card, upload is not None, studio.largest)
    else:
        order = orders.image(asked, card, 0, studio.largest)
    if upload is not None:
        order["image"] = f"input.{upload.ending}"
    return asking.submit(studio, who, kind, order, upload, model=card["id"], priority=orders.priority("normal", who))


async def _followed(interaction: Interaction, job: Job, said: str, view: discord.ui.View | None) -> Job | None:
    """Edit the answer until a job ends; None if it was deleted."""
    bot, shown, until = interaction.client, "", time.monotonic() + LONGEST
    while True:
        found = await asyncio.to_thread(bot.studio.store.get, job.id)
        if found is None or found.ended:
            return found
        before = await asyncio.to_thread(asking.position, bot.studio, found)
        text = f"{said}\n{bar(found, before)}"
        if text != shown and time.monotonic() < until:
            with contextlib.suppress(discord.HTTPException):  # one edit less
                await interaction.edit_original_response(content=text, view=view)
                shown = text
        await asyncio.sleep(EVERY)


def bar(job: Job, before: int | None) -> str:
    """How far a job is, as text."""
    if job.status == "queued":
        return f"waiting: {before} before it" if before else "it begins in a moment"
    full = WIDTH * job.progress // 100
    left = f", about {job.eta:.0f} s left" if job.eta and job.eta >= 1 else ""
    return f"`{'█' * full}{'░' * (WIDTH - full)}` {job.progress}%{left}"


async def _post(interaction: Interaction, job: Job | None, said: str) -> None:
    """The film, or why there is none; in the channel where the answer is too old to be edited."""
    content, files = said, []
    if job is None:
        content = f"{said}\nIt was deleted."
    elif "content" not in job.result.get("files", {}):
        content = f"{said}\n{job.error.message if job.error else 'It was stopped before there was anything to see.'}"
    else:
        note = f"stopped at step {job.step} of {job.steps}, " if job.status == "cancelled" else ""
        content = f"{said}\n-# {note}{job.model}, seed {job.order['seed']}; marked and signed as generated"
        try:
            files = [await _file(interaction.client, job, "content", ENDINGS[job.kind], _room(interaction))]
        except InputError as error:
            content = f"{said}\n{error}"
    try:
        await interaction.edit_original_response(content=content, attachments=files, view=None)
    except discord.NotFound:
        if isinstance(interaction.channel, discord.abc.Messageable):
            await interaction.channel.send(f"{interaction.user.mention}\n{content}"[:1900], files=files)


def _room(interaction: Interaction) -> int:
    return int(getattr(interaction, "filesize_limit", 0) or 10 * 2**20)


async def _file(bot: Bot, job: Job, which: str, name: str, most: int = 10 * 2**20) -> discord.File:
    """A file of a job; raises `InputError` if Discord would not take it."""
    place = job.file(job.result["files"][which])
    size = await asyncio.to_thread(bot.studio.objects.size, place) or 0
    if size > most:
        raise InputError(f"it has {size / 2**20:.0f} MiB: Discord takes {most / 2**20:.0f}", "a shorter one")
    content = await asyncio.to_thread(lambda: b"".join(bot.studio.objects.read(place)))
    return discord.File(io.BytesIO(content), name)


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


class Cancel(discord.ui.View):
    """A button that stops a film; it is its maker's alone."""

    def __init__(self, job: Job, user: int) -> None:
        super().__init__(timeout=None)
        self.job, self.user = job, user

    @discord.ui.button(label="Stop, and keep what there is", style=discord.ButtonStyle.secondary)
    async def stop_it(self, interaction: Interaction, _: discord.ui.Button["Cancel"]) -> None:
        """Ask the worker to end it."""
        if interaction.user.id != self.user:
            await interaction.response.send_message("It is somebody else's film.", ephemeral=True)
            return
        try:
            await asyncio.to_thread(interaction.client.studio.store.cancel, self.job)
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


def run(studio: Studio, limits: Limits, token: str) -> None:
    """Serve Discord until Ctrl-C; raises `InputError` if it does not know the token."""

    async def serve() -> None:
        async with Bot(studio, limits) as bot:
            await bot.start(token)

    try:
        asyncio.run(serve())
    except discord.LoginFailure:
        raise InputError("Discord does not know this token", "PRAXINO_DISCORD_TOKEN, of the bot's page there") from None
