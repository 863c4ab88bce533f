"""What is made of a film that is there already: which part of it stays, and which is made anew.

Plain values, as requests carry them and records keep them. Boxes are (left, top, right, bottom) as
shares of the picture from its upper left corner.
"""

import math
from typing import Annotated, Final, Literal, NamedTuple, get_args

from pydantic import Field, TypeAdapter, model_validator

from praxino.config import Config
from praxino.errors import UnknownNameError
from praxino.plain import parse_plain

Box = tuple[float, float, float, float]
Strength = Literal["keep", "change", "reimagine"]
STRENGTHS: Final = {"keep": 0.45, "change": 0.65, "reimagine": 0.8}
"""Words for how much of a film is made anew, as the time from which it is."""
SOURCE_STRENGTHS: Final = {"keep": 0.65, "change": 0.85, "reimagine": 0.95}
"""Times of these words where the film's own sentence is known: what both say stays by itself."""
MAX_NAME: Final = 1024
MAX_KEYFRAMES: Final = 1000
CONTEXT: Final = "latent frames of it that the new ones are told of"


class Extend(Config):
    """A film goes on, or begins earlier."""

    task: Literal["extend"] = "extend"
    video: str = Field(max_length=MAX_NAME, description="the film")
    backward: bool = Field(False, description="before its beginning")
    context: int = Field(3, ge=1, le=16, description=CONTEXT)


class Join(Config):
    """Two films become one, with what lies between them."""

    task: Literal["join"] = "join"
    video: str = Field(max_length=MAX_NAME, description="the first film")
    second: str = Field(max_length=MAX_NAME, description="the other one")
    context: int = Field(1, ge=1, le=16, description=CONTEXT)


class Loop(Config):
    """A film that goes on with its beginning; without ``video``, one that is made so."""

    task: Literal["loop"] = "loop"
    video: str = Field("", max_length=MAX_NAME, description="the film whose end is led back")
    context: int = Field(1, ge=1, le=16, description=CONTEXT)


class Retake(Config):
    """A stretch of a film is made again."""

    task: Literal["retake"] = "retake"
    video: str = Field(max_length=MAX_NAME, description="the film")
    start: float = Field(ge=0, description="second at which the stretch begins")
    end: float = Field(gt=0, description="second at which it ends")

    @model_validator(mode="after")
    def _times_are_ordered(self) -> "Retake":
        if self.end <= self.start:
            raise ValueError(f"end={self.end:g} must be after start={self.start:g}")
        return self


class BoxKeyframe(Config):
    """Where a box is at one time; it moves evenly to the next."""

    seconds: float = Field(ge=0)
    box: Box = Field(strict=False)

    @model_validator(mode="after")
    def _box_has_room(self) -> "BoxKeyframe":
        require_box(self.box)
        return self


class Inpaint(Config):
    """A part of every picture is made again: where a mask is white, or in a box."""

    task: Literal["inpaint"] = "inpaint"
    video: str = Field(max_length=MAX_NAME, description="the film or picture")
    mask: str = Field("", max_length=MAX_NAME, description="a picture or film, white where")
    boxes: tuple[BoxKeyframe, ...] = Field(
        (), strict=False, max_length=MAX_KEYFRAMES, description="a box, or one that moves"
    )

    @model_validator(mode="after")
    def _one_region(self) -> "Inpaint":
        if bool(self.mask) == bool(self.boxes):
            raise ValueError("needs a mask or a box, and not both")
        times = [keyframe.seconds for keyframe in self.boxes]
        if times != sorted(set(times)):
            raise ValueError("keyframes of a box must be of different times, the earlier first")
        return self


class Outpaint(Config):
    """What lies around a film's picture is made; the request's size is the new one's."""

    task: Literal["outpaint"] = "outpaint"
    video: str = Field(max_length=MAX_NAME, description="the film or picture")
    box: Box | None = Field(
        None, strict=False, description="where the old picture lies; None: in the middle, as large "
        "as it can be",
    )  # fmt: skip

    @model_validator(mode="after")
    def _box_has_room(self) -> "Outpaint":
        if self.box is not None:
            require_box(self.box)
        return self


class Restyle(Config):
    """A film is made again after the sentence, along its old motion."""

    task: Literal["restyle"] = "restyle"
    video: str = Field(max_length=MAX_NAME, description="the film or picture")
    strength: Annotated[float, Field(gt=0, le=1)] | Strength = Field(
        "change", description="a word, or the time from which it is made anew"
    )
    source: str | None = Field(
        None,
        max_length=2000,
        description="the sentence of the film as it is, which keeps more of it; None: as its "
        "record says; empty: none",
    )

    @property
    def start(self) -> float:
        """The time from which it is made anew."""
        if not isinstance(self.strength, str):
            return self.strength
        return (SOURCE_STRENGTHS if self.source else STRENGTHS)[self.strength]


class Enhance(Config):
    """A film is made larger, or faster, as the request's ``enhance`` says."""

    task: Literal["enhance"] = "enhance"
    video: str = Field(max_length=MAX_NAME, description="the film or picture")


Edit = Annotated[
    Extend | Join | Loop | Retake | Inpaint | Outpaint | Restyle | Enhance,
    Field(discriminator="task"),
]
TASKS: Final = tuple(kind.model_fields["task"].default for kind in get_args(get_args(Edit)[0]))
"""Names of all tasks."""
_ADAPTER: Final[TypeAdapter[Edit]] = TypeAdapter(Edit)
ALONG: Final = ("restyle",)
"""Tasks for which a model need not be told which latents are given."""
WITH_REFINER: Final = ("enhance",)
"""Tasks for which a model needs a refiner."""
RETAKE_CONTEXT_FRAMES: Final = 12
"""Frames beside a stretch that is made again, at least."""


class FilmShape(NamedTuple):
    """Frames, pixels and frames a second of a film that an edit is made from."""

    frames: int
    height: int
    width: int
    fps: float


def frame_count(edit: Edit, film: FilmShape, usual: int, step: int) -> int:
    """How many frames are made for an edit where none are asked for, those included that are given.

    Parameters
    ----------
    usual : int
        Frames that the model makes by default.
    step : int
        Frames of one latent frame.
    """
    if isinstance(edit, (Extend, Join, Loop)):
        return usual
    if isinstance(edit, Retake):
        stretch = round((edit.end - edit.start) * film.fps) + RETAKE_CONTEXT_FRAMES
        return max(usual, step * math.ceil(stretch / step) + 1)
    return step * math.ceil((film.frames - 1) / step) + 1


def parse_edit(tree: object) -> Edit:
    """An edit from plain values; raises `InputError` with the first field that is wrong."""
    if isinstance(tree, dict) and tree.get("task") not in TASKS:
        raise UnknownNameError("edit", str(tree.get("task")), TASKS)
    return parse_plain(_ADAPTER, tree, "edit", "edit", "")


def require_box(box: Box) -> None:
    """Raise `ValueError` for a box without room, or outside the picture."""
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(
            "a box is left,top,right,bottom as shares of the picture: 0 <= left < right <= 1, "
            "0 <= top < bottom <= 1"
        )


def sources(edit: "Edit | None") -> tuple[str, ...]:
    """Names of the films and pictures that an edit is made from, its main one first."""
    if edit is None:
        return ()
    names = (edit.video, getattr(edit, "second", ""), getattr(edit, "mask", ""))
    return tuple(name for name in names if name)
