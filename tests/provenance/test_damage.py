"""Files are not trusted: thousands of damaged ones, and some that are made to be too much."""

import contextlib
import os
import resource
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from praxino import processes
from praxino.cli.verify import run_one
from praxino.errors import MediaError, PraxinoError
from praxino.provenance.c2pa import manifest, read, sign
from praxino.provenance.policy import Provenance
from praxino.provenance.verify import verify
from praxino.storage.media.video import Video
from support.damage import damaged, killed, limited, read_all

ENDINGS = ("mp4", "webm", "gif", "png", "jpg", "webp")
UNSIGNED = ("mp4", "gif", "png", "jpg", "webp", "tiff")
"""Damaged files of each kind."""


@pytest.fixture(scope="module", name="seeds")
def _seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    rng = np.random.default_rng(0)
    pixels = np.kron(
        rng.integers(0, 255, (3, 10, 10, 3), np.uint8), np.ones((1, 4, 4, 1), np.uint8)
    )
    stamp = Provenance()
    for ending in ENDINGS:
        path, stated = folder / f"a.{ending}", {"prompt": "a cat", "model": "tiny", "digest": "abc"}
        if ending in ("jpg", "webp"):
            Image.fromarray(pixels[0]).save(path)
            sign.sign(path, path, manifest.generated(stated, prompt=False), [])
        else:
            stamp.sign(
                stamp.mark(Video(pixels[:1] if ending == "png" else pixels, 8.0, stated))
            ).save(path)
    return folder


@pytest.fixture(
    scope="module", name="answers", params=[150, pytest.param(900, marks=pytest.mark.slow)]
)
def _answers(request, seeds, tmp_path_factory):
    """How many damaged files of each kind there were, and by kind what became of them."""
    folder = tmp_path_factory.mktemp("damaged")
    jobs = [(seeds / f"a.{ending}", folder / ending, request.param) for ending in ENDINGS]
    return request.param, {
        job[0].suffix[1:]: done.result()
        for job, done in processes.run_pool(read_all, jobs, 2, limited)
    }


@pytest.mark.parametrize("ending", UNSIGNED)
def test_damage_to_what_nobody_signed_is_not_tampering(tmp_path, ending):
    path, rng = tmp_path / f"a.{ending}", np.random.default_rng(0)
    pixels = rng.integers(0, 255, (3, 20, 20, 3), np.uint8)  # too small for a mark
    if ending in ("jpg", "webp", "tiff"):
        Image.fromarray(pixels[0]).save(path)
    else:
        Video(pixels[:1] if ending == "png" else pixels, 8.0).save(path)
    data = path.read_bytes()
    for worse in (
        data[:-3],
        data[: len(data) // 2],
        data + b"<!-- more -->\n",
        *(damaged(data, rng) for _ in range(50)),
    ):
        path.write_bytes(worse)
        with contextlib.suppress(PraxinoError):
            assert verify(path).outcome == "nothing"


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_files_get_an_answer(answers, ending):
    """In a process with little memory, which a crash would end."""
    count, by_ending = answers
    seen = by_ending[ending]
    assert (
        seen.signed < 0.1 * count
    )  # some 800 bytes of a signature are padding, a sixth of the smallest of these files
    assert 0 < seen.refused < count
    assert seen.slowest < 20
    assert seen.peak < 2**20  # kilobytes; a damaged length asks for gigabytes now and then


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(10**7)))
        + chunk(b"IEND", b"")
    )


MONSTERS = {
    "wide.png": png(60_000, 60_000),
    "long.png": png(2**31 - 1, 1),
    "thin.png": png(60_000, 25),
    "canvas.gif": b"GIF89a"
    + struct.pack("<HHBBB", 65_535, 65_535, 0xF7, 0, 0)
    + bytes(768)
    + b","
    + bytes(9)
    + b"\x02;",
    "box.mp4": struct.pack(">I", 24)
    + b"ftypisom"
    + bytes(12)
    + struct.pack(">I", 2**32 - 1)
    + b"moov"
    + bytes(64),
    "deep.mp4": struct.pack(">I", 24)
    + b"ftypisom"
    + bytes(12)
    + b"".join(struct.pack(">I", 8 * (5000 - i)) + b"moov" for i in range(5000)),
    "zeros.mp4": struct.pack(">I", 24) + b"ftypisom" + bytes(4000),
    "claims.c2pa.mp4": struct.pack(">I", 24)
    + b"ftypisom"
    + bytes(12)
    + struct.pack(">I", 2**31)
    + b"uuid"
    + bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    + bytes(100),
}


@pytest.mark.parametrize("name", MONSTERS)
def test_files_made_to_be_too_much(tmp_path, name):
    (tmp_path / name).write_bytes(MONSTERS[name])
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(PraxinoError):
        assert verify(tmp_path / name).outcome in ("nothing", "tampered")
    assert time.process_time() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # a gigabyte


def test_a_huge_file_beside_is_not_read(seeds, tmp_path):
    (tmp_path / "a.webm").write_bytes((seeds / "a.webm").read_bytes())
    with (tmp_path / "a.c2pa").open("wb") as file:
        file.truncate(read.MAX_SIDECAR_BYTES + 1)
    assert read.read(tmp_path / "a.webm").state == "none"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="no regular file"):
        verify(tmp_path / "a.mp4")


def test_what_kills_its_reader_is_one_line(seeds, monkeypatch):
    monkeypatch.setattr("praxino.provenance.verify.verify", killed)
    with pytest.raises(MediaError, match="kills the decoder"):
        run_one(seeds / "a.mp4")
