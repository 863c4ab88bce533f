"""Weights of eight bits: which layers, how far off, what they save, with LoRAs folded in before."""

import importlib.util

import numpy as np
import pytest
import torch

import praxino
from praxino.errors import InputError
from praxino.generation import plan as planner
from praxino.models.dit import DiT, DiTConfig
from praxino.storage.weights.lazy import LoadedModule, PatchedModule, block_linears
from praxino.storage.weights.quantize import Quantised
from support import tiny_wan

CONFIG = DiTConfig(width=256, heads=4, layers=2, ffn=512, text_width=32)


@pytest.fixture(scope="module", name="part")
def _part():
    torch.manual_seed(0)
    dit = DiT(CONFIG)
    torch.nn.init.normal_(dit.head.weight, std=0.05)
    return LoadedModule(lambda: dit.eval().requires_grad_(False))


@pytest.mark.parametrize(("kind", "most"), [("int8", 0.02), ("fp8", 0.06)])
def test_nearly_the_same_in_half_the_memory(part, kind, most):
    inputs = torch.randn(1, 16, 3, 8, 8), torch.full((1, 1), 0.5), torch.randn(1, 8, 32)
    exact = part.network(*inputs)
    rounded = Quantised(part, kind).load(torch.bfloat16)
    found = rounded(*inputs).float()
    assert 1e-4 < (found - exact).norm() / exact.norm() < most
    assert torch.equal(part.network(*inputs), exact)  # the network itself is as it was
    names = {name for name, _ in block_linears(part.network).items()}
    assert len(names) == 20
    for name, module in rounded.named_modules():
        if isinstance(module, torch.nn.Linear):
            assert (type(module.weight.data) is torch.Tensor) == (name not in names), name


def test_a_film_of_rounded_weights_is_nearly_the_same_film(wan_folder):
    settings = {"steps": 4, "frames": 5, "height": 64, "width": 64, "seed": 2}
    exact, rounded = (
        praxino.load(wan_folder("t2v"), device="cpu", dtype=dtype).generate("a cat", **settings)
        for dtype in ("bfloat16", "int8")
    )
    assert rounded.record["dtype"] == "int8"
    assert 0 < np.abs(rounded.frames.astype(float) - exact.frames).mean() < 4


def test_changes_are_folded_in_before_weights_are_rounded(part):
    class Tripled(PatchedModule):
        def change(self, name, layer):
            if name == "blocks.0.up":
                layer.weight.mul_(3)

    inputs = torch.randn(1, 16, 3, 8, 8), torch.full((1, 1), 0.5), torch.randn(1, 8, 32)
    plain, changed = (
        Quantised(base, "int8").load(torch.bfloat16) for base in (part, Tripled(part))
    )
    assert not torch.equal(plain(*inputs), changed(*inputs))


def test_the_plan_of_rounded_weights_is_smaller(wan_folder):
    plans = []
    for dtype in ("bfloat16", "int8"):
        ours = praxino.load(wan_folder("t2v"), device="cpu", dtype=dtype)
        request, model = ours.request("a cat", frames=5, height=64, width=64), ours.adapted(())
        denoise = planner._denoise(model, request, ours.dtype, {})
        plans.append((planner._text(model, ours.dtype, {}), denoise))
    for wide, rounded in zip(*plans, strict=True):
        assert rounded.weights < wide.weights


def test_without_the_library_it_is_said_before_anything_is_loaded(wan_folder, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torchao" else real(name)
    )
    with pytest.raises(
        InputError, match=r"int8 needs the library torchao. hint: pip install \"praxino\[quant\]\""
    ):
        praxino.load(wan_folder(tiny_wan.KINDS[0]), device="cpu", dtype="int8").request("a cat")
