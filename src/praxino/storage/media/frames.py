"""Films of any origin, frame by frame: upright, in RGB, without ever holding more than one, and what is odd about them.

Files are not trusted: what is damaged is skipped, what is endless is cut, what is too large is refused.
"""

import contextlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from praxino.errors import InputError, MediaError
from praxino.storage.media.video import DAMAGE, check_file, unreadable, upright

LARGEST: Final = 8192 * 4608
"""Pixels of a film's frame that are taken on: somewhat more than 8K."""
STILL: Final = 2**27
"""Pixels of a picture that are: more than cameras and telephones take."""
PATIENCE: Final = 64
"""Packets in a row that may yield no frame, or damage, before a file is given up."""
CONTAINERS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,yuv4mpegpipe,mxf,nut,ivf,gif,apng,rm,"
    "h264,hevc,m4v,av1,obu,dv,wav,mp3,aac,flac"
)
"""What FFmpeg calls the formats that are opened."""
ENDINGS: Final = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .gif .webp .apng .mpg .mpeg .ts .mts .m2ts .wmv .flv .ogv .3gp .y4m .mxf".split()  # noqa: SIM905
)
"""Of names of films, as they are looked for in folders."""
PILLOW: Final = 8.0
"""How many times longer Pillow takes for a pixel than FFmpeg."""
PICTURES: Final = ("GIF", "WEBP", "PNG", "JPEG", "TIFF", "BMP")
"""What Pillow calls the formats that are opened: none that runs a program."""
FASTEST: Final = 8.5
"""Frames a second, at most, that detectors see and are trained on."""
HDR: Final = {16: "PQ", 18: "HLG"}
"""Transfer curves of high dynamic range (ITU-T H.273)."""


@dataclass(frozen=True)
class Facts:
    """What a file says of its picture. ``rate`` is in frames a second, 0 if unknown, ``seconds`` too."""

    width: int
    height: int
    rate: float
    seconds: float
    codec: str
    bytes: int
    oddities: tuple[str, ...] = ()

    @property
    def bits_per_pixel(self) -> float:
        """Of the file, for each pixel that it shows; 0 if its length is unknown."""
        pixels = self.width * self.height * self.rate * self.seconds
        return 8 * self.bytes / pixels if pixels else 0.0


@dataclass(frozen=True, eq=False)
class Shot:
    """One frame: ``seconds`` from the beginning, ``pixels`` (H, W, 3) uint8, and whether it is stored in two fields."""

    seconds: float
    pixels: NDArray[np.uint8]
    interlaced: bool = False


@dataclass
class Work:
    """Pixels that may yet be decoded: some files cannot be jumped into, some are mostly padding."""

    left: float = math.inf

    def done(self, pixels: float) -> bool:
        """Take ``pixels`` off; whether nothing is left then."""
        self.left -= pixels
        return self.left < 0


def found_in(folder: Path, endings: frozenset[str], what: str) -> list[Path]:
    """The files in a folder and below with one of these endings, sorted; hidden ones are left alone.

    Raises
    ------
    InputError
        If there is none, called ``what``.
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in endings
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise InputError(f"no {what} in {folder}", f"names that end in {' '.join(sorted(endings))}")
    return found


def stride(fps: float) -> int:
    """Every how many frames one is taken, so that at most 8.5 a second are."""
    return max(1, math.ceil(fps / FASTEST - 1e-6))


def facts(path: Path) -> Facts:
    """What the file says of itself.

    Raises
    ------
    MediaError
        If it is missing, empty, without a picture, or too large.
    """
    check_file(path)
    try:
        found = _picture_facts(path) or _film_facts(path)
    except MediaError:
        raise
    except DAMAGE as error:
        raise unreadable(path, error) from None
    _check_size(path, found.width, found.height, STILL if found.codec == "picture" and not found.seconds else LARGEST)
    return found


def _check_size(path: Path, width: int, height: int, most: int) -> None:
    if width * height > most:
        raise MediaError(f"{path}: {width}x{height} is too large", f"at most {most:,} pixels; reduce it first")


def shots(path: Path, start: float = 0.0, known: Facts | None = None, work: Work | None = None) -> Iterator[Shot]:
    """The frames from ``start`` seconds on, in order; ends early where the file is damaged beyond a few packets, or
    where ``work`` is used up.

    Parameters
    ----------
    known : Facts
        The file's `facts`, where they were read already.
    work : Work
        How much may be decoded, with what lies before ``start`` where the file cannot be jumped into.

    Raises
    ------
    MediaError
        If nothing can be read at all.
    """
    found = known or facts(path)
    work = work or Work()
    source = _pictures(path, work) if found.codec == "picture" else _film(path, start, work)
    try:
        for shot in source:
            if shot.seconds >= start - 1e-3:
                yield shot
    except MediaError:
        raise
    except DAMAGE as error:
        raise unreadable(path, error) from None


def _picture_facts(path: Path) -> Facts | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(path, formats=PICTURES)
        except UnidentifiedImageError:
            return None
        with picture:
            count = int(getattr(picture, "n_frames", 1))
            each = float(picture.info.get("duration", 0) or 0) / 1000
            rate = 1 / each if each else 0.0
            oddities = ("transparent",) if "A" in picture.mode or "transparency" in picture.info else ()
            if picture.format == "GIF":
                oddities = ("256 colours",)
            size = path.stat().st_size
            return Facts(picture.width, picture.height, rate, count * each, "picture", size, oddities)


def _film_facts(path: Path) -> Facts:
    with _opened(path) as container:
        stream = _picture_of(container)
        context: Any = stream.codec_context
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        seconds = seconds or (container.duration or 0) / av.time_base or (stream.frames / rate if rate else 0.0)
        odd = []
        if int(context.color_trc or 0) in HDR:
            odd.append(f"high dynamic range ({HDR[int(context.color_trc)]})")
        if context.format is not None and context.format.name.startswith(("yuva", "rgba", "bgra", "argb", "gbrap")):
            odd.append("transparent")
        return Facts(
            stream.width, stream.height, rate, max(0.0, seconds), context.name, path.stat().st_size, tuple(odd)
        )


def _opened(path: Path) -> Any:
    # A playlist in disguise could name other files and hosts: containers that hold their own pictures, and no others.
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    return av.open(str(path), metadata_errors="replace", timeout=8.0, options=options)


def _picture_of(container: Any) -> Any:
    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise ValueError(
            "there is no film in it, only sound" if container.streams.audio else "there is no picture in it"
        )
    stream = streams[0]
    if stream.codec_context is None:
        raise ValueError("no decoder knows what is in it")
    return stream


def _pictures(path: Path, work: Work) -> Iterator[Shot]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=PICTURES) as picture:
            clock = 0.0
            for index in range(int(getattr(picture, "n_frames", 1))):
                try:
                    picture.seek(index)
                    pixels = upright(picture)
                except DAMAGE:
                    if index:
                        return
                    raise
                yield Shot(clock, pixels)
                if work.done(PILLOW * picture.width * picture.height):
                    return
                clock += max(0.01, float(picture.info.get("duration", 0) or 0) / 1000)


def _film(path: Path, start: float, work: Work) -> Iterator[Shot]:
    with _opened(path) as container:
        stream = _picture_of(container)
        stream.codec_context.thread_count = 2
        first = float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0
        if start > 0 and stream.time_base:
            with contextlib.suppress(av.error.FFmpegError):  # then it is read from the beginning
                container.seek(int((start + first) / stream.time_base), stream=stream)
        step = 1 / float(stream.average_rate or 25)
        clock = -step
        for frame in _decoded(container, stream):
            _check_size(path, frame.width, frame.height, LARGEST)
            if work.done(frame.width * frame.height):
                return
            clock = max(clock + 1e-3, frame.time - first) if frame.time is not None else clock + step
            if clock < start - 1e-3:
                continue
            yield Shot(clock, _turned(frame), bool(frame.interlaced_frame))


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames of every packet that can be decoded; gives up after too many that cannot."""
    silent = 0
    packets = container.demux(stream)
    while silent < PATIENCE:
        try:
            packet = next(packets)
            frames = packet.decode()
        except StopIteration:
            return
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            silent += 1
            continue
        silent = 0 if frames else silent + 1
        yield from frames


def _turned(frame: Any) -> NDArray[np.uint8]:
    """(H, W, 3) as the file wants it shown."""
    pixels = frame.to_ndarray(format="rgb24")
    quarter = round(frame.rotation / 90) % 4 if frame.rotation else 0
    return np.ascontiguousarray(np.rot90(pixels, quarter))
