"""Many processes make the same weights as one, to the last bit, however often their number
changes.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from praxino.data.order import permuted
from praxino.errors import InputError, TrainingError
from praxino.models.dit import DiT, DiTConfig
from praxino.training import context_parallel, gradients, loop, parallel
from praxino.training.optimizer import OptimizerConfig
from support import many_processes
from support.footage import textured, write

PROGRAM = Path(many_processes.__file__)
TESTS = PROGRAM.parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
ADAM = ["optimizer.matrices=adamw"]
LORA = ["stage.lora=2", *ADAM]
CONSTANT = ["optimizer.decay=none"]
EVALUATED = ["loop.save_every=100", "stage.evaluate_every=1"]


@pytest.fixture(scope="module", name="dataset")
def _dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    for number in range(9):
        write(folder / f"{number}.mp4", textured(9, 40, 48, seed=number))
        (folder / f"{number}.txt").write_text("a dog" if number % 2 else "a red ball bounces")
    write(folder / "short.mp4", textured(2, 40, 48))
    return folder


@pytest.fixture(scope="module", name="run")
def _run(dataset, tiny_model, tmp_path_factory):
    """Fine-tuning of several kinds on some processes: what comes out of each."""

    def run(count, cases, folder=None):
        folder = folder or tmp_path_factory.mktemp("runs")
        order = folder / "order.json"
        places = {"folder": folder, "dataset": dataset, "model": tiny_model}
        tree = {name: str(place) for name, place in places.items()} | {"cases": cases}
        order.write_text(json.dumps(tree))
        start = [sys.executable] if count == 1 else [*TORCHRUN, f"--nproc-per-node={count}"]
        done = subprocess.run(
            [*start, str(PROGRAM), str(order)],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)},
            capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(order.with_suffix(".out").read_text())

    return run


@pytest.fixture(scope="module", name="alone")
def _alone(run):
    """What one process makes."""
    cases = {
        "muon": [[], 2],
        "adam": [ADAM, 2],
        "lora": [LORA, 2],
        "long": [CONSTANT, 3],
        "evaluated": [EVALUATED, 3],
        "half": [["loop.compute=bfloat16"], 2],
    }
    return run(1, cases)


def test_two_processes_make_what_one_makes(run):
    alone = run(1, {"evaluated": [EVALUATED, 3]})
    assert run(2, {"evaluated": [EVALUATED, 3]}) == alone


@pytest.mark.slow
def test_two_processes_make_it_in_every_way(run, alone):
    cases = {
        "muon": [[], 2],
        "lora": [LORA, 2],
        "whole": [["loop.parallel.sharding=none"], 2],
        "recomputed": [["loop.parallel.recompute=true"], 2],
        "shared": [["loop.parallel.context=2"], 2],
        "shared again": [["loop.parallel.context=2", "loop.parallel.recompute=true"], 2],
        "half": [["loop.compute=bfloat16"], 2],
    }
    made = run(2, cases)
    assert made["muon"] == alone["muon"]
    assert made["lora"] == alone["lora"]
    assert made["half"] == alone["half"]
    assert made["shared again"] == made["shared"]
    assert made["whole"] == made["recomputed"] == alone["muon"]
    assert made["shared"]["norms"] == pytest.approx(alone["muon"]["norms"], rel=1e-5)


@pytest.mark.slow
def test_so_do_three_and_six_in_any_groups(run, alone):
    three = run(3, {"muon": [[], 2], "adam": [ADAM, 2]})
    assert three == {name: alone[name] for name in three}
    cases = {
        "muon": [[], 2],
        "three replicas": [["loop.parallel.replicas=3"], 2],
        "two replicas": [["loop.parallel.replicas=2", *ADAM], 2],
        "shared": [["loop.parallel.context=2"], 2],
    }
    six = run(6, cases)
    assert six["muon"] == six["three replicas"] == alone["muon"]
    assert six["two replicas"] == alone["adam"]
    assert six["shared"] == run(2, {"shared": [["loop.parallel.context=2"], 2]})["shared"]


@pytest.mark.slow
def test_their_number_may_change_where_a_run_is_resumed(run, alone, tmp_path):
    run(2, {"long": [CONSTANT, 1]}, tmp_path)
    run(3, {"long": [CONSTANT, 2]}, tmp_path)
    (last,) = run(1, {"long": [CONSTANT, 3]}, tmp_path).values()
    assert last["digest"] == alone["long"]["digest"]


@pytest.mark.slow
def test_a_process_that_is_killed_costs_nothing(dataset, tiny_model, tmp_path):
    words = [
        "-m", "praxino", "train", "finetune", str(dataset), "--init", str(tiny_model), "-q",
        "--resume", "--device", "cpu", "--set", "loop.steps=6", "--set", "loop.save_every=1",
        "--set", "loop.micro_batches=2", "--set", "stage.batch=1", "--set", "loop.sample_every=0",
        "--set", "loop.parallel.threads=1",
    ]  # fmt: skip
    env = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(folder, *more):
        command = [*TORCHRUN, "--nproc-per-node=2", *more, *words, "-o", str(tmp_path / folder)]
        return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)

    running = start("killed", "--max-restarts=2")
    while not list((tmp_path / "killed").glob("step-*")) and running.poll() is None:
        time.sleep(0.05)
    os.kill(_children(running.pid)[-1], signal.SIGKILL)
    _, err = running.communicate(timeout=240)
    assert running.returncode == 0, err[-3000:]
    quiet = start("quiet")
    _, err = quiet.communicate(timeout=240)
    assert quiet.returncode == 0, err[-3000:]
    assert many_processes.digest(tmp_path / "killed") == many_processes.digest(tmp_path / "quiet")


@pytest.mark.slow
def test_what_is_wrong_is_one_line_of_one_process(tiny_model, tmp_path):
    words = [
        "-m",
        "praxino",
        "train",
        "finetune",
        str(tmp_path / "none"),
        "--init",
        str(tiny_model),
    ]
    command = [*TORCHRUN, "--nproc-per-node=2", *words, "-o", str(tmp_path / "run")]
    done = subprocess.run(
        [*command, "--set", "loop.micro_batches=2"], capture_output=True, text=True, timeout=120
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("praxino:")]
    assert len(said) == 1
    assert "no such" in said[0] or "no film" in said[0] or "no folder" in said[0]
    assert "Read error" not in done.stderr
    done = subprocess.run(
        [*command, "--set", "loop.micro_batches=3"], capture_output=True, text=True, timeout=120
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("praxino:")]
    assert len(said) == 1
    assert "3 micro-batches a step for 2 processes" in said[0]


def _children(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@pytest.mark.parametrize(
    ("settings", "micro_batches", "world", "message"),
    [
        ({}, 6, 4, r"6 micro-batches a step for 4 processes.*micro_batches=8"),
        ({"context": 2}, 6, 3, "3 processes, of which 2 share a clip"),
        ({"replicas": 2}, 3, 3, "3 processes in 2 replicas"),
        ({"context": 2}, 3, 4, "3 micro-batches a step for 2 processes"),
    ],
)
def test_what_cannot_be_shared_evenly_is_refused(settings, micro_batches, world, message):
    config = parallel.ParallelConfig(**settings)
    with pytest.raises(InputError, match=message):
        parallel.require_even(config, micro_batches, world)


def test_every_micro_batch_is_done_once_by_those_of_one_clip():
    for world, context in ((1, 1), (6, 1), (6, 2), (12, 4)):
        every = [
            list(parallel.Ranks(rank, world, context).micro_batches(range(3, 5), 6))
            for rank in range(world)
        ]
        shares = every[::context]
        assert sorted(number for one in shares for number in one) == list(range(18, 30))
        assert all(every[rank] == shares[rank // context] for rank in range(world))


def test_networks_whose_heads_or_branches_cannot_be_shared_are_refused():
    sizes = {"width": 24, "heads": 2, "layers": 1, "ffn": 32, "text_width": 8}
    with pytest.raises(InputError, match="2 heads, shared by 3"):
        context_parallel.share_tokens(DiT(DiTConfig(**sizes)), parallel.Ranks(0, 3, 3))
    config = parallel.ParallelConfig(context=2)
    with pytest.raises(InputError, match="no denoiser"):
        loop.require_divisible(_Steep(1), config)


def test_exact_sums_depend_on_no_order_and_plain_ones_do():
    weight = nn.Parameter(torch.zeros(64))
    parts = [torch.randn(64) * 10.0**power for power in (-4, 1, -2, 0, 2, -6)]

    def summed(exact, order):
        total = gradients.GradientSum([weight], exact=exact)
        total.reset()
        weight.grad = None
        for place in order:
            (weight * parts[place]).sum().backward()
            total.add()
        assert total.finish()
        return weight.grad.clone()

    orders = [[*range(6)], [5, 4, 3, 2, 1, 0], [2, 0, 5, 1, 4, 3]]
    one, *others = (summed(True, order) for order in orders)
    assert all(torch.equal(one, other) for other in others)
    torch.testing.assert_close(one, summed(False, orders[0]))
    plain = [summed(False, order) for order in orders]
    assert not all(torch.equal(plain[0], other) for other in plain[1:])


def test_sums_that_were_rounded_on_the_way_are_known_though_they_are_small():
    weight = nn.Parameter(torch.zeros(1))
    total = gradients.GradientSum([weight])
    total.reset()
    for part in [200.0] * 5 + [2.0**-44] + [-200.0] * 5:
        (weight * part).sum().backward()
        total.add()
    assert not total.finish()
    assert abs(float(weight.grad)) < 1e-6


def test_moments_of_empty_parts_lie_as_on_other_processes():
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor
    from torch.testing._internal.distributed.fake_pg import FakeStore

    stage = _Steep(1.0)
    stage.module = nn.Linear(4, 1)
    dist.init_process_group("fake", rank=1, world_size=2, store=FakeStore())
    try:
        fully_shard(stage.module)
        config = loop.LoopConfig(steps=1, compute="float32")
        trainer = loop._Trainer(stage, config, OptimizerConfig(), parallel.Ranks(1, 2))
        moments = trainer._state(0)["optimizer"]["0"]
    finally:
        dist.destroy_process_group()
    assert isinstance(moments["first"], DTensor)
    assert not isinstance(moments["second"], DTensor)


def test_processes_that_differ_are_told_in_what(monkeypatch):
    def gather(every, own):
        every[:] = [own, own | {"torch": "2.0"}]

    monkeypatch.setattr(parallel.dist, "all_gather_object", gather)
    ranks = parallel.Ranks(0, 2)
    with pytest.raises(InputError, match=r"process 1 has torch=2\.0, process 0 has 2\.13"):
        ranks.require_alike({"seed": 1, "torch": "2.13"}, "install the same")


def test_norms_are_those_of_torch_and_clip():
    weights = [nn.Parameter(torch.zeros(7, 5)), nn.Parameter(torch.zeros(3))]
    for exact in (True, False):
        total = gradients.GradientSum(weights, exact=exact)
        grads = [torch.randn_like(one) for one in weights]
        total.reset()
        for one, grad in zip(weights, grads, strict=True):
            one.grad = grad.clone()
        total.add()
        assert total.finish()
        expected = torch.cat([grad.flatten() for grad in grads]).norm()
        assert total.clip(0.5) == pytest.approx(float(expected), rel=1e-5)
        clipped = torch.cat([one.grad.flatten() for one in weights]).norm()
        assert float(clipped) == pytest.approx(0.5, rel=1e-4)


class _Steep(nn.Module):
    """A stage whose gradient is too large to be summed exactly."""

    def __init__(self, slope):
        super().__init__()
        self.weight, self.slope = nn.Parameter(torch.ones(1)), slope
        self.module = self

    def batch(self, number):
        return number

    def loss(self, batch, generator):
        return (self.slope * self.weight).sum(), {}

    def samples(self):
        return np.zeros((1, 1, 3), np.uint8)

    def save(self, folder):
        (folder / "x").write_text("")


@pytest.mark.parametrize(
    ("slope", "message"), [(1e3, "gradients of 512 or more"), (float("nan"), "not finite")]
)
def test_gradients_that_cannot_be_summed_stop_the_run(tmp_path, slope, message):
    config = loop.LoopConfig(steps=1, sample_every=0, compute="float32")
    with pytest.raises(TrainingError, match=f"step 1: .*{message}"):
        list(loop.train(_Steep(slope), config, OptimizerConfig(), tmp_path))
    fast = config.model_copy(update={"parallel": parallel.ParallelConfig(reduction="fast")})
    if slope == 1e3:
        assert len(list(loop.train(_Steep(slope), fast, OptimizerConfig(), tmp_path))) == 1


def test_orders_of_a_thousand_processes_are_disjoint_and_whole():
    count = 4096
    ranks = [parallel.Ranks(rank, 1024) for rank in range(1024)]
    own = [np.array(list(one.micro_batches(range(2), 2048))) for one in ranks]
    clips = permuted(np.concatenate(own), count, seed=3)
    assert sorted(clips.tolist()) == list(range(count))
