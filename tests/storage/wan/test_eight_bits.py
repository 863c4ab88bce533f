"""Files of eight bits as ComfyUI and diffusers users have them make the film that their numbers
mean.
"""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import praxino
from praxino.errors import CheckpointError

SETTINGS = {"steps": 3, "frames": 5, "height": 64, "width": 64, "seed": 3}
TYPES = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}


def in_eight_bits(tensors, dtype, scaled, rows=False):
    """Tensors whose products are of eight bits; with scales, as ComfyUI names them."""
    found = {}
    for name, tensor in tensors.items():
        if not name.endswith(".weight") or tensor.dim() != 2 or ".block" not in f".{name}":
            found[name] = tensor
        elif scaled:
            largest = tensor.abs().amax(1, keepdim=True) if rows else tensor.abs().max()
            scale = largest / torch.finfo(dtype).max
            found[name] = (tensor / scale).to(dtype)
            found[name.removesuffix("weight") + "scale_weight"] = scale.float()
            found[name.removesuffix("weight") + "scale_input"] = torch.ones(())
        else:
            found[name] = tensor.to(dtype)
    return found | ({"scaled_fp8": torch.zeros(2, dtype=dtype)} if scaled else {})


@pytest.fixture(scope="module", name="film")
def _film(wan_folder):
    return praxino.load(wan_folder("t2v"), device="cpu", dtype="float32").generate(
        "a cat", **SETTINGS
    )


@pytest.mark.parametrize(
    "part", ["transformer", pytest.param("text_encoder", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("kind", "scaled", "rows"),
    [
        ("e4m3", True, False),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("e4m3", False, False), ("e5m2", False, False), ("e4m3", True, True))
        ),
    ],
)
def test_a_film_of_eight_bits_is_nearly_the_same(
    wan_folder, tmp_path, film, part, kind, scaled, rows
):
    folder = shutil.copytree(wan_folder("t2v"), tmp_path / "t2v")
    [path] = (folder / part).glob("*.safetensors")
    tensors = in_eight_bits(load_file(path), TYPES[kind], scaled, rows)
    assert sum(tensor.dtype == TYPES[kind] for tensor in tensors.values()) > 10
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    model = praxino.load(folder, device="cpu", dtype="float32")
    found = model.generate("a cat", **SETTINGS).frames
    error = np.abs(found.astype(int) - film.frames).mean()
    assert 0 < error < (12 if kind == "e5m2" else 6)


def test_numbers_are_those_of_the_file_times_their_scale(tmp_path):
    from praxino.storage.weights.files import open_weights

    weight, scale = torch.randn(8, 4).to(torch.float8_e4m3fn), torch.tensor(0.5)
    tensors = {"a.weight": weight, "a.scale_weight": scale, "b.weight": weight.clone()}
    tensors["spiece_model"] = torch.zeros(9, dtype=torch.uint8)
    save_file(tensors, tmp_path / "x.safetensors")
    weights = open_weights(tmp_path / "x.safetensors")
    assert set(weights) == {"a.weight", "b.weight"}
    assert torch.equal(weights["a.weight"], weight.float() * 0.5)
    assert torch.equal(weights["b.weight"].float(), weight.float())
    assert weights.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("weight", "scale", "said"),
    [
        (torch.zeros(8, 4, dtype=torch.int8), torch.ones(()), "quantised weights only float8"),
        (torch.zeros(8, 4).to(torch.float8_e4m3fn), torch.ones(2, 2), "one number, or one a row"),
    ],
)
def test_numbers_that_are_scaled_in_another_way_are_refused(tmp_path, weight, scale, said):
    from praxino.storage.weights.files import open_weights

    save_file({"a.weight": weight, "a.weight_scale": scale}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=said):
        open_weights(tmp_path / "x.safetensors")
