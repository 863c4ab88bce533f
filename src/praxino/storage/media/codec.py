"""Frames through a video encoder and back, in memory: what a canonical encode says of them, and
what it does to them.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.uint8]
BLOCK: Final = 16
"""Pixels a side of a macroblock: the grid on which motion is told."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A film as an encoder wrote it: ``sizes`` (T,) are the bytes of each frame."""

    data: bytes
    sizes: NDArray[np.float64]

    def decoded(self) -> Film:
        """(T, H, W, 3)"""
        with av.open(io.BytesIO(self.data), "r") as container:
            frames = [
                np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                for frame in container.decode(video=0)
            ]
        return np.stack(frames)

    def motion(self) -> NDArray[np.float32]:
        """(T, H/16, W/16, 2): each macroblock's motion vector in pixels, x and y; 0 where it has
        none.
        """
        with av.open(io.BytesIO(self.data), "r") as container:
            stream = container.streams.video[0]
            stream.codec_context.options = {"flags2": "+export_mvs"}
            return np.stack([_vectors(frame) for frame in container.decode(stream)])


def _vectors(frame: av.VideoFrame) -> NDArray[np.float32]:
    rows, columns = -(-frame.height // BLOCK), -(-frame.width // BLOCK)
    field = np.zeros((rows, columns, 2), np.float32)
    vectors: Any = frame.side_data.get("MOTION_VECTORS")
    if vectors is None:
        return field
    table = vectors.to_ndarray()
    row = (table["dst_y"] // BLOCK).clip(0, rows - 1)
    column = (table["dst_x"] // BLOCK).clip(0, columns - 1)
    share = table["w"].astype(np.float32) * table["h"] / BLOCK**2  # a block may be cut into parts
    vector = (
        np.stack([table["motion_x"], table["motion_y"]], axis=1) / table["motion_scale"][:, None]
    )
    np.add.at(field, (row, column), vector * share[:, None])
    return field


def h264(film: Film, fps: float = 8.0, **options: str) -> Encoded:
    """Encode (T, H, W, 3) of even sizes by x264; ``options`` are its own, such as ``crf="23"`` or
    ``qp="30"``.
    """
    return encode(
        film, fps, "libx264", {"preset": "veryfast", "x264-params": "threads=1", **options}
    )


def encode(film: Film, fps: float, codec: str, options: dict[str, str]) -> Encoded:
    """Encode (T, H, W, 3) of even sizes by any encoder that FFmpeg has, on one core."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream(
            codec, rate=Fraction(fps).limit_denominator(1001), options=options
        )
        stream.height, stream.width = film.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        sizes = []
        for packet in _packets(stream, film):
            sizes.append(packet.size)
            container.mux(packet)
    return Encoded(buffer.getvalue(), np.array(sizes, np.float64))


def _packets(stream: Any, film: Film) -> Iterator[Any]:
    for pixels in film:
        yield from stream.encode(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        )
    yield from stream.encode()
