"""Films made from films on a tiny model: what is given comes back as it was, the rest is new."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import praxino
from praxino import edits
from praxino.cli import app as cli
from praxino.diffusion.flow_edit import flow_edit
from praxino.diffusion.path import Flow, grid
from praxino.errors import InputError, MediaError
from praxino.generation.editing import anchored, windows
from praxino.generation.films import GivenVideo
from praxino.generation.images import GivenImage
from praxino.generation.restyle import on_tracks
from praxino.layout import parse_layout
from praxino.provenance.policy import Provenance
from praxino.storage.media.frames import read_video
from praxino.storage.media.video import Video
from support import tiny_models
from support.footage import textured, write

PLAIN = Provenance(watermark=False, credentials=False)
FILM = textured(13, 32, 32)
SOURCE = GivenVideo("a.mp4", FILM, 8.0)
BOX = {"seconds": 0, "box": [0.25, 0.25, 0.75, 0.75]}


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(tiny_model):
    return praxino.load(tiny_model, device="cpu")


def edited(pipeline, videos=(SOURCE,), edit=None, **settings):
    request, _ = pipeline.complete("a cat", videos=videos, edit=edit, **settings)
    *_, last = pipeline.run(request, PLAIN, videos=videos)
    return last.video.frames


def test_a_film_goes_on(pipeline):
    longer = edited(pipeline, edit={"task": "extend", "video": "a.mp4", "context": 1})
    assert len(longer) == 13 + 4
    assert np.array_equal(longer[:13], FILM)
    earlier = edited(pipeline, edit={"task": "extend", "video": "a.mp4", "backward": True})
    assert np.array_equal(earlier[-13:], FILM)
    assert len(earlier) == 13 + 1  # a tiny film has two latent frames


def test_windows_go_on_from_one_another(pipeline):
    longer = edited(pipeline, edit={"task": "extend", "video": "a.mp4", "context": 1}, frames=17)
    assert len(longer) == 13 + 16
    assert np.array_equal(longer[:13], FILM)
    spans = lambda *ends: [list(range(*each)) for each in ends]  # noqa: E731
    assert windows(5, 5) == spans((0, 5))
    assert windows(9, 5, 3) == spans((0, 5), (2, 7), (4, 9))
    assert windows(8, 5, 3) == spans((0, 5), (2, 7), (3, 8))
    assert windows(3, 2, 3) == spans((0, 2), (1, 3))
    assert windows(9, 5, 3, anchor=True) == [[0, 1, 2, 3, 4], [0, 3, 4, 5, 6], [0, 5, 6, 7, 8]]


def test_two_films_become_one(pipeline):
    other = GivenVideo("b.mp4", FILM[::-1].copy(), 8.0)
    edit = {"task": "join", "video": "a.mp4", "second": "b.mp4", "context": 1}
    whole = edited(pipeline, (SOURCE, other), edit, frames=9)
    assert len(whole) == 13 + 4 + 13
    assert np.array_equal(whole[:13], FILM)
    assert np.array_equal(whole[-13:], FILM[::-1])
    with pytest.raises(InputError, match="nothing lies between"):
        edited(pipeline, (SOURCE, other), edit, frames=5)


def test_a_film_is_led_back(pipeline):
    edit = {"task": "loop", "video": "a.mp4", "context": 1}
    whole = edited(pipeline, edit=edit, frames=9)
    assert len(whole) == 13 + 4
    assert np.array_equal(whole[:13], FILM)
    cycle = edited(pipeline, (), {"task": "loop"}, frames=9)
    assert len(cycle) == 12


def test_a_stretch_is_made_again(pipeline):
    edit = {"task": "retake", "video": "a.mp4", "start": 0.7, "end": 1.1}
    whole = edited(pipeline, edit=edit)
    changed = np.flatnonzero((whole != FILM).any((1, 2, 3)))
    assert len(whole) == 13
    assert set(range(6, 9)) <= set(changed.tolist())
    assert len(changed) <= 8  # whole latent frames
    with pytest.raises(InputError, match=r"the film has 1\.6"):
        edited(pipeline, edit=edit | {"start": 5.0, "end": 6.0})


def test_a_part_of_the_picture_is_made_again(pipeline, tmp_path):
    whole = edited(pipeline, edit={"task": "inpaint", "video": "a.mp4", "boxes": [BOX]})
    inside = np.zeros((32, 32), bool)
    inside[8:24, 8:24] = True
    assert np.array_equal(whole[:, ~inside], FILM[:, ~inside])
    assert not np.array_equal(whole[:, inside], FILM[:, inside])
    white = np.where(inside, 255, 0).astype(np.uint8)[None, ..., None].repeat(3, -1)
    mask = GivenVideo("m.png", white, 1.0)
    by_mask = {"task": "inpaint", "video": "a.mp4", "mask": "m.png"}
    masked = edited(pipeline, (SOURCE, mask), by_mask)
    assert np.array_equal(whole, masked)
    black = replace(mask, frames=np.zeros_like(mask.frames))
    with pytest.raises(InputError, match="covers nothing"):
        edited(pipeline, (SOURCE, black), by_mask)
    white = replace(mask, frames=np.full_like(mask.frames, 255))
    with pytest.raises(InputError, match="covers the whole film"):
        edited(pipeline, (SOURCE, white), by_mask)
    wide = replace(mask, frames=np.full((1, 16, 64, 3), 255, np.uint8))
    with pytest.raises(InputError, match="proportions"):
        edited(pipeline, (SOURCE, wide), by_mask)


def test_a_box_moves_from_keyframe_to_keyframe(pipeline):
    later = {"seconds": 1.5, "box": [0.5, 0.5, 1.0, 1.0]}
    first = {"seconds": 0, "box": [0.0, 0.0, 0.5, 0.5]}
    whole = edited(pipeline, edit={"task": "inpaint", "video": "a.mp4", "boxes": [first, later]})
    assert np.array_equal(whole[0, 16:], FILM[0, 16:])
    assert np.array_equal(whole[12, :16], FILM[12, :16])
    assert not np.array_equal(whole[6, 8:24, 8:24], FILM[6, 8:24, 8:24])


def test_what_lies_around_is_made(pipeline):
    edit = {"task": "outpaint", "video": "a.mp4"}
    whole = edited(pipeline, edit=edit, width=64, height=32)
    assert whole.shape == (13, 32, 64, 3)
    assert np.array_equal(whole[:, :, 16:48], FILM)
    with pytest.raises(InputError, match="fills the picture"):
        edited(pipeline, edit=edit, width=32, height=32)


@pytest.mark.parametrize("source", ["", "a dog"])
def test_a_film_is_made_after_another_sentence(pipeline, source):
    edit = {"task": "restyle", "video": "a.mp4", "strength": 0.6, "source": source}
    whole = edited(pipeline, edit=edit)
    assert whole.shape == FILM.shape
    assert not np.array_equal(whole, FILM)


def test_the_record_says_what_a_film_showed(pipeline, tmp_path, monkeypatch):
    video = pipeline.generate("a cat", PLAIN, frames=5, seed=1)
    video.save(tmp_path / "a.mp4")
    edit = {"task": "restyle", "video": str(tmp_path / "a.mp4")}
    known = pipeline.generate("a dog", PLAIN, edit=edit, seed=2)
    assert known.record["edit"] | {"video": ""} == {
        "task": "restyle", "video": "", "strength": "change", "source": "a cat",
    }  # fmt: skip
    said = pipeline.generate("a dog", PLAIN, edit=edit | {"source": "a cat"}, seed=2)
    unsaid = pipeline.generate("a dog", PLAIN, edit=edit | {"source": ""}, seed=2)
    assert np.array_equal(known.frames, said.frames)
    assert not np.array_equal(known.frames, unsaid.frames)
    other = GivenVideo.read(tmp_path / "a.mp4")
    long = replace(other, name="long.mp4", sentence="a cat " * 100)
    request, _ = pipeline.complete(
        "a dog", videos=[long], edit={"task": "restyle", "video": "long.mp4"}, seed=2
    )
    *_, last = pipeline.run(request, PLAIN, videos=[long])
    assert last.video.record["edit"]["source"] == ""


def test_what_is_said_anew_goes_where_the_old_film_has_it(tmp_path):
    tiny_models.laid_out(tmp_path / "model")
    pipeline = praxino.load(tmp_path / "model", device="cpu")
    before = pipeline.generate("a red dog runs", PLAIN, seed=1)
    before.save(tmp_path / "a.mp4")
    edit = {"task": "restyle", "video": str(tmp_path / "a.mp4"), "source": ""}
    after = pipeline.generate("a blue cat", PLAIN, edit=edit, seed=5)
    old, new = (parse_layout(video.record["layout"]) for video in (before, after))
    drawn = pipeline.laid_out(pipeline.request("a blue cat", seed=5)).layout
    assert new == on_tracks(drawn, old)
    same = pipeline.generate("a blue cat", PLAIN, edit=edit | {"source": "a red dog"}, seed=5)
    assert not np.array_equal(same.frames, after.frames)
    free = pipeline.generate("a blue cat", PLAIN, edit=edit, seed=5, layout=old)
    assert parse_layout(free.record["layout"]) == old


def test_a_film_of_several_windows_is_restyled_with_its_layout(tmp_path):
    tiny_models.laid_out(tmp_path / "model")
    pipeline = praxino.load(tmp_path / "model", device="cpu")
    pipeline.generate("a red dog runs", PLAIN, seed=1, frames=13).save(tmp_path / "a.mp4")
    edit = {"task": "restyle", "video": str(tmp_path / "a.mp4")}
    after = pipeline.generate("a blue dog runs", PLAIN, edit=edit, seed=5)
    assert len(after.frames) == 13
    assert after.record["edit"]["source"] == "a red dog runs"


def test_words_of_strength_mean_more_where_the_sentence_is_known():
    assert edits.Restyle(video="a", strength="keep").start == 0.45
    assert edits.Restyle(video="a", strength="keep", source="a cat").start == 0.65
    assert edits.Restyle(video="a", strength=0.3, source="a cat").start == 0.3


def test_pictures_are_edited_too(pipeline):
    still = replace(SOURCE, frames=FILM[:1])
    whole = edited(pipeline, (still,), {"task": "inpaint", "video": "a.mp4", "boxes": [BOX]})
    assert len(whole) == 1
    assert np.array_equal(whole[0, :8], FILM[0, :8])


def test_the_record_remakes_the_film(pipeline):
    edit = {"task": "extend", "video": "a.mp4", "context": 1}
    request, _ = pipeline.complete("a cat", videos=[SOURCE], edit=edit, seed=3)
    record = request.model_dump(mode="json")
    again, _ = pipeline.complete(**record, videos=[SOURCE])
    assert again == request


def test_colours_are_led_to_those_of_the_first_window():
    torch.manual_seed(0)
    first, drifted = torch.randn(1, 4, 3, 8, 8), 1.3 * torch.randn(1, 4, 2, 8, 8) + 0.05
    led = anchored(drifted, first)
    assert (led.std() - first.std()).abs() < (drifted.std() - first.std()).abs()
    assert torch.allclose(anchored(first, first), first, atol=1e-5)


def test_flow_edit_between_two_points():
    """Of two worlds of one film each, the one becomes the other whatever the noise."""
    old, new = torch.randn(1, 4), torch.randn(1, 4)
    states = flow_edit(
        lambda x, t: new.expand_as(x),
        lambda x, t: old.expand_as(x),
        old,
        grid(8),
        Flow(),
        torch.Generator().manual_seed(0),
    )
    *_, last = states
    assert torch.allclose(last.x, new, atol=1e-5)


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        ({"task": "fly", "video": "a"}, "unknown edit 'fly'"),
        ({"task": "retak", "video": "a"}, "did you mean retake"),
        ({"task": "extend", "vido": "a"}, "no such field. hint: did you mean video"),
        ({"task": "retake", "video": "a", "start": 2, "end": 1}, "must be after"),
        ({"task": "inpaint", "video": "a"}, "a mask or a box"),
        ({"task": "inpaint", "video": "a", "mask": "m", "boxes": [BOX]}, "not both"),
        ({"task": "inpaint", "video": "a", "boxes": [BOX, BOX]}, "different times"),
        ({"task": "outpaint", "video": "a", "box": [0.5, 0, 0.5, 1]}, "left < right"),
        ({"task": "restyle", "video": "a", "strength": 2}, "less than or equal to 1"),
        ({"task": "extend"}, "Field required"),
    ],
)
def test_edits_that_make_no_sense(edit, problem):
    with pytest.raises(InputError, match=problem):
        edits.parse_edit(edit)


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_the_verbs(tiny_model, tmp_path):
    film = write(tmp_path / "a.mp4", FILM, 8)
    for verb, *options in (
        ("extend", film, "a cat"),
        ("extend", film, "a cat", "--backward"),
        ("join", film, film, "a cat", "--frames", 17),
        ("loop", "a cat"),
        ("retake", film, "a cat", "--start", 0.5, "--end", 0.9),
        ("inpaint", film, "a cat", "--box", "0.25,0.25,0.75,0.75"),
        ("outpaint", film, "a cat", "--size", "64x32"),
        ("restyle", film, "a cat", "--strength", "keep"),
    ):
        out = tmp_path / f"{verb}{len(options)}.mp4"
        result = run(verb, *options, "--model", tiny_model, "-o", out, "-q")
        assert result.exception is None, (verb, result.exception)
        record = read_video(out).record
        assert record["edit"]["task"] == verb
    result = run("inpaint", film, "a cat", "--box", "1,2", "--model", tiny_model)
    assert "LEFT,TOP,RIGHT,BOTTOM" in str(result.exception)
    result = run("restyle", film, "a cat", "--strength", "very", "--model", tiny_model)
    assert "must be a number" in str(result.exception)
    result = run("extend", tmp_path / "none.mp4", "a cat", "--model", tiny_model)
    assert isinstance(result.exception, MediaError)


def test_an_edit_in_a_file(tiny_model, tmp_path):
    film = write(tmp_path / "a.mp4", FILM, 8)
    (tmp_path / "edit.json").write_text('{"task": "extend", "video": "' + str(film) + '"}')
    out = tmp_path / "out.mp4"
    options = ("--edit", tmp_path / "edit.json", "--model", tiny_model, "-o", out, "-q")
    assert run("generate", "a cat", *options).exception is None
    assert read_video(out).record["edit"]["task"] == "extend"
    (tmp_path / "edit.json").write_text("{")
    assert "no JSON" in str(run("generate", "a cat", *options).exception)


def test_given_pictures_come_back_as_they_were(pipeline, tmp_path):
    from PIL import Image

    for name, frame in (("first", FILM[0]), ("last", FILM[-1])):
        Image.fromarray(frame).save(tmp_path / f"{name}.png")
    ends = {name: str(tmp_path / f"{name}.png") for name in ("first", "last")}
    settings = {"image": ends["first"], "last": ends["last"], "frames": 9}
    request, _ = pipeline.complete("a cat", **settings)
    *_, done = pipeline.run(request, None)
    frames = done.video.frames
    assert np.array_equal(frames[0], FILM[0])
    assert np.array_equal(frames[-1], FILM[-1])
    decoded = pipeline.decode(done.x0)
    assert np.abs(frames[4].astype(int) - decoded[4]).mean() < 8
    *_, alone = pipeline.run(request.model_copy(update={"last": ""}), None)
    assert not np.array_equal(alone.video.frames[-1], FILM[-1])


def test_a_box_follows_a_thing_of_the_layout(layout_model, tmp_path):
    def run(*words):
        return CliRunner().invoke(cli.app, [*map(str, words), "--model", str(layout_model)])

    film, out, plain = tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "layout.json"
    boxes = [[0.3 + 0.1 * frame, 0.5, 0.3, 0.3] for frame in range(5)]
    dog = {"kind": "dog", "colour": "red", "motion": "walk", "heading": 1, "depth": 0}
    plain.write_text(json.dumps({"frames": 5, "things": [{**dog, "boxes": boxes}]}))
    assert run("generate", "a red dog", "--layout", plain, "-o", film).exit_code == 0
    result = run("inpaint", film, "a cat", "--follow", "dog", "-o", out)
    assert result.exit_code == 0, result.output
    keyframes = read_video(out).record["edit"]["boxes"]
    assert [one["seconds"] for one in keyframes] == [frame / 8 for frame in range(5)]
    assert keyframes[1]["box"] == pytest.approx([0.19, 0.29, 0.61, 0.71])
    for words, message in (
        (("--follow", "cat"), "there are red dog"),
        (("--follow", "dog", "--box", "0,0,1,1"), "one of them"),
    ):
        assert message in str(run("inpaint", film, "a cat", *words, "-o", out).exception)


def test_what_goes_on_ends_with_a_picture_or_begins_with_one(pipeline):
    picture = GivenImage("end.png", textured(2, 32, 32)[1], b"x")
    for backward, end in ((False, "last"), (True, "image")):
        edit = {"task": "extend", "video": "a.mp4", "backward": backward}
        request, _ = pipeline.complete(
            "a cat", [picture], [SOURCE], edit=edit, frames=33, **{end: "end.png"}
        )
        *_, done = pipeline.run(request, PLAIN, [picture], [SOURCE])
        frames = done.video.frames
        assert np.array_equal(frames[0 if backward else -1], picture.pixels)
        given = frames[-13:] if backward else frames[:13]
        assert np.array_equal(given, FILM)
        other = {"image": "last", "last": "image"}[end]
        with pytest.raises(InputError, match="the film says itself"):
            pipeline.complete("a cat", [picture], [SOURCE], edit=edit, **{other: "end.png"})


def test_films_that_begin_with_a_picture_are_restyled_with_one(wan_folder):
    pipeline = praxino.load(wan_folder("i2v"), device="cpu", dtype="float32")
    film = GivenVideo("a.mp4", textured(9, 64, 64), 16.0, sentence="a red ball")
    picture = GivenImage("first.png", film.frames[0], b"x")
    request, _ = pipeline.complete(
        "a blue ball", [picture], [film], steps=2, image="first.png", height=64, width=64,
        edit={"task": "restyle", "video": "a.mp4"},
    )  # fmt: skip
    *_, last = pipeline.run(request, PLAIN, [picture], [film])
    assert last.video.frames.shape == film.frames.shape


def test_of_another_sentence_pictures_are_new(tmp_path):
    tiny_models.with_slots(tmp_path / "model")
    pipeline = praxino.load(tmp_path / "model", device="cpu")
    images = [GivenImage("0.png", textured(1, 32, 32)[0], b"x")]
    anna = {"name": "anna", "kind": "animal", "description": "a dog", "pictures": ["0.png"]}
    edit = {"task": "restyle", "video": "a.mp4", "source": "a cat"}
    films = []
    for strength in (1.0, 0.0):
        request, _ = pipeline.complete(
            "@anna runs", images, [SOURCE], edit=edit, references=[anna | {"strength": strength}]
        )
        *_, last = pipeline.run(request, PLAIN, images, [SOURCE])
        films.append(last.video.frames)
    assert not np.array_equal(*films)


def test_records_of_others_harm_nothing(pipeline, tmp_path):
    video = pipeline.generate("a cat", PLAIN, frames=5, seed=1)
    record = {"prompt": "@bob and @anna", "references": [{"name": "anna", "kind": "animal"}]}
    layout = {"edition": 1, "frames": 5, "things": []}
    Video(video.frames, 8.0, record | {"layout": layout}).save(tmp_path / "a.mp4")
    read = GivenVideo.read(tmp_path / "a.mp4")
    assert read.sentence.startswith("@bob and")
    Video(video.frames, 8.0, {"prompt": 3, "layout": "x"}).save(tmp_path / "b.mp4")
    read = GivenVideo.read(tmp_path / "b.mp4")
    assert (read.sentence, read.layout) == ("", None)


def test_a_larger_film_is_made_smaller_and_that_is_said(pipeline):
    large = GivenVideo("a.mp4", textured(9, 64, 64), 8.0)
    request, notes = pipeline.complete(
        "a cat", (), [large], edit={"task": "extend", "video": "a.mp4"}
    )
    assert (request.height, request.width) == (32, 32)
    assert "the film of 64x64 is made smaller: 32x32" in notes
    _, notes = pipeline.complete("a cat", (), [SOURCE], edit={"task": "extend", "video": "a.mp4"})
    assert not any("smaller" in note for note in notes)
