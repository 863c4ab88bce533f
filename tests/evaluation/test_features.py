"""Features: the bundled reader, and networks whose weights a user brings (stand-ins with the same
calls).
"""

import sys
import warnings

import numpy as np
import pytest
import torch

from praxino.data.diorama import compose, render
from praxino.errors import CheckpointError, InputError, UnknownNameError
from praxino.evaluation.features import extractor


class Pictures(torch.nn.Module):
    """Called as Inception's file is."""

    def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        assert img.dtype == torch.uint8
        assert return_features
        return img.float().mean(dim=(2, 3))


class Films(torch.nn.Module):
    """Called as I3D's file is."""

    def forward(
        self,
        x: torch.Tensor,
        rescale: bool = False,
        resize: bool = False,
        return_features: bool = False,
    ) -> torch.Tensor:
        assert rescale
        assert resize
        assert return_features
        return x.mean(dim=(2, 3, 4))


@pytest.fixture(name="film")
def _film():
    return render(compose(0, 3), 40, 40)


def scripted(module, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(path)
    return path


def test_pictures_give_a_row_a_frame(film, tmp_path):
    rows = extractor("inception", scripted(Pictures(), tmp_path / "inception.pt")).rows(film)
    np.testing.assert_allclose(rows, film.mean(axis=(1, 2)), rtol=1e-5)


def test_films_give_one_row(film, tmp_path):
    i3d = extractor("i3d", scripted(Films(), tmp_path / "i3d.pt"))
    np.testing.assert_allclose(i3d.rows(film), film.mean(axis=(0, 1, 2))[None], rtol=1e-5)
    with pytest.raises(InputError, match="9 frames: I3D needs at least 10"):
        i3d.rows(film[:9])


def test_clip_sees_what_its_library_sees(film, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=12,
    )
    network = transformers.CLIPVisionModelWithProjection(config).eval()
    network.save_pretrained(tmp_path / "clip")
    rows = extractor("clip", tmp_path / "clip").rows(film)
    assert rows.shape == (17, 12)
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    with torch.inference_mode():
        theirs = network(**processor(list(film), return_tensors="pt")).image_embeds.numpy()
    correlation = np.corrcoef(rows.ravel(), theirs.ravel())[0, 1]
    assert correlation > 0.99  # bicubic curves differ a little between libraries


def test_another_model_is_no_clip(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=30,
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="holds no CLIP model"):
        extractor("clip", tmp_path)


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    with pytest.raises(UnknownNameError, match="did you mean inception"):
        extractor("incepton")
    for name in ("inception", "i3d", "clip"):
        with pytest.raises(InputError, match=f"{name} needs its weights"):
            extractor(name)
        with pytest.raises(CheckpointError, match="no such file"):
            extractor(name, tmp_path / "nowhere")
    (tmp_path / "junk.pt").write_bytes(b"not a network")
    with pytest.raises(CheckpointError, match="not a TorchScript file"):
        extractor("i3d", tmp_path / "junk.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no CLIP model"):
        extractor("clip", tmp_path / "empty")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="needs the library transformers"):
        extractor("clip", tmp_path / "empty")


def test_the_wrong_network_is_told_from_a_bug(film, tmp_path):
    pictures = scripted(Pictures(), tmp_path / "inception.pt")
    with pytest.raises(CheckpointError, match="is it the right file"):
        extractor("i3d", pictures).rows(film)
