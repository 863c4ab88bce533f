"""Files by name, in a local folder or wherever `fsspec` reaches: S3 and its like, other clouds,
memory.
"""

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from praxino.errors import InputError, MediaError, PraxinoError
from praxino.storage.files import FULL

NAME: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*(\.[a-z0-9]+)?")
"""What a name looks like: nothing in it can lead out of the place."""
CHUNK_BYTES: Final = 2**18
"""Bytes that are read at a time."""

SETTLED: Final = 0.2
"""Seconds in which two that write the same file at once are done."""
REMOVE_ATTEMPTS: Final = 100
"""How often the deletion of a folder begins again that others write to."""


@runtime_checkable
class Source(Protocol):
    """An open file to read, of whatever kind."""

    def read(self, size: int = -1, /) -> bytes:
        """So many of its next bytes, at most."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go on somewhere else."""
        ...


class Objects:
    """A place for files.

    Parameters
    ----------
    url : str
        A folder, made when it is first written to, or an address such as ``s3://bucket/films``.

    Raises
    ------
    InputError
        If nothing installed here reaches such a place.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        try:
            self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"storage {redact(url)}: {error}", "a folder; for s3://, pip install s3fs"
            ) from None
        self._root = str(root).rstrip("/")
        self._local = "file" in self._protocols()

    def _protocols(self) -> tuple[str, ...]:
        protocol: Any = self._fs.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

    def _path(self, name: str) -> str:
        assert NAME.fullmatch(name), name
        return f"{self._root}/{name}"

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Errors that are no `OSError`, as clouds' libraries have them, as one: a
        `ConnectionError`.
        """
        try:
            yield
        except (OSError, PraxinoError, AssertionError):
            raise
        except Exception as error:
            raise ConnectionError(f"storage {redact(self.url)}: {error}") from error

    def require_reachable(self) -> None:
        """Raise `MediaError` if nothing can be written here."""
        try:
            self.write("probe", b"")
            self.remove("probe")
        except OSError as error:
            text = f"cannot write to storage {redact(self.url)}: {error.__cause__ or error}"
            raise MediaError(text, "is it there, and yours?") from None

    def token(self) -> str:
        """What tells this place from others: made when first asked for."""
        if not (stored := b"".join(self.read("studio.id"))):
            self.write("studio.id", secrets.token_hex(16).encode())
            time.sleep(SETTLED)  # another may be at it: the last one counts
            stored = b"".join(self.read("studio.id"))
        return stored.decode(errors="replace")

    def put(self, name: str, source: Path) -> int:
        """Copy a local file in, whole or not at all; its length in bytes.

        Raises
        ------
        OSError
            If it cannot be written; nothing of it is left then.
        """
        with self._whole(name) as fresh:
            self._fs.put_file(str(source), fresh)
        return source.stat().st_size

    def upload_stream(self, name: str, source: Source) -> None:
        """Upload the rest of an open file under a new name."""
        try:
            with self._whole(name) as fresh, self._fs.open(fresh, "wb") as target:
                shutil.copyfileobj(source, target, CHUNK_BYTES)
        except BaseException:
            with suppress(OSError):  # clouds may have what there was until then
                self.remove(name)
            raise

    def write(self, name: str, content: bytes) -> None:
        """Store a small file's content under a new name."""
        with self._whole(name) as fresh:
            self._fs.pipe_file(fresh, content)

    @contextmanager
    def _whole(self, name: str) -> Iterator[str]:
        """Where to write a file: elsewhere shows nothing until all is there, and in a folder this
        renames it then.
        """
        target = self._path(name)
        fresh = f"{target}.{secrets.token_hex(4)}" if self._local else target
        if self._local:
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        try:
            with self._reached():
                yield fresh
            if self._local:
                _settle(fresh)
                os.replace(fresh, target)
        except BaseException:
            if self._local:
                Path(fresh).unlink(missing_ok=True)
                with suppress(OSError):  # others may have put files there
                    Path(fresh).parent.rmdir()
            raise

    def get(self, name: str, target: Path) -> None:
        """Copy a file out; raises `MediaError` if it is not there."""
        try:
            with self._reached():
                self._fs.get_file(self._path(name), str(target))
        except FileNotFoundError:
            raise MediaError(f"no file {name}", "was it deleted?") from None

    def size(self, name: str) -> int | None:
        """Bytes of a file, or None if it is not there."""
        try:
            with self._reached():
                return int(self._fs.info(self._path(name))["size"])
        except (FileNotFoundError, NotADirectoryError):
            return None

    @contextmanager
    def open(self, name: str) -> Iterator[Source]:
        """A file to read from; raises `FileNotFoundError` if it is not there."""
        with self._reached():
            opened = self._fs.open(self._path(name), "rb")
        with opened as file:
            yield file

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` on, before ``end``, a piece at a time; ends early where the file
        is deleted.
        """
        try:
            with self.open(name) as file:
                file.seek(start)
                left = None if end is None else end - start
                while left is None or left > 0:
                    with self._reached():
                        piece = file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
                    if not piece:
                        return
                    left = None if left is None else left - len(piece)
                    yield piece
        except FileNotFoundError:
            return

    def folders(self, name: str = "") -> list[str]:
        """Names of the folders in a folder, or at the top."""
        return self._listed(name, "directory")

    def files(self, name: str) -> list[str]:
        """Names of the files in a folder, in their order."""
        return sorted(self._listed(name, "file"))

    def _listed(self, name: str, kind: str) -> list[str]:
        try:
            with self._reached():
                entries = self._fs.ls(self._path(name) if name else self._root, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [
            str(entry["name"]).rstrip("/").rpartition("/")[2]
            for entry in entries
            if entry["type"] == kind
        ]

    def remove(self, name: str) -> None:
        """Delete a file, or a folder with all that is in it; nothing happens if it is not there.

        Others may put files into the folder, or delete it, meanwhile: it is begun again then.
        """
        path, attempts = self._path(name), 0
        while True:
            try:
                with self._reached():
                    self._fs.rm(path, recursive=True)
                return
            except (FileNotFoundError, NotADirectoryError):
                if not (self._local and os.path.lexists(path)):
                    return
            except OSError as error:
                attempts += 1
                if (
                    error.errno not in (errno.ENOTEMPTY, errno.EISDIR)
                    or attempts == REMOVE_ATTEMPTS
                ):
                    raise


def _settle(path: str) -> None:
    """Have a file on the disk, not only on its way there: its name must not outlive its content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def redact(address: str) -> str:
    """An address without the password that may be in it."""
    return re.sub(
        r"(password=)[^&\s]*", r"\1***", re.sub(r"([^/:@]*):(?!//).*@", r"\1:***@", address)
    )


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no more room."""
    return isinstance(error, OSError) and error.errno in FULL
