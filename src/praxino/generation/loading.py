"""From a model's name to a `Pipeline`: its folder, its device, its type."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from praxino.errors import CheckpointError, InputError, UnknownNameError
from praxino.generation.pipeline import Pipeline
from praxino.storage.weights import bundle
from praxino.storage.weights.bundle import BUNDLED
from praxino.storage.weights.checkpoint import CONFIG
from praxino.storage.weights.lazy import in_memory

if TYPE_CHECKING:
    from praxino.storage.wan.single_files import PartFiles


def load(
    name: str | Path = "diorama",
    device: str = "auto",
    dtype: str = "auto",
    compiled: bool = False,
    files: "PartFiles | None" = None,
) -> "Pipeline":
    """Load a model: the name of a bundled one, the path of a folder, or that of a transformer's
    file.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "mps", or "auto": the fastest there is.
    dtype : str
        "float32", "bfloat16", or "auto": bfloat16 where it is faster. "int8" and "fp8" are bfloat16
        with the weights of the denoiser and the text encoder in eight bits
        (`storage.weights.quantize`).
    compiled : bool
        Compile the denoiser: its first step takes longer, the others less
        (`compilation.compile_blocks`).
    files : PartFiles, optional
        Of the other parts of a model whose transformer is a file; where they are not given, they
        are looked for in the folders beside it.

    Raises
    ------
    CheckpointError
        If there is no such model, or it is damaged.
    InputError
        For an unknown device or dtype, or one this machine lacks.
    """
    folder = find_model(name)
    target = choose_device(device)
    if folder.is_file():
        from praxino.storage.wan import single_files

        model = single_files.read_files(folder, str(name), files or single_files.PartFiles())
        return Pipeline(model, target, dtype, keep=False, compiled=compiled)
    if files is not None:
        raise InputError(
            f"{name} is no file of a transformer: its parts lie in it", "leave the others out"
        )
    if not (folder / "dit").is_dir():
        from praxino.storage.wan import family

        if family.layout_of(folder):
            return Pipeline(
                family.read(folder, str(name)), target, dtype, keep=False, compiled=compiled
            )
    return Pipeline(in_memory(bundle.read(folder)), target, dtype, compiled=compiled)


def find_model(name: str | Path) -> Path:
    """The folder or file of a model by name, path, or the name of a repository, which is downloaded
    if it is not there yet.
    """
    if str(name) and str(name) == Path(name).name and (BUNDLED / name).is_dir():
        return BUNDLED / name  # even where a folder here has the same name: that one is ./NAME
    if str(name) and Path(name).is_dir():
        return _unpacked(Path(name))
    if str(name) and Path(name).is_file():
        return Path(name)
    if "/" in str(name):
        from praxino.storage.weights import hub

        if hub.is_id(str(name)):
            return hub.fetch(str(name))
    raise CheckpointError(
        f"no model {str(name)!r}",
        f"a folder, OWNER/NAME, or one of the bundled models: {', '.join(bundle.bundled())}",
    )


def choose_device(name: str) -> torch.device:
    """The device of a name, or the fastest for "auto".

    Raises
    ------
    InputError
        If there is no such device, here or anywhere.
    """
    have = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device("cuda" if have["cuda"] else "mps" if have["mps"] else "cpu")
    if name not in have:
        raise UnknownNameError("device", name, [*have, "auto"])
    if not have[name]:
        raise InputError(
            f"device {name!r} is not there", "praxino doctor says what this machine has"
        )
    return torch.device(name)


def _unpacked(folder: Path) -> Path:
    """The folder itself, or where it is a model in few files, what these hold."""
    if (folder / CONFIG).exists():
        return folder
    from praxino.storage.weights import compact

    return compact.unpacked(folder) if compact.is_compact(folder) else folder
