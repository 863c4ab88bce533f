"""The forensic stage: pairs that differ only in what was done to one, and a run from footage to a
network.
"""

import numpy as np
import pytest
import torch

from praxino import recipes
from praxino.detection.weights import read_forensic
from praxino.errors import InputError
from praxino.models.forensic import ForensicConfig
from praxino.training import loop
from praxino.training.forensic import ForensicStage, ForensicStageConfig
from praxino.training.sources import Sources
from praxino.training.stages import build
from support.footage import textured, write

SMALL = ForensicStageConfig(
    forensic=ForensicConfig(width=4),
    frames=4,
    side=96,
    crop=32,
    pairs=2,
    crops=2,
    warm=1,
    crf=(16, 20),
)


@pytest.fixture(name="stage")
def _stage() -> ForensicStage:
    films = [textured(8, 100, 120, seed=seed) for seed in range(3)]
    return ForensicStage(SMALL, films, ["a", "a", "b"])


def test_batches_are_a_pure_function_of_the_step(stage):
    one, two, other = stage.batch(3), stage.batch(3), stage.batch(4)
    np.testing.assert_array_equal(one.real, two.real)
    assert not np.array_equal(one.real, other.real)
    assert one.real.shape == (2, 4, 96, 96, 3)
    assert one.small.shape == (2, 3, 4, 32, 32)


def test_sources_are_drawn_by_the_root_of_their_size(stage):
    np.testing.assert_allclose(stage.share, np.array([2**-0.5, 2**-0.5, 1]) / (2**0.5 + 1))


def test_the_autoencoders_begin_alone(stage):
    generator = torch.Generator()
    _, told = stage.loss(stage.batch(0), generator)
    assert set(told) == {"pixels"}
    loss, told = stage.loss(stage.batch(1), generator)
    assert set(told) == {"pixels", "pair", "right"}
    loss.backward()
    assert all(p.grad is not None for p in stage.module["forensic"].parameters())


def test_both_of_a_pair_go_the_same_way(stage):
    """With nothing done to it, the second member is the first, to the bit."""
    stage._round_trip = lambda real, rng: real
    seen, made = stage._pairs(stage.batch(1))
    assert made.tolist() == [0, 0, 1, 1] * 2
    for start in (0, 4):
        torch.testing.assert_close(
            seen[start : start + 2], seen[start + 2 : start + 4], rtol=0, atol=0
        )


def test_clips_smaller_than_the_square_are_enlarged():
    stage = ForensicStage(SMALL, [textured(4, 40, 60)], ["a"])
    assert stage.batch(0).real.shape == (2, 4, 96, 96, 3)


def test_from_footage_to_a_network(tmp_path):
    for index in range(2):
        write(tmp_path / f"{index}.mp4", textured(8, 100, 120, seed=index))
    config = recipes.recipe(
        "detector", ["loop.steps=3", "loop.save_every=3", "loop.sample_every=3"]
    )
    config = config.model_copy(update={"stage": SMALL})
    stage = build(config.stage, Sources(footage=tmp_path))
    reports = list(loop.train(stage, config.loop, config.optimizer, tmp_path / "run"))
    assert len(reports) == 3
    network = read_forensic(tmp_path / "run" / "final")
    assert network.config == SMALL.forensic
    again = build(config.stage, Sources(footage=tmp_path, init=tmp_path / "run" / "final"))
    for one, two in zip(network.parameters(), again.module["forensic"].parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_the_recipe_asks_for_footage():
    with pytest.raises(InputError, match="real clips"):
        build(recipes.recipe("detector").stage)
