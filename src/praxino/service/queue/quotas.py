"""Quotas: how many jobs, how large and how urgent, one caller may submit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from pydantic import Field

from praxino.cards import Enhance, ModelCard
from praxino.config import Config
from praxino.edits import FilmShape
from praxino.errors import InputError, LimitError
from praxino.request import Request, enlarged_shape
from praxino.service.queue.schema import Database, jobs, usage

MINUTE: Final = 60
DAY: Final = 86_400
MAX_UPLOAD_BYTES: Final = 64 * 2**20
MAX_SIZE_FACTOR: Final = 16
"""Largest film, as a multiple of the pixels x frames that its model makes by default."""
WINDOW_DISCOUNT: Final = 8
"""Frames beyond the first window that count as one, of models that make films window by window."""
MIN_LARGEST_PIXELS: Final = 17 * 256 * 256
"""Pixels x frames that any model may be asked for, however small its own films are."""


class Quota(Config):
    """What one owner may submit; 0 is any number. ``priority`` is the highest one that they may
    use.
    """

    per_minute: int = Field(60, ge=0)
    per_day: int = Field(0, ge=0)
    at_a_time: int = Field(0, ge=0, description="jobs that wait or are in progress")
    priority: int = Field(0, ge=-1, le=1)

    @property
    def max_at_once(self) -> int | None:
        """How many jobs may be submitted in one request; None for any number."""
        return min(
            (limit for limit in (self.per_minute, self.per_day, self.at_a_time) if limit),
            default=None,
        )


@dataclass(frozen=True)
class Caller:
    """Whoever submits jobs: their owner's id ("" where no key is needed) and quota."""

    owner: str
    quota: Quota


def require_size(request: Request, card: ModelCard, max_size_factor: int) -> None:
    """Raise `InputError` if a film has more pixels than this server makes for anybody."""
    shape = FilmShape(request.frames, request.height, request.width, request.fps)
    require_shape(shape, request.enhance, card, max_size_factor)


def require_shape(
    shape: FilmShape, enhance: Enhance, card: ModelCard, max_size_factor: int
) -> None:
    """`require_size` for a film of this shape that is enlarged afterwards."""
    usual = card.defaults
    most = max(MIN_LARGEST_PIXELS, max_size_factor * usual.frames * usual.height * usual.width)
    frames, height, width, _ = enlarged_shape(shape, enhance)
    later = max(0, frames - card.window) if card.window else 0  # they take time more than room
    if (frames - later + later // WINDOW_DISCOUNT) * height * width > most:
        fits = most // (height * width)
        if 0 < card.window < fits:
            fits += (fits - card.window) * (WINDOW_DISCOUNT - 1)
        if "time" in enhance:  # as many as are asked for: between them come others
            fits = (fits + 1) // 2
        hint = (
            f"at this size no more than {fits} frames"
            if fits > 1
            else f"{usual.width}x{usual.height}"
        )
        raise InputError(
            f"{frames} frames of {width}x{height}: too much for here",
            hint,
            "width",
        )


def charge(
    database: Database, connection: sa.Connection, owner: str, quota: Quota, count: int = 1
) -> None:
    """Count ``count`` more jobs of an owner; raises `LimitError` where they are too many.

    The counters are rows of their own: deleting jobs gives nothing back. Counting locks them, so
    that two servers cannot both give away the last place.
    """
    now, counts = _now(database, connection), {}
    for period in (MINUTE, DAY):
        since = now // period * period
        row = database.insert(usage).values(owner=owner, period=period, since=since, count=count)
        more = row.on_conflict_do_update(
            index_elements=["owner", "period", "since"], set_={"count": usage.c.count + count}
        ).returning(usage.c.count)
        counts[period] = connection.execute(more).scalar_one()
        if counts[period] == count:
            connection.execute(
                usage.delete().where(usage.c.period == period, usage.c.since < since - period)
            )
    _require(connection, owner, quota, now, counts, count)


def require_quota(database: Database, connection: sa.Connection, owner: str, quota: Quota) -> None:
    """Raise `LimitError` if one more job is too many for an owner; nothing is counted."""
    now, counts = _now(database, connection), {}
    for period in (MINUTE, DAY):
        where = (
            usage.c.owner == owner,
            usage.c.period == period,
            usage.c.since == now // period * period,
        )
        counts[period] = 1 + (connection.scalar(sa.select(usage.c.count).where(*where)) or 0)
    _require(connection, owner, quota, now, counts, 1)


def _now(database: Database, connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(database.now())) or 0)


def _require(
    connection: sa.Connection,
    owner: str,
    quota: Quota,
    now: int,
    counts: Mapping[int, int],
    new: int,
) -> None:
    """Raise `LimitError` if ``new`` jobs, which the counts of each period include, are too many."""
    for period, most, name in ((MINUTE, quota.per_minute, "minute"), (DAY, quota.per_day, "day")):
        if most and counts[period] > most:
            raise LimitError(
                f"no more than {most} a {name} are allowed", "wait", period - now % period
            )
    if quota.at_a_time:
        open_ = jobs.c.status.in_(["queued", "in_progress"])
        query = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.owner == owner, open_)
        if int(connection.scalar(query) or 0) + new > quota.at_a_time:
            raise LimitError(
                f"no more than {quota.at_a_time} at a time are allowed",
                "wait until one has ended",
                5,
            )
