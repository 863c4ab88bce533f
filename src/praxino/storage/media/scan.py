"""Films frame by frame as cheaply as they can be looked at: brightness at full size, colours small,
motion as the encoder found it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from praxino.errors import MediaError
from praxino.storage.media.ffmpeg import (
    FrameClock,
    decoded,
    display_signs,
    opened,
    picture_stream,
    turned,
)
from praxino.storage.media.info import (
    DAMAGE,
    MAX_FRAME_PIXELS,
    DecodeBudget,
    MediaInfo,
    require_pixels,
    unreadable,
)


@dataclass(frozen=True, eq=False)
class ScannedFrame:
    """One frame.

    Attributes
    ----------
    seconds : float
        From the beginning.
    luma : (H, W) uint8
        Brightness, upright.
    small : (h, w, 3) uint8
        RGB, ``w`` as asked for.
    motion : float, optional
        Mean length of the encoder's motion vectors, of the picture's width and height together;
        None where the frame has none.
    """

    seconds: float
    luma: NDArray[np.uint8]
    small: NDArray[np.uint8]
    motion: float | None


def scan(path: Path, info: MediaInfo, width: int) -> Iterator[ScannedFrame]:
    """The frames of a film, in order, with ``width`` pixels across in colours.

    Ends early where the file is damaged beyond a few packets.

    Raises
    ------
    MediaError
        If nothing can be read at all.
    """
    try:
        yield from _scanned(path, info, width)
    except MediaError:
        raise
    except DAMAGE as error:
        raise unreadable(path, error) from None


def _scanned(path: Path, info: MediaInfo, width: int) -> Iterator[ScannedFrame]:
    reformatter, clock = VideoReformatter(), FrameClock(info)
    with opened(path) as container:
        stream = picture_stream(container)
        context = stream.codec_context
        context.thread_count = 1
        context.options = {"flags2": "+export_mvs"}
        for frame in decoded(container, stream, DecodeBudget()):
            require_pixels(path, frame.width, frame.height, MAX_FRAME_PIXELS)
            time = max(0.0, clock.at(frame))
            upright = display_signs(frame)[0] != 0
            across = width if upright else max(8, round(width * frame.width / frame.height))
            high = max(8, round(across * frame.height / frame.width))
            small: Any = reformatter.reformat(frame, across, high, format="rgb24").to_ndarray()
            luma = turned(_luma(frame), frame)
            yield ScannedFrame(time, luma, turned(small, frame), _motion(frame))


def _luma(frame: Any) -> NDArray[np.uint8]:
    """(H, W) of a frame, as it is stored."""
    layout = frame.format
    if layout.name.startswith(("yuv420p", "yuvj420p", "nv12", "yuv422p", "yuv444p", "gray")) and (
        layout.components[0].bits == 8
    ):
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return rows[: frame.height, : frame.width]
    grey: NDArray[np.uint8] = frame.to_ndarray(format="gray")
    return grey


def _motion(frame: Any) -> float | None:
    data = frame.side_data.get("MOTION_VECTORS")
    if data is None:
        return None
    vectors = data.to_ndarray()
    if not len(vectors):
        return None
    scale = np.maximum(vectors["motion_scale"], 1)
    length = np.hypot(vectors["motion_x"] / scale, vectors["motion_y"] / scale)
    area = vectors["w"].astype(np.float64) * vectors["h"]
    return float((length * area).sum() / area.sum() / (frame.width + frame.height))
