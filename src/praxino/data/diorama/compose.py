"""Scenes from numbers: ``compose(seed, index)`` draws a place, a light, a camera, and things that
move.
"""

import copy
from dataclasses import replace
from typing import Final, Literal, get_args

import numpy as np
from numpy.random import Generator

from praxino.data.diorama import families, split, world
from praxino.data.diorama.casting import CastingContext, Requirement, cast_alone, pick
from praxino.data.diorama.relations import cast_together
from praxino.data.diorama.scene import Array, Camera, Light, Relation, Scene, Thing
from praxino.data.diorama.split import Split, held_out
from praxino.errors import InputError, UnknownNameError
from praxino.rng import Stream, generator

PAN_SPEED = 0.26  # frame heights per second
ZOOM = 1.5  # how many times larger a zoom ends, over ZOOM_TIME seconds
ZOOM_TIME = 2.0
USUAL_SECONDS = 2.0
"""Length of a usual clip; in longer ones things may come later."""
Edition = Literal[1, 2]
STREAMS: Final[dict[Split, Stream]] = {
    "train": Stream.SCENE,
    "all": Stream.SCENE_ALL_PAIRS,
    "held-out": Stream.SCENE_HELD_OUT,
    "rare": Stream.SCENE_RARE,
}


def compose(
    seed: int,
    index: int,
    frames: int = 17,
    aspect: float = 1.0,
    fps: float = 8.0,
    part: Split = "train",
    edition: Edition = 1,
) -> Scene:
    """Scene ``index`` of the world ``seed``: a pure function of its arguments.

    Parameters
    ----------
    aspect : float
        Width over height of the view.
    part : str
        "train" scenes hold no held-out pair (`split`), "held-out" and "rare" ones hold one each,
        "all" draws freely.
    edition : int
        1: the world of the suites. 2: the same places and things, and beside them individuals with
        marks of their own, individuals that fill most of the picture, things with words, and scenes
        that repeat (`families`); in clips longer than a usual one, things come later, too.

    Raises
    ------
    InputError
        For a negative seed or index, no frames, an aspect or rate that is not above 0, or an
        unknown part.
    """
    _require_valid(seed, index, frames, aspect, fps, part)
    if edition == 2:
        return _second(seed, index, frames, aspect, fps, part)
    return _usual(generator(STREAMS[part], seed, index), np.arange(frames) / fps, aspect, fps, part)


def _usual(rng: Generator, times: Array, aspect: float, fps: float, part: Split) -> Scene:
    required = _requirement(rng, part)
    place = _place(rng, required)
    time = _time(rng, required)
    weather = _weather(rng, place, required)
    motion = pick(rng, world.CAMERAS)
    pan = {"pan left": -PAN_SPEED, "pan right": PAN_SPEED}.get(motion, 0.0)
    stage = CastingContext(rng, place, times, aspect, pan, part == "all")
    relation, things = _cast(stage, motion, required)
    if motion == "follow" and not _can_follow(place, relation, things):
        motion = "still"
    tinted = place == "sea" and rng.random() < 0.15
    return Scene(
        place=place,
        time=time,
        weather=weather,
        tint=str(rng.choice(world.SEA_COLOURS)) if tinted else None,
        relation=relation,
        things=things,
        light=_light(rng, place, time, weather, aspect, required, part),
        camera=_camera(motion, times, aspect, things),
        fps=fps,
        aspect=aspect,
        detail=int(rng.integers(2**31)),
    )


def _second(seed: int, index: int, frames: int, aspect: float, fps: float, part: Split) -> Scene:
    """A scene of the second edition; held-out and rare pairs occur in usual ones."""
    stream = STREAMS[part] if part in ("held-out", "rare") else Stream.SCENE_SECOND_EDITION
    rng = generator(stream, seed, index)
    family = "usual" if part in ("held-out", "rare") else pick(rng, families.SHARES)
    times = np.arange(frames) / fps
    if family != "usual":
        return _of_family(rng, family, times, aspect, fps, part == "all")
    lead = max(0.0, float(times[-1]) - USUAL_SECONDS) * float(rng.random())
    again = copy.deepcopy(rng)
    scene = _usual(rng, times - lead, aspect, fps, part)
    if lead and not all(thing.motion in families.STEADY for thing in scene.things):
        rng = again  # what falls does so from the first frame on
        scene = _usual(rng, times, aspect, fps, part)
    return replace(scene, things=families.with_individuals(rng, scene, part == "all"))


def _of_family(
    rng: Generator, family: str, times: Array, aspect: float, fps: float, all_pairs: bool
) -> Scene:
    place = pick(rng, families.PLACES[family])
    time = pick(rng, world.TIMES)
    cyclic = family == "cyclic"
    weather = "clear" if cyclic or place == "room" else pick(rng, world.WEATHERS)
    stage = CastingContext(rng, place, times, aspect, 0.0, all_pairs)
    things = families.CAST[family](stage)
    motion = "still" if cyclic else pick(rng, families.CAMERAS)
    return Scene(
        place=place,
        time=time,
        weather=weather,
        tint=None,
        relation=None,
        things=things,
        light=_light(rng, place, time, weather, aspect, None, "all" if all_pairs else "train"),
        camera=_camera(motion, times, aspect, things),
        fps=fps,
        aspect=aspect,
        detail=int(rng.integers(2**31)),
        period=families.PERIOD if cyclic else None,
    )


def _require_valid(
    seed: int, index: int, frames: int, aspect: float, fps: float, part: str
) -> None:
    if part not in get_args(Split):
        raise UnknownNameError("part", part, get_args(Split))
    if min(seed, index) < 0 or frames < 1 or not min(aspect, fps) > 0:
        arguments = f"seed={seed}, index={index}, frames={frames}, aspect={aspect}, fps={fps}"
        raise InputError(
            f"no scene has {arguments}",
            "seed and index from 0, frames from 1, aspect and fps above 0",
        )


def _requirement(rng: Generator, part: Split) -> Requirement | None:
    if part in ("train", "all"):
        return None
    options = split.pairs()
    what = "rare" if part == "rare" else str(rng.choice(["colour", "motion", "place"]))
    kind, value = options[what][int(rng.integers(len(options[what])))]
    return Requirement(kind, **{"colour" if what == "rare" else what: value})


def _place(rng: Generator, required: Requirement | None) -> str:
    weights = dict(world.PLACES)
    if required and required.place:
        return required.place
    if required and required.kind in world.KINDS:
        weights = {p: w for p, w in weights.items() if required.kind in world.INHABITANTS[p]}
        weights = {p: w for p, w in weights.items() if not held_out(required.kind, p)}
    if required and required.kind in ("sun", "moon"):
        del weights["room"]
    return pick(rng, weights)


def _time(rng: Generator, required: Requirement | None) -> str:
    weights = dict(world.TIMES)
    if required and required.kind in ("sun", "moon"):
        weights = {t: w for t, w in weights.items() if (t == "night") == (required.kind == "moon")}
    return pick(rng, weights)


def _weather(rng: Generator, place: str, required: Requirement | None) -> str:
    weather = pick(rng, world.WEATHERS)
    if place == "room" or (required and required.kind in ("sun", "moon")):
        return "clear"
    return weather


def _cast(
    stage: CastingContext, camera: str, required: Requirement | None
) -> tuple[Relation | None, tuple[Thing, ...]]:
    star = required is not None and required.kind not in world.KINDS
    empty = 0.25 if star else 0.16 if stage.place in ("sea", "city", "road") else 0.04
    weights = {"0": empty, "1": 0.42, "2": 0.14, "3": 0.04, "together": 0.36}
    if required and not star:
        weights = {"1": 0.6, "2": 0.3, "3": 0.1}
    if camera == "follow":
        weights = {"1": 1.0}
    many = pick(stage.rng, weights)
    if many == "together":
        relation, things = cast_together(stage)
        if things:
            return relation, things
        many = "1"
    return None, cast_alone(stage, int(many), required)


def _can_follow(place: str, relation: Relation | None, things: tuple[Thing, ...]) -> bool:
    lone = len(things) == 1 and relation is None and place != "room"
    return (
        lone and float(np.abs(things[0].velocity[:, 0]).max()) > 0.15 and things[0].motion != "jump"
    )


def _camera(motion: str, times: Array, aspect: float, things: tuple[Thing, ...]) -> Camera:
    still = np.zeros_like(times)
    ramp = np.clip(times / ZOOM_TIME, 0.0, 1.0)
    match motion:
        case "pan left" | "pan right":
            return Camera(
                motion,
                (PAN_SPEED if motion == "pan right" else -PAN_SPEED) * times,
                still,
                still + 1,
            )
        case "follow":  # the thing stays in the middle of the view
            return Camera(motion, things[0].position[:, 0] - aspect / 2, still, still + 1)
        case "zoom in" | "zoom out":
            zoom = ZOOM ** (ramp if motion == "zoom in" else 1 - ramp)
            centre = (aspect / 2, 0.64)
            return Camera(motion, centre[0] * (1 - 1 / zoom), centre[1] * (1 - 1 / zoom), zoom)
    return Camera(motion, still, still, still + 1)


def _light(
    rng: Generator,
    place: str,
    time: str,
    weather: str,
    aspect: float,
    required: Requirement | None,
    part: Split,
) -> Light:
    horizon = world.HORIZON[place]
    x = float(rng.uniform(0.15, 0.85) * aspect)
    heights = {"day": (0.12, 0.24), "sunset": (0.34, 0.46), "night": (0.12, 0.26)}
    # no roof hides more than half of it
    y = float(rng.uniform(*((0.12, 0.2) if place == "city" else heights[time])))
    source = "moon" if time == "night" else "sun"
    colours = [c for c in world.SUN_COLOURS if part == "all" or not held_out(source, c)]
    colour = str(rng.choice(colours)) if rng.random() < 0.18 else None
    if required and required.kind == source:
        colour = required.colour
    slope = float(np.clip(0.45 * (aspect / 2 - x) / max(horizon - y, 0.12), -1.2, 1.2))
    if place == "room":
        return Light("window", None, x, 0.27, slope)
    if weather in ("rain", "snow"):
        return Light("overcast", None, x, y, 0.0)
    return Light(source, colour, x, y, slope)
