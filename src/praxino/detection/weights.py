"""The detector's own network and fusion on disk."""

from pathlib import Path
from typing import Final

from praxino.models.forensic import Forensic, ForensicConfig
from praxino.storage.weights.bundle import BUNDLED, read_part

DETECTOR: Final = BUNDLED / "detector"
"""The folder of the bundled ones."""


def read_forensic(folder: Path = DETECTOR) -> Forensic:
    """The network that tells camera detail from decoded detail; raises `CheckpointError` for a
    damaged one.
    """
    return read_part(folder / "forensic", Forensic, ForensicConfig)
