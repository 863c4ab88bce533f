"""What training tells of individuals: their pictures in their boxes, and not always a colour."""

import pytest
import torch

from praxino.errors import InputError
from praxino.recipes import recipe
from praxino.training.layout import world_layout
from praxino.training.references import named_slots
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build


def stage_of(tmp_path, model, *settings):
    layout = world_layout()
    few = ["stage.dit.slots=4", "stage.clips=24", "stage.batch=12", "stage.seed=5"]
    config = recipe("smoke", [*few, "stage.pictures=0", "stage.references.share=1", *settings])
    dit = config.stage.dit.model_copy(update={"layout": layout.channels, "portraits": True})
    stage = config.stage.model_copy(update={"dit": dit, "layout": layout})
    return build(stage, Sources(vae=model), Workplace(cache=tmp_path))


def test_who_is_named_is_drawn(tiny_model, tmp_path):
    stage = stage_of(tmp_path, tiny_model, "stage.routing.weight=0.1", "stage.routing.layers=[1]")
    told = stage.config.layout.channels
    batch = stage.batch(0)
    assert batch.layout.shape[1] == told + 16
    portraits = batch.layout[:, told:].flatten(1).any(1)
    routed = batch.auxiliary.routes.flatten(1).any(1)
    assert portraits.any()
    assert not (portraits & ~routed).any()
    assert torch.equal(batch.layout, stage.batch(0).layout)
    torch.nn.init.normal_(stage.dit.head.weight)
    loss, _ = stage.loss(batch, torch.Generator().manual_seed(0))
    loss.backward()
    gradient = stage.dit.layout_embedding.weight.grad
    assert gradient[:, told * 4 :].any()


@pytest.mark.parametrize("part", [0, 1])
def test_a_part_of_them_has_no_colour_but_that_of_its_pictures(tiny_model, tmp_path, part):
    stage = stage_of(
        tmp_path,
        tiny_model,
        f"stage.references.colourless={part}",
        "stage.references.strange=0",
        "stage.jitter=0",
    )
    config = stage.config.layout
    first, told = len(config.kinds), config.channels
    batch = stage.batch(0)
    drawn = batch.layout[:, told:].abs().amax(1) > 0
    kinds, colours = (
        batch.layout[:, span].amax(1) for span in (slice(first), slice(first, told - 4))
    )
    assert bool((colours < kinds)[drawn].any()) is bool(part)
    assert torch.equal(colours[~drawn.flatten(1).any(1)], kinds[~drawn.flatten(1).any(1)])


def test_slots_are_those_of_the_names():
    slots = named_slots([["zzb", None], [], [None, None, "zza"]], 3)
    assert slots.tolist() == [[1, -1, -1], [-1, -1, -1], [-1, -1, 0]]


@pytest.mark.parametrize("setting", ["stage.references.share=0"])
def test_portraits_of_nobody_are_refused(tiny_model, tmp_path, setting):
    with pytest.raises(InputError, match=r"stage\.dit\.portraits"):
        stage_of(tmp_path, tiny_model, setting)
