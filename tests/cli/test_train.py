"""``praxino train``: trunks that go on, branches, a given time, signals, and what must not change
under a run.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from praxino.generation.loading import find_model
from praxino.models import precision
from praxino.storage.weights import bundle, checkpoint
from praxino.storage.weights.checkpoint import read_tensors
from praxino.training import runs, stages

TRUNK = ("--set", "optimizer.decay=none", "--set", "stage.clips=8", "--set", "stage.batch=2",
         "--set", "loop.sample_every=0", "--set", "loop.compute=float32")  # fmt: skip


@pytest.fixture(name="train")
def _train(praxino, monkeypatch, tmp_path, tiny_model):
    """Run ``praxino train smoke``: (exit code, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, new=True):
        code, _, err = praxino(
            "train", "smoke", *(("--vae", tiny_model, *TRUNK) if new else ()), *arguments, "-q"
        )
        return code, err

    return run


def weights(folder):
    return {
        f"{part} {name}": tensor
        for part in ("dit", "text")
        for name, tensor in read_tensors(folder / part).items()
    }


def assert_same(first, second):
    one, two = weights(first), weights(second)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_trunk_goes_on_as_if_it_had_never_ended(train):
    assert train("--until", 6, "-o", "whole")[0] == 0
    assert train("--until", 3, "-o", "parts")[0] == 0
    assert train("--until", 6, "--resume", "-o", "parts", new=False)[0] == 0
    assert_same(Path("whole/final"), Path("parts/final"))
    code, err = train("--until", 5, "--resume", "-o", "parts", new=False)
    assert (code, "the run is at step 6 already" in err) == (2, True)


def test_a_branch_is_the_same_whenever_it_is_made_and_leaves_its_trunk_alone(train):
    assert train("--until", 4, "-o", "trunk", "--set", "loop.snapshot_every=4")[0] == 0
    for name in ("one", "two"):
        branch = ("--cooldown", "trunk/step-0000004", "-o", name)
        assert train(*branch, "--until", 6, new=False)[0] == 0
        train("--until", 8, "--resume", "-o", "trunk", new=False)
    assert_same(Path("one/final"), Path("two/final"))
    rates = [json.loads(line)["lr"] for line in Path("one/log.jsonl").read_text().splitlines()]
    assert rates == pytest.approx([2e-3, 1e-3])
    run = runs.read(Path("one"))
    assert (run.train.loop.cooldown_from, run.train.loop.steps) == (4, 6)
    assert run.train.stage.fade == (4, 6)
    train("--until", 8, "-o", "alone")
    assert_same(Path("trunk/final"), Path("alone/final"))
    assert Path("trunk/step-0000004").is_dir()
    code, err = train("--cooldown", "one/step-0000006", "-o", "three", new=False)
    assert (code, "is no trunk" in err) == (2, True)


def test_a_branch_takes_a_fifth_of_all_steps_unless_said(train):
    train("--until", 41, "-o", "trunk", "--set", "loop.save_every=41")
    assert runs.cooldown(Path("trunk/step-0000041")).train.loop.steps == 50


def test_a_given_time_is_a_trunk_and_a_branch_and_few_files(train, monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
    settings = ("--set", "loop.steps=100000", "--set", "loop.sample_every=100000")
    assert train("--minutes", 0.04, *settings, "-o", "run")[0] == 0
    branch = runs.read(Path("run.cooldown"))
    step = branch.train.loop.cooldown_from
    assert branch.branch == Path(f"run.trunk/step-{step:07d}").resolve()
    names = sorted(path.name for path in Path("run").iterdir())
    assert names == ["log.jsonl", "samples.png", "weights-00001-of-00001.safetensors"]
    made, whole = bundle.read(find_model("run")), bundle.read(Path("run.cooldown/final"))
    for one, two in zip(made.dit.parameters(), whole.dit.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-2, atol=1e-2)
    assert train("--until", step + 1, "--resume", "-o", "run.trunk", new=False)[0] == 0
    code, err = train("--minutes", 0.05, "-o", "run")
    assert (code, "run holds a run already" in err) == (2, True)


@pytest.mark.slow
def test_sigterm_ends_a_run_with_a_checkpoint(tmp_path, tiny_model):
    folder = tmp_path / "run"
    settings = (
        *TRUNK,
        "--set",
        "loop.steps=100000",
        "--set",
        "loop.save_every=100000",
        "--set",
        "loop.log_every=1",
    )
    command = [
        sys.executable,
        "-m",
        "praxino",
        "train",
        "smoke",
        "--vae",
        tiny_model,
        "-q",
        *settings,
        "-o",
        folder,
    ]
    process = subprocess.Popen(list(map(str, command)), env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not (folder / "log.jsonl").exists() or not (folder / "log.jsonl").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert len(list(folder.glob("step-*"))) == 1


def test_a_run_is_not_resumed_with_another_encoder_or_world(train, tiny_model, monkeypatch):
    train("--until", 1, "-o", "run")
    config = Path("run/config.json")
    text = config.read_text()
    config.write_text(text.replace(runs.read(Path("run")).encoder, "0123456789ab"))
    code, err = train("--resume", "--until", 2, "-o", "run", new=False)
    assert (code, "learns latents of encoder 0123456789ab, not of" in err) == (2, True)
    config.write_text(text)
    monkeypatch.setattr(stages, "drawing", lambda edition: "0123456789ab")
    code, err = train("--resume", "--until", 2, "-o", "run", new=False)
    assert (code, "this is 2 0123456789ab" in err) == (2, True)


def test_settings_given_again_must_be_the_same(train):
    train("--until", 1, "-o", "run")
    assert train("--until", 2, "--resume", "-o", "run")[0] == 0
    code, err = train("--resume", "-o", "run", "--set", "optimizer.lr=1e-4")
    assert (code, "was started with other settings: optimizer.lr=" in err) == (2, True)
    code, err = train("--resume", "-o", "run", "--set", "loop.parallel.context=2")
    assert (code, "other settings: loop.parallel.context=1" in err) == (2, True)


def test_a_run_goes_on_with_other_processes(train):
    train("--until", 1, "-o", "run", "--set", "loop.parallel.sharding=none")
    sharding = lambda: runs.read(Path("run")).train.loop.parallel.sharding  # noqa: E731
    assert sharding() == "none"
    assert train("--until", 2, "--resume", "-o", "run")[0] == 0
    assert sharding() == "none"
    assert (
        train("--until", 3, "--resume", "-o", "run", "--set", "loop.parallel.sharding=full")[0] == 0
    )
    assert sharding() == "full"


@pytest.mark.parametrize(
    ("number", "message"), [(5, "is of format 5: known are 1 to 4"), ("x", "is of format x")]
)
def test_a_run_of_an_unknown_format_is_refused(train, number, message):
    train("--until", 1, "-o", "run")
    tree = json.loads(Path("run/config.json").read_text())
    Path("run/config.json").write_text(json.dumps(tree | {"format": number}))
    code, err = train("--resume", "-o", "run", new=False)
    assert (code, message in err) == (2, True)


def test_a_run_of_the_first_format_is_brought_up_to_date(tmp_path, train):
    train("--until", 1, "-o", "run")
    tree = json.loads(Path("run/config.json").read_text())
    new = (
        "edition",
        "cuda_batch",
        "stretch",
        "single",
        "tasks",
        "windows",
        "references",
        "layout",
        "drop_layout",
        "drop_thing",
        "jitter",
        "thing_weight",
    )
    loop = {
        name: tree["train"]["loop"][name]
        for name in ("steps", "seed", "log_every", "save_every", "keep")
    }
    stage = {name: value for name, value in tree["train"]["stage"].items() if name not in new}
    stage |= {"keep_frames": 0.15, "keep_box": 0.05}
    train_ = tree["train"] | {"loop": loop | {"bf16": False}, "stage": stage}
    Path("run/config.json").write_text(
        json.dumps({"recipe": "smoke", "sources": tree["sources"], "train": train_})
    )
    run = runs.read(Path("run"))
    assert (run.format, run.world, run.train.loop.compute) == (4, None, "float32")
    assert (run.train.stage.edition, run.train.stage.tasks.frames, run.train.stage.tasks.box) == (
        1,
        0.15,
        0.05,
    )


def test_a_run_of_the_second_format_is_brought_up_to_date(train):
    train("--until", 1, "-o", "run")
    tree = json.loads(Path("run/config.json").read_text())
    tree["format"] = 2
    del tree["train"]["loop"]["parallel"]
    tree["train"]["stage"]["grounding"]["batches"] = 40
    Path("run/config.json").write_text(json.dumps(tree))
    run = runs.read(Path("run"))
    assert (run.format, run.train.stage.fade) == (4, (0, 40))
    assert run.train.loop.parallel.reduction == "fast"


def test_what_is_no_run_is_refused(train, tiny_model):
    code, err = train("--resume", "-o", tiny_model, new=False)
    assert (code, "is of no run, or damaged" in err) == (2, True)


def test_a_given_time_needs_a_trunk_of_its_own(train):
    code, err = train("--minutes", 1, "--set", "optimizer.decay=linear", "-o", "run")
    assert (code, "the rate of this recipe falls" in err) == (2, True)
    code, err = train("--minutes", 1, "--resume", "-o", "run")
    assert (code, "--minutes begins a run" in err) == (2, True)
    assert not Path("run").exists()


def test_a_gpu_takes_larger_batches_and_resumes_with_the_same_words(train):
    train("--until", 1, "-o", "run")
    run = runs.read(Path("run"))
    wide = runs.for_device(run, "cuda")
    assert (run.train.stage.batch, wide.train.stage.batch) == (2, run.train.stage.cuda_batch)
    assert runs.for_device(run, "cpu") == run
    runs.write(Path("run"), wide)
    assert runs.resumed(Path("run"), run, changed=True) == wide


def test_the_arithmetic_is_chosen_once_and_written_down(train, monkeypatch):
    monkeypatch.setattr(precision, "fastest", lambda device="cpu": "bfloat16")
    train("--until", 1, "-o", "run", "--set", "loop.compute=auto")
    assert runs.read(Path("run")).train.loop.compute == "bfloat16"
    monkeypatch.setattr(precision, "fastest", lambda device="cpu": "float32")
    assert train("--until", 2, "--resume", "-o", "run", new=False)[0] == 0
    assert runs.read(Path("run")).train.loop.compute == "bfloat16"


def test_the_encoders_digest_is_that_of_the_encoder_alone(tiny_model):
    vae = bundle.read_vae(tiny_model)
    before = bundle.encoder_digest(vae)
    with torch.no_grad():
        next(vae.decoder.parameters()).add_(1)
    assert bundle.encoder_digest(vae) == before
    with torch.no_grad():
        next(vae.encoder.parameters()).add_(1)
    assert bundle.encoder_digest(vae) != before
    assert checkpoint.content_digest(tiny_model)
