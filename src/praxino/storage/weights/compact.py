"""A model in few files of a limited size, to be carried where folders and large files cannot go.

``weights-00001-of-00002.safetensors`` and so on hold the tensors of all parts under ``part/name``,
the first one the configs, too. Whoever names such a folder as a model gets it unpacked, once, into
this user's cache.
"""

import json
import re
from pathlib import Path
from typing import Final

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from praxino.errors import CheckpointError
from praxino.models.dit import FLOAT32
from praxino.storage import files
from praxino.storage.weights import checkpoint

MAX_FILE_BYTES: Final = 15 * 2**20
KEPT: Final = (*FLOAT32, "mean", "basis", "scale")
"""Parts of names whose tensors stay as they are: what a denoiser keeps in float32, coordinates of
layouts.
"""
PATTERN: Final = "weights-*-of-*.safetensors"


def is_compact(folder: Path) -> bool:
    """Whether a folder holds a model in this form."""
    return folder.is_dir() and any(folder.glob(PATTERN))


def write_compact(
    folder: Path, model: Path, dtype: torch.dtype = torch.bfloat16, max_bytes: int = MAX_FILE_BYTES
) -> None:
    """Write the model in ``model`` as few files into ``folder``, floating-point tensors in
    ``dtype``.

    Raises
    ------
    CheckpointError
        If there is no model, or a file cannot be written.
    """
    parts = sorted(path.parent.name for path in model.glob(f"*/{checkpoint.WEIGHTS}"))
    if not parts or not (model / checkpoint.CONFIG).exists():
        raise CheckpointError(
            f"no model at {model}: {checkpoint.CONFIG} or its parts are missing",
            "is the path right?",
        )
    configs = {"": (model / checkpoint.CONFIG).read_text()}
    files: list[dict[str, Tensor]] = [{}]
    used = 0
    for part in parts:
        configs[part] = (model / part / checkpoint.CONFIG).read_text()
        for name, tensor in checkpoint.read_tensors(model / part).items():
            exact = not tensor.is_floating_point() or any(mark in name for mark in KEPT)
            stored = (tensor if exact else tensor.to(dtype)).contiguous()
            if (
                used + stored.nbytes > max_bytes - 2**18 and files[-1]
            ):  # a quarter of a MiB for lists and configs
                files.append({})
                used = 0
            files[-1][f"{part}/{name}"] = stored
            used += stored.nbytes
    for number, tensors in enumerate(files, 1):
        path = folder / f"weights-{number:05d}-of-{len(files):05d}.safetensors"
        checkpoint.write_tensors(
            path, tensors, {"configs": json.dumps(configs)} if number == 1 else None
        )


def unpack(folder: Path, target: Path) -> None:
    """Write the model of `write` as a folder of parts.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged.
    """
    configs: dict[str, str] = {}
    tensors: dict[str, dict[str, Tensor]] = {}
    paths = sorted(folder.glob(PATTERN))
    match = re.fullmatch(r"weights-\d{5}-of-(\d{5})", paths[0].stem) if paths else None
    count = int(match[1]) if match else 0
    if not count or [path.name for path in paths] != [
        f"weights-{n:05d}-of-{count:05d}.safetensors" for n in range(1, count + 1)
    ]:
        raise CheckpointError(
            f"{folder} holds {len(paths)} of {count} files of weights", "copy all of them"
        )
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                configs |= json.loads((file.metadata() or {}).get("configs", "{}"))
                for name in file.keys():  # noqa: SIM118
                    part, key = name.split("/", 1)
                    tensors.setdefault(part, {})[key] = file.get_tensor(name)
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged ({error})", "copy it again") from None
    if set(configs) != {"", *tensors} or not all(
        re.fullmatch(r"[a-z_]+", part) for part in tensors
    ):
        raise CheckpointError(
            f"{folder}: the configs are of other parts than the weights", checkpoint.HINT_SAME_PLACE
        )
    with files.atomic_folder(target) as fresh:
        files.write_text(fresh / checkpoint.CONFIG, configs[""])
        for part, own in tensors.items():
            files.write_text(fresh / part / checkpoint.CONFIG, configs[part])
            checkpoint.write_tensors(fresh / part / checkpoint.WEIGHTS, own)


def unpacked(folder: Path) -> Path:
    """The folder of parts of a compact model, in this user's cache; made when it is first asked
    for.
    """
    digest = checkpoint.files_digest(folder, folder.glob(PATTERN))
    target = Path(platformdirs.user_cache_dir("praxino")) / "unpacked" / digest
    if not target.is_dir():
        unpack(folder, target)
    return target
