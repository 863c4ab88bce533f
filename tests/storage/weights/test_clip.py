"""A CLIP model is the same one in either layout of its folder."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from praxino.errors import CheckpointError, InputError
from praxino.storage.weights import clip
from support.tiny_clip import LENGTH, SIDE, tiny_clip

SENTENCES = ["a red ball", "a dog"]


@pytest.fixture(scope="module", name="folders")
def _folders(tmp_path_factory):
    pytest.importorskip("transformers")
    home = tmp_path_factory.mktemp("clip")
    return {layout: tiny_clip(home / layout, layout) for layout in ("transformers", "open_clip")}


def test_both_layouts_say_the_same(folders):
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    first, second = (clip.read(folder) for folder in folders.values())
    assert first.side == second.side == SIDE
    for one, other in (
        (first.embed_images(pixels), second.embed_images(pixels)),
        (first.embed_text(SENTENCES), second.embed_text(SENTENCES)),
    ):
        assert one.shape == (2, 24)
        assert torch.allclose(one.norm(dim=1), torch.ones(2))
        assert torch.allclose(one, other, atol=1e-5)
        assert not torch.allclose(one[0], one[1], atol=1e-3)


def test_they_say_what_the_library_says(folders):
    transformers = pytest.importorskip("transformers")
    folder = folders["transformers"]
    theirs = transformers.CLIPModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        inputs = tokenizer(SENTENCES, padding=True, return_tensors="pt")
        wanted = theirs.get_text_features(**inputs).pooler_output
    wanted = wanted / wanted.norm(dim=1, keepdim=True)
    assert torch.allclose(clip.read(folder).embed_text(SENTENCES), wanted, atol=1e-5)


def test_pictures_have_gradients_and_weights_have_none(folders):
    network = clip.read(folders["open_clip"])
    pixels = torch.rand(1, 3, SIDE, SIDE, requires_grad=True)
    network.embed_images(pixels).sum().backward()
    assert pixels.grad.any()
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_long_sentence_is_refused(folders):
    network = clip.read(folders["transformers"])
    network.embed_text(["a" * (LENGTH - 2)])
    with pytest.raises(InputError, match="10002 pieces: CLIP reads 16"):
        network.embed_text(["a " * 10_000])


def test_what_is_no_clip_is_one_line(folders, tmp_path):
    with pytest.raises(CheckpointError, match="is no folder"):
        clip.read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no CLIP model"):
        clip.read(tmp_path / "empty")
    damaged = tiny_clip(tmp_path / "wider", "open_clip")
    config = json.loads((damaged / clip.OPEN_CLIP).read_text())
    config["model_cfg"]["text_cfg"]["width"] = 128
    (damaged / clip.OPEN_CLIP).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="does not fit its config"):
        clip.read(damaged)
    config["model_cfg"]["text_cfg"] = None
    (damaged / clip.OPEN_CLIP).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="is damaged"):
        clip.read(damaged)
    less = tiny_clip(tmp_path / "less", "open_clip")
    state = load_file(less / "open_clip_model.safetensors")
    del state["ln_final.weight"]
    save_file(state, less / "open_clip_model.safetensors")
    with pytest.raises(CheckpointError, match="missing text_model"):
        clip.read(less)
    (less / "open_clip_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        clip.read(less)
