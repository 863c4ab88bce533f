"""A film written anew with its luma changed frame by frame, and all else as it was: sound,
subtitles, times, colours, depth, and as near as can be the codec and its quality.

One frame is in memory at a time, whatever the film's length.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from av.codec.codec import UnknownCodecError
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from praxino.errors import MediaError
from praxino.storage.files import FULL, unchanged
from praxino.storage.media import ffmpeg
from praxino.storage.media.encoders import (
    CHAPTERED,
    COARSE_TIMES,
    MPEG_TS_SOUND,
    MUXERS,
    encoder_of,
    pixel_format,
)
from praxino.storage.media.info import (
    COMPLETE_HINT,
    DAMAGE,
    MAX_FRAME_PIXELS,
    require_pixels,
    unreadable,
)

Plane = NDArray[np.unsignedinteger[Any]]
LumaChange = Callable[[Plane, float], Plane]
"""(H, W) of luma, upright, and how many of its steps one step of 255 is -> the changed plane."""


MAX_TIME_ERROR: Final = Fraction(1, 200)
"""Seconds by which the time of a frame may change without a word."""
ALPHA_TAG: Final = "alpha_mode"
"""What WebM and Matroska call the transparency that FFmpeg's decoders of VP8 and VP9 leave out."""
COMPARED: Final = (0, 1, 2, 4, 16, 64, 256, 1024)
"""Numbers of the frames of which luma is kept, to tell how near a copy is: ever further apart."""
BYTES: Final = "application/octet-stream"
"""The type of an attachment that says none."""
MAX_WAITING_BYTES: Final = 2**28
"""Sound and subtitles that may come before the first frame."""
WRITTEN_THREADS: Final = 0
"""Threads of encoders and decoders; 0: one a core."""
EIGHT_BITS: Final = 255.0
LIMITED_RANGE: Final = 219.0
"""Steps of luma from black to white in films that leave room at both ends (ITU-R BT.601)."""
BT709, LIMITED = 1, 1
"""FFmpeg's numbers for a matrix and a range of colours (AVCOL_SPC_BT709, AVCOL_RANGE_MPEG)."""
FULL_RANGE: Final = 2
"""FFmpeg's number for films that do not (AVCOL_RANGE_JPEG)."""
QUARTER_TURNS: Final = {
    (1, 0, 0, 1): "",
    (-1, 0, 0, 1): "hflip",
    (1, 0, 0, -1): "vflip",
    (-1, 0, 0, -1): "hflip,vflip",
    (0, 1, 1, 0): "transpose=cclock_flip",
    (0, 1, -1, 0): "transpose=clock",
    (0, -1, 1, 0): "transpose=cclock",
    (0, -1, -1, 0): "transpose=clock_flip",
}
"""Signs of a, b, c, d of a display matrix, and FFmpeg's filters that do the same."""


@dataclass
class Transcoded:
    """What was done: ``frames`` written, ``damaged`` packets left out, ``notes`` on what could not
    be kept; and ``luma``, (H, W) in steps of 255, of those that are `COMPARED`, as they were.
    """

    frames: int = 0
    damaged: int = 0
    notes: list[str] = field(default_factory=list)
    luma: list[NDArray[np.float32]] = field(default_factory=list, repr=False)

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)


def transcode(source: Path, fresh: Path, change: LumaChange) -> Transcoded:
    """Write the film of ``source`` to ``fresh``, its luma changed.

    Frames are stored upright: what the source turned by a note in its header is turned for good.

    Raises
    ------
    MediaError
        If it cannot be read or written, is too large, or changes meanwhile.
    """
    os.environ.setdefault("SVT_LOG", "1")  # that encoder writes to stderr by itself
    done = Transcoded()
    try:
        with unchanged(source), ffmpeg.opened(source) as reader, _writer(fresh) as writer:
            _Copy(source, reader, writer, change, done).run()
    except MediaError:
        raise
    except av.error.FFmpegError as error:
        if error.errno in FULL:
            raise OSError(error.errno, os.strerror(error.errno)) from None
        raise unreadable(source, error) from None
    except DAMAGE as error:
        raise unreadable(source, error) from None
    if not done.frames:
        raise MediaError(f"{source}: none of its frames can be decoded", COMPLETE_HINT)
    return done


def luma_of(path: Path) -> list[NDArray[np.float32]]:
    """(H, W), in steps of 255, of those frames of a film that are `COMPARED`, as they are stored.

    Raises
    ------
    MediaError
        If it cannot be read.
    """
    planes: list[NDArray[np.float32]] = []

    def keep(luma: Plane, step: float) -> Plane:
        planes.append(luma.astype(np.float32) / step)
        return luma

    try:
        with ffmpeg.opened(path) as reader:
            stream = ffmpeg.picture_stream(reader)
            for number, frame in enumerate(
                itertools.islice(reader.decode(stream), COMPARED[-1] + 1)
            ):
                if number in COMPARED:
                    _with_luma(frame, keep)
    except DAMAGE as error:
        raise unreadable(path, error) from None
    return planes


@contextmanager
def _writer(fresh: Path) -> Iterator[Any]:
    muxer = MUXERS[fresh.suffix.lower()]
    iso = {"movflags": "+faststart+use_metadata_tags"}
    options = iso if muxer in ("mp4", "mov") else {}
    container = av.open(str(fresh), "w", format=muxer, options=options)
    try:
        yield container
    finally:
        container.close()


class _Copy:
    """One film on its way from a container into another one."""

    def __init__(
        self, source: Path, reader: Any, writer: Any, change: LumaChange, done: Transcoded
    ) -> None:
        self.source, self.reader, self.writer = source, reader, writer
        self.change, self.done = change, done
        self.picture = ffmpeg.picture_stream(reader)
        self.copies: dict[int, Any] = {}
        self.clocks: dict[int, _Clock] = {}
        self.encoder: Any = None
        self.filters: _Upright | None = None
        self.time_base = self.picture.time_base

    def run(self) -> None:
        self.picture.codec_context.thread_count = WRITTEN_THREADS
        self.picture.codec_context.thread_type = "AUTO"
        self.writer.metadata.update(self.reader.metadata)
        pending, waiting = [], 0  # streams are added before packets, when a frame says how they are
        for packet in self._packets():
            if packet.stream.index != self.picture.index:
                pending.append(packet)
                waiting += packet.size
                if self.encoder is None and waiting > MAX_WAITING_BYTES:
                    raise MediaError(f"{self.source}: its picture begins too late")
            else:
                for frame in self._frames(packet):
                    if self.encoder is None:
                        self._open(frame)
                    self._write(frame)
            if self.encoder is not None:
                for other in pending:
                    self._copy(other)
                pending.clear()
        if self.encoder is not None:
            for packet in self.encoder.encode():
                self.writer.mux(packet)

    def _packets(self) -> Iterator[Any]:
        """Packets of all streams, past damage in the container."""
        for _ in range(ffmpeg.MAX_DEMUXER_ERRORS):
            try:
                yield from self.reader.demux()
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.done.damaged += 1

    def _frames(self, packet: Any) -> list[Any]:
        try:
            return packet.decode()
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self.done.damaged += 1
            return []

    def _open(self, frame: Any) -> None:
        """Add the streams of the new file, for frames like this one."""
        require_pixels(self.source, frame.width, frame.height, MAX_FRAME_PIXELS)
        self.filters = _Upright(frame, self.picture)
        upright = self.filters.first
        encoder = encoder_of(self.picture, self.writer.format.name, self.done.note)
        stream = self.writer.add_stream(
            encoder.name, rate=self.picture.average_rate or 25, options=dict(encoder.options)
        )
        context = stream.codec_context
        stream.width, stream.height = upright.width, upright.height
        stream.pix_fmt = pixel_format(context, upright.format.name, self.done.note)
        self.time_base = self.picture.time_base
        if encoder.name in COARSE_TIMES:
            self.time_base = 1 / (self.picture.average_rate or Fraction(25))
        stream.time_base = context.time_base = self.time_base
        context.thread_count = WRITTEN_THREADS
        tags = {key.lower(): value for key, value in self.picture.metadata.items()}
        if tags.pop(ALPHA_TAG, None):
            self.done.note("transparency is left out")
        stream.metadata.update(tags)
        if self.picture.sample_aspect_ratio:
            ratio = self.picture.sample_aspect_ratio
            context.sample_aspect_ratio = 1 / ratio if self.filters.transposed else ratio
        for place in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(context, place, getattr(frame, place))
        if not _has_luma(frame.format):  # as `_with_luma` makes it
            context.colorspace, context.color_range = BT709, LIMITED
        self.encoder = stream
        if frame.interlaced_frame:
            self.done.note("interlaced fields are stored as whole frames")
        if frame.side_data.get("MASTERING_DISPLAY_METADATA") is not None:
            self.done.note("mastering data of HDR10 left out")
        chapters = self.reader.chapters()
        if chapters and self.writer.format.name.split(",")[0] in CHAPTERED:
            self.writer.set_chapters(chapters)
        elif chapters:
            self.done.note("chapters left out: the format has no room for them")
        for other in self.reader.streams:
            if other.index != self.picture.index:
                self._add_copy(other)

    def _add_copy(self, stream: Any) -> None:
        """A stream whose packets go over as they are, if the new format has room for it."""
        if stream.type == "attachment" and self.writer.format.name == "matroska":
            self.writer.add_attachment(stream.name, stream.mimetype or BYTES, stream.data)
            return
        if stream.type not in ("audio", "subtitle", "video"):
            return  # time codes and notes of the camera's own
        name = getattr(stream.codec_context, "name", None) or stream.type
        try:
            copy = None
            if (
                stream.type != "audio"
                or self.writer.format.name != "mpegts"
                or name in MPEG_TS_SOUND
            ):
                copy = self.writer.add_stream_from_template(stream)
        except (ValueError, av.error.FFmpegError, UnknownCodecError):
            pass
        if copy is None:
            self.done.note(f"{stream.type} ({name}) left out: the format has no room for it")
            return
        if stream.type == "video" and not stream.disposition & stream.disposition.attached_pic:
            self.done.note("a second picture track is copied as it is")
        copy.metadata.update(stream.metadata)
        self.copies[stream.index] = copy
        self.clocks[stream.index] = _Clock(stream.time_base)

    def _copy(self, packet: Any) -> None:
        copy = self.copies.get(packet.stream.index)
        if copy is None or packet.dts is None or not packet.size:
            return
        clock = self.clocks[packet.stream.index]
        if packet.stream.type == "audio":
            packet.dts = clock.onward(packet.dts)
        if packet.pts is not None:
            packet.pts = max(packet.pts + clock.offset, packet.dts)
        packet.stream = copy
        self.writer.mux(packet)

    def _write(self, frame: Any) -> None:
        assert self.filters is not None
        times = self.clocks.setdefault(self.picture.index, _Clock(self.time_base, self._ticks()))
        size = self.encoder.width, self.encoder.height
        for upright in self.filters.turned(frame):
            if (upright.width, upright.height) != size:  # recordings that were joined
                self.done.note(f"all pictures are {size[0]}x{size[1]} now, as the first was")
                upright = upright.reformat(*size)
            changed = _with_luma(upright, self._changed)
            pts = times.next
            if upright.pts is not None:
                pts = round(upright.pts * self.picture.time_base / self.time_base)
            seconds = None if upright.pts is None else upright.pts * self.picture.time_base
            changed.pts = times.onward(pts)
            changed.time_base = self.time_base
            off = 0 if seconds is None else abs(changed.pts * self.time_base - seconds)
            if self.encoder.codec_context.name in COARSE_TIMES and off > MAX_TIME_ERROR:
                self.done.note("times of some frames are moved: the codec counts frames")
            if changed.format.name != self.encoder.pix_fmt:
                changed = changed.reformat(format=self.encoder.pix_fmt)
            changed.pict_type = 0
            self.done.frames += 1
            for packet in self.encoder.encode(changed):
                self.writer.mux(packet)

    def _changed(self, luma: Plane, step: float) -> Plane:
        if self.done.frames in COMPARED:
            self.done.luma.append(luma.astype(np.float32) / step)
        return self.change(luma, step)

    def _ticks(self) -> int:
        rate = self.picture.average_rate or 25
        return max(1, round(1 / (rate * self.time_base)))


class _Clock:
    """Times of one stream, each later than the one before; they go on where recordings were joined
    and the clock jumps back.
    """

    def __init__(self, time_base: Fraction, step: int = 1) -> None:
        self.step, self.offset = step, 0
        self.restart = max(1, round(ffmpeg.CLOCK_RESTART_SECONDS / time_base))
        self.last: int | None = None

    @property
    def next(self) -> int:
        """The time of a frame that has none."""
        return 0 if self.last is None else self.last + self.step - self.offset

    def onward(self, time: int) -> int:
        """A time in the new file."""
        if self.last is not None and time + self.offset < self.last - self.restart:
            self.offset = self.last + self.step - time
        later = time + self.offset
        self.last = later if self.last is None else max(later, self.last + 1)
        return self.last


class _Upright:
    """Turns frames as the display matrix of their file wants them."""

    def __init__(self, frame: Any, stream: Any) -> None:
        names = QUARTER_TURNS.get(ffmpeg.display_signs(frame), "")
        self.transposed = "transpose" in names
        self.graph = None
        if names:
            self.graph = av.filter.Graph()
            steps = [self.graph.add_buffer(template=stream)]
            for name in names.split(","):
                filter_name, _, argument = name.partition("=")
                steps.append(self.graph.add(filter_name, argument or None))
            steps.append(self.graph.add("buffersink"))
            self.graph.link_nodes(*steps).configure()
        self.first = next(iter(self._through(frame)))
        self._pending: list[Any] | None = [self.first]

    def turned(self, frame: Any) -> list[Any]:
        """The frame, upright."""
        if self._pending is not None:  # the frame that was asked for its size
            pending, self._pending = self._pending, None
            return pending
        return self._through(frame)

    def _through(self, frame: Any) -> list[Any]:
        if self.graph is None:
            return [frame]
        self.graph.push(frame)
        return [self.graph.pull()]


def _has_luma(layout: Any) -> bool:
    return not (
        layout.is_rgb
        or layout.has_palette
        or layout.is_bit_stream
        or layout.name.startswith("gray")
    )


def _with_luma(frame: Any, change: LumaChange) -> Any:
    """A frame with its first plane changed; one without luma as YUV."""
    layout = frame.format
    if not _has_luma(layout):
        frame = frame.reformat(
            format="yuv444p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        layout = frame.format
    elif not layout.is_planar and layout.name not in ("nv12", "nv16", "nv21"):
        frame = frame.reformat(format="yuv422p")
        layout = frame.format
    frame.make_writable()
    depth = layout.components[0].bits
    plane = frame.planes[0]
    kind = np.dtype(np.uint8 if depth <= 8 else np.uint16)
    rows = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind.itemsize)
    luma = rows[: frame.height, : frame.width]
    white = EIGHT_BITS if int(frame.color_range) == FULL_RANGE else LIMITED_RANGE
    changed = change(luma, white / EIGHT_BITS * 2 ** (depth - 8))
    luma[...] = np.minimum(changed, 2**depth - 1)  # ten bits lie in sixteen
    return frame


def added(plane: Plane, amount: NDArray[np.float32]) -> Plane:
    """A plane with an amount of its own steps added, within what its type holds."""
    kind = cv2.CV_8U if plane.dtype == np.uint8 else cv2.CV_16U
    return np.asarray(cv2.add(plane, amount, dtype=kind), plane.dtype)
