"""Where a thing of a layout is in the picture, for boxes that follow it."""

from typing import Final, NamedTuple

from praxino.errors import InputError
from praxino.layout import Box, Layout, LayoutThing

Sides = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture."""
SLIVER: Final = 1e-4


class Outline(NamedTuple):
    """A box at a time."""

    seconds: float
    box: Sides


def find_thing(layout: Layout, words: str) -> LayoutThing:
    """The one thing that these words name: its kind, its colour, both, or the name of the entity
    that it is; raises `InputError` unless there is one.
    """
    asked_for = {word.removeprefix("@") for word in words.lower().split()}
    names = [
        f"{thing.colour} {thing.kind}" + (f" @{thing.name.lower()}" if thing.name else "")
        for thing in layout.things
    ]
    able = [
        thing
        for thing, name in zip(layout.things, names, strict=True)
        if asked_for and asked_for <= set(name.replace("@", "").split())
    ]
    if len(able) != 1:
        there = ", ".join(names) or "nothing"
        raise InputError(
            f"{words!r}: {len(able)} such things in the layout", f"there are {there}", "layout"
        )
    return able[0]


def outlines(
    layout: Layout, thing: LayoutThing, margin: float = 0.1, least: float = 0.06
) -> list[Outline]:
    """Where a thing is, frame by frame; nothing if it never lies in the picture.

    While it is outside, its box is a sliver at the side where it left or will come in, which holds
    no pixel. Between two frames in which it leaps it is a sliver, too, since boxes move evenly from
    one to the next.

    Parameters
    ----------
    margin, least : float
        What is added on each side: a part of its height, and picture heights at least, since seams
        are blurred.
    """
    result: list[Outline] = []
    sides = [_sides(box, layout.aspect, margin, least) for box in thing.boxes]
    if not any(_visible(box) for box in sides):
        return []
    for frame, box in enumerate(sides):
        if frame and _leaps(sides[frame - 1], box):
            result += [
                Outline((frame - 2 / 3) / layout.fps, _sliver(sides[frame - 1])),
                Outline((frame - 1 / 3) / layout.fps, _sliver(box)),
            ]
        inside = _clipped(box)
        result.append(Outline(frame / layout.fps, inside if _visible(box) else _sliver(box)))
    return result


def _sides(box: Box, aspect: float, margin: float, least: float) -> Sides:
    """Left, top, right and bottom as shares of the picture, which may lie outside of it."""
    more = max(margin * box.height, least)
    across, down = (box.width / 2 + more) / aspect, box.height / 2 + more
    return (box.x / aspect - across, box.y - down, box.x / aspect + across, box.y + down)


def _visible(sides: Sides) -> bool:
    left, top, right, bottom = sides
    return left < 1 and top < 1 and right > 0 and bottom > 0


def _clipped(sides: Sides) -> Sides:
    left, top, right, bottom = (min(1.0, max(0.0, side)) for side in sides)
    return left, top, right, bottom


def _leaps(one: Sides, other: Sides) -> bool:
    """Whether a thing left at one side and came in at another."""
    return any(abs(one[low] + one[low + 2] - other[low] - other[low + 2]) > 1 for low in (0, 1))


def _sliver(sides: Sides) -> Sides:
    """A box too thin for a pixel's middle, at the nearer side of the picture."""
    left = 0.0 if sides[0] + sides[2] < 1 else 1 - SLIVER
    return left, 0.0, left + SLIVER, 1.0
