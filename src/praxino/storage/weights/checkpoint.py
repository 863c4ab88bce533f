"""Model folders: ``config.json`` and ``model.safetensors``, appearing whole, read strictly, never
pickled.
"""

import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from praxino.config import Config
from praxino.errors import CheckpointError
from praxino.storage.files import write_text

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
HINT_SAME_PLACE = "take config and weights from the same place"
Shapes = Mapping[str, tuple[int, ...]]

C = TypeVar("C", bound=Config)


def save(
    folder: Path, config: Config, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None
) -> None:
    """Write one model into ``folder`` (made if missing); ``dtype`` converts floating-point
    tensors.
    """
    write_config(folder, config)
    stored = {
        k: (v.to(dtype) if dtype and v.is_floating_point() else v).contiguous()
        for k, v in tensors.items()
    }
    _save_file(folder / WEIGHTS, stored)


def write_config(folder: Path, config: Config) -> None:
    """Write ``config.json`` into ``folder`` (made if missing)."""
    write_text(folder / CONFIG, config.model_dump_json(indent=1) + "\n")


def read_config(folder: Path, kind: type[C]) -> C:
    """The config of the model in ``folder``.

    Raises
    ------
    CheckpointError
        If the folder or its ``config.json`` is missing, damaged, or of another kind.
    """
    path = folder / CONFIG
    try:
        return kind.model_validate_json(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(
            f"no model at {folder}: {CONFIG} is missing", "is the path right?"
        ) from None
    except (ValidationError, ValueError, OSError) as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path} is damaged or not a {kind.__name__} ({first})", "copy it again"
        ) from None


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of the model in ``folder``; raises `CheckpointError` when missing, cut off or
    corrupt.
    """
    if not (folder / WEIGHTS).exists():
        raise CheckpointError(f"no model at {folder}: {WEIGHTS} is missing", "is the path right?")
    return load_tensors(folder / WEIGHTS)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """One file of tensors, which appears whole; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
            _save_file(Path(folder) / path.name, dict(tensors), metadata)
            (Path(folder) / path.name).replace(path)
    except CheckpointError:
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        raise


def _save_file(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    try:
        save_file(tensors, path, metadata)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"cannot write {path}: {error}", "free some space, or write elsewhere"
        ) from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """One file of tensors; raises `CheckpointError` when it is cut off or corrupt."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        size = path.stat().st_size
        raise CheckpointError(
            f"{path} is damaged ({error}, {size} bytes)", "copy or download it again"
        ) from None


def load_strict(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load strictly: every name and shape must agree; the error names the first ten that do not."""
    if wrong := differences(shapes(tensors), shapes(module.state_dict())):
        raise CheckpointError(
            f"{source} does not fit its config: {len(wrong)} tensors, {'; '.join(wrong[:10])}",
            HINT_SAME_PLACE,
        )
    module.load_state_dict(dict(tensors))


def load_weights(module: nn.Module, folder: Path) -> None:
    """Load the weights in ``folder`` strictly; errors as in `read_tensors` and `load_strict`."""
    load_strict(module, read_tensors(folder), str(folder))


def shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    """The shape of every tensor."""
    return {name: tuple(tensors[name].shape) for name in tensors}


def differences(shapes: Shapes, expected: Shapes) -> list[str]:
    """What keeps tensors of these names and shapes from being those that are wanted, in order of
    the words.
    """
    wrong = [f"missing {name}" for name in expected.keys() - shapes.keys()]
    wrong += [f"unknown {name}" for name in shapes.keys() - expected.keys()]
    wrong += [
        f"{name} is {shapes[name]}, not {expected[name]}"
        for name in shapes.keys() & expected.keys()
        if shapes[name] != expected[name]
    ]
    return sorted(wrong)


def content_digest(folder: Path) -> str:
    """Twelve hexadecimal digits that name the model in ``folder``: SHA-256 of weights and configs,
    in name order.
    """
    return files_digest(
        folder, (path for path in folder.rglob("*") if path.name in (WEIGHTS, CONFIG))
    )


def files_digest(folder: Path, paths: Iterable[Path]) -> str:
    """Twelve hexadecimal digits that name files in ``folder``: SHA-256 of names and contents, in
    name order.
    """
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:12]


@contextmanager
def _alone() -> Iterator[None]:
    """Distributed checkpoints by one process: torch warns that it takes it to be alone, which it
    is.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Training state (tensors and numbers, nested) as a distributed checkpoint in ``folder``."""
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_saver import save

    try:
        with _alone():
            save(state, checkpoint_id=os.fspath(folder))
    except (OSError, RuntimeError, CheckpointException) as error:
        if isinstance(error, CheckpointException) and any(
            isinstance(failure[0], KeyboardInterrupt) for failure in error.failures.values()
        ):
            raise KeyboardInterrupt from None
        problem = str(error).splitlines()[-1]
        raise CheckpointError(
            f"cannot write {folder}: {problem}", "free some space, or write elsewhere"
        ) from None


def load_state(folder: Path, state: dict[str, Any]) -> None:
    """Fill ``state`` in place from a folder of `save_state`; the structure must be the same.

    Raises
    ------
    CheckpointError
        If the folder is missing, damaged, or of another structure.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_loader import load

    try:
        with _alone():
            load(state, checkpoint_id=os.fspath(folder))
    except (OSError, RuntimeError, CheckpointException) as error:
        problem = str(error).splitlines()[0]
        raise CheckpointError(
            f"cannot resume from {folder}: {problem}", "delete it to resume from the one before"
        ) from None


def recover_interrupted(folder: Path) -> None:
    """Clean up after a killed process: put back what was about to be replaced, delete what was half
    written.
    """
    for left in (*folder.glob(".final-*"), *folder.glob(".step-*-*")):
        place = folder / left.name.removeprefix(".").removesuffix("-old")
        if left.name.endswith("-old") and not place.exists():
            left.rename(place)  # killed between the two renames of `atomic_folder`
            continue
        shutil.rmtree(left, ignore_errors=True)


def delete_checkpoint(folder: Path) -> None:
    """Delete a checkpoint; first out of sight, so that half of it is never taken for one."""
    hidden = folder.with_name(f".{folder.name}-gone")
    folder.rename(hidden)
    shutil.rmtree(hidden)
