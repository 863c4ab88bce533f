"""How well a film shows what a scene of the diorama says, and whether its physics hold.

A film of a known scene is read by a `Reader`; its reading is held against the scene. Every measure is made so that true
renderings, and their round trips through an autoencoder, can be scored as well: a figure has its ceiling beside it.
Measures that a film gives no occasion for are left out, not zero.
"""

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import lexicon
from praxino.data.diorama.scene import Scene, Thing
from praxino.models.reader import Reading, Sighting

Film = NDArray[np.uint8]
Array = NDArray[np.float64]


def scores(film: Film, scene: Scene, reading: Reading) -> dict[str, float]:
    """All measures that this film of ``scene`` allows.

    Parameters
    ----------
    film : (T, H, W, 3) uint8
        Made from a caption that says everything (the paragraph).
    reading : Reading
        What a `Reader` says of it.

    Returns
    -------
    dict
        Shares of what is right, from 0 to 1 (``kind``, ``colour``, ``motion``, ``binding``, ``count``, ``relation``,
        ``place``, ...), and errors, 0 at best: ``gravity`` and ``momentum`` (relative), ``identity_drift`` (Lab units
        / 100), ``popping`` (things that appear or vanish, a film).
    """
    wanted = [thing for thing in scene.things if scene.visible(thing).sum() >= 3]
    pairs = matched(wanted, reading.things)
    found = {name: float(reading.scene[name] == value) for name, value in _said(scene).items()}
    if wanted:
        found |= _named(wanted, pairs)
        found["count"] = float(len(reading.things) == len(wanted))
    if scene.relation and (held := _relation(scene, pairs)) is not None:
        found["relation"] = held
    found |= _physics(scene, wanted, pairs)
    seen = [sighting for sighting in pairs if sighting is not None]
    if seen:
        found["identity_drift"] = float(np.mean([identity_drift(film, sighting) for sighting in seen]))
    found["popping"] = float(sum(popping(sighting, scene.aspect) for sighting in reading.things))
    return found


def _said(scene: Scene) -> dict[str, str]:
    said = {"place": scene.place, "time": scene.time, "camera": scene.camera.motion}
    return said if scene.place == "room" else said | {"weather": scene.weather}


def matched(wanted: Sequence[Thing], things: Sequence[Sighting]) -> list[Sighting | None]:
    """For each wanted thing the sighting that is most like it, no sighting twice."""
    best: list[Sighting | None] = [None] * len(wanted)
    likeness = [
        (4 * (s.kind == t.kind) + 2 * (s.colour == t.colour) + (s.motion == t.motion), i, j)
        for i, t in enumerate(wanted)
        for j, s in enumerate(things)
    ]
    taken: set[int] = set()
    for score, i, j in sorted(likeness, reverse=True):
        if score and best[i] is None and j not in taken:
            best[i] = things[j]
            taken.add(j)
    return best


def _named(wanted: Sequence[Thing], pairs: Sequence[Sighting | None]) -> dict[str, float]:
    """Shares of the wanted things whose attributes are there; ``binding`` where two of them differ in colour."""
    right = {
        name: [
            float(s is not None and getattr(s, name) == getattr(t, name)) for t, s in zip(wanted, pairs, strict=True)
        ]
        for name in ("kind", "colour", "motion")
    }
    found = {name: float(np.mean(values)) for name, values in right.items()}
    if len({thing.colour for thing in wanted}) > 1:
        found["binding"] = float(all(k and c for k, c in zip(right["kind"], right["colour"], strict=True)))
    return found


def _relation(scene: Scene, pairs: Sequence[Sighting | None]) -> float | None:
    """Whether the relation of the first two things is to be seen; None for those that need no more than the things."""
    assert scene.relation is not None
    if len(pairs) < 2:
        return None
    first, second = pairs[0], pairs[1]
    if first is None or second is None:
        return 0.0
    x, other = first.track[:, 0], second.track[:, 0]
    match scene.relation.name:
        case "left of":
            return float(np.nanmedian(x) < np.nanmedian(other))
        case "bigger than":
            return float(first.height > 1.1 * second.height)
        case "race" | "chase" | "fetch":
            return float(first.heading == second.heading and _speed(first) * first.heading > 0)
        case "collide":
            return float(np.nanmin(np.abs(x - other)) < 0.75 * (first.height + second.height))
        case "stack" | "topple":
            return float(first.kind == scene.things[0].kind and second.kind == "box")
        case "pass behind":
            sides = np.sign((x - other)[np.isfinite(x - other)])
            return float(len(sides) > 1 and sides[0] != sides[-1])
    return None


def _speed(sighting: Sighting) -> float:
    """Median sideways speed in picture heights a frame."""
    return float(np.nanmedian(np.diff(sighting.track[:, 0]))) if np.isfinite(sighting.track[:, 0]).sum() > 1 else 0.0


def _physics(scene: Scene, wanted: Sequence[Thing], pairs: Sequence[Sighting | None]) -> dict[str, float]:
    if scene.camera.motion.startswith("zoom"):
        return {}  # lengths change with the zoom
    found: dict[str, list[float]] = {"gravity": [], "bounce": []}
    for thing, sighting in zip(wanted, pairs, strict=True):
        if sighting is None or thing.motion not in ("fall", "bounce", "throw"):
            continue
        if (g := gravity(sighting.track[:, 1], scene.fps)) is not None:
            found["gravity"].append(abs(g / lexicon.GRAVITY - 1))
        if thing.motion == "bounce" and (sane := bounce(sighting.track[:, 1])) is not None:
            found["bounce"].append(sane)
    means = {name: float(np.mean(values)) for name, values in found.items() if values}
    if scene.relation and scene.relation.name == "collide" and len(pairs) == 2 and None not in pairs:
        masses = [lexicon.DENSITIES[thing.material or "rubber"] * thing.height**2 for thing in wanted]
        tracks = [sighting.track[:, 0] for sighting in pairs if sighting is not None]
        if (error := momentum(tracks, masses)) is not None:
            means["momentum"] = error
    return means


def gravity(y: NDArray[np.floating], fps: float) -> float | None:
    """Acceleration of the first flight, picture heights per second squared: a parabola fitted from the highest point
    before the first impact to that impact. None for fewer than four frames of it."""
    seen = np.flatnonzero(np.isfinite(y))
    if len(seen) < 4:
        return None
    first, drop = int(seen[0]), np.diff(y[seen])
    landed = np.flatnonzero((drop[:-1] > 0.02) & (drop[1:] <= 0.25 * drop[:-1]))
    last = int(seen[landed[0] + 1]) if len(landed) else int(seen[-1])
    t = np.arange(first, last + 1)
    t = t[np.isfinite(y[t])]
    if len(t) < 4:
        return None
    return float(2 * np.polyfit(t / fps, y[t].astype(np.float64), 2)[0])


def bounce(y: NDArray[np.floating]) -> float | None:
    """1 if every top of a bouncing thing is lower than the last, else 0; None where there are no two tops."""
    y = y[np.isfinite(y)]
    tops = [y[0], *(b for a, b, c in zip(y[:-2], y[1:-1], y[2:], strict=True) if b < a and b <= c)]
    if len(tops) < 2:
        return None
    return float(all(later > earlier - 0.03 for earlier, later in itertools.pairwise(tops)))


def momentum(tracks: Sequence[NDArray[np.floating]], masses: Sequence[float]) -> float | None:
    """Change of the momentum of two things that meet, as a share of all that moves; None if they are not seen to."""
    x = np.stack(tracks).astype(np.float64)
    together = np.isfinite(x).all(axis=0)
    if together.sum() < 6:
        return None
    gap = np.where(together, np.abs(x[0] - x[1]), np.inf)
    meet = int(np.argmin(gap))
    before = [_slope(each[max(0, meet - 5) : meet]) for each in x]
    after = [_slope(each[meet + 1 : meet + 6]) for each in x]
    if None in before or None in after:
        return None
    p = [sum(m * v for m, v in zip(masses, part, strict=True) if v is not None) for part in (before, after)]
    moving = sum(m * abs(v) for m, v in zip(masses, before, strict=True) if v is not None)
    return float(abs(p[1] - p[0]) / moving) if moving > 1e-6 else None


def _slope(x: Array) -> float | None:
    t = np.flatnonzero(np.isfinite(x))
    return float(np.polyfit(t, x[t], 1)[0]) if len(t) >= 3 else None


def identity_drift(film: Film, sighting: Sighting) -> float:
    """How far a thing's look strays from its usual one: mean distance of Lab colours, over 100, along its track."""
    looks = []
    for frame, centre in enumerate(sighting.track):
        if np.isfinite(centre).all():
            looks.append(_look(film[frame], centre, sighting.height))
    usual = np.median(looks, axis=0)
    return float(np.mean([np.linalg.norm(look - usual, axis=-1).mean() for look in looks]) / 100)


def _look(frame: NDArray[np.uint8], centre: NDArray[np.float32], height: float) -> Array:
    """(4, 4, 3) Lab colours of the middle of a thing."""
    side = frame.shape[0]
    half = max(2.0, 0.25 * height * side)
    x, y = (float(v) * side for v in centre)
    patch = cv2.getRectSubPix(frame, (round(2 * half), round(2 * half)), (x, y))
    small = cv2.resize(patch, (4, 4), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.float64)


def popping(sighting: Sighting, aspect: float, margin: float = 0.12) -> int:
    """How often a thing begins or ends within the picture: 0, 1 or 2. At an edge it only comes and goes."""
    seen = np.flatnonzero(np.isfinite(sighting.track[:, 0]))
    count = 0
    for frame, end in ((seen[0], 0), (seen[-1], len(sighting.track) - 1)):
        x, y = sighting.track[frame]
        count += frame != end and margin < x < aspect - margin and margin < y < 1 - margin
    return int(count)


def shadow_side(film: Film, sighting: Sighting, ground: float, horizon: float) -> float | None:
    """Where the shadow of a thing in the air lies: its centre's sideways shift per unit of elevation, or None.

    Found as what is darker than the film's median below the thing; ``ground`` is the y of its feet at rest.
    """
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in film]).astype(np.float32)
    usual = np.median(grey, axis=0)
    side, shifts = film.shape[1], []
    rows = slice(round(max(horizon, ground - 0.06) * side), round(min(1.0, ground + 0.06) * side))
    for frame, (x, y) in enumerate(sighting.track):
        elevation = ground - y
        if not np.isfinite(x) or elevation < sighting.height / 2 + 0.12:
            continue
        darker = (usual - grey[frame])[rows]
        darker[darker < 10] = 0
        if darker.sum() > 100:
            column = float((darker.sum(0) * (np.arange(darker.shape[1]) + 0.5)).sum() / darker.sum()) / side
            shifts.append((column - float(x)) / float(elevation))
    return float(np.median(shifts)) if len(shifts) >= 2 else None
