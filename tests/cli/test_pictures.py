"""``praxino generate`` with a model of 2021."""

import pytest
from PIL import Image

from praxino.cli import app
from support.tiny_adm import published
from support.tiny_clip import tiny_clip


@pytest.fixture(name="files")
def _files(monkeypatch, tmp_path):
    return published(monkeypatch, tmp_path)


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["praxino", "generate", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code, capsys.readouterr()


def test_the_notebooks_way_is_one_line(files, tmp_path, monkeypatch, capsys):
    pytest.importorskip("transformers")
    words = tiny_clip(tmp_path / "words")
    code, _ = run(
        monkeypatch, capsys, "a red ball", "--model", files["plain"], "--clip", words, "--steps",
        6, "--seed", 2, "--count", 2, "--set", "cuts=2", "--set", "gradient=estimate", "-o",
        tmp_path / "out.png", "-q",
    )  # fmt: skip
    assert code == 0
    for name in ("out-001.png", "out-002.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (16, 16)


@pytest.mark.parametrize(
    ("name", "does"),
    [
        ("plain", "draws pictures of 16 pixels a side, told no classes"),
        ("classes", "told one of 10 classes"),
        ("upsampler", "to 32 pixels a side"),
        ("classifier", "tells 10 classes apart"),
    ],
)
def test_inspect_says_which_one_a_file_is(files, monkeypatch, capsys, name, does):
    monkeypatch.setattr("sys.argv", ["praxino", "inspect", str(files[name])])
    with pytest.raises(SystemExit) as ended:
        app.main()
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"{name}, a " in said
    assert does in said
    assert "linear, 1000 steps" in said


@pytest.mark.parametrize(
    ("model", "words", "problem"),
    [
        ("plain", ["a dog"], "knows no words"),
        ("classes", ["--frames", "5", "--label", "1"], "--frames: a model of 2021 has no use"),
        ("classes", ["--label", "99"], "classes are 0 to 9"),
        ("plain", ["--set", "cuts"], "must be NAME=VALUE"),
        ("plain", ["--set", "cutz=3"], "did you mean cuts"),
        ("plain", ["--set", "cuts=many"], "cuts=many"),
        ("plain", ["--set", "seed=3"], "unknown setting"),
        ("plain", ["--count", "0"], "count=0"),
        ("plain", ["--guidance-2", "3"], "--guidance-2: a model of 2021 has no use"),
        ("plain", ["--set", "gradient=sideways"], "gradient=sideways"),
        ("plain", ["--steps", "5000"], "steps=5000"),
        ("plain", ["--clip", "nowhere"], "nowhere is no folder"),
        ("classifier", [], "a classifier"),
        (None, ["--label", "3"], "which model is to be guided?"),
    ],
)
def test_what_cannot_be_is_one_line(files, tmp_path, monkeypatch, capsys, model, words, problem):
    chosen = ["--model", files[model]] if model else []
    code, said = run(monkeypatch, capsys, *chosen, *words, "-o", tmp_path / "out.png")
    assert code == 2
    assert problem in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not (tmp_path / "out.png").exists()
