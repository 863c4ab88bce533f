"""A Discord bot: /imagine, /film and /check, through the same jobs as the API, with the same marks
and signatures.
"""

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

from praxino.durations import frames_of
from praxino.errors import InputError, JobError, PraxinoError
from praxino.references import escape_mentions
from praxino.request import complete, random_seed
from praxino.service.discord.replies import Place, Reply
from praxino.service.queue.jobs import (
    ANALYSES,
    MADE,
    PRIORITIES,
    AnalysisRequest,
    Job,
    Kind,
)
from praxino.service.queue.models import find_card
from praxino.service.queue.quotas import (
    MAX_SIZE_FACTOR,
    MAX_UPLOAD_BYTES,
    Caller,
    Quota,
    require_size,
)
from praxino.service.queue.schema import first_line
from praxino.service.queue.store import Store
from praxino.service.queue.submission import InputFile, require_picture, submit
from praxino.storage.media.formats import PICTURES
from praxino.storage.objects import Objects

logger = logging.getLogger("praxino.service")

PROGRESS_POLL_SECONDS: Final = 1.5
"""Seconds between two edits of a message: Discord allows about one a second."""
END_POLL_SECONDS: Final = 15.0
"""Seconds between two looks at a job whose message can no longer be edited."""
MAX_ANSWER_AGE_SECONDS: Final = 86_400.0
"""Age up to which a new bot posts answers that another left."""
OWNER_PREFIX: Final = "discord_"
"""Beginning of the owners of Discord's jobs; the user's number follows."""
BAR_BLOCKS: Final = 20
MAX_QUOTE_CHARS: Final = 300
MAX_MESSAGE_CHARS: Final = 1900
FILENAMES: Final = {"video": "film.mp4", "image": "image.png"}

Interaction = discord.Interaction["Bot"]


class Bot(discord.Client):
    """A bot for one queue of jobs; workers may be anywhere.

    Parameters
    ----------
    quota : Quota
        Of each Discord user.
    model : str, optional
        The model that makes the films; by default the first that is served.
    """

    def __init__(
        self, store: Store, objects: Objects, quota: Quota, model: str | None = None
    ) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # it does not speak
        super().__init__(
            intents=discord.Intents(guilds=True), allowed_mentions=discord.AllowedMentions.none()
        )
        self.store, self.objects, self.quota, self.model = store, objects, quota, model
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
        """A Discord user as an owner of jobs."""
        return Caller(f"{OWNER_PREFIX}{user}", self.quota)

    async def cancel(self, job: str, user: int) -> None:
        """Stop somebody's job; raises `JobError` if it has ended."""
        mine = await asyncio.to_thread(self.store.get, job, self.caller(user).owner)
        if mine is None:
            raise JobError("it was deleted", "")
        await asyncio.to_thread(self.store.cancel, mine)


def _unanswered(bot: Bot) -> list[tuple[Job, Place]]:
    """Jobs of the last day whose answers another bot left unfinished."""
    recent = bot.store.since(OWNER_PREFIX, MAX_ANSWER_AGE_SECONDS)
    places = [(job, Place.kept(bot.objects, job)) for job in recent]
    return [(job, place) for job, place in places if place is not None]


async def _resume_all(bot: Bot) -> None:
    """End what other bots began, all at once."""
    try:
        unanswered = await asyncio.to_thread(_unanswered, bot)
    except Exception:  # whatever the database or the storage say
        logger.exception("what another bot left cannot be looked up")
        return
    await asyncio.gather(*(_resume(bot, job, Reply(bot, place)) for job, place in unanswered))


async def _resume(bot: Bot, job: Job, reply: Reply) -> None:
    """End an answer that another bot began."""
    try:
        if job.kind in MADE:
            await _finish(bot, reply, job)
            return
        async with reply.place.kept_for(bot.objects, job):
            name = discord.utils.escape_markdown(job.filename)
            await reply.end(
                f"**{name}**: the bot was started again meanwhile: please ask once more", {}
            )
    except Exception:
        logger.exception("the answer to %s cannot be ended", job.id)


@app_commands.command(name="imagine", description="A picture out of noise from a sentence")
@app_commands.describe(prompt="What is to be seen", seed="The same seed makes the same picture")
async def _imagine(
    interaction: Interaction,
    prompt: app_commands.Range[str, 1, 1000],
    seed: app_commands.Range[int, 0] | None = None,
) -> None:
    await _make(interaction, "image", {"prompt": prompt, "seed": seed, "frames": 1}, None, None)


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
    await _make(interaction, "video", {"prompt": prompt, "seed": seed}, seconds, picture)


@app_commands.command(
    name="check", description="Was this film generated, and what does it say of itself?"
)
@app_commands.describe(file="A film or a picture")
async def _check(interaction: Interaction, file: discord.Attachment) -> None:
    bot, reply = interaction.client, await Reply.begin(interaction)
    caller = bot.caller(interaction.user.id)
    await asyncio.to_thread(bot.store.require_quota, caller.owner, caller.quota)
    upload = await _download(file)
    if not upload.ending:
        raise InputError("file is neither a film nor a picture", f"MP4, WebM, MKV, {PICTURES}")
    name, order = discord.utils.escape_markdown(upload.name), AnalysisRequest(name=upload.name)
    lines, files = [f"**{name}**"], {}
    first: Job | None = None
    async with contextlib.AsyncExitStack() as kept:
        for kind in ANALYSES:  # one after the other: the caller may have one place in the queue
            try:
                job = await asyncio.to_thread(
                    submit, bot.store, bot.objects, caller, kind, order, upload.named()
                )
                if first is None:
                    first = job
                    await kept.enter_async_context(reply.place.kept_for(bot.objects, first))
                ended = await _wait_for(bot, reply, job, f"looking at **{name}**", None)
                lines.append(to_text(ended) if ended else f"{kind}: it was deleted")
                if ended and "page" in ended.result.files:
                    files["evidence.html"] = await _read(bot, ended, "page", reply.place.room)
            except PraxinoError as error:  # the other analysis is posted all the same
                lines.append(f"{kind}: {error}")
        await reply.end("\n".join(lines), files)


async def _make(
    interaction: Interaction,
    kind: Kind,
    settings: dict[str, Any],
    seconds: int | None,
    picture: discord.Attachment | None,
) -> None:
    """Submit a film or an image, show its progress, and post it."""
    bot, reply = interaction.client, await Reply.begin(interaction)
    caller = bot.caller(interaction.user.id)
    await asyncio.to_thread(bot.store.require_quota, caller.owner, caller.quota)
    upload = await _download(picture) if picture else None
    if upload is not None:
        try:
            require_picture(upload)
        except PraxinoError as error:
            raise InputError(f"{upload.name} {error}") from None
    job = await asyncio.to_thread(_submit, bot, caller, kind, settings, seconds, upload)
    await _finish(bot, reply, job)


async def _finish(bot: Bot, reply: Reply, job: Job) -> None:
    """Show the progress of a job, and post its film."""
    quote = f"> {_quote(job.request.prompt.replace('@@', '@'))}"
    async with reply.place.kept_for(bot.objects, job):
        ended = await _wait_for(bot, reply, job, quote, Stop.under(job, reply.place.user))
        await _post(bot, reply, ended, quote)


def _submit(
    bot: Bot,
    caller: Caller,
    kind: Kind,
    settings: dict[str, Any],
    seconds: int | None,
    upload: InputFile | None,
) -> Job:
    card = find_card(bot.store, None, bot.model)
    # names with @ are people there, and no characters
    settings = settings | {"prompt": escape_mentions(settings["prompt"])}
    if settings["seed"] is None:
        settings = settings | {"seed": random_seed()}
    if seconds is not None:
        settings = settings | {"frames": frames_of(seconds, card.defaults.fps, card)}
    if upload is not None:
        settings = settings | {"image": upload.storage_name}
    order, _ = complete(card, settings)
    require_size(order, card, MAX_SIZE_FACTOR)
    priority = min(PRIORITIES["normal"], caller.quota.priority)
    files = upload.named() if upload else None
    return submit(
        bot.store, bot.objects, caller, kind, order, files, model=card.id, priority=priority
    )


async def _wait_for(
    bot: Bot, reply: Reply, job: Job, title: str, view: discord.ui.View | None
) -> Job | None:
    """Show the progress of a job until it ends; None if it was deleted."""
    posted = ""
    while True:
        try:
            latest = await asyncio.to_thread(bot.store.get, job.id)
            if latest is None or latest.ended:
                return latest
            position = await asyncio.to_thread(bot.store.position, latest)
        except SQLAlchemyError as error:
            logger.warning("the database does not answer: %s", first_line(error))
            await asyncio.sleep(END_POLL_SECONDS)
            continue
        text = f"{title}\n{bar(latest, position)}"
        if text != posted:
            await reply.progress(text, view)
            posted = text
        await asyncio.sleep(
            PROGRESS_POLL_SECONDS if time.time() < reply.place.until else END_POLL_SECONDS
        )


def bar(job: Job, position: int | None) -> str:
    """The progress of a job as text."""
    if job.status == "queued":
        return f"waiting: {position} before it" if position else "it begins in a moment"
    full = BAR_BLOCKS * job.progress // 100
    left = f", about {job.eta:.0f} s left" if job.eta and job.eta >= 1 else ""
    return f"`{'█' * full}{'░' * (BAR_BLOCKS - full)}` {job.progress}%{left}"


async def _post(bot: Bot, reply: Reply, job: Job | None, quote: str) -> None:
    """Post the film, or why there is none."""
    files: dict[str, bytes] = {}
    if job is None:
        content = f"{quote}\nIt was deleted."
    elif "content" not in job.result.files:
        nothing = "It was stopped before there was anything to see."
        content = f"{quote}\n{job.error.message if job.error else nothing}"
    else:
        note = f"stopped at step {job.step} of {job.steps}, " if job.status == "cancelled" else ""
        content = (
            f"{quote}\n-# {note}{job.model}, seed {job.request.seed}; marked and signed as "
            f"generated"
        )
        try:
            files[FILENAMES[job.kind]] = await _read(bot, job, "content", reply.place.room)
        except InputError as error:
            content = f"{quote}\n{error}"
    await reply.end(content, files)


async def _read(bot: Bot, job: Job, variant: str, max_bytes: int) -> bytes:
    """A file of a job; raises `InputError` if Discord would not take it."""
    name = job.file(job.result.files[variant])
    size = await asyncio.to_thread(bot.objects.size, name) or 0
    if size > max_bytes:
        raise InputError(
            f"it has {size / 2**20:.0f} MiB: Discord takes {max_bytes / 2**20:.0f}", "a shorter one"
        )
    return await asyncio.to_thread(lambda: b"".join(bot.objects.read(name)))


async def _download(attachment: discord.Attachment) -> InputFile:
    """A file that somebody attached."""
    if attachment.size > MAX_UPLOAD_BYTES:
        raise InputError(
            f"{attachment.filename}: longer than {MAX_UPLOAD_BYTES // 2**20} MiB", "cut it first"
        )
    upload = InputFile.of(io.BytesIO(await attachment.read()), attachment.filename)
    if not upload.size:
        raise InputError(f"{attachment.filename} is empty", "attach another file")
    return upload


def to_text(job: Job) -> str:
    """The report of an analysis, in a few lines."""
    if job.status != "completed":
        return f"{job.kind}: {job.error.message if job.error else job.status}"
    report = job.result.report or {}
    if job.kind == "verify":
        return f"**{report['outcome']}**\n" + "\n".join(f"- {line}" for line in report["sentences"])
    probability = (
        "" if report["probability"] is None else f" ({report['probability']:.0%} generated)"
    )
    reasons = f": {'; '.join(report['reasons'])}" if report["reasons"] else ""
    return f"**{report['verdict']}**{probability}{reasons}"


def _quote(text: str) -> str:
    """A prompt on one line, cut to `MAX_QUOTE_CHARS`."""
    line = discord.utils.escape_markdown(" ".join(text.split()))
    return line if len(line) <= MAX_QUOTE_CHARS else f"{line[:MAX_QUOTE_CHARS]}…"


class Stop(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=r"stop:(?P<job>\w+):(?P<user>[0-9]+)",
):
    """A button that stops a film; it is its maker's alone, and works for every bot that runs when
    it is pressed.
    """

    def __init__(self, job: str, user: int) -> None:
        self.job, self.user = job, user
        style = discord.ButtonStyle.secondary
        super().__init__(
            discord.ui.Button(
                label="Stop, and keep what there is", style=style, custom_id=f"stop:{job}:{user}"
            )
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
        """The button that was pressed."""
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
    """Tell the caller what is wrong with their command, and nothing of what went wrong inside."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if isinstance(cause, PraxinoError):
        message = str(cause)
    else:
        logger.error("a command failed", exc_info=cause)
        message = "Something went wrong here: the log says what."
    if interaction.response.is_done():
        await interaction.edit_original_response(content=message[:MAX_MESSAGE_CHARS], view=None)
    else:
        await interaction.response.send_message(message[:MAX_MESSAGE_CHARS], ephemeral=True)


def run(store: Store, objects: Objects, quota: Quota, token: str, model: str | None = None) -> None:
    """Serve Discord until Ctrl-C; raises `InputError` if Discord does not know the token. See
    `Bot`.
    """

    async def serve() -> None:
        async with Bot(store, objects, quota, model) as bot:
            await bot.start(token)

    try:
        asyncio.run(serve())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise InputError(f"Discord cannot be reached: {error}", "is there a network?") from None
    except discord.LoginFailure:
        raise InputError(
            "Discord does not know this token", "PRAXINO_DISCORD_TOKEN, of the bot's page there"
        ) from None
