"""The stage of the network that tells individuals apart: crops, labels, and that it learns."""

import numpy as np
import pytest
import torch

from praxino.data.diorama.families import is_individual_held_out
from praxino.data.diorama.references import own_individual, portraits
from praxino.models.identity import IdentityConfig, IdentityNet, crop_around, crops_of
from praxino.models.reader import Sighting
from praxino.recipes import recipe
from praxino.training.identity import IdentityStage, IdentityStageConfig

SMALL = ["stage.pool=[3,3,3]", "stage.groups=2", "stage.individuals=3", "stage.views=2",
         "stage.identity.width=8"]  # fmt: skip


@pytest.fixture(scope="module", name="stage")
def _stage():
    config = recipe("diorama-identity", SMALL).stage
    assert isinstance(config, IdentityStageConfig)
    return IdentityStage(config)


def test_a_batch_is_a_function_of_its_number(stage):
    first, again, other = stage.batch(3), stage.batch(3), stage.batch(4)
    assert torch.equal(first.crops, again.crops)
    assert not torch.equal(first.crops, other.crops)
    assert first.crops.shape == (12, 3, 32, 32)
    assert first.labels.tolist() == [number // 2 for number in range(12)]
    assert float(first.crops.abs().max()) <= 1


def test_it_learns(stage):
    optimizer = torch.optim.Adam(stage.module.parameters(), 3e-3)
    losses = []
    for number in range(30):
        loss, metrics = stage.loss(stage.batch(number), torch.Generator())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.2
    assert 0 <= metrics["right/nearest"] <= 1
    assert stage.samples().dtype == np.uint8


def test_a_pool_too_small_is_refused():
    with pytest.raises(ValueError, match="individuals 6: the pool has 2"):
        IdentityStageConfig(pool=(4, 2, 4))


def test_embeddings_are_unit_vectors():
    network = IdentityNet(IdentityConfig(width=8))
    vectors = network(torch.randn(5, 3, 32, 32))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(
        network.together(torch.randn(5, 3, 32, 32)).norm(), torch.tensor(1.0)
    )


def test_a_crop_holds_the_thing_in_its_middle():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[20:30, 40:50] = 255
    square = crop_around(picture, (45 / 64, 25 / 64), 10 / 64, 30)
    assert square[15, 15].min() > 250
    assert square[2, 2].max() < 5
    assert (square > 127).mean() == pytest.approx((2 / 3) ** 2, abs=0.05)
    outside = crop_around(picture, (1.5, 0.5), 0.3, 30)
    assert outside.shape == (30, 30, 3)


def test_crops_are_of_frames_in_which_it_is_seen():
    track = np.full((10, 2), np.nan, np.float32)
    track[3:8] = 0.5
    thing = Sighting("dog", "red", "walk", 1, track, 0.3, 0.9)
    film = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 64, 64, 3), np.uint8)
    assert crops_of(film, thing, 16, most=3)[:, 0, 0, 0].tolist() == [3, 5, 7]
    track[:] = np.nan
    assert crops_of(film, thing, 16).shape == (0, 16, 16, 3)


def test_individuals_are_functions_of_their_seed():
    one, again = own_individual(5, "dog", "red"), own_individual(5, "dog", "red")
    assert one.marking == again.marking
    assert one.marking.individual.seed == 5
    assert one.marking.colour != "red"
    assert 0.05 < np.mean([is_individual_held_out(seed) for seed in range(500)]) < 0.2
    pictures, where = portraits(one, np.random.default_rng(0), 6)
    assert pictures.shape == (6, 64, 64, 3)
    assert where.shape == (6, 3)
    assert 0.2 < where[:, 2].min() <= where[:, 2].max() < 0.8
