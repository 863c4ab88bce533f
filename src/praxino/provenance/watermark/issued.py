"""The messages of this installation's own marks, one for each model and month: few enough to be
recognised by.

A message that is too worn to be read still resembles itself more than others. How likely that is by
chance is known: what a message says of its maker are 22 bits of a secret key, so any of the 2^22
makers might as well have been us.
"""

import functools
import logging
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from praxino.provenance import keys
from praxino.provenance.watermark.channel_code import encoded
from praxino.provenance.watermark.payload import WIDTHS

logger = logging.getLogger("praxino.provenance")

FILE: Final = "messages"
MAX_ISSUED_LINES: Final = 10_000
"""Lines of it that are believed."""
LIKE: Final = 1e-4
"""Probability up to which a worn message counts as one of our own."""


def record_issued(message: int) -> None:
    """Add a message, unless it is known; where nothing can be kept, nothing is."""
    if message in issued_messages():
        return
    folder = keys.folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / FILE).open("a", encoding="ascii") as file:
            file.write(f"{message:012x}\n")
    except OSError as error:
        logger.debug("%s: %s", folder / FILE, error.strerror)


def issued_messages() -> tuple[int, ...]:
    """All messages, each once; lines that hold none are left out."""
    try:
        lines = (
            (keys.folder() / FILE)
            .read_text(encoding="ascii", errors="replace")
            .splitlines()[:MAX_ISSUED_LINES]
        )
    except OSError:
        return ()
    hexadecimal = set("0123456789abcdef")
    return tuple(
        dict.fromkeys(
            int(line, 16) for line in lines if len(line) == 12 and hexadecimal.issuperset(line)
        )
    )


def match_issued(soft: NDArray[np.float64], messages: Sequence[int]) -> int | None:
    """The message that a received code word (CODED,) resembles most, if chance would hardly have it
    so.

    By chance: so many of all makers of the same model and month resemble it as much, times the
    number of messages.
    """
    signs = [1.0 - 2.0 * encoded(message) for message in messages]
    best = max(range(len(messages)), key=lambda index: float(soft @ signs[index]), default=None)
    if best is None:
        return None
    upper, lower = (_others(first, WIDTHS["maker"] // 2) for first in (WIDTHS["maker"] // 2, 0))
    likeness = (upper * np.float32(soft * signs[best])) @ lower.T  # ours is the first one
    as_much = int((likeness >= likeness[0, 0] * (1 - 1e-6)).sum())
    return messages[best] if as_much / likeness.size * len(messages) <= LIKE else None


@functools.cache
def _others(first: int, count: int) -> NDArray[np.float32]:
    """(2^count, CODED): -1 where another maker, whose bits from ``first`` on differ, has another
    bit, otherwise 1.
    """
    changes = np.stack([encoded(1 << first + bit) ^ encoded(0) for bit in range(count)])
    which = np.arange(2**count)[:, None] >> np.arange(count) & 1
    return np.asarray(1 - 2 * (which @ changes.astype(np.int64) % 2), np.float32)
