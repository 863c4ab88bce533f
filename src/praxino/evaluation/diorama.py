"""How well a film shows what a scene of the diorama says, and whether its physics hold.

A film of a known scene is read by a `Reader`; its reading is held against the scene. Every measure
is made so that true renderings, and their round trips through an autoencoder, can be scored as
well: a figure has its ceiling beside it. Measures that a film gives no occasion for are left out,
not zero.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import world
from praxino.data.diorama.scene import Scene, Thing
from praxino.data.diorama.split import held_out
from praxino.errors import InputError
from praxino.evaluation.physics import bounce, gravity, light_at, momentum, shadow_agrees
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
        Shares of what is right, from 0 to 1 (``kind``, ``colour``, ``motion``, ``binding``,
        ``count``, ``relation``, ``word`` (read back whole, by a reader of words), ``place``,
        ``presence``, ``unheard pair``, ``bounce``, ``shadow``, ...), and errors, 0 at best:
        ``gravity`` and ``momentum`` (relative), ``identity_drift`` (Lab units / 100), ``popping``
        (things that appear or vanish).

    Raises
    ------
    InputError
        If the film is not as long as the scene.
    """
    if len(film) != scene.frames:
        raise InputError(
            f"a film of {len(film)} frames for a scene of {scene.frames}", "compose it with as many"
        )
    required = wanted_things(scene)
    # its most prominent things, not any that flicker past
    pairs = matched(required, reading.things[: len(required)])
    values = {name: float(reading.scene[name] == value) for name, value in _stated(scene).items()}
    if required:
        values |= named_scores(scene, required, pairs)
        values["count"] = count_score(scene, len(reading.things))
    if words := [
        float(sighting is not None and sighting.word == thing.word)
        for thing, sighting in zip(required, pairs, strict=True)
        if thing.word is not None and reading.words
    ]:
        values["word"] = float(np.mean(words))
    if unheard := _unheard(scene, required, pairs, reading):
        values["unheard pair"] = float(
            np.mean([is_shown for present in unheard.values() for is_shown in present])
        )
        values |= {f"unheard {what}": float(np.mean(present)) for what, present in unheard.items()}
    if (held := relation_score(scene, required, pairs)) is not None:
        values["relation"] = held
    values |= _physics(scene, required, pairs) | _shadow(film, scene, pairs)
    sightings = [sighting for sighting in pairs if sighting is not None]
    if sightings:
        values["identity_drift"] = float(
            np.mean([identity_drift(film, sighting) for sighting in sightings])
        )
    values["popping"] = float(sum(popping(sighting, scene.aspect) for sighting in reading.things))
    named = [values[name] for name in ATTRIBUTES if name in values]
    return {"attributes": float(np.mean(named))} | values


def _stated(scene: Scene) -> dict[str, str]:
    """What the caption says of the whole clip, where it says it."""
    unsaid = {"weather"} if scene.place == "room" else set()
    return {
        name: value
        for name, value in scene.attributes.items()
        if name not in unsaid and value != "usual"
    }


def wanted_things(scene: Scene) -> list[Thing]:
    """The things of a scene that a film of it must show: those seen in three frames or more."""
    return [thing for thing in scene.things if scene.shows(thing).sum() >= 3]


def count_score(scene: Scene, things: int) -> float:
    """Whether so many things are as many as the scene shows; what is at an edge may be read, and
    may not.
    """
    at_most = sum(bool(scene.visible(thing).any()) for thing in scene.things)
    return float(len(wanted_things(scene)) <= things <= at_most)


def matched(required: Sequence[Thing], things: Sequence[Sighting]) -> list[Sighting | None]:
    """For each wanted thing the sighting that is most like it, no sighting twice."""
    best: list[Sighting | None] = [None] * len(required)
    likeness = [
        (4 * (s.kind == t.kind) + 2 * (s.colour == t.colour) + (s.motion == t.motion), i, j)
        for i, t in enumerate(required)
        for j, s in enumerate(things)
    ]
    taken: set[int] = set()
    for score, i, j in sorted(likeness, reverse=True):
        if score and best[i] is None and j not in taken:
            best[i] = things[j]
            taken.add(j)
    return best


def named_scores(
    scene: Scene, required: Sequence[Thing], pairs: Sequence[Sighting | None]
) -> dict[str, float]:
    """Shares of the wanted things whose attributes are there; ``binding`` where two of them differ
    in colour; ``presence``, the share of the frames that should show them in which they are seen.
    """
    # walking or running is not said then
    untold = scene.relation is not None and scene.relation.name == "pass behind"
    right = {
        name: [
            float(s is not None and getattr(s, name) == getattr(t, name))
            for t, s in zip(required, pairs, strict=True)
        ]
        for name in (("kind", "colour") if untold else ("kind", "colour", "motion"))
    }
    averages = {name: float(np.mean(values)) for name, values in right.items()}
    there = [
        _presence(scene, thing, sighting) for thing, sighting in zip(required, pairs, strict=True)
    ]
    averages["presence"] = float(np.mean(there))
    if len({thing.colour for thing in required}) > 1:
        averages["binding"] = float(
            all(k and c for k, c in zip(right["kind"], right["colour"], strict=True))
        )
    return averages


def _presence(scene: Scene, thing: Thing, sighting: Sighting | None) -> float:
    """Share of the frames in which a thing should show in which something of its kind is read,
    always the same one.
    """
    if sighting is None or sighting.kind != thing.kind:
        return 0.0
    return float(np.isfinite(sighting.track[scene.shows(thing), 0]).mean())


def _unheard(
    scene: Scene, required: Sequence[Thing], pairs: Sequence[Sighting | None], reading: Reading
) -> dict[str, list[bool]]:
    """For each pair in the scene that training never shows (see `split`), by what it joins, whether
    it is there.
    """
    present: dict[str, list[bool]] = defaultdict(list)
    for thing, sighting in zip(required, pairs, strict=True):
        alike = sighting if sighting is not None and sighting.kind == thing.kind else None
        if held_out(thing.kind, thing.colour):
            present["colour"].append(alike is not None and alike.colour == thing.colour)
        if held_out(thing.kind, thing.motion):
            present["motion"].append(alike is not None and alike.motion == thing.motion)
        if held_out(thing.kind, scene.place):
            present["place"].append(alike is not None and reading.scene["place"] == scene.place)
    light = scene.light
    if light.colour and held_out(light.source, light.colour):
        present["colour"].append(reading.scene["light"] == light.colour)
    return present


def relation_score(
    scene: Scene, required: Sequence[Thing], pairs: Sequence[Sighting | None]
) -> float | None:
    """Whether the relation of the first two things is to be seen; None where the scene has none,
    does not show both of them, or has one that needs no more than the things.
    """
    both = len(required) > 1 and all(
        a is b for a, b in zip(required[:2], scene.things[:2], strict=True)
    )
    if scene.relation is None or not both:
        return None
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
        case "race":
            return float(_go_alike(first, second))
        case "chase" | "fetch":
            behind = np.nanmedian(other - x) * first.heading > 0
            return float(_go_alike(first, second) and behind)
        case "collide":
            near = np.nanmin(np.abs(x - other)) < 0.75 * (first.height + second.height)
            return float(near and len(_sides(x - other)) == 1)
        case "stack":
            return float(_rests_on(first, second))
        case "topple":  # the second thing is the upper box
            falls = np.nanmax(second.track[:, 1]) - _ends(second.track[:, 1])[0]
            return float(second.kind == "box" and falls > 0.5 * second.height)
        case "pass behind":
            gone = np.isnan(x) & np.isfinite(other)  # what goes in front is never gone
            return float(len(_sides(x - other)) == 2 and bool(gone.any()))
    return None


def _sides(apart: NDArray[np.floating]) -> set[float]:
    """On which sides of another thing one is seen."""
    return set(np.sign(apart[np.isfinite(apart)]).tolist()) - {0.0}


def _ends(values: NDArray[np.floating]) -> tuple[float, float]:
    """The first and the last that is seen, as medians of three."""
    visible = values[np.isfinite(values)]
    return float(np.median(visible[:3])), float(np.median(visible[-3:]))


def _go_alike(first: Sighting, second: Sighting) -> bool:
    """Whether both move, the way that they look."""
    return first.heading == second.heading and all(
        _speed(sighting) * sighting.heading > 0 for sighting in (first, second)
    )


def _rests_on(upper: Sighting, lower: Sighting) -> bool:
    """Whether at the end one stands on the other."""
    both = upper.height + lower.height
    (x, y), (other, below) = (
        tuple(_ends(sighting.track[:, axis])[1] for axis in (0, 1)) for sighting in (upper, lower)
    )
    return abs(x - other) < 0.25 * both and 0.25 * both < below - y < 0.75 * both


def _speed(sighting: Sighting) -> float:
    """Median sideways speed in picture heights a frame; 0 for what is never seen in two frames
    together.
    """
    steps = np.diff(sighting.track[:, 0])
    return float(np.nanmedian(steps)) if np.isfinite(steps).any() else 0.0


def _physics(
    scene: Scene, required: Sequence[Thing], pairs: Sequence[Sighting | None]
) -> dict[str, float]:
    if scene.camera.motion.startswith("zoom"):
        return {}  # lengths change with the zoom
    errors: dict[str, list[float]] = {"gravity": [], "bounce": []}
    for thing, sighting in zip(required, pairs, strict=True):
        if sighting is None or thing.motion not in ("fall", "bounce", "throw"):
            continue
        if (g := gravity(sighting.track[:, 1], scene.fps)) is not None:
            errors["gravity"].append(abs(g / world.GRAVITY - 1))
        if thing.motion == "bounce" and (sane := bounce(sighting.track[:, 1])) is not None:
            errors["bounce"].append(sane)
    means = {name: float(np.mean(values)) for name, values in errors.items() if values}
    if (
        scene.relation
        and scene.relation.name == "collide"
        and len(pairs) == 2
        and None not in pairs
    ):
        masses = [
            world.DENSITIES[thing.material or "rubber"] * thing.height**2 for thing in required
        ]
        tracks = [sighting.track[:, 0] for sighting in pairs if sighting is not None]
        if (error := momentum(tracks, masses)) is not None:
            means["momentum"] = error
    return means


def _shadow(film: Film, scene: Scene, pairs: Sequence[Sighting | None]) -> dict[str, float]:
    if scene.camera.motion != "still" or scene.place in ("sea", "room"):
        return {}
    if (light := light_at(film)) is None:
        return {}
    standing = [s for s in pairs if s is not None and s.motion != "fly"]
    agree = [shadow_agrees(film, light, s, world.KINDS[s.kind].aspect) for s in standing]
    verdicts = [verdict for verdict in agree if verdict is not None]
    return {"shadow": float(np.mean(verdicts))} if verdicts else {}


def identity_drift(film: Film, sighting: Sighting) -> float:
    """How far a thing's look strays from its usual one: mean distance of Lab colours, over 100,
    along its track.
    """
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
    """How often a thing begins or ends within the picture: 0, 1 or 2. At an edge it only comes and
    goes.
    """
    visible = np.flatnonzero(np.isfinite(sighting.track[:, 0]))
    count = 0
    for frame, end in ((visible[0], 0), (visible[-1], len(sighting.track) - 1)):
        x, y = sighting.track[frame]
        count += frame != end and margin < x < aspect - margin and margin < y < 1 - margin
    return int(count)
