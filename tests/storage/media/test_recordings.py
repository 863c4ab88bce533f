"""What telephones, recorders and other people's tools write is read as players show it."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from praxino.errors import MediaError
from praxino.storage.media.folders import media_in
from praxino.storage.media.frames import iter_frames, probe, read_video
from support import recordings
from support.footage import textured, write
from support.recordings import MIRROR, QUARTER, card, corners, record


@pytest.fixture(scope="module", name="film")
def _film():
    return textured(60, 96, 128)


def test_a_film_cut_without_decoding_shows_what_players_show(tmp_path, film):
    """More packets than damage is suffered of come to nothing, and none of them is damaged."""
    film = np.concatenate([film, film])
    whole = record(tmp_path / "whole.mp4", film, fps=25)
    cut = recordings.trimmed(whole, tmp_path / "cut.mp4", 80 / 25)
    about, frames = probe(cut), list(iter_frames(cut))
    assert (about.frames, len(frames)) == (40, 40)
    assert about.seconds == pytest.approx(1.6, abs=0.01)
    np.testing.assert_array_equal(frames[0].pixels, list(iter_frames(whole))[80].pixels)


LENGTHS = {
    "recorder.webm": {"codec": "libvpx", "options": {"live": "1"}},
    "live.mkv": {"options": {"live": "1"}, "start": 552},
    "raw.h264": {},
    "stream.ts": {"start": 552},
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_length_that_no_header_states_is_looked_up(tmp_path, film, name):
    path = record(tmp_path / name, film, **LENGTHS[name])
    about = probe(path)
    assert (about.frames, about.rate) == (60, 8)
    assert about.seconds == pytest.approx(7.5, abs=0.15)
    late = list(iter_frames(path, 5.0, about))
    assert late[0].seconds == pytest.approx(5.0, abs=0.02)
    assert len(late) == 20
    everything = list(iter_frames(path))
    np.testing.assert_array_equal(late[0].pixels, everything[40].pixels)


def test_a_length_that_a_header_states_wrongly_is_not_believed(tmp_path, film):
    path = record(tmp_path / "a.mkv", film)
    data = path.read_bytes()
    place = data.index(b"\x44\x89\x88") + 3  # Duration, a float of 8 bytes
    assert struct.unpack(">d", data[place : place + 8])[0] == pytest.approx(7500, abs=150)
    for milliseconds in (400.0, 4e6):
        path.write_bytes(data[:place] + struct.pack(">d", milliseconds) + data[place + 8 :])
        about = probe(path)
        assert (about.frames, about.seconds) == (60, pytest.approx(7.5, abs=0.15))
        assert len(list(iter_frames(path, 5.0, about))) == 20


@pytest.mark.parametrize(
    ("ending", "more"), [("webp", {"lossless": True}), ("png", {}), ("gif", {})]
)
def test_a_moving_picture_takes_as_long_as_its_frames(tmp_path, film, ending, more):
    path, durations = tmp_path / f"a.{ending}", [2000, *[100] * 9, 500]
    first, *others = map(Image.fromarray, film[:11])
    first.save(path, save_all=True, append_images=others, duration=durations, **more)
    about = probe(path)
    assert "transparent" not in about.oddities
    assert about.seconds == pytest.approx(3.4)
    assert about.frames == 11
    assert [round(shot.seconds, 3) for shot in iter_frames(path)][:3] == [0, 2, 2.1]
    # what is held is shown at a time between, too
    assert next(iter(iter_frames(path, 1.0))).seconds == 0


def test_a_picture_that_is_held_is_not_unrolled_without_bound(tmp_path, film, caplog):
    path = tmp_path / "meme.gif"
    first, *others = map(Image.fromarray, film[:10])
    first.save(path, save_all=True, append_images=others, duration=[*[20] * 9, 60_000])
    with caplog.at_level("INFO"):
        video = read_video(path)
    assert video.fps == 50
    assert len(video.frames) == 9 + 4 * 50
    assert "held for 4 seconds" in caplog.text
    assert len(read_video(path, most=1).frames) == 1


@pytest.mark.parametrize(
    ("matrix", "order"), [(QUARTER, [2, 0, 3, 1]), (MIRROR, [1, 0, 3, 2]), (None, [0, 1, 2, 3])]
)
def test_turns_and_mirrors_of_a_film(tmp_path, matrix, order):
    path = record(tmp_path / "a.mp4", np.repeat(card(96, 128)[None], 8, axis=0))
    if matrix:
        path = recordings.displayed(path, tmp_path / "b.mp4", matrix)
    picture = read_video(path).frames[0]
    assert corners(picture) == order
    assert picture.shape[:2] == ((128, 96) if matrix == QUARTER else (96, 128))


@pytest.mark.parametrize(("height", "width"), [(96, 128), (720, 128), (96, 1280)])
def test_colours_that_a_file_does_not_state_go_by_its_size(tmp_path, height, width):
    """Encoded by the matrix of BT.601: what is that large is taken for BT.709."""
    film = np.repeat(card(height, width)[None], 2, axis=0)
    green = read_video(record(tmp_path / "a.mp4", film)).frames[0][8, -9].astype(int)
    error = np.abs(green - recordings.CORNERS[1]).max()
    assert error < 8 if (height, width) == (96, 128) else error > 15


def test_a_picture_in_tiles_is_whole(tmp_path):
    path = recordings.tiled_heic(tmp_path / "phone.heic", card(256, 256))
    about = probe(path)
    assert (about.width, about.height, about.codec) == (256, 256, "picture")
    assert corners(read_video(path).frames[0]) == [0, 1, 2, 3]


def test_avif_is_a_picture(tmp_path):
    Image.fromarray(card(96, 128)).save(tmp_path / "a.avif")
    assert probe(tmp_path / "a.avif").codec == "picture"
    assert corners(read_video(tmp_path / "a.avif").frames[0]) == [0, 1, 2, 3]


def test_a_second_picture_inside_is_not_shown(tmp_path):
    depth = Image.fromarray(card(32, 48))
    path = tmp_path / "phone.jpg"
    Image.fromarray(card(96, 128)).save(path, "MPO", save_all=True, append_images=[depth])
    assert probe(path).frames == 1
    assert read_video(path).frames.shape == (1, 96, 128, 3)


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_what_is_transparent_is_white(tmp_path, ending, caplog):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 4)).astype(np.uint8)
    pixels[..., 3] = 0
    pixels[16:48, 16:48] = (200, 30, 30, 255)
    Image.fromarray(pixels).save(tmp_path / f"a.{ending}", lossless=True, exact=True)
    assert probe(tmp_path / f"a.{ending}").oddities == ("transparent",)
    with caplog.at_level("INFO"):
        picture = read_video(tmp_path / f"a.{ending}").frames[0]
    assert "is transparent in parts: they are white" in caplog.text
    assert (picture[:16] == 255).all()
    assert (picture[20, 20] == (200, 30, 30)).all()


def test_light_in_floats(tmp_path):
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (32, 1))
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    row = read_video(tmp_path / "a.tif").frames[0, 0, :, 0]
    assert (row[0], row[-1]) == (0, 255)


def test_folders_are_looked_at_by_content_where_names_do_not_tell(tmp_path, caplog):
    film = write(tmp_path / "a.mp4", textured(4))
    film.rename(tmp_path / "unnamed")
    for name in ("b.jfif", "c.jpe"):
        Image.fromarray(card(32, 32)).save(tmp_path / name, "JPEG")
    for name in ("notes.txt", "README", "song.mp3", ".hidden.mp4"):
        (tmp_path / name).write_text("words")
    with caplog.at_level("INFO"):
        names = [path.name for path in media_in(tmp_path, pictures=True)]
    assert names == ["b.jfif", "c.jpe", "unnamed"]
    assert "3 other files left alone" in caplog.text
    assert [path.name for path in media_in(tmp_path, pictures=False)] == ["unnamed"]


def test_a_picture_of_which_tiles_are_missing_is_refused(tmp_path):
    """Its decoder would paint them green."""
    data = recordings.tiled_heic(tmp_path / "phone.heic", card(256, 256)).read_bytes()
    for share in (0.7, 0.9, 0.99):
        (tmp_path / "cut.heic").write_bytes(data[: int(share * len(data))])
        with pytest.raises(MediaError, match="cut short"):
            read_video(tmp_path / "cut.heic")
    (tmp_path / "odd.heic").write_bytes(data.replace(b"ftypheic", b"ftypABCD", 1))
    with pytest.raises(MediaError, match="of a kind that is not read"):
        read_video(tmp_path / "odd.heic")


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_what_comes_after_damage_is_read(tmp_path, name):
    rng = np.random.default_rng(0)
    film = rng.integers(0, 255, (120, 96, 128, 3)).astype(np.uint8)
    record(tmp_path / name, film, gop=1)  # every frame stands alone
    data = bytearray((tmp_path / name).read_bytes())
    low, high = int(0.2 * len(data)), int(0.85 * len(data))
    data[low:high] = bytes(high - low)
    (tmp_path / name).write_bytes(data)
    times = [frame.seconds for frame in iter_frames(tmp_path / name)]
    assert times[-1] > 13.5


def test_a_clock_that_begins_anew_goes_on(tmp_path, film):
    parts = [record(tmp_path / f"{n}.ts", film[:n]).read_bytes() for n in (40, 56)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    times = [frame.seconds for frame in iter_frames(path)]
    assert len(times) == 96
    assert times[-1] == pytest.approx(11.9, abs=0.6)
    assert probe(path).seconds == pytest.approx(12, abs=0.6)


def test_sixteen_bits_of_grey_are_turned_too(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (32, 1))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(ramp).save(tmp_path / "a.png", exif=exif)
    assert read_video(tmp_path / "a.png").frames.shape == (1, 64, 32, 3)


def test_the_length_of_a_moving_avif(tmp_path, film):
    first, *others = map(Image.fromarray, film[:10])
    first.save(tmp_path / "a.avif", save_all=True, append_images=others, duration=40)
    assert probe(tmp_path / "a.avif").seconds == pytest.approx(0.4, abs=0.01)


def test_frames_of_a_varying_rate_are_held_as_long_as_they_are_shown(tmp_path, film):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, pixels in enumerate(film[:21]):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = 2000 * (index > 0) + 40 * index, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video = read_video(path)
    assert video.fps == pytest.approx(25, abs=0.5)
    assert len(video.frames) / video.fps == pytest.approx(2.84, abs=0.1)
    assert np.array_equal(video.frames[0], video.frames[45])


def test_a_moving_avif_is_as_long_as_its_frames(tmp_path, film):
    first, *others = map(Image.fromarray, film[:12])
    times = [3000, *[100] * 11]
    first.save(tmp_path / "a.avif", save_all=True, append_images=others, duration=times)
    assert probe(tmp_path / "a.avif").seconds == pytest.approx(4.1, abs=0.01)
