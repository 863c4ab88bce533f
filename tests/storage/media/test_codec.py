"""Encoding in memory: frames come back, sizes and motion are told."""

import numpy as np

from praxino.storage.media.codec import encode, h264
from support.footage import textured


def test_frames_come_back_alike():
    film = textured(6)
    done = h264(film, crf="10")
    again = done.decoded()
    assert again.shape == film.shape
    assert np.abs(again.astype(int) - film).mean() < 8
    assert len(done.sizes) == 6
    assert done.sizes.sum() < len(done.data)


def test_motion_vectors_say_where_it_glides():
    """A vector points to where the block was: the plane moves left, so it was further right."""
    film = textured(8, 128, 192, step=4.0)
    options = {"preset": "fast", "x264-params": "keyint=99:scenecut=0:bframes=0:threads=1"}
    field = h264(film, qp="24", **options).motion()
    assert field.shape == (8, 8, 12, 2)
    assert not field[0].any()
    np.testing.assert_allclose(np.median(field[2:, 1:-1, 1:-2], axis=(0, 1, 2)), [4, 0], atol=0.5)


def test_any_encoder_does():
    assert encode(textured(4), 8.0, "mpeg4", {}).decoded().shape == (4, 96, 128, 3)


def test_the_same_frames_give_the_same_bytes():
    film = textured(5)
    assert h264(film, crf="23").data == h264(film, crf="23").data
