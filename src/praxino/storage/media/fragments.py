"""Films that are watched while they are written: fragmented MP4 (ISO 14496-12, section 8.8), each
frame a fragment of its own.
"""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from praxino.storage.media.video import COMMENT, Video, add_stream, encode_frame, require_even

FRAGMENTED: Final = {"movflags": "+frag_every_frame+empty_moov+default_base_moof+skip_trailer"}
"""Without a trailer, which would list every frame."""
ENCODER: Final = {"crf": "14", "preset": "veryfast", "tune": "zerolatency"}
"""Each frame leaves the encoder before the next one comes."""


class Sink(Protocol):
    """Whatever takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Take all of them."""
        ...


class FragmentWriter:
    """A film that is written frame by frame as H.264; each can be shown when the next one comes.

    Parameters
    ----------
    sink : Sink
        Errors that it raises leave `write` and `close`. It need not be seekable.
    fps : float
        Frames a second; and a player may begin once a second.
    record : dict
        Of how the film is made, as far as that is known when it begins.

    Raises
    ------
    InputError
        From `write`, for an odd size.
    """

    def __init__(self, sink: Sink, fps: float, record: dict[str, Any] | None = None) -> None:
        self.fps, self.record = fps, record or {}
        self._sink, self._written = sink, _Buffer()
        self._container = av.open(self._written, "w", format="mp4", options=FRAGMENTED)
        self._stream: av.VideoStream | None = None

    def write(self, frames: NDArray[np.uint8]) -> None:
        """Add frames (T, H, W, 3)."""
        if self._stream is None:
            require_even(*frames.shape[1:3])
            options = ENCODER | {"g": str(max(1, round(self.fps)))}
            self._container.metadata[COMMENT] = json.dumps(self.record, ensure_ascii=False)
            film = Video(frames, self.fps)
            self._stream = add_stream(self._container, "libx264", film, options)
        for pixels in frames:
            self._container.mux(encode_frame(self._stream, pixels))
        self._hand_over()

    def close(self) -> None:
        """End the film."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())
        self._container.close()
        self._hand_over()

    def _hand_over(self) -> None:
        """Write to the sink here, and not in libav, which swallows some errors."""
        content = bytes(self._written.content)
        self._written.content.clear()
        if content:
            self._sink.write(content)

    def __enter__(self) -> "FragmentWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            self.close()


class _Buffer:
    """What libav writes, and cannot seek in."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes) -> int:
        self.content += data
        return len(data)


def join(fragmented: BinaryIO, target: Path, record: dict[str, Any]) -> None:
    """Write the same film as one piece, with the record of how it was made; no frame is encoded
    again.
    """
    with (
        av.open(fragmented) as source,
        av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        container.metadata[COMMENT] = json.dumps(record, ensure_ascii=False)
        assert isinstance(source, av.container.InputContainer)
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:  # the last one is empty
                packet.stream = stream
                container.mux(packet)
