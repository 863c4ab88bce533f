"""The tiny decoder: causal, of the right sizes, small."""

import torch

from praxino.models.tiny_decoder import TinyDecoder, TinyDecoderConfig
from praxino.recipes import recipe

SMALL = TinyDecoderConfig(channels=4, widths=(8, 8, 8))


def test_latents_become_clips_of_their_size():
    decoder = TinyDecoder(SMALL)
    assert decoder(torch.randn(2, 4, 5, 4, 6)).shape == (2, 3, 17, 32, 48)
    assert decoder(torch.randn(1, 4, 1, 4, 4)).shape == (1, 3, 1, 32, 32)


@torch.no_grad()
def test_frames_depend_on_no_later_latent():
    decoder, latents = TinyDecoder(SMALL), torch.randn(1, 4, 4, 4, 4)
    whole = decoder(latents)
    torch.testing.assert_close(decoder(latents[:, :, :2]), whole[:, :, :5])
    other = latents.clone()
    other[:, :, 2:] += 1
    torch.testing.assert_close(decoder(other)[:, :, :5], whole[:, :, :5])
    assert (decoder(other)[:, :, 5:] - whole[:, :, 5:]).abs().max() > 1e-4


def test_the_recipe_is_small():
    network = TinyDecoder(recipe("diorama-tiny-decoder").stage.decoder)
    assert sum(p.numel() for p in network.parameters()) < 500_000
