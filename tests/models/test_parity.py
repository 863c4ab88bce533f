"""Our networks with the reference implementation's random weights say what it says."""

import pytest
import torch

from praxino.models.dit import DiT, DiTConfig
from praxino.models.vae import VAE, VAEConfig
from praxino.storage.wan.names import from_foreign, to_foreign


@pytest.fixture(scope="module")
def diffusers():
    return pytest.importorskip("diffusers")


def _shaken(module: torch.nn.Module) -> torch.nn.Module:
    """Every tensor away from its special initial value, so that none can hide."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))
    return module.eval()


@pytest.mark.parametrize("image_dim", [None, 20])
def test_dit_says_what_wan_says(diffusers, image_dim):
    reference = _shaken(
        diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=24,
            in_channels=4,
            out_channels=4,
            text_dim=16,
            freq_dim=32,
            ffn_dim=64,
            num_layers=2,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            image_dim=image_dim,
            added_kv_proj_dim=48 if image_dim else None,
        )
    )
    model = DiT(
        DiTConfig(
            channels=4,
            out_channels=4,
            width=48,
            heads=2,
            layers=2,
            ffn=64,
            text_width=16,
            time_features=32,
            image_width=image_dim or 0,
        )
    )
    model.load_state_dict(from_foreign(model, reference.state_dict()))
    # with images, the reference counts on 512
    x, text = (
        torch.randn(2, 4, 3, 8, 6),
        torch.randn(2, 512, 16),
    )
    images = torch.randn(2, 5, image_dim) if image_dim else None
    t = torch.tensor([37.0, 912.0])
    with torch.no_grad():
        theirs = reference(x, t, text, encoder_hidden_states_image=images, return_dict=False)[0]
        ours = model(x, t[:, None] / 1000, text, images)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_dit_with_a_time_per_token_says_what_wan_says(diffusers):
    reference = _shaken(
        diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=24,
            in_channels=4,
            out_channels=4,
            text_dim=16,
            freq_dim=32,
            ffn_dim=64,
            num_layers=2,
            cross_attn_norm=True,
        )
    )
    model = DiT(
        DiTConfig(
            channels=4,
            out_channels=4,
            width=48,
            heads=2,
            layers=2,
            ffn=64,
            text_width=16,
            time_features=32,
        )
    )
    model.load_state_dict(from_foreign(model, reference.state_dict()))
    x, text = torch.randn(2, 4, 3, 8, 6), torch.randn(2, 7, 16)
    t = torch.rand(2, 3 * 4 * 3)
    with torch.no_grad():
        theirs = reference(x, t * 1000, text, return_dict=False)[0]
        ours = model(x, t, text)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("patch", [1, 2])
def test_vae_says_what_wan_says(diffusers, residual, patch):
    reference = _shaken(
        diffusers.AutoencoderKLWan(
            base_dim=4,
            decoder_base_dim=8,
            z_dim=4,
            dim_mult=[1, 2, 2],
            num_res_blocks=1,
            attn_scales=[],
            temperal_downsample=[True, True],
            latents_mean=[0.1, 0.2, 0.3, 0.4],
            latents_std=[1.0, 2.0, 0.5, 1.5],
            in_channels=3 * patch**2,
            out_channels=3 * patch**2,
            patch_size=patch if patch > 1 else None,
            is_residual=residual,
            scale_factor_temporal=4,
            scale_factor_spatial=4 * patch,
        )
    )
    model = VAE(
        VAEConfig(
            latent_channels=4,
            width=4,
            decoder_width=8,
            multipliers=(1, 2, 2),
            blocks=1,
            temporal=(True, True),
            patch=patch,
            residual=residual,
        )
    )
    model.load_state_dict(from_foreign(model, reference.state_dict()))
    model.eval()
    clip = torch.rand(1, 3, 9, 8 * patch * 2, 4 * patch * 2) * 2 - 1
    with torch.no_grad():
        theirs = reference.encode(clip).latent_dist.mean
        torch.testing.assert_close(model.encode(clip), theirs, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            model.decode(theirs), reference.decode(theirs).sample, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize(
    "model",
    [
        DiT(
            DiTConfig(channels=4, width=48, heads=2, layers=2, ffn=64, text_width=16, image_width=8)
        ),
        VAE(
            VAEConfig(
                width=4, decoder_width=8, multipliers=(1, 2, 2), blocks=2, temporal=(False, True)
            )
        ),
        VAE(
            VAEConfig(
                width=4,
                decoder_width=8,
                multipliers=(1, 2, 2),
                temporal=(False, True),
                residual=True,
                patch=2,
            )
        ),
    ],
    ids=["dit", "vae", "residual vae"],
)
def test_rename_tables_there_and_back(model):
    back = from_foreign(model, to_foreign(model))
    assert back.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(back[name], tensor), name
