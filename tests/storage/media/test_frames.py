"""Reading films of any origin: the odd, the damaged, the hostile."""

import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from praxino.errors import MediaError
from praxino.storage.media.frames import iter_frames, probe, stride
from praxino.storage.media.info import DecodeBudget, MediaInfo
from praxino.storage.media.pillow import COST
from support.footage import sound, textured, write


def test_frames_come_in_order_with_their_times(tmp_path):
    path = write(tmp_path / "a.mp4", textured(16), fps=8)
    found = list(iter_frames(path))
    assert [round(shot.seconds * 8) for shot in found] == list(range(16))
    assert found[0].pixels.shape == (96, 128, 3)
    about = probe(path)
    assert (about.width, about.height, about.rate, about.codec) == (128, 96, 8.0, "h264")
    assert about.seconds == pytest.approx(2.0)
    assert about.bits_per_pixel > 0
    assert MediaInfo(2, 2, 0, 0, "h264", 9).bits_per_pixel == 0


def test_reading_from_a_time_on_gives_the_same_frames(tmp_path):
    path = write(tmp_path / "a.mp4", textured(40), fps=20)
    whole, part = list(iter_frames(path)), list(iter_frames(path, 1.0))
    assert part[0].seconds == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_array_equal(part[0].pixels, whole[20].pixels)
    assert len(part) == 20


def test_a_clock_that_does_not_begin_at_zero(tmp_path):
    times = [36_000_000 + 125 * index for index in range(32)]
    path = write(tmp_path / "a.mkv", textured(32), times=times)
    assert next(iter(iter_frames(path, 2.0))).seconds == pytest.approx(2.0, abs=0.01)
    assert len(list(iter_frames(path, 2.0))) == 16


def test_work_ends_a_film_and_a_picture(tmp_path):
    path = write(tmp_path / "a.mp4", textured(16))
    assert len(list(iter_frames(path, budget=DecodeBudget(96 * 128 * 5)))) == 5
    first, *others = (Image.fromarray(frame) for frame in textured(16, 32, 48))
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, duration=120)
    assert (
        len(list(iter_frames(tmp_path / "a.gif", budget=DecodeBudget(COST * 32 * 48 * 4.5)))) == 5
    )


@pytest.mark.parametrize(
    ("fps", "every"),
    [(6, 1), (8, 1), (8.5, 1), (12, 2), (16, 2), (24, 3), (25, 3), (30, 4), (60, 8), (0, 1)],
)
def test_stride(fps, every):
    assert stride(fps) == every


@pytest.mark.parametrize(
    ("codec", "ending"),
    [("libx264", ".mkv"), ("libvpx-vp9", ".webm"), ("libx265", ".mov"), ("ffv1", ".avi")],
)
def test_codecs_and_containers(tmp_path, codec, ending):
    path = write(tmp_path / f"a{ending}", textured(8), codec=codec)
    assert len(list(iter_frames(path))) == 8


def test_odd_sizes_and_ten_bits_and_high_dynamic_range(tmp_path):
    odd = write(tmp_path / "odd.avi", textured(6)[:, :95, :127], codec="ffv1", pix_fmt="yuv444p")
    assert next(iter(iter_frames(odd))).pixels.shape == (95, 127, 3)
    bright = write(
        tmp_path / "hdr.mov", textured(6), codec="libx265", pix_fmt="yuv420p10le", trc=16
    )
    assert probe(bright).oddities == ("high dynamic range (PQ)",)
    assert len(list(iter_frames(bright))) == 6


def test_transparency_is_said(tmp_path):
    path = write(tmp_path / "a.avi", textured(6), codec="ffv1", pix_fmt="yuva420p")
    assert probe(path).oddities == ("transparent",)
    assert next(iter(iter_frames(path))).pixels.shape == (96, 128, 3)


def test_fields_are_said(tmp_path):
    path = write(tmp_path / "a.mp4", textured(8), interlaced=True)
    assert all(shot.interlaced for shot in iter_frames(path))


def test_a_phone_held_upright(tmp_path):
    """The matrix in an MP4's track header turns the picture by a quarter."""
    path = write(tmp_path / "a.mp4", textured(6))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 96 << 16, 0, 1 << 30)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(data)
    plain, upright = next(iter(iter_frames(path))).pixels, next(iter(iter_frames(turned))).pixels
    assert upright.shape == (128, 96, 3)
    np.testing.assert_array_equal(upright, np.rot90(plain, -1))


def test_animated_pictures(tmp_path):
    frames = [Image.fromarray(frame) for frame in textured(5)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=120)
    found = list(iter_frames(tmp_path / "a.gif"))
    assert [round(shot.seconds, 2) for shot in found] == [0, 0.12, 0.24, 0.36, 0.48]
    assert probe(tmp_path / "a.gif").oddities == ("256 colours",)
    frames[0].save(tmp_path / "a.png")
    assert len(list(iter_frames(tmp_path / "a.png"))) == 1


def test_what_cannot_be_read_is_one_error(tmp_path):
    sound(tmp_path / "a.m4a")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("a film, honestly")
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    for name, said in {
        "a.m4a": "only sound",
        "empty.mp4": "is empty",
        "text.mp4": "cannot read",
        "list.m3u8": "cannot read",
        "no.mp4": "no such file",
        ".": "folder",
    }.items():
        with pytest.raises(MediaError, match=said):
            list(iter_frames(tmp_path / name))


def test_a_playlist_opens_no_other_film(tmp_path):
    write(tmp_path / "other.mp4", textured(6))
    (tmp_path / "cat.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    (tmp_path / "hls.mp4").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n"
    )
    for name in ("cat.mp4", "hls.mp4"):
        with pytest.raises(MediaError, match="cannot read"):
            list(iter_frames(tmp_path / name))


def test_a_damaged_middle_loses_no_more_than_it_must(tmp_path):
    path = write(tmp_path / "a.mp4", textured(48), fps=24)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    assert 8 < len(list(iter_frames(path))) <= 48


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path):
    path = tmp_path / "a.gif"
    Image.new("P", (12000, 12000)).save(path)
    tracemalloc.start()
    with pytest.raises(MediaError, match="12000x12000 is too large"):
        list(iter_frames(path))
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


def test_irregular_times_are_kept(tmp_path):
    times = [0, 40, 80, 400, 440, 900, 1000, 1040]
    path = write(tmp_path / "a.mkv", textured(8), times=times)
    assert [round(shot.seconds * 1000) for shot in iter_frames(path)] == times
