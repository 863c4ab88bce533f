"""Films for the tests of the detector: made by hand, since none may be kept."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.uint8]
MILLI = Fraction(1, 1000)


def textured(
    frames: int = 16, height: int = 96, width: int = 128, seed: int = 0, step: float = 2.0
) -> Film:
    """A textured plane that glides by ``step`` pixels a frame, with a little noise."""
    rng = np.random.default_rng(seed)
    wide = width + int(abs(step) * frames) + 8
    plane = cv2.GaussianBlur(rng.normal(128, 90, (height, wide, 3)), (0, 0), 1.5) * 1.5 - 64
    film = []
    for index in range(frames):
        shift = np.float32([[1, 0, -step * index], [0, 1, 0]])
        frame = cv2.warpAffine(plane, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
        film.append((frame + rng.normal(0, 2, frame.shape)).clip(0, 255))
    return np.stack(film).astype(np.uint8)


def ball(path: list[tuple[float, float]], side: int = 224, radius: int = 16) -> Film:
    """A red ball with a stripe before a still wall; ``path`` in sides, x and y; no ball where x is
    negative.
    """
    rng = np.random.default_rng(1)
    wall = (
        cv2.GaussianBlur(rng.normal(120, 40, (side, side, 3)), (0, 0), 4)
        .clip(0, 255)
        .astype(np.uint8)
    )
    film = []
    for x, y in path:
        frame = wall.copy()
        if x >= 0:
            middle = (round(x * side), round(y * side))
            cv2.circle(frame, middle, radius, (220, 30, 30), -1, cv2.LINE_AA)
            cv2.line(
                frame, (middle[0] - 8, middle[1]), (middle[0] + 8, middle[1]), (255, 255, 255), 3
            )
        film.append(frame)
    return np.stack(film)


def write(
    path: Path, film: Film, fps: int = 8, codec: str = "libx264", pix_fmt: str = "yuv420p",
    times: list[int] | None = None, interlaced: bool = False, trc: int = 1,
    start: float = 0.0, gop: int | None = None, container_options: dict[str, str] | None = None,
    pixel_aspect: Fraction | None = None,
) -> Path:  # fmt: skip
    """A film file with whatever is odd about it; ``times`` are in 1/1000 s, and its clock begins at
    ``start`` seconds.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        options = {"crf": "18", "preset": "ultrafast"} if codec == "libx264" else {}
        if interlaced:
            options |= {"x264-params": "tff=1"}
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = film.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.codec_context.color_trc = trc
        stream.codec_context.sample_aspect_ratio = pixel_aspect or Fraction(0, 1)
        if gop is not None:
            stream.codec_context.gop_size = gop
        if times is not None:
            stream.codec_context.time_base = stream.time_base = MILLI
        for index, pixels in enumerate(film):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(pixels), format="rgb24"
            ).reformat(format=pix_fmt)
            frame.pts = index + round(start * fps)
            if times is not None:
                frame.pts, frame.time_base = times[index], MILLI
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sound(path: Path) -> Path:
    """A file with a second of a tone and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        wave = (np.sin(np.arange(44100) * 0.06) * 0.2).astype(np.float32)[None]
        for start in range(0, 44100 - 1024, 1024):
            frame = av.AudioFrame.from_ndarray(
                wave[:, start : start + 1024], format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 44100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
