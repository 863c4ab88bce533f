"""An installation recognises its own messages where they are too worn to be read."""

import numpy as np
import pytest

from praxino.data.pixels import resized
from praxino.provenance import keys
from praxino.provenance.policy import Provenance
from praxino.provenance.verify import verify
from praxino.provenance.watermark import issued
from praxino.provenance.watermark.carriers import carriers
from praxino.provenance.watermark.channel_code import CODED, encoded
from praxino.provenance.watermark.detect import Spectrum, find, pooled, received, residual
from praxino.provenance.watermark.embed import mark
from praxino.provenance.watermark.payload import WIDTHS
from praxino.storage.media.codec import h264
from praxino.storage.media.video import Video
from support.footage import textured, write

RECORD = {"prompt": "a red ball", "model": "tiny", "digest": "abc"}
MESSAGE = 0xA1B2C3D4E5F6


@pytest.fixture(name="config")
def _config(tmp_path, monkeypatch):
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "config"))
    return tmp_path / "config"


def test_each_message_is_kept_once(config):
    assert issued.issued_messages() == ()
    for message in (1, 2**48 - 1, 1):
        issued.record_issued(message)
    assert issued.issued_messages() == (1, 2**48 - 1)
    assert (config / issued.FILE).read_text() == "000000000001\nffffffffffff\n"


def test_what_is_no_message_is_left_out(config):
    config.mkdir()
    (config / issued.FILE).write_bytes(
        b"\xff\xfe\n-00000000001\n00000000000A\n000000000003\n" + b"0" * 10**6
    )
    assert issued.issued_messages() == (3,)


def test_without_a_place_to_keep_them_none_are(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "file"))
    issued.record_issued(1)
    assert issued.issued_messages() == ()


def test_a_worn_message_is_recognised_and_no_other_is():
    film = resized(textured(8, 120, 160, seed=3), 480, 640)
    worn = h264(resized(mark(film, MESSAGE, b"key"), 240, 320), 24, crf="25").decoded()
    spectrum = Spectrum(pooled([residual(frame) for frame in worn]))
    found = find(spectrum, b"key")
    assert found.sure
    assert found.message is None
    soft = received(spectrum, carriers(b"key"), found.place)
    others = np.random.default_rng(0).integers(0, 2**48, 50).tolist()
    assert issued.match_issued(soft, ()) is None
    assert issued.match_issued(soft, others) is None
    assert issued.match_issued(soft, [*others, MESSAGE]) == MESSAGE


@pytest.mark.parametrize("count", [20, pytest.param(120, marks=pytest.mark.slow)])
def test_makers_of_the_same_model_and_month_are_no_more_often_taken_for_us_than_is_said(count):
    """They share more than half of the message, and the code makes neighbours of some."""
    rng = np.random.default_rng(0)
    makers = rng.integers(0, 2 ** WIDTHS["maker"], (count, 2))
    prefix = MESSAGE >> WIDTHS["maker"] << WIDTHS["maker"]
    right, wrong = 0, 0
    for theirs, ours in (prefix | makers).tolist():
        soft = 1.0 - 2.0 * encoded(theirs) + rng.normal(0, 2.5, CODED)
        right += issued.match_issued(soft, [theirs]) == theirs
        wrong += issued.match_issued(soft, [ours]) is not None
    assert right > 0.75 * count
    assert wrong == 0


def test_it_is_said_so(config, tmp_path, monkeypatch):
    film = Video(resized(textured(8, 120, 160, seed=3), 480, 640), 8.0, dict(RECORD))
    marked = Provenance(credentials=False).mark(film)
    write(tmp_path / "a.mp4", h264(resized(marked.frames, 240, 320), 24, crf="24").decoded())
    said = verify(tmp_path / "a.mp4")
    assert (said.mark.message, said.mark.own) == (marked.record["watermark"], True)
    # with some keys of an installation it can just be read
    assert ("worn, and resembles" in said.sentences[1]) is said.mark.recognised
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "other"))
    said = verify(tmp_path / "a.mp4")
    assert said.mark.found
    read = (said.mark.message, said.mark.own)  # again by some keys it can just be read
    assert read in (("", None), (marked.record["watermark"], False))
    assert ("its message is lost" in said.sentences[1]) == (read[0] == "")
