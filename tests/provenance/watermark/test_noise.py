"""The mark in the noise: exactly Gaussian, found by who has the key, through the model that made
the film.
"""

import numpy as np
import pytest
import torch

import praxino
from praxino.generation.inversion import noise_mark
from praxino.provenance.watermark.noise import PATTERNS, match_probability, watermark_noise
from praxino.storage.media.codec import h264
from praxino.storage.media.video import Video

KEY = b"a key of tests"


def drawn(seed):
    return torch.randn(1, 16, 5, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_sizes_are_the_seeds_and_signs_the_keys():
    noise = drawn(1)
    own = watermark_noise(noise, KEY, 1)
    assert torch.equal(own.abs(), noise.abs())
    assert torch.equal(own, watermark_noise(noise, KEY, 1))
    assert 0.4 < float((own == noise).float().mean()) < 0.6
    assert not torch.equal(own.sign(), watermark_noise(drawn(2), KEY, 2).sign())


def test_it_is_exactly_gaussian():
    """Kolmogorov and Smirnov's distance, moments, and no dependence between places, over many seeds
    and keys.
    """
    films = torch.stack(
        [
            watermark_noise(drawn(seed), str(seed % 7).encode(), seed).flatten()
            for seed in range(400)
        ]
    ).double()
    values = films.flatten().sort().values
    cdf = torch.special.ndtr(values)
    ranks = torch.arange(1, len(values) + 1, dtype=torch.float64) / len(values)
    assert float((cdf - ranks).abs().max()) < 1.95 / len(values) ** 0.5  # one in a thousand
    assert abs(float(films.mean())) < 4 / len(values) ** 0.5
    for lag in (1, 8, 64, 320):
        together = (films[:, lag:] * films[:, :-lag]).mean()
        assert abs(float(together)) < 4 / (400 * (films.shape[1] - lag)) ** 0.5
    across = (films[1:] * films[:-1]).mean()
    assert abs(float(across)) < 4 / len(values) ** 0.5


def test_the_key_finds_it_and_no_other():
    own = watermark_noise(drawn(3), KEY, 3)
    assert match_probability(own, KEY)[0] < 1e-50
    worn = own + 3 * drawn(99)
    assert match_probability(worn, KEY)[0] < 1e-6
    assert match_probability(own, b"another key")[0] > 1e-3
    assert match_probability(drawn(3), KEY)[0] > 1e-3
    assert match_probability(torch.zeros(8), KEY)[0] == 1.0
    assert PATTERNS == 4096


def test_it_is_read_from_a_film_and_after_compression(monkeypatch):
    monkeypatch.setenv("PRAXINO_KEY", "ab" * 32)  # what is left after a codec differs by the key
    model = praxino.load(device="cpu")
    film = model.generate(
        "a golden dog plays fetch with a red ball in a sunlit park", seed=7, noise_mark=True
    )
    assert film.record["noise_mark"] is True
    assert noise_mark(model, film)[0] < 1e-6
    assert noise_mark(model, Video(h264(film.frames, crf="20").decoded(), 8.0))[0] < 1e-6
    plain = model.generate("a golden dog plays fetch with a red ball in a sunlit park", seed=7)
    assert noise_mark(model, plain)[0] > 1e-3
    assert not np.array_equal(film.frames, plain.frames)
    with pytest.raises(praxino.InputError, match="frames=16"):
        noise_mark(model, Video(film.frames[:16], 8.0))
