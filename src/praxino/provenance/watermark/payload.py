"""What the 48 bits of a mark say: how they are laid out, which model, which month, whose
installation.
"""

import datetime
import hashlib
import os
import time
from typing import Final

from praxino.config import Config
from praxino.errors import InputError
from praxino.provenance.keys import InstallationKey

GENERATED, STAMPED = 1, 2
"""Versions: what is known of a file that Praxino made, and what somebody declares of another."""
FIRST: Final = 2026
"""The year whose January is month 0."""
WIDTHS: Final = {"version": 3, "model": 13, "month": 10, "maker": 22}
"""Bits of each part, the first part highest."""
DATE: Final = "SOURCE_DATE_EPOCH"
"""Environment variable that stands for the clock where the same bytes are wanted in another month.
"""


class Payload(Config):
    """The parts of a message.

    Attributes
    ----------
    version : int
        `GENERATED` or `STAMPED`; both have this layout.
    model : int
        Of the model's name and weights, 13 bits of a hash; of a stamped file, of the name that was
        declared.
    month : int
        Since January 2026, by the clock of the machine that made it.
    maker : int
        22 bits that its maker can recognise (`maker`) and nobody else can connect with another
        model or month.
    """

    version: int
    model: int
    month: int
    maker: int

    @property
    def message(self) -> int:
        """The payload as 48 bits."""
        value = 0
        for name, width in WIDTHS.items():
            value = value << width | getattr(self, name)
        return value

    @property
    def date(self) -> str:
        """Year and month, as 2026-11."""
        return f"{FIRST + self.month // 12}-{self.month % 12 + 1:02d}"


def payload(name: str, digest: str, key: InstallationKey, version: int = GENERATED) -> Payload:
    """The payload for a video generated (or stamped) now, with this model, by the installation that
    owns ``key``.
    """
    model, month = of_model(name, digest), _month()
    signature = maker(key, model, month, version)
    return Payload(version=version, model=model, month=month, maker=signature)


def maker(key: InstallationKey, model: int, month: int, version: int) -> int:
    """How the installation of a key signs a mark of this version with this model and month."""
    return _bits(key.derived(f"maker {version} {model} {month}"), "maker")


def read(message: int) -> Payload | None:
    """The parts of 48 bits; None for a layout that this version does not know."""
    parts = {}
    for name, width in reversed(WIDTHS.items()):
        parts[name] = message & (1 << width) - 1
        message >>= width
    return Payload(**parts) if parts["version"] in (GENERATED, STAMPED) else None


def of_model(name: str, digest: str) -> int:
    """The ``model`` part of this model's marks."""
    return _bits(hashlib.sha256(f"{name} {digest}".encode()).digest(), "model")


def _bits(digest: bytes, part: str) -> int:
    return int.from_bytes(digest[:8], "big") >> 64 - WIDTHS[part]


def _month() -> int:
    text = os.environ.get(DATE)
    try:
        now = datetime.datetime.fromtimestamp(
            time.time() if text is None else int(text), datetime.UTC
        )
    except (ValueError, OverflowError, OSError):
        raise InputError(f"{DATE}={text!r}: must be seconds since 1970", "date +%s") from None
    return max(0, (now.year - FIRST) * 12 + now.month - 1) % (1 << WIDTHS["month"])
