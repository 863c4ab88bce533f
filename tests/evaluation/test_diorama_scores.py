"""Scores of films of the diorama: full marks for the truth, and known faults are found."""

import functools
import itertools
from dataclasses import replace

import numpy as np
import pytest

from praxino.data.diorama import compose, render, world
from praxino.errors import InputError
from praxino.evaluation.diorama import identity_drift, popping, scores
from praxino.evaluation.physics import bounce, gravity, light_at, momentum, shadow_agrees
from praxino.models.reader import Reading, Sighting


@functools.cache
def scenes():
    """Composed once, and only by a process whose tests need them."""
    return [compose(5, i, part="all") for i in range(1200)]


def sighted(scene, thing, **changes):
    """A thing as a perfect reader sees it."""
    track = scene.camera.project(thing.position).astype(np.float32)
    track[~scene.visible(thing) | scene.hidden(thing)] = np.nan
    seen = Sighting(thing.kind, thing.colour, thing.motion, thing.heading, track, thing.height, 1.0)
    return replace(seen, **changes)


def read(scene, *others):
    """The scene as a perfect reader reads it; its things replaced by ``others``, where they are not
    None.
    """
    own = [sighted(scene, thing) for thing in scene.things]
    things = [
        mine if other is None else other
        for mine, other in zip(own, (*others, *[None] * 3), strict=False)
    ]
    return Reading(
        tuple(t for t in things if np.isfinite(t.track[:, 0]).sum() >= 3), scene.attributes
    )


def film_of(scene):
    return render(scene, 64, 64)


def test_the_truth_gets_full_marks():
    for scene in scenes()[:40]:
        found = scores(film_of(scene), scene, read(scene))
        for name in (
            "kind",
            "colour",
            "motion",
            "binding",
            "presence",
            "count",
            "place",
            "time",
            "camera",
            "weather",
        ):
            assert found.get(name, 1.0) == 1.0, name


RELATIONS = (
    "left of",
    "bigger than",
    "race",
    "chase",
    "fetch",
    "collide",
    "pass behind",
    "stack",
    "topple",
)


@functools.cache
def related(name):
    """At most eight scenes of a relation before a camera that stands still."""
    fitting = (
        s for s in scenes() if s.relation and s.relation.name == name and s.camera.motion == "still"
    )
    return list(itertools.islice(fitting, 8))


def relation(scene, *things):
    """Whether the scene's relation holds for these things, its own where None."""
    return scores(film_of(scene), scene, read(scene, *things)).get("relation")


@pytest.mark.parametrize("name", RELATIONS)
def test_relations_of_the_truth_hold(name):
    held = [relation(scene) for scene in related(name)]
    assert len(held) > 3
    assert np.mean([h for h in held if h is not None]) > 0.9


def standing(scene, thing, frame=0):
    """A thing that stays where it is in one frame."""
    track = sighted(scene, thing).track
    return sighted(scene, thing, track=np.repeat(track[frame : frame + 1], len(track), axis=0))


@pytest.mark.parametrize("name", ["race", "chase", "fetch", "topple"])
def test_a_relation_does_not_hold_where_the_other_thing_stands_still(name):
    scenes = [
        s for s in related(name) if all(s.shows(thing)[0] for thing in s.things[1:]) and relation(s)
    ]
    assert scenes
    assert not any(relation(scene, None, standing(scene, scene.things[1])) for scene in scenes)


def test_a_box_beside_a_box_is_not_stacked_and_a_hunter_in_front_does_not_chase():
    for scene in related("stack"):
        lower = sighted(scene, scene.things[1])
        beside = lower.track + np.float32([0.3, 0])
        assert not relation(scene, sighted(scene, scene.things[0], track=beside))
    for scene in related("chase"):
        hunter, prey = (sighted(scene, thing) for thing in scene.things)
        assert not relation(
            scene, replace(hunter, track=prey.track), replace(prey, track=hunter.track)
        )


def test_what_goes_through_does_not_collide_and_what_goes_in_front_does_not_pass_behind():
    scene = next(s for s in related("collide") if relation(s))
    one, two = (sighted(scene, thing) for thing in scene.things)
    x = np.linspace(0.1, 0.9, scene.frames, dtype=np.float32)
    through = [np.stack([x, one.track[:, 1]], axis=1), np.stack([x[::-1], two.track[:, 1]], axis=1)]
    assert (
        relation(scene, *(replace(s, track=t) for s, t in zip((one, two), through, strict=True)))
        == 0
    )
    assert momentum([track[:, 0] for track in through], [1.0, 1.0]) is None
    for scene in related("pass behind"):
        whole = scene.camera.project(scene.things[0].position).astype(np.float32)
        assert not relation(scene, sighted(scene, scene.things[0], track=whole))


def test_a_relation_whose_things_do_not_both_show_is_not_asked_for():
    scene = next(
        s for s in scenes() if s.relation and s.relation.name == "left of" and len(s.things) == 2
    )
    away = scene.things[0].position + np.float32(5)
    other = replace(
        scene, things=(replace(scene.things[0], position=away), scene.things[1], scene.things[1])
    )
    assert "relation" in scores(film_of(scene), scene, read(scene))
    assert "relation" not in scores(film_of(scene), other, read(other))


def test_wrong_colours_and_missing_things_cost():
    scene = next(
        s
        for s in scenes()
        if len({t.colour for t in s.things}) == 2 == len({t.kind for t in s.things})
        and len(s.things) == 2
        and all(s.shows(t).all() for t in s.things)
    )
    right = read(scene)
    swapped = [
        replace(t, colour=o.colour) for t, o in zip(right.things, right.things[::-1], strict=True)
    ]
    found = scores(film_of(scene), scene, replace(right, things=tuple(swapped)))
    assert found["colour"] == 0
    assert found["binding"] == 0
    found = scores(film_of(scene), scene, replace(right, things=right.things[:1]))
    assert (found["kind"], found["count"], found["binding"], found["presence"]) == (0.5, 0, 0, 0.5)
    seldom = right.things[0].track.copy()
    seldom[: len(seldom) // 2 + 1] = np.nan
    found = scores(
        film_of(scene),
        scene,
        replace(right, things=(replace(right.things[0], track=seldom), right.things[1])),
    )
    assert found["presence"] == pytest.approx((8 / 17 + 1) / 2)


def test_gravity_is_measured_on_the_truth_and_on_another_planet():
    falls = [(s, t) for s in scenes() for t in s.things if t.motion in ("fall", "bounce", "throw")
             and not s.camera.motion.startswith("zoom")]  # fmt: skip
    measured = [gravity(s.camera.project(t.position)[:, 1], s.fps) for s, t in falls]
    told = np.array([g for g in measured if g is not None])
    assert len(told) > 40
    assert np.median(told) == pytest.approx(world.GRAVITY, rel=0.05)
    assert np.mean(np.abs(told / world.GRAVITY - 1) < 0.15) > 0.9
    times = np.arange(17) / 8
    assert gravity(0.1 + 0.25 * times**2, 8.0) == pytest.approx(0.5, rel=0.01)
    assert gravity(0.1 + 0.3 * times, 8.0) == pytest.approx(0, abs=0.01)
    assert gravity(np.full(17, np.nan), 8.0) is None


def test_gravity_asks_only_for_what_is_seen():
    """A fall that ends out of sight, and one that is lost sight of as it touches down."""
    times = np.arange(17) / 8
    falling = 0.1 + world.GRAVITY / 2 * times**2
    hidden = np.where(falling < 0.6, falling, np.nan)
    hidden[10:] = 0.7  # seen again, lying
    assert gravity(hidden, 8.0) == pytest.approx(world.GRAVITY, rel=0.01)
    landed = np.minimum(falling, falling[6] + 0.02)
    landed[8:] = np.nan
    assert gravity(landed, 8.0) == pytest.approx(world.GRAVITY, rel=0.01)


def test_a_film_of_another_length_is_refused():
    with pytest.raises(InputError, match="16 frames for a scene of 17"):
        scores(render(scenes()[0], 32, 32)[:16], scenes()[0], Reading((), {}))


def test_momentum_of_the_truth_is_kept_and_of_a_ghost_is_not():
    hits = [
        s
        for s in scenes()
        if s.relation and s.relation.name == "collide" and s.camera.motion == "still"
    ]
    errors = []
    for scene in hits:
        masses = [world.DENSITIES[t.material] * t.height**2 for t in scene.things]
        error = momentum([sighted(scene, t).track[:, 0] for t in scene.things], masses)
        errors += [error] if error is not None else []
    assert len(errors) > 5
    assert np.median(errors) < 0.1
    times = np.arange(17) / 17
    stops = np.where(times < 0.5, times, 0.5)
    assert momentum([stops, np.full(17, 0.6)], [1.0, 1.0]) > 0.8  # one stops, nobody moves on


def test_bounces_that_rise_are_found():
    lower = np.array([0.1, 0.5, 0.9, 0.5, 0.4, 0.6, 0.9, 0.7, 0.65, 0.9])
    assert bounce(lower) == 1
    assert (
        bounce(0.9 + 0.004 * np.cos(np.arange(17))) is None
    )  # lies there, and is read a little above or below
    rising = np.array([0.5, 0.9, 0.5, 0.2, 0.5, 0.9])
    assert bounce(rising) == 0
    assert bounce(np.linspace(0.1, 0.9, 9)) is None


def test_identity_drift_sees_a_thing_that_changes_its_colour():
    scene = next(
        scene
        for scene in scenes()
        if [(thing.kind, thing.motion) for thing in scene.things] == [("ball", "roll")]
        and scene.camera.motion == "still"
        and scene.visible(scene.things[0]).all()
    )
    seen = sighted(scene, scene.things[0])
    film = film_of(scene)
    other = "green" if scene.things[0].colour != "green" else "red"
    changed = film_of(replace(scene, things=(replace(scene.things[0], colour=other),)))
    mixed = np.concatenate([film[:8], changed[8:]])
    assert identity_drift(mixed, seen) > 2 * identity_drift(film, seen)


def test_popping_counts_what_appears_in_the_middle():
    track = np.full((17, 2), 0.5, np.float32)
    steady = Sighting("ball", "red", "still", 1, track, 0.2, 1.0)
    assert popping(steady, 1.0) == 0
    late = track.copy()
    late[:4] = np.nan
    assert popping(replace(steady, track=late), 1.0) == 1
    at_edge = late.copy()
    at_edge[:, 0] = 0.02
    assert popping(replace(steady, track=at_edge), 1.0) == 0


def test_the_light_is_found_where_it_is():
    still = [s for s in scenes()[:150] if s.place != "room" and s.camera.motion == "still"]
    bright = [s for s in still if s.light.source != "overcast"]
    found = [(light_at(film_of(s)), s) for s in bright]
    away = [np.hypot(at[0] - s.light.x, at[1] - s.light.y) for at, s in found if at]
    assert len(away) > 0.7 * len(bright)
    assert np.mean(np.array(away) < 0.06) > 0.85
    dull = [light_at(film_of(s)) for s in still if s.light.source == "overcast"]
    assert np.mean([at is not None for at in dull]) < 0.15


def test_a_film_whose_light_is_moved_has_its_shadows_wrong():
    told = {True: [], False: []}
    for scene in scenes()[:200]:
        if (
            scene.camera.motion == "still"
            and scene.place in ("grass", "road", "city")
            and abs(scene.light.slope) > 0.2
        ):
            for thing in scene.things:
                for true in (True, False):
                    light = scene.light if true else replace(scene.light, x=1 - scene.light.x)
                    film = film_of(replace(scene, light=light))
                    at, aspect = light_at(film), world.KINDS[thing.kind].aspect
                    shown = shadow_agrees(film, at, sighted(scene, thing), aspect) if at else None
                    told[true] += [] if shown is None or thing.kind == "bird" else [shown]
    assert len(told[True]) > 10
    assert np.mean(told[True]) > 0.8
    assert np.mean(told[False]) < 0.2
