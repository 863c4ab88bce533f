"""What whoever runs a studio does at the command line: keys made, listed and revoked."""

import logging
import time
from collections.abc import Sequence
from typing import get_args

from praxino.errors import InputError, UnknownNameError
from praxino.service import limits as keyring
from praxino.service.jobs import PRIORITIES, PRIORITY_NAMES, Kind
from praxino.service.limits import Limits
from praxino.service.tables import Database

logger = logging.getLogger("praxino.service")


def limits(per_minute: int, per_day: int, at_a_time: int, priority: str) -> Limits:
    """What a new key may ask for, from flags."""
    if priority not in PRIORITIES:
        raise UnknownNameError("priority", priority, PRIORITIES)
    highest = PRIORITIES[priority]
    return Limits(per_minute=per_minute, per_day=per_day, at_a_time=at_a_time, priority=highest)


def keys(jobs: str, new: str | None, may: Limits, revoke: str | None) -> str:
    """Make or revoke a key, or list all; what to print."""
    if new is not None and revoke is not None:
        raise InputError("--new-key and --revoke-key", "one after the other")
    database = Database(jobs)
    if new is not None:
        first = not keyring.all_keys(database)
        key, text = keyring.new_key(database, new, may)
        if first and (count := keyring.adopt(database, key)):
            logger.info("note: %d jobs from before there were keys are this one's now", count)
        return text
    if revoke is not None:
        return f"revoked {keyring.revoke_key(database, revoke).name}"
    rows: list[tuple[str, ...]] = [("id", "made", "revoked", "a minute", "a day", "at a time", "priority", "name")]
    for key in keyring.all_keys(database):
        own = key.limits
        counts = (str(each or "-") for each in (own.per_minute, own.per_day, own.at_a_time))
        rows.append((key.id, _day(key.created), _day(key.revoked), *counts, PRIORITY_NAMES[own.priority], key.name))
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[7]]) for row in rows
    )


def _day(seconds: float | None) -> str:
    return "-" if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))


def checked_kinds(asked: Sequence[str] | None) -> tuple[str, ...]:
    """Kinds of jobs by name; all where none is named."""
    known = get_args(Kind)
    for kind in asked or ():
        if kind not in known:
            raise UnknownNameError("kind of job", kind, known)
    return tuple(asked or known)
