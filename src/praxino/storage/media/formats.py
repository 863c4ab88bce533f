"""The formats of videos and pictures that are read, in one table: by name, by first bytes, by MIME
type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 512
"""How many first bytes of a file tell its format."""
UNKNOWN_MIME: Final = "application/octet-stream"

Test = Callable[[bytes], bool]


@dataclass(frozen=True)
class Format:
    """One format of files.

    Attributes
    ----------
    ending : str
        Of names, without the dot: the usual one.
    mime : str
        Its MIME type (IANA's, or the one in common use).
    moving : bool
        Whether it may hold more than one frame.
    matches : callable
        Whether the first `HEAD_BYTES` bytes of a file are this format's.
    aliases : tuple of str
        Other endings of names.
    demuxers : str
        What FFmpeg calls it, comma-separated; empty for what it does not read.
    pillow : str
        What Pillow calls it; empty for what it does not read.
    """

    ending: str
    mime: str
    moving: bool
    matches: Test
    aliases: tuple[str, ...] = ()
    demuxers: str = ""
    pillow: str = ""


def _at(offset: int, *starts: bytes) -> Test:
    return lambda head: head[offset:].startswith(starts)


def _riff(kind: bytes) -> Test:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == kind


def _mpeg_ts(head: bytes) -> bool:
    return len(head) > 376 and head[0] == head[188] == head[376] == 0x47


def _never(head: bytes) -> bool:
    """For formats that are known by their names alone, or that another entry's bytes include."""
    return False


HEIF_BRANDS: Final = tuple(
    b"ftyp" + brand
    for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1")
)
"""How files with pictures in HEVC begin (ISO 23008-12)."""
FORMATS: Final = (
    Format("png", "image/png", True, _at(0, b"\x89PNG\r\n\x1a\n"), ("apng",), pillow="PNG"),
    Format(
        "jpg", "image/jpeg", False, _at(0, b"\xff\xd8\xff"), ("jpeg", "jpe", "jfif"), pillow="JPEG"
    ),
    Format("gif", "image/gif", True, _at(0, b"GIF87a", b"GIF89a"), (), "gif,apng", "GIF"),
    Format("webp", "image/webp", True, _riff(b"WEBP"), pillow="WEBP"),
    Format("avi", "video/avi", True, _riff(b"AVI "), (), "avi"),
    Format("avif", "image/avif", False, _at(4, b"ftypavif", b"ftypavis"), pillow="AVIF"),
    Format("heic", "image/heic", False, _at(4, *HEIF_BRANDS), ("heif", "hif"), pillow="HEIF"),
    Format(
        "mp4",
        "video/mp4",
        True,
        _at(4, b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"),
        ("m4v", "mov", "3gp", "3g2", "qt"),
        "mov,mp4,m4a,3gp,3g2,mj2",
    ),
    Format("webm", "video/webm", True, _at(0, b"\x1aE\xdf\xa3"), ("mkv",), "matroska,webm"),
    Format("tif", "image/tiff", False, _at(0, b"II*\x00", b"MM\x00*"), ("tiff",), pillow="TIFF"),
    Format("bmp", "image/bmp", False, _at(0, b"BM"), ("dib",), pillow="BMP"),
    Format(
        "mpg",
        "video/mpeg",
        True,
        _at(0, b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"),
        ("mpeg",),
        "mpeg,mpegvideo",
    ),
    Format("ts", "video/mp2t", True, _mpeg_ts, ("mts", "m2ts"), "mpegts"),
    Format("flv", "video/x-flv", True, _at(0, b"FLV\x01"), (), "flv"),
    Format("wmv", "video/x-ms-wmv", True, _at(0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), (), "asf"),
    Format("ogv", "video/ogg", True, _at(0, b"OggS"), (), "ogg"),
    Format("y4m", "video/x-yuv4mpeg", True, _at(0, b"YUV4MPEG2"), (), "yuv4mpegpipe"),
    Format("mxf", "application/mxf", True, _never, (), "mxf"),
    Format("h264", "video/h264", True, _never, ("264",), "h264"),
    Format("h265", "video/h265", True, _never, ("265", "hevc"), "hevc"),
)
"""The first whose bytes match is a file's format."""

DEMUXERS: Final = ",".join(
    [
        *(file_format.demuxers for file_format in FORMATS if file_format.demuxers),
        "nut,ivf,rm,m4v,av1,obu,dv",  # not in the table: nobody names files so
        "wav,mp3,aac,flac",  # opened only to say that there is no picture in them
    ]
)
"""What FFmpeg may open. None of them can name another file: a playlist in disguise could."""
PILLOW_FORMATS: Final = tuple(file_format.pillow for file_format in FORMATS if file_format.pillow)
"""What Pillow may open: none that runs a program."""
MAX_PICTURE_PIXELS: Final = 2**27
"""Pixels of a picture that is taken on: more than cameras and telephones take."""
PICTURES: Final = "PNG, JPEG, WebP, HEIC, AVIF, GIF, TIFF or BMP"
"""`PILLOW_FORMATS` in words."""
BRAND_MIMES: Final = {b"mif1": "image/heif", b"qt  ": "video/quicktime"}
"""MIME types of brands of ISO files that are more exact than their format's."""
VIDEO_ENDINGS: Final = frozenset(
    f".{ending}"
    for file_format in FORMATS
    if file_format.moving
    for ending in (file_format.ending, *file_format.aliases)
) - {".png"}
"""Endings of file names of videos in folders."""
IMAGE_ENDINGS: Final = frozenset(
    f".{ending}"
    for file_format in FORMATS
    if not file_format.moving
    for ending in (file_format.ending, *file_format.aliases)
) | {".png"}
"""Endings of file names of pictures."""


def recognise(head: bytes) -> Format | None:
    """The format of a file by its first `HEAD_BYTES` bytes, or None for one that is not in the
    table.
    """
    return next((format_ for format_ in FORMATS if format_.matches(head)), None)


def mime_type(head: bytes) -> str:
    """The MIME type of a file by its first bytes, never by its name; `UNKNOWN_MIME` for formats not
    in the table.
    """
    format_ = recognise(head)
    if format_ is None:
        return "audio/wav" if head[:4] == b"RIFF" else UNKNOWN_MIME
    return BRAND_MIMES.get(head[8:12], format_.mime) if head[4:8] == b"ftyp" else format_.mime
