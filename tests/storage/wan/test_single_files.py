"""A transformer's file, and the others in the folders where ComfyUI keeps them, make the same film
as the folder of a repository.
"""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import praxino
from praxino.errors import CheckpointError, InputError
from praxino.storage.wan import family, single_files
from praxino.storage.wan.names import foreign_names
from praxino.storage.wan.single_files import PartFiles

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
    (tmp_path / "q8.gguf").write_bytes(b"GGUF\3\0\0\0" + bytes(64))
    with pytest.raises(CheckpointError, match="is a GGUF file"):
        praxino.load(tmp_path / "q8.gguf", device="cpu")


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
