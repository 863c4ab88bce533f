"""Films and pictures on disk: all endings, the record, atomic writing, equal bytes."""

from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from praxino.errors import InputError, MediaError
from praxino.storage.files import atomic_file
from praxino.storage.media import frames
from praxino.storage.media.frames import read_video
from praxino.storage.media.video import Video

RECORD = {"prompt": "ein Hund, «chien», 犬", "seed": 7, "guidance": 4.0}


def film(frames: int = 9, size: int = 48) -> Video:
    ramp = np.linspace(40, 200, size)
    pixels = np.zeros((frames, size, size, 3))
    for i in range(frames):
        pixels[i] = np.stack(
            [
                ramp[:, None] + 0 * ramp,
                ramp[None] + 0 * ramp[:, None],
                np.full((size, size), 20 * i),
            ],
            -1,
        )
    return Video(pixels.astype(np.uint8), 8.0, RECORD)


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".gif"])
def test_films_there_and_back(tmp_path, ending):
    path = film().save(tmp_path / f"film{ending}")
    again = read_video(path)
    assert again.record == RECORD
    assert again.fps == pytest.approx(8.0, rel=0.01)
    assert again.frames.shape == film().frames.shape
    assert np.abs(again.frames.astype(int) - film().frames).mean() < 4


def test_pictures_there_and_back(tmp_path):
    again = read_video(film(1).save(tmp_path / "one.png"))
    assert np.array_equal(again.frames, film(1).frames)
    assert again.record == RECORD


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".gif"])
def test_the_same_film_is_the_same_bytes(tmp_path, ending):
    first, second = (film().save(tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
    assert first == second


def test_colours_do_not_shift(tmp_path):
    """BT.709, limited range, and tagged so: a player shows the colours that were meant."""
    import av

    flat = Video(np.tile(np.array([200, 60, 30], np.uint8), (3, 32, 32, 1)), 8.0)
    path = flat.save(tmp_path / "flat.mp4")
    assert np.abs(read_video(path).frames[1].astype(int) - [200, 60, 30]).max() <= 3
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc) == (
            1,
            1,
            1,
            1,
        )


def test_nothing_is_left_of_a_failed_file(tmp_path):
    target = tmp_path / "film.mp4"
    target.write_text("old")

    def interrupted() -> None:
        with atomic_file(target) as fresh:
            fresh.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize("name", ["film.avi", "film", "film.MP3"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="unknown file ending"):
        film().save(tmp_path / name)


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    odd = Video(np.zeros((2, 15, 16, 3), np.uint8), 8.0)
    with pytest.raises(InputError, match="16x15: films need even sizes"):
        odd.save(tmp_path / "film.mp4")
    with pytest.raises(InputError, match="at most 50 frames a second"):
        Video(film().frames, 60.0).save(tmp_path / "film.gif")


def test_a_film_is_not_a_picture(tmp_path):
    with pytest.raises(InputError, match="one frame, not 9"):
        film().save(tmp_path / "film.png")


@pytest.mark.parametrize("content", [b"", b"not a film", b"\x00" * 3000])
def test_files_that_hold_no_picture_are_refused(tmp_path, content):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"cannot read|is empty"):
        read_video(path)


def test_a_cut_off_film_is_refused(tmp_path):
    path = film().save(tmp_path / "film.mp4")
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(MediaError, match="cannot read"):
        read_video(path)


def test_a_still_gif_keeps_its_frames(tmp_path):
    still = Video(np.full((9, 8, 8, 3), 80, np.uint8), 8.0, {"fps": 8.0})
    again = read_video(still.save(tmp_path / "still.gif"))
    assert again.frames.shape == still.frames.shape
    assert again.fps == 8.0


def test_pictures_are_read_upright_and_in_eight_bits(tmp_path):
    turned = Image.new("RGB", (20, 10), "red")
    exif = turned.getexif()
    exif[274] = 6  # a quarter turn
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_video(tmp_path / "turned.jpg").frames.shape == (1, 20, 10, 3)
    Image.fromarray(np.full((4, 4), 257 * 100, np.uint16)).save(tmp_path / "deep.png")
    assert (read_video(tmp_path / "deep.png").frames == 100).all()


def test_a_film_that_does_not_fit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = Video(np.zeros((9, 16, 16, 3), np.uint8), 8.0).save(tmp_path / "film.mp4")
    monkeypatch.setattr(frames, "MAX_FRAMES_BYTES", 1000)
    with pytest.raises(MediaError, match="too long: 9 frames of 16x16"):
        read_video(path)


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif", "png"])
def test_damage_anywhere_is_one_clear_error_or_none(tmp_path, ending):
    """Bytes changed at random places: a file is read, or named as damaged; nothing else is
    raised.
    """
    frames = np.random.default_rng(0).integers(
        0, 256, (1 if ending == "png" else 5, 16, 16, 3), np.uint8
    )
    data = bytearray(Video(frames, 8.0).save(tmp_path / f"good.{ending}").read_bytes())
    rng, bad = np.random.default_rng(1), tmp_path / f"bad.{ending}"
    for _ in range(150):
        spoiled = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            spoiled[place] = int(rng.integers(256))
        bad.write_bytes(
            spoiled[: int(rng.integers(1, len(data) + 1))] if rng.random() < 0.3 else spoiled
        )
        with suppress(MediaError):
            read_video(bad)


@pytest.mark.parametrize("ending", [".mp4", ".gif", ".png"])
def test_only_the_first_frames_where_no_more_are_wanted(tmp_path, ending, monkeypatch):
    path = film(1 if ending == ".png" else 9).save(tmp_path / f"x{ending}")
    monkeypatch.setattr(frames, "MAX_FRAMES_BYTES", 48 * 48 * 3)  # the whole film would be too long
    assert read_video(path, most=1).frames.shape == (1, 48, 48, 3)
    if ending != ".png":
        with pytest.raises(MediaError, match="too long"):
            read_video(path)
