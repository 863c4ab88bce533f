"""Films and pictures out of noise from a sentence."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from praxino.detection.detector import detect as detect
    from praxino.detection.report import Report as Report
    from praxino.errors import CheckpointError as CheckpointError
    from praxino.errors import GenerationError as GenerationError
    from praxino.errors import InputError as InputError
    from praxino.errors import MediaError as MediaError
    from praxino.errors import PraxinoError as PraxinoError
    from praxino.generation.loading import load as load
    from praxino.generation.pipeline import Pipeline as Pipeline
    from praxino.generation.progress import Progress as Progress
    from praxino.provenance.policy import Provenance as Provenance
    from praxino.provenance.stamp import stamp as stamp
    from praxino.provenance.verify import verify as verify
    from praxino.storage.media.frames import read_video as read_video
    from praxino.storage.media.video import Video as Video

__version__ = version("praxino")

_HOMES = {
    "load": ("praxino.generation.loading", "load"),
    "Pipeline": ("praxino.generation.pipeline", "Pipeline"),
    "Progress": ("praxino.generation.progress", "Progress"),
    "Video": ("praxino.storage.media.video", "Video"),
    "detect": ("praxino.detection.detector", "detect"),
    "Report": ("praxino.detection.report", "Report"),
    "Provenance": ("praxino.provenance.policy", "Provenance"),
    "verify": ("praxino.provenance.verify", "verify"),
    "stamp": ("praxino.provenance.stamp", "stamp"),
    "read_video": ("praxino.storage.media.frames", "read_video"),
    "PraxinoError": ("praxino.errors", "PraxinoError"),
    "InputError": ("praxino.errors", "InputError"),
    "GenerationError": ("praxino.errors", "GenerationError"),
    "CheckpointError": ("praxino.errors", "CheckpointError"),
    "MediaError": ("praxino.errors", "MediaError"),
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``import praxino`` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'praxino' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
