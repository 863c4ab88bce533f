"""Which pixels each thing covers, from the same drawing as the clip. Shadows and reflections belong
to nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama.canvas import Stencil, oversampling, reduce
from praxino.data.diorama.render import pose
from praxino.data.diorama.scene import Scene
from praxino.data.diorama.sprites import DRAW

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Masks:
    """``whole`` (things, frames, height, width) as if nothing stood before them, ``visible``
    without what others hide.

    Things in the order of ``scene.things``.
    """

    whole: Mask
    visible: Mask

    @property
    def visibility(self) -> NDArray[np.float64]:
        """(things, frames): the part of what is in the picture that is visible; 0 for what is
        outside.
        """
        whole, visible = (part.sum(axis=(2, 3)) for part in (self.whole, self.visible))
        return visible / np.maximum(whole, 1)


def masks(scene: Scene, height: int, width: int) -> Masks:
    """The masks of every thing of a scene, at the size of its clip: where it covers at least half
    of a pixel.
    """
    factor = oversampling(height)
    tall = height * factor
    whole = np.zeros((len(scene.things), scene.frames, height, width), bool)
    camera = scene.camera
    for number, thing in enumerate(scene.things):
        for frame in range(scene.frames):
            pixels = np.zeros((tall, width * factor), np.uint8)
            scale = float(tall * camera.zoom[frame])
            view = Stencil(pixels, scale, float(camera.left[frame]), float(camera.top[frame]))
            DRAW[thing.kind](view, pose(scene, thing, frame))
            whole[number, frame] = reduce(pixels, height, width) >= 128
    visible = whole.copy()
    # as they are painted
    order = sorted(range(len(scene.things)), key=lambda number: scene.things[number].ground)
    for place, number in enumerate(order):
        for nearer in order[place + 1 :]:
            visible[number] &= ~whole[nearer]
    return Masks(whole, visible)


def box_of(mask: Mask) -> tuple[int, int, int, int] | None:
    """Left, top, width and height in pixels of what a mask (height, width) covers; None where that
    is nothing.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return (
        int(columns[0]),
        int(rows[0]),
        int(columns[-1] - columns[0] + 1),
        int(rows[-1] - rows[0] + 1),
    )
