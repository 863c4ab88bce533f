"""Things that do something together, or stand in a relation that a sentence can name."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from praxino.data.diorama import physics, world
from praxino.data.diorama.casting import CastingContext, material_of, perform, pick, thing
from praxino.data.diorama.physics import Track
from praxino.data.diorama.scene import Relation, Thing

Cast = tuple[Thing, ...]

# How often, where; the first thing is always the one that the caption names first.
WHERE: Final[dict[str, dict[str, float]]] = {
    "grass": {
        "fetch": 3,
        "chase": 2,
        "collide": 2,
        "stack": 1,
        "topple": 1.5,
        "pass behind": 2,
        "left of": 2,
        "bigger than": 2,
        "group": 2,
    },
    "road": {"race": 6, "chase": 1, "pass behind": 1, "left of": 1, "bigger than": 1, "group": 1},
    "city": {
        "race": 4,
        "chase": 1,
        "collide": 1,
        "fetch": 1,
        "left of": 1,
        "bigger than": 1,
        "group": 1,
    },
    "room": {
        "chase": 2,
        "collide": 2,
        "fetch": 2,
        "stack": 2,
        "topple": 2,
        "pass behind": 1,
        "left of": 2,
        "bigger than": 2,
        "group": 2,
    },
    "sea": {"race": 1, "left of": 1, "bigger than": 1.5, "group": 2.5},
}


def cast_together(stage: CastingContext) -> tuple[Relation | None, Cast]:
    """Two or three things in a relation; (None, ()) where the place has nobody for the one that was
    drawn.
    """
    name = pick(stage.rng, WHERE[stage.place])
    cast = MAKERS[name](stage)
    if not cast:
        return None, ()
    return Relation(name, len(cast)), cast


def _two_colours(stage: CastingContext, one: str, two: str) -> tuple[str, str]:
    first = stage.colour(one)
    return first, stage.colour(two, other_than=(first,))


def _runner(
    stage: CastingContext,
    kind: str,
    colour: str,
    motion: str,
    heading: int,
    lane: float,
    x: float,
    v: float,
) -> Thing:
    height = stage.size(kind)
    track = physics.steady((x, lane - height / 2), (v, 0.0), stage.times)
    return thing(stage, kind, colour, motion, heading, height, lane, track)


def _race(stage: CastingContext) -> Cast:
    kind, motion = ("boat", "sail") if stage.place == "sea" else ("car", "drive")
    heading = stage.heading()
    far, _, near = world.LANES[stage.place]
    one, two = _two_colours(stage, kind, kind)
    pace = stage.speed(0.3, 0.42, heading)
    faster = float(stage.rng.uniform(0.8, 1.3))
    return (
        _runner(stage, kind, one, motion, heading, near, stage.span(0.12, 0.32, heading), pace),
        _runner(
            stage, kind, two, motion, heading, far, stage.span(0.12, 0.32, heading), pace * faster
        ),
    )


def _chase(stage: CastingContext) -> Cast:
    free = [k for k in stage.kinds(("dog", "cat", "person", "horse")) if stage.moves(k, "run")]
    if len(free) < 2:
        return ()
    hunter, prey = (str(k) for k in stage.rng.choice(free, 2, replace=False))
    heading = stage.heading()
    lane = world.LANES[stage.place][1]
    pace = stage.speed(0.34, 0.46, heading)
    one, two = _two_colours(stage, hunter, prey)
    return (
        _runner(stage, hunter, one, "run", heading, lane, stage.span(0.06, 0.16, heading), pace),
        _runner(stage, prey, two, "run", heading, lane, stage.span(0.48, 0.56, heading), pace),
    )


def _fetch(stage: CastingContext) -> Cast:
    if len(stage.kinds(("dog", "ball"))) < 2:
        return ()
    heading = stage.heading()
    lane = world.LANES[stage.place][1]
    pace = stage.speed(0.34, 0.46, heading)
    one, two = _two_colours(stage, "dog", "ball")
    dog = _runner(stage, "dog", one, "run", heading, lane, stage.span(0.08, 0.2, heading), pace)
    height = stage.size("ball", 0.8)
    rest = lane - height / 2
    launch = (pace * 1.1, -float(stage.rng.uniform(0.6, 0.85)))
    start = (stage.span(0.45, 0.55, heading), rest - 0.1)
    track = physics.bouncing(start, launch, rest, world.MATERIALS["rubber"], stage.times)
    return dog, thing(stage, "ball", two, "throw", heading, height, lane, track, "rubber")


def _mass(material: str, height: float) -> float:
    """Per unit of depth: density times area."""
    return world.DENSITIES[material] * height**2


def _restitution(one: str, other: str) -> float:
    """Restitution of an impact of two kinds: the geometric mean of theirs on hard ground."""
    return (world.MATERIALS[one] * world.MATERIALS[other]) ** 0.5


def _level(x: physics.Array, v: physics.Array, y: float) -> Track:
    return np.stack([x, np.full_like(x, y)], axis=1), np.stack([v, np.zeros_like(v)], axis=1)


def _collide(stage: CastingContext) -> Cast:
    """Two balls on one line; the heavier one gives way less."""
    if not stage.kinds(("ball",)):
        return ()
    rng, lane = stage.rng, world.LANES[stage.place][1]
    colours = _two_colours(stage, "ball", "ball")
    sizes = (stage.size("ball"), stage.size("ball"))
    materials = [str(rng.choice(["rubber", "steel"])) for _ in range(2)]
    starts = (
        stage.aspect * float(rng.uniform(0.12, 0.2)),
        stage.aspect * float(rng.uniform(0.75, 0.88)),
    )
    speeds = (float(rng.uniform(0.32, 0.46)), -float(rng.choice([0.0, 0.3])))
    masses = (_mass(materials[0], sizes[0]), _mass(materials[1], sizes[1]))
    kept = _restitution(*materials)
    tracks = physics.collision(starts, speeds, masses, sum(sizes) / 2, kept, stage.times)
    return tuple(
        thing(stage, "ball", colours[i], "roll", int(np.sign(speeds[i])) or 1, sizes[i], lane,
              _level(*tracks[i], lane - sizes[i] / 2), materials[i])
        for i in range(2)
    )  # fmt: skip


def _box(
    stage: CastingContext,
    colour: str,
    motion: str,
    height: float,
    lane: float,
    track: Track,
    material: str,
) -> Thing:
    return thing(stage, "box", colour, motion, 1, height, lane, track, material)


def _stack(stage: CastingContext) -> Cast:
    """A box falls onto another and stays there."""
    if not stage.kinds(("box",)) or not stage.moves("box", "fall"):
        return ()
    lane = world.LANES[stage.place][1]
    one, two = _two_colours(stage, "box", "box")
    upper, lower = stage.size("box", 0.9), stage.size("box", 1.05)
    x = stage.standing(stage.span(0.35, 0.65, 1))
    material = str(stage.rng.choice(["wooden", "steel"]))
    shelf = lane - lower - upper / 2
    aside = float(stage.rng.uniform(-0.15, 0.15)) * lower
    start = (x + aside, float(stage.rng.uniform(0.05, 0.12)))
    fall = physics.bouncing(start, (0.0, 0.0), shelf, world.MATERIALS[material], stage.times)
    rest = physics.steady((x, lane - lower / 2), (0.0, 0.0), stage.times)
    return (
        _box(stage, one, "fall", upper, lane, fall, material),
        _box(stage, two, "still", lower, lane, rest, "wooden"),
    )


def _topple(stage: CastingContext) -> Cast:
    """A ball flies into the upper of two boxes and knocks it off; momentum is kept at the
    impact.
    """
    if len(stage.kinds(("box", "ball"))) < 2:
        return ()
    rng, lane, times = stage.rng, world.LANES[stage.place][1], stage.times
    heading = stage.heading()
    size, ball_size = stage.size("box", 0.82), stage.size("ball", 0.8)
    middle = stage.span(0.5, 0.58, heading)
    shelf, rest = lane - 1.5 * size, lane - size / 2
    speed = heading * float(rng.uniform(0.75, 0.95))
    begin = stage.span(-0.1, 0.02, heading)
    contact = middle - heading * (size + ball_size) / 2
    moment = (contact - begin) / speed
    # Thrown so that it meets the box at its middle, having risen and fallen by as much.
    launch = -world.GRAVITY * moment / 2
    masses = (_mass("rubber", ball_size), _mass("wooden", size))
    ball_after, box_after = physics.after_impact(
        (speed, 0.0), masses, _restitution("rubber", "wooden")
    )

    def knocked(t: physics.Array) -> Track:
        slide = size / 2 / abs(box_after)  # until its centre has left the box below
        edge = middle + heading * size / 2
        return physics.then(
            slide,
            lambda s: physics.steady((middle, shelf), (box_after, 0.0), s),
            lambda s: physics.bouncing(
                (edge, shelf), (box_after, 0.0), rest, world.MATERIALS["wooden"], s
            ),
            t,
        )

    floor = lane - ball_size / 2
    ball_track = physics.then(
        moment,
        lambda t: physics.bouncing((begin, shelf), (speed, launch), floor, 0.0, t),
        lambda t: physics.bouncing(
            (contact, shelf), (ball_after, -launch), floor, world.MATERIALS["rubber"], t
        ),
        times,
    )
    box_track = physics.then(
        moment, lambda t: physics.steady((middle, shelf), (0.0, 0.0), t), knocked, times
    )
    lower = physics.steady((middle, rest), (0.0, 0.0), times)
    colours = [stage.colour("ball")]
    colours += [stage.colour("box", other_than=colours)]
    colours += [stage.colour("box", other_than=colours)]
    return (
        thing(stage, "ball", colours[0], "throw", heading, ball_size, lane, ball_track, "rubber"),
        _box(stage, colours[1], "fall", size, lane, box_track, "wooden"),
        _box(stage, colours[2], "still", size, lane, lower, "wooden"),
    )


def _pass_behind(stage: CastingContext) -> Cast:
    """Something goes behind a thing that stands, is gone for a moment, and comes out again the
    same.
    """
    movers = {
        "grass": ("cat", "dog", "ball"),
        "road": ("dog", "ball"),
        "room": ("cat", "dog", "ball"),
    }[stage.place]
    screens = {"grass": ("house", "tree"), "road": ("house", "tree"), "room": ("box",)}[stage.place]
    kinds, hiders = list(stage.kinds(movers)), list(stage.kinds(screens))
    choices = [(k, m) for k in kinds for m in ("walk", "run", "roll") if stage.moves(k, m)]
    if not choices or not hiders:
        return ()
    kind, motion = choices[int(stage.rng.integers(len(choices)))]
    hider = str(stage.rng.choice(hiders))
    far, _, near = world.LANES[stage.place]
    heading = stage.heading()
    size = stage.size(kind, 0.75)
    one, two = _two_colours(stage, kind, hider)
    speed = stage.speed(0.36, 0.44, heading)
    start = (stage.span(0.06, 0.14, heading), far - size / 2)
    mover = thing(
        stage,
        kind,
        one,
        motion,
        heading,
        size,
        far,
        physics.steady(start, (speed, 0.0), stage.times),
        "rubber" if kind == "ball" else None,
    )
    tall = stage.size(hider, 1.5 if hider == "box" else 1.15)
    place = (stage.standing(stage.span(0.48, 0.56, 1)), near - tall / 2)
    rest = physics.steady(place, (0.0, 0.0), stage.times)
    return mover, thing(stage, hider, two, "still", 1, tall, near, rest, material_of(stage, hider))


def _left_of(stage: CastingContext) -> Cast:
    """Two things that stay where they are; the first one is on the left."""
    free = [k for k in stage.kinds() if stage.moves(k, "still")]
    if not free:
        return ()
    one, two = (str(k) for k in stage.rng.choice(free, 2))
    colours = _two_colours(stage, one, two)
    lane = world.LANES[stage.place][int(stage.rng.integers(3))]
    wide = 0.85 if "car" in (one, two) else 1.0
    return (
        perform(stage, one, colours[0], "still", lane, 0.25, wide),
        perform(stage, two, colours[1], "still", lane, 0.75, wide),
    )


def _bigger_than(stage: CastingContext) -> Cast:
    """A big thing and a small one of the same kind."""
    kind = pick(stage.rng, stage.kinds())
    colours = _two_colours(stage, kind, kind)
    motion = stage.motion(kind)
    far, _, near = world.LANES[stage.place]
    slots, heading = stage.rng.permutation([0.25, 0.75]), stage.heading()
    big = perform(stage, kind, colours[0], motion, near, float(slots[0]), 1.2, heading, "present")
    small = perform(stage, kind, colours[1], motion, far, float(slots[1]), 0.65, heading, "present")
    if motion not in ("still", "bounce", "fall"):
        small = _following(big, small, heading * 0.46)
    return big, small


def _group(stage: CastingContext) -> Cast:
    """Two or three of one kind and colour, material and markings, that do the same."""
    kind = pick(stage.rng, stage.kinds())
    colour, motion = stage.colour(kind), stage.motion(kind)
    count = 2 if kind in ("car", "horse") else int(stage.rng.integers(2, 4))
    lanes = np.sort(stage.rng.permutation(world.LANES[stage.place])[:count])
    heading, factor = stage.heading(), 0.7 if count == 3 else 0.85
    material = material_of(stage, kind)
    alike = [
        perform(
            stage,
            kind,
            colour,
            motion,
            float(lane),
            (i + 0.5) / count,
            factor,
            heading,
            "present",
            material,
        )
        for i, lane in enumerate(lanes)
    ]
    members = [replace(one, marking=alike[0].marking) for one in alike]
    if motion in ("still", "bounce", "fall"):
        return tuple(members)
    return tuple(_following(members[0], one, heading * i * 0.27) for i, one in enumerate(members))


def _following(lead: Thing, one: Thing, step: float) -> Thing:
    """``one`` at the pace of ``lead``, ``step`` aside; birds fly above one another."""
    y = (
        one.position[:, 1]
        if one.motion != "fly"
        else lead.position[:, 1] * 0.5 + 0.04 + abs(step) / 3
    )
    vy = one.velocity[:, 1] if one.motion != "fly" else lead.velocity[:, 1] * 0.5
    position = np.stack([lead.position[:, 0] + step, y], axis=1)
    return replace(one, position=position, velocity=np.stack([lead.velocity[:, 0], vy], axis=1))


MAKERS: Final[dict[str, Callable[[CastingContext], Cast]]] = {
    "race": _race,
    "chase": _chase,
    "fetch": _fetch,
    "collide": _collide,
    "stack": _stack,
    "topple": _topple,
    "pass behind": _pass_behind,
    "left of": _left_of,
    "bigger than": _bigger_than,
    "group": _group,
}
