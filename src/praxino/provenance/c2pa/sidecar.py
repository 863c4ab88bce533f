"""The file beside one whose format has no room for statements."""

from pathlib import Path
from typing import Final

from praxino.errors import InputError
from praxino.provenance.c2pa.read import MAX_SIDECAR_BYTES, SIDECAR_ENDING, parse
from praxino.storage.files import atomic_file

WITHOUT_ROOM: Final = (".webm", ".mkv", ".ts", ".mts", ".m2ts", ".bmp")
"""Endings of names of films and pictures whose format cannot hold statements."""
OURS: Final = ("video/webm", "video/mp2t", "video/x-matroska", "image/bmp")
"""Formats of files that we write statements beside."""


def require_own_sidecar(target: Path) -> None:
    """Raise `InputError` if ``target`` needs a file beside it, and there is one about another
    file.
    """
    beside = target.with_suffix(SIDECAR_ENDING)
    if needs_beside(target) and beside.exists() and not is_ours(beside):
        raise InputError(
            f"{beside} is there, and not about {target.name}", "delete it, or another name with -o"
        )


def delete_outdated(target: Path) -> None:
    """Take away the file beside one that is written anew: its statements would no longer hold."""
    beside = target.with_suffix(SIDECAR_ENDING)
    if needs_beside(target) and is_ours(beside):
        beside.unlink()


def needs_beside(target: Path) -> bool:
    """Whether a file that Praxino writes to such a name has its statements in one beside it."""
    return target.suffix.lower() in WITHOUT_ROOM


def is_ours(beside: Path) -> bool:
    """Whether a file of statements is about one that we wrote beside it."""
    if not beside.is_file() or beside.stat().st_size > MAX_SIDECAR_BYTES:
        return False
    with beside.open("rb") as file:
        return parse("application/c2pa", file, None).get("format") in OURS


def write(manifest: bytes, beside: Path) -> None:
    with atomic_file(beside) as fresh:
        fresh.write_bytes(manifest)
