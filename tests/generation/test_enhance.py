"""Films made larger and faster: their shape, record and ends, and what is refused."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import praxino
from praxino.cli import app as cli
from praxino.edits import Enhance, Extend
from praxino.errors import InputError
from praxino.provenance.policy import Provenance
from praxino.references import Reference
from praxino.storage.media.frames import read_video
from support.footage import textured, write

PLAIN = Provenance(watermark=False, credentials=False)


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(refining_model):
    return praxino.load(refining_model, device="cpu")


@pytest.mark.parametrize(
    ("enhance", "shape", "fps"),
    [
        ("off", (5, 32, 32), 8),
        ("space", (5, 64, 64), 8),
        ("time", (9, 32, 32), 16),
        ("space,time", (9, 64, 64), 16),
    ],
)
def test_the_film_has_the_shape_that_its_request_says(pipeline, enhance, shape, fps):
    states = list(pipeline.stream("a dog", PLAIN, enhance=enhance, seed=1))
    film = states[-1].video
    assert (film.frames.shape[:3], film.fps) == (shape, fps)
    assert pipeline.request("a dog", enhance=enhance).result == (*shape, fps)
    axes = 0 if enhance == "off" else len(enhance.split(","))
    assert [state.step for state in states] == list(range(1, 3 + 6 * axes + 1))
    assert {state.steps for state in states} == {3 + 6 * axes}
    assert film.record["enhance"] == enhance


def test_the_same_seed_makes_the_same_film_and_another_way_of_stopping_keeps_the_small_one(
    pipeline,
):
    one, other = (pipeline.generate("a dog", PLAIN, enhance="space", seed=3) for _ in range(2))
    assert np.array_equal(one.frames, other.frames)
    states = pipeline.stream("a dog", PLAIN, enhance="space,time", seed=3)
    half = next(state for state in states if state.step == 5)
    stopped = half.finish()
    small = pipeline.generate("a dog", PLAIN, seed=3)
    assert np.array_equal(stopped.frames, small.frames)
    assert (stopped.fps, stopped.record["stopped"]) == (8, 5)
    assert np.array_equal(half.preview(), small.frames)


def test_given_pictures_come_back_in_the_large_film(pipeline, tmp_path):
    pixels = textured(1, 64, 64)[0]
    Image.fromarray(pixels).save(tmp_path / "first.png")
    film = pipeline.generate("a dog", PLAIN, image=str(tmp_path / "first.png"), enhance="space")
    assert np.array_equal(film.frames[0], pixels)


def test_pictures_of_entities_reach_the_refiner(pipeline, tmp_path):
    Image.fromarray(textured(1, 32, 32)[0]).save(tmp_path / "rex.png")

    def film(strength):
        rex = Reference(name="rex", pictures=(str(tmp_path / "rex.png"),), strength=strength)
        return pipeline.generate(
            "@rex", PLAIN, references=(rex,), edit=Enhance(video=str(tmp_path / "a.mp4"))
        )

    write(tmp_path / "a.mp4", textured(5, 32, 32), 8)
    assert not np.array_equal(film(1.0).frames, film(0.001).frames)


def test_a_film_that_is_there_is_enlarged_in_its_own_shape(pipeline, tmp_path):
    write(tmp_path / "a.mp4", textured(6, 48, 64), 12)
    film = pipeline.generate("a dog", PLAIN, edit=Enhance(video=str(tmp_path / "a.mp4")))
    assert (film.frames.shape[:3], film.fps) == ((6, 96, 128), 12)
    both = pipeline.generate(
        "a dog", PLAIN, edit=Enhance(video=str(tmp_path / "a.mp4")), enhance="space,time"
    )
    assert (both.frames.shape[:3], both.fps) == ((11, 96, 128), 24)


def test_an_edit_is_enlarged_too(pipeline, tmp_path):
    write(tmp_path / "a.mp4", textured(9, 32, 32), 8)
    film = pipeline.generate(
        "a dog", PLAIN, edit=Extend(video=str(tmp_path / "a.mp4"), context=1), enhance="space"
    )
    small = pipeline.generate("a dog", PLAIN, edit=Extend(video=str(tmp_path / "a.mp4"), context=1))
    assert film.frames.shape == (len(small.frames), 64, 64, 3)


def test_a_loop_stays_one(pipeline):
    from praxino.edits import Loop

    small = pipeline.generate("a dog", PLAIN, edit=Loop())
    fast = pipeline.generate("a dog", PLAIN, edit=Loop(), enhance="time")
    assert len(fast.frames) == 2 * len(small.frames)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"enhance": "larger"}, "enhance"),
        ({"enhance": "time", "frames": 1}, "one frame"),
        ({"enhance": "off", "edit": Enhance(video="a.mp4")}, "nothing is left"),
    ],
)
def test_what_cannot_be_enlarged_is_refused(pipeline, tmp_path, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.mp4", textured(5, 32, 32), 8)
    with pytest.raises(InputError, match=message):
        pipeline.request("a dog", **settings)


def test_a_model_without_a_refiner_says_so(tiny_model, tmp_path):
    plain = praxino.load(tiny_model, device="cpu")
    with pytest.raises(InputError, match="tiny has no refiner"):
        plain.request("a dog", enhance="space")
    write(tmp_path / "a.mp4", textured(5, 32, 32), 8)
    with pytest.raises(InputError, match="cannot enhance a film"):
        plain.request("a dog", edit=Enhance(video=str(tmp_path / "a.mp4")))


def test_the_command_takes_the_sentence_of_the_record(refining_model, tmp_path):
    def run(*words):
        return CliRunner().invoke(cli.app, [*map(str, words), "--model", str(refining_model)])

    draft, large = tmp_path / "draft.mp4", tmp_path / "large.mp4"
    assert run("generate", "a red ball bounces", "-o", draft).exit_code == 0
    result = run("enhance", draft, "--axes", "space,time", "-o", large)
    assert result.exit_code == 0, result.output
    film = read_video(large)
    assert (film.frames.shape, film.fps) == ((9, 64, 64, 3), 16)
    assert film.record["prompt"] == "a red ball bounces"
    write(tmp_path / "foreign.mp4", textured(5, 32, 32), 8)
    refused = run("enhance", tmp_path / "foreign.mp4", "-o", large)
    assert "no record of what it shows" in str(refused.exception)
    assert run("enhance", tmp_path / "foreign.mp4", "a dog", "-o", large).exit_code == 0
