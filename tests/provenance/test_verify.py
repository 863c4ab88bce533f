"""What a verifier is told: one file, many files, exit codes, and never a traceback."""

import json
import shutil

import cv2
import numpy as np
import pytest

import praxino
from praxino.data.pixels import resized
from praxino.errors import MediaError
from praxino.generation.loading import load
from praxino.provenance import keys
from praxino.provenance.c2pa import manifest, sign
from praxino.provenance.c2pa.read import Credentials
from praxino.provenance.policy import Provenance
from praxino.provenance.verify import _agree, verify
from praxino.provenance.watermark.scan import Mark
from praxino.storage.media.frames import read_video
from praxino.storage.media.video import Video
from support.footage import textured, write

pytestmark = pytest.mark.usefixtures("in_this_process")
RECORD = {"prompt": "a red ball", "model": "tiny", "digest": "abc"}


@pytest.fixture(scope="module", name="plain")
def _plain():
    return resized(textured(12, 120, 160, seed=3), 240, 320)


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory, plain):
    """Films of every outcome."""
    folder = tmp_path_factory.mktemp("films")
    stamp = Provenance()
    stamp.sign(stamp.mark(Video(plain, 8.0, dict(RECORD)))).save(folder / "signed.mp4")
    write(folder / "marked.mp4", read_video(folder / "signed.mp4").frames, fps=8)
    Video(plain, 8.0).save(folder / "nothing.mp4")
    data = bytearray((folder / "signed.mp4").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "tampered.mp4").write_bytes(data)
    (folder / "unreadable.mp4").write_text("not a film")
    return folder


CODES = {"signed": 0, "nothing": 1, "unreadable": 2, "tampered": 3, "marked": 4}


@pytest.mark.parametrize("outcome", CODES)
def test_one_file(praxino, folder, outcome):
    code, out, err = praxino("verify", folder / f"{outcome}.mp4")
    assert code == CODES[outcome]
    assert "Traceback" not in err
    if outcome == "unreadable":
        assert len(err.splitlines()) == 1
    else:
        assert verify(folder / f"{outcome}.mp4").outcome == outcome
        assert "signature:" in out
        assert "watermark:" in out


def test_a_folder_is_a_table_and_its_gravest_outcome(praxino, folder):
    code, out, _ = praxino("verify", folder, "--processes", "1")
    assert code == CODES["tampered"]
    rows = out.splitlines()
    assert [row.split()[0] for row in rows[1:6]] == [
        "marked",
        "nothing",
        "signed",
        "tampered",
        "unreadable",
    ]
    assert "1 tampered, 1 unreadable, 1 marked, 1 nothing, 1 signed" in rows[-1]


def test_json_says_it_all(praxino, folder):
    code, out, _ = praxino("verify", folder / "signed.mp4", "--json")
    said = json.loads(out)
    assert (code, said["code"], said["outcome"], said["agree"]) == (0, 0, "signed", True)
    assert said["mark"]["own"] is True
    assert said["mark"]["probability"] < 1e-6
    assert said["mark"]["message"] == said["credentials"]["mark"]
    code, out, _ = praxino("verify", folder, "--json", "--processes", "2")
    assert [each["outcome"] for each in json.loads(out)] == [
        "marked",
        "nothing",
        "signed",
        "tampered",
        "unreadable",
    ]


def test_the_mark_of_another_film_is_a_contradiction(folder, tmp_path):
    """A film that carries one mark, signed as if it carried another."""
    shutil.copy(folder / "marked.mp4", tmp_path / "a.mp4")
    said = signed(tmp_path / "a.mp4", "0123456789ab")
    assert said.outcome == "tampered"
    assert said.agree is False
    assert said.credentials.state == "trusted"
    assert "another mark" in said.sentences[-1]


def signed(path, mark="", source=manifest.GENERATED):
    stated = manifest.generated(RECORD | ({"watermark": mark} if mark else {}), False)
    stated["assertions"][0]["data"]["actions"][0]["digitalSourceType"] = source
    sign.sign(path, path, stated, [])
    return verify(path)


def test_a_camera_that_signs_a_marked_film_is_remarked_on(folder, tmp_path):
    """It may have filmed a screen: the file is what was signed."""
    shutil.copy(folder / "marked.mp4", tmp_path / "a.mp4")
    said = signed(tmp_path / "a.mp4", source=manifest.SOURCES + "digitalCapture")
    assert (said.outcome, said.agree, said.credentials.state) == ("signed", None, "trusted")
    assert "CONTRADICTION: signed as digitalCapture, marked as generated" in said.sentences[-1]


def test_a_frame_without_room_for_a_mark_gets_none_and_says_so(tmp_path, caplog):
    stamp = Provenance()
    film = stamp.mark(Video(textured(2, 20, 60), 8.0, dict(RECORD)))
    assert film.record["watermark"] is False
    assert "60x20 has no room" in caplog.text
    stamp.sign(film).save(tmp_path / "a.mp4")
    said = verify(tmp_path / "a.mp4")
    assert (said.outcome, said.mark.looked, said.credentials.mark) == ("signed", False, "")
    assert "no room" in said.sentences[1]


def test_a_film_without_the_file_beside_it(tmp_path, plain):
    stamp = Provenance(watermark=False)
    stamp.sign(Video(plain[:2], 8.0, dict(RECORD))).save(tmp_path / "a.webm")
    stamp.sign(Video(plain[:3], 8.0, dict(RECORD))).save(tmp_path / "b.webm")
    (tmp_path / "b.c2pa").replace(tmp_path / "a.c2pa")
    said = [verify(tmp_path / name) for name in ("a.webm", "b.webm")]
    assert [each.outcome for each in said] == ["tampered", "nothing"]
    assert "what a.c2pa beside it is about" in said[0].sentences[0]
    assert "b.c2pa beside the file would hold it" in said[1].sentences[0]


def test_mistakes_in_settings_are_one_error_for_all_files(praxino, folder, tmp_path, monkeypatch):
    (tmp_path / "provenance.toml").write_text("nope = 1")
    monkeypatch.setenv(keys.FOLDER, str(tmp_path))
    for what in (folder, folder / "signed.mp4"):
        code, out, err = praxino("verify", what)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert "nope" in err


def test_a_missing_file_among_others_is_one_of_them(praxino, folder, tmp_path):
    code, out, _ = praxino("verify", folder / "nothing.mp4", tmp_path / "gone.mp4")
    assert code == CODES["unreadable"]
    assert "1 unreadable, 1 nothing" in out
    assert "no such file" in out


def test_statements_and_pixels_that_cannot_be_compared_are_remarked_on(folder, tmp_path):
    shutil.copy(folder / "marked.mp4", tmp_path / "a.mp4")
    said = signed(tmp_path / "a.mp4")
    assert (said.outcome, said.agree) == ("signed", None)
    assert "does not name the mark" in said.sentences[-1]
    shutil.copy(folder / "nothing.mp4", tmp_path / "b.mp4")
    said = signed(tmp_path / "b.mp4", "0123456789ab")
    assert (said.outcome, said.agree) == ("signed", None)
    assert "0123456789ab, that the pixels do not show" in said.sentences[-1]


def test_a_message_that_may_be_read_wrongly_contradicts_nothing():
    told = Credentials(state="valid", mark="0123456789ab")
    faint, clear = (
        Mark(found=True, message="ba9876543210", agreement=share) for share in (0.75, 0.9)
    )
    assert [_agree(told, mark) for mark in (faint, clear)] == [None, False]
    assert _agree(told, Mark(found=True, message="0123456789ab", agreement=0.75)) is True


def test_others_read_the_mark_and_do_not_own_it(folder, tmp_path, monkeypatch):
    monkeypatch.setenv(keys.FOLDER, str(tmp_path))
    said = verify(folder / "marked.mp4")
    assert said.mark.found
    assert said.mark.own is False
    assert said.mark.key == "public"


def test_a_private_mark_is_for_its_owner(plain, tmp_path, monkeypatch):
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "provenance.toml").write_text("private = true")
    film = Provenance(credentials=False).mark(Video(plain, 8.0, dict(RECORD)))
    film.save(tmp_path / "a.mp4")
    said = verify(tmp_path / "a.mp4").mark
    assert (said.found, said.key, said.own) == (True, "private", True)
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "other"))
    assert verify(tmp_path / "a.mp4").outcome == "nothing"


def test_where_in_a_film_it_is(plain, tmp_path):
    """Generated seconds between others."""
    other = resized(textured(16, 120, 160, seed=8), 240, 320)
    marked = (
        Provenance(credentials=False)
        .mark(Video(np.concatenate([plain] * 4), 8.0, dict(RECORD)))
        .frames
    )
    write(tmp_path / "a.mp4", np.concatenate([other, other, marked, other, other]), fps=8)
    said = verify(tmp_path / "a.mp4")
    assert said.outcome == "marked"
    assert said.mark.seconds
    assert "only in" in said.sentences[1]


def test_what_became_of_it_is_said(folder, tmp_path):
    frames = read_video(folder / "signed.mp4").frames[:, :, ::-1]
    turned = [
        cv2.warpAffine(f, cv2.getRotationMatrix2D((159.5, 119.5), 4, 1), (320, 240)) for f in frames
    ]
    write(tmp_path / "a.mp4", np.stack(turned), fps=8)
    sentence = verify(tmp_path / "a.mp4").sentences[1]
    assert "mirrored" in sentence
    assert "turned by" in sentence


@pytest.mark.parametrize("name", ["nowhere.mp4", "empty.mp4"])
def test_bad_input_is_named(praxino, tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mp4").touch()
    code, _, err = praxino("verify", name)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "hint:" in err


@pytest.mark.slow
def test_the_noise_is_read_by_a_model(praxino, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load(device="cpu").generate("a city at night", noise_mark=True).save("a.mp4")
    code, out, _ = praxino("verify", "a.mp4", "--model", "diorama")
    assert code == 0
    assert "noise: marked by this installation" in out
    Video(np.zeros((3, 64, 64, 3), np.uint8), 8.0).save("b.mp4")
    _, out, _ = praxino("verify", "b.mp4", "--model", "diorama", "--json")
    assert "frames=3" in json.loads(out)["noise"]["problem"]
    assert praxino("verify", "b.mp4", "--model", "nowhere")[0] == 2


@pytest.mark.slow
def test_a_mark_in_the_noise_alone_is_a_mark(praxino, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = Provenance(watermark=False, credentials=False)
    load(device="cpu").generate("a city at night", plain, noise_mark=True).save("a.mp4")
    assert praxino("verify", "a.mp4")[0] == CODES["nothing"]
    code, out, _ = praxino("verify", "a.mp4", "--model", "diorama", "--json")
    assert (code, json.loads(out)["outcome"]) == (CODES["marked"], "marked")


def test_names_cannot_fake_a_line(praxino, folder, tmp_path):
    for name in ("a.mp4", "b\n0 tampered.mp4"):
        shutil.copy(folder / "nothing.mp4", tmp_path / name)
    _, out, _ = praxino("verify", tmp_path)
    assert len(out.splitlines()) == 4
    assert "b?0 tampered.mp4" in out


def test_python_has_it_too(folder):
    assert praxino.verify(folder / "signed.mp4").outcome == "signed"
    with pytest.raises(MediaError, match="is a folder"):
        praxino.verify(folder)
