"""Films that are watched while they are written."""

import io

import numpy as np
import pytest

from praxino.errors import InputError
from praxino.storage.media.fragments import FragmentWriter, join
from praxino.storage.media.frames import read_video

SHADES = np.linspace(20, 200, 48, dtype=np.float32)[None, None, :, None]
FILM = np.broadcast_to(SHADES + 3 * np.arange(12)[:, None, None, None], (12, 32, 48, 3))
FILM = FILM.astype(np.uint8)


class Sink:
    """Takes bytes, and can do nothing else."""

    def __init__(self):
        self.content = b""

    def write(self, data):
        self.content += bytes(data)
        return len(data)


def test_what_is_written_can_be_seen_at_once(tmp_path):
    sink = Sink()
    writer = FragmentWriter(sink, 8.0, {"prompt": "a"})
    for count in (4, 8, 12):
        writer.write(FILM[count - 4 : count])
        (tmp_path / "sofar.mp4").write_bytes(sink.content)
        assert len(read_video(tmp_path / "sofar.mp4").frames) >= count - 1
    writer.close()
    (tmp_path / "film.mp4").write_bytes(sink.content)
    film = read_video(tmp_path / "film.mp4")
    assert (film.frames.shape, film.fps, film.record) == (FILM.shape, 8.0, {"prompt": "a"})
    assert np.abs(film.frames.astype(int) - FILM).mean() < 3


def test_the_pieces_are_joined(tmp_path):
    parts = io.BytesIO()
    with FragmentWriter(parts, 8.0) as writer:
        writer.write(FILM)
    parts.seek(0)
    join(parts, tmp_path / "film.mp4", {"frames": 12})
    film = read_video(tmp_path / "film.mp4")
    assert (film.frames.shape, film.fps, film.record) == (FILM.shape, 8.0, {"frames": 12})
    assert b"moof" not in (tmp_path / "film.mp4").read_bytes()


def test_a_reader_that_goes_away_is_told():
    class Gone:
        def write(self, data):
            raise BrokenPipeError(32, "gone")

    with pytest.raises(BrokenPipeError), FragmentWriter(Gone(), 8.0) as writer:
        writer.write(FILM)


def test_an_odd_size_is_refused():
    with pytest.raises(InputError, match="47x32: films need even sizes"):
        FragmentWriter(Sink(), 8.0).write(FILM[:, :, :-1])
