"""Files that hold weights in another way than is read here, or no weights at all: known by their
first bytes, whatever they are called.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from praxino.errors import CheckpointError

HEAD_BYTES: Final = 64
TEXT: Final = frozenset((9, 10, 13, *range(32, 127)))
"""Bytes of plain text."""
CONVERT: Final = "convert it to safetensors"
AS_PICKLE: Final = "call it .pt, and it is read so"
UNPACK: Final = "unpack it first"
AGAIN: Final = "download it again"


@dataclass(frozen=True)
class Container:
    """A kind of file: how it begins, what it is, and the way on."""

    starts: tuple[bytes, ...]
    name: str
    hint: str = CONVERT


PICKLED: Final = (
    Container((b"PK\x03\x04",), "a zip archive, as PyTorch writes it", AS_PICKLE),
    Container((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), "a pickle", AS_PICKLE),
)
"""What files of weights that are no safetensors may be."""
CONTAINERS: Final = (
    *PICKLED,
    Container((b"\x89HDF\r\n\x1a\n",), "an HDF5 file, as Keras writes it"),
    Container((b"7z\xbc\xaf\x27\x1c",), "a 7z archive", UNPACK),
    Container((b"Rar!",), "a RAR archive", UNPACK),
    Container((b"\x1f\x8b",), "a gzip archive", UNPACK),
    Container((b"\x28\xb5\x2f\xfd",), "a Zstandard archive", UNPACK),
    Container((b"version https://git-lfs",), "a Git LFS pointer, a note of where the file lies",
              "git lfs pull, or download it from its page"),
    Container((b"<!DOCTYPE", b"<!doctype", b"<html", b"<HTML"),
              "a web page, such as an error or a login", "download it again, logged in if need be"),
    Container((b"<?xml", b'{"error', b'{"message'), "a server's error", AGAIN),
    Container((b"TFL3", b"\x1c\x00\x00\x00TFL3"), "a TensorFlow Lite model"),
    Container(tuple(bytes((8, version, 18)) for version in range(3, 14)), "an ONNX model"),
)  # fmt: skip
"""The first whose bytes a file begins with is its kind."""


def container_of(path: Path) -> Container | None:
    """What a file is that is no safetensors; None where its beginning does not tell."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head[8:9] == b"{":  # safetensors: the length of a header, then the header
        return None
    text = head.lstrip(b" \t\r\n\xef\xbb\xbf")  # pages may begin with blank lines
    kinds = (kind for start in (text, head) for kind in CONTAINERS if start.startswith(kind.starts))
    kind = next(kinds, None)
    if kind is None and len(head) >= 16 and all(byte in TEXT for byte in head):
        return Container((), "a text file")
    if kind is None and head[:1] == b"\n" and len(head) > 2 and head[1] and head[2] in (10, 18):
        return Container((), "a protocol buffer, such as a TensorFlow graph")
    return kind


def require_no_container(path: Path, other_than: tuple[Container, ...] = ()) -> None:
    """Raise `CheckpointError` with its name and the way on, if a file is one of `CONTAINERS`, but
    for some of them.
    """
    kind = container_of(path) if path.is_file() else None
    if kind is not None and kind not in other_than:
        raise CheckpointError(f"{path} is {kind.name}", kind.hint)
