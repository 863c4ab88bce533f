"""Files and folders that appear whole or not at all, and what is wrong with those that cannot be
read or written.
"""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from praxino.errors import MediaError


def require_file(path: Path) -> None:
    """Raise `MediaError` unless ``path`` is a regular file that is not empty."""
    if not path.exists():
        raise MediaError(f"no such file: {path}", "is the path right?")
    if path.is_dir():
        raise MediaError(f"{path} is a folder", "name one file in it")
    if not path.is_file():
        raise MediaError(
            f"{path} is no regular file", "what comes through a pipe or a device: save it first"
        )
    if not path.stat().st_size:
        raise MediaError(f"{path} is empty", "was it copied whole?")


def require_writable(path: Path) -> None:
    """Raise `MediaError` if ``path`` clearly cannot be written: before minutes of work, not after
    them.
    """
    folder = path.parent
    if folder.is_file():
        raise MediaError(
            f"cannot write {path}: {folder} is a file, not a folder", "choose another name with -o"
        )
    if not folder.is_dir():
        raise MediaError(
            f"cannot write {path}: folder {folder} does not exist", f"mkdir -p {folder}"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MediaError(
            f"cannot write {path}: no permission in {folder}", "choose another folder with -o"
        )
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise _cannot_write(path, error) from None
    if is_folder:
        raise MediaError(f"cannot write {path}: it is a folder", f"{path / 'film.mp4'}")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``, renamed to it when the block succeeds and deleted when it
    fails.

    Raises
    ------
    MediaError
        If the file cannot be written.
    """
    require_writable(path)
    try:
        handle, name = tempfile.mkstemp(prefix=".praxino-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from None
    os.close(handle)
    fresh = Path(name)
    try:
        yield fresh
        fresh.chmod(0o666 & ~_umask())
        os.replace(fresh, path)
    except MediaError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """A block that reads a file; raises `MediaError` after it if the file changed meanwhile."""
    before = path.stat()
    yield
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise MediaError(f"{path} changes while it is read", "wait until it is whole")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of errors of a disk, or of one's share of it, that has no more room."""


def _cannot_write(path: Path, error: OSError) -> MediaError:
    full = error.errno in FULL
    hint = (
        "free some space, or choose another folder with -o"
        if full
        else "choose another name with -o"
    )
    return MediaError(f"cannot write {path}: {error.strerror or error}", hint)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A fresh folder to write into, which takes the place of ``folder`` when the block ends without
    error.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield fresh
        fresh.chmod(0o755)
        old = folder.with_name(f".{folder.name}-old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write one text file; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, unless another process was first; makes its
    folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if not path.exists():
            os.replace(fresh, path) if os.name != "posix" else _link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _link(fresh: Path, path: Path) -> None:
    """Give a file its name unless that is taken; where links are not known, whatever it was."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    except OSError:
        os.replace(fresh, path)
