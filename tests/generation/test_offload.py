"""Networks on a device: large weights that only visit it."""

import copy

import pytest
import torch
from torch import nn

import praxino
from praxino.generation import plan as planner
from praxino.generation.offload import Offloader
from praxino.generation.plan import GIB, StagePlan
from praxino.generation.weight_streaming import stream_weights
from praxino.models.dit import DiT, DiTConfig
from praxino.storage.weights.lazy import LoadedModule, block_linears
from praxino.storage.weights.quantize import Quantised

CONFIG = DiTConfig(width=96, heads=2, layers=2, ffn=128, text_width=16, time_features=16)


def inputs():
    return torch.randn(1, 16, 2, 4, 4), torch.full((1, 1), 0.5), torch.randn(1, 8, 16)


@pytest.mark.parametrize("kind", [None, "int8"])
def test_a_network_that_visits_says_the_same(kind):
    part = LoadedModule(lambda: DiT(CONFIG).eval().requires_grad_(False))
    torch.nn.init.normal_(part.network.head.weight)
    plain = (Quantised(part, kind) if kind else part).load(torch.bfloat16)
    streamed = stream_weights(copy.deepcopy(plain), torch.device("cpu"))
    x, t, text = inputs()
    homes = {name: layer.weight for name, layer in block_linears(streamed).items()}
    for _ in range(2):
        assert torch.equal(streamed(x, t, text), plain(x, t, text))
        assert all(layer.weight is homes[name] for name, layer in block_linears(streamed).items())


class Blocks(nn.Module):
    """A first layer, and blocks of one product each."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8)) for _ in range(3)
        )

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return x


def test_only_the_product_in_use_is_on_the_device():
    """On a device that holds nothing, but does not mix with others all the same."""
    other = torch.device("meta")
    network = stream_weights(Blocks(), other)
    large = block_linears(network)
    assert len(large) == 3
    assert {
        p.device.type
        for n, p in network.named_parameters()
        if n.removesuffix(".weight") not in large
    } == {"meta"}
    seen = []
    for layer in large.values():
        layer.register_forward_pre_hook(
            lambda *_: seen.append(
                [other.weight.device.type for other in large.values()].count("meta")
            )
        )
    for _ in range(2):
        assert network(torch.empty(4, 8, device=other)).device == other
        assert {layer.weight.device.type for layer in large.values()} == {"cpu"}
    assert seen == [1] * 6


def test_weights_wait_where_they_do_not_fit(monkeypatch, wan_folder):
    import praxino

    wan = praxino.load(wan_folder("t2v"), device="cpu")
    request = wan.request("a cat", frames=5, height=64, width=64)
    whole = planner.plan(
        wan.model, request, torch.device("cpu"), torch.float32, speed=False
    ).stages[1]
    monkeypatch.setattr(planner, "free_memory", lambda device: int(whole.bytes * 1.01))
    found = planner.plan(wan.model, request, torch.device("mps"), torch.float32, speed=False)
    assert "denoise" in found.streamed
    assert found.stages[1].bytes < whole.bytes
    assert "weights of denoise" in found.table()
    on_cpu = planner.plan(wan.model, request, torch.device("cpu"), torch.float32, speed=False)
    assert not on_cpu.streamed  # there is nowhere else to wait


def test_a_visited_stage_keeps_two_products():
    stage = StagePlan("denoise", "bfloat16", 28 * GIB, 3 * GIB, 1.0, 0.0, (27 * GIB, GIB // 8))
    assert stage.with_streamed_weights().bytes == 28 * GIB - 27 * GIB + GIB // 4 + 3 * GIB
    assert stage.with_streamed_weights().streamed


def test_who_asks_again_meanwhile_gets_the_same_network(wan_folder):
    part = praxino.load(wan_folder("t2v"), device="cpu").model.dit
    offloader = Offloader(torch.device("cpu"), keep=False)
    with offloader.resident(part, torch.float32) as first:
        with offloader.resident(part, torch.float32) as second:
            assert second is first
        with offloader.resident(part, torch.bfloat16) as other:
            assert other is not first
    with offloader.resident(part, torch.float32) as again:
        assert again is not first
