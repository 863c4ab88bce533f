"""Films and pictures of other programs get a mark and a signature, and stay else what they were."""

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

import praxino
from praxino.cli import app as cli
from praxino.errors import InputError, MediaError, PraxinoError
from praxino.provenance import stamp as stamping
from praxino.provenance.verify import verify
from praxino.storage.media.frames import iter_frames, probe, read_video
from support.footage import textured, write
from support.recordings import QUARTER, displayed

FILM = textured(24, 144, 176)


def sound(path, target):
    """A film with a second of sound beside it."""
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        picture = source.streams.video[0]
        copy = container.add_stream_from_template(picture)
        voice = container.add_stream("aac", rate=48000)
        for packet in source.demux(picture):
            if packet.dts is not None:
                packet.stream = copy
                container.mux(packet)
        tone = (np.sin(np.arange(48000) / 20) * 8000).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate = 48000
        container.mux(voice.encode(frame))
        container.mux(voice.encode())
    return target


def packets(path, kind):
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


def checked(path, out, **options):
    stamp = praxino.stamp(path, out, **options)
    assert stamp.outcome == "stamped", stamp
    verdict = verify(out)
    assert verdict.outcome == "signed", verdict.sentences
    assert verdict.agree
    assert verdict.mark.own
    assert verdict.mark.stamped
    assert verdict.credentials.declared
    return stamp, verdict


def test_a_film_keeps_sound_times_codec_and_size(tmp_path):
    source = sound(write(tmp_path / "plain.mp4", FILM, 24), tmp_path / "film.mp4")
    before = source.read_bytes()
    stamp, verdict = checked(
        source, tmp_path / "out.mp4", model="Veo 3", prompt="a cat", by="Acme", state_prompt=True
    )
    assert source.read_bytes() == before
    assert packets(source, "audio") == packets(tmp_path / "out.mp4", "audio")
    times = [[time for time, _ in packets(p, "video")] for p in (source, tmp_path / "out.mp4")]
    assert sorted(times[0]) == pytest.approx(sorted(times[1]), abs=1e-4)
    old, new = probe(source), probe(tmp_path / "out.mp4")
    assert (old.width, old.height, old.codec, old.frames) == (
        new.width,
        new.height,
        new.codec,
        new.frames,
    )
    assert stamp.frames == 24
    assert stamp.psnr > 38
    said = verdict.credentials
    assert (said.model, said.prompt, said.declared_by) == ("Veo 3", "a cat", "Acme")
    assert said.source == "trainedAlgorithmicMedia"
    assert "declared by Acme as made by a model: a stamp" in verdict.sentences[0]
    assert "declared, not made here" in verdict.sentences[1]


CODECS = {
    "h264.mov": ("libx264", "yuv420p"),
    "ten.mkv": ("libx264", "yuv420p10le"),
    "full.mp4": ("libx264", "yuvj420p"),
    "wide.mp4": ("libx264", "yuv444p"),
    "vp9.webm": ("libvpx-vp9", "yuv420p"),
    "vp8.webm": ("libvpx", "yuv420p"),
    "av1.mp4": ("libsvtav1", "yuv420p"),
    "old.avi": ("mpeg4", "yuv420p"),
    "pro.mov": ("prores_ks", "yuv422p10le"),
    "jpegs.avi": ("mjpeg", "yuvj420p"),
    "exact.mkv": ("ffv1", "yuv420p"),
    "stream.ts": ("mpeg2video", "yuv420p"),
    "rgb.mkv": ("ffv1", "bgr0"),
}


@pytest.mark.parametrize("name", CODECS)
def test_codecs_and_containers_are_kept(tmp_path, name):
    codec, layout = CODECS[name]
    source = write(tmp_path / name, FILM, 24, codec, layout)
    out = tmp_path / f"out.{name}"
    assert stamping.ending_for(source) == source.suffix
    checked(source, out)
    with av.open(str(source)) as one, av.open(str(out)) as two:
        old, new = one.streams.video[0].codec_context, two.streams.video[0].codec_context
        assert old.codec.canonical_name == new.codec.canonical_name
        if name != "rgb.mkv":  # without luma: as YUV
            assert old.pix_fmt == new.pix_fmt
        assert old.color_trc == new.color_trc
        assert new.color_range in (old.color_range, 1)


def test_what_a_header_turns_is_turned_for_good(tmp_path):
    source = displayed(write(tmp_path / "a.mp4", FILM, 24), tmp_path / "turned.mp4", QUARTER)
    checked(source, tmp_path / "out.mp4")
    one, two = read_video(source).frames, read_video(tmp_path / "out.mp4").frames
    assert one.shape == two.shape == (24, 176, 144, 3)
    assert np.abs(one.astype(int) - two).mean() < 4


def test_pixels_that_are_not_square_turn_with_the_picture(tmp_path):
    source, turned = tmp_path / "a.mp4", tmp_path / "b.mp4"
    write(source, FILM, 24)
    with av.open(str(source)) as one, av.open(str(turned), "w") as two:
        picture = one.streams.video[0]
        copy = two.add_stream_from_template(picture)
        copy.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for packet in one.demux(picture):
            if packet.dts is not None:
                packet.stream = copy
                two.mux(packet)
    displayed(turned, tmp_path / "c.mp4", QUARTER)
    checked(tmp_path / "c.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "c.mp4")) as one, av.open(str(tmp_path / "out.mp4")) as two:
        ratio = one.streams.video[0].sample_aspect_ratio
        assert two.streams.video[0].sample_aspect_ratio == 1 / ratio == Fraction(3, 4)


def test_chapters_and_attachments_are_kept(tmp_path):
    source = tmp_path / "a.mkv"
    chapter = {
        "id": 1,
        "start": 0,
        "end": 500,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": "One"},
    }
    with (
        av.open(str(write(tmp_path / "plain.mp4", FILM, 24))) as plain,
        av.open(str(source), "w") as container,
    ):
        picture = plain.streams.video[0]
        copy = container.add_stream_from_template(picture)
        container.add_attachment("notes.txt", "text/plain", b"by hand")
        container.set_chapters([chapter])
        for packet in plain.demux(picture):
            if packet.dts is not None:
                packet.stream = copy
                container.mux(packet)
    checked(source, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [one["metadata"]["title"] for one in container.chapters()] == ["One"]
        attachments = [one for one in container.streams if one.type == "attachment"]
        assert [(one.name, one.data) for one in attachments] == [("notes.txt", b"by hand")]


def test_varying_times_are_kept(tmp_path):
    times = [0, 40, 400, 440, 480, 900, 940, 980, 1500, 1540, 1580, 1620]
    source = write(tmp_path / "a.mkv", FILM[:12], 24, times=times)
    checked(source, tmp_path / "out.mkv")
    both = [[f.seconds for f in iter_frames(p)] for p in (source, tmp_path / "out.mkv")]
    assert both[0] == pytest.approx(both[1], abs=2e-3)
    assert both[1][2] == pytest.approx(0.4, abs=2e-3)


def test_high_dynamic_range_stays(tmp_path):
    source = write(tmp_path / "a.mov", FILM, 24, "libx265", "yuv420p10le", trc=18)
    checked(source, tmp_path / "out.mov")
    assert probe(tmp_path / "out.mov").oddities == ("high dynamic range (HLG)",)


PICTURES = {
    "a.png": {},
    "a.jpg": {"quality": 92},
    "a.webp": {"quality": 80},
    "a.avif": {},
    "a.tif": {},
    "a.bmp": {},
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(tmp_path, name):
    source = tmp_path / name
    Image.fromarray(FILM[0]).save(source, **PICTURES[name])
    stamp, _ = checked(source, tmp_path / f"out{source.suffix}")
    assert stamp.frames == 1
    with Image.open(source) as one, Image.open(tmp_path / f"out{source.suffix}") as two:
        assert one.format == two.format
        assert getattr(one, "quantization", None) == getattr(two, "quantization", None)


def test_a_picture_that_was_compressed_hard_is_written_finer(tmp_path):
    Image.fromarray(FILM[0]).save(tmp_path / "a.jpg", quality=60)
    stamp, _ = checked(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert "written finer" in stamp.sentence


def test_pictures_keep_transparency_profile_and_which_way_is_up(tmp_path):
    alpha = np.tile(np.linspace(0, 255, 176).astype(np.uint8), (144, 1))
    Image.fromarray(np.dstack([FILM[0], alpha])).save(tmp_path / "a.png")
    checked(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as picture:
        assert np.array_equal(np.asarray(picture)[..., 3], alpha)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    Image.fromarray(FILM[0]).save(tmp_path / "a.jpg", exif=exif, icc_profile=b"a profile")
    checked(tmp_path / "a.jpg", tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as picture:
        assert picture.size == (144, 176)
        assert dict(picture.getexif()) == {0x010F: "Maker"}
        assert picture.info["icc_profile"] == b"a profile"


def test_notes_of_a_png_and_webp_without_loss_stay(tmp_path):
    notes = PngInfo()
    notes.add_text("parameters", "a dog runs, Steps: 20, Seed: 7")
    notes.add_itxt("workflow", '{"名": 1}')
    Image.fromarray(FILM[0]).save(tmp_path / "a.png", pnginfo=notes)
    checked(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as picture:
        assert picture.text["parameters"] == "a dog runs, Steps: 20, Seed: 7"
        assert picture.text["workflow"] == '{"名": 1}'
    Image.fromarray(FILM[0]).save(tmp_path / "a.webp", lossless=True)
    checked(tmp_path / "a.webp", tmp_path / "b.webp")
    assert (tmp_path / "b.webp").read_bytes()[12:16] == b"VP8L"


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_moving_pictures_keep_their_times(tmp_path, ending):
    first, *others = (Image.fromarray(frame) for frame in FILM[:6])
    times = [100, 100, 700, 100, 100, 300]
    source, out = tmp_path / f"a.{ending}", tmp_path / f"out.{ending}"
    first.save(source, save_all=True, append_images=others, duration=times, loop=3)
    checked(source, out)
    both = [[frame.duration for frame in iter_frames(path)] for path in (source, out)]
    assert both[0] == both[1] == [time / 1000 for time in times]
    with Image.open(source) as one, Image.open(out) as two:
        assert one.info.get("loop") == two.info.get("loop")


def test_statements_of_others_become_a_parent(tmp_path):
    video = praxino.Video(FILM, 24.0, {"model": "x", "digest": "y", "prompt": ""})
    signed = praxino.Provenance(watermark=False).sign(video)
    signed.save(tmp_path / "signed.mp4")
    _, verdict = checked(tmp_path / "signed.mp4", tmp_path / "out.mp4", edited=True)
    assert verdict.credentials.ingredients == ("signed.mp4",)
    assert verdict.credentials.source == "compositeWithTrainedAlgorithmicMedia"


def test_a_second_mark_is_not_put_over_a_first(tmp_path, monkeypatch):
    source = write(tmp_path / "a.mp4", FILM, 24)
    checked(source, tmp_path / "once.mp4")
    twice = praxino.stamp(tmp_path / "once.mp4", tmp_path / "twice.mp4")
    assert twice.outcome == "marked before"
    assert "stamped by this installation" in twice.sentence
    assert not (tmp_path / "twice.mp4").exists()
    monkeypatch.setenv("PRAXINO_KEY", "another installation of somebody else")
    twice = praxino.stamp(tmp_path / "once.mp4", tmp_path / "twice.mp4")
    assert "of another installation" in twice.sentence


def test_it_is_there_after_compression_and_half_size(tmp_path):
    source = write(tmp_path / "a.mp4", textured(32, 480, 640), 24)
    praxino.stamp(source, tmp_path / "out.mp4")
    frames = read_video(tmp_path / "out.mp4").frames[:, ::2, ::2]
    with av.open(str(tmp_path / "worse.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "30"})
        stream.height, stream.width, stream.pix_fmt = 240, 320, "yuv420p"
        for pixels in frames:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24"))
            )
        container.mux(stream.encode())
    verdict = verify(tmp_path / "worse.mp4")
    assert verdict.outcome == "marked"
    assert verdict.mark.stamped
    assert verdict.mark.own


def test_frames_of_a_pipeline(tmp_path):
    marked = stamping.stamp_frames(FILM, model="Veo 3")
    assert marked.shape == FILM.shape
    praxino.Video(marked, 24.0).save(tmp_path / "a.mp4")
    assert verify(tmp_path / "a.mp4").mark.stamped
    with pytest.raises(InputError, match="no room for a mark"):
        stamping.stamp_frames(FILM[:, :8, :8])


def test_what_cannot_be_stamped_leaves_nothing_behind(tmp_path):
    source = write(tmp_path / "a.mp4", FILM, 24)
    with pytest.raises(InputError, match="over itself"):
        praxino.stamp(source, source)
    tiny = write(tmp_path / "tiny.mp4", FILM[:, :16, :16], 24)
    with pytest.raises(MediaError, match="no room for a mark"):
        praxino.stamp(tiny, tmp_path / "out.mp4")
    data = source.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) // 2])
    (tmp_path / "text.mp4").write_text("no film")
    for path in (cut, tmp_path / "text.mp4", tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(MediaError):
            praxino.stamp(path, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
    assert not list(tmp_path.glob(".praxino-*"))


def test_a_file_that_grows_meanwhile_is_not_stamped(tmp_path, monkeypatch):
    source = write(tmp_path / "a.mp4", FILM, 24)
    plain = stamping.transcode.added

    def added(plane, amount):
        with source.open("ab") as file:
            file.write(b"more")
        return plain(plane, amount)

    monkeypatch.setattr(stamping.transcode, "added", added)
    with pytest.raises(MediaError, match="changes while it is read"):
        praxino.stamp(source, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    source = write(tmp_path / "a.mp4", FILM, 24)
    full = tmp_path / "full"
    full.mkdir()
    (full / "out.mp4").symlink_to("/dev/full")
    praxino.stamp(source, full / "out.mp4")  # the link is replaced, not written through
    assert (full / "out.mp4").is_file()
    assert not (full / "out.mp4").is_symlink()


def run(*arguments):
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


def test_a_folder_goes_into_a_folder_whatever_is_wrong_in_it(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    write(folder / "a.mp4", FILM, 24)
    write(folder / "deep" / "b.mkv", FILM, 24)
    Image.fromarray(FILM[0]).save(folder / "deep" / "c.png")
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(99))
    result = run("stamp", folder, "-o", out, "--model", "Veo 3", "-q")
    assert result.exit_code == 1, result.output
    assert "1 failed, 3 stamped" in result.output
    assert f"cannot read {folder / 'broken.mp4'}" in result.output
    for name in ("a.mp4", "deep/b.mkv", "deep/c.png"):
        assert verify(out / name).outcome == "signed"
    assert (out / "deep" / "b.c2pa").exists()
    again = run("stamp", folder / "a.mp4", "-o", out / "a.mp4", "--json", "-q")
    assert again.exit_code == 0
    assert '"outcome": "stamped"' in again.output


def test_the_command_says_what_it_needs(tmp_path):
    source = write(tmp_path / "a.mp4", FILM, 24)
    for arguments, words in (
        ((source,), "no place for the stamped files"),
        (("-o", tmp_path), "nothing to stamp"),
        ((source, "--watch", tmp_path, "-o", tmp_path / "o"), "--watch takes no other files"),
        (("--watch", tmp_path / "missing", "-o", tmp_path / "o"), "is no folder"),
        (("--watch", tmp_path, "-o", tmp_path / "o"), "lies in the folder that is watched"),
        ((tmp_path / "missing.mp4", "-o", tmp_path), "no such file"),
    ):
        result = run("stamp", *arguments)
        assert isinstance(result.exception, PraxinoError), (arguments, result.output)
        assert words in str(result.exception)


def test_what_comes_into_a_watched_folder_is_stamped(tmp_path, monkeypatch):
    from praxino.cli import stamp as verb

    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    ready = write(tmp_path / "a.mp4", FILM, 24)
    looks = verb.SETTLED_POLLS + 2
    steps = iter([lambda: shutil.copy(ready, folder / "a.mp4"), *[lambda: None] * looks])

    def sleep(_):
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    monkeypatch.setattr(verb.time, "sleep", sleep)
    run("stamp", "--watch", folder, "-o", out)
    assert verify(out / "a.mp4").outcome == "signed"
    before = (out / "a.mp4").stat().st_mtime_ns
    steps = iter([lambda: None] * looks)
    result = run("stamp", "--watch", folder, "-o", out)
    assert (out / "a.mp4").stat().st_mtime_ns == before  # it was stamped before
    assert "a.mp4" not in result.output


def test_pictures_that_change_their_size_on_the_way(tmp_path):
    """A recording that was joined from two: all of it in the size of the first."""
    one = write(tmp_path / "one.ts", FILM, 24)
    two = write(tmp_path / "two.ts", FILM[:, ::2, ::2].repeat(2, 1)[:, :96], 24)
    (tmp_path / "both.ts").write_bytes(one.read_bytes() + two.read_bytes())
    stamp, _ = checked(tmp_path / "both.ts", tmp_path / "out.ts")
    assert "as the first was" in stamp.sentence
    assert probe(tmp_path / "out.ts").height == 144
    assert praxino.detect(tmp_path / "both.ts").width == 176


def test_formats_that_cannot_hold_a_film_are_named(tmp_path):
    source = sound(write(tmp_path / "plain.mp4", FILM, 24), tmp_path / "film.mp4")
    with pytest.raises(MediaError, match=r"webm holds no h264"):
        praxino.stamp(source, tmp_path / "out.webm")
    assert not (tmp_path / "out.webm").exists()


def test_statements_beside_a_bmp_are_not_lost(tmp_path):
    Image.fromarray(FILM[0]).save(tmp_path / "a.bmp")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.c2pa").write_text("precious")
    with pytest.raises(InputError, match=r"not about a\.bmp"):
        praxino.stamp(tmp_path / "a.bmp", tmp_path / "out/a.bmp")
    assert (tmp_path / "out/a.c2pa").read_text() == "precious"


def test_frames_that_are_no_bytes_are_refused():
    with pytest.raises(InputError, match="float32"):
        stamping.stamp_frames((FILM / 255).astype(np.float32))


def test_what_is_lost_of_pictures_is_said(tmp_path):
    first, *others = (Image.fromarray(frame) for frame in FILM[:3])
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    stamp, _ = checked(tmp_path / "a.tif", tmp_path / "b.tif")
    assert "the first of 3 pictures" in stamp.sentence
    first.save(tmp_path / "a.webp", save_all=True, append_images=others, lossless=True)
    checked(tmp_path / "a.webp", tmp_path / "b.webp")
    assert b"VP8L" in (tmp_path / "b.webp").read_bytes()
    first.save(tmp_path / "a.jpg", xmp=b"<x:xmpmeta/>", comment=b"by hand", quality=95)
    checked(tmp_path / "a.jpg", tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as picture:
        assert picture.info["xmp"] == b"<x:xmpmeta/>"
        assert picture.info["comment"] == b"by hand"


def test_white_of_ten_bits_stays_white(tmp_path):
    film = np.full((8, 144, 176, 3), 255, np.uint8)
    film[:, 40:100, 40:140] = FILM[:8, 40:100, 40:140]
    source = write(tmp_path / "a.mkv", film, 24, "ffv1", "yuv420p10le")
    stamp, _ = checked(source, tmp_path / "out.mkv")
    assert stamp.psnr > 35
    assert read_video(tmp_path / "out.mkv").frames[:, :30, :30].min() > 240


def test_colours_without_luma_stay(tmp_path):
    source = write(tmp_path / "a.mkv", FILM, 24, "ffv1", "bgr0")
    stamp, _ = checked(source, tmp_path / "out.mkv")
    assert stamp.psnr > 35


def test_two_files_never_get_one_name(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "x.mp4", FILM, 24)
    result = run("stamp", tmp_path / "a/x.mp4", tmp_path / "b/x.mp4", "-o", tmp_path / "out", "-q")
    assert result.exit_code == 1
    assert "would be that of" in result.output
    assert "1 stamped" in result.output
    write(tmp_path / "a/f.flv", FILM, 24)
    write(tmp_path / "a/f.flv.mkv", FILM, 24)
    result = run("stamp", tmp_path / "a", "-o", tmp_path / "out2", "-q")
    assert "would be that of" in result.output
    assert len(list((tmp_path / "out2").glob("*.mkv"))) == 1
    with pytest.raises(InputError, match=r"must end in .*\.mp4"):
        praxino.stamp(tmp_path / "a/x.mp4", tmp_path / "x.png")
