"""Networks of the published sizes, with random weights, say what the reference says: slow, and 12
GiB of memory.
"""

import pytest
import torch

from praxino.generation.offload import exact_and_fast
from praxino.models.dit import DiT, DiTConfig
from praxino.models.vae import VAE, VAEConfig
from praxino.storage.wan.names import from_foreign
from praxino.storage.weights.lazy import materialize

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def diffusers():
    return pytest.importorskip("diffusers")


def _with_weights_of(reference, kind, config):
    """Our network, whose tensors are the reference's own: both fit into memory."""
    with torch.device("meta"):
        ours = kind(config)
    materialize(
        ours, from_foreign(ours, reference.eval().state_dict()), torch.float32, "the reference"
    )
    return ours


@torch.inference_mode()
def test_the_transformer_of_1_3b(diffusers):
    torch.manual_seed(0)
    reference = diffusers.WanTransformer3DModel(
        num_attention_heads=12,
        attention_head_dim=128,
        in_channels=16,
        out_channels=16,
        text_dim=4096,
        freq_dim=256,
        ffn_dim=8960,
        num_layers=30,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
    )
    torch.nn.init.normal_(reference.proj_out.weight, std=0.02)
    ours = _with_weights_of(
        reference,
        DiT,
        DiTConfig(width=1536, heads=12, layers=30, ffn=8960, text_width=4096, time_features=256),
    )
    assert sum(p.numel() for p in ours.parameters()) == 1_418_996_800
    x, text = torch.randn(1, 16, 3, 16, 24), torch.randn(1, 512, 4096)
    theirs = reference(x, torch.tensor([700.0]), text, return_dict=False)[0]
    with exact_and_fast(torch.device("cpu")):
        found = ours(x, torch.full((1, 1), 0.7), ours.context(text))
    assert (found - theirs).norm() < 1e-3 * theirs.norm()


@pytest.mark.parametrize("version", ["2.1", "2.2"])
@torch.inference_mode()
def test_the_autoencoders(diffusers, version):
    torch.manual_seed(0)
    if version == "2.1":
        config, theirs = VAEConfig(), {}
    else:
        config = VAEConfig(width=160, decoder_width=256, latent_channels=48, residual=True, patch=2)
        theirs = {
            "base_dim": 160,
            "decoder_base_dim": 256,
            "z_dim": 48,
            "is_residual": True,
            "in_channels": 12,
            "out_channels": 12,
            "patch_size": 2,
            "scale_factor_spatial": 16,
            "latents_mean": [0.0] * 48,
            "latents_std": [1.0] * 48,
        }
    reference = diffusers.AutoencoderKLWan(**theirs)
    ours = _with_weights_of(reference, VAE, config)
    clip = torch.rand(1, 3, 9, 96, 128) * 2 - 1
    latent = reference.encode(clip).latent_dist.mode()
    with exact_and_fast(torch.device("cpu")):
        found = ours.encode(clip, chunk=1)
        assert (found - latent).norm() < 1e-3 * latent.norm()
        film, wanted = ours.decode(latent, chunk=1), reference.decode(latent).sample
    assert (film - wanted).norm() < 1e-3 * wanted.norm()
