"""Evidence drawn on the frames that it is of: paths, heat, spectra, twins."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.evidence import Evidence
from praxino.detection.latent import decoded_places
from praxino.detection.lighting import lights
from praxino.detection.moving_objects import things
from praxino.detection.sufficiency import block_map
from praxino.detection.view import SIDE, View

Film = NDArray[np.uint8]
Array = NDArray[np.floating]
TWICE: Final = 2
"""How much larger than the view pictures are drawn, so that lines stay thin."""
PINK: Final = (255, 60, 200)
YELLOW: Final = (255, 210, 60)
CHANGED: Final = 8.0
"""Grey levels of unexplained change that are drawn in full."""


def picture(view: View, evidence: Evidence) -> Film:
    """(448, 448, 3): a family's evidence on the frame that shows it best."""
    frame = min(evidence.frames[0] if evidence.frames else 0, len(view.frames) - 1)
    ways = {
        "temporal": _paths,
        "physics": _things,
        "frequency": _spectrum,
        "latent": _heat,
        "patches": _twins,
    }
    return ways[evidence.family](view, evidence, frame)


def large(pixels: Film) -> Film:
    """At twice the size."""
    return np.asarray(
        cv2.resize(pixels, None, fx=TWICE, fy=TWICE, interpolation=cv2.INTER_CUBIC), np.uint8
    )


def _paths(view: View, evidence: Evidence, frame: int) -> Film:
    """Ways of the followed points up to this frame; red where one is about to be lost."""
    drawn = large(view.frames[frame])
    assert evidence.tracks is not None
    for way in evidence.tracks.transpose(1, 0, 2):
        trail = way[: frame + 1][np.isfinite(way[: frame + 1, 0])]
        if not len(trail):
            continue
        lost = len(trail) <= frame
        colour = (230, 60, 60) if lost else (90, 230, 120)
        points = np.round(trail * TWICE).astype(np.int32)
        cv2.polylines(drawn, [points.reshape(-1, 1, 2)], False, colour, 1, cv2.LINE_AA)
        cv2.circle(drawn, points[-1].tolist(), 2, colour, -1, cv2.LINE_AA)
    return drawn


def residual(view: View, frame: int) -> Film:
    """(448, 448, 3): what no motion explains between this frame and the next, over the frame in
    grey.
    """
    frame = min(frame, len(view.frames) - 2)
    wrong = np.asarray(cv2.GaussianBlur(view.unexplained(frame), (0, 0), 1.5), np.float32)
    return _glow(view.frames[frame], wrong / CHANGED)


def _things(view: View, evidence: Evidence, frame: int) -> Film:
    """What moved by itself, ringed, each with a line to the shadow that was found with it."""
    drawn = _paths(view, evidence, frame)
    objects, _ = things(view)
    for thing in objects:
        if np.isfinite(thing.middle[frame, 0]):
            axes = np.array(thing.size) / 2 * SIDE * TWICE
            cv2.ellipse(
                drawn,
                _pixel(thing.middle[frame]),
                axes.astype(int).tolist(),
                0,
                0,
                360,
                PINK,
                2,
                cv2.LINE_AA,
            )
    for lit in lights(view, objects):
        if np.isfinite(lit.shadow[frame, 0]):
            cv2.line(
                drawn, _pixel(lit.body[frame]), _pixel(lit.shadow[frame]), YELLOW, 2, cv2.LINE_AA
            )
    return drawn


def _pixel(place: Array) -> tuple[int, int]:
    x, y = place * SIDE * TWICE
    return int(x), int(y)


def _spectrum(view: View, evidence: Evidence, frame: int) -> Film:
    """The mean spectrum, coarse structure in the middle: dots and crosses off the axes are no
    camera's.
    """
    assert evidence.map is not None
    low, high = np.percentile(evidence.map, (2, 99.9))
    grey = ((evidence.map - low) / max(high - low, 1e-6)).clip(0, 1) * 255
    coloured = cv2.applyColorMap(grey.astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.resize(coloured[..., ::-1], (SIDE * TWICE, SIDE * TWICE)), np.uint8)


def _heat(view: View, evidence: Evidence, frame: int) -> Film:
    """Where the network finds detail decoded."""
    logits = decoded_places(view).astype(np.float32)
    return _glow(view.frames[frame], 1 / (1 + np.exp(-logits)))


def _twins(view: View, evidence: Evidence, frame: int) -> Film:
    """Where a place has far twins."""
    assert evidence.map is not None
    return _glow(view.frames[frame], ((evidence.map.astype(np.float32) - 0.6) / 0.4))


def blocks(view: View) -> Film:
    """(H, W, 3), at twice the size of the file's own pixels: where the codec's blocks show."""
    return _glow(view.native[0], block_map(view).clip(0, None))


def _glow(pixels: Film, strength: Array) -> Film:
    """The frame in grey, orange where ``strength`` (any size, 0 to 1) is high."""
    grey = (
        cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, axis=2).astype(np.float32)
        * 0.6
    )
    share = cv2.resize(
        strength.astype(np.float32).clip(0, 1), pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR
    )
    mixed = (
        grey * (1 - 0.75 * share[..., None])
        + np.array([255, 120, 20], np.float32) * 0.75 * share[..., None]
    )
    return large(mixed.clip(0, 255).astype(np.uint8))
