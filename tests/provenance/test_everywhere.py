"""Every public way to write a film: each file is signed, each that a model made is marked, unless
that was refused.
"""

import inspect
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import praxino
from praxino.cli import app as cli
from praxino.errors import InputError
from praxino.generation import live
from praxino.generation.pipeline import Pipeline
from praxino.provenance import keys
from praxino.provenance.verify import verify
from praxino.storage.media.frames import read_video
from praxino.storage.media.video import Video
from support.footage import textured, write

PROMPT = "a red ball bounces"
EDITS = {"extend", "join", "loop", "retake", "inpaint", "outpaint", "restyle", "enhance"}
"""One way to the file, walked for four of them."""
WRITE = {"generate", "live", "noise", "film", *EDITS}
"""The verbs that write films; all others write tables, pages, weights, and drawings of boxes."""
READ = {
    "layout",
    "takes",
    "recaption",
    "train",
    "evaluate",
    "compare",
    "plan",
    "cost",
    "detect",
    "verify",
    "inspect",
    "doctor",
}
SERVE = {"serve", "worker", "bot"}
"""Those that do what others ask for: tests/service walks what comes out of them."""
STAMP = {"stamp"}
"""Walked in `test_stamp`."""
CUT = {"curate", "export"}
"""Write films of others, drawings of a program, and copies of films that bear their mark already:
nothing is generated here.
"""


@pytest.fixture(scope="module", name="model")
def _model():
    return praxino.load(device="cpu")


@pytest.fixture(name="run")
def _run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        result = CliRunner().invoke(cli.app, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
        return result

    return run


def whole(path, marked=True):
    said = verify(path)
    assert said.outcome == "signed", said.sentences
    assert said.credentials.own
    assert said.mark.found is marked
    if marked:
        assert said.agree
        assert said.mark.own
    return said


def test_no_verb_is_forgotten():
    verbs = {command.callback.__name__ for command in cli.app.registered_commands}
    assert verbs == WRITE | READ | SERVE | STAMP | CUT


def test_no_method_is_forgotten():
    """Whatever of the pipeline returns or yields films is walked below."""
    films = {
        name
        for name, method in inspect.getmembers(Pipeline, inspect.isfunction)
        if any(
            kind in str(inspect.signature(method).return_annotation)
            for kind in ("Video", "Progress")
        )
    }
    assert films == {"generate", "stream", "run"}


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif"])
def test_python_in_every_format(model, tmp_path, ending):
    model.generate(PROMPT, steps=2).save(tmp_path / f"a.{ending}")
    whole(tmp_path / f"a.{ending}")


def test_films_without_end(model, run, tmp_path):
    request = model.request(PROMPT, steps=2)
    live.save(live.live(model, [request, request]), tmp_path / "a.mp4")
    whole(tmp_path / "a.mp4")
    chunk = next(live.live(model, [request]))
    Video(chunk.frames, 8.0).save(tmp_path / "chunk.mp4")
    assert verify(tmp_path / "chunk.mp4").mark.own
    assert model.generate(PROMPT, steps=2, frames=25).save(tmp_path / "b.mp4")
    whole(tmp_path / "b.mp4")
    run("live", PROMPT, "--steps", 1, "--seconds", 1, "-o", "c.mp4", "--no-watermark")
    whole(tmp_path / "c.mp4", marked=False)


def test_a_picture(model, tmp_path):
    model.generate("a purple sun over a green sea", frames=1).save(tmp_path / "a.png")
    whole(tmp_path / "a.png")


def test_a_stream_its_previews_and_what_is_kept_of_it(model, tmp_path):
    for state in model.stream(PROMPT, steps=3):
        if state.step == 2:
            kept, sketch = state.finish(), state.preview()
    kept.save(tmp_path / "kept.mp4")
    assert whole(tmp_path / "kept.mp4").path
    assert kept.record["stopped"] == 2
    assert np.array_equal(sketch, kept.frames)
    state.video.save(tmp_path / "a.mp4")
    whole(tmp_path / "a.mp4")


def test_a_complete_request(model, tmp_path):
    *_, last = model.run(model.request(PROMPT, steps=2))
    last.finish().save(tmp_path / "a.mp4")
    whole(tmp_path / "a.mp4")


def test_the_command_line(run, tmp_path):
    run("generate", PROMPT, "--steps", "2", "--count", "2", "-o", "a.mp4")
    for path in ("a-001.mp4", "a-002.mp4"):
        whole(tmp_path / path)
    run("generate", "--like", "a-001.mp4", "-o", "again.mp4")
    whole(tmp_path / "again.mp4")
    assert np.array_equal(read_video("a-001.mp4").frames, read_video("again.mp4").frames)
    run("noise", "again.mp4", "-o", "noise.png")
    said = whole(tmp_path / "noise.png", marked=False)
    assert said.credentials.ingredients == ("again.mp4",)
    assert said.credentials.source == ""
    run("noise", "again.mp4", "-o", "noise.png", "--no-credentials")
    assert verify(tmp_path / "noise.png").outcome == "nothing"
    assert read_video("noise.png").record["credentials"] is False


def test_films_made_from_films(run, refining_model, tmp_path):
    run("generate", PROMPT, "--steps", "2", "-o", "a.mp4")
    textured_film = write(tmp_path / "other.mp4", textured(17, 64, 64), 8)
    for verb, *options in (
        ("extend", "a.mp4", PROMPT),
        ("extend", textured_film.name, PROMPT),
        ("inpaint", "a.mp4", PROMPT, "--box", "0.25,0.25,0.75,0.75"),
        ("loop", PROMPT),
    ):
        run(verb, *options, "--seed", "3", "-o", "b.mp4")
        sources = tuple(name for name in options if name.endswith(".mp4"))
        assert whole(tmp_path / "b.mp4").credentials.ingredients == sources
    run("generate", "--like", "b.mp4", "-o", "again.mp4")
    whole(tmp_path / "again.mp4")
    run("enhance", "a.mp4", "--model", refining_model, "-o", "large.mp4")
    assert whole(tmp_path / "large.mp4").credentials.ingredients == ("a.mp4",)


def test_a_film_of_shots_and_its_takes(run, tmp_path):
    shots = [{"id": "a", "prompt": PROMPT}, {"id": "b", "prompt": PROMPT, "cut": False}]
    (tmp_path / "film.json").write_text(json.dumps({"steps": 2, "shots": shots}))
    run("film", "film.json", "-o", "film.mp4")
    assert whole(tmp_path / "film.mp4").credentials.ingredients == ("a-001.mp4", "b-001.mp4")
    whole(tmp_path / "film.takes" / "a-001.mp4")
    assert whole(tmp_path / "film.takes" / "b-001.mp4").credentials.ingredients == ("a-001.mp4",)
    run("film", "film.json", "-o", "bare.mp4", "--resume", "--no-watermark", "--no-credentials")
    assert verify(tmp_path / "bare.mp4").outcome == "nothing"


def test_refusing_is_explicit_said_and_recorded(run, tmp_path):
    said = run(
        "generate",
        PROMPT,
        "--steps",
        "2",
        "--no-watermark",
        "--no-credentials",
        "-o",
        "a.mp4",
        "-q",
    ).stderr
    assert "no watermark, as asked" in said
    assert "no credentials, as asked" in said
    assert verify(tmp_path / "a.mp4").outcome == "nothing"
    record = read_video("a.mp4").record
    assert record["watermark"] is False
    assert record["credentials"] is False
    run("generate", "--like", "a.mp4", "-o", "b.mp4")
    whole(tmp_path / "b.mp4")


def test_what_is_taken_from_a_record_can_be_refused(run):
    run("generate", PROMPT, "--steps", "2", "--noise-mark", "-o", "a.mp4")
    run("generate", "--like", "a.mp4", "-o", "b.mp4")
    assert np.array_equal(read_video("a.mp4").frames, read_video("b.mp4").frames)
    run("generate", "--like", "a.mp4", "--no-noise-mark", "-o", "c.mp4")
    assert [read_video(name).record["noise_mark"] for name in ("a.mp4", "b.mp4", "c.mp4")] == [
        True,
        True,
        False,
    ]


def test_what_cannot_be_signed_is_said_before_the_work(model, tmp_path, monkeypatch):
    monkeypatch.setenv(keys.FOLDER, str(tmp_path))
    (tmp_path / "provenance.toml").write_text('chain = "nowhere.pem"\nkey = "nowhere.pem"')
    monkeypatch.setattr(Pipeline, "text", None)
    with pytest.raises(InputError, match=r"nowhere\.pem"):
        model.generate(PROMPT)


def test_only_the_mark_or_only_the_signature(model, tmp_path):
    model.generate(PROMPT, praxino.Provenance(credentials=False), steps=2).save(
        tmp_path / "marked.mp4"
    )
    assert verify(tmp_path / "marked.mp4").outcome == "marked"
    model.generate(PROMPT, praxino.Provenance(watermark=False), steps=2).save(
        tmp_path / "signed.mp4"
    )
    said = verify(tmp_path / "signed.mp4")
    assert (said.outcome, said.mark.found, said.agree) == ("signed", False, None)


def test_the_same_seed_is_the_same_pixels_with_a_mark_and_without(model):
    ways = (praxino.Provenance(), praxino.Provenance(watermark=False))
    first, second = (
        [model.generate(PROMPT, way, seed=4, steps=2).frames for way in ways] for _ in range(2)
    )
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
    marked, unmarked = first
    assert 0 < np.abs(marked.astype(int) - unmarked).max() < 24


def test_a_policy_is_a_value(caplog):
    """Making one says nothing; what is opted out of is said when a film is made."""
    assert praxino.Provenance(watermark=False, credentials=False) == praxino.Provenance(
        False, False
    )
    assert not caplog.records
