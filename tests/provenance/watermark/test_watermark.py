"""The mark in the pixels: not seen, found after what happens to films, and never where there is
none.
"""

import itertools

import cv2
import numpy as np
import pytest

from praxino.data.pixels import resized
from praxino.provenance.watermark.carriers import carriers, pattern, tile
from praxino.provenance.watermark.channel_code import CODED, encoded
from praxino.provenance.watermark.detect import (
    MAX_FALSE_POSITIVE_RATE,
    Spectrum,
    chance,
    find,
    pooled,
    residual,
    still_there,
)
from praxino.provenance.watermark.embed import mark, similarity
from praxino.storage.media.codec import encode, h264
from support.footage import textured

GOLDEN_WAVES = [[0, 3], [7, 0], [7, 4], [4, -9]]
GOLDEN_PHASES = [-1.692729, -0.081484, -3.036769, -1.071021]
KEY, MESSAGE = b"a key of tests", 0xA1B2C3D4E5F6


def found(film, key=KEY):
    return find(Spectrum(pooled([residual(frame) for frame in film])), key)


@pytest.fixture(scope="module", name="film")
def _film():
    return resized(textured(8, 120, 160, seed=3), 480, 640)


@pytest.fixture(scope="module", name="marked")
def _marked(film):
    return mark(film, MESSAGE, KEY)


def psnr(film, other):
    return 10 * np.log10(255**2 / np.mean((film.astype(float) - other) ** 2))


@pytest.mark.parametrize(
    ("frames", "height", "width"), [(17, 64, 64), (5, 96, 64), (1, 128, 160), (2, 480, 852)]
)
def test_it_is_not_seen_and_read_at_every_size(frames, height, width):
    film = textured(frames, height, width, seed=1)
    marked = mark(film, MESSAGE, KEY)
    assert marked.shape == film.shape
    assert marked.dtype == np.uint8
    assert psnr(film, marked) >= 42
    assert np.mean([similarity(a, b) for a, b in zip(film, marked, strict=True)]) >= 0.99
    assert found(marked).sure


def test_similarity_is_that_of_the_library():
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.image import structural_similarity_index_measure

    one, two = textured(2, 96, 96, seed=1)
    light = [
        torch.from_numpy(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)).float()[None, None]
        for f in (one, two)
    ]
    theirs = float(structural_similarity_index_measure(*light, data_range=255.0))
    assert similarity(one, two) == pytest.approx(theirs, abs=0.01)  # they leave out the borders


def test_the_same_film_is_marked_the_same(film, marked):
    assert np.array_equal(mark(film, MESSAGE, KEY), marked)


ATTACKS = {
    "none": lambda film: film,
    "one frame": lambda film: film[3:4],
    "crf 23": lambda film: h264(film, 24, crf="23").decoded(),
    "vp9": lambda film: encode(
        film, 24, "libvpx-vp9", {"crf": "32", "b": "0", "cpu-used": "8"}
    ).decoded(),
    "half": lambda film: resized(film, 240, 320),
    "twice": lambda film: resized(film, 960, 1280),
    "stretched": lambda film: resized(film, 480, 480),
    "dropped": lambda film: film[::2],
    "darker": lambda film: (film * 0.6).astype(np.uint8),
    "noise": lambda film: (
        (film + np.random.default_rng(0).normal(0, 6, film.shape)).clip(0, 255).astype(np.uint8)
    ),
}
MOVED = {
    "cut to half its area": lambda film: film[:, 100:440, 60:512],
    "cut and enlarged": lambda film: resized(film[:, 100:440, 60:512], 480, 640),
    "turned by 5 degrees": lambda film: np.stack(
        [cv2.warpAffine(f, cv2.getRotationMatrix2D((319.5, 239.5), 5, 1), (640, 480)) for f in film]
    ),
    "framed": lambda film: np.pad(film, ((0, 0), (60, 60), (200, 200), (0, 0))),
}


@pytest.mark.parametrize("way", [*ATTACKS, *MOVED])
def test_the_message_survives(marked, way):
    seen = found(np.ascontiguousarray((ATTACKS | MOVED)[way](marked)))
    assert seen.probability <= MAX_FALSE_POSITIVE_RATE
    assert seen.message == MESSAGE
    assert seen.agreement > 0.85


@pytest.mark.parametrize(("quarters", "flipped"), list(itertools.product(range(4), (False, True))))
def test_turned_by_quarters_and_flipped(marked, quarters, flipped):
    film = np.rot90(marked[:2, :, ::-1] if flipped else marked[:2], quarters, axes=(1, 2))
    seen = found(np.ascontiguousarray(film))
    assert seen.message == MESSAGE
    assert seen.flipped == flipped
    assert (round(seen.turn) - 90 * quarters) % 180 == 0


def test_where_it_was_moved_is_said(marked):
    assert found(MOVED["cut and enlarged"](marked)).scale == pytest.approx(2**0.5, rel=0.02)
    assert abs(found(MOVED["turned by 5 degrees"](marked)).turn) == pytest.approx(5, abs=0.5)


def test_without_a_mark_or_the_key_nothing_is_found(film, marked):
    assert found(film).probability > 1e-3
    other = found(marked, b"another key")
    assert other.probability > 1e-3
    assert other.message is None


@pytest.mark.parametrize(
    "film",
    [
        np.zeros((1, 64, 64, 3), np.uint8),
        np.full((1, 300, 300, 3), 255, np.uint8),
        np.zeros((2, 16, 16, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (1, 40, 900, 3), np.uint8),
        np.tile(np.array([0, 255], np.uint8), (1, 128, 64))[..., None].repeat(3, -1),
    ],
    ids=["black", "white", "tiny", "long noise", "stripes"],
)
def test_odd_pictures_have_no_mark_and_take_one(film):
    assert not found(film).sure
    assert mark(film, MESSAGE, KEY).shape == film.shape


def test_parts_with_and_without_it_are_told_apart(film, marked):
    seen = found(marked)
    assert still_there(Spectrum(pooled([residual(f) for f in marked[:3]])), KEY, seen)
    assert not still_there(Spectrum(pooled([residual(f) for f in film[:3]])), KEY, seen)


def test_chance_is_what_happens_by_chance():
    rng = np.random.default_rng(0)
    sizes = rng.rayleigh(1, 24)
    sizes /= np.sqrt((sizes**2).sum() / 2)
    sums = np.cos(rng.uniform(0, 2 * np.pi, (200_000, 24))) @ sizes
    for strength in (1.5, 2.0, 2.5):
        assert 0.95 < chance(sizes.astype(complex), strength) / np.mean(sums > strength) < 1.25
    assert chance(sizes.astype(complex), -1.0) == 1.0
    assert 0 < chance(sizes.astype(complex), 6.5) < 1e-10
    assert 0 < chance(sizes.astype(complex), 100.0) < 1e-10


def test_carriers_never_change():
    """Marks made today are looked for by these for ever."""
    own = carriers(b"golden")
    assert own.telling.shape == (CODED // 2, 2)
    assert own.finding[:4].tolist() == GOLDEN_WAVES
    assert np.angle(own.finding_phases[:4]).round(6).tolist() == GOLDEN_PHASES


def test_the_pattern_repeats_every_tile_and_has_unit_power():
    own = carriers(KEY)
    side = tile(480, 640)
    field = pattern(own.waves(), own.amplitudes(encoded(MESSAGE)), 480, 640, side)
    assert field.std() == pytest.approx(1.0, abs=0.02)
    assert np.allclose(field[:120], field[120:240], atol=1e-4)
    assert side == 120
