"""Where pixels go is told exactly: what is warped by it looks as it did."""

import cv2
import numpy as np
import pytest

from praxino.data.labels.films import Source
from praxino.data.labels.motion import Motion
from praxino.data.labels.points import tracks

SOURCE = Source(seed=5, frames=5, height=96, width=96)


@pytest.fixture(scope="module", name="films")
def _films():
    return [SOURCE.film(number) for number in range(16)]


def test_the_next_frame_warped_back_is_this_one(films):
    errors, still, valid = [], [], 0
    for film in films:
        motion = Motion(film)
        for frame in range(4):
            flow = motion.flow(frame)
            rows, columns = np.mgrid[:96, :96].astype(np.float32)
            back = cv2.remap(
                film.frames[frame + 1], columns + flow.vectors[..., 0],
                rows + flow.vectors[..., 1], cv2.INTER_LINEAR,
            )  # fmt: skip
            # edges lie between pixels, and shadows move over the ground
            inner = cv2.erode((motion.ids[frame] > 0).astype(np.uint8), np.ones((5, 5))) > 0
            known = flow.valid & ~flow.occluded & inner
            difference = np.abs(back.astype(int) - film.frames[frame]).mean(2)
            errors.append(difference[known])
            plain = np.abs(film.frames[frame + 1].astype(int) - film.frames[frame]).mean(2)
            still.append(plain[known])
            valid += known.sum()
    error, unmoved = np.concatenate(errors).mean(), np.concatenate(still).mean()
    assert valid > 10_000
    assert error < 2.5
    assert error < 0.35 * unmoved


def test_the_backdrop_moves_with_the_camera(films):
    panning = [film for film in films if film.scene.camera.motion.startswith("pan")]
    assert panning
    for film in panning:
        flow = Motion(film).flow(1)
        left = film.scene.camera.left
        backdrop = Motion(film).ids[1] == 0
        moved = flow.vectors[backdrop]
        assert moved[:, 0].mean() == pytest.approx(96 * (left[1] - left[2]), abs=0.3)
        assert np.abs(moved[:, 1]).max() < 1e-4


def test_a_point_keeps_its_colour_where_it_is_seen(films):
    spreads = []
    for number, film in enumerate(films):
        points, occluded = tracks(film, number)
        for way, hidden in zip(points, occluded, strict=True):
            columns, rows = np.floor(way[~hidden] * 96).astype(int).T
            colours = film.frames[~hidden, rows, columns].astype(int)
            spreads.append(np.ptp(colours, axis=0).max() if len(colours) > 1 else 0)
    assert len(spreads) > 16 * 100
    assert np.median(spreads) <= 6
    assert np.quantile(spreads, 0.9) < 60


def test_rain_and_legs_are_not_followed(films):
    for film in films:
        unknown = Motion(film).unknown(0, 1)
        if film.scene.weather == "rain":
            assert unknown.any()
        running = [t for t in film.scene.things if t.motion in ("run", "walk")]
        if running and film.masks.visible[film.scene.things.index(running[0]), 0].sum() > 100:
            assert unknown[film.masks.visible[film.scene.things.index(running[0]), 0]].any()
