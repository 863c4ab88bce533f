"""The mark of a film is found in whatever container it comes, also where no header states a
length.
"""

import cv2
import numpy as np
import pytest
from PIL import Image

from praxino.provenance.policy import Provenance
from praxino.provenance.verify import verify
from praxino.storage.media.video import Video
from support import recordings
from support.recordings import record

LIVE = {"live": "1"}


@pytest.fixture(scope="module", name="late")
def _late():
    """Twenty seconds of a gliding plane, marked in their second half only."""
    rng = np.random.default_rng(5)
    noise = rng.integers(60, 195, (48, 96, 3)).astype(np.uint8)
    plane = cv2.resize(noise, (384, 192), interpolation=cv2.INTER_CUBIC)
    film = np.stack([plane[:, index // 2 : index // 2 + 256] for index in range(160)])
    marked = Provenance(credentials=False).mark(
        Video(film[80:], 8.0, {"model": "x", "digest": "y"})
    )
    return np.concatenate([film[:80], marked.frames])


def moving(path, film, **more):
    first, *others = (Image.fromarray(frame) for frame in film[40:])
    first.save(path, save_all=True, append_images=others, duration=125, **more)
    return path


def cut(path, film):
    whole = record(path.with_name("whole.mp4"), film)
    return recordings.trimmed(whole, path, 8.5)


FILES = {
    "film.mp4": record,
    "film.mov": record,
    "cut.mp4": cut,
    "late.ts": lambda path, film: record(path, film, start=552),
    "recorder.webm": lambda path, film: record(path, film, codec="libvpx-vp9", options=LIVE),
    "live.mkv": lambda path, film: record(path, film, options=LIVE, start=552),
    "raw.h264": record,
    "film.webm": lambda path, film: record(path, film, codec="libvpx-vp9"),
    "film.flv": record,
    "film.avi": record,
    "moving.webp": lambda path, film: moving(path, film, quality=90),
    "moving.png": moving,
    "film.mkv": record,
}
QUICK = ("recorder.webm",)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in FILES]
)
def test_a_late_mark_is_found(late, tmp_path, name):
    said = verify(FILES[name](tmp_path / name, late))
    assert said.mark.found, said.sentences
    assert said.outcome == "marked"


@pytest.mark.slow
def test_it_is_said_how_much_was_looked_at(tmp_path, late):
    path = record(tmp_path / "long.mp4", np.tile(late[:80], (4, 1, 1, 1)))
    said = verify(path)
    assert said.mark.sample == "24 of 40 s"
    assert "none found in the 24 of 40 s that were looked at" in said.sentences[1]
