"""The diorama: a function of (seed, index); physics that holds; held-out pairs that stay out."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from praxino.data.diorama import compose, physics, references, render, sample, split, sprites, world
from praxino.data.diorama.canvas import Canvas
from praxino.data.diorama.relations import MAKERS, WHERE
from praxino.data.diorama.sprites import DRAW
from praxino.errors import InputError


@functools.cache
def scenes():
    """Composed once, and only by a process whose tests need them."""
    return [compose(7, i) for i in range(1500)]


def related(name, **settings):
    """Scenes in which the first things stand in the relation ``name``."""
    found = [
        i for i, scene in enumerate(scenes()) if scene.relation and scene.relation.name == name
    ]
    assert len(found) > 10
    return [compose(7, i, **settings) for i in found]


def test_a_sample_is_a_function_of_seed_and_index():
    first, again, other = sample(3, 11), sample(3, 11), sample(3, 12)
    assert np.array_equal(first.clip, again.clip)
    assert first.captions == again.captions
    assert not np.array_equal(first.clip, other.clip)


@given(st.integers(1, 40), st.integers(16, 150), st.integers(16, 150), st.integers(0, 2**40))
@settings(max_examples=25, deadline=None)
def test_any_size_and_length(frames, height, width, index):
    made = sample(0, index, frames, height, width)
    assert made.clip.shape == (frames, height, width, 3)
    assert made.clip.dtype == np.uint8
    for thing in made.scene.things:
        assert thing.position.shape == thing.velocity.shape == (frames, 2)


def test_the_picture_does_not_depend_on_the_size():
    scene = compose(1, 5)
    small, large = render(scene, 64, 64), render(scene, 256, 256)
    reduced = large.reshape(len(large), 64, 4, 64, 4, 3).mean(axis=(2, 4))
    assert np.abs(reduced - small).mean() < 3


@pytest.mark.parametrize("camera", world.CAMERAS)
def test_a_longer_film_begins_like_a_shorter_one(camera):
    index = next(i for i in range(5000) if compose(2, i).camera.motion == camera)
    long, short = (render(compose(2, index, frames=frames), 32, 32) for frames in (25, 9))
    assert np.array_equal(long[:9], short)


def test_everything_occurs():
    cast = [thing for scene in scenes() for thing in scene.things]
    assert {thing.kind for thing in cast} == set(world.KINDS) - world.SECOND_EDITION_KINDS
    assert set(world.KINDS) == set(DRAW)
    assert {thing.colour for thing in cast} == set(world.COLOURS)
    assert {thing.material for thing in cast} == {None, *world.MATERIALS}
    assert {scene.place for scene in scenes()} == set(world.PLACES) == set(world.HORIZON)
    assert {scene.time for scene in scenes()} == set(world.TIMES)
    assert {scene.weather for scene in scenes()} == set(world.WEATHERS)
    assert {scene.camera.motion for scene in scenes()} == set(world.CAMERAS)
    assert {scene.relation.name for scene in scenes() if scene.relation} == set(MAKERS)
    assert {len(scene.things) for scene in scenes()} == {0, 1, 2, 3}
    assert {thing.marking.pattern for thing in cast if thing.marking} == {
        "spots",
        "stripes",
        "patch",
        "belt",
    }
    known = {motion for kind in world.KINDS.values() for motion in kind.motions}
    assert {thing.motion for thing in cast} == known


def test_every_relation_has_a_place_and_nobody_is_a_stranger():
    assert set().union(*WHERE.values()) == set(MAKERS)
    for scene in scenes():
        for thing in scene.things:
            assert thing.kind in world.INHABITANTS[scene.place]
            assert thing.motion in world.KINDS[thing.kind].motions
            assert thing.colour in world.KINDS[thing.kind].colours


def test_everything_that_is_cast_is_seen():
    for scene in scenes():
        for thing in scene.things:
            assert scene.visible(thing).any(), (
                thing.kind,
                thing.motion,
                scene.camera.motion,
                scene.relation,
            )


def held_out_pairs(scene):
    pairs = {
        (thing.kind, value)
        for thing in scene.things
        for value in (thing.colour, thing.motion, scene.place)
    }
    if scene.light.colour:
        pairs.add((scene.light.source, scene.light.colour))
    pairs |= {(thing.kind, thing.marking.colour) for thing in scene.things if thing.marking}
    return {pair for pair in pairs if split.held_out(*pair)}


def test_training_never_sees_a_held_out_pair_and_the_other_parts_hold_one_each():
    assert not any(held_out_pairs(scene) for scene in scenes())
    for part in ("held-out", "rare"):
        for index in range(100):
            (pair,) = held_out_pairs(compose(7, index, part=part))
            assert (pair in split.RARE) == (part == "rare")
    assert any(held_out_pairs(compose(7, index, part="all")) for index in range(300))


def test_held_out_pairs_are_few_and_each_half_of_one_is_known():
    pairs = [pair for group in split.pairs().values() for pair in group]
    assert 10 <= len(pairs) <= 40
    things = [thing for scene in scenes() for thing in scene.things]
    seen = [{thing.kind for thing in things}, {thing.colour for thing in things}]
    seen[1] |= {scene.light.colour for scene in scenes()} | {scene.place for scene in scenes()}
    seen[1] |= {thing.motion for thing in things}
    for kind, value in pairs:
        assert kind in seen[0] | {"sun", "moon"}
        assert value in seen[1]


def test_velocity_is_the_derivative_of_position():
    for index in range(100):
        fine = compose(7, index, frames=17 * 32, fps=8 * 32)
        for thing in fine.things:
            moved = np.diff(thing.position, axis=0) * fine.fps
            wrong = np.abs(moved - thing.velocity[:-1]).max(axis=1) > 0.05
            assert wrong.sum() <= 12, (thing.motion, fine.relation)  # impacts and take-offs


def test_things_fall_with_gravity():
    times = np.linspace(0, 0.6, 50)
    position, velocity = physics.bouncing((0.3, 0.1), (0.2, 0.0), 0.9, 0.7, times)
    np.testing.assert_allclose(position[:, 1], 0.1 + world.GRAVITY * times**2 / 2)
    np.testing.assert_allclose(velocity[:, 1], world.GRAVITY * times)
    np.testing.assert_allclose(position[:, 0], 0.3 + 0.2 * times)


def test_bounces_lose_energy_and_never_sink():
    times = np.linspace(0, 6, 2000)
    position, velocity = physics.bouncing((0.0, 0.1), (0.0, 0.0), 0.8, 0.7, times)
    assert position[:, 1].max() <= 0.8 + 1e-12
    tops = position[1:-1, 1][
        (position[1:-1, 1] < position[:-2, 1]) & (position[1:-1, 1] < position[2:, 1])
    ]
    assert (np.diff(tops) > 0).all()  # y down: each top is lower
    first_top = 0.8 - 0.7**2 * (0.8 - 0.1)
    assert tops[0] == pytest.approx(first_top, abs=1e-3)
    assert velocity[-1, 1] == 0


@given(st.floats(0.1, 2), st.floats(-2, 0), st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0, 1))
def test_collisions_keep_momentum(u, v, m, n, restitution):
    times = np.array([0.0, 100.0])
    (_, va), (_, vb) = physics.collision((0.0, 1.0), (u, v), (m, n), 0.2, restitution, times)
    assert m * va[1] + n * vb[1] == pytest.approx(m * u + n * v, abs=1e-9)
    assert vb[1] - va[1] == pytest.approx(restitution * (u - v), abs=1e-9)


def mass(thing):
    return world.DENSITIES[thing.material] * thing.height**2


def test_colliding_balls_touch_and_part_and_keep_their_momentum():
    for scene in related("collide", frames=64):
        one, two = scene.things
        gap = two.position[:, 0] - one.position[:, 0] - (one.width + two.width) / 2
        assert gap.min() > -1e-9
        assert gap.min() < 0.1
        momentum = mass(one) * one.velocity[:, 0] + mass(two) * two.velocity[:, 0]
        np.testing.assert_allclose(momentum, momentum[0])
        apart = two.velocity[:, 0] - one.velocity[:, 0]
        kept = (world.MATERIALS[one.material] * world.MATERIALS[two.material]) ** 0.5
        assert apart[-1] == pytest.approx(-kept * apart[0])


def test_a_ball_gives_its_momentum_to_the_box_that_it_knocks_off():
    for scene in related("topple", frames=160, fps=80.0):
        ball, upper, lower = scene.things
        hit = int(np.argmax(upper.velocity[:, 0] != 0))
        momentum = mass(ball) * ball.velocity[:, 0] + mass(upper) * upper.velocity[:, 0]
        assert momentum[hit] == pytest.approx(momentum[hit - 1])
        apart = (
            np.abs(ball.position[hit - 1, 0] - upper.position[hit - 1, 0])
            - (ball.width + upper.width) / 2
        )
        assert apart == pytest.approx(0, abs=0.03)
        assert upper.position[-1, 1] == pytest.approx(
            lower.position[-1, 1], abs=0.02
        )  # both stand on the ground


def test_things_of_a_group_are_alike():
    for scene in related("group"):
        assert len({(t.kind, t.colour, t.motion, t.material, t.marking) for t in scene.things}) == 1


@pytest.mark.parametrize("time", world.TIMES)
def test_no_roof_hides_the_sun(time):
    """What another sun's colour changes in the picture is at least half of its disc."""
    city = [
        s
        for s in scenes()
        if (s.place, s.time, s.weather, s.camera.motion) == ("city", time, "clear", "still")
    ]
    for scene in [replace(scene, things=()) for scene in city[:8]]:
        one, other = (
            render(replace(scene, light=replace(scene.light, colour=c)), 128, 128)[0]
            for c in ("red", "blue")
        )
        shown = (np.abs(one.astype(int) - other).max(axis=2) > 100).mean()
        assert shown > 0.5 * np.pi * 0.09**2 / scene.aspect


@pytest.mark.parametrize(
    "wrong", [{"fps": 0}, {"frames": 0}, {"seed": -1}, {"index": -1}, {"aspect": float("nan")}]
)
def test_scenes_that_cannot_be_are_said(wrong):
    with pytest.raises(InputError):
        compose(**{"seed": 0, "index": 0, **wrong})


def test_a_stacked_box_comes_to_rest_on_the_other():
    for scene in related("stack", frames=40):
        upper, lower = scene.things
        assert upper.position[-1, 1] + upper.height / 2 == pytest.approx(
            lower.position[-1, 1] - lower.height / 2
        )
        assert not upper.velocity[-1].any()


def test_what_passes_behind_is_hidden_and_comes_back():
    for scene in related("pass behind", frames=33):
        mover, screen = scene.things
        assert mover.ground < screen.ground  # drawn before it
        side = np.sign(mover.position[:, 0] - screen.position[:, 0])
        assert side[0] != side[-1]


def test_relations_of_place_and_size_hold():
    for scene in related("left of"):
        assert scene.things[0].position[0, 0] < scene.things[1].position[0, 0]
    for scene in related("bigger than"):
        assert scene.things[0].height > 1.25 * scene.things[1].height
    for scene in related("group"):
        assert len({(thing.kind, thing.colour, thing.motion) for thing in scene.things}) == 1
        assert len(scene.things) == scene.relation.count


def test_the_camera_follows_and_zooms():
    follow = next(scene for scene in scenes() if scene.camera.motion == "follow")
    x = follow.camera.project(follow.things[0].position)[:, 0]
    np.testing.assert_allclose(x, follow.aspect / 2)
    closer = next(scene for scene in scenes() if scene.camera.motion == "zoom in")
    assert closer.camera.zoom[0] == 1
    assert closer.camera.zoom[-1] == pytest.approx(1.5)


def test_shadows_point_away_from_the_light():
    for scene in scenes():
        side = scene.light.x - scene.aspect / 2
        assert scene.light.slope * side <= 0


def test_the_shadow_is_drawn_where_the_truth_says():
    """A ball in the air by day: the ground below its sheared place is darker than without it."""
    checked = 0
    for index in range(1500):
        scene = compose(4, index)
        if (scene.place, scene.camera.motion, scene.weather) == ("grass", "still", "clear") and len(
            scene.things
        ) == 1:
            (thing,) = scene.things
            if thing.motion != "bounce":
                continue
            without, clip = render(replace(scene, things=()), 128, 128), render(scene, 128, 128)
            for frame in range(scene.frames):
                x, y = thing.position[frame]
                elevation = thing.ground - y
                shadow = x + scene.light.slope * elevation
                if 0.15 < elevation < 0.5 and 0.05 < shadow < 0.95 and abs(shadow - x) > 0.15:
                    row, column = int(thing.ground * 128), int(shadow * 128)
                    assert clip[frame, row, column].sum() < 0.8 * without[frame, row, column].sum()
                    checked += 1
        if checked > 12:
            return
    assert checked > 3


def test_a_boat_is_mirrored_in_the_water_below_it():
    scene = next(
        s
        for s in scenes()
        if s.place == "sea"
        and len(s.things) == 1
        and s.things[0].kind == "boat"
        and s.camera.motion == "still"
        and s.weather == "clear"
        and s.things[0].motion == "still"
    )
    boat = scene.things[0]
    changed = np.abs(
        render(scene, 128, 128)[0].astype(int) - render(replace(scene, things=()), 128, 128)[0]
    ).sum(-1)
    x, line = boat.position[0, 0], boat.ground
    below = changed[
        int((line + 0.02) * 128) : int((line + 0.08) * 128),
        int((x - 0.1) * 128) : int((x + 0.1) * 128),
    ]
    assert below.mean() > 10
    assert changed[int((line + 0.7 * boat.height) * 128) :].max() == 0


def test_legs_step_in_order():
    """Feet as drawn over one stride: in a walk, lifted one after another, hind, fore, other hind,
    other fore.
    """
    lines = []

    class Recorder(Canvas):
        def line(self, start, end, width, colour):
            lines.append((start, end))

    lifted = []
    for step in range(100):
        lines.clear()
        pose = sprites.Pose(
            0.0,
            0.0,
            1.0,
            1,
            0.9 * step / 100,
            0.0,
            "walk",
            False,
            (200.0, 0.0, 0.0),
            (0.0, 0.0, 0.0),
        )
        sprites._legs(Recorder(np.zeros((1, 1, 3), np.uint8), 1.0), pose, (-0.36, 0.26), 0.4, 0.1)
        assert len(lines) == 4
        feet = [end[1] for _, end in lines]  # y down: the highest foot has the least y
        lifted.append(int(np.argmin(feet)))
    order = [leg for i, leg in enumerate(lifted) if i == 0 or lifted[i - 1] != leg][:4]
    start = order.index(0)
    assert order[start:] + order[:start] == [0, 1, 2, 3]


@pytest.mark.parametrize("place", world.PLACES)
@pytest.mark.parametrize("pan", ["pan left", "pan right"])
def test_what_stands_at_a_place_does_not_depend_on_how_far_the_camera_goes(place, pan):
    index = next(
        i for i in range(5000) if (s := compose(7, i)).place == place and s.camera.motion == pan
    )
    short, long = (render(compose(7, index, frames=frames), 32, 32) for frames in (5, 25))
    assert np.array_equal(short, long[:5])


def test_references_show_one_individual_with_markings():
    one, pictures = references(0, 3, count=5, size=96)
    again, same = references(0, 3, count=5, size=96)
    assert pictures.shape == (5, 96, 96, 3)
    assert np.array_equal(pictures, same)
    assert one.marking == again.marking is not None
    marked = np.asarray(world.COLOURS[one.marking.colour])
    for picture in pictures:
        assert (np.abs(picture.astype(int) - marked).sum(-1) < 60).sum() > 8
        assert (picture[0, 0] > 225).all()
