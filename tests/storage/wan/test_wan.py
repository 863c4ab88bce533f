"""Wan folders: both layouts hold the same model, sizes are those published, and what is wrong is
one line.
"""

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import praxino
from praxino.errors import CheckpointError
from praxino.models.dit import DiT, DiTConfig
from praxino.models.vace import network_of
from praxino.models.vae import VAE, VAEConfig
from praxino.storage.wan import components, family
from praxino.storage.wan.names import ORIGINAL_UMT5, foreign_names, from_foreign, to_foreign
from praxino.storage.weights.files import open_weights
from support import tiny_wan

CONTROLLED = DiTConfig(
    channels=4, width=48, heads=2, layers=3, ffn=64, text_width=16, control_layers=(0, 2)
)


@pytest.fixture(scope="module", name="saved")
def _saved(wan_folder):
    """Folders of every kind."""
    return {kind: wan_folder(kind) for kind in tiny_wan.KINDS}


@pytest.fixture(name="t2v")
def _t2v(saved, tmp_path):
    """A copy of the text-to-video folder, to be spoiled."""
    return shutil.copytree(saved["t2v"], tmp_path / "t2v")


def _in_original_layout(source, target):
    """The model of a folder of diffusers as its makers first published it."""
    model = family.read(source, "x")
    target.mkdir()
    dits = (
        {"": model.dit}
        if model.low is None
        else {"high_noise_model": model.dit, "low_noise_model": model.low}
    )
    kind = {"clean": "ti2v", "channels": "i2v", "none": "t2v", "control": "vace"}[
        model.config.pictures
    ]
    for place, part in dits.items():
        network = part.load(torch.float32)
        (target / place).mkdir(exist_ok=True)
        save_file(
            {name: tensor.contiguous() for name, tensor in to_foreign(network, "original").items()},
            target / place / "diffusion_pytorch_model.safetensors",
        )
        c = network.config
        config = {
            "model_type": kind,
            "dim": c.width,
            "ffn_dim": c.ffn,
            "freq_dim": c.time_features,
            "in_dim": c.channels,
            "out_dim": c.out_channels,
            "num_heads": c.heads,
            "num_layers": c.layers,
            "eps": c.eps,
            "text_len": 512,
        }
        if kind == "vace":
            config |= {"vace_layers": c.control_layers, "vace_in_dim": c.control_channels}
        (target / place / "config.json").write_text(json.dumps(config))
    vae = model.vae.load(torch.float32)
    torch.save(to_foreign(vae, "original"), target / "Wan2.1_VAE.pth")
    back = {"shared.": "token_embedding.", "encoder.final_layer_norm.": "norm."}
    words = {}
    for name, tensor in model.text.load(torch.float32).encoder.state_dict().items():
        if name == "encoder.embed_tokens.weight":
            continue
        for ours, theirs in (
            *back.items(),
            ("encoder.block.", "blocks."),
            (".layer.0.layer_norm.", ".norm1."),
            (".layer.1.layer_norm.", ".norm2."),
            (".layer.0.SelfAttention.relative_attention_bias.", ".pos_embedding.embedding."),
            (".layer.0.SelfAttention.", ".attn."),
            (".layer.1.DenseReluDense.wi_0.", ".ffn.gate.0."),
            (".layer.1.DenseReluDense.wi_1.", ".ffn.fc1."),
            (".layer.1.DenseReluDense.wo.", ".ffn.fc2."),
        ):
            name = name.replace(ours, theirs)
        words[name] = tensor
    torch.save(words, target / "models_t5_umt5-xxl-enc-bf16.pth")
    shutil.copytree(source / "tokenizer", target / "google" / "umt5-xxl")
    return target


@pytest.mark.parametrize("kind", ["t2v", "vace", pytest.param("t2v-a14b", marks=pytest.mark.slow)])
def test_the_original_layout_makes_the_same_film(saved, tmp_path, kind):
    folder = _in_original_layout(saved[kind], tmp_path / kind)
    # the file of the autoencoder does not hold its latents' statistics, and 4 channels are not
    # published
    statistics = VAEConfig(latent_channels=4, width=4, decoder_width=4)
    first, second = (family.read(place, "x") for place in (saved[kind], folder))
    assert second.dit.config == first.dit.config
    assert second.vae.config == statistics
    for one, other in ((first.dit, second.dit), (first.low, second.low), (first.text, second.text)):
        if one is not None:
            mine, theirs = (part.load(torch.float32).state_dict() for part in (one, other))
            assert mine.keys() == theirs.keys()
            assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    film = praxino.load(folder, device="cpu", dtype="float32").generate(
        "a red ball", steps=2, frames=5, height=64, width=64
    )
    assert film.frames.shape == (5, 64, 64, 3)


def test_original_names_are_those_the_reference_knows():
    utils = pytest.importorskip("diffusers.loaders.single_file_utils")
    for model, convert in (
        (VAE(VAEConfig(width=4, decoder_width=8, blocks=2)), utils.convert_wan_vae_to_diffusers),
        (
            DiT(
                DiTConfig(
                    channels=4, width=48, heads=2, layers=2, ffn=64, text_width=16, image_width=8
                )
            ),
            utils.convert_wan_transformer_to_diffusers,
        ),
        (network_of(CONTROLLED), utils.convert_wan_transformer_to_diffusers),
    ):
        theirs, ours = convert(dict(to_foreign(model, "original"))), to_foreign(model)
        assert theirs.keys() == ours.keys()
        assert all(torch.equal(theirs[name], ours[name]) for name in ours)


@pytest.mark.parametrize("layout", ["diffusers", "original"])
@pytest.mark.parametrize(
    "model",
    [
        DiT(
            DiTConfig(
                channels=4,
                width=48,
                heads=2,
                layers=2,
                ffn=64,
                text_width=16,
                image_width=8,
                image_places=6,
            )
        ),
        VAE(VAEConfig(width=4, decoder_width=8)),
        VAE(VAEConfig(width=4, decoder_width=8, residual=True, patch=2)),
        network_of(CONTROLLED),
    ],
    ids=["dit", "vae", "residual vae", "vace"],
)
def test_rename_tables_there_and_back(model, layout):
    names = foreign_names(model, layout)
    assert len(set(names.values())) == len(names)
    back = from_foreign(model, to_foreign(model, layout), layout)
    assert back.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(back[name], tensor), name


def test_text_encoder_names_do_not_collide():
    assert len({theirs for theirs, _ in ORIGINAL_UMT5}) == len(ORIGINAL_UMT5)


@pytest.mark.parametrize(
    ("given", "millions"),
    [
        ({}, 1418.9968),
        ({"width": 5120, "heads": 40, "layers": 40, "ffn": 13824}, 14288.491584),
        (
            {
                "width": 5120,
                "heads": 40,
                "layers": 40,
                "ffn": 13824,
                "channels": 36,
                "image_width": 1280,
            },
            16394.878784,
        ),
        (
            {
                "width": 3072,
                "heads": 24,
                "layers": 30,
                "ffn": 14336,
                "channels": 48,
                "out_channels": 48,
            },
            4999.787712,
        ),
    ],
    ids=["1.3B", "14B", "I2V-14B", "TI2V-5B"],
)
def test_sizes_are_those_published(given, millions):
    with torch.device("meta"):
        model = DiT(DiTConfig(**given))
    assert sum(p.numel() for p in model.parameters()) == round(millions * 1e6)


def test_what_each_member_wants(saved):
    wants = {kind: family.read(folder, kind).config for kind, folder in saved.items()}
    assert wants["t2v"].pictures == "none"
    assert {wants[kind].pictures for kind in ("i2v", "flf2v", "i2v-a14b")} == {"channels"}
    assert (wants["ti2v"].pictures, wants["ti2v"].fps, wants["ti2v"].frames) == ("clean", 24.0, 121)
    assert (
        wants["t2v-a14b"].guidance,
        wants["t2v-a14b"].guidance_low,
        wants["t2v-a14b"].steps,
    ) == (4.0, 3.0, 40)
    assert wants["t2v-a14b"].boundary == 0.9  # that of the folder, not the published one
    assert all(want.shift == 3.0 and want.negative == family.NEGATIVE for want in wants.values())


def _shards(folder, count=2):
    """The denoiser of a folder in shards with an index, as large ones are published."""
    whole = folder / "diffusion_pytorch_model.safetensors"
    tensors = load_file(whole)
    names = sorted(tensors)
    places = {}
    for n in range(count):
        file = f"diffusion_pytorch_model-{n + 1:05d}-of-{count:05d}.safetensors"
        part = names[n::count]
        save_file({name: tensors[name] for name in part}, folder / file)
        places |= dict.fromkeys(part, file)
    whole.unlink()
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(
        json.dumps({"weight_map": places})
    )
    return sorted(set(places.values()))


def test_shards_are_one_network(saved, t2v):
    _shards(t2v / "transformer")
    mine, theirs = (
        family.read(folder, "x").dit.load(torch.float32).state_dict()
        for folder in (t2v, saved["t2v"])
    )
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def _other_tensors(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


SPOILED = {
    "no transformer": (lambda f: shutil.rmtree(f / "transformer"), "transformer is not there"),
    "truncated": (
        lambda f: _truncate(f / "transformer" / "diffusion_pytorch_model.safetensors"),
        "safetensors is damaged",
    ),
    "another architecture": (
        lambda f: (f / "transformer" / "config.json").write_text(
            '{"_class_name": "LTXVideoTransformer3DModel"}'
        ),
        "is of a LTXVideoTransformer3DModel",
    ),
    "another pipeline": (
        lambda f: (f / "model_index.json").write_text('{"_class_name": "LTXPipeline"}'),
        "holds a LTXPipeline",
    ),
    "a missing tensor": (
        lambda f: _other_tensors(
            f / "transformer" / "diffusion_pytorch_model.safetensors",
            lambda t: t.pop("proj_out.bias"),
        ),
        "1 tensors do not fit: missing proj_out.bias",
    ),
    "no tokenizer": (lambda f: shutil.rmtree(f / "tokenizer"), "tokenizer holds no tokenizer"),
    "a broken tokenizer": (
        lambda f: (f / "tokenizer" / "tokenizer.json").write_text("{"),
        "holds no tokenizer",
    ),
    "no scheduler": (lambda f: shutil.rmtree(f / "scheduler"), "scheduler_config.json is missing"),
    "a config that lacks something": (
        lambda f: (f / "vae" / "config.json").write_text('{"_class_name": "AutoencoderKLWan"}'),
        "it lacks",
    ),
    "no JSON": (lambda f: (f / "model_index.json").write_text("[1"), "model_index.json is damaged"),
    "a missing shard": (
        lambda f: (f / "transformer" / _shards(f / "transformer")[1]).unlink(),
        "lacks 1 of 2 shards",
    ),
    "a shard of another network": (
        lambda f: save_file(
            {"x": torch.zeros(2)}, f / "transformer" / _shards(f / "transformer")[1]
        ),
        "mixes shards of different networks",
    ),
    "shards without an index": (
        lambda f: [
            _shards(f / "transformer"),
            next((f / "transformer").glob("*.index.json")).unlink(),
        ],
        "2 shards without their index",
    ),
}


@pytest.mark.parametrize("case", SPOILED)
def test_what_is_wrong_is_said_before_anything_is_loaded(t2v, case):
    spoil, said = SPOILED[case]
    spoil(t2v)
    with pytest.raises(CheckpointError, match=said) as caught:
        family.read(t2v, "x")
    assert "\n" not in str(caught.value)


class _Code:
    def __reduce__(self):
        return print, ("run!",)


def test_a_pickle_with_code_is_refused(tmp_path, capsys):
    torch.save({"a": torch.zeros(2), "b": _Code()}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="could run code"):
        open_weights(tmp_path / "x.pth")
    (tmp_path / "y.pth").write_bytes(pickle.dumps(_Code()))
    with pytest.raises(CheckpointError, match="could run code"):
        open_weights(tmp_path / "y.pth")
    assert capsys.readouterr().out == ""
    torch.save([torch.zeros(2)], tmp_path / "z.pth")
    with pytest.raises(CheckpointError, match="not a flat list"):
        open_weights(tmp_path / "z.pth")
    (tmp_path / "w.pth").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(CheckpointError, match="damaged"):
        open_weights(tmp_path / "w.pth")


def test_parts_of_two_models_do_not_mix(saved, t2v):
    shutil.rmtree(t2v / "vae")
    shutil.copytree(saved["ti2v"] / "vae", t2v / "vae")
    with pytest.raises(CheckpointError, match="latent channels being 6"):
        family.read(t2v, "x")


def test_folders_that_hold_nothing(tmp_path):
    assert family.layout_of(tmp_path) is None
    with pytest.raises(CheckpointError, match="holds no model"):
        family.read(tmp_path, "x")
    with pytest.raises(CheckpointError, match=r"must hold the weights of one network, found none"):
        components.dit(tmp_path, "diffusers")


def test_the_licence_is_that_of_the_card(t2v):
    assert family.read(t2v, "x").config.licence == "unknown"
    (t2v / "README.md").write_text("---\nlicense: apache-2.0\ntags:\n- video\n---\n# A model\n")
    assert family.read(t2v, "x").config.licence == "apache-2.0"
