"""Winograd's convolutions are the direct ones, at every size and length of window, and through the
autoencoder.
"""

import pytest
import torch
import torch.nn.functional as F

from praxino.models import causal, winograd
from praxino.models.causal import CausalConv3d, Memory, winograd_pays
from praxino.models.vae import VAE, VAEConfig


@pytest.mark.parametrize("size", [(8, 8), (12, 20), (9, 14), (3, 50)])
@pytest.mark.parametrize("known", [1, 2, 3])
def test_is_the_direct_convolution(size, known):
    weight, bias = torch.randn(24, 16, 3, 3, 3, dtype=torch.float32), torch.randn(24)
    window = list(torch.randn(known, 1, 16, *size))
    wanted = bias.view(1, -1, 1, 1) + sum(
        F.conv2d(frame, tap, padding=1)
        for frame, tap in zip(reversed(window), reversed(weight.unbind(2)), strict=False)
    )
    room, out = Memory().room, torch.empty(1, *size, 24)
    winograd.convolve(window, winograd.mapped(weight[:, :, -known:], room), bias, out, room)
    torch.testing.assert_close(out.permute(0, 3, 1, 2), wanted, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("size", [(8, 8), (9, 14)])
@pytest.mark.parametrize("known", [3, 4])
def test_two_frames_are_those_of_one_at_a_time(size, known):
    weight, bias = torch.randn(24, 16, 3, 3, 3), torch.randn(24)
    window = [*[None] * (4 - known), *torch.randn(known, 1, 16, *size)]
    room, out = Memory().room, torch.empty(2, *size, 24)
    winograd.convolve_two(window, winograd.mapped_for_two(weight, room), bias, out, room)
    for place, made in enumerate(out.permute(0, 3, 1, 2)):
        seen = [
            (frame, tap)
            for frame, tap in zip(window[place:], weight.unbind(2), strict=False)
            if frame is not None
        ]
        wanted = bias.view(1, -1, 1, 1) + sum(
            F.conv2d(frame, tap, padding=1) for frame, tap in seen
        )
        torch.testing.assert_close(made[None], wanted, atol=2e-3, rtol=1e-4)


def test_a_layer_is_the_same_with_and_without(monkeypatch):
    layer, clip = CausalConv3d(64, 64, (3, 3, 3)), torch.randn(1, 64, 5, 16, 12)
    assert winograd_pays(layer.weight, clip[0, 0].numel())
    with torch.no_grad():
        made = layer(clip, Memory())
        memory = Memory()
        parts = torch.cat([layer(part, memory) for part in clip.split([3, 1, 1], dim=2)], dim=2)
        monkeypatch.setattr(causal, "winograd_pays", lambda weight, pixels: False)
        direct = layer(clip, Memory())
    torch.testing.assert_close(made, direct, atol=3e-3, rtol=1e-3)  # what is remembered has 11 bits
    # other frames are taken two by two
    torch.testing.assert_close(parts, made, atol=5e-5, rtol=1e-4)
    assert made.shape == direct.shape


@pytest.mark.parametrize("size", [8, 16])
def test_small_frames_come_in_chunks_of_any_length(size):
    """On both sides of where it begins to pay; a layer goes one way or the other for a whole
    film.
    """
    layer, clip = CausalConv3d(64, 64, (3, 3, 3)), torch.randn(1, 64, 7, size, size)
    with torch.no_grad():
        ends = []
        for lengths in ([7], [4, 1, 2], [1, 6]):
            memory = Memory()
            ends.append(
                torch.cat([layer(part, memory) for part in clip.split(lengths, dim=2)], dim=2)
            )
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], atol=5e-5, rtol=1e-4)


def test_films_and_latents_of_a_wide_autoencoder_are_equal_within_a_thousandth(monkeypatch):
    torch.manual_seed(0)
    config = VAEConfig(width=64, decoder_width=64, multipliers=(1, 2), blocks=1, temporal=(True,))
    vae = VAE(config).eval().requires_grad_(False)
    latent, clip = torch.randn(1, 16, 3, 16, 16), torch.rand(1, 3, 5, 32, 32) * 2 - 1
    with torch.inference_mode():
        fast = vae.decode(latent, chunk=1), vae.encode(clip, chunk=1)
        monkeypatch.setattr(causal, "winograd_pays", lambda weight, pixels: False)
        exact = vae.decode(latent, chunk=1), vae.encode(clip, chunk=1)
    for found, wanted in zip(fast, exact, strict=True):
        assert 0 < (found - wanted).norm() / wanted.norm() < 1e-3
