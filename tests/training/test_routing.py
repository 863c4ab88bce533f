"""Tokens on an individual look at its pictures, and others do not."""

import pytest
import torch

from praxino.errors import InputError
from praxino.models.dit import DiT, DiTConfig
from praxino.models.pictures import Pictures
from praxino.recipes import recipe
from praxino.training.routing import RoutingConfig, RoutingLoss
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build

CONFIG = DiTConfig(
    channels=4, out_channels=4, width=24, heads=2, layers=3, ffn=32, text_width=8,
    time_features=16, slots=2,
)  # fmt: skip


def pictures(batch=2):
    """One picture of slot 0, one of slot 1, and a place that holds none."""
    slot = torch.tensor([[0, 1, 0]]).expand(batch, -1)
    there = torch.tensor([[True, True, False]]).expand(batch, -1)
    return Pictures(torch.randn(batch, 3, 4, 4, 4), slot, torch.zeros_like(slot), there)


def covers(batch=2):
    """The first entity covers the left half of a clip of 2 x 4 x 4 places, the second nothing."""
    cover = torch.zeros(batch, 2, 2, 4, 4)
    cover[:, 0, :, :, :2] = 1
    return cover


def evaluate(dit, given):
    context = dit.context(torch.zeros(2, 3, 8), pictures=given)
    return dit(torch.randn(2, 4, 2, 4, 4), torch.full((2, 1), 0.5), context)


def test_a_network_learns_where_to_look():
    dit, given = DiT(CONFIG), pictures()
    loss = RoutingLoss(RoutingConfig(weight=1.0, layers=(1, 2)), dit)
    rule = torch.optim.Adam(dit.parameters(), lr=3e-3)
    errors = []
    for _ in range(60):
        evaluate(dit, given)
        error = loss.loss(given, covers())
        rule.zero_grad()
        error.backward()
        rule.step()
        errors.append(error.item())
    assert errors[0] == pytest.approx(0.25, abs=0.06)  # half of all tokens are its own
    assert errors[-1] < 0.5 * errors[0]


def test_what_is_not_shown_or_not_given_asks_nothing():
    dit, given = DiT(CONFIG), pictures()
    loss = RoutingLoss(RoutingConfig(weight=1.0, layers=(1, 2)), dit)
    evaluate(dit, given)
    assert loss.loss(given, torch.zeros_like(covers())) == 0
    # the entity of the empty place has no picture
    given = Pictures(given.latents, given.slot, given.index, torch.zeros_like(given.there))
    evaluate(dit, given)
    assert loss.loss(given, covers()) == 0


def stage_of(tmp_path, model, *settings):
    few = ["stage.dit.slots=4", "stage.references.share=1", "stage.clips=24", "stage.batch=12"]
    few += ["stage.seed=5", "stage.routing.weight=0.1", *settings]
    return build(recipe("smoke", few).stage, Sources(vae=model), Workplace(cache=tmp_path))


def test_it_is_asked_of_individuals_that_are_named(tiny_model, tmp_path):
    stage = stage_of(tmp_path, tiny_model, "stage.routing.layers=[1,2]", "stage.pictures=0")
    batch = stage.batch(0)
    routes = batch.auxiliary.routes
    assert routes.shape == (12, 4, *batch.latents.shape[2:])
    named = stage.text.name_slots(batch.sentences, 64)
    for row in range(12):
        shown = set((routes[row].flatten(1).amax(1) > 0).nonzero().flatten().tolist())
        assert set(named[row].tolist()) - {0} <= {slot + 1 for slot in shown}
    assert routes.amax() > 0.5
    _, metrics = stage.loss(batch, torch.Generator().manual_seed(0))
    assert 0 <= metrics["routing"] < 1


@pytest.mark.parametrize("setting", ["stage.references.share=0", "stage.routing.layers=[9]"])
def test_what_cannot_be_asked_is_refused(tiny_model, tmp_path, setting):
    with pytest.raises(InputError, match=r"stage\.routing"):
        stage_of(tmp_path, tiny_model, setting)
