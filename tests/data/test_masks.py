"""Masks: from the same drawing as the clip."""

import numpy as np
import pytest

from praxino.data.diorama import compose, render
from praxino.data.diorama.layouts import boxes
from praxino.data.diorama.masks import box_of, masks


@pytest.fixture(scope="module", name="scenes")
def _scenes():
    return [compose(8, i, frames=5, edition=2) for i in range(40)]


def test_boxes_of_masks_lie_within_the_outlines(scenes):
    for scene in scenes:
        found = masks(scene, 64, 64)
        for number, thing in enumerate(scene.things):
            for frame in range(5):
                x, y, width, height = boxes(scene, thing)[frame] * 64
                inside = (
                    x - width / 2 > 2
                    and x + width / 2 < 62
                    and y - height / 2 > 2
                    and y + height / 2 < 62
                )
                if box := box_of(found.whole[number, frame]):
                    assert box[2] <= 1.5 * width + 3
                    assert box[3] <= 1.35 * height + 3
                    assert not inside or box[3] > 0.5 * height
                else:
                    assert not inside


def test_what_is_painted_lies_in_the_masks(scenes):
    """Without a thing, the picture changes where the thing is seen, and where its shadow or
    reflection was.
    """
    from dataclasses import replace

    for scene in scenes[:12]:
        if not scene.things or scene.camera.motion == "follow":
            continue
        found, clip = masks(scene, 64, 64), render(scene, 64, 64)
        without = render(replace(scene, things=scene.things[1:]), 64, 64)
        changed = np.abs(clip.astype(int) - without).sum(axis=3) > 24
        seen = found.visible[0]
        assert (changed & seen).sum() >= 0.85 * seen.sum()


def test_nearer_things_hide_farther_ones(scenes):
    hidden = 0
    for scene in scenes:
        found = masks(scene, 64, 64)
        assert not (found.visible & ~found.whole).any()
        assert (found.visible.sum(axis=0) <= 1).all()
        hidden += (found.visibility[found.whole.any(axis=(2, 3))] < 1).sum()
    assert hidden > 0
