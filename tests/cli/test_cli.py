"""The command line as its users meet it: what it writes, what it says, and every mistake in one
line.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from praxino.cli import generate, references
from praxino.errors import InputError
from praxino.generation.loading import find_model
from praxino.storage import files
from praxino.storage.media import video
from praxino.storage.media.frames import read_video


@pytest.fixture(name="here")
def _here(tmp_path, monkeypatch, tiny_model, tiny_reader):
    """A working folder with a good model, damaged ones, and files of all sorts."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model, "good")
    shutil.copytree(tiny_reader, "eye")
    for name, count in (("clips", 3), ("lonely", 1), ("bare", 0)):
        Path(name).mkdir()
        for i in range(count):
            pixels = np.full((4, 16, 16, 3), 60 * i, np.uint8)
            video.Video(pixels, 8.0).save(f"{name}/{i}.gif")
    for name in ("cut", "garbled", "empty"):
        shutil.copytree(tiny_model, name)
    weights = Path("cut/dit/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    Path("garbled/dit/model.safetensors").write_bytes(os.urandom(500))
    shutil.rmtree("empty/text")
    Path("text.txt").write_text("not a film")
    Path("void.mp4").touch()
    Path("folder.mp4").mkdir()
    Path("old").mkdir()
    Path("old/log.jsonl").write_text("{}")
    video.Video(np.zeros((1, 16, 16, 3), np.uint8), 1.0).save("plain.png")
    video.Video(np.zeros((1, 16, 16, 3), np.uint8), 1.0, {"prompt": "a", "negative": 5}).save(
        "odd.png"
    )
    video.Video(np.zeros((1, 16, 16, 3), np.uint8), 1.0, {"prompt": "a", "model": "mine"}).save(
        "mine.png"
    )
    Path("precious").mkdir()
    Path("precious/.step-by-step").mkdir()
    return tmp_path


G = ("generate", "a red ball", "--model", "good", "-q")
T = ("train", "smoke", "--vae", "good", "--set")
E = ("compare", "clips", "clips")
BAD = [
    ("frames not 4k+1", (*G, "--frames", "50"), "frames=50: must be 4k+1. hint: 49 or 53"),
    ("no frames", (*G, "--frames", "0"), "frames=0"),
    ("negative frames", (*G, "--frames", "-3"), "frames=-3"),
    ("frames not a number", (*G, "--frames", "many"), "Invalid value for '--frames'"),
    (
        "height does not divide",
        (*G, "--size", "32x30"),
        "height=30: must be a multiple of 16. hint: 16 or 32",
    ),
    ("width does not divide", (*G, "--size", "33x32"), "width=33: must be a multiple of 16"),
    ("size zero", (*G, "--size", "0x0"), "height=0"),
    ("size of one number", (*G, "--size", "64"), "size='64': must be WIDTHxHEIGHT. hint: 64x64"),
    ("size of words", (*G, "--size", "bigxbig"), "must be WIDTHxHEIGHT"),
    ("no steps", (*G, "--steps", "0"), "steps=0"),
    ("negative steps", (*G, "--steps", "-1"), "steps=-1"),
    ("endless steps", (*G, "--steps", "100000"), "steps=100000"),
    ("negative guidance", (*G, "--guidance", "-2"), "guidance=-2.0"),
    ("guidance nan", (*G, "--guidance", "nan"), "guidance=nan"),
    ("negative seed", (*G, "--seed", "-1"), "seed=-1"),
    ("seed too large", (*G, "--seed", str(2**70)), "seed="),
    ("no rate", (*G, "--fps", "0"), "fps=0.0"),
    (
        "unknown sampler",
        (*G, "--sampler", "dpmpp"),
        "unknown sampler 'dpmpp'. hint: did you mean ddpm",
    ),
    ("empty sentence", ("generate", "", "--model", "good"), "the sentence is empty"),
    ("blank sentence", ("generate", "  \t ", "--model", "good"), "the sentence is empty"),
    ("no sentence", ("generate", "--model", "good"), "no sentence. hint: praxino generate"),
    (
        "10,000 characters",
        ("generate", "x" * 10_000, "--model", "good"),
        "10000 characters: at most 2000",
    ),
    ("long negative", (*G, "--negative", "x" * 10_000), "negative has 10000 characters"),
    ("sentence not UTF-8", ("generate", "caf\udce9", "--model", "good"), "is not UTF-8"),
    ("unknown model", ("generate", "a cat", "--model", "dioramma"), "no model 'dioramma'"),
    ("folder without model", ("generate", "a cat", "--model", "old"), "config.json is missing"),
    ("cut-off weights", ("generate", "a cat", "--model", "cut"), "is damaged"),
    ("garbled weights", ("generate", "a cat", "--model", "garbled"), "is damaged"),
    ("missing part", ("generate", "a cat", "--model", "empty"), "config.json is missing"),
    ("unknown device", (*G, "--device", "gpu"), "unknown device 'gpu'"),
    ("unknown dtype", (*G, "--dtype", "float16"), "unknown dtype 'float16'"),
    ("no films", (*G, "--count", "0"), "count=0: must be from 1 to 10000"),
    ("endless films", (*G, "--count", "1000000000"), "count=1000000000: must be from 1"),
    (
        "seeds beyond the last",
        (*G, "--seed", str(2**63 - 1), "--count", "2"),
        "seed=9223372036854775808",
    ),
    ("endless size", (*G, "--size", "9" * 5000 + "x64"), "must be WIDTHxHEIGHT"),
    (
        "a name that becomes too long",
        (*G, "-o", "x" * 250 + ".mp4", "--count", "2"),
        "File name too long",
    ),
    (
        "a .gif that is too fast",
        (*G, "-o", "film.gif", "--fps", "60"),
        "at most 50 frames a second",
    ),
    ("model without a name", (*G[:2], "--model", ""), "no model ''"),
    ("unknown ending", (*G, "-o", "film.avi"), "unknown file ending '.avi'. hint:"),
    ("no ending", (*G, "-o", "film"), "unknown file ending 'film'"),
    ("film as picture", (*G, "-o", "film.png", "--frames", "5"), "a .png holds one frame, not 5"),
    (
        "missing folder",
        (*G, "-o", "nowhere/film.mp4"),
        "folder nowhere does not exist. hint: mkdir -p nowhere",
    ),
    ("output in a file", (*G, "-o", "text.txt/film.mp4"), "text.txt is a file, not a folder"),
    ("output is a folder", (*G, "-o", "folder.mp4"), "it is a folder"),
    (
        "unknown option",
        ("generate", "a cat", "--step", "3"),
        "unknown option '--step'. hint: did you mean --steps",
    ),
    ("option without its value", ("generate", "a cat", "--seed"), "requires an argument"),
    ("flag with a value", ("generate", "a cat", "--quiet=1"), "does not take a value"),
    ("endless name", (*G, "-o", "x" * 300 + ".mp4"), "File name too long"),
    ("endless model", ("generate", "a cat", "--model", "x" * 300), "File name too long"),
    (
        "more than fits in memory",
        (*G, "--frames", "99997", "--size", "16384x16384"),
        "GiB are free",
    ),
    ("unknown verb", ("generat", "a cat"), "did you mean generate"),
    ("like nothing", ("generate", "--like", "missing.mp4"), "no such file: missing.mp4"),
    ("like a plain picture", ("generate", "--like", "plain.png"), "holds no record"),
    (
        "like a record that is none",
        ("generate", "--like", "odd.png", "--model", "good"),
        "negative=5: must be a sentence",
    ),
    (
        "like a model elsewhere",
        ("generate", "--like", "mine.png"),
        "by a model 'mine' (weights unknown), not bundled",
    ),
    ("like a text", ("generate", "--like", "text.txt"), "cannot read text.txt"),
    ("noise of nothing", ("noise", "missing.png"), "no such file: missing.png"),
    ("noise of an empty file", ("noise", "void.mp4"), "void.mp4 is empty"),
    ("noise of a text", ("noise", "text.txt"), "cannot read text.txt"),
    ("noise of a folder", ("noise", "old"), "old is a folder"),
    (
        "noise beyond the end",
        ("noise", "plain.png", "--steps", "0,2000"),
        "step 2000: must be from 0 to 1000",
    ),
    (
        "noise steps not numbers",
        ("noise", "plain.png", "--steps", "few"),
        "must be numbers with commas",
    ),
    ("noise schedule", ("noise", "plain.png", "--schedule", "cosin"), "did you mean cosine"),
    (
        "unknown recipe",
        ("train", "diorama-65"),
        "unknown recipe 'diorama-65'. hint: did you mean diorama-64",
    ),
    ("unknown key", ("train", "smoke", "--set", "optimizer.lrr=1"), "did you mean optimizer.lr"),
    ("unknown group", ("train", "smoke", "--set", "optimiser.lr=1"), "did you mean optimizer.lr"),
    ("key without value", ("train", "smoke", "--set", "optimizer.lr"), "must be key=value"),
    (
        "value of the wrong type",
        ("train", "smoke", "--set", "loop.steps=soon"),
        "loop.steps='soon'",
    ),
    ("value out of range", ("train", "smoke", "--set", "optimizer.lr=-1"), "optimizer.lr=-1"),
    ("a run is there", ("train", "smoke", "-o", "old"), "old holds a run already. hint: --resume"),
    ("a file for a run", ("train", "smoke", "-o", "text.txt"), "text.txt is a file"),
    (
        "an autoencoder's autoencoder",
        ("train", "diorama-vae", "--vae", "good"),
        "diorama-vae does not use it",
    ),
    (
        "unknown sampler in a recipe",
        ("train", "smoke", "--set", "stage.bundle.sampler=foo"),
        "stage.bundle.sampler='foo'",
    ),
    ("heads that do not divide", ("train", "smoke", "--set", "stage.dit.heads=5"), "heads"),
    (
        "a bucket too large",
        ("train", "diorama-vae", "--set", "stage.size=32"),
        "does not fit clips of",
    ),
    ("no buckets", ("train", "diorama-vae", "--set", "stage.buckets=[]"), "stage.buckets=[]"),
    ("endless rate", ("train", "smoke", "--set", "optimizer.lr=Infinity"), "optimizer.lr=inf"),
    (
        "frames of a recipe",
        ("train", "smoke", "--vae", "good", "--set", "stage.bundle.frames=50"),
        "frames=50: must be 4k+1",
    ),
    (
        "more words than the model reads",
        ("generate", "red " * 70, "--model", "good"),
        "70 known words: at most 64",
    ),
    ("noise seed too large", ("noise", "plain.png", "--seed", str(2**70)), "--seed"),
    (
        "latents of another width",
        (*T, "stage.dit.channels=8"),
        "dit.channels 8, dit.out_channels 16: must be 16",
    ),
    (
        "text of another width",
        (*T, "stage.dit.text_width=64"),
        "dit.text_width 64 must be text.width 32",
    ),
    ("text heads", (*T, "stage.text.width=33"), "width 33 must be a multiple of heads 2"),
    ("odd features", (*T, "stage.dit.time_features=33"), "stage.dit.time_features=33"),
    ("no patch", (*T, "stage.dit.patch=[0,2,2]"), "stage.dit.patch"),
    ("no words", (*T, "stage.text.vocabulary=[]"), "stage.text.vocabulary=[]"),
    ("endless stage seed", (*T, f"stage.seed={2**70}"), "stage.seed="),
    ("endless loop seed", (*T, f"loop.seed={2**63 - 1}"), "loop.seed="),
    ("no time", ("train", "smoke", "--minutes", "0"), "minutes=0.0: must be above 0"),
    ("until nothing", ("train", "smoke", "--until", "0"), "--until"),
    (
        "a longer run whose rate falls",
        ("train", "smoke", "--until", "90"),
        "only a trunk (optimizer.decay=none)",
    ),
    (
        "a branch of nothing",
        ("train", "smoke", "--cooldown", "old/step-5"),
        "old/step-5 is no checkpoint of a run",
    ),
    ("footage for a film", ("train", "smoke", "--footage", "clips"), "smoke does not use it"),
    (
        "unknown arithmetic",
        ("train", "smoke", "--set", "loop.compute=float16"),
        "loop.compute='float16'",
    ),
    (
        "no colours",
        ("train", "diorama-vae", "--set", "stage.vae.channels=0"),
        "stage.vae.channels=0",
    ),
    (
        "one stage",
        ("train", "diorama-vae", "--set", "stage.vae.multipliers=[1]"),
        "stage.vae.multipliers",
    ),
    (
        "resume what is no run",
        ("train", "smoke", "--resume", "-o", "precious"),
        "precious holds no run to resume",
    ),
    ("evaluating nothing", ("evaluate",), "Missing argument"),
    ("one folder of two", ("compare", "clips"), "Missing argument"),
    (
        "unknown suite",
        ("evaluate", "good", "--suite", "dioram"),
        "unknown suite 'dioram'. hint: did you mean diorama",
    ),
    ("evaluating no model", ("evaluate", "nowhere"), "no model 'nowhere'"),
    (
        "evaluating a cut model",
        ("evaluate", "cut", "--reader", "eye"),
        "model.safetensors is damaged",
    ),
    ("no such reader", ("evaluate", "good", "--reader", "nowhere"), "no model at nowhere/reader"),
    (
        "an evaluation over a run",
        ("evaluate", "good", "--reader", "eye", "-o", "old"),
        "old is not a folder of an",
    ),
    ("no samples", ("evaluate", "good", "--samples", "0"), "--samples"),
    (
        "an empty folder",
        ("compare", "clips", "bare", "--reader", "eye"),
        "no films or pictures in bare",
    ),
    ("no folder", ("compare", "clips", "gone", "--reader", "eye"), "gone is not a folder"),
    ("one film", ("compare", "clips", "lonely", "--reader", "eye"), "lonely holds one film"),
    (
        "unknown features",
        (*E, "--features", "i4d"),
        "unknown features 'i4d'. hint: did you mean i3d",
    ),
    (
        "features without weights",
        (*E, "--features", "i3d"),
        "i3d needs its weights. hint: --weights i3d_torchscript.pt",
    ),
    ("weights for the reader", (*E, "--weights", "text.txt"), "--weights changes nothing here"),
    (
        "a reader for i3d",
        (*E, "--features", "i3d", "--reader", "eye"),
        "--reader changes nothing here",
    ),
    ("pages among films", (*E, "-o", "clips/out"), "lie one in the other"),
    ("pages in a model", (*E, "-o", "good"), "holds a suite or a model"),
    ("judging nowhere", ("evaluate", "good", "--reader", "eye", "--device", "tpu"), "tpu"),
    (
        "weights that are none",
        (*E, "--features", "i3d", "--weights", "text.txt"),
        "text.txt is not a TorchScript file",
    ),
    (
        "init from nothing",
        ("train", "smoke", "--vae", "good", "--init", "nowhere"),
        "no model 'nowhere'",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_a_mistake_is_one_line_and_nothing_is_written(praxino, here, arguments, message):
    before = sorted(path for path in here.rglob("*"))
    code, out, err = praxino(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("praxino: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(path for path in here.rglob("*")) == before


def test_resuming_by_another_name_is_an_error(praxino, here):
    run = (
        "train",
        "smoke",
        "-q",
        "--vae",
        "good",
        "--set",
        "stage.clips=4",
        "--set",
        "stage.batch=2",
    )
    assert praxino(*run, "--set", "loop.steps=1", "-o", "run")[0] == 0
    Path("run/.mine-old").mkdir()
    code, _, err = praxino("train", "diorama-vae", "--resume", "-o", "run")
    assert code == 2
    assert "run holds a run of smoke, not of diorama-vae. hint: praxino train smoke --resume" in err
    assert praxino("train", "smoke", "--resume", "-q", "-o", "run")[0] == 0
    assert Path("run/.mine-old").is_dir()


def test_a_failure_after_the_bar_is_still_one_line(praxino, here, room_for):
    with room_for(500):
        code, _, err = praxino("generate", "a red ball", "--model", "good", "-o", "film.mp4")
    assert code == 2
    assert err.startswith("praxino: error: cannot write film.mp4")
    assert err.count("\n") == 1


def test_a_folder_named_like_the_bundled_model_is_in_nobodys_way(praxino, here):
    Path("diorama").mkdir()
    assert find_model("diorama") != Path("diorama")
    assert praxino("generate", "a cat", "--model", "./diorama")[0] == 2


def test_a_folder_without_permission(praxino, here, monkeypatch):
    """Root may write anywhere, so the system's answer is put in its mouth."""
    Path("locked").mkdir()
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    code, _, err = praxino(*G, "-o", "locked/film.mp4")
    assert code == 2
    assert "no permission" in err


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif", "png"])
def test_a_disk_that_fills_up_while_writing(praxino, here, ending, room_for):
    target = Path(f"film.{ending}")
    target.write_text("old")
    before = sorted(here.iterdir())
    with room_for(500):
        code, _, err = praxino(*G, "-o", target)
    assert code == 2
    assert f"cannot write film.{ending}: " in err
    assert err.count("\n") == 1
    assert sorted(here.iterdir()) == before
    assert target.read_text() == "old"


def test_a_disk_that_fills_up_during_training_keeps_the_last_checkpoint(praxino, here, room_for):
    run = (
        "train",
        "smoke",
        "-q",
        "--vae",
        "good",
        "--set",
        "stage.clips=4",
        "--set",
        "stage.batch=2",
    )
    assert praxino(*run, "--set", "loop.steps=1", "-o", "run")[0] == 0
    kept = sorted(Path("run").glob("final/*/*"))
    for size in (500, 40_000):  # the latents do not fit; the weights do not
        shutil.rmtree("again", ignore_errors=True)
        for latents in here.glob("latents-*"):
            shutil.rmtree(latents)
        with room_for(size):
            code, _, err = praxino(*run, "-o", "again")
        assert code == 2
        assert err.count("\n") == 1
        assert "cannot write" in err
        assert not list(Path("again").glob("step-*"))
    assert kept == sorted(Path("run").glob("final/*/*"))


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif", "png"])
def test_a_sentence_becomes_a_file(praxino, here, ending):
    code, out, err = praxino("generate", "a red ball", "--model", "good", "-o", f"film.{ending}")
    assert (code, out) == (0, "")
    assert f"wrote film.{ending}" in err
    made = read_video(f"film.{ending}")
    assert made.frames.shape == (1 if ending == "png" else 5, 32, 32, 3)
    assert made.record["prompt"] == "a red ball"


def test_a_word_it_does_not_know_is_named_once_with_near_ones(praxino, here):
    _, _, err = praxino("generate", "a red bal", "--model", "good")
    assert err.count("the model does not know 'bal' (near: ball") == 1


def test_the_same_seed_is_the_same_pixels_and_unsigned_the_same_bytes(praxino, here):
    for name in ("a.mp4", "b.mp4"):
        praxino(*G, "--seed", "3", "-o", name)
        praxino(*G, "--seed", "3", "--no-credentials", "-o", f"unsigned-{name}")
    assert np.array_equal(read_video("a.mp4").frames, read_video("b.mp4").frames)
    assert Path("unsigned-a.mp4").read_bytes() == Path("unsigned-b.mp4").read_bytes()


def test_like_remakes_the_file_and_flags_change_it(praxino, here):
    praxino(
        *G, "--seed", "3", "--steps", "2", "--negative", "a cat", "--size", "48x32", "-o", "a.mp4"
    )
    code, _, _ = praxino("generate", "--like", "a.mp4", "--model", "good", "-q", "-o", "b.mp4")
    assert code == 0
    assert np.array_equal(read_video("a.mp4").frames, read_video("b.mp4").frames)
    assert read_video("a.mp4").record == read_video("b.mp4").record
    praxino("generate", "--like", "a.mp4", "--model", "good", "-q", "--seed", "4", "-o", "c.mp4")
    changed = read_video("c.mp4").record
    assert changed == read_video("a.mp4").record | {"seed": 4}


def test_other_weights_are_noted(praxino, here):
    praxino(*G, "-o", "a.mp4")
    config = Path("good/config.json")
    config.write_text(
        config.read_text().replace('"fps": 8.0', '"fps": 7.0').replace('"fps":8.0', '"fps":7.0')
    )
    _, _, err = praxino("generate", "--like", "a.mp4", "--model", "good", "-o", "b.mp4")
    assert "made by other weights" in err
    Path("tiny").symlink_to("good")
    code, _, err = praxino("generate", "--like", "a.mp4", "-o", "c.mp4")
    assert code == 2
    assert "the model of that name here has" in err


def test_counting_films(praxino, here):
    praxino(*G, "--count", "3", "--seed", "5", "-o", "f.mp4")
    made = [read_video(f"f-00{n}.mp4").record["seed"] for n in (1, 2, 3)]
    assert made == [5, 6, 7]
    assert not Path("f.mp4").exists()


def test_unknown_words_are_named_with_near_ones(praxino, here):
    _, _, err = praxino("generate", "a red baal on Mars", "--model", "good")
    assert "does not know 'baal' (near: ball" in err
    assert "does not know 'mars'" in err


def test_quiet_says_nothing(praxino, here):
    assert praxino(*G) == (0, "", "")


def test_ctrl_c_leaves_no_half_file(praxino, here, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setitem(video.WRITERS, ".mp4", interrupted)
    before = sorted(here.iterdir())
    code, _, err = praxino(*G)
    assert (code, err) == (130, "")
    assert sorted(here.iterdir()) == before


def test_noise_of_a_picture_and_of_a_film(praxino, here):
    assert praxino("noise", "plain.png", "-o", "strip.png")[0] == 0
    assert read_video("strip.png").frames.shape == (1, 16, 64, 3)
    praxino(*G, "-o", "film.mp4")
    assert praxino("noise", "film.mp4", "-o", "strip.mp4", "--steps", "0,500")[0] == 0
    assert read_video("strip.mp4").frames.shape == (5, 32, 64, 3)


def test_training_writes_a_model_that_generates(praxino, here):
    code, _, err = praxino(
        "train", "smoke", "--vae", "good", "--set", "loop.steps=4", "-o", "runs/mine"
    )
    assert code == 0
    assert "wrote runs/mine/final" in err
    assert praxino("generate", "a cat", "--model", "runs/mine/final", "-q")[0] == 0
    code, _, err = praxino(
        "train", "smoke", "--vae", "good", "--set", "loop.steps=4", "-o", "runs/mine"
    )
    assert "holds a run already" in err


def test_doctor_says_what_is_there(praxino):
    code, out, _ = praxino("doctor")
    assert code == 0
    for name in ("python", "torch", "gpu", "memory", "codecs", "models"):
        assert name in out
    assert "FAILED" not in out


def test_version(praxino):
    code, out, _ = praxino("--version")
    assert code == 0
    assert out.startswith("praxino 0.")


def test_arguments_that_are_not_utf8_from_a_real_shell(here):
    run = subprocess.run(
        [sys.executable.encode(), b"-m", b"praxino", b"generate", b"caf\xe9"], capture_output=True
    )
    assert run.returncode == 2
    assert b"is not UTF-8" in run.stderr
    assert run.stderr.count(b"\n") == 1


def test_evaluating_a_model_prints_a_table_and_goes_on_where_it_stopped(praxino, here):
    ask = ("evaluate", "good", "--reader", "eye", "-o", "ev")
    code, out, err = praxino(*ask, "--samples", 2)
    assert code == 0, err
    assert "autoencoder" in out
    assert "motion" in out
    assert "wrote ev/index.html" in err
    first = Path("ev/rows.jsonl").read_text()
    code, out, err = praxino(*ask, "--samples", 3, "--json", "-q")
    assert (code, err) == (0, "")
    assert json.loads(out)["films"] == 3 == len(list(Path("ev/strips").glob("*-model.png")))
    assert Path("ev/rows.jsonl").read_text().startswith(first)
    Path("ev/rows.jsonl").write_text("{broken\n" + first)
    code, out, err = praxino(*ask, "--samples", 3)
    assert code == 2
    assert "line 1 of ev/rows.jsonl is damaged" in err
    code, out, err = praxino(*ask, "--suite", "rare")
    assert code == 2
    assert "ev holds an evaluation of other weights, another suite" in err


def test_comparing_two_folders(praxino, here):
    Path("clips/broken.mp4").write_bytes(b"12345")
    code, out, err = praxino("compare", "clips", "clips", "--reader", "eye", "-o", "out")
    assert code == 0, err
    assert "skipped clips/broken.mp4: cannot read" in err
    assert "1 of 4 files skipped" in out
    assert "3 samples for 32 dimensions" in out
    assert Path("out/index.html").exists()
    code, out, err = praxino("compare", "clips", "clips", "--reader", "eye", "--json", "-q")
    assert json.loads(out)["distances"]["frechet"]["fake"] == pytest.approx(0, abs=1e-6)


@pytest.fixture(scope="module", name="wan")
def _wan(wan_folder):
    """A tiny text-to-video model of the Wan family, as diffusers saves it."""
    return wan_folder("t2v")


def test_a_film_of_a_foreign_model(praxino, wan, tmp_path):
    film = tmp_path / "film.mp4"
    small = ("--steps", 2, "--frames", 5, "--size", "64x64")
    code, out, err = praxino("generate", "a red ball", "--model", wan, *small, "-o", film)
    assert (code, out) == (0, "")
    assert "5 frames, 64x64" in err
    again = tmp_path / "again.mp4"
    assert praxino("generate", "--like", film, "-o", again, "-q")[0] == 0
    assert np.array_equal(read_video(film).frames, read_video(again).frames)


def test_a_film_that_begins_with_a_picture(praxino, tiny_model, tmp_path):
    picture, film = tmp_path / "first.png", tmp_path / "film.mp4"
    assert praxino("generate", "a cat", "--model", tiny_model, "-o", picture, "-q")[0] == 0
    assert (
        praxino("generate", "a cat", "--model", tiny_model, "--image", picture, "-o", film, "-q")[0]
        == 0
    )
    assert read_video(film).record["image"] == str(picture)
    code, _, err = praxino(
        "generate", "a cat", "--image", tmp_path / "none.png", "--model", tiny_model, "-o", film
    )
    assert code == 2
    assert "no such file" in err


def test_previews_while_a_film_forms(praxino, tiny_model, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        video, "write_picture", lambda path, pixels: written.append((path.name, pixels.shape))
    )
    assert (
        praxino(
            "generate",
            "a cat",
            "--model",
            tiny_model,
            "--steps",
            6,
            "--preview",
            2,
            "-o",
            tmp_path / "a.mp4",
            "-q",
        )[0]
        == 0
    )
    assert written == [("a.preview.png", (32, 160, 3))] * 2


def test_stopping_keeps_what_there_is(praxino, tiny_model, tmp_path, monkeypatch):
    def stopped(state, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "_write_preview", stopped)
    film = tmp_path / "film.mp4"
    code, _, err = praxino(
        "generate", "a cat", "--model", tiny_model, "--steps", 6, "--preview", 2, "-o", film
    )
    assert code == 130
    assert "stopped at step 2 of 6" in err
    assert read_video(film).record["stopped"] == 2


@pytest.mark.parametrize(
    "what", ["folder", "transformer", "vae", "text_encoder", "lora", "bundled"]
)
def test_inspect_says_what_a_checkpoint_is(praxino, wan, tmp_path, what):
    lora = tmp_path / "lora.safetensors"
    stem = "diffusion_model.blocks.0.self_attn.q"
    save_file(
        {f"{stem}.lora_A.weight": torch.zeros(4, 48), f"{stem}.lora_B.weight": torch.zeros(48, 4)},
        lora,
    )
    path = {"folder": wan, "lora": lora, "bundled": "diorama"}.get(what, wan / what)
    code, out, _ = praxino("inspect", path)
    assert code == 0
    said = {
        "folder": "Wan, layout of diffusers",
        "transformer": "a transformer of the Wan family, names of diffusers",
        "vae": "an autoencoder of the Wan family, names of diffusers",
        "text_encoder": "an UMT5 text encoder, names of transformers",
        "lora": "1 pairs, rank 4",
        "bundled": "7.0 million parameters",
    }
    assert said[what] in out


def test_plan_prints_what_a_film_needs(praxino, wan, tiny_model, monkeypatch):
    small = ("--frames", 5, "--size", "64x64", "--dtype", "float32")
    code, out, _ = praxino("plan", wan, *small)
    assert code == 0
    assert out.startswith("5 frames, 64x64, 50 steps")
    assert [line.split()[0] for line in out.splitlines()[1:5]] == [
        "stage",
        "text",
        "denoise",
        "decode",
    ]
    monkeypatch.setattr("praxino.generation.plan.free_memory", lambda device: 2**20)
    code, out, err = praxino("plan", tiny_model)
    assert code == 2
    assert "DOES NOT FIT" in out
    assert "GiB are free" in err


def test_a_damaged_foreign_model_is_one_line(praxino, wan, tmp_path):
    folder = shutil.copytree(wan, tmp_path / "broken")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut")
    code, _, err = praxino("generate", "a cat", "--model", folder, "-o", tmp_path / "x.mp4")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "is damaged" in err
    assert not (tmp_path / "x.mp4").exists()


def test_a_kind_of_reference_that_is_misspelt(tmp_path):
    picture = tmp_path / "cat.png"
    picture.touch()
    with pytest.raises(InputError, match=r"'anmal'. hint: did you mean animal"):
        references.parse_references([f"{picture}:anmal"])
    ends, (reference,) = references.parse_references([f"{picture}:animal"])
    assert (ends, reference.kind) == ({}, "animal")
