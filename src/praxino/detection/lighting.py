"""What light leaves of a thing before a camera that stands: its shadow, its mirror image, and its
lit side.

One source in front of the camera casts all shadows that fall towards it: they may part, but never
meet. What is lit from the left throws its shadow to the right. A shadow or mirror image that came
along does not stop doing so while the ground stays as bright and what mirrors stays the same. No
more is claimed, and only of things that are alone, on ground bright enough to show a shadow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.evidence import correlation
from praxino.detection.moving_objects import MovingObject, near, path, where
from praxino.detection.view import View
from praxino.detection.violations import Violation

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LightingThresholds:
    """What counts as a shadow, a lit side or a mirror image, and when enough was seen."""

    shadow_brightness: tuple[float, float] = (0.3, 0.9)
    """Part of the ground's brightness that a shadow leaves, least and most (Cucchiara et al., IEEE
    TPAMI 2003).
    """
    max_colour_shift: float = 0.12
    """Within which a shadow darkens all three colours alike."""
    min_ground_level: float = 50.0
    """Grey levels of the ground from which on a shadow would be seen."""
    min_change: float = 20.0
    """Grey levels from the still background from which on a place is a thing's."""
    shadow_reach: float = 0.25
    """Sides from a thing within which its shadow is looked for."""
    max_things: int = 4
    """Things, at most, of whose light something is said."""
    min_moved_widths: float = 1.0
    """Widths of a body that it must move."""
    max_width_change: float = 0.3
    """Part of its usual width by which a body may differ."""
    min_pixels: int = 40
    """Pixels of a shadow or a body that are enough to measure."""
    min_aside_widths: float = 0.4
    """Widths of a thing by which its shadow lies to one side."""
    min_frames: int = 4
    """Frames in which something is so before it is said."""
    min_explained: float = 0.75
    """Part of a contour's brightness that a direction of light must explain."""
    max_ground_change: float = 12.0
    """Grey levels by which what is below a body may change before nothing is claimed of its shadow
    and mirror image.
    """
    min_mirror_correlation: float = 0.5
    """Correlation from which on a mirror image is one; with less than half of it, it is none."""


LIGHTING: Final = LightingThresholds()


@dataclass(frozen=True, eq=False)
class Lit:
    """What was seen of a thing's light in T frames, NaN where nothing was.

    ``body`` (T, 2): its middle without the shadow, in sides; ``shadow`` (T, 2): the shadow's;
    ``due`` (T,): the brightness of the ground where the shadow should be, NaN where it is darker
    than usual; ``surface`` (T, 3): the colour of the background below the body; ``slope`` (T, 2):
    towards where the body is lit from, x and y, as part of its brightness; ``mirrored`` (T,):
    correlation with what is below it.
    """

    thing: MovingObject
    body: Array
    shadow: Array
    due: Array
    surface: Array
    slope: Array
    mirrored: Array
    width: float


def lights(view: View, objects: Sequence[MovingObject]) -> list[Lit]:
    """What light leaves of each thing that gets far enough to have left its first place, which is
    background then; of none in a crowd, where one's shadow is taken for another's.
    """
    if not 0 < len(objects) <= LIGHTING.max_things:
        return []
    frames = view.frames.astype(np.float32)
    still = background(frames, objects)
    lit = [_lit(frames, still, thing, objects) for thing in objects]
    return [body for body in lit if path(body.thing) > LIGHTING.min_moved_widths * body.width > 0]


def background(frames: Array, objects: Sequence[MovingObject]) -> Array:
    """(H, W, 3): the median of frames (T, H, W, 3) at times when nothing that moves, nor its
    shadow, is there; of all where something always is.
    """
    side = len(frames[0])
    free = frames.copy()
    for thing in objects:
        wide, tall = thing.size
        for frame in np.flatnonzero(np.isfinite(thing.middle[:, 0])):
            x, y = thing.middle[frame]
            corners = (
                np.array([x - 0.9 * wide, x + 0.9 * wide, y - 0.6 * tall, y + 0.8 * tall]) * side
            )
            left, right, top, bottom = corners.round().astype(int).clip(0, side)
            free[frame, top:bottom, left:right] = np.nan
    free_frames = np.isfinite(free[..., 0]).sum(0)  # (H, W)
    middle = np.broadcast_to(
        (np.maximum(free_frames, 1) - 1)[None, :, :, None] // 2, (1, *frames.shape[1:])
    )
    still = np.take_along_axis(np.sort(free, axis=0), middle, axis=0)[0]  # sorting puts NaN last
    return np.where(free_frames[..., None] > 0, still, np.median(frames, axis=0))


def _lit(frames: Array, still: Array, thing: MovingObject, objects: Sequence[MovingObject]) -> Lit:
    side, count = len(still), len(frames)
    body, shadow, slope = (np.full((count, 2), np.nan) for _ in range(3))
    mirrored, wide, surface = (
        np.full(count, np.nan),
        np.full(count, np.nan),
        np.full((count, 3), np.nan),
    )
    for frame in np.flatnonzero(np.isfinite(thing.middle[:, 0])):
        if near(thing, int(frame), objects, LIGHTING.shadow_reach):
            continue
        apart = np.abs(frames[frame] - still).max(-1)
        dark = shadowed(frames[frame], still)
        mask = _at((apart > LIGHTING.min_change) & ~dark, thing.middle[frame] * side, thing.size)
        if mask is None:
            continue
        rows, columns = np.nonzero(mask)
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        if min(box[:2]) < 2 or max(box[2:]) > side - 2:
            continue  # cut by the border
        body[frame] = ((box[0] + box[2]) / 2 / side, (box[1] + box[3]) / 2 / side)
        wide[frame] = (box[2] - box[0]) / side
        shadow[frame] = _below(dark, box) / side
        surface[frame] = still[box[3] : box[3] + 8, box[0] : box[2]].mean((0, 1))
        slope[frame] = lit_from(frames[frame].mean(-1), mask)
        mirrored[frame] = _mirrored(frames[frame] - still, box)
    width = float(np.median(wide[np.isfinite(wide)])) if np.isfinite(wide).any() else 0.0
    body[~(np.abs(wide - width) < LIGHTING.max_width_change * width)] = (
        np.nan
    )  # cut or merged with something
    shadow[np.isnan(body)] = np.nan
    measured = shadow[np.isfinite(shadow[:, 0])]
    usual = (
        np.median(measured - body[np.isfinite(shadow[:, 0])], axis=0)
        if len(measured)
        else np.zeros(2)
    )
    due = np.array(
        [_ground(frame, still, place) for frame, place in zip(frames, body + usual, strict=True)]
    )
    return Lit(thing, body, shadow, due, surface, slope, mirrored, width)


def shadowed(frame: Array, still: Array) -> Mask:
    """(H, W): where a frame (H, W, 3) is the background, darkened in all colours alike."""
    left = (frame + 4) / (still + 4)
    darker = (
        (left.max(-1) < LIGHTING.shadow_brightness[1])
        & (left.min(-1) > LIGHTING.shadow_brightness[0])
        & (np.ptp(left, axis=-1) < LIGHTING.max_colour_shift)
    )
    mask = (darker & (still.mean(-1) > LIGHTING.min_ground_level)).astype(np.uint8)
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0


def _at(mask: Mask, middle: Array, size: tuple[float, float]) -> Mask | None:
    """The largest piece of a mask within a thing's box; None if there is none that is large
    enough.
    """
    side = len(mask)
    half = np.array(size) * side / 2 + 2
    (left, top), (right, bottom) = (
        (middle - half).astype(int).clip(0),
        (middle + half).astype(int).clip(0),
    )
    part = np.zeros_like(mask, np.uint8)
    part[top:bottom, left:right] = mask[top:bottom, left:right]
    part = cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(np.uint8)
    return _largest(part)


def _largest(part: NDArray[np.uint8]) -> Mask | None:
    _, labels, table, _ = cv2.connectedComponentsWithStats(part)
    if len(table) < 2:
        return None
    best = int(table[1:, cv2.CC_STAT_AREA].argmax()) + 1
    return labels == best if table[best, cv2.CC_STAT_AREA] >= LIGHTING.min_pixels else None


def _below(dark: Mask, box: tuple[int, int, int, int]) -> Array:
    """Middle, x and y, of the largest shadow below a body, if it touches it and falls towards the
    camera; NaN without one.
    """
    left, top, right, bottom = box
    reach = int(LIGHTING.shadow_reach * len(dark))
    part = np.zeros_like(dark, np.uint8)
    area = (slice((top + bottom) // 2, bottom + reach), slice(max(0, left - reach), right + reach))
    part[area] = dark[area]
    component = _largest(part)
    if component is None:
        return np.array([np.nan, np.nan])
    if not component[max(0, top - 4) : bottom + 4, max(0, left - 4) : right + 4].any():
        return np.array([np.nan, np.nan])
    rows, columns = np.nonzero(component)
    towards = rows.mean() > bottom - 0.25 * (bottom - top)
    return np.array([columns.mean(), rows.mean()] if towards else [np.nan, np.nan])


def lit_from(luma: Array, mask: Mask) -> Array:
    """(2,): towards where a body is lit from, x and y, as part of its mean brightness; NaN where
    its contour does not tell.

    Brightness just inside a contour is linear in the contour's normal for an even matt body under
    one distant light (Johnson and Farid, ACM MM&Sec 2005, there with what surrounds it as a
    constant).
    """
    unknown = np.array([np.nan, np.nan])
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    band = (depth >= 2) & (depth < 4)
    if band.sum() < LIGHTING.min_pixels:
        return unknown
    smooth = cv2.GaussianBlur(depth, (0, 0), 2.0)
    normal = -np.stack(
        [cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)], axis=-1
    )[band]
    normal = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-6)
    values = luma[band]
    model = np.hstack([normal, np.ones((len(normal), 1), np.float32)])
    fitted = np.linalg.lstsq(model, values, rcond=None)[0]
    explained = 1 - np.var(values - model @ fitted) / (np.var(values) + 1e-6)
    return (
        fitted[:2] / max(float(fitted[2]), 1.0)
        if explained > LIGHTING.min_explained and values.std() > 4
        else unknown
    )


def _mirrored(apart: Array, box: tuple[int, int, int, int]) -> float:
    """How alike a body and what is below it upside down are, in their differences from the
    background: the best of some heights; 0 where there is no room.
    """
    left, top, right, bottom = box
    body = apart[top:bottom, left:right].mean(-1)
    best = 0.0
    for share in (0.5, 0.6, 0.75, 1.0):
        tall = round(share * (bottom - top))
        below = apart[bottom : bottom + tall, left:right].mean(-1)
        if below.shape != (tall, right - left) or tall < 8 or np.abs(below).mean() < 2:
            continue
        image = cv2.resize(body[::-1], (right - left, tall), interpolation=cv2.INTER_AREA)
        best = max(best, correlation(image, below))
    return best


def _ground(frame: Array, still: Array, place: Array) -> float:
    """Brightness of the background at a place; NaN outside, and where it is darker now: a cloud
    takes all shadows.
    """
    x, y = place * len(still)
    if not (np.isfinite(x) and 4 <= x < len(still) - 4 and 4 <= y < len(still) - 4):
        return np.nan
    about = (slice(int(y) - 3, int(y) + 4), slice(int(x) - 3, int(x) + 4))
    now, usual = frame[about].mean(), still[about].mean()
    return float(still[about].mean(-1).min()) if now > 0.93 * usual else np.nan


def contradictions(bodies: Sequence[Lit]) -> list[Violation]:
    """What light cannot do."""
    contradicted = _meeting(bodies)
    for body in bodies:
        contradicted += [*_stopped(body), *_against(body)]
    return contradicted


def _aside(lit: Lit) -> Array:
    """(T,): by how many of its widths a thing's shadow lies to its right."""
    return (lit.shadow[:, 0] - lit.body[:, 0]) / max(lit.width, 1e-3)


def _meeting(bodies: Sequence[Lit]) -> list[Violation]:
    """Shadows to the right of things that are left of things with shadows to the left: no one light
    does that.
    """
    right = [
        (lit, frame)
        for lit in bodies
        for frame in _steadily(_aside(lit) > LIGHTING.min_aside_widths)
    ]
    left = [
        (lit, frame)
        for lit in bodies
        for frame in _steadily(_aside(lit) < -LIGHTING.min_aside_widths)
    ]
    if not right or not left:
        return []
    a, b = min(right, key=_across), max(left, key=_across)
    if _across(a) > _across(b):
        return []
    words = f"shadows fall two ways, {where(b[0].thing, b[1])} and {where(a[0].thing, a[1])}"
    return [Violation("shadows", max(a[1], b[1]), words)]


def _across(place: tuple[Lit, int]) -> float:
    return float(place[0].body[place[1], 0])


def _steadily(so: Mask) -> list[int]:
    """Last frames of runs in which something is so."""
    return [
        end
        for end in range(LIGHTING.min_frames - 1, len(so))
        if so[end - LIGHTING.min_frames + 1 : end + 1].all()
    ]


def _stopped(lit: Lit) -> list[Violation]:
    """A shadow or a mirror image that came along and does so no more."""
    visible = np.flatnonzero(np.isfinite(lit.body[:, 0]))
    if len(visible) < 2 * LIGHTING.min_frames:
        return []
    shadow = np.isfinite(lit.shadow[visible, 0])
    ground = np.nan_to_num(lit.due[visible])
    due = (ground > LIGHTING.min_ground_level + 20) & (
        lit.body[visible, 1] > lit.body[visible, 1].max() - 0.06
    )
    stops = []
    for kind, there, gone in (
        ("shadow", shadow, ~shadow & due),
        (
            "mirror image",
            lit.mirrored[visible] > LIGHTING.min_mirror_correlation,
            lit.mirrored[visible] < LIGHTING.min_mirror_correlation / 2,
        ),
    ):
        for i in range(LIGHTING.min_frames, len(visible) - LIGHTING.min_frames + 1):
            before, after = slice(i - LIGHTING.min_frames, i), slice(i, i + LIGHTING.min_frames)
            if (
                visible[i + LIGHTING.min_frames - 1] - visible[i - LIGHTING.min_frames]
                > 2 * LIGHTING.min_frames - 1
            ):
                continue
            if (
                np.abs(
                    lit.surface[visible[before]].mean(0) - lit.surface[visible[after]].mean(0)
                ).max()
                > LIGHTING.max_ground_change
            ):
                continue
            if (there[before].all() and gone[after].all()) or (
                gone[before].all() and there[after].all()
            ):
                frame = int(visible[i])
                words = (
                    f"something is seen now with and now without its {kind} "
                    f"{where(lit.thing, frame)}"
                )
                stops.append(Violation(kind.split()[0], frame, words))
                break
    return stops


def _against(lit: Lit) -> list[Violation]:
    """A thing that is lit from the side to which its shadow falls."""
    aside, lit_side = _aside(lit), lit.slope[:, 0]
    wrong = (
        (aside * lit_side > 0)
        & (np.abs(aside) > LIGHTING.min_aside_widths)
        & (np.abs(lit_side) > 0.1)
    )
    wrong &= np.abs(lit_side) > 0.5 * np.abs(lit.slope[:, 1])
    return [
        Violation(
            "lit", frame, f"something is lit from where its shadow falls {where(lit.thing, frame)}"
        )
        for frame in _steadily(wrong)[:1]
    ]
