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
