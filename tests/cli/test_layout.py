"""``praxino layout`` and ``praxino generate --layout``: drawn, edited, painted, kept."""

import json

import numpy as np
import pytest

from praxino.storage.media.frames import read_video


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_a_layout_is_drawn_edited_and_painted(praxino, layout_model, tmp_path):
    code, _, err = praxino(
        "layout", "a red ball", "--model", layout_model, "--seed", 3, "-o", "layout.json"
    )
    assert (code, "wrote layout.json" in err) == (0, True)
    assert (
        praxino(
            "layout", "a red ball", "--model", layout_model, "--seed", 3, "-o", "layout.png", "-q"
        )[0]
        == 0
    )
    assert read_video(tmp_path / "layout.png").frames.shape[3] == 3
    _, out, _ = praxino("layout", "a red ball", "--model", layout_model, "--seed", 3)
    assert out == (tmp_path / "layout.json").read_text()

    make = ("generate", "a red ball", "--model", layout_model, "--seed", 3, "-q", "-o")
    assert praxino(*make, "drawn.mp4")[0] == 0
    assert praxino(*make, "given.mp4", "--layout", "layout.json")[0] == 0
    drawn, given = read_video(tmp_path / "drawn.mp4"), read_video(tmp_path / "given.mp4")
    assert np.array_equal(drawn.frames, given.frames)
    assert drawn.record["layout"] == json.loads((tmp_path / "layout.json").read_text())

    tree = json.loads((tmp_path / "layout.json").read_text())
    box = [0.5, 0.5, 0.4, 0.4]
    thing = {
        "kind": "dog",
        "colour": "brown",
        "motion": "run",
        "heading": 1,
        "depth": 0,
        "boxes": [box] * 5,
    }
    (tmp_path / "edited.json").write_text(json.dumps(tree | {"things": [thing]}))
    assert praxino(*make, "edited.mp4", "--layout", "edited.json")[0] == 0
    assert not np.array_equal(read_video(tmp_path / "edited.mp4").frames, drawn.frames)
    assert (
        praxino(
            "generate", "--like", "edited.mp4", "--model", layout_model, "-q", "-o", "again.mp4"
        )[0]
        == 0
    )
    assert np.array_equal(
        read_video(tmp_path / "again.mp4").frames, read_video(tmp_path / "edited.mp4").frames
    )


def test_a_recorded_layout_goes_with_its_sentence_and_seed(praxino, layout_model, tmp_path):
    assert praxino("generate", "a red ball", "--model", layout_model, "-q", "-o", "a.mp4")[0] == 0
    like = ("generate", "--like", "a.mp4", "--model", layout_model, "-q", "-o")
    for name, change in (
        ("b", ("--seed", 5)),
        ("c", ("--frames", 9)),
        ("d", ("a blue cat",)),
        ("e", ("--steps", 2)),
    ):
        assert praxino(*like, f"{name}.mp4", *change)[0] == 0
    layouts = {name: read_video(tmp_path / f"{name}.mp4").record["layout"] for name in "abcde"}
    assert layouts["a"] == layouts["e"]
    assert layouts["a"] != layouts["b"]
    assert layouts["c"]["frames"] == 9
    assert praxino(*like, "f.mp4", "--count", 2)[0] == 0
    both = [read_video(tmp_path / f"f-00{n}.mp4").record["layout"] for n in (1, 2)]
    assert both[0] == layouts["a"] != both[1]


@pytest.mark.parametrize(("frames", "size"), [(1, "32x32"), (9, "64x32"), (17, "32x64")])
def test_other_lengths_and_sizes(praxino, layout_model, tmp_path, frames, size):
    shape = ("--frames", frames, "--size", size, "--model", layout_model, "-q")
    assert praxino("layout", "two blue cats run", *shape, "-o", "layout.json")[0] == 0
    assert (
        praxino(
            "generate",
            "two blue cats run",
            *shape,
            "--layout",
            "layout.json",
            "-o",
            "a.mp4" if frames > 1 else "a.png",
        )[0]
        == 0
    )


BAD = [
    (("layout", "a cat", "--model", "TINY"), "draws no layouts"),
    (("layout", "a cat", "--model", "LAID", "-o", "layout.txt"), "must end in .json or .png"),
    (("layout", " ", "--model", "LAID"), "the sentence is empty"),
    (("layout", "a cat", "--model", "LAID", "--frames", "6"), "frames=6: must be 4k+1"),
    (("generate", "a cat", "--model", "TINY", "--layout", "good.json"), "takes no layout"),
    (("generate", "a cat", "--model", "LAID", "--layout", "none.json"), "no such file: none.json"),
    (
        ("generate", "a cat", "--model", "LAID", "--layout", "good.json", "--frames", "9"),
        "a layout of 5 frames for 9",
    ),
    (
        ("generate", "a cat", "--model", "LAID", "--layout", "good.json", "--size", "64x32"),
        "times as wide as high",
    ),
    (("generate", "a cat", "--model", "LAID", "--layout", "kind.json"), "unknown kind 'unicorn'"),
    (
        ("generate", "a cat", "--model", "LAID", "--layout", "edition.json"),
        "of edition 1 of the world, the model of 2",
    ),
    (("generate", "a cat", "--model", "LAID", "--layout", "nan.json"), "boxes.0"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[row[1][:24] for row in BAD])
def test_a_mistake_is_one_line(praxino, tiny_model, layout_model, tmp_path, arguments, message):
    box = [0.5, 0.5, 0.2, 0.2]
    thing = {
        "kind": "dog",
        "colour": "brown",
        "motion": "run",
        "heading": 1,
        "depth": 0,
        "boxes": [box] * 5,
    }
    good = {"version": 1, "edition": 2, "fps": 8.0, "aspect": 1.0, "frames": 5, "things": [thing]}
    files = {
        "good": good,
        "kind": good | {"things": [thing | {"kind": "unicorn"}]},
        "edition": good | {"edition": 1},
        "nan": good | {"things": [thing | {"boxes": [[float("nan"), 0.5, 0.2, 0.2]] * 5}]},
    }
    for name, tree in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(tree))
    models = {"TINY": tiny_model, "LAID": layout_model}
    code, out, err = praxino(*(models.get(argument, argument) for argument in arguments))
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert message in err
