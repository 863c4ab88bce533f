"""Boxes of ISO files (MP4, MOV, HEIC, AVIF; ISO 14496-12): what a file is made of, and whether it
is whole.
"""

import struct
from pathlib import Path

MAX_BOXES = 4096
"""Boxes that are looked at: a fragmented film has many."""


def boxes(path: Path) -> dict[bytes, int]:
    """Names of a file's outermost boxes, and where the last of each name ends.

    The end may lie behind the end of the file. Empty for a file that does not begin with ``ftyp``.
    """
    ends: dict[bytes, int] = {}
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place + 8 <= size and len(ends) < MAX_BOXES:
            file.seek(place)
            length, name = struct.unpack(">I4s", file.read(8))
            if not place and name != b"ftyp":
                return {}
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            end = size if length == 0 else place + length
            if end < place + 8:
                break
            ends[name] = end
            place = end
    return ends


def require_whole_picture(path: Path) -> None:
    """Raise `ValueError` for a picture in an ISO file of which a part is missing: its decoder would
    fill it with green.
    """
    size = path.stat().st_size
    if any(end > size for end in boxes(path).values()):
        raise ValueError("it is cut short")


def is_picture(path: Path) -> bool:
    """Whether an ISO file holds pictures and no film."""
    names = boxes(path)
    return b"meta" in names and b"moov" not in names
