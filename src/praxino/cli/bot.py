"""``praxino bot``: films and checks on Discord; workers of the same jobs do the work."""

from typing import Annotated

import typer

from praxino.cli.keys import parse_quota
from praxino.cli.options import Data, Jobs, MaxActive, PerDay, PerMinute, Quiet, Storage
from praxino.cli.terminal import Progress, requires_extra
from praxino.errors import InputError


def bot(
    data: Data = None,
    jobs: Jobs = None,
    storage: Storage = None,
    token: Annotated[
        str,
        typer.Option(envvar="PRAXINO_DISCORD_TOKEN", help="Token of the bot.", show_default=False),
    ] = "",
    model: Annotated[
        str | None, typer.Option(help="Model to use.  [default: the first that is served]")
    ] = None,
    per_minute: PerMinute = 4,
    per_day: PerDay = 50,
    max_active: MaxActive = 2,
    quiet: Quiet = False,
) -> None:
    """Make and check films on Discord: /imagine, /film, /check; workers of the same jobs do
    them.
    """
    with requires_extra("discord"):
        from praxino.service.discord import bot as discord
        from praxino.service.locations import Locations

    Progress(quiet)
    if not token:
        raise InputError("no token of a bot", "PRAXINO_DISCORD_TOKEN=... praxino bot")
    store, objects = Locations.of(data, jobs, storage).open()
    discord.run(
        store, objects, parse_quota(per_minute, per_day, max_active, "normal"), token, model
    )
