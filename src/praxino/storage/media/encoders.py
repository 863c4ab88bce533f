"""Codecs and formats in which films are written anew: encoders at a quality at which their loss is
hardly seen, and what each format holds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av

from praxino.errors import MediaError
from praxino.storage.media import ffmpeg


@dataclass(frozen=True)
class Encoder:
    """How frames of one codec are written: FFmpeg's encoder, and options for a quality at which its
    loss is hardly seen.
    """

    name: str
    options: dict[str, str] = field(default_factory=dict)


FINE_STEPS: Final = {"flags": "+qscale", "global_quality": str(2 * 118)}
"""For encoders of fixed steps: the second finest, in FFmpeg's unit of 1/118."""
COARSE_TIMES: Final = ("mpeg4", "mpeg2video")
"""Encoders that count frames, not times."""
X264: Final = Encoder("libx264", {"crf": "16", "preset": "veryfast"})
ENCODERS: Final = {
    "h264": X264,
    "hevc": Encoder(
        "libx265", {"crf": "18", "preset": "superfast", "x265-params": "log-level=none"}
    ),
    "vp8": Encoder("libvpx", {"crf": "8", "b": "20M", "deadline": "realtime", "cpu-used": "6"}),
    "vp9": Encoder(
        "libvpx-vp9",
        {"crf": "20", "b": "0", "deadline": "realtime", "cpu-used": "7", "row-mt": "1"},
    ),
    "av1": Encoder("libsvtav1", {"crf": "24", "preset": "9"}),
    "prores": Encoder("prores_ks"),
    "mpeg4": Encoder("mpeg4", FINE_STEPS),
    "mpeg2video": Encoder("mpeg2video", FINE_STEPS),
    "mjpeg": Encoder("mjpeg", FINE_STEPS),
    "ffv1": Encoder("ffv1"),
}
"""By the name of the codec that a file has; for others, x264."""
PRORES_PROFILES: Final = {
    "apco": "proxy",
    "apcs": "lt",
    "apcn": "standard",
    "apch": "hq",
    "ap4h": "4444",
    "ap4x": "4444xq",
}
MUXERS: Final = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
}
"""FFmpeg's formats by the ending of a name."""
HELD: Final = {
    "webm": ("vp8", "vp9", "av1"),
    "mp4": ("h264", "hevc", "vp9", "av1", "mpeg4", "mpeg2video", "mjpeg"),
    "mov": ("h264", "hevc", "prores", "mpeg4", "mpeg2video", "mjpeg"),
    "avi": ("h264", "mpeg4", "mpeg2video", "mjpeg", "ffv1"),
    "mpegts": ("h264", "hevc", "mpeg2video", "mpeg4"),
}
"""Codecs of pictures that each format holds and players find; Matroska holds all."""
MPEG_TS_SOUND: Final = ("aac", "mp2", "mp3", "ac3", "eac3", "opus", "dts", "truehd")
"""Codecs of sound that a transport stream has names for."""
CHAPTERED: Final = ("mp4", "mov", "matroska", "webm")
"""Formats with room for chapters."""
FALLBACK_ENDING: Final = ".mkv"
"""For what no other format of the table holds."""


def film_ending(source: Path) -> str:
    """The ending of a name under which a film can be written: its own, if that is one of
    `MUXERS`.
    """
    ending = source.suffix.lower()
    return source.suffix if ending in MUXERS else FALLBACK_ENDING


def encoder_of(stream: Any, muxer: str, note: Callable[[str], None]) -> Encoder:
    """The encoder for a film's own codec, or for H.264 where FFmpeg has none.

    Raises
    ------
    MediaError
        If the new format does not hold it.
    """
    name = stream.codec_context.name.removeprefix("lib").split("-")[0]
    name = {"dav1d": "av1", "vpx": "vp8"}.get(name, stream.codec_context.codec.canonical_name)
    encoder = ENCODERS.get(name)
    if encoder is None:
        note(f"{name} is written as H.264")
        name, encoder = "h264", X264
    if name not in HELD.get(muxer, (name,)):
        raise MediaError(f"{muxer} holds no {name}", "the ending of the source, or .mkv")
    if encoder.name == "prores_ks":
        tag = stream.codec_context.codec_tag
        return Encoder("prores_ks", {"profile": PRORES_PROFILES.get(tag, "hq")})
    return encoder


def pixel_format(context: Any, name: str, note: Callable[[str], None]) -> str:
    """The pixels' own format, or the nearest that the encoder takes."""
    formats = [layout.name for layout in context.codec.video_formats or ()]
    if not formats or name in formats:
        return name
    alpha = name.startswith(ffmpeg.ALPHA_FORMATS)
    best, _ = av.codec.codec.find_best_pix_fmt_of_list(formats, name, has_alpha=alpha)
    nearest = best.name if best else formats[0]
    if alpha and best and not best.name.startswith(ffmpeg.ALPHA_FORMATS):
        note("transparency is left out")
    note(f"{name} is written as {nearest}")
    return nearest
