"""Films and pictures on disk, each with the record of how it was made. Files appear whole or not at all."""

import errno
import itertools
import json
import math
import os
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from praxino.errors import InputError, MediaError, UnknownNameError

KEY: Final = "comment"
"""The metadata field that holds the record, as JSON."""


LONGEST: Final = 4 * 2**30
"""Bytes of frames that `read` takes on: a minute of 1280x720 at 25 frames a second."""


Seal = Callable[[Path, Path], Callable[[], None] | None]
"""What is done to a file that is written, before it gets its name: (the file, its name to be); it may return what is
left to do when it has it."""


@dataclass(frozen=True, eq=False)
class Video:
    """A film: ``frames`` (T, H, W, 3) uint8 RGB, ``fps`` frames per second, and the record that remakes it."""

    frames: NDArray[np.uint8]
    fps: float
    record: dict[str, Any] = field(default_factory=dict)
    seal: Seal | None = field(default=None, repr=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to ``path``; its ending chooses: .mp4 (H.264), .webm (VP9), .gif, or .png for one frame.

        Raises
        ------
        InputError
            For another ending, or more than one frame for a picture.
        MediaError
            If the file cannot be written; nothing is left behind then.
        """
        target = Path(path)
        check_ending(target, len(self.frames), self.fps)
        height, width = self.frames.shape[1:3]
        if target.suffix.lower() in (".mp4", ".webm") and (height % 2 or width % 2):
            raise InputError(f"{width}x{height}: films need even sizes", "cut a row or column, or write a .gif")
        with whole(target) as fresh:
            WRITERS[target.suffix.lower()](fresh, self)
            finish = self.seal(fresh, target) if self.seal else None
        if finish:
            finish()
        return target


def check_ending(path: Path, frames: int, fps: float = 1.0) -> None:
    """Raise `InputError` unless so many frames, ``fps`` a second, can be written to a name like ``path``."""
    ending = path.suffix.lower()
    if ending not in WRITERS:
        raise UnknownNameError("file ending", ending or path.name, WRITERS)
    if ending == ".png" and frames != 1:
        raise InputError(f"{path}: a .png holds one frame, not {frames}", "--frames 1, or an ending like .mp4")
    if not 0 < fps < math.inf:
        raise InputError(f"fps={fps}: must be above 0", "8")
    if ending == ".gif" and fps > 50:
        raise InputError(f"fps={fps:g}: a .gif shows at most 50 frames a second", "50, or a .mp4")


def check_writable(path: Path) -> None:
    """Raise `MediaError` if ``path`` clearly cannot be written: before minutes of work, not after them."""
    folder = path.parent
    if folder.is_file():
        raise MediaError(f"cannot write {path}: {folder} is a file, not a folder", "choose another name with -o")
    if not folder.is_dir():
        raise MediaError(f"cannot write {path}: folder {folder} does not exist", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MediaError(f"cannot write {path}: no permission in {folder}", "choose another folder with -o")
    try:
        taken = path.is_dir()
    except OSError as error:
        raise _cannot_write(path, error) from None
    if taken:
        raise MediaError(f"cannot write {path}: it is a folder", f"{path / 'film.mp4'}")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``, renamed to it when the block succeeds and deleted when it fails."""
    check_writable(path)
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
    except av.error.FFmpegError as error:
        raise MediaError(f"cannot write {path}: {error}", "another ending may do") from None
    finally:
        fresh.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cannot_write(path: Path, error: OSError) -> MediaError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "free some space, or choose another folder with -o" if full else "choose another name with -o"
    return MediaError(f"cannot write {path}: {error.strerror or error}", hint)


def _write_film(path: Path, video: Video, codec: str, options: dict[str, str], **container_options: str) -> None:
    rate = Fraction(video.fps).limit_denominator(1001)
    with av.open(str(path), "w", options={"fflags": "+bitexact", **container_options}) as container:
        container.metadata[KEY] = json.dumps(video.record, ensure_ascii=False)
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = video.frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.codec_context.thread_count = 1  # same bytes on every run, whatever the number of cores
        for place in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(stream.codec_context, place, 1)  # limited range, BT.709
        for pixels in video.frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(stream.encode())


def _write_mp4(path: Path, video: Video) -> None:
    # Macroblock-tree rate control reads uninitialised memory at small sizes: without it, equal films are equal bytes.
    _write_film(
        path, video, "libx264", {"crf": "12", "preset": "medium", "x264-params": "mbtree=0"}, movflags="+faststart"
    )


def _write_webm(path: Path, video: Video) -> None:
    _write_film(path, video, "libvpx-vp9", {"crf": "10", "b": "0", "deadline": "good", "cpu-used": "4"})


def _write_gif(path: Path, video: Video) -> None:
    first, *rest = (Image.fromarray(pixels).quantize(128) for pixels in video.frames)
    comment = json.dumps(video.record).encode()
    # A GIF counts hundredths of a second: frames get 12 or 13 of them so that the whole film keeps its rate.
    ends = [round(100 * (i + 1) / video.fps) for i in range(len(video.frames))]
    durations = [10 * (end - start) for start, end in zip([0, *ends], ends, strict=False)]
    first.save(path, append_images=rest, save_all=True, duration=durations, loop=0, comment=comment, optimize=False)


def _write_png(path: Path, video: Video) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, json.dumps(video.record, ensure_ascii=False))
    Image.fromarray(video.frames[0]).save(path, pnginfo=info)


WRITERS: Final[dict[str, Callable[[Path, Video], None]]] = {
    ".mp4": _write_mp4,
    ".webm": _write_webm,
    ".gif": _write_gif,
    ".png": _write_png,
}


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """One picture (H, W, 3) as PNG; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Video(pixels[None], 1.0).save(path)


def read(path: str | os.PathLike[str], most: int | None = None) -> Video:
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
    check_file(source)
    try:
        video = _read_picture(source, most) or _read_film(source, most)
    except MediaError:
        raise
    except DAMAGE as error:
        raise unreadable(source, error) from None
    if not len(video.frames):
        raise MediaError(f"cannot read {source}: there is no picture in it", "is it a film or a picture, and complete?")
    return video


DAMAGE: Final = (
    OSError, EOFError, ValueError, LookupError, SyntaxError, TypeError, MemoryError, OverflowError, struct.error,
    av.error.FFmpegError, Image.DecompressionBombError,
)  # fmt: skip
"""What decoders raise on damaged files."""


def check_file(path: Path) -> None:
    """Raise `MediaError` unless ``path`` is there, a regular file, and not empty."""
    if not path.exists():
        raise MediaError(f"no such file: {path}", "is the path right?")
    if path.is_dir():
        raise MediaError(f"{path} is a folder", "name one file in it")
    if not path.is_file():
        raise MediaError(f"{path} is no regular file", "what comes through a pipe or a device: save it first")
    if not path.stat().st_size:
        raise MediaError(f"{path} is empty", "was it copied whole?")


def unreadable(path: Path, error: Exception) -> MediaError:
    """A decoder's complaint as one of ours."""
    said = getattr(error, "strerror", None) or str(error)
    problem = " ".join(said.split()) or type(error).__name__
    return MediaError(f"cannot read {path}: {problem}", "is it a film or a picture, and complete?")


def _check_length(path: Path, frames: int, height: int, width: int) -> None:
    if frames * height * width * 3 > LONGEST:
        raise MediaError(f"{path} is too long: {frames} frames of {width}x{height}", "cut or reduce it first")


def _at_most(count: int, most: int | None) -> int:
    return count if most is None else min(count, most)


def _read_picture(path: Path, most: int | None) -> Video | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damage is one error, not a warning and an error
        try:
            picture = Image.open(path)
        except UnidentifiedImageError:
            return None
        with picture:
            comment = picture.info.get(KEY, b"")
            text = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)
            count = _at_most(getattr(picture, "n_frames", 1), most)
            _check_length(path, count, picture.height, picture.width)
            frames, durations = [], []
            for index in range(count):
                picture.seek(index)
                frames.append(upright(picture))
                durations.append(picture.info.get("duration", 0) / 1000)
    record = _record(text)
    return Video(*_at_one_rate(frames, durations, record.get("fps")), record)


def upright(picture: Image.Image) -> NDArray[np.uint8]:
    """Upright, eight bits a channel."""
    if picture.mode.startswith("I"):  # sixteen bits of grey
        grey = (np.asarray(picture).astype(np.float64) / 257).clip(0, 255).round().astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.asarray((ImageOps.exif_transpose(picture) or picture).convert("RGB"))


def _at_one_rate(
    frames: list[NDArray[np.uint8]], durations: list[float], fps: float | None
) -> tuple[NDArray[np.uint8], float]:
    """Frames at equal distances: a .gif stores equal neighbours as one that is shown longer."""
    shown = sum(durations)
    if not shown:
        return np.stack(frames), 1.0
    rate = float(fps) if isinstance(fps, int | float) and fps > 0 else round(1 / (min(filter(None, durations))), 2)
    ends = np.cumsum(durations) * rate
    repeats = np.diff(ends.round().astype(int), prepend=0).clip(1)
    if repeats.sum() == len(frames) and fps is None:
        rate = round(len(frames) / shown, 2)
    return np.repeat(np.stack(frames), repeats, axis=0), rate


def _read_film(path: Path, most: int | None) -> Video:
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("there is no picture in it")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise ValueError("no decoder knows what is in it")
        rate = float(stream.average_rate or 25)
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        length = _at_most(max(stream.frames, round(seconds * rate)), most)
        _check_length(path, length, stream.height, stream.width)
        comment = container.metadata.get(KEY) or container.metadata.get(KEY.upper()) or ""
        frames = [
            frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
            for frame in itertools.islice(container.decode(stream), most)
        ]
    return Video(np.stack(frames), rate, _record(comment))


def _record(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
