"""The eye: tells that a person can judge, each drawn on the clip at the place where it is most
likely seen.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection import plots
from praxino.detection.patches import PATCH, twins
from praxino.detection.view import SIDE, View

Film = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Tell:
    """One thing to look for: its name, what to ask oneself, the place drawn, and words for the
    place.
    """

    name: str
    look: str
    picture: Film
    where: str


def tells(view: View) -> list[Tell]:
    """What to look for in one view, each drawn at the place where it would show most; it may be
    nothing.
    """
    return [_tiling(view), _melting(view), _hands(view), _light(view)]


def _tiling(view: View) -> Tell:
    a, b, alike = twins(view, 0)
    drawn = plots.large(view.frames[0])
    for row, column in (a, b):
        corner = (column * PATCH * plots.TWICE, row * PATCH * plots.TWICE)
        end = (corner[0] + PATCH * plots.TWICE, corner[1] + PATCH * plots.TWICE)
        cv2.rectangle(drawn, corner, end, plots.PINK, 2)
    look = (
        "Leaves, bricks, waves, faces in a crowd: does the same piece come again at an even "
        "distance? Nature "
        "and builders repeat, too, but never with the same scratch twice."
    )
    comment = (
        "alike enough to look twice"
        if alike > 0.8
        else "the most alike of this clip, not suspicious by itself"
    )
    return Tell("Tiling", look, drawn, f"two far places that agree to {alike:.0%}: {comment}")


def _melting(view: View) -> Tell:
    smooth = [
        cv2.GaussianBlur(view.unexplained(step), (0, 0), 8.0) for step in range(len(view.luma) - 1)
    ]
    frame = int(np.argmax([map_.max() for map_ in smooth]))
    row, column = np.unravel_index(int(smooth[frame].argmax()), smooth[frame].shape)
    pair = [_ringed(view.frames[f], int(row), int(column)) for f in (frame, frame + 1)]
    look = (
        "Things that pass behind others should come out the same. Look where contours merge, "
        "objects split, or letters "
        "rewrite themselves between these two frames."
    )
    times = (
        f"{view.times[frame]:.2f} and {view.times[frame + 1]:.2f} s: the change that motion "
        f"explains least"
    )
    return Tell("Melting", look, np.concatenate(pair, axis=1), times)


def _hands(view: View) -> Tell:
    """Where small things move fast and skin-coloured: hands and faces, if there are any."""
    skin = [_skin(frame) for frame in view.frames[:-1]]
    strength = [
        cv2.GaussianBlur(s * np.minimum(v, 4), (0, 0), 8.0)
        for s, v in zip(skin, view.speed, strict=True)
    ]
    frame = int(np.argmax([map_.max() for map_ in strength]))
    row, column = np.unravel_index(int(strength[frame].argmax()), strength[frame].shape)
    look = (
        "Count fingers, follow one hand through the frames: do fingers join, part, or bend where "
        "no joint is? Do "
        "teeth and ears keep their number and shape?"
    )
    if strength[frame].max() < 0.3:
        return Tell(
            "Hands and faces",
            look,
            plots.large(view.frames[0]),
            "nothing skin-coloured was found moving here",
        )
    drawn = _ringed(view.frames[frame], int(row), int(column))
    return Tell(
        "Hands and faces",
        look,
        drawn,
        f"{view.times[frame]:.2f} s: something skin-coloured moves here",
    )


def _skin(frame: Film) -> NDArray[np.float32]:
    """(H, W) 0 or 1: colour differences that skin of any tone has (Chai and Ngan, IEEE TCSVT
    1999).
    """
    _, red, blue = cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb))
    return ((red >= 133) & (red <= 173) & (blue >= 77) & (blue <= 127)).astype(np.float32)


def _light(view: View) -> Tell:
    """The brightest place, which should be a source or face one."""
    middle = len(view.frames) // 2
    smooth = cv2.GaussianBlur(view.luma[middle], (0, 0), 8.0)
    row, column = np.unravel_index(int(smooth.argmax()), smooth.shape)
    look = (
        "Where is the light? Shadows should point away from it, highlights towards it, and both "
        "should stay when the "
        "camera moves. A glow without a lamp, or shadows that fall two ways, is a tell."
    )
    drawn = _ringed(view.frames[middle], int(row), int(column))
    return Tell(
        "Light without a source", look, drawn, f"{view.times[middle]:.2f} s: the brightest place"
    )


def _ringed(pixels: Film, row: int, column: int) -> Film:
    drawn = plots.large(pixels)
    radius = SIDE // 8 * plots.TWICE
    cv2.circle(drawn, (column * plots.TWICE, row * plots.TWICE), radius, plots.PINK, 2, cv2.LINE_AA)
    return drawn
