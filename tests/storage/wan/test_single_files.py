"""A transformer's file, and the others in the folders where ComfyUI keeps them, make the same film
as the folder of a repository.
"""

import json
import shutil

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from PIL import Image
from safetensors.torch import load_file, save_file

import praxino
from praxino.errors import CheckpointError, InputError
from praxino.storage.wan import family, single_files
from praxino.storage.wan.names import foreign_names
from praxino.storage.wan.single_files import PartFiles
from praxino.storage.weights.files import Weights
from praxino.storage.weights.gguf_files import GGUFFile

SETTINGS = {"steps": 3, "frames": 5, "height": 64, "width": 64, "seed": 3}
PREFIX = "model.diffusion_model."


def original(part, prefix=""):
    """The tensors of a part under the names that its makers gave them."""
    network = part.load(torch.float32)
    names = foreign_names(network, "original")
    shapes = single_files.components.names.to_foreign(network, "original")
    return {
        prefix + names[own]: tensor.reshape(shapes[names[own]].shape).contiguous().clone()
        for own, tensor in network.state_dict().items()
    }


@pytest.fixture(scope="module", name="comfy")
def _comfy(wan_folder, tmp_path_factory):
    """The parts of the tiny text-to-video model as ComfyUI has them."""
    root, source = tmp_path_factory.mktemp("comfy") / "models", wan_folder("t2v")
    model = family.read(source, "x")
    for folder in ("diffusion_models", "text_encoders", "vae", "tokenizer"):
        (root / folder).mkdir(parents=True)
    save_file(original(model.dit), root / "diffusion_models" / "wan_plain.safetensors")
    save_file(original(model.dit, PREFIX), root / "diffusion_models" / "wan_prefixed.safetensors")
    heads = {"num_heads": model.dit.config.heads}  # too narrow for heads of 128
    (root / "diffusion_models" / "config.json").write_text(json.dumps(heads))
    save_file(original(model.vae), root / "vae" / "wan_vae.safetensors")
    save_file({"a": torch.zeros(2)}, root / "vae" / "of_another_model.safetensors")
    text = load_file(source / "text_encoder" / "model.safetensors")
    text["spiece_model"] = torch.zeros(99, dtype=torch.uint8)  # no tokenizer at all
    save_file(text, root / "text_encoders" / "umt5.safetensors")
    for path in (source / "tokenizer").iterdir():
        shutil.copy(path, root / "tokenizer")
    return root


@pytest.mark.parametrize("name", ["wan_plain", "wan_prefixed"])
def test_a_transformer_finds_its_other_parts(comfy, wan_folder, name):
    found = praxino.load(
        comfy / "diffusion_models" / f"{name}.safetensors", device="cpu", dtype="float32"
    )
    whole = praxino.load(wan_folder("t2v"), device="cpu", dtype="float32")
    assert found.model.dit.config == whole.model.dit.config
    assert found.model.text.config.d_model == whole.model.text.config.d_model
    for part in ("dit", "text"):
        one, other = (
            getattr(pipeline.model, part).load(torch.float32).state_dict()
            for pipeline in (found, whole)
        )
        assert one.keys() == other.keys()
        assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())
    film = found.generate("a cat", **SETTINGS)
    assert film.frames.shape == (5, 64, 64, 3)
    assert np.ptp(film.frames) > 20


def test_a_control_branch_is_seen_in_the_tensors(wan_folder, tmp_path):
    model = family.read(wan_folder("vace"), "x")
    save_file(original(model.dit), tmp_path / "vace.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"num_heads": model.dit.config.heads}))
    assert single_files.transformer(tmp_path / "vace.safetensors").config == model.dit.config


def test_parts_may_be_named(comfy, tmp_path):
    path = shutil.copy(comfy / "diffusion_models" / "wan_plain.safetensors", tmp_path)
    shutil.copy(comfy / "diffusion_models" / "config.json", tmp_path)
    named = PartFiles(
        comfy / "vae" / "wan_vae.safetensors",
        comfy / "text_encoders" / "umt5.safetensors",
        comfy / "tokenizer",
    )
    assert praxino.load(path, device="cpu", files=named).model.config.name == str(path)
    with pytest.raises(CheckpointError, match=r"no vae that fits in .*hint: --vae FILE"):
        praxino.load(path, device="cpu")
    alone = shutil.copytree(comfy / "text_encoders", tmp_path / "deep" / "text_encoders")
    with pytest.raises(CheckpointError, match="no tokenizer inside or beside it"):
        single_files.text_encoder(alone / "umt5.safetensors", None)


def test_what_cannot_be_read_is_said_before_anything_is_loaded(comfy, tmp_path, wan_folder):
    path = shutil.copy(comfy / "diffusion_models" / "wan_plain.safetensors", tmp_path)
    with pytest.raises(CheckpointError, match=r"how many heads .* config\.json"):
        praxino.load(path, device="cpu")
    with pytest.raises(CheckpointError, match="is no transformer of the Wan family"):
        praxino.load(comfy / "vae" / "wan_vae.safetensors", device="cpu")
    with pytest.raises(InputError, match="is no file of a transformer"):
        praxino.load(wan_folder("t2v"), device="cpu", files=PartFiles(vae=path))


def test_two_that_fit_are_named(comfy, tmp_path):
    root = shutil.copytree(comfy, tmp_path / "models")
    shutil.copy(root / "vae" / "wan_vae.safetensors", root / "vae" / "again.safetensors")
    with pytest.raises(CheckpointError, match=r"several files fit as its vae: .*again"):
        praxino.load(root / "diffusion_models" / "wan_plain.safetensors", device="cpu")


@pytest.mark.parametrize(
    ("high", "low"),
    [
        ("wan2.2_t2v_high_noise_14B", "wan2.2_t2v_low_noise_14B"),
        ("Wan2_2-T2V-A14B_HIGH_fp8", "Wan2_2-T2V-A14B_LOW_fp8"),
        ("Wan-HighNoise-Q", "Wan-LowNoise-Q"),
    ],
)
def test_experts_come_in_pairs(tmp_path, high, low):
    paths = [tmp_path / f"{name}.safetensors" for name in (high, low)]
    paths[0].touch()
    with pytest.raises(CheckpointError, match="for low noise is not beside it"):
        single_files.experts(paths[0])
    paths[1].touch()
    assert single_files.experts(paths[0]) == single_files.experts(paths[1]) == paths
    alone = tmp_path / "wan_low_vram.safetensors"
    assert single_files.experts(alone) == [alone]


def test_paths_may_be_of_two_kinds(comfy, monkeypatch):
    monkeypatch.chdir(comfy)
    path = "diffusion_models/wan_plain.safetensors"
    named = PartFiles(vae=comfy / "vae" / "wan_vae.safetensors")
    one, other = (praxino.load(each, device="cpu", files=named) for each in (path, comfy / path))
    assert one.model.digest == other.model.digest


LLAMA = (
    ("shared", "token_embd"),
    ("encoder.block", "enc.blk"),
    ("encoder.final_layer_norm", "enc.output_norm"),
    ("layer.0.SelfAttention.relative_attention_bias", "attn_rel_b"),
    ("layer.0.SelfAttention.", "attn_"),
    ("layer.0.layer_norm", "attn_norm"),
    ("layer.1.layer_norm", "ffn_norm"),
    ("layer.1.DenseReluDense.wi_0", "ffn_gate"),
    ("layer.1.DenseReluDense.wi_1", "ffn_up"),
    ("layer.1.DenseReluDense.wo", "ffn_down"),
)


def as_gguf(source, path, renames=()):
    """The tensors of a file in blocks of eight bits, where a row fills whole blocks."""
    writer = gguf.GGUFWriter(str(path), "wan")
    for name, tensor in load_file(source).items():
        if name in ("spiece_model", "encoder.embed_tokens.weight"):
            continue
        for own, theirs in renames:
            name = name.replace(own, theirs)
        kind = Kind.Q8_0 if tensor.shape[-1] % 32 == 0 else Kind.F32
        data = gguf.quants.quantize(tensor.float().numpy(), kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_gguf_makes_nearly_the_same_film(comfy, tmp_path):
    root = shutil.copytree(comfy, tmp_path / "models")
    dits, texts = root / "diffusion_models", root / "text_encoders"
    film = praxino.load(dits / "wan_plain.safetensors", device="cpu", dtype="float32").generate(
        "a cat", **SETTINGS
    )
    as_gguf(dits / "wan_plain.safetensors", dits / "wan-Q8_0.gguf")
    as_gguf(texts / "umt5.safetensors", texts / "umt5-Q8_0.gguf", LLAMA)
    (texts / "umt5.safetensors").unlink()
    small = praxino.load(dits / "wan-Q8_0.gguf", device="cpu", dtype="float32")
    assert small.model.text.weights.source.suffix == ".gguf"
    difference = small.generate("a cat", **SETTINGS).frames.astype(int) - film.frames
    assert 0 < np.abs(difference).mean() < 4


def test_a_picture_encoder_lies_beside_the_others(wan_folder, comfy, tmp_path):
    root, source = tmp_path / "models", wan_folder("i2v")
    model = family.read(source, "x")
    for folder in ("diffusion_models", "clip_vision"):
        (root / folder).mkdir(parents=True)
    for folder in ("text_encoders", "vae", "tokenizer"):
        shutil.copytree(comfy / folder, root / folder)
    path = root / "diffusion_models" / "wan_i2v_480p.safetensors"
    save_file(original(model.dit), path)
    heads = {"num_heads": model.dit.config.heads}
    path.with_name("config.json").write_text(json.dumps(heads))
    with pytest.raises(CheckpointError, match=r"no vision that fits in .*hint: --vision FILE"):
        praxino.load(path, device="cpu")
    eye = root / "clip_vision" / "clip_vision_h.safetensors"
    shutil.copy(source / "image_encoder" / "model.safetensors", eye)
    found = praxino.load(path, device="cpu", dtype="float32")
    for size in (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "image_size",
        "patch_size",
    ):
        assert getattr(found.model.vision.config, size) == getattr(model.vision.config, size)
    picture = tmp_path / "grey.png"
    Image.new("RGB", (64, 64), "grey").save(picture)
    film = found.generate("a cat", image=str(picture), **SETTINGS)
    assert film.frames.shape == (5, 64, 64, 3)


def test_nothing_is_read_but_lists_until_a_network_is_loaded(comfy, tmp_path, monkeypatch):
    """What is widened takes twice the memory of a 14B model otherwise, only to plan."""
    root = shutil.copytree(comfy, tmp_path / "models")
    dits = root / "diffusion_models"
    as_gguf(dits / "wan_plain.safetensors", dits / "wan-Q8_0.gguf")
    read = []
    for kind in (Weights, GGUFFile):
        name = "__getitem__" if kind is Weights else "get_tensor"
        plain = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda self, key, p=plain: read.append(key) or p(self, key))
    for name in ("wan_plain.safetensors", "wan-Q8_0.gguf"):
        pipeline = praxino.load(dits / name, device="cpu", dtype="float32")
        assert read == []
        assert pipeline.model.dit.load(torch.float32).config == pipeline.model.dit.config
        assert len(read) >= len(pipeline.model.dit.weights)
        read.clear()


def test_a_transformer_of_diffusers_may_be_one_file_and_its_autoencoder_a_folder(
    comfy, tmp_path, wan_folder
):
    source = wan_folder("t2v")
    root = shutil.copytree(comfy, tmp_path / "models")
    path = root / "diffusion_models" / "of_diffusers.safetensors"
    shutil.copy(source / "transformer" / "diffusion_pytorch_model.safetensors", path)
    named = PartFiles(vae=source / "vae", text=root / "text_encoders")
    one = praxino.load(path, device="cpu", dtype="float32", files=named)
    other = praxino.load(source, device="cpu", dtype="float32")
    for part in ("dit", "vae", "text"):
        left, right = (
            getattr(pipeline.model, part).load(torch.float32).state_dict()
            for pipeline in (one, other)
        )
        assert all(torch.equal(tensor, right[key]) for key, tensor in left.items())


def test_a_text_encoder_of_another_family_does_not_fit(comfy, tmp_path):
    """T5's blocks share the first one's biases, and it is as wide as UMT5."""
    root = shutil.copytree(comfy, tmp_path / "models")
    texts = root / "text_encoders"
    tensors = load_file(texts / "umt5.safetensors")
    shared = {
        name: tensor
        for name, tensor in tensors.items()
        if "relative_attention_bias" not in name or ".block.0." in name
    }
    save_file(shared, texts / "t5xxl.safetensors")
    path = root / "diffusion_models" / "wan_plain.safetensors"
    assert praxino.load(path, device="cpu").model.text.weights.source.name == "umt5.safetensors"
    (root / "vae" / "page.safetensors").write_text("<html>Sign in</html>" * 9)
    (root / "vae" / "wan_vae.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no vae that fits .*page.*is a web page.*--vae"):
        praxino.load(path, device="cpu")
    with pytest.raises(InputError, match="looks at no pictures"):
        praxino.load(path, device="cpu", files=PartFiles(vae=comfy / "vae", vision=path))
