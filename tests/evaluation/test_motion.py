"""Motion measures on films whose motion is known."""

import numpy as np
import pytest

from praxino.data.diorama import sample
from praxino.errors import InputError
from praxino.evaluation.motion import motion


def sliding(speed: float, frames: int = 9) -> np.ndarray:
    """A pattern that moves ``speed`` pixels a frame to the right."""
    x = np.arange(64)[None] - speed * np.arange(frames)[:, None]
    wave = 128 + 60 * np.sin(x / 5)[:, None] + 40 * np.sin(np.arange(64) / 6)[None, :, None]
    return np.repeat(wave[..., None], 3, axis=3).astype(np.uint8)


def test_a_still_film_is_still():
    still = motion(np.repeat(sample(0, 3).clip[:1], 9, axis=0), 8.0)
    assert still.flicker == 0
    assert still.dynamic < 0.01
    assert still.smoothness == pytest.approx(1, abs=1e-3)
    assert still.similarity_variance == pytest.approx(0)
    assert still.consistency == pytest.approx(1)


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_dynamic_is_the_speed(speed):
    assert motion(sliding(speed), 8.0).dynamic == pytest.approx(speed * 8 / 64, rel=0.3)


def test_noise_flickers_and_shuffling_is_not_smooth():
    film = sample(0, 3).clip
    noisy = (
        (film + np.random.default_rng(0).normal(0, 12, film.shape)).clip(0, 255).astype(np.uint8)
    )
    shuffled = film[np.random.default_rng(0).permutation(len(film))]
    clean = motion(film, 8.0)
    assert motion(noisy, 8.0).smoothness < clean.smoothness
    assert motion(shuffled, 8.0).smoothness < clean.smoothness
    jump = np.concatenate([film[:8], sample(0, 4).clip[8:]])
    jumped = motion(jump, 8.0)
    assert jumped.similarity_variance > 10 * clean.similarity_variance
    assert jumped.consistency < clean.consistency - 0.1


def test_a_film_that_blinks_jumps():
    texture = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    blinking = np.stack(
        [texture, texture, np.zeros_like(texture), texture, texture, np.zeros_like(texture)]
    )
    assert motion(blinking, 8.0).similarity_variance > 0.1
    assert motion(np.stack([texture] * 5), 8.0).similarity_variance == 0


def test_frames_too_large_to_warp_are_said():
    with pytest.raises(InputError, match="resize the film"):
        motion(np.zeros((3, 2, 33000, 3), np.uint8), 8.0)


def test_pictures_have_no_motion():
    with pytest.raises(InputError, match="at least 3"):
        motion(np.zeros((2, 8, 8, 3), np.uint8), 8.0)
