"""The autoencoder: no layer sees the future, chunks do not matter, sizes that do not fit are
refused.
"""

import pytest
import torch

from praxino.errors import ShapeError
from praxino.models.causal import CausalConv3d, Memory
from praxino.models.tiling import encode_tiled, stream_tiled
from praxino.models.vae import VAE, VAEConfig, fold, unfold

TINY = {
    "width": 8,
    "decoder_width": 8,
    "multipliers": (1, 2, 2),
    "blocks": 1,
    "temporal": (True, True),
    "latent_channels": 4,
}


def tiny(**changes) -> VAE:
    vae = VAE(VAEConfig(**(TINY | changes)))
    with torch.no_grad():
        for p in vae.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return vae.eval()


@pytest.mark.parametrize("residual", [False, True])
def test_no_frame_depends_on_a_later_one(residual):
    vae = tiny(residual=residual, patch=2)
    clip = torch.rand(1, 3, 17, 16, 16) * 2 - 1
    with torch.no_grad():
        whole = vae.encode(clip)
        made = vae.decode(whole)
        for latent_frames in range(1, 5):
            frames = 4 * (latent_frames - 1) + 1
            changed = clip.clone()
            changed[:, :, frames:] = torch.rand_like(changed[:, :, frames:])
            torch.testing.assert_close(
                vae.encode(changed)[:, :, :latent_frames], whole[:, :, :latent_frames]
            )
            torch.testing.assert_close(
                vae.decode(whole[:, :, :latent_frames]), made[:, :, :frames], atol=1e-5, rtol=1e-5
            )


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_chunks_give_the_same_result(residual, chunk):
    vae = tiny(residual=residual)
    clip = torch.rand(2, 3, 21, 16, 8) * 2 - 1
    with torch.no_grad():
        latent = vae.encode(clip)
        torch.testing.assert_close(vae.encode(clip, chunk=chunk), latent, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(
            vae.decode(latent, chunk=chunk), vae.decode(latent), atol=1e-5, rtol=1e-5
        )


def test_memory_does_not_grow_with_the_film():
    vae, memory, sizes = tiny(), Memory(), []
    with torch.no_grad():
        for latent_frames in (1, 1, 1, 1, 1):
            vae.reconstruct(torch.randn(1, 4, latent_frames, 2, 2), memory)
            frames = [frame for tail in memory._tails.values() for frame in tail]
            sizes.append(sum(storage.nbytes() for storage in {f.untyped_storage() for f in frames}))
    assert sizes[2] == sizes[3] == sizes[4]


def test_one_frame_is_a_picture_and_the_first_of_a_film():
    vae = tiny()
    clip = torch.rand(1, 3, 9, 8, 8) * 2 - 1
    with torch.no_grad():
        picture = vae.encode(clip[:, :, :1])
        assert picture.shape == (1, 4, 1, 2, 2)
        torch.testing.assert_close(picture, vae.encode(clip)[:, :, :1], atol=1e-5, rtol=1e-5)
        assert vae.decode(picture).shape == (1, 3, 1, 8, 8)


def test_a_batch_is_its_members():
    vae = tiny()
    clips = torch.rand(2, 3, 5, 8, 8)
    with torch.no_grad():
        both = vae.encode(clips)
        torch.testing.assert_close(
            both, torch.cat([vae.encode(clip[None]) for clip in clips]), atol=1e-5, rtol=1e-5
        )


def test_latents_are_normalised_per_channel():
    plain = tiny()
    vae = VAE(
        plain.config.model_copy(update={"mean": (1.0, 2.0, 3.0, 4.0), "std": (2.0, 2.0, 4.0, 4.0)})
    ).eval()
    vae.load_state_dict(plain.state_dict())
    clip = torch.rand(1, 3, 5, 8, 8)
    with torch.no_grad():
        raw, latent = plain.encode(clip), vae.encode(clip)
        torch.testing.assert_close(latent[0, 2], (raw[0, 2] - 3) / 4)
        torch.testing.assert_close(vae.decode(latent), plain.decode(raw), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4, 8, 8), (5, 7, 8), (5, 8, 9), (0, 8, 8)])
def test_sizes_that_do_not_fit_are_refused(shape):
    with pytest.raises(ShapeError, match="hint"):
        tiny().encode(torch.zeros(1, 3, *shape))


def test_fold_and_unfold_are_inverse():
    x = torch.randn(2, 3, 5, 8, 12)
    assert fold(x, 2).shape == (2, 12, 5, 4, 6)
    assert torch.equal(unfold(fold(x, 2), 2), x)


@pytest.mark.parametrize("overlap", [1, 2])
def test_tiles_of_a_clip_that_is_one_tile_change_nothing(overlap):
    vae, latent, clip = tiny(), torch.randn(1, 4, 3, 4, 4), torch.rand(1, 3, 9, 16, 16)
    with torch.no_grad():
        tiled = torch.cat(list(stream_tiled(vae, latent, tile=4, overlap=overlap)), dim=2)
        torch.testing.assert_close(tiled, vae.decode(latent), atol=1e-5, rtol=1e-5)
        encoded = encode_tiled(vae, clip, tile=4, overlap=overlap)
        torch.testing.assert_close(encoded, vae.encode(clip), atol=1e-5, rtol=1e-5)


def test_tiles_join_without_seams():
    """Where only one tile lies and its edge is farther than convolutions can see, nothing differs
    from the whole.
    """
    vae = tiny()
    for part in (vae.encoder, vae.decoder):
        # attention sees one tile: the only true difference
        torch.nn.init.zeros_(part.middle.attention.out.weight)
    latent = torch.randn(1, 4, 2, 40, 4)
    with torch.no_grad():
        whole, tiled = (
            vae.decode(latent),
            torch.cat(list(stream_tiled(vae, latent, tile=32, overlap=8)), dim=2),
        )
        assert tiled.shape == whole.shape
        torch.testing.assert_close(tiled[:, :, :, :32], whole[:, :, :, :32], atol=1e-5, rtol=1e-5)
        assert (tiled - whole).abs().mean() < 0.01
        latents, in_tiles = vae.encode(whole), encode_tiled(vae, whole, tile=32, overlap=8)
    assert in_tiles.shape == latents.shape
    assert (in_tiles - latents).abs().mean() < 0.01


@pytest.mark.parametrize("size", [16, 72])
def test_chunks_may_come_in_one_buffer(size):
    """What is remembered of a chunk is never a view of the caller's own tensor."""
    layer, clip = CausalConv3d(3, 8, (3, 3, 3)), torch.randn(1, 3, 6, size, size)
    with torch.no_grad():
        whole = layer(clip, Memory())
        for length in (1, 2):
            memory, buffer, parts = Memory(), torch.empty(1, 3, length, size, size), []
            for part in clip.split(length, dim=2):
                parts.append(layer(buffer.copy_(part), memory).clone())
            torch.testing.assert_close(torch.cat(parts, dim=2), whole, atol=1e-5, rtol=1e-5)


def test_twice_as_exact():
    vae = VAE(VAEConfig(width=8, decoder_width=8)).eval().requires_grad_(False)
    clip = torch.rand(1, 3, 5, 16, 16) * 2 - 1
    latent, exact = vae.encode(clip), vae.double().encode(clip.double(), chunk=1)
    assert exact.dtype == torch.float64
    torch.testing.assert_close(latent.double(), exact, atol=1e-4, rtol=1e-4)
