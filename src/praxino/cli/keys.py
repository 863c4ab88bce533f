"""``praxino keys``: the API keys of a studio, added, listed and revoked."""

import logging
import time
from typing import TYPE_CHECKING, Annotated

import typer

from praxino.cli import batch
from praxino.cli.options import Data, Jobs, MaxActive, PerDay, PerMinute
from praxino.cli.terminal import requires_extra
from praxino.errors import UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

    from praxino.service.queue.quotas import Quota
    from praxino.service.queue.schema import Database

logger = logging.getLogger("praxino.service")
keys = typer.Typer(
    help="Add, list and revoke the API keys of a studio.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.", show_default=False)],
    per_minute: PerMinute = 60,
    per_day: PerDay = 0,
    max_active: MaxActive = 0,
    priority: Annotated[
        str, typer.Option(help="Highest priority that this key may use: low normal high")
    ] = "normal",
    data: Data = None,
    jobs: Jobs = None,
) -> None:
    """Make a key and print it; it is stored as a hash and cannot be shown again."""
    from praxino.service import api_keys

    quota, database = parse_quota(per_minute, per_day, max_active, priority), _database(data, jobs)
    first = not api_keys.all_keys(database)
    key, text = api_keys.add_key(database, name, quota)
    if first and (count := api_keys.claim_unowned(database, key)):
        logger.info("note: %d jobs made before there were keys now belong to this one", count)
    typer.echo(text)


@keys.command(name="list")
def list_(data: Data = None, jobs: Jobs = None) -> None:
    """Print all keys, revoked ones too, with their quotas."""
    from praxino.service import api_keys
    from praxino.service.queue.jobs import PRIORITY_NAMES

    rows: list[tuple[str, ...]] = [
        ("id", "made", "revoked", "a minute", "a day", "active", "priority", "name")
    ]
    for key in api_keys.all_keys(_database(data, jobs)):
        quota = key.quota
        counts = (str(count or "-") for count in (quota.per_minute, quota.per_day, quota.at_a_time))
        rows.append(
            (
                key.id,
                _day(key.created),
                _day(key.revoked),
                *counts,
                PRIORITY_NAMES[quota.priority],
                key.name,
            )
        )
    typer.echo(batch.table(rows))


@keys.command()
def revoke(
    key: Annotated[
        str, typer.Argument(metavar="ID", help="From praxino keys list.", show_default=False)
    ],
    data: Data = None,
    jobs: Jobs = None,
) -> None:
    """Make a key useless, within seconds and everywhere."""
    from praxino.service import api_keys

    typer.echo(f"revoked {api_keys.revoke_key(_database(data, jobs), key).name}")


def parse_quota(per_minute: int, per_day: int, max_active: int, priority: str) -> "Quota":
    """What a key's owner may ask for, from flags; raises `UnknownNameError` for an unknown
    priority.
    """
    with requires_extra("serve"):
        from praxino.service.queue.jobs import PRIORITIES
        from praxino.service.queue.quotas import Quota

    if priority not in PRIORITIES:
        raise UnknownNameError("priority", priority, PRIORITIES)
    highest = PRIORITIES[priority]
    return Quota(per_minute=per_minute, per_day=per_day, at_a_time=max_active, priority=highest)


def _database(data: "Path | None", jobs: str | None) -> "Database":
    with requires_extra("serve"):
        from praxino.service.locations import Locations
        from praxino.service.queue.schema import Database

    return Database(Locations.of(data, jobs, None).jobs)


def _day(seconds: float | None) -> str:
    return "-" if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))
