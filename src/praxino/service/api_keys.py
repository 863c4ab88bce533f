"""API keys: random text that its owner keeps, and a hash of it in the database."""

import hashlib
import re
import secrets
import time
from typing import Any, Final

import sqlalchemy as sa

from praxino.config import Config
from praxino.errors import InputError
from praxino.service.queue.quotas import Quota
from praxino.service.queue.schema import Database, jobs, keys

PREFIX: Final = "px-"


class ApiKey(Config):
    """A key without its text, which its owner alone knows; times are seconds since 1970."""

    id: str
    name: str
    quota: Quota
    created: float
    revoked: float | None = None


def add_key(database: Database, name: str, quota: Quota) -> tuple[ApiKey, str]:
    """Make a key; returns it and its text, which is stored nowhere.

    Raises
    ------
    InputError
        If the name is empty, longer than 128 characters, or holds control characters.
    """
    if not re.fullmatch(r"[^\x00-\x1f]{1,128}", name):
        raise InputError(f"key name {name[:40]!r}: must be 1 to 128 characters on a line", "anna")
    text = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(id=f"key_{secrets.token_hex(8)}", name=name, quota=quota, created=time.time())
    values = key.model_dump(exclude={"quota"}) | {
        "limits": quota.model_dump(),
        "hash": hash_key(text),
    }
    with database.write() as connection:
        connection.execute(keys.insert().values(**values))
    return key, text


def claim_unowned(database: Database, key: ApiKey) -> int:
    """Give a key all jobs that were submitted before there were keys; returns their number."""
    with database.write() as connection:
        return connection.execute(
            jobs.update().where(jobs.c.owner == "").values(owner=key.id)
        ).rowcount


def hash_key(text: str) -> str:
    """SHA-256 of a key's text, as hexadecimal digits.

    A key holds 256 random bits, which no dictionary lists: a plain hash is enough.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def find_key(database: Database, text: str) -> ApiKey | None:
    """The key of that text, unless it was revoked."""
    query = sa.select(keys).where(keys.c.hash == hash_key(text), keys.c.revoked.is_(None))
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    return _key(row) if row else None


def all_keys(database: Database) -> list[ApiKey]:
    """Every key that was ever made, revoked ones too, the oldest first."""
    with database.read() as connection:
        return [_key(row) for row in connection.execute(sa.select(keys).order_by(keys.c.created))]


def revoke_key(database: Database, id_: str) -> ApiKey:
    """Make a key useless; raises `InputError` if there is none of that id."""
    update = keys.update().where(keys.c.id == id_).values(revoked=time.time()).returning(keys)
    with database.write() as connection:
        row = connection.execute(update).one_or_none()
    if row is None:
        raise InputError(f"no key {id_!r}", "praxino keys list shows them")
    return _key(row)


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        quota=Quota(**row.limits),
        created=row.created,
        revoked=row.revoked,
    )
