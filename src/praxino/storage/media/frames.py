"""Films of any origin, frame by frame: upright, in RGB, without ever holding more than one, and
what is odd about them.

Files are not trusted: what is damaged is skipped, what is endless is cut, what is too large is
refused.
"""

import contextlib
import itertools
import json
import math
import os
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from praxino.errors import MediaError
from praxino.storage.files import require_file
from praxino.storage.media.formats import DEMUXERS
from praxino.storage.media.video import COMMENT, Video

MAX_FRAMES_BYTES: Final = 4 * 2**30
"""Bytes of frames that `read_video` holds: a minute of 1280x720 at 25 frames a second."""
CHECKED_EVERY: Final = 64
"""Frames between two looks at how many there are already: headers may be wrong about it."""
UNKNOWN_FPS: Final = 25.0
"""Frames per second of a film that does not say its rate."""
MAX_FRAME_PIXELS: Final = 8192 * 4608
"""Pixels of a film's frame that are taken on: somewhat more than 8K."""
MAX_PICTURE_PIXELS: Final = 2**27
"""Pixels of a picture that are: more than cameras and telephones take."""
MAX_SILENT_PACKETS: Final = 64
"""Packets in a row that may yield no frame, or damage, before a file is given up."""
PILLOW_COST: Final = 8.0
"""How many times longer Pillow takes for a pixel than FFmpeg."""
PILLOW_FORMATS: Final = ("GIF", "WEBP", "PNG", "JPEG", "TIFF", "BMP")
"""What Pillow calls the formats that are opened: none that runs a program."""
MAX_ANALYSED_FPS: Final = 8.5
"""Frames a second, at most, that detectors see and are trained on."""
HDR: Final = {16: "PQ", 18: "HLG"}
"""Transfer curves of high dynamic range (ITU-T H.273)."""


DAMAGE: Final = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    SyntaxError,
    TypeError,
    MemoryError,
    OverflowError,
    struct.error,
    av.error.FFmpegError,
    Image.DecompressionBombError,
)
"""What decoders raise on damaged files."""


@dataclass(frozen=True)
class MediaInfo:
    """What a file says of its picture.

    Attributes
    ----------
    width, height : int
        Pixels.
    rate : float
        Frames a second, 0 if unknown.
    seconds : float
        Length, 0 if unknown.
    codec : str
        As FFmpeg calls it; "picture" for what Pillow reads.
    bytes : int
        Size of the file.
    oddities : tuple of str
        Such as "transparent", "256 colours".
    frames : int
        How many there are, 0 if unknown.
    comment : str
        Metadata field of that name.
    """

    width: int
    height: int
    rate: float
    seconds: float
    codec: str
    bytes: int
    oddities: tuple[str, ...] = ()
    frames: int = 0
    comment: str = ""

    @property
    def bits_per_pixel(self) -> float:
        """Bits of the file for each pixel that it shows; 0 if its length is unknown."""
        pixels = self.width * self.height * self.rate * self.seconds
        return 8 * self.bytes / pixels if pixels else 0.0


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame.

    Attributes
    ----------
    seconds : float
        From the beginning.
    pixels : (H, W, 3) uint8
        RGB, upright.
    interlaced : bool
        Whether it is stored in two fields.
    duration : float
        Seconds that it is shown, where the file says it of each frame; otherwise 0.
    """

    seconds: float
    pixels: NDArray[np.uint8]
    interlaced: bool = False
    duration: float = 0.0


@dataclass
class DecodeBudget:
    """Pixels that may yet be decoded: some files are not seekable, some are mostly padding."""

    left: float = math.inf

    def spend(self, pixels: float) -> bool:
        """Take ``pixels`` off; whether nothing is left then."""
        self.left -= pixels
        return self.left < 0


def unreadable(path: Path, error: Exception) -> MediaError:
    """A decoder's complaint as one of ours."""
    text = getattr(error, "strerror", None) or str(error)
    problem = " ".join(text.split()) or type(error).__name__
    return MediaError(f"cannot read {path}: {problem}", "is it a film or a picture, and complete?")


def upright(picture: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3): turned as its metadata want it, eight bits a channel."""
    if picture.mode.startswith("I"):  # sixteen bits of grey
        grey = (np.asarray(picture).astype(np.float64) / 257).clip(0, 255).round().astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.asarray((ImageOps.exif_transpose(picture) or picture).convert("RGB"))


def stride(fps: float) -> int:
    """Every how many frames one is taken, so that at most 8.5 a second are."""
    return max(1, math.ceil(fps / MAX_ANALYSED_FPS - 1e-6))


def probe(path: Path) -> MediaInfo:
    """What a file says of itself.

    Raises
    ------
    MediaError
        If it is missing, empty, without a picture, or too large.
    """
    require_file(path)
    try:
        info = _probe_picture(path) or _probe_film(path)
    except MediaError:
        raise
    except DAMAGE as error:
        raise unreadable(path, error) from None
    largest = (
        MAX_PICTURE_PIXELS if info.codec == "picture" and not info.seconds else MAX_FRAME_PIXELS
    )
    _require_size(path, info.width, info.height, largest)
    return info


def _require_size(path: Path, width: int, height: int, most: int) -> None:
    if width * height > most:
        raise MediaError(
            f"{path}: {width}x{height} is too large", f"at most {most:,} pixels; reduce it first"
        )


def iter_frames(
    path: Path,
    start: float = 0.0,
    info: MediaInfo | None = None,
    budget: DecodeBudget | None = None,
) -> Iterator[VideoFrame]:
    """The frames from ``start`` seconds on, in order.

    Ends early where the file is damaged beyond a few packets, or where the budget is used up.

    Parameters
    ----------
    info : MediaInfo
        The file's `probe`, where it was made already.
    budget : DecodeBudget
        How much may be decoded, with what lies before ``start`` where the file is not seekable.

    Raises
    ------
    MediaError
        If nothing can be read at all.
    """
    info = info or probe(path)
    budget = budget or DecodeBudget()
    source = _pictures(path, budget) if info.codec == "picture" else _film(path, start, budget)
    try:
        for frame in source:
            if frame.seconds >= start - 1e-3:
                yield frame
    except MediaError:
        raise
    except DAMAGE as error:
        raise unreadable(path, error) from None


def _probe_picture(path: Path) -> MediaInfo | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(path, formats=PILLOW_FORMATS)
        except UnidentifiedImageError:
            return None
        with picture:
            count = int(getattr(picture, "n_frames", 1))
            seconds = float(picture.info.get("duration", 0) or 0) / 1000
            rate = 1 / seconds if seconds else 0.0
            oddities = (
                ("transparent",) if "A" in picture.mode or "transparency" in picture.info else ()
            )
            if picture.format == "GIF":
                oddities = ("256 colours",)
            size, comment = path.stat().st_size, picture.info.get(COMMENT, b"")
            text = (
                comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)
            )
            return MediaInfo(
                picture.width,
                picture.height,
                rate,
                count * seconds,
                "picture",
                size,
                oddities,
                count,
                text,
            )


def _probe_film(path: Path) -> MediaInfo:
    with _opened(path) as container:
        stream = _picture_of(container)
        context: Any = stream.codec_context
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        seconds = (
            float(stream.duration * stream.time_base)
            if stream.duration and stream.time_base
            else 0.0
        )
        seconds = (
            seconds
            or (container.duration or 0) / av.time_base
            or (stream.frames / rate if rate else 0.0)
        )
        odd = []
        if int(context.color_trc or 0) in HDR:
            odd.append(f"high dynamic range ({HDR[int(context.color_trc)]})")
        if context.format is not None and context.format.name.startswith(
            ("yuva", "rgba", "bgra", "argb", "gbrap")
        ):
            odd.append("transparent")
        seconds, frames = max(0.0, seconds), stream.frames or round(max(0.0, seconds) * rate)
        comment = container.metadata.get(COMMENT) or container.metadata.get(COMMENT.upper()) or ""
        size = path.stat().st_size
        return MediaInfo(
            stream.width,
            stream.height,
            rate,
            seconds,
            context.name,
            size,
            tuple(odd),
            frames,
            comment,
        )


def _opened(path: Path) -> Any:
    # A playlist in disguise could name other files and hosts: formats that hold their own pictures,
    # and no others.
    options = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS}
    return av.open(str(path), metadata_errors="replace", timeout=8.0, options=options)


def _picture_of(container: Any) -> Any:
    streams = [
        s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise ValueError(
            "there is no film in it, only sound"
            if container.streams.audio
            else "there is no picture in it"
        )
    stream = streams[0]
    if stream.codec_context is None:
        raise ValueError("no decoder knows what is in it")
    return stream


def _pictures(path: Path, budget: DecodeBudget) -> Iterator[VideoFrame]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=PILLOW_FORMATS) as picture:
            clock = 0.0
            for index in range(int(getattr(picture, "n_frames", 1))):
                try:
                    picture.seek(index)
                    pixels = upright(picture)
                except DAMAGE:
                    if index:
                        return
                    raise
                duration = float(picture.info.get("duration", 0) or 0) / 1000
                yield VideoFrame(clock, pixels, duration=duration)
                if budget.spend(PILLOW_COST * picture.width * picture.height):
                    return
                clock += max(0.01, duration)


def _film(path: Path, start: float, budget: DecodeBudget) -> Iterator[VideoFrame]:
    with _opened(path) as container:
        stream = _picture_of(container)
        stream.codec_context.thread_count = 2
        first = (
            float(stream.start_time * stream.time_base)
            if stream.start_time and stream.time_base
            else 0.0
        )
        if start > 0 and stream.time_base:
            with contextlib.suppress(av.error.FFmpegError):  # then it is read from the beginning
                container.seek(int((start + first) / stream.time_base), stream=stream)
        step = 1 / float(stream.average_rate or 25)
        clock = -step
        for frame in _decoded(container, stream):
            _require_size(path, frame.width, frame.height, MAX_FRAME_PIXELS)
            if budget.spend(frame.width * frame.height):
                return
            clock = (
                max(clock + 1e-3, frame.time - first) if frame.time is not None else clock + step
            )
            if clock < start - 1e-3:
                continue
            yield VideoFrame(clock, _turned(frame), bool(frame.interlaced_frame))


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames of every packet that can be decoded; gives up after too many that cannot."""
    silent = 0
    packets = container.demux(stream)
    while silent < MAX_SILENT_PACKETS:
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


def read_video(path: str | os.PathLike[str], most: int | None = None) -> Video:
    """Read a film or a picture with its record (empty if it has none); a picture has one frame.

    Parameters
    ----------
    most : int, optional
        Only so many of its first frames are decoded.

    Raises
    ------
    MediaError
        If the file is missing, empty, damaged, too large to hold, or neither.
    """
    source = Path(path)
    info = probe(source)
    _require_short(source, info, info.frames if most is None else min(info.frames, most))
    shots: list[VideoFrame] = []
    for frame in itertools.islice(iter_frames(source, info=info), most):
        shots.append(frame)
        if len(shots) % CHECKED_EVERY == 0:
            _require_short(source, info, len(shots))
    if not shots:
        raise MediaError(
            f"cannot read {source}: there is no picture in it",
            "is it a film or a picture, and complete?",
        )
    if len({frame.pixels.shape for frame in shots}) > 1:
        raise unreadable(source, ValueError("its frames are of several sizes"))
    record = _record(info.comment)
    if info.codec == "picture":
        return Video(*_at_one_rate(shots, record.get("fps")), record)
    return Video(np.stack([frame.pixels for frame in shots]), info.rate or UNKNOWN_FPS, record)


def _require_short(path: Path, info: MediaInfo, frames: int) -> None:
    if frames * info.height * info.width * 3 > MAX_FRAMES_BYTES:
        raise MediaError(
            f"{path} is too long: {frames} frames of {info.width}x{info.height}",
            "cut or reduce it first",
        )


def _at_one_rate(shots: list[VideoFrame], fps: float | None) -> tuple[NDArray[np.uint8], float]:
    """Frames at equal distances: a .gif stores equal neighbours as one that is shown longer."""
    frames, durations = [frame.pixels for frame in shots], [frame.duration for frame in shots]
    total = sum(durations)
    if not total:
        return np.stack(frames), 1.0
    rate = (
        float(fps)
        if isinstance(fps, int | float) and fps > 0
        else round(1 / (min(filter(None, durations))), 2)
    )
    ends = np.cumsum(durations) * rate
    repeats = np.diff(ends.round().astype(int), prepend=0).clip(1)
    if repeats.sum() == len(frames) and fps is None:
        rate = round(len(frames) / total, 2)
    return np.repeat(np.stack(frames), repeats, axis=0), rate


def _record(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
