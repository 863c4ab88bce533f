"""The head that reads layouts from the denoiser's inner tokens."""

import pytest
import torch

from praxino.errors import InputError
from praxino.recipes import recipe
from praxino.training.layout import world_layout
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build

SETTINGS = ["stage.clips=12", "stage.batch=4", "stage.pictures=0", "stage.grounding.layer=2"]


def stage_of(tmp_path, model, *settings, fade=None):
    config = recipe("smoke", [*SETTINGS]).stage
    layout = world_layout()
    dit = config.dit.model_copy(update={"layout": layout.channels})
    tree = config.model_copy(update={"layout": layout, "dit": dit}).model_dump()
    tree["grounding"].update(dict(settings))
    tree["fade"] = fade
    return build(type(config).model_validate(tree), Sources(vae=model), Workplace(cache=tmp_path))


def test_the_head_teaches_the_blocks_below_it_and_is_not_saved(tiny_model, tmp_path):
    stage = stage_of(tmp_path, tiny_model, ("weight", 0.5))
    batch = stage.batch(0)
    assert batch.auxiliary.truth.shape == batch.layout.shape
    loss, metrics = stage.loss(batch, torch.Generator().manual_seed(0))
    assert 0.5 < metrics["grounding"] < 5
    loss.backward()
    assert (
        stage.dit.blocks[1].down.weight.grad.abs().max() > 0
    )  # the output layer begins at 0: this came by the head
    stage.save(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir() if path.is_dir()) == [
        "dit",
        "text",
        "vae",
    ]


def test_its_weight_falls_to_nothing(tiny_model, tmp_path):
    stage = stage_of(tmp_path, tiny_model, ("weight", 0.5), fade=(2, 4))
    weights = [stage.batch(number).auxiliary.grounding for number in range(6)]
    assert weights == [0.5, 0.5, 0.5, 0.25, 0.0, 0.0]
    assert "grounding" not in stage.loss(stage.batch(4), torch.Generator().manual_seed(0))[1]


def test_no_head_changes_nothing(tiny_model, tmp_path):
    plain, headed = stage_of(tmp_path, tiny_model), stage_of(tmp_path, tiny_model, ("weight", 0.5))
    assert "grounding" not in plain.module
    batches = plain.batch(0), headed.batch(0)
    assert torch.equal(batches[0].latents, batches[1].latents)
    assert torch.equal(batches[0].layout, batches[1].layout)


@pytest.mark.parametrize("layer", [3, 40])
def test_a_layer_that_is_not_there_is_refused(tiny_model, tmp_path, layer):
    with pytest.raises(InputError, match="after one of the denoiser's blocks"):
        stage_of(tmp_path, tiny_model, ("weight", 0.5), ("layer", layer))
