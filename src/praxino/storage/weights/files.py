"""Tensors in files of any published kind, read when they are asked for: safetensors, whole or in
shards, ``.pth`` and GGUF.

Nothing is unpickled but tensors. What is read is a view of the file where that can be, so that a
network that keeps its stored type costs no memory until it runs, and then only what the system can
take back.
"""

import json
import pickle
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from praxino.errors import CheckpointError
from praxino.storage.weights.checkpoint import Shapes
from praxino.storage.weights.containers import PICKLED, require_no_container

DTYPES: Final = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
FLOAT8: Final = (torch.float8_e4m3fn, torch.float8_e5m2)
"""Types that are widened when they are read: nothing multiplies them as they are."""
GGUF_MAGIC: Final = b"GGUF"
SCALES: Final = (".scale_weight", ".weight_scale")
"""How the name of a weight's scale ends, in place of ".weight": what its numbers are multiplied by.
"""
BESIDE: Final = (
    *SCALES,
    ".scale_input",
    ".input_scale",
    ".comfy_quant",
    "scaled_fp8",
    "spiece_model",
)
"""How names of tensors end that are no weights: scales, marks of a format, a tokenizer."""
PICKLES: Final = (".pth", ".pt", ".bin", ".ckpt")
HINT_COPY_AGAIN: Final = "copy or download it again"


@dataclass(frozen=True)
class Entry:
    """What is known of a tensor before it is read."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    file: Path
    packed_bytes: int | None = None
    """What it takes in a file with numbers in blocks."""

    @property
    def numbers(self) -> int:
        return int(torch.Size(self.shape).numel())

    @property
    def bytes(self) -> int:
        """What it takes in the file."""
        return (
            self.numbers * self.dtype.itemsize if self.packed_bytes is None else self.packed_bytes
        )


class LazyTensors(Mapping[str, Tensor]):
    """Named tensors, each of which is read when it is asked for, by a function of its own."""

    def __init__(self, loaders: Mapping[str, Callable[[], Tensor]]) -> None:
        self._loaders = loaders

    def __getitem__(self, name: str) -> Tensor:
        return self._loaders[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaders)

    def __len__(self) -> int:
        return len(self._loaders)

    def __contains__(self, name: object) -> bool:
        return name in self._loaders  # the inherited one would read it


class Weights(Mapping[str, Tensor]):
    """Named tensors of one network. Make one with `open_weights`.

    Numbers of eight bits are widened when they are read, and multiplied by their scale where the
    file has one; what stands beside weights is not listed.
    """

    def __init__(
        self,
        source: Path,
        files: dict[Path, Any],
        stored: dict[str, Entry],
        rename: Callable[[str], str] = str,
    ) -> None:
        self.source = source
        self.files = files
        self._all = stored
        self._in_file = {rename(name): name for name in stored}
        named = {name: stored[in_file] for name, in_file in self._in_file.items()}
        self.entries = {name: e for name, e in named.items() if not name.endswith(BESIDE)}
        self._scales = {
            name.removesuffix(ending) + ".weight": name
            for name in named
            for ending in SCALES
            if name.endswith(ending)
        }
        for weight, scale in self._scales.items():
            if weight in self.entries:
                _require_scale(weight, self.entries[weight], named[scale])

    def renamed(self, rename: Callable[[str], str]) -> "Weights":
        """Weights with the same tensors under other names, made from those in the file."""
        return Weights(self.source, self.files, self._all, rename)

    def __getitem__(self, name: str) -> Tensor:
        tensor = self._stored(name)
        if tensor.dtype not in FLOAT8:
            return tensor
        if name not in self._scales:
            return tensor.to(torch.bfloat16)  # exact: it has every number of eight bits
        scale = self._stored(self._scales[name]).float()
        if scale.dim() == 1 and scale.numel() > 1:  # one a row
            scale = scale.reshape(-1, *[1] * (tensor.dim() - 1))
        return tensor.float() * scale

    def _stored(self, name: str) -> Tensor:
        in_file = self._in_file[name]
        file = self.files[self._all[in_file].file]
        return file[in_file] if isinstance(file, dict) else file.get_tensor(in_file)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries  # the inherited one would read it

    @property
    def numbers(self) -> int:
        """Parameters."""
        return sum(entry.numbers for entry in self.entries.values())

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self.entries.values())

    @property
    def metadata(self) -> dict[str, str]:
        """What safetensors say of themselves."""
        return {
            k: v
            for f in self.files.values()
            if not isinstance(f, dict)
            for k, v in (f.metadata() or {}).items()
        }

    @property
    def dtype(self) -> torch.dtype:
        """The type that most of the numbers have once they are read."""
        counts: dict[torch.dtype, int] = {}
        for entry in self.entries.values():
            counts[entry.dtype] = counts.get(entry.dtype, 0) + entry.numbers
        most = max(counts, key=lambda dtype: counts[dtype])
        packed = any(entry.packed_bytes is not None for entry in self.entries.values())
        return torch.bfloat16 if packed or most in FLOAT8 else most

    @property
    def shapes(self) -> Shapes:
        """The shape of every tensor, none of which is read."""
        return {name: entry.shape for name, entry in self.entries.items()}


def _require_scale(name: str, weight: Entry, scale: Entry) -> None:
    """Raise `CheckpointError` for numbers that are scaled in another way than is read here."""
    if weight.dtype not in FLOAT8:
        raise CheckpointError(
            f"{weight.file}: {name} is of scaled {str(weight.dtype).removeprefix('torch.')}: of "
            f"quantised weights only float8 are read",
            "float8, bfloat16 or float16",
        )
    rows, columns = (weight.shape or (1,))[0], (weight.shape or (1,))[-1]
    if scale.numbers > 1 and scale.shape not in ((rows,), (rows, 1), (1, columns)):
        raise CheckpointError(
            f"{weight.file}: the scale of {name} is of shape {scale.shape}: it must be one number, "
            f"or one a row",
            "float8 with one scale, bfloat16 or float16",
        )


def open_weights(path: Path) -> Weights:
    """The weights in a file, or of the one network in a folder.

    Raises
    ------
    CheckpointError
        If they are missing, cut short, of several networks, of mixed shards, or hold more than
        tensors.
    """
    if path.is_file():
        return _joined(path, [path])
    if not path.is_dir():
        raise CheckpointError(
            f"{path} is not there", "a file of weights, or a folder that holds them"
        )
    indices = sorted(path.glob("*.safetensors.index.json"))
    if len(indices) == 1:
        return _indexed(indices[0])
    files = sorted(path.glob("*.safetensors"))
    if len(files) != 1 or indices:
        shards = [file for file in files if re.search(r"-\d+-of-\d+\.safetensors$", file.name)]
        if files and shards == files and not indices:
            raise CheckpointError(
                f"{path} holds {len(files)} shards without their index", HINT_COPY_AGAIN
            )
        names = ", ".join(file.name for file in (*indices, *files)) or "none"
        raise CheckpointError(
            f"{path} must hold the weights of one network, found {names}", "name the file"
        )
    return _joined(path, files)


def _indexed(index: Path) -> Weights:
    try:
        places = json.loads(index.read_text())["weight_map"]
        shards = sorted({index.parent / str(name) for name in places.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is damaged ({error})", HINT_COPY_AGAIN) from None
    if missing := [shard.name for shard in shards if not shard.is_file()]:
        raise CheckpointError(
            f"{index.parent} lacks {len(missing)} of {len(shards)} shards: "
            f"{', '.join(missing[:10])}",
            HINT_COPY_AGAIN,
        )
    weights = _joined(index.parent, shards)
    wrong = [
        f"{name} is not in {place}" for name, place in places.items() if name not in weights.entries
    ]
    wrong += [
        f"{name} is in {entry.file.name}, not in the index"
        for name, entry in weights.entries.items()
        if places.get(name) != entry.file.name
    ]
    if wrong:
        raise CheckpointError(
            f"{index.parent} mixes shards of different networks: {'; '.join(sorted(wrong)[:10])} "
            f"({len(wrong)} in all)",
            "take all shards from the same place",
        )
    return weights


def _joined(source: Path, paths: list[Path]) -> Weights:
    files: dict[Path, Any] = {}
    entries: dict[str, Entry] = {}
    for path in paths:
        if is_gguf(path):
            files[path], tensors = _gguf(path)
        else:
            files[path], tensors = _pickled(path) if path.suffix in PICKLES else _safe(path)
        if twice := sorted(tensors.keys() & entries.keys()):
            raise CheckpointError(
                f"{source}: {twice[0]} is in two shards", "take all shards from the same place"
            )
        entries |= tensors
    if not entries:
        raise CheckpointError(f"{source} holds no tensors", HINT_COPY_AGAIN)
    return Weights(source, files, entries)


def _gguf(path: Path) -> tuple[Any, dict[str, Entry]]:
    from praxino.storage.weights.gguf_files import GGUFFile

    file = GGUFFile(path)
    return file, {
        name: Entry(tensor.shape, tensor.dtype, path, tensor.size)
        for name, tensor in file.tensors.items()
    }


def _safe(path: Path) -> tuple[Any, dict[str, Entry]]:
    try:
        file = safe_open(path, framework="pt")
        entries = {}
        for name in file.keys():  # noqa: SIM118  (it is no mapping)
            part = file.get_slice(name)
            entries[name] = Entry(tuple(part.get_shape()), DTYPES[part.get_dtype()], path)
    except KeyError as error:
        raise CheckpointError(
            f"{path} has numbers of a type that is not known here: {error}"
        ) from None
    except (OSError, SafetensorError) as error:
        require_no_container(path)
        size = path.stat().st_size if path.exists() else 0
        raise CheckpointError(
            f"{path} is damaged ({error}, {size} bytes)", HINT_COPY_AGAIN
        ) from None
    return file, entries


def _pickled(path: Path) -> tuple[dict[str, Tensor], dict[str, Entry]]:
    try:
        with warnings.catch_warnings():
            # of old pickles; what they hold is checked all the same
            warnings.simplefilter("ignore")
            try:
                tensors = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
            except RuntimeError as error:
                if "mmap can only be used" not in str(error):
                    raise
                # from before torch 1.6
                tensors = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        require_no_container(path, PICKLED)
        raise CheckpointError(
            f"{path} holds more than tensors: it could run code, and is not opened",
            "convert it to safetensors",
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        require_no_container(path, PICKLED)
        raise CheckpointError(
            f"{path} is damaged ({str(error).splitlines()[0]})", HINT_COPY_AGAIN
        ) from None
    except Exception as error:  # whatever the unpickler makes of what is no pickle
        require_no_container(path, PICKLED)
        raise CheckpointError(
            f"{path} is no file of weights ({type(error).__name__})", HINT_COPY_AGAIN
        ) from None
    if isinstance(tensors, dict) and isinstance(tensors.get("state_dict"), dict):
        tensors = tensors["state_dict"]  # as trainers write them, beside what they go on from
    if not isinstance(tensors, dict) or not all(
        isinstance(tensor, Tensor) for tensor in tensors.values()
    ):
        raise CheckpointError(
            f"{path} is not a flat list of named tensors", "convert it to safetensors"
        )
    return tensors, {name: Entry(tuple(t.shape), t.dtype, path) for name, t in tensors.items()}


def is_gguf(path: Path) -> bool:
    """Whether a file begins as GGUF does, whatever it is called; False if it cannot be opened."""
    try:
        with path.open("rb") as file:
            return file.read(len(GGUF_MAGIC)) == GGUF_MAGIC
    except OSError:
        return False
