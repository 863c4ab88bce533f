"""The one logger of the library; handlers belong to the program that uses it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger("praxino")


@contextmanager
def quiet_logging() -> Iterator[None]:
    """No warnings of libraries while the block lasts: torchao tells of every GPU kernel that cannot
    be loaded here.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def printable(text: str) -> str:
    """A text without what would move a terminal's cursor, fake another line or is no text."""
    return "".join(c if c.isprintable() else "?" for c in text)
