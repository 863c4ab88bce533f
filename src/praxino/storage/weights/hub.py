"""Models from a hub, into its own cache: sizes and licence are said before anything is
downloaded.
"""

import re
import shutil
from pathlib import Path
from typing import Any, Final

from praxino.errors import CheckpointError, InputError
from praxino.log import logger

NEEDED: Final = ("*.json", "*.safetensors", "*.pth", "*.model", "README.md")
"""What a model is made of; repositories hold films and pictures, too."""
GIB: Final = 2**30


def is_id(name: str) -> bool:
    """Whether a name can be that of a repository: OWNER/NAME."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name) is not None


def fetch(name: str) -> Path:
    """The folder of a repository in the hub's cache; downloads what is not there yet.

    An interrupted download goes on where it stopped. Without a network, or with
    ``HF_HUB_OFFLINE=1``, what was downloaded before is used.

    Raises
    ------
    CheckpointError
        If there is no such repository, no access, no network, or not enough disk.
    """
    huggingface_hub = _library()
    errors = huggingface_hub.errors
    try:
        plan = _planned(huggingface_hub, name)
        _announce(huggingface_hub, name, [file for file in plan if file.will_download])
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(NEEDED)))
    except errors.GatedRepoError:
        raise CheckpointError(
            f"{name} is given only to those who ask", "ask on its page, then: hf auth login"
        ) from None
    except errors.RepositoryNotFoundError:
        raise CheckpointError(
            f"no repository {name!r}", "is the name right? a private one needs: hf auth login"
        ) from None
    except CheckpointError:
        raise
    except Exception as error:  # whatever its transport makes of a network that fails
        return _cached(huggingface_hub, name, error)


def described(name: str) -> list[tuple[str, str]]:
    """What a repository is, and what of it is still to be downloaded; errors as in `fetch`."""
    library = _library()
    try:
        plan = _planned(library, name)
        licence = _licence(library, name)
    except Exception as error:  # whatever its transport makes of a network that fails
        raise CheckpointError(
            f"{name} cannot be looked up ({_problem(library, error)})", "a network, or a folder"
        ) from None
    whole, left = (
        sum(f.file_size for f in files) for files in (plan, [f for f in plan if f.will_download])
    )
    return [
        ("licence", licence),
        ("size", f"{_size_text(whole)}, of which {_size_text(left)} are still to be downloaded"),
    ]


def _library() -> Any:
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors  # by name: not every version loads them by itself
        import huggingface_hub.utils
    except ImportError:
        raise InputError(
            "models from a hub need the library huggingface_hub", 'pip install "praxino[hf]"'
        ) from None
    return huggingface_hub


def _planned(library: Any, name: str) -> list[Any]:
    """The files of a repository, each with its size and whether it is there."""
    library.utils.disable_progress_bars("huggingface_hub.snapshot_download")
    try:
        return library.snapshot_download(name, allow_patterns=list(NEEDED), dry_run=True)
    finally:
        library.utils.enable_progress_bars("huggingface_hub.snapshot_download")


def _announce(library: Any, name: str, files: list[Any]) -> None:
    """Say what will be downloaded, and refuse what the disk cannot hold."""
    size = sum(file.file_size for file in files)
    if not size:
        return
    cache = Path(library.constants.HF_HUB_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    licence = _licence(library, name)
    free = shutil.disk_usage(cache).free
    if size > 0.98 * free:
        raise CheckpointError(
            f"{name} takes {_size_text(size)}, and {cache} has {_size_text(free)} free",
            "free some space, or set HF_HOME to another disk",
        )
    logger.warning(
        "%s: downloading %s, licence %s, to %s; it can be interrupted",
        name,
        _size_text(size),
        licence,
        cache,
    )


def _licence(library: Any, name: str) -> str:
    card = library.HfApi().model_info(name).card_data
    return (card.get("license") if card else None) or "unknown"


def _size_text(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"


def _cached(library: Any, name: str, error: Exception) -> Path:
    """What an earlier download left, if it is whole."""
    try:
        return Path(
            library.snapshot_download(name, allow_patterns=list(NEEDED), local_files_only=True)
        )
    except Exception:  # not there, or not whole
        raise CheckpointError(
            f"{name} is neither a folder nor in the cache, and cannot be downloaded "
            f"({_problem(library, error)})",
            "a network, or --model FOLDER",
        ) from None


def _problem(library: Any, error: Exception) -> str:
    """What keeps a repository away, in one line."""
    if library.constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
