"""Films of many shots: takes stay, what changes is made again with what needs it."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import praxino
from praxino.cli import app as cli
from praxino.errors import InputError, MediaError
from praxino.generation.films import recorded_layout
from praxino.generation.growth import Verifier
from praxino.generation.memory import Memory
from praxino.generation.shots import FilmMaker
from praxino.generation.takes import Takes
from praxino.provenance.policy import Provenance
from praxino.provenance.verify import verify
from praxino.script import parse_script
from praxino.storage.media.frames import read_video
from praxino.storage.objects import Objects
from support import tiny_models
from support.footage import textured

PLAIN = Provenance(watermark=False, credentials=False)
SHOTS = [
    {"id": "a", "prompt": "a cat"},
    {"id": "b", "prompt": "@anna runs", "cut": False},
    {"id": "c", "prompt": "a ball", "image": "shot:a/0", "frames": 9},
]
CAST = {"anna": {"kind": "animal", "description": "a red dog"}}


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(tiny_model):
    return praxino.load(tiny_model, device="cpu")


def maker(pipeline, folder, shots=SHOTS, memory=None, **more):
    script = parse_script({"shots": shots, "cast": CAST, **more})
    return FilmMaker(pipeline, script, folder, Takes(folder / "takes"), memory)


def kept_picture(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def made(film_maker, only=()):
    """The takes that one run makes."""
    return {(shot.id, number) for shot, number, _ in film_maker.make(PLAIN, only)}


def test_shots_follow_one_another(pipeline, tmp_path):
    film_maker = maker(pipeline, tmp_path)
    assert film_maker.check() == []
    assert made(film_maker) == {("a", 1), ("b", 1), ("c", 1)}
    film = film_maker.assembled(PLAIN)
    assert len(film.frames) == 5 + 4 + 9
    assert [shot["id"] for shot in film.record["shots"]] == ["a", "b", "c"]
    assert made(maker(pipeline, tmp_path)) == set()
    again = maker(pipeline, tmp_path).assembled(PLAIN)
    assert np.array_equal(again.frames, film.frames)


def test_what_changes_is_made_again_with_what_needs_it(pipeline, tmp_path):
    made(maker(pipeline, tmp_path))
    changed = [{**SHOTS[0], "prompt": "a dog"}, *SHOTS[1:]]
    assert made(maker(pipeline, tmp_path, changed)) == {("a", 2), ("b", 2), ("c", 2)}
    changed[1] = {**SHOTS[1], "prompt": "@anna sleeps"}
    assert made(maker(pipeline, tmp_path, changed)) == {("b", 3)}
    assert made(maker(pipeline, tmp_path)) == set()  # the first takes are still there


def test_rejected_takes_are_made_again_from_other_noise(pipeline, tmp_path):
    made(maker(pipeline, tmp_path))
    takes = Takes(tmp_path / "takes")
    takes.set_state("c", None, "rejected")
    assert made(maker(pipeline, tmp_path)) == {("c", 2)}
    takes = Takes(tmp_path / "takes")
    first, second = takes.of("c")
    assert first.seed != second.seed
    takes.set_state("c", 1, "kept")
    film = maker(pipeline, tmp_path).assembled(PLAIN)
    assert film.record["shots"][2]["take"] == 1
    with pytest.raises(InputError, match=r"shot c has no take 7.*1, 2"):
        takes.set_state("c", 7, "kept")
    chosen = [*SHOTS[:2], {**SHOTS[2], "take": 2}]
    assert maker(pipeline, tmp_path, chosen).assembled(PLAIN).record["shots"][2]["take"] == 2
    with pytest.raises(InputError, match="take 9 is not there"):
        maker(pipeline, tmp_path, [*SHOTS[:2], {**SHOTS[2], "take": 9}]).assembled(PLAIN)


def test_takes_keep_their_layout_and_an_edited_one_has_the_same_noise(layout_model, tmp_path):
    pipeline = praxino.load(layout_model, device="cpu")
    shots = [{"id": "a", "prompt": "a red dog and a blue cat"}]
    made(maker(pipeline, tmp_path, shots))
    (first,) = Takes(tmp_path / "takes").all
    assert first.layout is not None
    assert first.layout.frames == 5
    edited = first.layout.model_dump(mode="json")
    words = {
        "kind": "cat",
        "colour": "blue",
        "motion": "walk",
        "heading": 1,
        "depth": 0,
        "name": None,
    }
    edited["things"] = [words | {"boxes": [[0.5, 0.5, 0.2, 0.2]] * 5}]
    made(maker(pipeline, tmp_path, [{**shots[0], "layout": edited}]))
    _, second = Takes(tmp_path / "takes").all
    assert second.seed == first.seed
    assert second.layout.model_dump(mode="json") == edited


def test_a_film_says_where_the_things_of_its_shots_are(layout_model, tmp_path):
    pipeline = praxino.load(layout_model, device="cpu")
    shots = [
        {"id": "a", "prompt": "a red dog and a blue cat"},
        {"id": "b", "prompt": "a red dog and a blue cat", "cut": False},
    ]
    made(maker(pipeline, tmp_path, shots))
    film = maker(pipeline, tmp_path, shots).assembled(PLAIN)
    layout = recorded_layout(film.record)
    assert layout.frames == len(film.frames) == 9
    takes = Takes(tmp_path / "takes").all
    for take, start in zip(takes, (0, 5), strict=True):
        part = slice(start, start + take.frames)
        own = {thing.boxes[-take.frames :] for thing in take.layout.things}
        assert own
        assert own <= {thing.boxes[part] for thing in layout.things}


def test_takes_say_how_like_their_pictures_entities_are(pipeline, tmp_path, monkeypatch):
    Image.fromarray(textured(1, 32, 32)[0]).save(tmp_path / "anna.png")
    cast = {"anna": {"kind": "animal", "description": "a dog", "pictures": ["anna.png"]}}
    for likeness, alike in ((0.9, True), (0.1, False), (None, False)):
        folder = tmp_path / str(likeness)
        monkeypatch.setattr(Verifier, "likeness", lambda *_, value=likeness: value)
        script = parse_script({"shots": [{"id": "a", "prompt": "@anna runs"}], "cast": cast})
        made(FilmMaker(pipeline, script, tmp_path, Takes(folder)))
        (take,) = Takes(folder).all
        assert [one.model_dump() for one in take.identity] == [
            {"name": "anna", "likeness": likeness, "alike": alike}
        ]


def test_a_killed_run_loses_one_take(pipeline, tmp_path):
    states = maker(pipeline, tmp_path).make(PLAIN)
    for shot, _, progress in states:
        if shot.id == "b" and progress.step == 1:
            break
    states.close()
    assert {take.shot for take in Takes(tmp_path / "takes").all} == {"a"}
    assert made(maker(pipeline, tmp_path)) == {("b", 1), ("c", 1)}


def test_single_shots(pipeline, tmp_path):
    with pytest.raises(InputError, match="shot b needs a"):
        made(maker(pipeline, tmp_path), ["b"])
    assert made(maker(pipeline, tmp_path), ["a"]) == {("a", 1)}
    assert maker(pipeline, tmp_path).missing() == ["b", "c"]
    with pytest.raises(InputError, match="shot b has no take"):
        maker(pipeline, tmp_path).assembled(PLAIN)
    with pytest.raises(InputError, match="no shot z"):
        made(maker(pipeline, tmp_path), ["z"])


def test_the_whole_is_enlarged_and_takes_stay_small(refining_model, tmp_path):
    pipeline = praxino.load(refining_model, device="cpu")
    assert made(maker(pipeline, tmp_path, enhance="space,time")) == {("a", 1), ("b", 1), ("c", 1)}
    film = maker(pipeline, tmp_path, enhance="space,time").assembled(PLAIN)
    assert film.frames.shape == (9 + 8 + 17, 64, 64, 3)
    assert film.fps == 16
    assert read_video(tmp_path / "takes/a-001.mp4").frames.shape == (5, 32, 32, 3)
    kept = (tmp_path / "takes/a-001-enlarged.safetensors").stat().st_mtime_ns
    again = maker(pipeline, tmp_path, enhance="space,time").assembled(PLAIN)
    assert np.array_equal(again.frames, film.frames)
    assert (tmp_path / "takes/a-001-enlarged.safetensors").stat().st_mtime_ns == kept
    assert made(maker(pipeline, tmp_path)) == set()
    assert maker(pipeline, tmp_path, enhance="space").assembled(PLAIN).frames.shape[1] == 64


def test_a_new_take_of_an_old_name_is_enlarged_anew(refining_model, tmp_path):
    pipeline = praxino.load(refining_model, device="cpu")
    shots = [{"id": "a", "prompt": "a cat"}]
    made(maker(pipeline, tmp_path, shots, enhance="space"))
    before = maker(pipeline, tmp_path, shots, enhance="space").assembled(PLAIN)
    (tmp_path / "takes/takes.json").unlink()
    other = [{"id": "a", "prompt": "a red ball", "seed": 9}]
    made(maker(pipeline, tmp_path, other, enhance="space"))
    after = maker(pipeline, tmp_path, other, enhance="space").assembled(PLAIN)
    assert not np.array_equal(after.frames, before.frames)


def test_a_model_without_a_refiner_enlarges_no_film(pipeline, tmp_path):
    with pytest.raises(InputError, match="tiny has no refiner"):
        maker(pipeline, tmp_path, enhance="space").check()


def test_takes_whose_files_are_gone_are_made_again(pipeline, tmp_path):
    made(maker(pipeline, tmp_path))
    (tmp_path / "takes" / "c-001.mp4").unlink()
    assert made(maker(pipeline, tmp_path)) == {("c", 2)}
    (tmp_path / "takes" / "takes.json").write_text("[{")
    with pytest.raises(MediaError, match=r"takes\.json cannot be read"):
        maker(pipeline, tmp_path)


def test_what_goes_on_is_not_encoded_again(pipeline, tmp_path, monkeypatch):
    made(maker(pipeline, tmp_path), ["a"])
    vae = type(pipeline.model.vae.load(pipeline.model.vae.stored))
    monkeypatch.setattr(vae, "encode", lambda *_, **__: pytest.fail("encoded"))
    assert made(maker(pipeline, tmp_path), ["b"]) == {("b", 1)}


def test_the_cast_comes_from_the_script_or_the_memory(pipeline, tmp_path):
    memory = Memory(Objects(str(tmp_path / "memory")))
    shots = [{"id": "a", "prompt": "@anna and @bob"}]
    with pytest.raises(InputError, match="shot a: nothing is called @bob"):
        maker(pipeline, tmp_path, shots, memory).check()
    memory.add("bob", description="a blue cat", kind="animal")
    film_maker = maker(pipeline, tmp_path, shots, memory)
    film_maker.check()
    assert made(film_maker) == {("a", 1)}
    with pytest.raises(InputError, match="nothing is called @eve"):
        maker(pipeline, tmp_path, [{"id": "a", "prompt": "x", "cast": ["eve"]}]).check()


def test_pictures_and_films_are_named_from_the_scripts_folder_on(pipeline, tmp_path):
    Image.fromarray(textured(1, 32, 32)[0]).save(tmp_path / "first.png")
    shots = [{"id": "a", "prompt": "a cat", "image": "first.png"}]
    first = maker(pipeline, tmp_path, shots)
    assert made(first) == {("a", 1)}
    Image.fromarray(textured(2, 32, 32)[1]).save(tmp_path / "first.png")
    assert made(maker(pipeline, tmp_path, shots)) == {("a", 2)}  # another picture, another take
    loop = [{"id": "a", "prompt": "a cat"}, {"id": "b", "prompt": "a", "task": {"task": "loop"}}]
    assert len(made(maker(pipeline, tmp_path, loop))) == 2


def test_errors_name_the_shot(pipeline, tmp_path):
    with pytest.raises(InputError, match="shot c: seconds=1"):
        maker(pipeline, tmp_path, [{"id": "c", "prompt": "a", "seconds": 1.3}]).check()
    late = {"id": "b", "prompt": "a", "image": "shot:a/9"}
    with pytest.raises(InputError, match="shot b: shot:a/9: that shot has 5 frames"):
        maker(pipeline, tmp_path, [SHOTS[0], late]).check()


def test_the_command_line_makes_and_signs_a_film(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setenv("PRAXINO_MEMORY", str(tmp_path / "memory"))
    path, film = tmp_path / "film.json", tmp_path / "film.mp4"
    path.write_text(json.dumps({"shots": SHOTS[:2], "cast": CAST, "model": str(tiny_model)}))
    run = lambda *words: CliRunner().invoke(cli.app, [str(word) for word in words])  # noqa: E731
    result = run("film", path, "-o", film)
    assert result.exit_code == 0, result.output
    assert "2 shots, 1.1 seconds" in result.output
    assert len(read_video(film).frames) == 9
    verification = verify(film)
    assert "a-001.mp4" in " ".join(verification.sentences)
    assert isinstance(run("film", path, "-o", film).exception, InputError)
    assert run("film", path, "-o", film, "--resume").exit_code == 0
    table = run("takes", path, "--reject", "b:1").stdout
    assert "b     1     rejected" in table
    assert isinstance(run("takes", path, "--keep", "b:x").exception, InputError)
    again = run("film", path, "-o", film, "--only", "b")
    assert again.exit_code == 0, again.output
    assert len(Takes(tmp_path / "film.takes").of("b")) == 2


def test_takes_stay_while_the_memory_grows(pipeline, tmp_path):
    memory = Memory(Objects(str(tmp_path / "store")))
    given, later = (kept_picture(one) for one in textured(2, 32, 32))
    memory.add("rex", [given], "animal", "a dog")
    shots = [{"id": "a", "prompt": "@rex runs"}]
    assert made(maker(pipeline, tmp_path, shots, memory)) == {("a", 1)}
    memory.add_generated("rex", later, "film")
    assert made(maker(pipeline, tmp_path, shots, memory)) == set()
    memory.add("rex", [kept_picture(textured(3, 32, 32)[2])], "animal")
    assert made(maker(pipeline, tmp_path, shots, memory)) == {("a", 2)}


def test_long_runs_are_kept_once(pipeline, tmp_path):
    shots = [{"id": str(n), "prompt": "a cat", "cut": n == 0} for n in range(4)]
    film_maker = maker(pipeline, tmp_path, shots)
    made(film_maker)
    taken = film_maker._taken()
    assert [len(taken[str(n)].run) for n in range(4)] == [5, 5, 13, 17]
    assert len(film_maker.assembled(PLAIN).frames) == 5 + 3 * 4


def test_a_shot_that_goes_on_ends_with_a_picture(pipeline, tmp_path):
    Image.fromarray(textured(1, 32, 32)[0]).save(tmp_path / "end.png")
    shots = [SHOTS[0], {"id": "b", "prompt": "a cat", "cut": False, "last": "end.png"}]
    film_maker = maker(pipeline, tmp_path, shots)
    made(film_maker)
    assert np.array_equal(film_maker.assembled(PLAIN).frames[-1], textured(1, 32, 32)[0])


def test_a_shot_has_pictures_of_its_own(tmp_path):
    tiny_models.with_slots(tmp_path / "model")
    pipeline = praxino.load(tmp_path / "model", device="cpu")
    for number, picture in enumerate(textured(2, 32, 32)):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    shots = [{"id": "a", "prompt": "@image1 and @image2", "references": ["0.png:animal", "1.png"]}]
    film_maker = maker(pipeline, tmp_path, shots)
    kinds = [(one.name, one.kind) for one in film_maker.references_of(film_maker.script.shots[0])]
    assert kinds == [("image1", "animal"), ("image2", "object")]
    assert film_maker.script.shots[0].files() == ["0.png", "1.png"]
    assert made(film_maker) == {("a", 1)}
    swapped = [shots[0] | {"references": ["1.png:animal", "0.png"]}]
    assert made(maker(pipeline, tmp_path, swapped)) == {("a", 2)}
    with pytest.raises(InputError, match="nothing is called @image3"):
        maker(pipeline, tmp_path, [shots[0] | {"prompt": "@image3"}]).check()
