"""Films that others are made from, as they are read."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from praxino import edits
from praxino.errors import InputError
from praxino.generation.images import fitted
from praxino.layout import Layout, parse_layout

if TYPE_CHECKING:
    from torch import Tensor

FILM_LAYOUT: Final = "film_layout"
"""Where the record of an edited film says what is where in all of its frames."""


@dataclass(frozen=True, eq=False)
class GivenVideo:
    """A film or picture that a film is made from.

    Attributes
    ----------
    name : str
        As the request and the film's record name it.
    frames : (T, H, W, 3) uint8
    fps : float
        Frames a second.
    content : bytes
        The file that it was read from: the film's signature states it.
    latents : (1, C, t, h, w), optional
        What it was decoded from, as far as that is kept: what goes on from it need not encode it
        again.
    sentence : str
        What its record says that it shows; empty where there is none.
    layout : Layout, optional
        And where.
    """

    name: str
    frames: NDArray[np.uint8]
    fps: float
    content: bytes = field(default=b"", repr=False)
    latents: "Tensor | None" = field(default=None, repr=False)
    sentence: str = ""
    layout: "Layout | None" = field(default=None, repr=False)

    @classmethod
    def read(cls, path: Path, name: str = "") -> "GivenVideo":
        """All frames of a file; raises `MediaError` if it cannot be read, or is too long."""
        from praxino.storage.media.frames import read_video

        video = read_video(path)
        sentence, layout = "", None
        with suppress(InputError):  # anybody may write a record
            sentence = recorded_sentence(video.record)
        with suppress(InputError):
            layout = recorded_layout(video.record)
        content = path.read_bytes()
        return cls(
            name or str(path), video.frames, video.fps, content, sentence=sentence, layout=layout
        )

    def fitted(self, height: int, width: int) -> NDArray[np.uint8]:
        """(T, height, width, 3): each frame as in `fitted`."""
        if self.frames.shape[1:3] == (height, width):
            return self.frames
        return np.stack([fitted(frame, height, width) for frame in self.frames])


def recorded_sentence(record: Mapping[str, Any]) -> str:
    """What a film's record says that it shows, as a model was told; empty if it says nothing.

    Raises
    ------
    InputError
        If it calls entities in a way that cannot be read.
    """
    prompt = record.get("prompt_used") or record.get("prompt")
    if not isinstance(prompt, str):
        return ""
    if not record.get("references"):
        return prompt
    from praxino.generation.spoken import spoken
    from praxino.references import parse_references

    return spoken(prompt, parse_references(record["references"]))


def recorded_layout(record: Mapping[str, Any], whole: bool = True) -> Layout | None:
    """The layout in a film's record, if it was made after one; raises `InputError` if it cannot be
    read.

    With ``whole``, it is that of all frames, and not of those alone that an edit made.
    """
    plain = record.get("layout")
    edit = record.get("edit")
    if whole and isinstance(edit, dict) and edit.get("task") != "restyle":
        plain = record.get(FILM_LAYOUT)  # the other one is of the frames that were made
    return None if plain is None else parse_layout(plain)


def load_videos(names: Iterable[str], videos: Sequence[GivenVideo] = ()) -> dict[str, GivenVideo]:
    """The films of these names: those in ``videos``, the others read from files."""
    by_name = {video.name: video for video in videos}
    return {name: by_name.get(name) or GivenVideo.read(Path(name)) for name in names}


def film_shape(
    edit: edits.Edit | dict[str, Any] | None, videos: Sequence[GivenVideo] = ()
) -> edits.FilmShape | None:
    """The shape of the film that an edit, as plain values or not, is made from; None for none.

    Raises
    ------
    InputError
        If it is no edit.
    MediaError
        If one of its films cannot be read.
    """
    if isinstance(edit, dict):
        edit = edits.parse_edit(edit)
    if edit is None or not edit.video:
        return None
    films = load_videos(edits.sources(edit), videos)
    video = films[edit.video]
    frames, height, width = video.frames.shape[:3]
    return edits.FilmShape(frames, height, width, video.fps)
