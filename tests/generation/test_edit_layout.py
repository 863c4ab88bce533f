"""Things of an edited film are where the film had them, and go on from there."""

import numpy as np
import pytest

import praxino
from praxino.generation.edit_layout import AWAY, joined
from praxino.generation.films import GivenVideo, recorded_layout
from praxino.layout import parse_layout

FRAMES = 13


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(layout_model):
    return praxino.load(layout_model, device="cpu")


@pytest.fixture(name="cat")
def _cat(pipeline, monkeypatch):
    """Every sentence that is read is of one blue cat."""
    rows = [pipeline.model.layout.config.numbers(("cat", "blue", "walk", "1", "0"))]
    monkeypatch.setattr(pipeline.model.layout, "_write", lambda *_: rows)


def walk(kind="dog", colour="red", start=0.2, speed=0.02, y=0.5, frames=FRAMES, **more):
    """A thing that goes evenly to the right."""
    words = {"kind": kind, "colour": colour, "motion": "walk", "heading": 1, "depth": 0}
    boxes = [[round(start + speed * frame, 4), y, 0.2, 0.2] for frame in range(frames)]
    return words | {"boxes": boxes} | more


def film(name, *things, frames=FRAMES, sentence="a red dog walks", fps=8.0, layout_frames=None):
    """A film that says where its things are."""
    pixels = np.random.default_rng(0).integers(0, 255, (frames, 32, 32, 3), np.uint8)
    layout = parse_layout({"frames": layout_frames or frames, "fps": fps, "things": list(things)})
    return GivenVideo(name, pixels, fps, sentence=sentence, layout=layout)


def edited(pipeline, *films, prompt="a red dog walks", **settings):
    request, _ = pipeline.complete(prompt, (), films, seed=3, steps=1, **settings)
    *_, last = pipeline.run(request, None, (), films)
    return last.video


def boxes_of(video, kind="dog", colour="red"):
    """(F, 4): the boxes of a thing in all frames of a film."""
    layout = recorded_layout(video.record)
    assert layout.frames == len(video.frames)
    one = next(one for one in layout.things if (one.kind, one.colour) == (kind, colour))
    return np.array(one.boxes)


def test_a_film_that_goes_on_keeps_where_things_were(pipeline):
    before = film("a", walk())
    video = edited(pipeline, before, edit={"task": "extend", "video": "a", "context": 1})
    boxes = boxes_of(video)
    assert boxes[:FRAMES].tolist() == walk()["boxes"]
    own = recorded_layout(video.record, whole=False)
    assert own.frames == 5
    assert own.things[0].boxes[0] == tuple(walk()["boxes"][-1])
    longer = GivenVideo("b", video.frames, 8.0, sentence="a red dog walks",
                        layout=recorded_layout(video.record))  # fmt: skip
    again = edited(pipeline, longer, edit={"task": "extend", "video": "b", "context": 1})
    assert boxes_of(again)[: len(boxes)].tolist() == boxes.tolist()


@pytest.mark.usefixtures("cat")
def test_another_sentence_shows_other_things_behind_the_seam(pipeline):
    video = edited(
        pipeline, film("a", walk()), prompt="a blue cat", edit={"task": "extend", "video": "a"}
    )
    leaving = boxes_of(video)[FRAMES - 1 :, 0]
    assert np.diff(leaving) == pytest.approx(-0.06)
    assert (boxes_of(video, "cat", "blue")[:FRAMES, 0] < -1).all()
    assert (boxes_of(video, "cat", "blue")[FRAMES:, 0] > -1).all()


def test_before_its_beginning_a_film_has_them_on_their_way(pipeline):
    before = film("a", walk())
    video = edited(pipeline, before, edit={"task": "extend", "video": "a", "backward": True})
    boxes = boxes_of(video)
    assert boxes[-FRAMES:].tolist() == walk()["boxes"]
    np.testing.assert_allclose(np.diff(boxes[:, 0]), 0.02, atol=1e-3)


def test_between_two_films_they_go_straight(pipeline):
    first, second = film("a", walk(), walk("ball", "blue")), film("b", walk(start=0.9, y=0.7))
    edit = {"task": "join", "video": "a", "second": "b"}
    video = edited(pipeline, first, second, edit=edit, frames=17)
    boxes = boxes_of(video)
    assert boxes[:FRAMES].tolist() == walk()["boxes"]
    assert boxes[-FRAMES:].tolist() == walk(start=0.9, y=0.7)["boxes"]
    between = boxes[FRAMES - 1 : len(boxes) - FRAMES + 1]
    assert len(between) > 4
    np.testing.assert_allclose(np.diff(between, n=2, axis=0), 0, atol=1e-3)
    assert np.diff(boxes_of(video, "ball", "blue")[:, 0]) == pytest.approx(0.02, abs=1e-3)


def test_a_film_led_back_has_them_where_they_began(pipeline):
    video = edited(pipeline, film("a", walk()), edit={"task": "loop", "video": "a"}, frames=17)
    boxes = boxes_of(video)
    assert boxes[:FRAMES].tolist() == walk()["boxes"]
    assert boxes[-1, 0] < boxes[FRAMES - 1, 0]
    assert boxes[-1, 0] == pytest.approx(0.2, abs=0.05)


@pytest.mark.usefixtures("cat")
def test_a_stretch_again_is_on_the_same_tracks(pipeline):
    edit = {"task": "retake", "video": "a", "start": 0.7, "end": 1.0}
    same = edited(pipeline, film("a", walk()), edit=edit)
    assert boxes_of(same).tolist() == walk()["boxes"]
    video = edited(pipeline, film("a", walk()), prompt="a blue cat", edit=edit)
    dog, cat = boxes_of(video)[:, 0] > -1, boxes_of(video, "cat", "blue")[:, 0] > -1
    assert (dog != cat).all()
    assert cat[6:8].all()
    assert dog[[0, 1, -1]].all()


@pytest.mark.usefixtures("cat")
def test_what_a_mask_covers_is_another_thing_and_the_others_stay(pipeline):
    still, away = walk(speed=0.0, start=0.25), walk("ball", "blue", start=0.75, speed=0.0)
    edit = {"task": "inpaint", "video": "a", "boxes": [{"seconds": 0, "box": [0, 0.25, 0.5, 0.75]}]}
    video = edited(pipeline, film("a", still, away), prompt="a blue cat", edit=edit)
    own = boxes_of(video, "cat", "blue")
    assert own[:, [0, 1, 3]].tolist() == np.array(still["boxes"])[:, [0, 1, 3]].tolist()
    assert boxes_of(video, "ball", "blue").tolist() == away["boxes"]
    assert len(recorded_layout(video.record).things) == 2
    alone = edited(pipeline, film("a", away), prompt="a blue cat", edit=edit)
    boxes = boxes_of(alone, "cat", "blue")
    for place, low, high in ((0, 0.0, 0.5), (1, 0.25, 0.75)):
        middle, size = boxes[:, place], boxes[:, place + 2]
        assert (middle - size / 2 >= low - 1e-3).all()
        assert (middle + size / 2 <= high + 1e-3).all()


def test_a_smaller_picture_has_smaller_things(pipeline):
    edit = {"task": "outpaint", "video": "a", "box": [0.25, 0.5, 0.75, 1.0]}
    video = edited(pipeline, film("a", walk()), edit=edit)
    expected = np.add(np.divide(walk()["boxes"], 2), (0.25, 0.5, 0, 0))
    np.testing.assert_allclose(boxes_of(video), expected, atol=1e-3)
    wide = edited(
        pipeline, film("a", walk()), edit={"task": "outpaint", "video": "a"}, width=64, height=32
    )
    expected = np.add(walk()["boxes"], (0.5, 0, 0, 0))
    np.testing.assert_allclose(boxes_of(wide), expected, atol=1e-3)


def test_a_film_made_faster_has_its_things_in_between(pipeline):
    fast = film("a", walk(frames=7, speed=0.04), layout_frames=7)
    video = edited(pipeline, fast, edit={"task": "retake", "video": "a", "start": 0.7, "end": 1.0})
    np.testing.assert_allclose(np.diff(boxes_of(video)[:, 0]), 0.02, atol=1e-3)


@pytest.mark.parametrize(
    "change", [{"layout": None}, {"aspect": 2.0}, {"edition": 1}, {"kind": "dragon"}]
)
def test_films_of_other_worlds_say_nothing(pipeline, change):
    strange = film("a", walk(kind=change.get("kind", "dog")))
    layout = strange.layout.model_copy(update={k: v for k, v in change.items() if k != "kind"})
    strange = GivenVideo("a", strange.frames, 8.0, layout=change.get("layout", layout))
    video = edited(pipeline, strange, edit={"task": "extend", "video": "a", "context": 1})
    assert video.record["layout"] is None
    assert "film_layout" not in video.record


def test_a_layout_of_ones_own_goes_first(pipeline):
    own = parse_layout({"frames": 5, "things": [walk("cat", "black", frames=5)]})
    edit = {"task": "extend", "video": "a", "context": 1}
    video = edited(pipeline, film("a", walk()), edit=edit, layout=own)
    assert recorded_layout(video.record, whole=False) == own
    assert recorded_layout(video.record) is None  # of the frames that were made alone


def test_more_things_than_a_layout_may_have_are_those_that_are_seen(pipeline):
    first = [walk("ball", colour) for colour in ("red", "blue", "green", "white")]
    second = [walk("box", colour, start=0.5) for colour in ("red", "blue", "green", "white")]
    edit = {"task": "join", "video": "a", "second": "b"}
    video = edited(pipeline, film("a", *first), film("b", *second), edit=edit, frames=17)
    assert len(recorded_layout(video.record).things) == 6


@pytest.mark.usefixtures("cat")
def test_a_film_without_things_is_made_again_with_one(pipeline):
    edit = {"task": "retake", "video": "a", "start": 2.5, "end": 3.0}
    video = edited(pipeline, film("a", frames=29), prompt="a blue cat", edit=edit)
    assert (boxes_of(video, "cat", "blue")[:16, 0] < -1).all()


def test_a_film_of_another_rate_goes_on_at_its_own(pipeline):
    fast = film("a", walk(frames=7, speed=0.04), layout_frames=7, fps=16.0)
    video = edited(pipeline, fast, edit={"task": "extend", "video": "a", "context": 1})
    assert recorded_layout(video.record).fps == 16
    assert len(boxes_of(video)) == len(video.frames)


def test_restyled_films_need_no_certain_length(pipeline):
    before = film("a", walk(frames=14), frames=14)
    video = edited(pipeline, before, edit={"task": "restyle", "video": "a"}, prompt="a red dog")
    assert recorded_layout(video.record).frames == 17


def test_films_one_after_another_have_one_layout():
    things = walk(start=0.5, frames=5), walk("cat", "blue", frames=5)
    first, second = film("a", walk()), film("b", *things, frames=5)
    whole = joined([first.layout, second.layout])
    dog, cat = (np.array(thing.boxes) for thing in whole.things)
    assert whole.frames == FRAMES + 5
    assert dog.tolist() == walk()["boxes"] + walk(start=0.5, frames=5)["boxes"]
    assert (cat[:FRAMES] == np.array(AWAY)).all()
    assert cat[FRAMES:].tolist() == walk(frames=5)["boxes"]


def test_films_of_more_things_than_a_layout_may_have_have_none():
    colours = ("red", "blue", "green", "white")
    first, second = (
        film(kind, *(walk(kind, colour) for colour in colours)) for kind in ("dog", "cat")
    )
    assert joined([first.layout, second.layout]) is None
    assert joined([]) is None
