"""A picture of a layout: the boxes at the first and the last frame, and the paths between."""

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import world
from praxino.layout import Box, Layout

GROUND = (236, 236, 232)
INK = (60, 60, 66)


def draw_layout(layout: Layout, height: int = 384) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB: thin boxes at the start, thick ones at the end, a dot a frame
    on each path.
    """
    margin = height // 8
    width = round(height * layout.aspect)
    picture = np.full((height + 2 * margin, width + 2 * margin, 3), GROUND, np.uint8)
    cv2.rectangle(picture, (margin, margin), (margin + width, margin + height), (255, 255, 255), -1)
    cv2.rectangle(picture, (margin, margin), (margin + width, margin + height), INK, 1, cv2.LINE_AA)
    for thing in sorted(layout.things, key=lambda one: -one.depth):
        colour = world.COLOURS.get(thing.colour, (128, 128, 128))
        stroke = colour if sum(colour) < 660 else (176, 176, 172)
        for box, thickness in ((thing.boxes[0], 1), (thing.boxes[-1], 3)):
            low, high = _corners(box, height, margin)
            cv2.rectangle(picture, low, high, stroke, thickness, cv2.LINE_AA)
        for box in thing.boxes:
            at = (round(margin + box.x * height), round(margin + box.y * height))
            cv2.circle(picture, at, max(2, height // 128), stroke, -1, cv2.LINE_AA)
        label = (
            f"{thing.colour} {thing.kind}, {thing.motion}, "
            f"{'right' if thing.heading > 0 else 'left'}"
        )
        at = (
            _corners(thing.boxes[-1], height, margin)[0][0],
            _corners(thing.boxes[-1], height, margin)[0][1] - 6,
        )
        at = (min(max(at[0], 4), width), min(max(at[1], 14), height + margin))
        cv2.putText(picture, label, at, cv2.FONT_HERSHEY_SIMPLEX, height / 900, INK, 1, cv2.LINE_AA)
    return picture


def _corners(box: Box, height: int, margin: int) -> tuple[tuple[int, int], tuple[int, int]]:
    scale = lambda x, y: (round(margin + x * height), round(margin + y * height))  # noqa: E731
    low = scale(box.x - box.width / 2, box.y - box.height / 2)
    return low, scale(box.x + box.width / 2, box.y + box.height / 2)
