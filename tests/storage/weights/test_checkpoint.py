"""Model folders: there and back, atomic, strict, and clear about damage."""

import json

import pytest
import torch

from praxino.errors import CheckpointError
from praxino.models.text import TextConfig, TextEncoder
from praxino.storage import files
from praxino.storage.weights import bundle, checkpoint

CONFIG = TextConfig(vocabulary=("a", "b"), width=8, layers=1, heads=2, length=4)


def test_config_and_weights_there_and_back(tmp_path):
    model = TextEncoder(CONFIG)
    checkpoint.save(tmp_path, CONFIG, model.state_dict())
    assert checkpoint.read_config(tmp_path, TextConfig) == CONFIG
    again = TextEncoder(checkpoint.read_config(tmp_path, TextConfig))
    checkpoint.load_strict(again, checkpoint.read_tensors(tmp_path), "here")
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_bfloat16_halves_the_file_and_loads_as_float32(tmp_path):
    model = TextEncoder(CONFIG)
    checkpoint.save(tmp_path / "full", CONFIG, model.state_dict())
    checkpoint.save(tmp_path / "half", CONFIG, model.state_dict(), torch.bfloat16)
    sizes = [(tmp_path / name / checkpoint.WEIGHTS).stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.7 * sizes[0]
    checkpoint.load_strict(model, checkpoint.read_tensors(tmp_path / "half"), "half")
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    with files.atomic_folder(target) as fresh:
        (fresh / "a").write_text("first")

    def failing() -> None:
        with files.atomic_folder(target) as fresh:
            (fresh / "a").write_text("second")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert (target / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    with files.atomic_folder(target) as fresh:
        (fresh / "a").write_text("third")
    assert (target / "a").read_text() == "third"


def test_a_folder_that_was_being_replaced_comes_back(tmp_path):
    (tmp_path / ".final-old").mkdir()  # killed after the first of two renames
    (tmp_path / ".final-old" / "a").write_text("first")
    (tmp_path / ".final-x1y2z3").mkdir()
    checkpoint.recover_interrupted(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["final"]
    assert (tmp_path / "final" / "a").read_text() == "first"


def test_training_state_on_a_full_disk_is_one_clear_error(tmp_path, room_for):
    with (
        room_for(5000),
        pytest.raises(CheckpointError, match=r"cannot write .*state: .* hint: free some space"),
    ):
        checkpoint.save_state(tmp_path / "state", {"weights": torch.zeros(10_000)})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "config.json").write_text('{"widht": 3}'), "is damaged"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "is damaged"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 100), "is damaged"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(
                (folder / "model.safetensors").read_bytes()[:-10]
            ),
            "is damaged",
        ),
    ],
)
@pytest.mark.parametrize("part", ["vae", "dit", "text"])
def test_damage_is_named(tiny_model, tmp_path, damage, message, part):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    damage(folder / part)
    with pytest.raises(CheckpointError, match=message) as error:
        bundle.read(folder)
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_tensors_that_do_not_fit_are_named_and_counted():
    model = TextEncoder(CONFIG)
    tensors = dict(model.state_dict())
    tensors["extra"] = tensors.pop("places")
    tensors["norm.weight"] = torch.zeros(3)
    with pytest.raises(
        CheckpointError,
        match=r"3 tensors, missing places; norm.weight is \(3,\), not \(8,\); unknown extra",
    ):
        checkpoint.load_strict(model, tensors, "here")


def test_noise_prediction_is_refused_where_it_says_nothing():
    with pytest.raises(ValueError, match="noise says nothing there"):
        bundle.BundleConfig(name="x", path="flow", prediction="noise")
    assert bundle.BundleConfig(name="x", path="vp-linear", prediction="noise").path == "vp-linear"


def test_the_digest_follows_the_weights(tiny_model, tmp_path):
    import shutil

    shutil.copytree(tiny_model, tmp_path / "copy")
    assert checkpoint.content_digest(tmp_path / "copy") == checkpoint.content_digest(tiny_model)
    config = json.loads((tmp_path / "copy" / "config.json").read_text())
    (tmp_path / "copy" / "config.json").write_text(json.dumps(config | {"fps": 9.0}))
    assert checkpoint.content_digest(tmp_path / "copy") != checkpoint.content_digest(tiny_model)
