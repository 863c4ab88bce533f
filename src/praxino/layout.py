"""The layout of a film: which things it shows, and where each is in every frame.

A layout is drawn from a sentence, looked at, edited as JSON, and given to a model to paint. Lengths
are in picture heights, x to the right and y down from the upper left corner; a box may lie outside
the picture, partly or wholly.
"""

from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import Field, TypeAdapter, model_validator

from praxino import plain
from praxino.config import Config
from praxino.plain import NAME_PATTERN

MAX_THINGS: Final = 6
MAX_FRAMES: Final = 10_000
MAX_LAYOUT_BYTES: Final = 2**22
HINT_DRAW: Final = "praxino layout SENTENCE -o layout.json makes one"
MAX_DISTANCE: Final = 4.0
"""How far outside the picture a box may lie, in picture heights."""


ASPECT_TOLERANCE: Final = 0.01
"""By how much a film's proportions may differ from those of its layout."""


class Box(NamedTuple):
    """Where a thing is in one frame: the centre of its outline, and the outline's width and
    height.
    """

    x: float
    y: float
    width: float
    height: float


class LayoutThing(Config):
    """One thing of a layout."""

    kind: str = Field(max_length=40)
    colour: str = Field(max_length=40)
    motion: str = Field(max_length=40)
    heading: Literal[-1, 1] = Field(description="the way it looks: -1 to the left, 1 to the right")
    depth: int = Field(
        ge=0, lt=MAX_THINGS, description="0 is the nearest; nearer things hide farther ones"
    )
    name: str | None = Field(
        None,
        pattern=f"^{NAME_PATTERN}$",
        description="of the entity that it is: @name in the sentence",
    )
    boxes: tuple[Box, ...] = Field(
        strict=False, min_length=1, max_length=MAX_FRAMES, description="one a frame"
    )

    @property
    def attributes(self) -> tuple[str, str, str, str, str]:
        """Kind, colour, motion, heading and depth as words."""
        return self.kind, self.colour, self.motion, str(self.heading), str(self.depth)

    @model_validator(mode="after")
    def _boxes_are_near(self) -> "LayoutThing":
        for number, box in enumerate(self.boxes):
            if not (0 < box.width <= MAX_DISTANCE and 0 < box.height <= MAX_DISTANCE):
                raise ValueError(
                    f"frame {number}: a box of {box.width:g} x {box.height:g}: above 0, at most 4"
                )
            if max(abs(box.x), abs(box.y)) > MAX_DISTANCE + 1:
                raise ValueError(
                    f"frame {number}: a box at {box.x:g}, {box.y:g}: more than 4 picture heights "
                    f"outside"
                )
        return self


class Layout(Config):
    """Things and their boxes, for a film of so many frames."""

    version: Literal[1] = 1
    edition: Literal[1, 2] = Field(2, description="of the world whose words it uses")
    fps: float = Field(8.0, gt=0, le=240)
    aspect: float = Field(1.0, gt=0, le=16, description="width of the picture over its height")
    frames: int = Field(17, ge=1, le=MAX_FRAMES)
    things: tuple[LayoutThing, ...] = Field((), strict=False, max_length=MAX_THINGS)

    @model_validator(mode="after")
    def _lengths_agree(self) -> "Layout":
        names = [thing.name.lower() for thing in self.things if thing.name]
        if len(set(names)) < len(names):
            raise ValueError("two things have one name: an entity is one of them")
        for number, thing in enumerate(self.things):
            if len(thing.boxes) != self.frames:
                raise ValueError(
                    f"things.{number} has {len(thing.boxes)} boxes: one for each of {self.frames} "
                    f"frames"
                )
        return self


def read(path: Path) -> Layout:
    """The layout in a JSON file; raises `MediaError` or `InputError` if there is none."""
    return parse_layout(plain.read_json(path, MAX_LAYOUT_BYTES, HINT_DRAW), str(path))


def parse_layout(tree: object, name: str = "layout") -> Layout:
    """A layout from plain values; raises `InputError` with the first field that is wrong."""
    return plain.parse_plain(_ADAPTER, tree, name, "layout", "see docs/layout.md")


_ADAPTER: Final = TypeAdapter(Layout)
