"""``praxino curate`` from a folder to a dataset, and again."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from praxino.cli.app import app
from support.footage import textured, write
from support.reels import scene


@pytest.fixture(name="footage")
def _footage(tmp_path):
    folder = tmp_path / "footage"
    (folder / "b").mkdir(parents=True)
    film = np.concatenate([scene(1, 24, 4.0), scene(2, 30, 4.0)])
    write(folder / "a.mp4", film)
    (folder / "a.txt").write_text("planes glide")
    write(folder / "b" / "again.mp4", film[24:])
    (folder / "b" / "broken.mp4").write_bytes(b"broken")
    write(folder / "short.mp4", textured(4, 96, 128, seed=9))
    return folder


def run(*words):
    return CliRunner().invoke(app, ["curate", *map(str, words), "--processes", "1"])


RULES = ("least_side=64", "contrast=0", "trim=0", "motion_low=0", "motion_high=0",
         "sharpness_low=0")  # fmt: skip
PLAIN = [word for rule in RULES for word in ("--set", rule)]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_footage_becomes_a_dataset(footage, tmp_path):
    dataset = tmp_path / "dataset"
    result = run(footage, "-o", dataset, *PLAIN)
    assert result.exit_code == 0, result.output
    assert "2 of 4 clips of 4 films kept" in result.output
    assert "1: cannot read a film" in result.output
    rows = lines(dataset / "index.jsonl")
    assert "planes glide" in {row["caption"] for row in rows}
    assert sum(row["frames"] for row in rows) == 54
    head, *decided = lines(dataset / "decision.jsonl")
    assert sorted(row["reason"] for row in decided) == [
        "", "", "duplicate_bits", "least_seconds",
    ]  # fmt: skip
    assert head["rules"]["least_side"] == 64
    assert "duplicate_bits: 1 left out" in (dataset / "report.html").read_text()


def test_other_rules_decode_nothing_again(footage, tmp_path):
    dataset = tmp_path / "dataset"
    first = run(footage, "-o", dataset, *PLAIN, "--dry")
    assert "none written" in first.output
    assert not (dataset / "shards").exists()
    times = {path: path.stat().st_mtime_ns for path in (dataset / "measures").iterdir()}
    assert times
    again = run(footage, "-o", dataset, *PLAIN, "--set", "duplicate_bits=0", "--dry")
    assert "3 of 4 clips" in again.output
    assert {path: path.stat().st_mtime_ns for path in (dataset / "measures").iterdir()} == times


def test_a_folder_of_files(footage, tmp_path):
    dataset = tmp_path / "dataset"
    result = run(footage, "-o", dataset, *PLAIN, "--folder", "--side", "48")
    assert result.exit_code == 0, result.output
    rows = lines(dataset / "metadata.jsonl")
    assert all((dataset / row["file_name"]).is_file() for row in rows)
    assert {row["height"] for row in rows} == {48}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "motion"], "must be RULE=VALUE"),
        (["--set", "motoin_low=1"], "motion_low"),
        (["--set", "motion_low=3"], "motion_low=3"),
        (["--captions", "frames"], "PRAXINO_LLM_URL"),
        (["--set", "least_side=4000"], "no clip is kept"),
        (["--set", "least_seconds=1000"], "most_seconds 10 is below least_seconds"),
    ],
)
def test_what_cannot_be_is_one_line(footage, tmp_path, words, message):
    result = run(footage, "-o", tmp_path / "dataset", *words)
    assert result.exit_code != 0
    assert message in str(result.exception)


def test_an_empty_folder_is_refused(tmp_path):
    result = run(tmp_path, "-o", tmp_path / "dataset")
    assert "no films in" in str(result.exception)
