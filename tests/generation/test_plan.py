"""The plan: what it predicts is what a process takes, it chooses what fits, and refuses with the
numbers.
"""

import subprocess
import sys

import pytest
import torch

import praxino
from praxino.errors import InputError
from praxino.generation import plan as planner
from praxino.generation.plan import GIB, Plan, StagePlan, plan
from support import stage_memory


@pytest.mark.slow
@pytest.mark.parametrize("case", stage_memory.CASES)
def test_predicted_is_measured(case):
    """Peak memory of a process that does one stage, weights and all, within 15%."""
    kind, _, _, _, _, tile = stage_memory.CASES[case]
    dtype = stage_memory.precision(case)
    model, request = stage_memory.model_of(case)
    predicted = {
        "denoise": lambda: planner._denoise(model, request, dtype, {}),
        "decode": lambda: planner._decode(model, request, {}, tile),
        "pictures": lambda: planner._pictures(model, request, {}),
    }[kind]()
    run = subprocess.run(
        [sys.executable, stage_memory.__file__, case], capture_output=True, text=True, check=True
    )
    assert predicted.bytes == pytest.approx(int(run.stdout), rel=0.15)


@pytest.fixture(scope="module", name="wan")
def _wan(wan_folder):
    return praxino.load(wan_folder("t2v"), device="cpu")


def test_stages_in_their_order(wan):
    found = wan.plan(wan.request("a cat", frames=5, height=64, width=64))
    assert [stage.name for stage in found.stages] == ["text", "denoise", "decode"]
    assert found.fits
    assert found.tile is None
    assert "fits" in found.table()
    weights = {stage.name: stage.weights for stage in found.stages}
    assert weights["decode"] == 4 * sum(p.numel() for p in wan.model.vae.build().parameters())
    assert all(stage.flops > 0 and stage.seconds > 0 for stage in found.stages)


def test_the_cost_of_a_film_is_that_of_its_products(wan):
    """Twice the parameters of the blocks for every token, and four times the width for every pair
    of them.
    """
    requests = [wan.request("a cat", frames=frames, steps=50) for frames in (9, 17)]
    small, large = (
        planner._denoise(wan.model, request, torch.float32, {}).flops for request in requests
    )
    blocks = sum(
        p.numel()
        for n, p in wan.model.dit.build().named_parameters()
        if p.dim() == 2 and "blocks" in n
    )
    config = wan.model.dit.config
    tokens = [n * 30 * 52 for n in (3, 5)]
    expected = [100 * (2 * blocks * n + 4 * n * n * config.width * config.layers) for n in tokens]
    for found, wanted in zip((small, large), expected, strict=True):
        assert found == pytest.approx(
            wanted, rel=0.25
        )  # keys of the text are made once a film, the rest is small


@pytest.mark.slow
def test_tiles_where_a_frame_is_too_large(wan, monkeypatch):
    request = wan.request("a cat", frames=5, height=256, width=256)
    whole = plan(wan.model, request, torch.device("cpu"), torch.float32, speed=False)
    monkeypatch.setattr(planner, "free_memory", lambda device: int(whole.stages[-1].bytes * 0.8))
    tiled = plan(wan.model, request, torch.device("cpu"), torch.float32, speed=False)
    assert tiled.tile in planner.TILES
    assert tiled.stages[-1].bytes < whole.stages[-1].bytes
    assert "not exact" in tiled.table()


def test_what_cannot_fit_is_refused_with_the_numbers():
    stage = StagePlan("denoise", "bfloat16", 20 * GIB, 5 * GIB, 1.0, 0.0)
    with pytest.raises(
        InputError, match=r"denoise needs 25.0 GiB \(20.0 of weights, 5.0 to work\), and 16.0 GiB"
    ):
        Plan((stage,), 16 * GIB, None).validate()
    assert "DOES NOT FIT" in Plan((stage,), 16 * GIB, None).table()
    assert Plan((stage,), 30 * GIB, None).validate().fits
