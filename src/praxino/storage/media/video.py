"""Films and pictures on disk, each with the record of how it was made. Files appear whole or not at
all.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from praxino.errors import InputError, MediaError, UnknownNameError
from praxino.storage.files import atomic_file

COMMENT: Final = "comment"
"""The metadata field that holds the record of a film that Praxino made, as JSON."""

FileFinisher = Callable[[Path, Path], Callable[[], None] | None]
"""What is done to a file that is written, before it gets its name: (the file, its name to be); it
may return what is left to do when it has it.
"""


@dataclass(frozen=True, eq=False)
class Video:
    """A film: ``frames`` (T, H, W, 3) uint8 RGB, ``fps`` frames per second, and the record that
    remakes it.
    """

    frames: NDArray[np.uint8]
    fps: float
    record: dict[str, Any] = field(default_factory=dict)
    seal: FileFinisher | None = field(default=None, repr=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to ``path``; its ending chooses: .mp4 (H.264), .webm (VP9), .gif, or .png for one
        frame.

        Raises
        ------
        InputError
            For another ending, or more than one frame for a picture.
        MediaError
            If the file cannot be written; nothing is left behind then.
        """
        target = Path(path)
        require_ending(target, len(self.frames), self.fps)
        if target.suffix.lower() in (".mp4", ".webm"):
            require_even(*self.frames.shape[1:3])
        with atomic_file(target) as fresh:
            try:
                WRITERS[target.suffix.lower()](fresh, self)
            except av.error.FFmpegError as error:
                raise MediaError(
                    f"cannot write {target}: {error}", "another ending may do"
                ) from None
            finish = self.seal(fresh, target) if self.seal else None
        if finish:
            finish()
        return target


def require_ending(path: Path, frames: int, fps: float = 1.0) -> None:
    """Raise `InputError` unless so many frames, ``fps`` a second, can be written to a name like
    ``path``.
    """
    ending = path.suffix.lower()
    if ending not in WRITERS:
        raise UnknownNameError("file ending", ending or path.name, WRITERS)
    if ending == ".png" and frames != 1:
        raise InputError(
            f"{path}: a .png holds one frame, not {frames}", "--frames 1, or an ending like .mp4"
        )
    if not 0 < fps < math.inf:
        raise InputError(f"fps={fps}: must be above 0", "8")
    if ending == ".gif" and fps > 50:
        raise InputError(f"fps={fps:g}: a .gif shows at most 50 frames a second", "50, or a .mp4")


def require_even(height: int, width: int) -> None:
    """Raise `InputError` for a size that is no film's."""
    if height % 2 or width % 2:
        raise InputError(
            f"{width}x{height}: films need even sizes", "cut a row or column, or write a .gif"
        )


def add_stream(
    container: av.container.OutputContainer, codec: str, video: Video, options: dict[str, str]
) -> av.VideoStream:
    """A stream for frames like those of ``video``, in BT.709; `encode_frame` fills it."""
    rate = Fraction(video.fps).limit_denominator(1001)
    stream = container.add_stream(codec, rate=rate, options=options)
    assert isinstance(stream, av.VideoStream)
    stream.height, stream.width = video.frames.shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    stream.codec_context.thread_count = 1  # same bytes on every run, whatever the number of cores
    for place in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(stream.codec_context, place, 1)  # limited range, BT.709
    return stream


def encode_frame(
    stream: av.VideoStream, pixels: NDArray[np.uint8]
) -> "list[av.Packet[av.VideoStream]]":
    """The packets of one more frame (H, W, 3)."""
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    return stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709"))


def _write_film(
    path: Path, video: Video, codec: str, options: dict[str, str], **container_options: str
) -> None:
    with av.open(str(path), "w", options={"fflags": "+bitexact", **container_options}) as container:
        container.metadata[COMMENT] = json.dumps(video.record, ensure_ascii=False)
        stream = add_stream(container, codec, video, options)
        for pixels in video.frames:
            container.mux(encode_frame(stream, pixels))
        container.mux(stream.encode())


def _write_mp4(path: Path, video: Video) -> None:
    # Macroblock-tree rate control reads uninitialised memory at small sizes: without it, equal
    # films are equal bytes.
    _write_film(
        path,
        video,
        "libx264",
        {"crf": "12", "preset": "medium", "x264-params": "mbtree=0"},
        movflags="+faststart",
    )


def _write_webm(path: Path, video: Video) -> None:
    _write_film(
        path, video, "libvpx-vp9", {"crf": "10", "b": "0", "deadline": "good", "cpu-used": "4"}
    )


def _write_gif(path: Path, video: Video) -> None:
    first, *rest = (Image.fromarray(pixels).quantize(128) for pixels in video.frames)
    comment = json.dumps(video.record).encode()
    # A GIF counts hundredths of a second: frames get 12 or 13 of them so that the whole film keeps
    # its rate.
    ends = [round(100 * (i + 1) / video.fps) for i in range(len(video.frames))]
    durations = [10 * (end - start) for start, end in zip([0, *ends], ends, strict=False)]
    first.save(
        path,
        append_images=rest,
        save_all=True,
        duration=durations,
        loop=0,
        comment=comment,
        optimize=False,
    )


def _write_png(path: Path, video: Video) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(COMMENT, json.dumps(video.record, ensure_ascii=False))
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
