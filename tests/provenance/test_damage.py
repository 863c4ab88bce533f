"""Files are not trusted: thousands of damaged ones, and some that are made to be too much."""

import resource
import struct
import time
import zlib

import numpy as np
import pytest

from praxino.errors import PraxinoError
from praxino.provenance import credentials
from praxino.provenance.stamp import Provenance
from praxino.provenance.verify import verify
from praxino.storage.video import Video

ENDINGS = ("mp4", "webm", "gif", "png")
EACH = 1300
"""Damaged files of each kind whose statements are read."""
SHARE = 50
"""Every so many of them is looked at whole."""


@pytest.fixture(scope="module", name="seeds")
def _seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 255, (3, 10, 10, 3), np.uint8), np.ones((1, 4, 4, 1), np.uint8))
    stamp = Provenance()
    for ending in ENDINGS:
        frames = pixels[:1] if ending == "png" else pixels
        film = Video(frames, 8.0, {"prompt": "a cat", "model": "tiny", "digest": "abc"})
        stamp.sign(stamp.mark(film)).save(folder / f"a.{ending}")
    return folder


def damaged(data, rng):
    data, kind, length = bytearray(data), rng.integers(6), len(data)
    place = int(rng.integers(length))
    match kind:
        case 0:
            return bytes(data[:place])
        case 1:
            for spot in rng.integers(0, length, int(rng.integers(1, 20))):
                data[spot] ^= 1 << int(rng.integers(8))
        case 2:  # the size of a box, perhaps
            data[place : place + 4] = struct.pack(">I", int(rng.choice([0, 1, 7, 2**31 - 1, 2**31, 2**32 - 1])))
        case 3:
            count, source = int(rng.integers(1, 2000)), int(rng.integers(length))
            data[place : place + count] = data[source : source + count]
        case 4:
            del data[place : place + int(rng.integers(1, 500))]
        case 5:
            for spot in rng.integers(0, min(length, 600), int(rng.integers(1, 8))):
                data[spot] = int(rng.integers(256))
    return bytes(data)


def answered(path):
    try:
        return verify(path).outcome
    except PraxinoError:
        return "refused"


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_files_get_an_answer(seeds, tmp_path, ending):
    rng, whole = np.random.default_rng(ENDINGS.index(ending)), (seeds / f"a.{ending}").read_bytes()
    beside = seeds / "a.c2pa"
    target, unchanged = tmp_path / f"a.{ending}", 0
    started = time.process_time()
    for number in range(EACH):
        target.write_bytes(damaged(whole, rng))
        if ending == "webm":
            statements = beside.read_bytes()
            (tmp_path / "a.c2pa").write_bytes(damaged(statements, rng) if number % 2 else statements)
        said = credentials.read(target)
        unchanged += said.state in ("valid", "trusted")
        if number % SHARE == 0:
            assert answered(target) in ("signed", "tampered", "nothing", "marked", "refused")
    assert unchanged < 0.05 * EACH  # some bytes of a signature are padding
    assert time.process_time() - started < 240
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20  # kilobytes, of all tests in this process


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**7))) + chunk(b"IEND", b"")
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
    "box.mp4": struct.pack(">I", 24) + b"ftypisom" + bytes(12) + struct.pack(">I", 2**32 - 1) + b"moov" + bytes(64),
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
    assert answered(tmp_path / name) in ("nothing", "tampered", "refused")
    assert time.process_time() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # a gigabyte


def test_a_huge_file_beside_is_not_read(seeds, tmp_path):
    (tmp_path / "a.webm").write_bytes((seeds / "a.webm").read_bytes())
    with (tmp_path / "a.c2pa").open("wb") as file:
        file.truncate(credentials.LARGEST + 1)
    assert credentials.read(tmp_path / "a.webm").state == "none"
