"""Two thousand damaged files, and what becomes of the worst: an answer or one kind of error, at
once.
"""

import contextlib
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from praxino.detection.batch import answer
from praxino.detection.view import views
from praxino.errors import MediaError
from praxino.storage.media.frames import probe
from support.footage import ball, textured, write


def _seeds(folder: Path) -> list[bytes]:
    """One small film of each kind."""
    seeds = [
        write(folder / "a.mp4", ball([(0.5, 0.5)] * 6, 64, 8)),
        write(folder / "b.webm", textured(5, 32, 48), codec="libvpx-vp9"),
        write(folder / "c.avi", textured(4, 32, 48), codec="mpeg4"),
        write(folder / "d.mov", textured(5, 96, 128), codec="libx265"),
        write(folder / "e.mkv", textured(5, 32, 48), times=[0, 40, 300, 340, 700]),
        write(folder / "f.ts", textured(5, 32, 48)),
    ]
    first, *others = (Image.fromarray(frame) for frame in textured(5, 32, 48))
    for name in ("g.gif", "h.webp", "i.png"):
        first.save(folder / name, save_all=True, append_images=others, duration=120)
        seeds.append(folder / name)
    return [path.read_bytes() for path in seeds]


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 10))]
)
def test_mutated_files_never_do_harm(tmp_path, part):
    """Two thousand files with flipped, missing, repeated or foreign bytes: views or one kind of
    error, within ten seconds and bounded memory, whatever size or length they claim.
    """
    rng = np.random.default_rng(part)
    originals = _seeds(tmp_path)
    path = tmp_path / "mutant"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for index in range(200):
        path.write_bytes(_mutated(originals[index % len(originals)], rng))
        started = time.monotonic()
        with contextlib.suppress(MediaError):  # anything else fails the test
            for view in views(path, probe(path)):
                assert view.frames.shape[1:] == (224, 224, 3)
        assert time.monotonic() - started < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1.5 * 2**20  # KiB


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    way = rng.integers(5)
    at = int(rng.integers(len(changed)))
    if way == 0:
        for place in rng.integers(len(changed), size=int(rng.integers(1, 40))):
            changed[int(place)] ^= 1 << int(rng.integers(8))
    elif way == 1:
        del changed[at:]
    elif way == 2:
        del changed[at : at + int(rng.integers(1, 400))]
    elif way == 3:
        changed[at : at + 8] = rng.bytes(8)
    else:
        changed[at:at] = changed[: int(rng.integers(1, 400))]
    return bytes(changed)


def test_whatever_is_left_of_a_film_is_answered(tmp_path):
    rng = np.random.default_rng(99)
    originals = _seeds(tmp_path)
    for index in range(12):
        path = tmp_path / f"{index}.mp4"
        path.write_bytes(_mutated(originals[index % len(originals)], rng))
        said = answer(path)
        assert said.verdict in ("inconclusive", "unreadable")  # 48 pixels are too few for more
        assert said.reasons
        assert "could not be examined" not in said.reasons[0]
