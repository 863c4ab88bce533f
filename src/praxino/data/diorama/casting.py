"""Who is on stage and what each does by itself: kinds, colours, motions and tracks drawn from one
generator.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from praxino.data.diorama import physics, world
from praxino.data.diorama.physics import Track
from praxino.data.diorama.scene import Marking, Thing
from praxino.data.diorama.split import held_out


def pick(rng: Generator, weights: Mapping[str, float]) -> str:
    """One name, as often as its weight says."""
    names = list(weights)
    p = np.array([weights[name] for name in names], np.float64)
    return names[int(rng.choice(len(names), p=p / p.sum()))]


MARKED_KINDS = ("cat", "dog", "horse", "person")
"""Kinds that wear markings."""
MARKS = ("white", "black", "brown", "yellow")
"""Colours of markings."""


@dataclass(frozen=True)
class Requirement:
    """What a scene must hold: a pair that training never sees."""

    kind: str
    colour: str | None = None
    motion: str | None = None
    place: str | None = None


@dataclass(frozen=True)
class CastingContext:
    """What casting needs to know: the dice, the place, the clock, the camera's speed, whether any
    pair may occur.
    """

    rng: Generator
    place: str
    times: physics.Array
    aspect: float
    pan: float
    all_pairs: bool

    def allowed(self, kind: str, value: str) -> bool:
        return self.all_pairs or not held_out(kind, value)

    def kinds(self, among: Iterable[str] | None = None) -> dict[str, float]:
        """Kinds that live here, with how often; of ``among`` if given."""
        here = world.INHABITANTS[self.place]
        return {
            k: w
            for k, w in here.items()
            if (among is None or k in among) and self.allowed(k, self.place)
        }

    def colour(self, kind: str, other_than: Iterable[str] = ()) -> str:
        free = [
            c
            for c in world.KINDS[kind].colours
            if c not in set(other_than) and self.allowed(kind, c)
        ]
        return str(self.rng.choice(free))

    def motion(self, kind: str) -> str:
        free = [m for m in world.KINDS[kind].motions if self.allowed(kind, m)]
        return pick(self.rng, {m: world.EAGERNESS.get(m, 1) for m in free})

    def moves(self, kind: str, motion: str) -> bool:
        """Whether a thing of this kind can be asked for this motion."""
        return motion in world.KINDS[kind].motions and self.allowed(kind, motion)

    def size(self, kind: str, factor: float = 1.0) -> float:
        return factor * float(self.rng.uniform(*world.KINDS[kind].heights))

    def heading(self) -> int:
        """A camera that pans goes along with what moves."""
        return int(np.sign(self.pan)) or int(self.rng.choice([-1, 1]))

    def span(self, near: float, far: float, heading: int) -> float:
        """An x between ``near`` and ``far`` (parts of the view's width), counted from where one
        comes from.
        """
        part = float(self.rng.uniform(near, far))
        return self.aspect * (part if heading > 0 else 1 - part)

    def speed(self, low: float, high: float, heading: int) -> float:
        return heading * float(self.rng.uniform(low, high))

    def standing(self, x: float) -> float:
        """Where in the world to stand so as to be at ``x`` of the view after one second."""
        return x + self.pan


def thing(
    stage: CastingContext,
    kind: str,
    colour: str,
    motion: str,
    heading: int,
    height: float,
    ground: float,
    track: Track,
    material: str | None = None,
) -> Thing:
    """A `Thing` with the outline of its kind; some wear markings."""
    marking = None
    if kind in MARKED_KINDS and stage.rng.random() < 0.3:
        other = str(stage.rng.choice([c for c in MARKS if c != colour and stage.allowed(kind, c)]))
        marking = Marking(str(stage.rng.choice(["spots", "stripes", "patch", "belt"])), other)
    if kind == "boat":
        track = physics.bobbing(track, stage.times)
    width = height * world.KINDS[kind].aspect
    return Thing(kind, colour, motion, heading, height, width, ground, *track, material, marking)


def material_of(stage: CastingContext, kind: str) -> str | None:
    materials = world.KINDS[kind].materials
    return str(stage.rng.choice(materials, p=[0.7, 0.3])) if materials else None


def _track(
    stage: CastingContext,
    motion: str,
    spot: float,
    start: float,
    rest: float,
    heading: int,
    restitution: float,
) -> Track:
    """The centre of a thing over time: at ``spot`` if it stays, from ``start`` if it goes."""
    match motion:
        case "still":
            return physics.steady((spot, rest), (0.0, 0.0), stage.times)
        case _ if motion in SLOW:
            return physics.steady((start, rest), (stage.speed(0.2, 0.3, heading), 0.0), stage.times)
        case _ if motion in FAST:
            return physics.steady(
                (start, rest), (stage.speed(0.36, 0.5, heading), 0.0), stage.times
            )
        case "fly":
            level, lift = (
                float(stage.rng.uniform(0.18, 0.42)),
                float(stage.rng.uniform(-0.04, 0.04)),
            )
            return physics.steady(
                (start, level), (stage.speed(0.28, 0.42, heading), lift), stage.times
            )
        case "bounce" | "fall":
            drop = (spot, float(stage.rng.uniform(0.12, 0.26)))
            return physics.bouncing(
                drop,
                (heading * float(stage.rng.uniform(0, 0.06)), 0.0),
                rest,
                restitution,
                stage.times,
            )
        case "throw":
            launch = (stage.speed(0.28, 0.42, heading), -float(stage.rng.uniform(0.75, 1.0)))
            return physics.bouncing((start, rest - 0.08), launch, rest, restitution, stage.times)
        case "jump":
            leap = float(stage.rng.uniform(0.5, 0.65))
            return physics.hopping(
                (start, rest), stage.speed(0.3, 0.45, heading), leap, 0.18, stage.times
            )
        case _:
            raise AssertionError(motion)


SLOW = {"walk", "slide", "sail"}
FAST = {"run", "drive", "roll"}


def perform(
    stage: CastingContext,
    kind: str,
    colour: str,
    motion: str,
    lane: float,
    where: float,
    factor: float = 1.0,
    heading: int | None = None,
    entrance: str | None = None,
    material: str | None = None,
) -> Thing:
    """One thing that minds its own business.

    Parameters
    ----------
    lane : float
        The y it stands on.
    where : float
        Its part of the view's width if it stays there.
    factor : float
        On its usual size.
    heading, entrance, material : optional
        Drawn if not given: +1 or -1; "present" from the beginning, or "enters", or "leaves"; one of
        its kind's.
    """
    rng = stage.rng
    heading = heading or stage.heading()
    height = stage.size(kind, factor)
    material = material or material_of(stage, kind)
    restitution = world.MATERIALS[material] if material else 0.0
    rest = lane - height / 2
    spot = stage.standing(stage.aspect * (where + float(rng.uniform(-0.08, 0.08))))
    entrance = (
        entrance
        or ("present" if stage.pan else None)
        or pick(rng, {"present": 0.72, "enters": 0.16, "leaves": 0.12})
    )
    near, far = {"present": (0.08, 0.32), "enters": (-0.25, -0.12), "leaves": (0.58, 0.72)}[
        entrance
    ]
    start = stage.span(near, far, heading)
    track = _track(stage, motion, spot, start, rest, heading, restitution)
    return thing(stage, kind, colour, motion, heading, height, lane, track, material)


def cast_alone(
    stage: CastingContext, count: int, required: Requirement | None
) -> tuple[Thing, ...]:
    """``count`` things that have nothing to do with one another, no two alike; the wanted one
    first.
    """
    rng = stage.rng
    lanes = np.sort(rng.permutation(world.LANES[stage.place])[:count])
    slots = rng.permutation(count)
    things: list[Thing] = []
    taken: set[tuple[str, str]] = set()
    for place, (lane, slot) in enumerate(zip(lanes, slots, strict=True)):
        requirement = required if required and place == 0 and required.kind in world.KINDS else None
        while True:
            kind = requirement.kind if requirement else pick(rng, stage.kinds())
            colour = (requirement.colour if requirement else None) or stage.colour(kind)
            if (kind, colour) not in taken:
                break
        taken.add((kind, colour))
        motion = (requirement.motion if requirement else None) or stage.motion(kind)
        things.append(perform(stage, kind, colour, motion, float(lane), (slot + 0.5) / count))
    return tuple(things)
