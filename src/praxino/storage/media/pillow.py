"""Pictures, and the moving ones among them, through Pillow."""

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pi_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from praxino.storage.media import ffmpeg
from praxino.storage.media.formats import PILLOW_FORMATS
from praxino.storage.media.info import DAMAGE, DecodeBudget, MediaInfo, VideoFrame, over_white
from praxino.storage.media.iso import is_picture, require_whole_picture
from praxino.storage.media.video import COMMENT

MOVING_FORMATS: Final = ("GIF", "WEBP", "PNG", "AVIF")
"""Only these hold films: behind the picture of others lie pages, or a telephone's depth."""
COST: Final = 8.0
"""How many times longer Pillow takes for a pixel than FFmpeg."""
MIN_DELAY_SECONDS: Final = 0.02
"""Durations of frames below this are shown as `USUAL_DELAY_SECONDS`, as browsers do."""
USUAL_DELAY_SECONDS: Final = 0.1
MAX_TIMED_FRAMES: Final = 64
"""Frames that are decoded, at most, for the time that they are shown; the others count as these."""

pi_heif.register_heif_opener()


def probe_picture(path: Path) -> MediaInfo | None:
    """What a picture says of itself; None if it is none that Pillow reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(path, formats=PILLOW_FORMATS)
        except UnidentifiedImageError:
            if is_picture(path):  # FFmpeg would take one of its tiles for the whole
                raise ValueError("it is a picture of a kind that is not read here") from None
            return None
        with picture:
            if picture.format in ("HEIF", "AVIF"):
                require_whole_picture(path)
            count = frame_count(picture)
            seconds = _length(path, picture) if count > 1 else 0.0
            # Pillow takes every moving WebP for transparent
            is_plain = (picture.format == "WEBP" and count > 1) or not picture.has_transparency_data
            oddities = () if is_plain else ("transparent",)
            if picture.format == "GIF":
                oddities = ("256 colours",)
            comment = picture.info.get(COMMENT, b"")
            text = (
                comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)
            )
            return MediaInfo(
                picture.width,
                picture.height,
                count / seconds if seconds else 0.0,
                seconds,
                "picture",
                path.stat().st_size,
                oddities,
                count,
                text,
            )


def frame_count(picture: Image.Image) -> int:
    """How many frames are shown one after the other."""
    return int(getattr(picture, "n_frames", 1)) if picture.format in MOVING_FORMATS else 1


def picture_frames(path: Path, budget: DecodeBudget) -> Iterator[VideoFrame]:
    """All frames, each with the seconds that it is shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=PILLOW_FORMATS) as picture:
            count, clock = frame_count(picture), 0.0
            for index in range(count):
                try:
                    picture.seek(index)
                    pixels = upright(picture)
                except DAMAGE:
                    if index:
                        return
                    raise
                duration = float(picture.info.get("duration", 0) or 0) / 1000
                if count > 1:
                    duration = player_seconds(duration)
                yield VideoFrame(clock, pixels, duration=duration)
                if budget.spend(COST * picture.width * picture.height):
                    return
                clock += duration


def player_seconds(duration: float) -> float:
    """How long a player shows a frame that says this of itself."""
    return duration if duration >= MIN_DELAY_SECONDS else USUAL_DELAY_SECONDS


def upright(picture: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3): turned as its metadata want it, over white, eight bits a channel."""
    picture = ImageOps.exif_transpose(picture) or picture
    if picture.mode.startswith("I"):  # sixteen bits of grey
        grey = (np.asarray(picture).astype(np.float64) / 257).clip(0, 255).round().astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode == "F":  # light from 0 to 1
        return np.asarray(Image.fromarray(np.asarray(picture) * 255).convert("RGB"))
    if picture.has_transparency_data:
        return over_white(np.asarray(picture.convert("RGBA")))
    return np.asarray(picture.convert("RGB"))


def _length(path: Path, picture: Image.Image) -> float:
    """Seconds of a moving picture, hardly anything of which is decoded."""
    if picture.format == "WEBP":
        return sum(player_seconds(milliseconds / 1000) for milliseconds in _webp_durations(path))
    if picture.format == "PNG":
        return sum(player_seconds(seconds) for seconds in _apng_seconds(path))
    if picture.format == "AVIF":  # Pillow knows how long a frame is shown once it has decoded it
        count = frame_count(picture)
        looks = min(count, MAX_TIMED_FRAMES)
        total = 0.0
        for index in range(looks):
            picture.seek(index)
            picture.load()
            total += player_seconds(float(picture.info["duration"]) / 1000)
        picture.seek(0)
        return total * count / looks
    return ffmpeg.length(path)


def _apng_seconds(path: Path) -> Iterator[float]:
    """Seconds of each frame: fields of fcTL chunks (PNG, 3rd edition, 11.3.6.2)."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", head)
            if name == b"fcTL" and size == 26:
                count, unit = struct.unpack(">20xHH2x", file.read(size))
                yield count / (unit or 100)
                size = 0
            file.seek(size + 4, 1)


def _webp_durations(path: Path) -> Iterator[int]:
    """Milliseconds of each frame: the sixth field of ANMF chunks (RFC 9649, 2.7.1.1)."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"ANMF":
                yield int.from_bytes(file.read(16)[12:15], "little")
                size -= 16
            file.seek(size + size % 2, 1)
