"""Captions by a model behind an OpenAI-compatible endpoint that sees the clip.

What it refuses, cuts off or does not answer is kept as an error in the clip's row and asked again
in the next run; the other clips go on.
"""

import base64
import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import av
import cv2
import numpy as np

from praxino.chat import ChatEndpoint
from praxino.data.curation.decide import Clip
from praxino.data.curation.units import Row
from praxino.data.curation.write import Writing, cut, file_of
from praxino.errors import EndpointError, MediaError
from praxino.storage.media.frames import iter_frames

Way = Literal["frames", "video"]
INSTRUCTION: Final = (
    "Describe this video clip in one paragraph of 40 to 100 words: what is seen, what moves and "
    "how, the place, the light, the camera. Say only what is visible. No introduction."
)
FRAMES: Final = 8
"""Frames of a clip that are sent as pictures."""
SIDE: Final = 448
"""Pixels of their shorter side, at most."""
MAX_TOKENS: Final = 300
LEAST_WORDS: Final = 5
"""Words of a caption, at least."""
THOUGHTS: Final = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
REFUSALS: Final = (
    "i'm sorry", "i am sorry", "sorry,", "i cannot", "i can't", "i'm unable", "i am unable",
    "as an ai", "unable to",
)  # fmt: skip
"""How answers begin that are none."""
AT_ONCE: Final = 4
"""Requests that are open at a time."""
SILENT_IN_A_ROW: Final = 8
"""Clips without an answer, one after the other, after which no other one is asked for."""


@dataclass(frozen=True)
class Captioner:
    """Asks an endpoint; ``way`` says whether it is sent frames or the clip itself."""

    endpoint: ChatEndpoint
    way: Way = "frames"
    instruction: str = INSTRUCTION

    def caption(self, clip: Clip) -> Row:
        """The row of one clip: its ``caption``, or its ``problem``."""
        return self._ask(clip)[0]

    def captions(self, clips: Sequence[Clip]) -> Iterator[Row]:
        """The rows of many clips, as they come. An endpoint that is silent time after time is not
        asked any more.
        """
        silent = 0

        def ask(clip: Clip) -> tuple[Row, bool | None]:
            if silent < SILENT_IN_A_ROW:
                return self._ask(clip)
            return {"id": clip.id, "problem": "not asked: the endpoint is silent"}, True

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for row, is_silent in pool.map(ask, clips):
                if is_silent is not None:
                    silent = silent + 1 if is_silent else 0
                yield row

    def _ask(self, clip: Clip) -> tuple[Row, bool | None]:
        """A clip's row, and whether the endpoint was silent; None where it was not asked."""
        try:
            with file_of(clip.source) as path:
                parts = self._film(clip, path) if self.way == "video" else _frames(clip, path)
            content = [{"type": "text", "text": self.instruction}, *parts]
            answer = self.endpoint.complete(
                [{"role": "user", "content": content}], 0, 0.2, MAX_TOKENS
            )
        except EndpointError as error:
            silent = error.passing and not str(error).startswith("answers")
            return {"id": clip.id, "problem": str(error)}, silent
        except (MediaError, OSError, ValueError, av.error.FFmpegError) as error:
            return {"id": clip.id, "problem": str(error)}, None
        text = " ".join(THOUGHTS.sub("", answer).split())
        if text.lower().replace("\u2019", "'").startswith(REFUSALS):
            return {"id": clip.id, "problem": f"refused: {text[:80]}"}, False
        if len(text.split()) < LEAST_WORDS:
            return {"id": clip.id, "problem": f"no caption: {text[:80]!r}"}, False
        return {"id": clip.id, "caption": text}, False

    def _film(self, clip: Clip, path: Path) -> list[dict[str, Any]]:
        content, _ = cut(clip, path, Writing(side=SIDE))
        return [{"type": "video_url", "video_url": {"url": _data("video/mp4", content)}}]


def _frames(clip: Clip, path: Path) -> list[dict[str, Any]]:
    content, _ = cut(clip, path, Writing(side=SIDE))
    with tempfile.NamedTemporaryFile(suffix=".mp4") as copy:
        copy.write(content)
        copy.flush()
        frames = [frame.pixels for frame in iter_frames(Path(copy.name))]
    places = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int)
    parts = []
    for place in places:
        _, code = cv2.imencode(".jpg", frames[place][..., ::-1])
        url = _data("image/jpeg", code.tobytes())
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
