"""Where a thing of a layout is in the picture, for boxes that follow it."""

from typing import NamedTuple

from praxino.errors import InputError
from praxino.layout import Layout, LayoutThing


class Outline(NamedTuple):
    """What lies in a box at a time: left, top, right and bottom as shares of the picture."""

    seconds: float
    box: tuple[float, ...]


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
    """Where a thing is, frame by frame, as far as it lies in the picture.

    Parameters
    ----------
    margin, least : float
        What is added on each side: a part of its height, and picture heights at least, since seams
        are blurred.
    """
    inside = []
    for frame, box in enumerate(thing.boxes):
        more = max(margin * box.height, least)
        across, high = box.width / 2 + more, box.height / 2 + more
        left, right = ((box.x + way * across) / layout.aspect for way in (-1, 1))
        edges = [min(1.0, max(0.0, edge)) for edge in (left, box.y - high, right, box.y + high)]
        if edges[0] < edges[2] and edges[1] < edges[3]:
            inside.append(Outline(frame / layout.fps, (*edges,)))
    return inside
