"""The detector's own network and fusion on disk."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from praxino.models.forensic import Forensic

DETECTOR: Final = Path(__file__).parents[1] / "bundled" / "detector"
"""The folder of the bundled ones."""


def read_forensic(folder: Path = DETECTOR) -> "Forensic":
    """The network that tells camera detail from decoded detail; raises `CheckpointError` for a
    damaged one.
    """
    from praxino.models.forensic import Forensic, ForensicConfig
    from praxino.storage.weights.bundle import read_part

    return read_part(folder / "forensic", Forensic, ForensicConfig)
