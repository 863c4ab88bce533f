"""Tiny members of the Wan family with random weights, written by the reference's own
``save_pretrained``.
"""

import functools
from pathlib import Path
from typing import Any

import torch

FROM_PICTURES = ("i2v", "flf2v", "i2v-a14b")
KINDS = ("t2v", "i2v", "flf2v", "ti2v", "t2v-a14b", "i2v-a14b", "vace")


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """Every tensor away from its special initial value, so that none can hide."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.05 * torch.randn(p.shape))
    return module.eval()


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    pieces = Tokenizer(models.Unigram())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token="<unk>")
    pieces.train_from_iterator(
        ["a red ball bounces on the grass", "a cat walks across a room"] * 3, trainer
    )
    pieces.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=pieces, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def transformer(kind: str) -> torch.nn.Module:
    from diffusers import WanTransformer3DModel, WanVACETransformer3DModel

    latents = 6 if kind == "ti2v" else 4
    eye = {"image_dim": 20, "added_kv_proj_dim": 48} if kind in ("i2v", "flf2v") else {}
    places = {"pos_embed_seq_len": 2 * 5} if kind == "flf2v" else {}
    more = latents + 4 if kind in FROM_PICTURES else 0
    control = {"vace_layers": [0, 2], "vace_in_channels": 2 * latents + 8 * 8}
    network = WanVACETransformer3DModel if kind == "vace" else WanTransformer3DModel
    return shaken(
        network(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=24,
            in_channels=latents + more,
            out_channels=latents,
            text_dim=32,
            freq_dim=32,
            ffn_dim=64,
            num_layers=3 if kind == "vace" else 2,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            **(control if kind == "vace" else {}),
            **eye,
            **places,
        )
    )


def autoencoder(kind: str) -> torch.nn.Module:
    from diffusers import AutoencoderKLWan

    if kind == "ti2v":
        return shaken(
            AutoencoderKLWan(
                base_dim=4,
                decoder_base_dim=8,
                z_dim=6,
                dim_mult=[1, 2, 4, 4],
                num_res_blocks=2,
                is_residual=True,
                temperal_downsample=[False, True, True],
                in_channels=12,
                out_channels=12,
                patch_size=2,
                scale_factor_temporal=4,
                scale_factor_spatial=16,
                latents_mean=[0.1] * 6,
                latents_std=[1.5] * 6,
            )
        )
    return shaken(
        AutoencoderKLWan(
            base_dim=4,
            z_dim=4,
            dim_mult=[1, 2, 4, 4],
            num_res_blocks=2,
            temperal_downsample=[False, True, True],
            latents_mean=[0.1, 0.2, -0.3, 0.4],
            latents_std=[1.0, 2.0, 0.5, 1.5],
        )
    )


@functools.cache
def pipeline(kind: str) -> Any:
    """The reference's pipeline of one kind, always the same; the two experts of A14B differ."""
    from diffusers import (
        UniPCMultistepScheduler,
        WanImageToVideoPipeline,
        WanPipeline,
        WanVACEPipeline,
    )
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        CLIPVisionModel,
        UMT5Config,
        UMT5EncoderModel,
    )

    torch.manual_seed(0)
    words = UMT5Config(vocab_size=100, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    parts: dict[str, Any] = {
        "tokenizer": tokenizer(),
        "text_encoder": shaken(UMT5EncoderModel(words)),
        "vae": autoencoder(kind),
        "transformer": transformer(kind),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        "expand_timesteps": kind == "ti2v",
    }  # fmt: skip
    if "a14b" in kind:
        parts |= {"transformer_2": transformer(kind), "boundary_ratio": 0.9}
    if kind in ("i2v", "flf2v"):
        sizes = CLIPVisionConfig(
            hidden_size=20,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=28,
            patch_size=14,
            hidden_act="gelu",
        )
        parts["image_encoder"] = shaken(CLIPVisionModel(sizes))
        parts["image_processor"] = CLIPImageProcessorPil(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        )
    elif kind in FROM_PICTURES:
        parts |= {"image_encoder": None, "image_processor": None}
    kinds = WanImageToVideoPipeline if kind in FROM_PICTURES else WanPipeline
    if kind == "vace":
        kinds = WanVACEPipeline
        del parts["expand_timesteps"]
    made = kinds(**parts)
    made.set_progress_bar_config(disable=True)
    return made


def written(kind: str, folder: Path) -> Path:
    """The folder of a kind, as the reference saves it."""
    pipeline(kind).save_pretrained(folder)
    return folder
