"""Published checkpoints of guided diffusion are known by their tensors."""

import re

import pytest
import torch
from safetensors.torch import save_file

from praxino.errors import CheckpointError
from praxino.models.adm import ADM, ADMConfig
from praxino.storage.weights import adm
from praxino.storage.weights.files import open_weights

PARAMETERS = {
    "64x64_diffusion": 295_904_454,
    "128x128_diffusion": 421_529_606,
    "256x256_diffusion": 553_838_086,
    "256x256_diffusion_uncond": 552_814_086,
    "512x512_diffusion": 558_997_638,
    "512x512_diffusion_uncond_finetune_008100": 557_973_638,
    "64_256_upsampler": 311_795_910,
    "128_512_upsampler": 308_835_270,
    "64x64_classifier": 65_438_568,
    "128x128_classifier": 42_568_040,
    "256x256_classifier": 54_096_360,
    "512x512_classifier": 54_448_360,
}
"""As counted by the code that they were published with."""
TINY = ADMConfig(size=16, width=32, multipliers=(1, 2), blocks=1, head_width=32, attention=(8,))


@pytest.mark.parametrize("digest", adm.PUBLISHED)
def test_each_is_built_as_it_was_published(digest):
    published = adm.PUBLISHED[digest]
    shapes = adm._shapes(published)
    assert adm.manifest_digest(shapes) == digest
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == PARAMETERS[published.name]


@pytest.fixture(name="published")
def _published(monkeypatch):
    """A small network, published."""
    with torch.device("meta"):
        shapes = {name: tuple(t.shape) for name, t in ADM(TINY).state_dict().items()}
    one = adm.PublishedADM("tiny", "model", TINY)
    monkeypatch.setitem(adm.PUBLISHED, adm.manifest_digest(shapes), one)
    return one


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_file_is_read_as_what_it_is_and_half_precision_is_widened(
    published, tmp_path, ending, dtype
):
    network, path = ADM(TINY), tmp_path / f"model.{ending}"
    state = {name: tensor.to(dtype) for name, tensor in network.state_dict().items()}
    torch.save(state, path) if ending == "pt" else save_file(state, path)
    found, part = adm.read(path)
    assert found is published
    again = part.load(torch.float32)
    for name, tensor in again.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, state[name].float())


def test_other_tensors_are_told_from_the_nearest_ones(published, tmp_path):
    state = ADM(TINY).state_dict()
    state["label_emb.weight"] = torch.zeros(10, 128)
    torch.save(state, tmp_path / "own.pt")
    with pytest.raises(CheckpointError) as problem:
        adm.recognise(open_weights(tmp_path / "own.pt"))
    assert re.search(
        r"1 tensors differ from the nearest, tiny: unknown label_emb", str(problem.value)
    )


def test_what_could_run_code_is_not_opened(tmp_path):
    torch.save({"time_embed.0.weight": torch.zeros(1), "sneaky": print}, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="more than tensors"):
        adm.read(tmp_path / "bad.pt")
