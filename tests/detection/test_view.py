"""The canonical view: what is the same for all clips, and what is left out."""

import numpy as np
import pytest
from PIL import Image

from praxino.detection.view import (
    FRAMES,
    NATIVE,
    SIDE,
    View,
    centre,
    gathered,
    squared,
    starts,
    view_of,
    views,
)
from praxino.storage.media.frames import probe
from praxino.storage.media.info import VideoFrame
from support.footage import textured, write


def test_a_clip_that_is_canonical_already_is_left_as_it_is():
    film = textured(16, 224, 224)
    view = view_of(film, 8.0)
    np.testing.assert_array_equal(view.frames, film)
    assert view.fps == pytest.approx(8.0)


@pytest.mark.parametrize(("fps", "rate"), [(24, 8), (30, 7.5), (6, 6), (16, 8), (60, 7.5)])
def test_every_clip_is_slowed_to_eight_frames_a_second(fps, rate):
    view = view_of(textured(fps * 3, 64, 96, step=0.5), fps)
    assert view.fps == pytest.approx(rate, rel=0.01)
    assert view.frames.shape == (FRAMES, SIDE, SIDE, 3)


def test_the_square_is_the_middle():
    frame = np.zeros((100, 300, 3), np.uint8)
    frame[:, 100:200] = 255
    assert squared(frame).min() == 255


def test_uncut_pixels_keep_the_phase_of_grids():
    frame = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    y, x = 12 * 32, 26 * 32  # the multiples of 32 next to the middle
    np.testing.assert_array_equal(centre(frame), frame[y : y + NATIVE, x : x + NATIVE])


def test_frames_repeated_by_a_conversion_are_left_out():
    film = textured(30, 96, 96)
    doubled = np.repeat(film, 2, axis=0)
    once, twice = view_of(film, 12.0), view_of(doubled, 24.0)
    np.testing.assert_array_equal(once.frames, twice.frames)
    assert twice.fps == pytest.approx(once.fps, rel=0.02)


def test_a_still_clip_keeps_its_frames():
    assert len(view_of(np.repeat(textured(1, 96, 96), 16, axis=0), 8.0).frames) == 16


def test_irregular_frames_are_evened_out():
    film = textured(60, 64, 64)
    rng = np.random.default_rng(0)
    clock = np.cumsum(rng.uniform(0.005, 0.09, 60))
    view = gathered(VideoFrame(float(t), frame) for t, frame in zip(clock, film, strict=True))
    assert view is not None
    assert np.abs(np.diff(view.times) - 0.125).max() < 0.1
    assert view.fps == 8.0


def test_one_of_two_fields_is_seen():
    film = textured(8, 128, 128)
    film[:, 1::2] = 0
    view = gathered(VideoFrame(i / 8, frame, interlaced=True) for i, frame in enumerate(film))
    assert view is not None
    assert view.frames.mean() > 60


def test_windows_are_spread_over_a_file(tmp_path):
    path = write(tmp_path / "a.mp4", textured(8 * 30, 64, 64), fps=8)
    found = list(views(path, probe(path)))
    assert [round(float(view.times[0])) for view in found] == [0, 9, 19, 28]
    short = write(tmp_path / "b.mp4", textured(5, 64, 64), fps=8)
    assert [len(view.frames) for view in views(short, probe(short))] == [5]


def test_windows_of_an_animated_picture_overlap_as_those_of_a_film(tmp_path):
    first, *others = (Image.fromarray(frame) for frame in textured(36, 64, 96))
    first.save(
        tmp_path / "a.webp", save_all=True, append_images=others, duration=120, lossless=True
    )
    path = tmp_path / "a.webp"
    found = list(views(path, probe(path)))
    assert [len(view.frames) for view in found] == [FRAMES] * len(starts(probe(path)))
    assert [view.times[0] for view in found] == pytest.approx(starts(probe(path)), abs=0.13)


def test_a_film_without_frames_has_no_view():
    with pytest.raises(ValueError, match="no view"):
        view_of(np.zeros((0, 8, 8, 3), np.uint8), 8.0)


def test_flow_and_tracks_follow_what_glides():
    view = view_of(textured(8, 224, 224, step=3.0), 8.0)
    assert np.median(view.forward[..., 0]) == pytest.approx(-3, abs=0.2)
    assert np.median(view.backward[..., 0]) == pytest.approx(3, abs=0.2)
    steps = np.diff(view.tracks.places, axis=0)[..., 0]
    assert np.nanmedian(steps) == pytest.approx(-3, abs=0.2)
    np.testing.assert_allclose(np.median(view.global_motion[:, 2], axis=0), [-3, 0], atol=0.3)
    assert isinstance(view, View)
