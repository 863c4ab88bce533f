"""What verbs do that take many files: find them, share them among processes, print a table."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from praxino.errors import MediaError


def find_files(paths: Sequence[Path], list_folder: Callable[[Path], list[Path]]) -> list[Path]:
    """All files named and those in folders named, each once."""
    return list(
        dict.fromkeys(
            file for path in paths for file in (list_folder(path) if path.is_dir() else [path])
        )
    )


def require_there(paths: Sequence[Path]) -> None:
    """Raise `MediaError` if one of these files or folders is not there."""
    for path in paths:
        if not path.exists():
            raise MediaError(f"no such file: {path}", "is the path right?")


def process_count(processes: int, files: int) -> int:
    """Worker processes to start: no more than files; for 0, one per core as far as memory
    reaches.
    """
    from praxino.processes import workers

    return min(processes, files) or workers(files)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in aligned columns; the last column is as wide as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def tally(names: Iterable[str], order: Sequence[str]) -> str:
    """ "3 signed, 1 nothing": how often each name occurs, in this order, those that do not left
    out.
    """
    names = list(names)
    return ", ".join(f"{names.count(name)} {name}" for name in order if name in names)
