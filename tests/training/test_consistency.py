"""Clips are to show the individuals of their pictures, as a network tells them apart."""

import numpy as np
import pytest
import torch

from praxino.data.pixels import to_pixels
from praxino.errors import InputError
from praxino.models.identity import IdentityConfig, IdentityNet, crop_around
from praxino.recipes import recipe
from praxino.storage.weights import bundle, checkpoint
from praxino.training import runs
from praxino.training.consistency import ConsistencyConfig, ConsistencyLoss, places_of
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("identity")
    torch.manual_seed(0)
    config = IdentityConfig(side=16, width=8, embedding=8)
    checkpoint.save(folder / "identity", config, IdentityNet(config).state_dict())
    return folder


@pytest.fixture(name="loss")
def _loss(folder, tiny_model):
    config = ConsistencyConfig(weight=1.0, network=str(folder), most=3)
    return ConsistencyLoss(config, bundle.read_vae(tiny_model))


PLACES = torch.tensor([[0.0, 0.4, 0.5, 0.5], [1.0, 0.5, 0.6, 0.4]])


def test_a_clip_is_like_itself_and_learns_to_be(loss):
    true = torch.randn(2, 16, 2, 4, 4)
    assert loss.loss(true, true, torch.zeros(2), PLACES, 1.0).item() == pytest.approx(0, abs=1e-5)
    guess = torch.randn_like(true).requires_grad_()
    error = loss.loss(guess, true, torch.zeros(2), PLACES, 1.0)
    error.backward()
    assert 0 < error.item() <= 2
    assert guess.grad[:, :, 0].any()
    assert not guess.grad[:, :, 1].any()  # first frames alone
    assert all(part.grad is None for part in loss.network.parameters())


def test_noisy_clips_and_more_than_asked_for_are_left_out(loss):
    true, guess = torch.randn(2, 2, 16, 2, 4, 4)
    late = loss.loss(guess, true, torch.ones(2), PLACES, 1.0)
    assert late == 0
    one = loss.loss(guess, true, torch.tensor([0.0, 1.0]), PLACES, 1.0)
    many = loss.loss(guess, true, torch.tensor([0.0, 1.0]), PLACES[[0, 1, 0, 0, 0]], 1.0)
    assert one.item() == pytest.approx(many.item(), abs=1e-5)


def test_it_looks_where_a_crop_is_cut(loss):
    latents, crops = torch.randn(1, 16, 1, 4, 4), []
    loss.network.register_forward_pre_hook(lambda module, inputs: crops.append(inputs[0]))
    loss.embed(latents, torch.tensor([[0.5, 0.5, 0.5]]), 1.0)
    with torch.no_grad():
        picture = to_pixels(loss.vae.decode(latents))[0, 0]
    seen = to_pixels(crops[0][:, :, None])[0, 0].astype(int)
    off = {
        centre: np.abs(crop_around(picture, centre, 0.5, 16).astype(int) - seen).mean()
        for centre in ((0.5, 0.5), (0.55, 0.5), (0.5, 0.55))
    }
    assert min(off, key=off.get) == (0.5, 0.5)


def test_places_are_of_named_things_that_are_seen():
    boxes = torch.tensor([[0.5, 0.5, 0.4, 0.6], [-0.1, 0.5, 0.4, 0.6], [0.5, 0.3, 0.2, 0.2]])
    named = torch.tensor([[True, True, False], [False, True, True]])
    found = places_of(named, boxes.expand(2, 3, 4)[:, :, None], 1.0)
    expected = torch.tensor([[0, 0.5, 0.5, 0.6], [1, 0.5, 0.3, 0.2]])
    torch.testing.assert_close(found, expected)


def stage_of(tmp_path, model, *settings):
    few = ["stage.dit.slots=4", "stage.references.share=1", "stage.clips=24", "stage.batch=12"]
    few += ["stage.seed=5", "stage.consistency.weight=0.5", "stage.consistency.latest=1"]
    return build(
        recipe("smoke", [*few, *settings]).stage, Sources(vae=model), Workplace(cache=tmp_path)
    )


def test_the_denoiser_is_asked_for_it(tiny_model, tmp_path, folder):
    stage = stage_of(tmp_path, tiny_model, f"stage.consistency.network={folder}")
    batch = stage.batch(0)
    assert len(batch.auxiliary.places)
    loss, metrics = stage.loss(batch, torch.Generator().manual_seed(0))
    assert metrics["consistency"] > 0
    loss.backward()
    assert stage.dit.head.weight.grad.any()


@pytest.mark.parametrize(
    "settings", [(), ("stage.references.share=0", "stage.consistency.network=x")]
)
def test_what_cannot_be_asked_is_refused(tiny_model, tmp_path, settings):
    with pytest.raises(InputError, match=r"stage\.consistency"):
        stage_of(tmp_path, tiny_model, *settings)


def test_a_branch_may_ask_for_it_though_its_trunk_does_not():
    trunk, asked_for = (
        recipe("diorama", settings) for settings in ((), ("stage.consistency.weight=0.2",))
    )
    run = runs.RunConfig(recipe="diorama", train=trunk, sources=Sources())
    branch = runs.with_consistency(run, asked_for.stage)
    assert branch.train.stage.consistency.weight == 0.2
    assert branch.train.loop == trunk.loop
    with pytest.raises(InputError, match="of a denoiser alone"):
        runs.with_consistency(run, recipe("diorama-layout").stage)
