"""Stamps of odd files, on odd disks: a line that says what is wrong, and nothing half done."""

import json
import resource
import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import praxino
from praxino.cli import app as cli
from praxino.errors import MediaError
from praxino.provenance import stamp as stamping
from praxino.provenance.c2pa import sign
from praxino.provenance.verify import verify
from praxino.storage.media.frames import read_video
from support.footage import sound, textured, write

FILM = textured(24, 144, 176)
FEW_BYTES = 30_000
"""A file may have so many where the disk is nearly full."""


def run(*arguments):
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


@pytest.mark.parametrize("ending", [".mp4", ".png"])
def test_a_disk_that_is_full_in_the_middle_leaves_nothing_behind(tmp_path, ending):
    source = tmp_path / f"a{ending}"
    if ending == ".mp4":
        write(source, textured(24, 480, 640), 24)
    else:
        Image.fromarray(textured(1, 288, 352)[0]).save(source)
    assert source.stat().st_size > 2 * FEW_BYTES
    before = source.read_bytes()
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "praxino", "stamp", source, "-o", out / f"b{ending}"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (FEW_BYTES, FEW_BYTES)),
    )
    assert done.returncode == 2, done.stderr
    assert f"cannot write {out / f'b{ending}'}" in done.stderr
    assert "free some space" in done.stderr
    assert not list(out.iterdir())
    assert source.read_bytes() == before


def test_what_cannot_be_signed_beside_is_not_there_without_its_signature(tmp_path, monkeypatch):
    source = write(tmp_path / "a.mkv", FILM, 24)
    out = tmp_path / "out"
    out.mkdir()

    def full(manifest, beside):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sign, "write", full)
    with pytest.raises(MediaError, match=r"cannot write .*b\.mkv: No space left"):
        praxino.stamp(source, out / "b.mkv")
    assert not list(out.iterdir())


def test_a_picture_that_grows_meanwhile_is_not_stamped(tmp_path, monkeypatch):
    source = tmp_path / "a.png"
    Image.fromarray(FILM[0]).save(source)
    plain = stamping.embed.mark

    def mark(*arguments):
        with source.open("ab") as file:
            file.write(b"more")
        return plain(*arguments)

    monkeypatch.setattr(stamping.embed, "mark", mark)
    with pytest.raises(MediaError, match="changes while it is read"):
        praxino.stamp(source, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("verb", ["stamp", "detect", "verify"])
def test_what_is_encrypted_is_a_line(tmp_path, praxino, verb):
    """As shops sell films: the tracks say that what they hold is encrypted, and it is."""
    source = write(tmp_path / "a.mp4", FILM, 24)
    content = source.read_bytes().replace(b"avc1", b"encv")
    at = content.index(b"mdat") + 4
    noise = np.random.default_rng(0).bytes(len(content) - at)
    locked = tmp_path / "locked.mp4"
    locked.write_bytes(content[:at] + noise if content.index(b"moov") < at else content)
    more = ("-o", tmp_path / "out.mp4") if verb == "stamp" else ()
    code, out, err = praxino(verb, locked, *more)
    assert code in (1, 2, 4), (out, err)
    assert len((out + err).strip().splitlines()) <= 3, (out, err)
    assert "Traceback" not in err
    assert not (tmp_path / "out.mp4").exists()


def test_sound_alone_is_a_line(tmp_path):
    sound(tmp_path / "a.m4a")
    with pytest.raises(MediaError, match=r"a\.m4a"):
        praxino.stamp(tmp_path / "a.m4a", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_film_keeps_its_transparency_where_its_codec_has_it(tmp_path):
    alpha = np.zeros((*FILM.shape[:3], 1), np.uint8)
    alpha[:, :, 88:] = 255
    source = tmp_path / "a.mov"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("qtrle", rate=24)
        stream.height, stream.width, stream.pix_fmt = *FILM.shape[1:3], "argb"
        for pixels in np.concatenate([FILM, alpha], -1):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        container.mux(stream.encode())
    stamp = praxino.stamp(source, tmp_path / "out.mov")
    assert stamp.outcome == "stamped"
    with av.open(str(tmp_path / "out.mov")) as container:
        frame = next(container.decode(video=0))
        kept = len(frame.format.components) == 4
    assert kept or any("transparen" in note for note in stamp.notes), stamp.notes


def test_a_film_of_high_dynamic_range_by_pq_stays_one(tmp_path):
    source = write(tmp_path / "a.mp4", FILM[:12], 24, "libx265", "yuv420p10le", trc=16)
    stamp = praxino.stamp(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert context.color_trc == 16
        assert "10" in context.pix_fmt
    assert stamp.frames == 12
    assert verify(tmp_path / "out.mp4").mark.own


def test_a_film_of_fields_is_stamped(tmp_path):
    source = write(tmp_path / "a.mp4", FILM, 24, interlaced=True)
    stamp = praxino.stamp(source, tmp_path / "out.mp4")
    assert stamp.frames == len(FILM)
    assert verify(tmp_path / "out.mp4").mark.own


def test_a_folder_of_frames_is_stamped_frame_by_frame(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, pixels in enumerate(textured(3, 256, 256)):
        Image.fromarray(pixels).save(folder / f"{number:04d}.png")
    result = run("stamp", folder, "-o", tmp_path / "out", "--json", "-q")
    assert result.exit_code == 0, result.output
    assert [row["outcome"] for row in json.loads(result.output)] == ["stamped"] * 3
    verdict = verify(tmp_path / "out" / "0002.png")
    assert verdict.mark.found
    assert verdict.credentials.declared


def test_what_the_command_declares(tmp_path):
    source = write(tmp_path / "a.mp4", FILM, 24)
    options = (
        "--model",
        "Veo 3",
        "--prompt",
        "a cat",
        "--by",
        "Acme",
        "--edited",
        "--state-prompt",
    )
    result = run("stamp", source, "-o", tmp_path / "out.mp4", *options)
    assert result.exit_code == 0, result.output
    said = "\n".join(verify(tmp_path / "out.mp4").sentences)
    for part in ("Veo 3", "Acme", "in parts"):
        assert part in said, said
    assert b"a cat" in (tmp_path / "out.mp4").read_bytes()


@pytest.mark.slow
def test_ten_thousand_files_have_a_line_each(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(10_000):
        (folder / f"{number:05d}.mp4").touch()
    write(folder / "film.mp4", FILM, 24)
    result = run("stamp", folder, "-o", tmp_path / "out", "-q")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert sum("is empty" in line for line in lines) == 10_000
    assert "1 stamped" in lines[-1]
    assert len(read_video(tmp_path / "out" / "film.mp4").frames) == len(FILM)
