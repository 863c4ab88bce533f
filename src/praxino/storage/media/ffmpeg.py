"""Films through FFmpeg: what a file says of itself, and the frames that a player would show."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, VideoReformatter
from numpy.typing import NDArray

from praxino.storage.media.formats import DEMUXERS
from praxino.storage.media.info import (
    MAX_FRAME_PIXELS,
    DecodeBudget,
    MediaInfo,
    VideoFrame,
    over_white,
    require_pixels,
)
from praxino.storage.media.video import COMMENT

MAX_DEMUXER_ERRORS: Final = 256
"""Times that a container may fail to give its next packet, before the rest is given up."""
CLOCK_RESTART_SECONDS: Final = 1.0
"""How far a clock jumps back where recordings were joined: it goes on from there."""
MAX_SCAN_PACKETS: Final = 2**19
"""Packets whose times are read, at most, where a file does not say its length: four hours at 30
frames a second.
"""
MAX_SCAN_BYTES: Final = 2**28
"""Size of a file, at most, whose header is held against its packets, where these have no table."""
MAX_MISCOUNT: Final = 1.5
"""Frames by which a table and a length times a rate may differ before packets are counted."""
RAW_DEMUXERS: Final = frozenset(("h264", "hevc", "m4v", "av1", "obu", "mpegvideo", "dv"))
"""Streams of frames without any times: FFmpeg guesses their length from their bits."""
HDR: Final = {16: "PQ", 18: "HLG"}
"""Transfer curves of high dynamic range (ITU-T H.273)."""
UNSPECIFIED: Final = 2
"""Matrix of colours that a file does not state (ITU-T H.273)."""
SD_WIDTH, SD_HEIGHT = 1279, 576
"""The largest picture whose colours are those of BT.601 where a file does not state them; of larger
ones they are those of BT.709.
"""
ALPHA_FORMATS: Final = ("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16")


@dataclass(frozen=True)
class Timeline:
    """The times of a film's packets: when the first is shown, when the last ends, and how many
    are.
    """

    first: float
    end: float
    frames: int


def probe_film(path: Path) -> MediaInfo:
    """What a film says of itself; its length is looked up in its packets if it does not say it."""
    with opened(path) as container:
        stream = picture_stream(container)
        context: Any = stream.codec_context
        raw = container.format.name in RAW_DEMUXERS
        rates = (stream.guessed_rate, stream.average_rate)
        rate = float(next(filter(None, rates if raw else rates[::-1]), 0))
        first = _seconds(stream, stream.start_time)
        lengths = (_seconds(stream, stream.duration), (container.duration or 0) / av.time_base)
        seconds = 0.0 if raw else min(filter(lambda length: length > 0, lengths), default=0.0)
        frames, size, indexed = stream.frames, path.stat().st_size, seconds > 0
        # a film that was cut without decoding holds frames that are not shown
        is_plain = rate and abs(frames - seconds * rate) < MAX_MISCOUNT
        by_table = container.format.name.startswith("mov") and is_plain
        if not is_plain and indexed:
            frames = min(frames, math.ceil(seconds * rate - 0.01)) if rate else frames
        if not indexed or (not by_table and size <= MAX_SCAN_BYTES):
            line = timeline(container, stream, rate)
            if line.frames > 1:
                first, seconds, frames = line.first, line.end - line.first, line.frames
        odd = []
        if int(context.color_trc or 0) in HDR:
            odd.append(f"high dynamic range ({HDR[int(context.color_trc)]})")
        if context.format is not None and context.format.name.startswith(ALPHA_FORMATS):
            odd.append("transparent")
        comment = container.metadata.get(COMMENT) or container.metadata.get(COMMENT.upper()) or ""
        return MediaInfo(
            stream.width,
            stream.height,
            rate,
            seconds,
            context.name,
            size,
            tuple(odd),
            frames or round(seconds * rate),
            comment,
            first,
            indexed,
            float(stream.sample_aspect_ratio or 1),
        )


def opened(path: Path) -> Any:
    """The container, of a format that holds its own pictures: a playlist in disguise could name
    other files and hosts.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS}
    return av.open(str(path), metadata_errors="replace", timeout=8.0, options=options)


def picture_stream(container: Any) -> Any:
    """The stream of a film, not that of its cover; raises `ValueError` if there is none."""
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


def timeline(container: Any, stream: Any, rate: float, until: float = math.inf) -> Timeline:
    """One pass over the packets, to the end or to ``until``, none of which is decoded.

    Packets without times follow one another at ``rate``, or at 25 a second.
    """
    first, end, count, offset = 0.0, 0.0, 0, 0.0
    for packet in itertools.islice(_packets(container, stream), MAX_SCAN_PACKETS):
        if not packet.size or packet.is_discard:
            continue
        step = _seconds(stream, packet.duration) or 1 / (rate or 25.0)
        time = end if packet.pts is None else _seconds(stream, packet.pts) + offset
        if count and time < end - CLOCK_RESTART_SECONDS:
            offset, time = offset + end - time, end
        first = time if not count else min(first, time)
        end, count = max(end, time + step), count + 1
        if time > until:
            break
    return Timeline(first, end, count)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """The packets of a stream; where the container is damaged, what comes after the damage."""
    for _ in range(MAX_DEMUXER_ERRORS):
        try:
            yield from container.demux(stream)
            return
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue


def length(path: Path) -> float:
    """Seconds that a film takes by the times of its packets."""
    with opened(path) as container:
        line = timeline(container, picture_stream(container), 0.0)
    return line.end - line.first


def _seconds(stream: Any, ticks: int | None) -> float:
    return float(ticks * stream.time_base) if ticks and stream.time_base else 0.0


def film_frames(
    path: Path, start: float, info: MediaInfo, budget: DecodeBudget
) -> Iterator[VideoFrame]:
    """The frames from ``start`` seconds on; from the beginning of the file where it cannot be
    jumped into before them.
    """
    if start > 0:
        frames = _frames(path, start, info, budget, jump=True)
        first = next(frames, None)
        if first is not None:
            yield first
            yield from frames
            return
    yield from _frames(path, start, info, budget, jump=False)


def _frames(
    path: Path, start: float, info: MediaInfo, budget: DecodeBudget, jump: bool
) -> Iterator[VideoFrame]:
    """Frames from ``start`` on; none if a jump landed behind it."""
    with opened(path) as container:
        stream = picture_stream(container)
        stream.codec_context.thread_count = 2
        if jump and not _jumped(container, stream, start, info):
            return
        clock, display = FrameClock(info), _Display()
        for frame in decoded(container, stream, budget):
            require_pixels(path, frame.width, frame.height, MAX_FRAME_PIXELS)
            if budget.spend(frame.width * frame.height):
                return
            time = clock.at(frame)
            if jump and time > start + clock.step:
                return
            jump = False
            if time < start - 1e-3:
                continue
            yield VideoFrame(time, display.pixels(frame), bool(frame.interlaced_frame))


class FrameClock:
    """When each frame is shown, in seconds from the beginning: they follow one another, also where
    recordings with clocks of their own were joined, and where a file repeats a time or says none.
    """

    def __init__(self, info: MediaInfo) -> None:
        self.step, self._first = 1 / (info.rate or 25.0), info.first
        self._last, self._offset = -self.step, 0.0

    def at(self, frame: Any) -> float:
        """The time of the next frame."""
        due = self._last + self.step
        time = due if frame.time is None else frame.time - self._first + self._offset
        if time < self._last - CLOCK_RESTART_SECONDS:
            self._offset, time = self._offset + due - time, due
        self._last = max(self._last + 1e-3, time)
        return self._last


def _jumped(container: Any, stream: Any, start: float, info: MediaInfo) -> bool:
    """Whether the container could be moved to a keyframe before ``start``."""
    if not stream.time_base or container.format.name in RAW_DEMUXERS:
        return False
    if not info.indexed:  # FFmpeg finds its way in what it has passed once
        timeline(container, stream, info.rate, start + info.first)
    try:
        container.seek(int((start + info.first) / stream.time_base), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def decoded(container: Any, stream: Any, budget: DecodeBudget) -> Iterator[Any]:
    """Frames of every packet that can be decoded.

    Packets without a frame are no damage: a cut film holds some that are decoded and not shown.
    They cost what a frame does, and so do damaged ones.
    """
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            frames = []
        if not frames and packet.size and budget.spend(stream.width * stream.height):
            return
        yield from frames


class _Display:
    """Frames as a player shows them: colours by the file's own tags, turned and mirrored by its
    matrix.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def pixels(self, frame: Any) -> NDArray[np.uint8]:
        """(H, W, 3) RGB."""
        alpha = frame.format.name.startswith(ALPHA_FORMATS)
        more: dict[str, Any] = {}
        if frame.colorspace == UNSPECIFIED and (frame.width > SD_WIDTH or frame.height > SD_HEIGHT):
            more["src_colorspace"] = Colorspace.ITU709
        if frame.color_trc in HDR:
            more |= {
                "dst_color_trc": ColorTrc.BT709,
                "dst_color_primaries": ColorPrimaries.BT709,
            }
        layout = "rgba" if alpha else "rgb24"
        pixels: Any = self._reformatter.reformat(frame, format=layout, **more).to_ndarray()
        return turned(over_white(pixels) if alpha else pixels, frame)


def display_signs(frame: Any) -> tuple[int, int, int, int]:
    """Signs of a, b, c, d of a frame's display matrix (ISO 14496-12, 8.3.2): x' = a x + c y, y' =
    b x + d y.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (1, 0, 0, 1)
    a, b, _, c, d = np.sign(np.frombuffer(bytes(data), "<i4")[:5]).tolist()
    return a, b, c, d


def turned(pixels: NDArray[np.uint8], frame: Any) -> NDArray[np.uint8]:
    """Stored pixels as the display matrix wants them: quarter turns and mirrors."""
    a, b, c, d = display_signs(frame)
    if (a, b, c, d) == (1, 0, 0, 1):
        return pixels
    if a and d:
        flips = tuple(axis for axis, way in ((0, d), (1, a)) if way < 0)
    elif b and c:
        pixels = pixels.swapaxes(0, 1)
        flips = tuple(axis for axis, way in ((0, b), (1, c)) if way < 0)
    else:
        return pixels
    return np.ascontiguousarray(np.flip(pixels, flips))
