"""Films that are longer than a window, and films without end: what each window is given, what is
kept, what a changed sentence changes.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from praxino.errors import InputError
from praxino.generation import layout, stream
from praxino.generation.layout import LayoutStream
from praxino.layout import Box, Layout, LayoutThing
from praxino.provenance.policy import Provenance
from praxino.shapes import VideoShape
from praxino.storage.media.video import Video

PLAIN = Provenance(watermark=False, credentials=False)
SHAPE = VideoShape(17, 32, 32)


@pytest.fixture(name="pipeline")
def _pipeline(windowed):
    return windowed


def test_a_long_film_begins_as_a_short_one(pipeline):
    short = pipeline.generate("a red ball", PLAIN, seed=3)
    long = pipeline.generate("a red ball", PLAIN, seed=3, frames=41)
    assert len(long.frames) == 41
    assert np.abs(long.frames[:17].astype(int) - short.frames).max() <= 1
    again = pipeline.generate("a red ball", PLAIN, seed=3, frames=41)
    assert np.array_equal(long.frames, again.frames)


def test_a_window_is_given_the_anchor_and_the_last_two(pipeline, windows):
    *_, last = pipeline.stream("a red ball", PLAIN, seed=3, frames=41)
    film = last.x0
    assert [one.frames.clean is None for one in windows] == [True, False, False, False]
    for number, one in enumerate(windows[1:]):
        past = film[:, :, [0, 3 + 2 * number, 4 + 2 * number]]
        assert torch.equal(one.frames.clean[:, :, :3], past)
        assert one.frames.mask.flatten().tolist() == [1, 1, 1, 0, 0]
        assert one.layout.shape[2] == 5


def test_frames_leave_as_they_are_made(pipeline):
    states = list(pipeline.stream("a red ball", PLAIN, seed=3, frames=33))
    assert [state.step for state in states] == [1, 2, 3, 4, 5, 6, 6]
    chunks = [state.chunk() for state in states if state.chunk]
    assert [len(chunk) for chunk in chunks] == [17, 8, 8]
    assert np.array_equal(np.concatenate(chunks), states[-1].video.frames)
    assert states[2].preview().shape == (5, 32, 32, 3)  # two latent frames, alone


def test_a_film_that_is_stopped_is_kept_as_it_is(pipeline):
    *_, third = itertools.islice(pipeline.stream("a red ball", PLAIN, seed=3, frames=33), 3)
    kept = third.finish()
    assert (len(kept.frames), kept.record["stopped"]) == (25, 3)


def test_it_begins_and_ends_with_pictures(pipeline, tmp_path):
    picture = np.full((1, 32, 32, 3), 200, np.uint8)
    name = str(Video(picture, 1.0).save(tmp_path / "a.png"))
    film = pipeline.generate("a red ball", PLAIN, frames=33, image=name, last=name)
    assert np.array_equal(film.frames[[0, -1]], picture.repeat(2, 0))


def test_what_a_film_of_windows_cannot_have_is_said(pipeline):
    with pytest.raises(InputError, match="noise_mark: with-windows makes 17 frames at a time"):
        pipeline.request("a red ball", frames=21, noise_mark=True)
    assert pipeline.request("a red ball", frames=17, noise_mark=True).noise_mark


def test_what_is_kept_does_not_grow():
    history = stream.History()
    for _ in range(50):
        history.add(torch.randn(1, 2, 2, 4, 4), torch.randn(1, 3, 2, 4, 4))
        assert history.length <= 3
    assert history.length == 3


def test_layouts_go_on_where_things_are(pipeline):
    layouts, sentence = LayoutStream(pipeline.model.layout, seed=1), "a red ball and a blue cat"
    first = layouts.next(sentence, SHAPE)
    assert first.frames == 17
    ends = [thing.boxes[-1] for thing in first.things]
    for _ in range(6):
        more = layouts.next(sentence, replace(SHAPE, frames=9))
        assert more.frames == 9
        for thing, end in zip(more.things, ends, strict=True):
            if max(abs(end.x - 0.5), abs(end.y - 0.5)) < 0.5:
                assert tuple(thing.boxes[0]) == pytest.approx(tuple(end), abs=1e-3)
        ends = [thing.boxes[-1] for thing in more.things]


def test_what_left_at_one_side_comes_in_at_the_other(pipeline):
    (thing, *_) = pipeline.model.layout.draw("a red ball").things
    drawn = pipeline.model.layout.draw("a red ball")
    for x, back in ((-0.2, 1.1), (1.2, -0.1), (0.4, 0.4)):
        gone = thing.model_copy(update={"boxes": (Box(x, 1 - x, 0.2, 0.2),)})
        now = layout._around(drawn.model_copy(update={"frames": 1, "things": (gone,)}))
        box = now.things[0].boxes[0]
        assert (box.x, box.y) == pytest.approx((back, 1 - back))


def test_what_is_leaving_leaves_and_comes_in_again():
    words = {"kind": "dog", "colour": "red", "motion": "run", "heading": 1, "depth": 0}
    walk = lambda *xs: [(x, 0.5, 0.4, 0.3) for x in xs]  # noqa: E731
    thing = LayoutThing(**words, boxes=walk(0.9, *[0.95] * 16))
    gone = layout._leaving(thing, 0.1, 1.0)
    assert gone.boxes[0] == thing.boxes[0]
    xs = np.array([box.x for box in gone.boxes])
    assert xs[1:4] == pytest.approx([1.0, 1.1, -0.2])  # out of sight at 1.2
    assert np.diff(xs[4:15]) == pytest.approx(0.1)
    back = layout._leaving(LayoutThing(**words, boxes=walk(*[0.1] * 5)), -0.1, 1.0)
    assert [box.x for box in back.boxes] == pytest.approx([0.1, 0.0, -0.1, 1.2, 1.1])
    for inside in (
        layout._leaving(LayoutThing(**words, boxes=walk(0.5, 0.55)), 0.1, 1.0),
        layout._leaving(LayoutThing(**words, boxes=walk(0.9, 0.8)), 0.0, 1.0),
        layout._leaving(LayoutThing(**words, boxes=walk(0.1, 0.2)), 0.1, 1.0),
    ):
        assert abs(inside.boxes[1].x - inside.boxes[0].x) <= 0.1 + 1e-6
    assert layout._speed(LayoutThing(**words, boxes=walk(0.1, 0.2, 0.3))) == pytest.approx(0.1)
    assert layout._speed(LayoutThing(**words, boxes=walk(0.1, 0.101))) == 0


def test_a_crowded_layout_is_drawn_again(pipeline, monkeypatch):
    words = {"kind": "dog", "colour": "red", "motion": "run", "heading": 1, "depth": 0}
    seeds = []

    def draw(sentence, seed, **_):
        seeds.append(seed)
        apart = 0.05 * len(seeds)
        things = [LayoutThing(**words, boxes=[(x, 0.5, 0.2, 0.2)] * 17) for x in (0.5, 0.5 + apart)]
        return Layout(frames=17, things=things)

    monkeypatch.setattr(pipeline.model.layout, "draw", draw)
    found = layout.draw(pipeline.model.layout, "two dogs", 5, SHAPE)
    assert layout.crowding(found) == pytest.approx(0.5)
    assert len(set(seeds)) == 2
    assert layout.crowding(Layout(frames=1)) == 0


@pytest.mark.parametrize(
    ("sentence", "read"),
    [
        ("in the snow. a brown dog runs", "a brown dog runs, in the snow"),
        ("On the grass, a red ball rolls.", "a red ball rolls, on the grass"),
        ("a dog runs, in the snow", "a dog runs, in the snow"),
        ("a dog runs", "a dog runs"),
        ("at night, in the rain", "at night, in the rain"),
    ],
)
def test_what_there_is_is_read_first(pipeline, sentence, read):
    assert layout.things_first(sentence, pipeline.model.layout) == read
