"""Tensors in GGUF files: in blocks of a few bits, widened when they are read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from praxino.errors import CheckpointError, InputError

MAGIC: Final = b"GGUF"
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
            from gguf import GGUFReader
            from gguf.quants import dequantize
        except ImportError:
            raise InputError(
                f"{path} is a GGUF file: the library gguf reads it", 'pip install "praxino[gguf]"'
            ) from None
        try:
            with np.errstate(over="ignore"):  # of sizes in damaged files
                reader = GGUFReader(path)
        except Exception as error:  # whatever the library makes of a damaged file
            raise CheckpointError(
                f"{path} is damaged ({type(error).__name__}, {path.stat().st_size} bytes)",
                "copy or download it again",
            ) from None
        self._dequantize = dequantize
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        self._require_readable(path)

    def _require_readable(self, path: Path) -> None:
        """Raise `CheckpointError` for a kind of block that cannot be widened, by trying one row of
        each.
        """
        for kind in {tensor.tensor_type for tensor in self._tensors.values()}:
            if kind.name in WHOLE:
                continue
            tensor = next(t for t in self._tensors.values() if t.tensor_type == kind)
            try:
                self._dequantize(tensor.data.reshape(-1, tensor.data.shape[-1])[:1], kind)
            except NotImplementedError:
                raise CheckpointError(
                    f"{path} has blocks of {kind.name}, which are not read here",
                    "Q8_0, Q6_K, Q5_K or Q4_K",
                ) from None

    def shapes(self) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Each tensor's shape and type; blocks count as bfloat16, which all of them fit in."""
        return {
            name: (
                tuple(int(size) for size in reversed(tensor.shape)),
                WHOLE.get(tensor.tensor_type.name, torch.bfloat16),
            )
            for name, tensor in self._tensors.items()
        }

    def get_tensor(self, name: str) -> Tensor:
        """A tensor in its own type, or in float32 where the file has blocks."""
        stored = self._tensors[name]
        shape = tuple(int(size) for size in reversed(stored.shape))
        if stored.tensor_type.name == "BF16":
            return torch.from_numpy(np.array(stored.data)).view(torch.bfloat16).reshape(shape)
        if stored.tensor_type.name in WHOLE:
            return torch.from_numpy(np.array(stored.data)).reshape(shape)
        numbers = self._dequantize(stored.data, stored.tensor_type)
        return torch.from_numpy(numbers).reshape(shape)

    def metadata(self) -> dict[str, str]:
        """Nothing: what stands in the header is about language models."""
        return {}


def is_gguf(path: Path) -> bool:
    """Whether a file begins as GGUF does, whatever it is called."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC
