"""The readers of the diorama on disk."""

from pathlib import Path
from typing import Final

from praxino.models.reader import Reader, ReaderConfig
from praxino.storage.weights.bundle import BUNDLED, read_part

READER: Final = BUNDLED / "diorama-reader"
"""The folder of the bundled one."""


def read_reader(folder: Path = READER) -> Reader:
    """A reader from its folder; raises `CheckpointError` naming what is missing or damaged."""
    return read_part(folder / "reader", Reader, ReaderConfig)
