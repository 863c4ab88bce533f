"""Files as telephones, recorders and other people's tools write them, from pictures made here."""

import io
import struct
from pathlib import Path

import av
import numpy as np

from support.footage import Film, write

CORNERS = ((220, 30, 30), (30, 200, 30), (30, 60, 230), (250, 250, 250))
"""Top left, top right, bottom left, bottom right of `card`."""
X265 = {"x265-params": "log-level=none:frame-threads=1:pools=none:keyint=1"}
"""With threads of its own the encoder fails now and then."""
QUARTER = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
"""Display matrix of a telephone held upright: a quarter turn clockwise."""
MIRROR = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
"""Display matrix of a camera at the front: left and right exchanged."""


def card(height: int, width: int) -> Film:
    """(H, W, 3): grey, with a colour of its own in each corner."""
    picture, side = np.full((height, width, 3), (70, 90, 110), np.uint8), min(height, width) // 4
    for colour, rows, columns in zip(
        CORNERS,
        (slice(side), slice(side), slice(-side, None), slice(-side, None)),
        (slice(side), slice(-side, None)) * 2,
        strict=True,
    ):
        picture[rows, columns] = colour
    return picture


def corners(picture: Film) -> list[int]:
    """Which of `CORNERS` is nearest to what stands in each corner of a picture."""
    height, width = picture.shape[:2]
    places = ((8, 8), (8, width - 9), (height - 9, 8), (height - 9, width - 9))
    found = np.array([picture[place] for place in places], int)
    return [int(n) for n in np.abs(found[:, None] - np.array(CORNERS)).sum(2).argmin(1)]


def record(
    path: Path,
    film: Film,
    fps: int = 8,
    codec: str = "libx264",
    start: float = 0.0,
    options: dict[str, str] | None = None,
    gop: int = 250,
) -> Path:
    """A film of few keyframes, whose clock begins at ``start`` seconds; ``options`` are the
    container's.
    """
    return write(path, film, fps, codec, start=start, gop=gop, container_options=options)


def trimmed(source: Path, target: Path, seconds: float) -> Path:
    """The packets of a film, none decoded, its first ``seconds`` before the beginning: they are
    decoded and not shown (``ffmpeg -ss N -c copy``).
    """
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = old.streams.video[0]
        copied = new.add_stream_from_template(stream)
        shift = round(seconds / stream.time_base)
        for packet in old.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = (
                    packet.pts - shift,
                    packet.dts - shift,
                    copied,
                )
                new.mux(packet)
    return target


def displayed(source: Path, target: Path, matrix: tuple[int, ...]) -> Path:
    """An MP4 with another display matrix in its track's header."""
    data = bytearray(source.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = struct.pack(">9i", *matrix)
    target.write_bytes(data)
    return target


def _box(name: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), name) + b"".join(parts)


def _full(name: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(name, struct.pack(">I", version << 24 | flags), *parts)


def _tile(pixels: Film) -> tuple[bytes, bytes]:
    """One picture in HEVC: its configuration (hvcC), and its data as MP4 has them."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream("libx265", rate=1, options=X265)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt, stream.codec_context.codec_tag = "yuv420p", "hvc1"
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    data = memory.getvalue()
    parts = []
    for name in (b"hvcC", b"mdat"):
        start = data.index(name) - 4
        parts.append(data[start : start + struct.unpack(">I", data[start : start + 4])[0]])
    return parts[0], parts[1][8:]


def tiled_heic(path: Path, picture: Film) -> Path:
    """A picture in two by two tiles, as telephones write it (ISO 23008-12, 6.6.2.3)."""
    height, width = picture.shape[:2]
    rows, columns = height // 2, width // 2
    halves = [(slice(y, y + rows), slice(x, x + columns)) for y in (0, rows) for x in (0, columns)]
    made = [_tile(np.ascontiguousarray(picture[half])) for half in halves]
    configuration, tiles = made[0][0], [tile for _, tile in made]

    def entry(number: int, kind: bytes, hidden: bool) -> bytes:
        return _full(b"infe", 2, int(hidden), struct.pack(">HH4s", number, 0, kind), b"\0")

    def size(w: int, h: int) -> bytes:
        return _full(b"ispe", 0, 0, struct.pack(">II", w, h))

    grid = struct.pack(">BBBBHH", 0, 0, 1, 1, width, height)
    uses = [struct.pack(">HBBB", number, 2, 0x81, 2) for number in (1, 2, 3, 4)]
    fixed = (
        _full(b"hdlr", 0, 0, struct.pack(">I4s", 0, b"pict"), b"\0" * 13),
        _full(b"pitm", 0, 0, struct.pack(">H", 5)),
        _full(
            b"iinf", 0, 0, struct.pack(">H", 5),
            *(entry(number, b"hvc1", True) for number in (1, 2, 3, 4)), entry(5, b"grid", False),
        ),
        _full(b"iref", 0, 0, _box(b"dimg", struct.pack(">HH4H", 5, 4, 1, 2, 3, 4))),
        _box(
            b"iprp",
            _box(b"ipco", configuration, size(columns, rows), size(width, height)),
            _full(b"ipma", 0, 0, struct.pack(">I", 5), *uses, struct.pack(">HBB", 5, 1, 3)),
        ),
        _box(b"idat", grid),
    )  # fmt: skip

    def meta(base: int) -> bytes:
        places = b""
        for number, tile in enumerate(tiles, 1):
            places += struct.pack(">HHHHII", number, 0, 0, 1, base, len(tile))
            base += len(tile)
        places += struct.pack(">HHHHII", 5, 1, 0, 1, 0, len(grid))
        return _full(
            b"meta", 0, 0, *fixed, _full(b"iloc", 1, 0, struct.pack(">HH", 0x4400, 5), places)
        )

    head = _box(b"ftyp", b"heic", b"\0\0\0\0", b"mif1heic")
    base = len(head) + len(meta(0)) + 8
    path.write_bytes(head + meta(base) + _box(b"mdat", *tiles))
    return path
