"""The layout of a scene: what its things are, and their boxes in every frame of the picture."""

from typing import Literal

import numpy as np

from praxino.data.diorama import world
from praxino.data.diorama.compose import Edition
from praxino.data.diorama.scene import Array, Scene, Thing
from praxino.layout import Box, Layout, LayoutThing

MOTIONS = tuple(dict.fromkeys(motion for kind in world.KINDS.values() for motion in kind.motions))
"""All motions that things know."""


def shown_things(scene: Scene) -> list[Thing]:
    """The things that are seen at all, in the order of layouts: by kind, colour, and where they are
    at first.
    """
    kinds, colours = list(world.KINDS), list(world.COLOURS)
    visible = [thing for thing in scene.things if scene.visible(thing).any()]
    key = lambda one: (kinds.index(one.kind), colours.index(one.colour), float(one.position[0, 0]))  # noqa: E731
    return sorted(visible, key=key)


def boxes(scene: Scene, thing: Thing) -> Array:
    """(frames, 4): x and y of the centre, width and height of the outline, in picture heights."""
    return np.concatenate([scene.camera.project(thing.position), scene.size(thing)], axis=1)


def depths(things: list[Thing]) -> list[int]:
    """0 for the nearest, which stands lowest; things at one depth have the same number."""
    grounds = sorted({thing.ground for thing in things}, reverse=True)
    return [grounds.index(thing.ground) for thing in things]


def layout_of(scene: Scene, edition: Edition = 2) -> Layout:
    """The true layout of a scene."""
    things = shown_things(scene)
    parts = []
    for thing, depth in zip(things, depths(things), strict=True):
        places = tuple(
            Box(*(round(float(value), 4) for value in row)) for row in boxes(scene, thing)
        )
        heading: Literal[-1, 1] = 1 if thing.heading > 0 else -1
        parts.append(
            LayoutThing(
                kind=thing.kind,
                colour=thing.colour,
                motion=thing.motion,
                heading=heading,
                depth=depth,
                boxes=places,
            )
        )
    return Layout(
        edition=edition,
        fps=scene.fps,
        aspect=round(scene.aspect, 6),
        frames=scene.frames,
        things=tuple(parts),
    )
