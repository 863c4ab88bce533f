"""Films of any origin, frame by frame: upright, in RGB, without ever holding more than one, and
what is odd about them.

Files are not trusted: what is damaged is skipped, what is endless is cut, what is too large is
refused.
"""

import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from praxino.errors import MediaError
from praxino.log import logger
from praxino.storage.files import require_file
from praxino.storage.media.ffmpeg import film_frames, probe_film
from praxino.storage.media.formats import MAX_PICTURE_PIXELS
from praxino.storage.media.info import (
    COMPLETE_HINT,
    DAMAGE,
    MAX_FRAME_PIXELS,
    DecodeBudget,
    MediaInfo,
    VideoFrame,
    require_pixels,
    unreadable,
)
from praxino.storage.media.pillow import picture_frames, probe_picture
from praxino.storage.media.video import Video

MAX_FRAMES_BYTES: Final = 4 * 2**30
"""Bytes of frames that `read_video` holds: a minute of 1280x720 at 25 frames a second."""
CHECKED_EVERY: Final = 64
"""Frames between two looks at how many there are already: headers may be wrong about it."""
UNKNOWN_FPS: Final = 25.0
"""Frames per second of a film that does not say its rate."""
MAX_ANALYSED_FPS: Final = 8.5
"""Frames a second, at most, that detectors see and are trained on."""
MAX_GAP_RATIO: Final = 1.9
"""Longest over shortest time between two frames, from which on a film counts as of a varying
rate.
"""
MAX_UNROLLED_BYTES: Final = 2**28
"""Bytes of pictures that are held, as many times as they are shown."""
MAX_HOLD_SECONDS: Final = 4.0
"""Seconds that one picture is held, at most, where frames are brought to one rate."""


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
        info = probe_picture(path) or probe_film(path)
    except MediaError:
        raise
    except DAMAGE as error:
        raise unreadable(path, error) from None
    largest = (
        MAX_PICTURE_PIXELS if info.codec == "picture" and not info.seconds else MAX_FRAME_PIXELS
    )
    require_pixels(path, info.width, info.height, largest)
    return info


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
    source = (
        picture_frames(path, budget)
        if info.codec == "picture"
        else film_frames(path, start, info, budget)
    )
    try:
        for frame in source:
            # a picture that is held is shown at ``start``, too
            if frame.seconds + max(0.0, frame.duration - 1e-3) >= start - 1e-3:
                yield frame
    except MediaError:
        raise
    except DAMAGE as error:
        raise unreadable(path, error) from None


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
            COMPLETE_HINT,
        )
    if len({frame.pixels.shape for frame in shots}) > 1:
        raise unreadable(source, ValueError("its frames are of several sizes"))
    if "transparent" in info.oddities:
        logger.info("%s is transparent in parts: they are white", source)
    record = _record(info.comment)
    if info.codec == "picture":
        most_frames = max(len(shots), MAX_UNROLLED_BYTES // max(1, shots[0].pixels.nbytes))
        durations = [shot.duration for shot in shots]
        rate, repeats = _one_rate(source, durations, record.get("fps"), most_frames)
        repeats = np.diff(np.minimum(np.cumsum(repeats), most or math.inf).astype(int), prepend=0)
        _require_short(source, info, int(repeats.sum()))
        return Video(np.repeat(np.stack([s.pixels for s in shots]), repeats, axis=0), rate, record)
    pixels, rate = np.stack([frame.pixels for frame in shots]), info.rate or UNKNOWN_FPS
    gaps = np.diff([frame.seconds for frame in shots])
    if not len(gaps) or gaps.max() <= MAX_GAP_RATIO * max(gaps.min(), 1e-3):
        return Video(pixels, rate, record)
    # a varying rate: frames are repeated until the time of the next
    most_frames = max(len(shots), MAX_UNROLLED_BYTES // max(1, pixels[0].nbytes))
    last = info.seconds - shots[-1].seconds if most is None else 0.0
    durations = [*gaps.tolist(), min(max(last, float(gaps.min())), MAX_HOLD_SECONDS)]
    rate, repeats = _one_rate(source, durations, record.get("fps"), most_frames)
    _require_short(source, info, int(repeats.sum()))
    return Video(np.repeat(pixels, repeats, axis=0)[:most], rate, record)


def _require_short(path: Path, info: MediaInfo, frames: int) -> None:
    if frames * info.height * info.width * 3 > MAX_FRAMES_BYTES:
        raise MediaError(
            f"{path} is too long: {frames} frames of {info.width}x{info.height}",
            "cut or reduce it first",
        )


def _one_rate(
    path: Path, durations: list[float], fps: float | None, most: int
) -> tuple[float, NDArray[np.intp]]:
    """Frames a second, and how often each picture is repeated for it: a .gif stores equal
    neighbours as one that is shown longer. Of others' files no more than ``most`` frames come about
    so.
    """
    if not any(durations):
        return 1.0, np.ones(len(durations), np.intp)
    if isinstance(fps, int | float) and fps > 0:  # of our own: as it was written
        rate = float(fps)
    else:
        rate = round(1 / min(filter(None, durations)), 2)
        hold = MAX_HOLD_SECONDS
        while hold * rate > 1 and sum(min(d, hold) for d in durations) * rate > most:
            hold /= 2
        if max(durations) > hold:
            logger.info("%s: pictures are held for %.3g seconds at most", path, hold)
        durations = [min(duration, hold) for duration in durations]
    ends = np.cumsum(durations) * rate
    repeats = np.diff(ends.round().astype(int), prepend=0).clip(1)
    if repeats.sum() == len(durations) and fps is None:
        rate = round(len(durations) / sum(durations), 2)
    return rate, repeats


def _record(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
