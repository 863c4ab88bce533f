"""Real clips to learn from."""

import numpy as np
import pytest

from praxino.data import real_clips
from praxino.errors import InputError
from support.footage import sound, textured, write


def test_clips_are_slowed_and_know_their_source(tmp_path, caplog):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a" / "one.mp4", textured(48, 64, 64), fps=24)
    write(tmp_path / "two.mp4", textured(16, 64, 64), fps=8)
    write(tmp_path / "short.mp4", textured(3, 64, 64), fps=8)
    sound(tmp_path / "song.mp4")
    films, sources = real_clips.read(tmp_path, 6)
    assert [len(film) for film in films] == [16, 16]
    assert sources == ["a", ""]
    assert "song.mp4" in caplog.text


def test_large_clips_are_reduced_and_long_ones_cut(tmp_path):
    write(tmp_path / "a.mp4", np.zeros((34, 720, 900, 3), np.uint8), fps=8)
    assert real_clips.clip(tmp_path / "a.mp4").shape == (real_clips.MAX_CLIP_FRAMES, 360, 450, 3)


def test_no_clips_say_so(tmp_path):
    with pytest.raises(InputError, match="no films in"):
        real_clips.read(tmp_path, 6)
