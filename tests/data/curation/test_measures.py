"""What a shot measures says what is to be seen in it."""

import base64

import cv2
import numpy as np
import pytest

from praxino.data.curation.measures import logo_share, measure, text_share
from support.footage import sound, textured, write
from support.reels import scene


def row(tmp_path, film, name="a.mp4", **options):
    return measure(write(tmp_path / name, film, **options), name)


def one(tmp_path, film, **options):
    (shot,) = row(tmp_path, film, **options).shots
    return shot


def test_a_film_says_its_size_its_rate_and_its_shots(tmp_path):
    film = np.concatenate([scene(1, 20), scene(2, 28)])
    about = row(tmp_path, film, fps=16)
    assert (about.width, about.height, about.fps, about.codec) == (128, 96, 16, "h264")
    assert about.seconds == pytest.approx(3.0, abs=0.01)
    first, second = about.shots
    assert (first.start, first.end, first.frames, first.after) == (0, 1.25, 20, "cut")
    assert (second.start, second.end, second.frames) == (1.25, 3.0, 28)
    assert len(first.hashes) == len(first.mirrored) == 5
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(first.thumbnail), np.uint8), 1)
    assert picture.shape == (84, 112, 3)


def test_motion_is_larger_where_more_moves(tmp_path):
    slow, fast = (one(tmp_path, textured(24, step=step)).motion for step in (0.5, 6.0))
    assert fast > 4 * slow > 0
    # an encoder without motion vectors
    plain = {"codec": "mjpeg", "pix_fmt": "yuvj420p", "name": "a.avi"}
    slow, fast = (one(tmp_path, textured(24, step=step), **plain).motion for step in (0.5, 4.0))
    assert fast > 2 * slow > 0


def test_frames_that_repeat_are_frozen(tmp_path):
    assert one(tmp_path, np.repeat(textured(12, step=4.0), 2, axis=0)).frozen > 0.4
    assert one(tmp_path, textured(24, step=2.0)).frozen < 0.1
    assert one(tmp_path, np.repeat(textured(1), 24, axis=0)).frozen > 0.5


def test_what_is_blurred_is_less_sharp(tmp_path):
    film = textured(12)
    soft = np.stack([cv2.GaussianBlur(frame, (0, 0), 3) for frame in film])
    assert one(tmp_path, soft).sharpness < 0.2 * one(tmp_path, film).sharpness


def test_bars_are_found_though_a_title_reaches_into_them(tmp_path):
    film = textured(80, 96, 128)
    film[:, :12], film[:, -10:], film[:, :, :16] = 0, 0, 0
    film[40, 2:8, 40:90] = 255
    about = row(tmp_path, film)
    assert about.bars == pytest.approx((16, 12, 0, 10), abs=1)
    assert row(tmp_path, textured(8)).bars == (0, 0, 0, 0)
    assert row(tmp_path, np.zeros((8, 64, 64, 3), np.uint8)).bars == (0, 0, 0, 0)


def greys(film):
    return [cv2.resize(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), (96, 96)) for f in film]


def test_a_logo_stands_still_where_all_else_moves():
    film = textured(16, 96, 96, step=6.0)
    film[:, 4:20, 70:92] = 20
    film[:, 6:18:4, 72:90] = 240
    assert logo_share(greys(film)) > 0.03
    assert logo_share(greys(textured(16, 96, 96, step=6.0))) < 0.01
    assert logo_share(greys(textured(16, 96, 96, step=0.0))) == 0
    assert logo_share([]) == 0


def test_writing_is_told_from_texture():
    plain = np.full((360, 640), 90, np.uint8)
    written = plain.copy()
    for line in range(3):
        cv2.putText(written, "ALL RIGHTS RESERVED 2021", (20, 250 + 40 * line), 0, 1.2, 250, 3)
    assert text_share(written) > 0.05
    assert text_share(plain) == 0
    assert text_share(textured(1, 360, 640)[0, ..., 0]) < 0.02


def test_a_turned_film_is_measured_as_it_is_seen(tmp_path):
    tall = row(tmp_path, textured(12, 128, 96))
    assert (tall.width, tall.height) == (96, 128)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "empty"), (b"no film at all", "cannot read"), (b"\x89PNG\r\n\x1a\n", "cannot read")],
)
def test_what_cannot_be_read_is_a_row_that_says_why(tmp_path, content, problem):
    (tmp_path / "a.mp4").write_bytes(content)
    about = measure(tmp_path / "a.mp4", "a.mp4")
    assert problem in about.problem
    assert about.shots == ()


def test_pictures_and_sound_are_no_footage(tmp_path):
    assert "no film" in measure(sound(tmp_path / "a.mp4"), "a").problem
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert measure(tmp_path / "a.png", "a").problem == "it is a picture"
