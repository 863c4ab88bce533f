"""The networks that read the diorama, on disk."""

from pathlib import Path
from typing import Final

from praxino.models.identity import IdentityConfig, IdentityNet
from praxino.models.reader import Reader, ReaderConfig
from praxino.storage.weights.bundle import BUNDLED, read_part

IDENTITY: Final = BUNDLED / "diorama-identity"
"""The folder of the network that tells individuals apart."""
READER: Final = BUNDLED / "diorama-reader"
"""The folder of the bundled one."""


def read_identity(folder: Path = IDENTITY) -> IdentityNet:
    """The network that tells individuals apart; errors as in `read_reader`."""
    return read_part(folder / "identity", IdentityNet, IdentityConfig).eval()


def read_reader(folder: Path = READER) -> Reader:
    """A reader from its folder; raises `CheckpointError` naming what is missing or damaged."""
    return read_part(folder / "reader", Reader, ReaderConfig)
