"""Every example runs as it stands, and is short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.studio import served

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def run(path, folder, **environment):
    assert len(path.read_text().splitlines()) < 40
    command = [sys.executable, path]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if path.stem != "client"], ids=lambda path: path.stem
)
def test_example(path, tmp_path):
    run(path, tmp_path)


@pytest.mark.slow
def test_the_client_of_a_studio(tmp_path):
    """Our client creates, watches, downloads, checks, lists and deletes."""
    [path] = [path for path in EXAMPLES if path.stem == "client"]
    with served(tmp_path / "studio") as server:
        server.ready()
        said = run(path, tmp_path, PRAXINO_URL=server.url).splitlines()
    assert "completed 100%" in said
    assert said[-2] == "signed"
    assert "video_" in said[-1]
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
    assert (tmp_path / "frames.png").read_bytes()[1:4] == b"PNG"
