"""Every door that a file comes in by, and files that are cut short or have their bits flipped: an
answer or one line, and soon.
"""

import time

import numpy as np
import pytest
from PIL import Image

from support import recordings
from support.footage import textured
from support.recordings import MIRROR, card, record, tiled_heic

DOORS = {
    "generate": (
        "generate",
        "a cat",
        "--image",
        "{path}",
        "--model",
        "{model}",
        "-o",
        "{out}",
        "-q",
    ),
    "noise": ("noise", "{path}", "-o", "{out}"),
    "detect": ("detect", "{path}"),
    "verify": ("verify", "{path}"),
    "stamp": ("stamp", "{path}", "-o", "{folder}"),
}
MAX_SECONDS = 20


def telephone(path):
    film = np.repeat(card(96, 128)[None], 8, axis=0)
    return recordings.displayed(record(path.with_suffix(".tmp.mp4"), film), path, MIRROR)


def held(path):
    first, *others = map(Image.fromarray, textured(5, 96, 128))
    first.save(path, save_all=True, append_images=others, duration=[4000, 20, 20, 20, 20])
    return path


def transparent(path):
    pixels = Image.fromarray(textured(1, 96, 128)[0])
    pixels.putalpha(Image.linear_gradient("L").resize(pixels.size))
    pixels.save(path)
    return path


def several(path):
    small = Image.fromarray(card(32, 48))
    Image.fromarray(card(96, 128)).save(path, "MPO", save_all=True, append_images=[small])
    return path


FILES = {
    "phone.mov": telephone,
    "phone.heic": lambda path: tiled_heic(path, card(128, 128)),
    "phone.jpg": several,
    "meme.gif": held,
    "moving.webp": held,
    "cut-out.png": transparent,
    "recorder.webm": lambda path: record(path, textured(12), codec="libvpx", options={"live": "1"}),
    "raw.h264": lambda path: record(path, textured(12)),
}


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return {name: make(folder / name).read_bytes() for name, make in FILES.items()}


def worse(data, rng):
    """The whole file, cut at four places, and with bits flipped."""
    yield data
    for share in (0.01, 0.1, 0.5, 0.9):
        yield data[: max(1, int(share * len(data)))]
    for _ in range(2):
        flipped = bytearray(data)
        for place in rng.integers(0, len(data), 8):
            flipped[place] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "door", [pytest.param(d, marks=[pytest.mark.slow] * (d != "noise")) for d in DOORS]
)
def test_an_answer_or_one_line(name, door, files, tmp_path, praxino, tiny_model):
    path, rng = tmp_path / name, np.random.default_rng(0)
    out = tmp_path / ("out.mp4" if door == "generate" else "out.png")
    (tmp_path / "stamped").mkdir()
    for number, data in enumerate(worse(files[name], rng)):
        path.write_bytes(data)
        places = {"path": path, "out": out, "model": tiny_model, "folder": tmp_path / "stamped"}
        begun = time.process_time()
        code, _, err = praxino(*(part.format(**places) for part in DOORS[door]))
        assert time.process_time() - begun < MAX_SECONDS
        assert "Traceback" not in err
        assert code in ((0, 1) if number == 0 else (0, 1, 2, 3, 4, 5)), err
        if code == 2:
            assert len(err.strip().splitlines()) == 1, err
