"""The layout as a type and as a file."""

import json

import numpy as np
import pytest

from praxino import layout
from praxino.data.diorama import compose
from praxino.data.diorama.layouts import layout_of
from praxino.errors import InputError, MediaError
from praxino.generation.outlines import find_thing, outlines
from praxino.generation.restyle import on_tracks


@pytest.fixture(name="tree")
def _tree():
    scene = next(
        s for s in (compose(0, i, frames=5, edition=2) for i in range(100)) if len(s.things) == 2
    )
    return json.loads(layout_of(scene).model_dump_json())


def test_a_layout_is_read_as_it_was_written(tree, tmp_path):
    path = tmp_path / "layout.json"
    path.write_text(json.dumps(tree))
    assert json.loads(layout.read(path).model_dump_json()) == tree


def change(tree, *path, value):
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return tree


BAD = [
    (("things", 0, "boxes", 2, 0), float("nan"), "things.0.boxes.2"),
    (("things", 0, "boxes", 2, 0), 50.0, "frame 2: a box at 50"),
    (("things", 0, "boxes", 2, 3), 0.0, "frame 2: a box of"),
    (("things", 0, "boxes", 2), [0.1, 0.1], "things.0.boxes.2"),
    (("things", 0, "heading"), 0, "things.0.heading"),
    (("things", 0, "boxes"), [[0.5, 0.5, 0.1, 0.1]] * 10_001, "things.0.boxes"),
    (
        ("things", 0, "boxes"),
        [[0.5, 0.5, 0.1, 0.1]] * 4,
        "things.0 has 4 boxes: one for each of 5 frames",
    ),
    (("things",), [], None),
    (("version",), 2, "version"),
    (("edition",), 3, "edition"),
    (("colour",), "red", "colour"),
]


@pytest.mark.parametrize(
    ("place", "value", "message"), BAD, ids=[str(row[0][-1]) + str(i) for i, row in enumerate(BAD)]
)
def test_what_is_wrong_is_named(tree, tmp_path, place, value, message):
    path = tmp_path / "layout.json"
    path.write_text(json.dumps(change(tree, *place, value=value)))
    if message is None:
        assert not layout.read(path).things
        return
    with pytest.raises(InputError) as error:
        layout.read(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_too_many_things(tree):
    with pytest.raises(InputError, match="things"):
        layout.parse_layout(change(tree, "things", value=tree["things"] * 4))


def test_files_that_are_none(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        layout.read(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("no")
    with pytest.raises(InputError, match="is no JSON"):
        layout.read(tmp_path / "text.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(InputError, match=r"list\.json"):
        layout.read(tmp_path / "list.json")
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(layout.MAX_LAYOUT_BYTES + 1)
    with pytest.raises(InputError, match="bytes: at most"):
        layout.read(tmp_path / "large.json")


def thing(colour, kind, *boxes):
    words = {"motion": "still", "heading": 1, "depth": 0}
    return layout.LayoutThing(colour=colour, kind=kind, boxes=boxes, **words)


def test_things_are_found_by_their_words_and_outlined_in_the_picture():
    red = thing("red", "ball", (0.5, 0.5, 0.2, 0.2), (1.0, 0.5, 0.2, 0.2), (3.0, 0.5, 0.2, 0.2))
    blue = thing("blue", "ball", *[(0.1, 0.1, 0.1, 0.1)] * 3)
    blue = blue.model_copy(update={"name": "Anna"})
    both = layout.Layout(frames=3, fps=8, aspect=2, things=(red, blue))
    assert find_thing(both, "Red") is red
    assert find_thing(both, "blue ball") is blue
    assert find_thing(both, "@anna") is blue
    for words in ("ball", "green ball", ""):
        with pytest.raises(InputError, match="there are red ball, blue ball @anna"):
            find_thing(both, words)
    first, second, *away, last = outlines(both, red, margin=0.5, least=0)
    assert (first.seconds, second.seconds, last.seconds) == (0, 1 / 8, 2 / 8)
    assert first.box == pytest.approx((0.15, 0.3, 0.35, 0.7))
    assert second.box == pytest.approx((0.4, 0.3, 0.6, 0.7))
    assert [round(one.box[0], 3) for one in (*away, last)] == [1, 1, 1]
    assert outlines(both, thing("red", "ball", *[(3.0, 0.5, 0.2, 0.2)] * 3)) == []


def test_an_outline_does_not_sweep_over_the_picture_where_a_thing_leaps():
    boxes = [
        (0.1, 0.5, 0.2, 0.2),
        (-0.1, 0.5, 0.2, 0.2),
        (1.1, 0.5, 0.2, 0.2),
        (0.9, 0.5, 0.2, 0.2),
    ]
    once = layout.Layout(frames=4, fps=8, aspect=1, things=(thing("red", "car", *boxes),))
    places = outlines(once, once.things[0])
    times = np.arange(0, 3.5, 0.25) / 8  # boxes move evenly from one keyframe to the next
    left, right = (
        np.interp(times, [one.seconds for one in places], [one.box[side] for one in places])
        for side in (0, 2)
    )
    columns = (np.arange(32) + 0.5) / 32
    covered = (left[:, None] <= columns) & (columns < right[:, None])
    assert not covered[:, 10:22].any()
    assert covered[:4].any(1).all()
    assert covered[-3:, 22:].any(1).all()
    assert not covered[6].any()  # halfway through the leap


def test_things_take_the_tracks_of_their_kind_first(tree):
    old = layout.parse_layout(tree)
    a, b = old.things
    red = {"colour": "red", "boxes": b.boxes}
    new = old.model_copy(update={"things": (b.model_copy(update=red), a.model_copy())})
    new = new.model_copy(
        update={"things": tuple(t.model_copy(update={"boxes": a.boxes}) for t in new.things)}
    )
    found = on_tracks(new, old)
    assert [one.kind for one in found.things] == [b.kind, a.kind]
    if a.kind != b.kind:
        for one, track in zip(found.things, (b, a), strict=True):
            assert [box.x for box in one.boxes] == [box.x for box in track.boxes]
            assert [box.height for box in one.boxes] == [box.height for box in track.boxes]
    assert found.things[0].colour == "red"
    alone = old.model_copy(update={"things": (a,)})
    assert [box.x for box in on_tracks(new, alone).things[1].boxes] == [box.x for box in a.boxes]
    assert on_tracks(alone, old.model_copy(update={"things": ()})) == alone
