"""API keys, kept as hashes, and what each may ask for in a minute, in a day, and at a time."""

import hashlib
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from pydantic import Field

from praxino.config import Config
from praxino.errors import InputError, LimitError
from praxino.service.queue.schema import Database, jobs, keys, usage

PREFIX: Final = "px-"
MINUTE: Final = 60
DAY: Final = 86_400


class Quota(Config):
    """What one owner may ask for; 0 is as much as they like. ``priority`` is the highest one that is theirs."""

    per_minute: int = Field(60, ge=0)
    per_day: int = Field(0, ge=0)
    at_a_time: int = Field(0, ge=0, description="jobs that wait or are in progress")
    priority: int = Field(0, ge=-1, le=1)

    @property
    def most(self) -> int | None:
        """As many jobs as may be asked for at once, None for any number."""
        return min((each for each in (self.per_minute, self.per_day, self.at_a_time) if each), default=None)


class ApiKey(Config):
    """Somebody who may ask: the key itself is known to them alone."""

    id: str
    name: str
    limits: Quota
    created: float
    revoked: float | None = None


def new_key(database: Database, name: str, limits: Quota) -> tuple[ApiKey, str]:
    """Make a key; the text is shown once, and stored nowhere."""
    if not re.fullmatch(r"[^\x00-\x1f]{1,128}", name):
        raise InputError(f"key name {name[:40]!r}: must be 1 to 128 characters on a line", "anna")
    text = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(id=f"key_{secrets.token_hex(8)}", name=name, limits=limits, created=time.time())
    values = key.model_dump() | {"hash": hashed(text)}
    with database.write() as connection:
        connection.execute(keys.insert().values(**values))
    return key, text


def claim_unowned(database: Database, key: ApiKey) -> int:
    """Give the first key all jobs that were asked for without one; how many those were."""
    with database.write() as connection:
        return connection.execute(jobs.update().where(jobs.c.owner == "").values(owner=key.id)).rowcount


def hashed(text: str) -> str:
    """What is kept of a key: it holds 256 random bits, which no dictionary has, so that a plain hash is enough."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def find_key(database: Database, text: str) -> ApiKey | None:
    """The key of that text, unless it was revoked."""
    query = sa.select(keys).where(keys.c.hash == hashed(text), keys.c.revoked.is_(None))
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    return _key(row) if row else None


def all_keys(database: Database) -> list[ApiKey]:
    """Every key that was ever made, the oldest first."""
    with database.read() as connection:
        return [_key(row) for row in connection.execute(sa.select(keys).order_by(keys.c.created))]


def revoke_key(database: Database, id_: str) -> ApiKey:
    """Make a key useless; raises `InputError` if there is none of that name."""
    update = keys.update().where(keys.c.id == id_).values(revoked=time.time()).returning(keys)
    with database.write() as connection:
        row = connection.execute(update).one_or_none()
    if row is None:
        raise InputError(f"no key {id_!r}", "praxino keys list shows them")
    return _key(row)


def _key(row: Any) -> ApiKey:
    return ApiKey(id=row.id, name=row.name, limits=Quota(**row.limits), created=row.created, revoked=row.revoked)


def charge(database: Database, connection: sa.Connection, owner: str, limits: Quota, count: int = 1) -> None:
    """Count more jobs of an owner; raises `LimitError` where they are too many.

    The counters are rows of their own: deleting jobs gives nothing back. Counting locks them, so that two servers
    cannot both give away the last place.
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
            connection.execute(usage.delete().where(usage.c.period == period, usage.c.since < since - period))
    _check(connection, owner, limits, now, counts, count)


def check(database: Database, connection: sa.Connection, owner: str, limits: Quota) -> None:
    """Raise `LimitError` if one more job is too many for an owner."""
    now, counts = _now(database, connection), {}
    for period in (MINUTE, DAY):
        where = (usage.c.owner == owner, usage.c.period == period, usage.c.since == now // period * period)
        counts[period] = 1 + (connection.scalar(sa.select(usage.c.count).where(*where)) or 0)
    _check(connection, owner, limits, now, counts, 1)


def _now(database: Database, connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(database.now())) or 0)


def _check(connection: sa.Connection, owner: str, limits: Quota, now: int, counts: Mapping[int, int], new: int) -> None:
    """The same of ``new`` jobs that are not kept yet, but among the counts of each period."""
    for period, most, name in ((MINUTE, limits.per_minute, "minute"), (DAY, limits.per_day, "day")):
        if most and counts[period] > most:
            raise LimitError(f"no more than {most} a {name} are allowed", "wait", period - now % period)
    if limits.at_a_time:
        open_ = jobs.c.status.in_(["queued", "in_progress"])
        query = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.owner == owner, open_)
        if int(connection.scalar(query) or 0) + new > limits.at_a_time:
            raise LimitError(f"no more than {limits.at_a_time} at a time are allowed", "wait until one has ended", 5)
