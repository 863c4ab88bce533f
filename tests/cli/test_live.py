"""``praxino live``: lines turn the film, and whatever reads or writes may go away."""

import os
import signal
import subprocess
import sys
import time

import pytest

from praxino.cli.live import MAX_LINE_BYTES, Lines
from praxino.provenance.verify import verify
from praxino.storage.media.frames import read_video

RUN = [sys.executable, "-c", "from praxino.cli.app import main; main()", "live"]


@pytest.fixture(name="model")
def _model(windows_model):
    return str(windows_model)


def live(model, *words, said=b"", **more):
    return subprocess.run(
        [*RUN, *words, "--model", model], input=said, capture_output=True, timeout=300, **more
    )


def test_it_shows_what_standard_input_says(model, tmp_path):
    done = live(model, "-o", "film.mp4", "--seconds", "4", said=b"a red ball\n", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"wrote film.mp4: 33 frames" in done.stderr
    assert len(read_video(tmp_path / "film.mp4").frames) == 33
    assert verify(tmp_path / "film.mp4").outcome == "signed"


def test_it_ends_with_standard_input(model, tmp_path):
    done = live(model, "a red ball", "-o", "film.mp4", cwd=tmp_path)
    assert b"wrote film.mp4: 17 frames" in done.stderr, done.stderr


def test_it_goes_to_a_player(model, tmp_path):
    done = live(model, "a red ball", "-o", "-", "--seconds", "2")
    assert done.returncode == 0
    assert b"marked, and not signed" in done.stderr
    (tmp_path / "film.mp4").write_bytes(done.stdout)
    film = read_video(tmp_path / "film.mp4")
    assert len(film.frames) == 17
    assert len(film.record["watermark"]) == 12


def test_a_player_that_goes_away_ends_it(model):
    running = subprocess.Popen(
        [*RUN, "a red ball", "-o", "-", "--model", model, "--seconds", "9999"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert running.stdout.read(1000)
    running.stdout.close()
    with running.stderr:
        said = running.stderr.read()
    assert running.wait(timeout=120) == 0
    assert b"the reader went away after" in said, said
    assert b"Traceback" not in said


def test_ctrl_c_ends_and_keeps_it(model, tmp_path):
    running = subprocess.Popen(
        [*RUN, "a red ball", "-o", "film.mp4", "--model", model, "--seconds", "9999"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(12)
    running.send_signal(signal.SIGINT)
    with running.stderr:
        said = running.stderr.read()
    assert running.wait(timeout=120) == 0, said
    assert b"stopped: wrote film.mp4" in said
    assert len(read_video(tmp_path / "film.mp4").frames) >= 17


def test_without_standard_input_it_ends(model, tmp_path):
    command = ["bash", "-c", 'exec "$@" <&-', "-", *RUN, "a red ball", "-o", "film.mp4"]
    done = subprocess.run(
        [*command, "--model", model], cwd=tmp_path, capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert b"17 frames" in done.stderr


def test_a_file_that_cannot_be_read_is_at_its_end(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert Lines(descriptor).take(wait=True) is None
    os.close(descriptor)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a red ball", "-o", "film.gif"), "unknown file ending '.gif'"),
        (("a red ball", "--guidance", "-1"), "guidance"),
        (("a red ball", "--seconds", "0"), "--seconds"),
        (("a red ball", "--seconds", "nan"), "--seconds"),
        (("a red ball", "--size", "33x32"), "33"),
    ],
)
def test_what_cannot_be_is_one_line(praxino, model, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = praxino("live", *words, "--model", model)
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_without_a_sentence_it_is_one_line(model, tmp_path):
    done = live(model, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert b"no sentence" in done.stderr


def test_the_newest_line_counts():
    read, write = os.pipe()
    lines = Lines(read)
    assert lines.take() is None
    os.write(write, b"a cat\n\n  a dog  \nnot yet")
    assert lines.take(wait=True) in ("a cat", "a dog")
    deadline = time.monotonic() + 10
    os.close(write)
    while not lines.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lines.take() == "not yet"
    assert lines.take(wait=True) is None


def test_a_line_of_megabytes_is_cut_not_kept():
    read, write = os.pipe()
    lines = Lines(read)
    for _ in range(100):
        os.write(write, b"a" * 60_000)
    os.write(write, b"\n")
    assert len(lines.take(wait=True)) == MAX_LINE_BYTES
    os.write(write, b"a dog\n")
    assert lines.take(wait=True) == "a dog"
    os.close(write)
