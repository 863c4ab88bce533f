"""Scripts of films: what is read, and what is refused, each in one line."""

import time

import pytest

from praxino.errors import InputError, MediaError
from praxino.script import MAX_SHOTS, frame_of_shot, parse_script, read_script

SCRIPT = """
title: A walk
style: in the snow.
cast:
  Anna: {kind: animal, description: a red dog, pictures: [anna.png]}
shots:
  - {id: 1, prompt: "@anna runs", image: "shot:b/0"}
  - {id: b, prompt: a ball}
  - {id: c, prompt: "@Anna sleeps", cut: false, seconds: 2}
"""


def script(*shots, **more):
    return parse_script({"shots": [{"prompt": "a cat", **shot} for shot in shots], **more})


def test_a_script_is_read(tmp_path):
    (tmp_path / "film.yaml").write_text(SCRIPT)
    film = read_script(tmp_path / "film.yaml")
    assert [shot.id for shot in film.shots] == ["1", "b", "c"]
    assert [shot.id for shot in film.in_order()] == ["b", "1", "c"]
    assert film.before(film.shots[2]) is film.shots[1]
    assert film.needs(film.shots[0]) == ["b"]
    assert film.sentence(film.shots[0]) == "in the snow. @anna runs"
    (anna,) = film.references(["ANNA", "bob"])
    assert (anna.name, anna.pictures) == ("Anna", ("anna.png",))
    assert frame_of_shot("shot:b/0") == ("b", 0)
    assert frame_of_shot("shot:b") == ("b", -1)
    assert frame_of_shot("b.png") is None


@pytest.mark.parametrize(
    ("shots", "message"),
    [
        ([{"id": "a"}, {"id": "a"}], "id a is there twice"),
        ([{"id": "a b"}], "shots.0.id"),
        ([{"id": "a", "cut": False}], "cut: false, and nothing before it"),
        ([{"id": "a", "seconds": 1, "frames": 9}], "one of them"),
        ([{"id": "a", "image": "shot:z"}], "there is no shot z"),
        ([{"id": "a", "image": "shot:a"}], "need one another: a -> a"),
        (
            [{"id": "a", "image": "shot:c"}, {"id": "b", "cut": False}, {"id": "c", "cut": False}],
            "need one another: a -> c -> b -> a",
        ),
        ([{"id": "a", "colour": "red"}], "shots.0.colour"),
        ([{"id": "a", "promt": "a"}], "shots.0.promt: no such field. hint: did you mean prompt"),
        ([{"id": "a", "task": {"task": "fly"}}], "shots.0.task"),
        ([{"id": "a"}, {"id": "b", "cut": False, "image": "x.png"}], "no image, no task"),
        ([], "shots"),
        ([{"id": f"s{number}"} for number in range(MAX_SHOTS + 1)], "shots"),
    ],
)
def test_what_is_no_script_is_refused(shots, message):
    with pytest.raises(InputError, match=message):
        script(*shots)


def test_ten_thousand_shots_are_refused_quickly(tmp_path):
    lines = [f"- {{id: s{number}, prompt: a cat}}" for number in range(10_000)]
    (tmp_path / "film.yaml").write_text("shots:\n" + "\n".join(lines))
    begun = time.process_time()
    with pytest.raises(InputError, match="at most 1000"):
        read_script(tmp_path / "film.yaml")
    assert time.process_time() - begun < 60


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shots: [", "line 1"),
        ("- just\n- a list", "script"),
        ("", "script"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("shots: !!python/object:os.system {}", "script|tag"),
        ("\x00", "script|YAML|special"),
        ("[" * 2000, "script|line|YAML"),
        ("cast: {anna: {}, Anna: {}}\nshots: [{id: a, prompt: b}]", "Anna|anna"),
        ("cast: {1a: {}}\nshots: [{id: a, prompt: b}]", "1a"),
        ("version: 2\nshots: [{id: a, prompt: b}]", "version"),
        ("size: 64\nshots: [{id: a, prompt: b}]", "size"),
    ],
)
def test_files_that_are_no_scripts(tmp_path, text, message):
    (tmp_path / "film.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_script(tmp_path / "film.yaml")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(MediaError, match="cannot read"):
        read_script(tmp_path)
    (tmp_path / "large.yaml").write_text("#" * 2**23)
    with pytest.raises(InputError, match="bytes"):
        read_script(tmp_path / "large.yaml")
