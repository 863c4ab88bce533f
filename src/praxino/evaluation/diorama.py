"""How well a film shows what a scene of the diorama says, and whether its physics hold.

A film of a known scene is read by a `Reader`; its reading is held against the scene. Every measure is made so that true
renderings, and their round trips through an autoencoder, can be scored as well: a figure has its ceiling beside it.
Measures that a film gives no occasion for are left out, not zero.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import lexicon
from praxino.data.diorama.scene import Scene, Thing
from praxino.data.diorama.split import held_out
from praxino.evaluation.physics import bounce, gravity, momentum, shadow_agrees
from praxino.models.reader import Reading, Sighting

Film = NDArray[np.uint8]
Array = NDArray[np.float64]

ATTRIBUTES: Final = ("kind", "colour", "place", "time", "weather", "light", "sea")
"""What "attributes" is the mean of; motion, camera, count and relation stand by themselves."""


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
        ``place``, ``unheard pair``, ``bounce``, ``shadow``, ...), and errors, 0 at best: ``gravity`` and ``momentum``
        (relative), ``identity_drift`` (Lab units / 100), ``popping`` (things that appear or vanish, a film).
    """
    wanted = [thing for thing in scene.things if _centred(scene, thing).sum() >= 3]
    pairs = matched(wanted, reading.things[: len(wanted)])  # its most prominent things, not any that flicker past
    found = {name: float(reading.scene[name] == value) for name, value in _said(scene).items()}
    if wanted:
        found |= _named(wanted, pairs)
        at_most = sum(bool(scene.visible(thing).any()) for thing in scene.things)  # an edge may be read, and may not
        found["count"] = float(len(wanted) <= len(reading.things) <= at_most)
    if unheard := _unheard(scene, wanted, pairs, reading):
        found["unheard pair"] = float(np.mean(unheard))
    both = len(wanted) > 1 and all(a is b for a, b in zip(wanted[:2], scene.things[:2], strict=True))
    if scene.relation and both and (held := _relation(scene, pairs)) is not None:
        found["relation"] = held
    found |= _physics(scene, wanted, pairs) | _shadow(film, scene, pairs)
    seen = [sighting for sighting in pairs if sighting is not None]
    if seen:
        found["identity_drift"] = float(np.mean([identity_drift(film, sighting) for sighting in seen]))
    found["popping"] = float(sum(popping(sighting, scene.aspect) for sighting in reading.things))
    named = [found[name] for name in ATTRIBUTES if name in found]
    return {"attributes": float(np.mean(named))} | found


def _centred(scene: Scene, thing: Thing) -> NDArray[np.bool_]:
    """(frames,): whether the thing's centre is within the view."""
    x, y = scene.camera.seen(thing.position).T
    return np.asarray((x >= 0) & (x < scene.aspect) & (y >= 0) & (y < 1))


def _said(scene: Scene) -> dict[str, str]:
    """What the caption says of the whole clip, where it says it."""
    said = {"place": scene.place, "time": scene.time, "camera": scene.camera.motion}
    said |= {} if scene.place == "room" else {"weather": scene.weather}
    said |= {"light": scene.light.colour} if scene.light.colour else {}
    return said | ({"sea": scene.tint} if scene.tint else {})


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


def _unheard(scene: Scene, wanted: Sequence[Thing], pairs: Sequence[Sighting | None], reading: Reading) -> list[bool]:
    """For each pair in the scene that training never shows (see `split`), whether it is there."""
    shown = []
    for thing, sighting in zip(wanted, pairs, strict=True):
        alike = sighting if sighting is not None and sighting.kind == thing.kind else None
        if held_out(thing.kind, thing.colour):
            shown.append(alike is not None and alike.colour == thing.colour)
        if held_out(thing.kind, thing.motion):
            shown.append(alike is not None and alike.motion == thing.motion)
        if held_out(thing.kind, scene.place):
            shown.append(alike is not None and reading.scene["place"] == scene.place)
    light = scene.light
    if light.colour and held_out(light.source, light.colour):
        shown.append(reading.scene["light"] == light.colour)
    return shown


def _relation(scene: Scene, pairs: Sequence[Sighting | None]) -> float | None:
    """Whether the relation of the first two things is to be seen; None for those that need no more than the things."""
    assert scene.relation is not None
    first, second = pairs[0], pairs[1]
    if first is None or second is None:
        return 0.0
    x, other = first.track[:, 0], second.track[:, 0]
    if not np.isfinite(x - other).any():
        return 0.0  # never to be seen together
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


def _shadow(film: Film, scene: Scene, pairs: Sequence[Sighting | None]) -> dict[str, float]:
    if scene.camera.motion != "still" or scene.place in ("sea", "room"):
        return {}
    standing = [s for s in pairs if s is not None and s.motion != "fly"]
    agree = [shadow_agrees(film, s, lexicon.KINDS[s.kind].aspect) for s in standing]
    told = [each for each in agree if each is not None]
    return {"shadow": float(np.mean(told))} if told else {}


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
