"""Each family: finite and stable on anything, and it sees what it is for."""

import functools

import cv2
import numpy as np
import pytest

from praxino.data.degrade import compressed
from praxino.data.diorama import compose, render
from praxino.detection import frequency, latent, patches, physics, temporal
from praxino.detection.detector import collect_evidence
from praxino.detection.evidence import FAMILIES
from praxino.detection.view import View, view_of
from support.footage import textured

FILMS = {
    "diorama": lambda: render(compose(3, 5, frames=16), 96, 128),
    "texture": lambda: textured(16),
    "black": lambda: np.zeros((16, 64, 64, 3), np.uint8),
    "still": lambda: np.repeat(textured(1, 224, 224), 9, axis=0),
    "noise": lambda: np.random.default_rng(0).integers(0, 256, (16, 120, 90, 3)).astype(np.uint8),
    "four frames": lambda: textured(4, 50, 40),
    "flash": lambda: np.concatenate(
        [np.zeros((8, 64, 64, 3), np.uint8), np.full((8, 64, 64, 3), 255, np.uint8)]
    ),
}


@functools.cache
def seen(name: str) -> View:
    return view_of(FILMS[name](), 8.0)


@functools.cache
def names() -> list[set[str]]:
    return [set(each.measures) for each in collect_evidence(seen("texture"))]


QUICK = ("texture", "black", "four frames")


@pytest.mark.parametrize(
    "film", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in FILMS]
)
def test_every_film_gets_the_same_finite_measures(film):
    view = seen(film)
    for each, family, known in zip(collect_evidence(view), FAMILIES, names(), strict=True):
        assert each.family == family
        assert set(each.measures) == known
        assert np.isfinite(list(each.measures.values())).all(), each.measures
        assert each.headline in each.measures
        assert all(0 <= frame < len(view.frames) for frame in each.frames)
        assert each.sentence.endswith(".")
        assert each.curve is None or np.isfinite(each.curve).all()
        assert each.map is None or np.isfinite(each.map).all()


def test_measures_are_pure():
    one, two = (temporal.measures(view_of(textured(16), 8.0)) for _ in range(2))
    assert one == two


def test_a_gliding_path_is_straighter_than_a_shaking_one():
    clock = np.arange(16.0)
    glide = np.stack([clock, 0.5 * clock], axis=1)
    shake = np.random.default_rng(0).normal(size=(16, 2))
    straight, bent = temporal.trajectory(glide), temporal.trajectory(shake)
    assert straight["bend"] == pytest.approx(1, abs=1e-6)
    assert bent["bend"] < 0
    assert straight["roughness"] < 1e-6 < bent["roughness"]


def test_a_pattern_that_belongs_to_the_sensor_stays_where_it_is():
    rng = np.random.default_rng(0)
    scene, pattern = (
        textured(16, 224, 224, step=3.0).astype(np.float32),
        rng.normal(0, 12, (224, 224, 1)),
    )
    fixed = (scene + pattern).clip(0, 255).astype(np.uint8)
    fresh = (scene + rng.normal(0, 12, (16, 224, 224, 1))).clip(0, 255).astype(np.uint8)
    found, other = (
        temporal.measures(view_of(film, 8.0))["detail.fixed"] for film in (fixed, fresh)
    )
    assert found > other + 0.1


def test_the_block_transform_keeps_power():
    pictures = np.random.default_rng(0).normal(size=(2, 32, 40)).astype(np.float32)
    blocks = temporal.blocks_dct(pictures)
    assert blocks.shape == (2, 4, 5, 8, 8)
    assert (blocks**2).sum() == pytest.approx((pictures**2).sum(), rel=1e-4)
    np.testing.assert_allclose(blocks[..., 0, 0].mean(), pictures.mean() * 8, rtol=1e-2, atol=1e-3)


def test_enlarging_bends_the_spectrum():
    sharp = textured(16, 224, 224)
    soft = np.stack(
        [
            cv2.resize(frame, (224, 224), interpolation=cv2.INTER_CUBIC)
            for frame in textured(16, 112, 112)
        ]
    )
    steep, flat = (frequency.measures(view_of(film, 8.0)) for film in (soft, sharp))
    assert steep["radial.slope"] < flat["radial.slope"] - 0.5
    assert steep["wavelet.fall_hh1"] < flat["wavelet.fall_hh1"]


def test_a_grid_is_found_at_its_period():
    film = textured(16, 224, 224, step=0.0).astype(np.float32)
    film[:, :, ::16] += 25
    film[:, ::16] += 25
    found = patches.measures(view_of(film.clip(0, 255).astype(np.uint8), 8.0))
    steps = {period: found[f"own.step_{period}"] for period in patches.PERIODS}
    assert steps[16] > steps[4] + 0.3
    assert steps[16] > steps[8] + 0.1
    plain = patches.measures(view_of(textured(16, 224, 224, step=0.0), 8.0))
    assert plain["own.step_16"] < 0.5 * steps[16]


def test_twins_are_found_where_they_are():
    film = textured(5, 224, 224, step=0.0)
    film[:, 160:192, 176:208] = film[:, 16:48, 32:64]
    a, b, alike = patches.twins(view_of(film, 8.0))
    assert alike > 0.85
    assert sorted([a, b])[0][0] in (1, 2)
    assert np.subtract(*sorted([b, a], reverse=True)).tolist() == [9, 9]


def test_smooth_pictures_are_called_flat():
    plain = np.full((8, 64, 64, 3), 128, np.uint8)
    assert latent.measures(view_of(plain, 8.0))["smooth.flat"] == 1
    assert latent.measures(view_of(textured(8), 8.0))["smooth.flat"] < 0.3


def test_a_camera_that_shakes_jolts_more_than_one_that_glides():
    rng = np.random.default_rng(0)
    wide = textured(1, 300, 300, step=0.0)[0]
    ways = {
        "shake": rng.integers(0, 8, (16, 2)),
        "glide": np.stack([np.arange(16) * 2, np.arange(16)], 1),
    }
    found = {
        name: physics.measures(
            view_of(np.stack([wide[y : y + 224, x : x + 224] for y, x in way]), 8.0)
        )
        for name, way in ways.items()
    }
    assert found["shake"]["momentum.jolts"] > found["glide"]["momentum.jolts"] + 1


def test_compression_costs_what_it_costs():
    film = textured(16, 224, 224)
    hard, soft = (frequency.measures(view_of(compressed(film, crf), 8.0)) for crf in (40, 12))
    assert hard["bytes.first"] < soft["bytes.first"]
