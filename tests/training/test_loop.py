"""The loop: a killed run that is resumed ends where an uninterrupted one does, to the bit."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from praxino.errors import CheckpointError, InputError, TrainingError
from praxino.recipes import recipe
from praxino.storage.weights.checkpoint import read_tensors
from praxino.training import autoencoder
from praxino.training.loop import LoopConfig, train
from praxino.training.optimizer import OptimizerConfig
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build

FAST = [
    "loop.save_every=5",
    "loop.sample_every=0",
    "loop.compute=float32",
    "stage.clips=16",
    "stage.batch=4",
]


def run(folder, cache, model, *settings, resume=False, stop=None):
    config = recipe("smoke", [*FAST, *settings])
    stage = build(config.stage, Sources(vae=model), Workplace(cache=cache))
    for report in train(stage, config.loop, config.optimizer, folder, resume):
        if report.step == stop:
            break
    return folder


def final(folder):
    return {part: read_tensors(folder / "final" / part) for part in ("dit", "text", "vae")}


def assert_same(first, second):
    for part in first:
        for name, tensor in first[part].items():
            assert torch.equal(tensor, second[part][name]), (part, name)


@pytest.mark.parametrize("matrices", ["muon", "adamw"])
def test_a_stopped_run_resumes_bit_for_bit(tiny_model, tmp_path, matrices):
    settings = ["loop.steps=8", f"optimizer.matrices={matrices}"]
    whole = run(tmp_path / "whole", tmp_path, tiny_model, *settings)
    parts = run(tmp_path / "parts", tmp_path, tiny_model, *settings, stop=6)
    assert not (parts / "final").exists()
    run(parts, tmp_path, tiny_model, *settings, resume=True)
    assert_same(final(whole), final(parts))
    logs = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (whole, parts)
    ]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]] == [5, 8]


def test_a_run_killed_by_sigkill_resumes_bit_for_bit(tiny_model, tmp_path):
    settings = [
        part for setting in [*FAST, "loop.steps=20", "loop.keep=1"] for part in ("--set", setting)
    ]
    command = [
        sys.executable,
        "-m",
        "praxino",
        "train",
        "smoke",
        "-q",
        "--vae",
        str(tiny_model),
        *settings,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed, whole = tmp_path / "a" / "run", tmp_path / "b" / "run"
    process = subprocess.Popen([*command, "-o", str(killed)], env=environment)
    deadline = time.monotonic() + 120
    while not list(killed.glob("step-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "final").exists()
    settings = ["loop.steps=20", "loop.keep=1"]
    run(killed, tmp_path, tiny_model, *settings, resume=True)
    assert_same(final(killed), final(run(whole, tmp_path, tiny_model, *settings)))


TINY_VAE = ["stage.vae.width=4", "stage.vae.decoder_width=4", "stage.frames=5", "stage.size=32",
            "stage.buckets=[[5,32,1,1],[1,16,2,1]]", "stage.last=[]", "stage.vae.blocks=1",
            "loop.save_every=2", "loop.compute=float32"]  # fmt: skip


@pytest.fixture(name="few_clips")
def _few_clips(monkeypatch):
    monkeypatch.setattr(autoencoder, "HELD_OUT_CLIPS", 6)


@pytest.mark.usefixtures("few_clips")
def test_the_autoencoder_resumes_bit_for_bit(tmp_path):
    config = recipe("diorama-vae", [*TINY_VAE, "loop.steps=5"])

    def go(folder, resume=False, stop=None):
        stage = build(config.stage)
        for report in train(stage, config.loop, config.optimizer, folder, resume):
            if report.step == stop:
                return
        assert report.step == 5

    go(tmp_path / "whole")
    go(tmp_path / "parts", stop=3)
    go(tmp_path / "parts", resume=True)
    first, second = (read_tensors(tmp_path / name / "final" / "vae") for name in ("whole", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    configs = [
        (tmp_path / name / "final" / "vae" / "config.json").read_text()
        for name in ("whole", "parts")
    ]
    assert configs[0] == configs[1]
    saved = json.loads(configs[0])
    assert len(saved["mean"]) == len(saved["std"]) == 16
    assert (tmp_path / "whole" / "samples" / "0000005.png").stat().st_size > 1000
    assert list((tmp_path / "whole" / "tensorboard").iterdir())


@pytest.mark.usefixtures("few_clips")
def test_a_decoder_alone_leaves_the_latents_as_they_are(tmp_path):
    def go(name, *settings, init=None):
        config = recipe("diorama-vae", [*TINY_VAE, "loop.steps=2", *settings])
        list(
            train(
                build(config.stage, Sources(init=init)),
                config.loop,
                config.optimizer,
                tmp_path / name,
            )
        )
        return tmp_path / name / "final"

    old = go("old")
    new = go("new", "stage.decoder_only=true", "stage.seed=1", init=old)
    first, second = (read_tensors(folder / "vae") for folder in (old, new))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]) == name.startswith(("encoder", "quant")), name
    one, other = (json.loads((folder / "vae" / "config.json").read_text()) for folder in (old, new))
    assert (one["mean"], one["std"]) == (other["mean"], other["std"])
    with pytest.raises(InputError, match="no encoder to leave as it is"):
        go("none", "stage.decoder_only=true")


def test_training_continues_from_given_weights(tiny_model, tmp_path):
    first = run(tmp_path / "first", tmp_path, tiny_model, "loop.steps=5")
    config = recipe("smoke", FAST)
    stage = build(
        config.stage, Sources(vae=tiny_model, init=first / "final"), Workplace(cache=tmp_path)
    )
    for name, tensor in read_tensors(first / "final" / "dit").items():
        assert torch.equal(stage.module["dit"].state_dict()[name], tensor)


class Exploding:
    """Three good steps, then infinity."""

    def __init__(self):
        self.module = nn.Linear(2, 2)

    def batch(self, step):
        return step

    def loss(self, batch, generator):
        return self.module.weight.sum() * (float("inf") if batch == 3 else 1.0), {}

    def samples(self):
        raise AssertionError

    def save(self, folder):
        pass


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    config = LoopConfig(steps=10, save_every=2, sample_every=0, compute="float32")
    with pytest.raises(TrainingError, match=r"step 4: loss .*inf.*hint: .*optimizer.lr"):
        list(train(Exploding(), config, OptimizerConfig(), tmp_path))
    assert (tmp_path / "step-0000002").is_dir()


def test_a_damaged_checkpoint_is_named(tiny_model, tmp_path):
    folder = run(tmp_path / "run", tmp_path, tiny_model, "loop.steps=8", stop=6)
    for path in (folder / "step-0000005" / "state").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match="cannot resume"):
        run(folder, tmp_path, tiny_model, "loop.steps=8", resume=True)


def test_merged_padding_changes_no_loss(tiny_model, tmp_path, monkeypatch):
    stage = build(recipe("smoke", FAST).stage, Sources(vae=tiny_model), Workplace(cache=tmp_path))
    torch.nn.init.normal_(stage.dit.head.weight)
    batch = stage.batch(0)
    merged, _ = stage.loss(batch, torch.Generator().manual_seed(0))
    monkeypatch.setattr(
        stage.text, "encode_merged", lambda sentences: (stage.text.encode(sentences), None)
    )
    whole, _ = stage.loss(batch, torch.Generator().manual_seed(0))
    torch.testing.assert_close(merged, whole, rtol=1e-5, atol=1e-5)
