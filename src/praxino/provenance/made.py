"""The messages of this installation's own marks, one for each model and month: few enough to be recognised by.

A message that is too worn to be read still resembles itself more than any other.
"""

import logging
from typing import Final

from praxino.provenance import keys

logger = logging.getLogger("praxino.provenance")

FILE: Final = "messages"
MOST: Final = 10_000
"""Lines of it that are believed."""


def remember(message: int) -> None:
    """Add a message, unless it is known; where nothing can be kept, nothing is."""
    if message in remembered():
        return
    folder = keys.folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / FILE).open("a", encoding="ascii") as file:
            file.write(f"{message:012x}\n")
    except OSError as error:
        logger.debug("%s: %s", folder / FILE, error.strerror)


def remembered() -> tuple[int, ...]:
    """All messages, each once; lines that hold none are left out."""
    try:
        lines = (keys.folder() / FILE).read_text(encoding="ascii", errors="replace").splitlines()[:MOST]
    except OSError:
        return ()
    hexadecimal = set("0123456789abcdef")
    return tuple(dict.fromkeys(int(line, 16) for line in lines if len(line) == 12 and hexadecimal.issuperset(line)))
