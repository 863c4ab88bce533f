"""``praxino export``: what it writes, and what it refuses in one line."""

import json

import pytest

from praxino.cli import app


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["praxino", "export", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code, capsys.readouterr()


def test_processes_change_nothing(tmp_path, monkeypatch, capsys):
    trees = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        code, _ = run(
            monkeypatch, capsys, "diorama", "-o", folder, "--count", 3, "--frames", 3, "--size",
            "96x64", "--processes", processes, "-q",
        )  # fmt: skip
        assert code == 0
        trees.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*")})
    assert trees[0] == trees[1]
    tree = json.loads((tmp_path / "1/annotations/instances_train.json").read_text())
    assert len(tree["images"]) == 9


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--count", 0], "count=0"),
        (["--count", 10**9], "count=1000000000"),
        (["--format", "cocoo"], "did you mean coco"),
        (["--size", "8x8"], "sides are from 16"),
        (["--size", "large"], "must be WIDTHxHEIGHT"),
        (["--part", "tain"], "did you mean train"),
        (["--frames", 0], "--frames"),
        (["--frames", 1, "--format", "kitti-flow"], "nothing flows"),
        (["--size", "65x65", "--format", "webdataset"], "even sides"),
        (["--fps", "nan"], "--fps"),
        (["--seed", 10**30], "--seed"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, monkeypatch, capsys, words, problem):
    code, said = run(monkeypatch, capsys, "diorama", "-o", tmp_path / "out", *words)
    assert code == 2
    assert problem in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_and_a_film_without_layout_are_refused(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    code, said = run(monkeypatch, capsys, "diorama", "-o", tmp_path / "full")
    assert (code, "is not empty" in said.err) == (2, True)
    monkeypatch.chdir(tmp_path / "full")
    (tmp_path / "full" / "mine").unlink()
    code, said = run(monkeypatch, capsys, "diorama", "-o", ".")
    assert (code, "would be replaced" in said.err) == (2, True)
    from support.footage import textured, write

    film = write(tmp_path / "a.mp4", textured(4))
    code, said = run(monkeypatch, capsys, film, "-o", tmp_path / "out")
    assert (code, "holds no layout" in said.err) == (2, True)


def test_films_of_a_model_come_with_their_layout(tmp_path, monkeypatch, capsys):
    import praxino

    film = praxino.load().generate("a red ball bounces on the grass", steps=1, seed=1)
    film.save(tmp_path / "ball.mp4")
    both = [tmp_path / "ball.mp4"] * 2
    code, _ = run(monkeypatch, capsys, *both, "-o", tmp_path / "out", "-q")
    assert code == 0
    tree = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    assert len({image["file_name"] for image in tree["images"]}) == 34
    assert not tree["licenses"]
    names = {one["id"]: one["name"] for one in tree["categories"]}
    assert "ball" in {names[one["category_id"]] for one in tree["annotations"]}
