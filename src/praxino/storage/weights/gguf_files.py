"""Tensors in GGUF files: in blocks of a few bits, widened when they are read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The library ``gguf`` widens
the blocks; the header is read here, since what it says of language models, a dictionary of 256,000
words, is of no use for films and would take half a minute.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import torch
from torch import Tensor

from praxino.errors import CheckpointError, InputError
from praxino.storage.weights.files import GGUF_MAGIC

VERSIONS: Final = (2, 3)
STRING, ARRAY = 8, 9
VALUE_BYTES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Sizes of values by their number in the format, but for strings and arrays."""
MAX_TENSORS: Final = 2**17
MAX_VALUES: Final = 2**12
MAX_NAME_BYTES: Final = 2**12
MAX_AXES: Final = 8
DEFAULT_ALIGNMENT: Final = 32
ALIGNMENT_KEY: Final = b"general.alignment"
WHOLE: Final = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F64": torch.float64,
}
"""Numbers that are not in blocks."""


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies: its shape, the library's kind of its blocks, its bytes in the file."""

    shape: tuple[int, ...]
    kind: Any
    start: int
    size: int

    @property
    def dtype(self) -> torch.dtype:
        """The type that it has once it is read: blocks become float32."""
        return WHOLE.get(self.kind.name, torch.float32)


class GGUFFile:
    """An open GGUF file.

    Raises
    ------
    CheckpointError
        If it is damaged, or has blocks of a kind that the library ``gguf`` cannot widen.
    InputError
        If that library is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from gguf import quants
            from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
        except ImportError:
            raise InputError(
                f"{path} is a GGUF file: the library gguf reads it", 'pip install "praxino[gguf]"'
            ) from None
        self._quants = quants
        self._kinds, self._sizes = GGMLQuantizationType, GGML_QUANT_SIZES
        size = path.stat().st_size
        try:
            with path.open("rb") as file:
                self.tensors = self._table(file)
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, struct.error, KeyError, OverflowError) as error:
            raise CheckpointError(
                f"{path} is damaged ({error}, {size} bytes)", "copy or download it again"
            ) from None
        if any(tensor.start + tensor.size > size for tensor in self.tensors.values()):
            raise CheckpointError(
                f"{path} is damaged (cut short, {size} bytes)", "copy or download it again"
            )
        self._require_readable(path)

    def _table(self, file: BinaryIO) -> dict[str, StoredTensor]:
        """The tensors, from the header."""
        file.seek(len(GGUF_MAGIC))
        (version,) = _numbers(file, "<I")
        if version not in VERSIONS:
            raise ValueError(f"version {version}")
        count, values = _numbers(file, "<QQ")
        if count > MAX_TENSORS or values > MAX_VALUES:
            raise ValueError(f"{count} tensors, {values} values")
        alignment = DEFAULT_ALIGNMENT
        for _ in range(values):
            key = _string(file)
            (kind,) = _numbers(file, "<I")
            if key == ALIGNMENT_KEY and VALUE_BYTES.get(kind) == 4:
                (alignment,) = _numbers(file, "<I")
            else:
                _skip(file, kind)
        if not alignment:
            raise ValueError("alignment 0")
        rows = [self._row(file) for _ in range(count)]
        begin = -(-file.tell() // alignment) * alignment
        return {
            name: StoredTensor(shape, kind, begin + offset, self._bytes(shape, kind))
            for name, shape, kind, offset in rows
        }

    def _row(self, file: BinaryIO) -> tuple[str, tuple[int, ...], Any, int]:
        name = _string(file).decode("utf-8", "replace")
        (axes,) = _numbers(file, "<I")
        if axes > MAX_AXES:
            raise ValueError(f"{axes} axes")
        shape = _numbers(file, f"<{axes}Q")[::-1]  # the format counts from the last axis
        kind, offset = _numbers(file, "<IQ")
        return name, shape, self._kinds(kind), offset

    def _bytes(self, shape: tuple[int, ...], kind: Any) -> int:
        block, size = self._sizes[kind]
        numbers = int(np.prod([1, *shape], dtype=object))
        if numbers % block or (shape and shape[-1] % block):
            raise ValueError(f"{shape} in blocks of {block}")
        return numbers // block * size

    def _require_readable(self, path: Path) -> None:
        """Raise `CheckpointError` for a kind of block that cannot be widened, by trying one of
        each.
        """
        for kind in {tensor.kind for tensor in self.tensors.values()}:
            if kind.name in WHOLE:
                continue
            block = np.zeros((1, self._sizes[kind][1]), np.uint8)
            try:
                self._quants.dequantize(block, kind)
            except NotImplementedError:
                raise CheckpointError(
                    f"{path} has blocks of {kind.name}, which are not read here",
                    "Q8_0, Q6_K, Q5_K or Q4_K",
                ) from None

    def get_tensor(self, name: str) -> Tensor:
        """A tensor in its own type, or in float32 where the file has blocks."""
        stored = self.tensors[name]
        data = np.frombuffer(self._data, np.uint8, stored.size, stored.start)
        if stored.kind.name in WHOLE:
            return torch.from_numpy(data.copy()).view(stored.dtype).reshape(stored.shape)
        rows = data.reshape(int(np.prod(stored.shape[:-1])), -1)
        numbers = self._quants.dequantize(rows, stored.kind)
        return torch.from_numpy(np.asarray(numbers, np.float32)).reshape(stored.shape)

    def metadata(self) -> dict[str, str]:
        """Nothing: what stands in the header is about language models."""
        return {}


def _numbers(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _string(file: BinaryIO) -> bytes:
    (length,) = _numbers(file, "<Q")
    if length > MAX_NAME_BYTES:
        raise ValueError(f"a name of {length} bytes")
    data = file.read(length)
    if len(data) < length:
        raise ValueError("cut short")
    return data


def _skip(file: BinaryIO, kind: int) -> None:
    """Pass over a value; an array of strings says its size only piece by piece."""
    if kind == STRING:
        (length,) = _numbers(file, "<Q")
        file.seek(length, 1)
    elif kind == ARRAY:
        of, count = _numbers(file, "<IQ")
        if of in VALUE_BYTES:
            file.seek(VALUE_BYTES[of] * count, 1)
            return
        if of != STRING:
            raise ValueError("an array of arrays")
        for _ in range(count):  # each reads eight bytes: a false count ends with the file
            (length,) = _numbers(file, "<Q")
            file.seek(length, 1)
    else:
        file.seek(VALUE_BYTES[kind], 1)
