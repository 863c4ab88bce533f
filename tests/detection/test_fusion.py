"""The fusion: percentiles, a ridge regression on pairs and clips, its calibration, parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.detection.evidence import FAMILIES
from praxino.detection.fusion import (
    Fusion,
    Pairs,
    Samples,
    components,
    fit,
    logistic,
    merged,
    ranks,
    sigmoid,
    unexplained,
)

NAMES = tuple(f"{family}/{i}" for family in FAMILIES for i in range(2))


def samples(shift: float = 1.0, count: int = 240, seed: int = 0) -> Samples:
    """Two of ten measures tell the classes apart; a dozen groups in each class."""
    rng = np.random.default_rng(seed)
    made = np.repeat([0.0, 1.0], count // 2)
    x = rng.normal(size=(count, len(NAMES)))
    x[:, :2] += shift * made[:, None]
    groups = np.array([f"{int(m)}-{i % 12}" for i, m in enumerate(made)])
    parts = np.arange(count) % 12 + 12 * (made == 1).astype(np.int64)
    return Samples(x, made, groups, parts, rng.normal(size=(count, 2)))


def pairs(shift: float = 1.0, count: int = 60, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed + 100)
    real, generated = rng.normal(size=(2, count, len(NAMES)))
    generated[:, :2] += shift
    return Pairs(generated, real, np.arange(count) % 12 + 50)


def test_the_logistic_model_is_at_its_optimum():
    of = samples()
    weights = logistic(of.measures, of.generated, of.shares, 3.0)
    ones = np.hstack([of.measures, np.ones((len(of.generated), 1))])
    slope = (
        ones.T @ (of.shares * (sigmoid(ones @ weights) - of.generated))
        + np.append(np.full(10, 3.0), 1e-6) * weights
    )
    assert np.abs(slope).max() < 1e-4


def test_ties_lie_in_their_middle_and_survive_rounding():
    floor = np.log(0.01)
    line = np.quantile(np.r_[np.full(40, floor), np.linspace(0, 1, 60)], np.linspace(0, 1, 65))
    rounded = np.array([[float(f"{each:.6g}") for each in line]])
    assert ranks(rounded, np.array([[floor]]))[0, 0] == pytest.approx(0.2, abs=0.01)
    assert ranks(np.full((1, 65), 3.0), np.array([[3.0], [2.0], [4.0]]))[:, 0].tolist() == [
        0.5,
        0,
        1,
    ]


def test_percentiles_are_shares_of_the_reference():
    line = np.quantile(np.arange(101.0), np.linspace(0, 1, 65))[None]
    found = ranks(line, np.array([[-5.0], [0.0], [50.0], [75.0], [1e9]]))
    np.testing.assert_allclose(found[:, 0], [0, 0, 0.5, 0.75, 1], atol=1e-4)
    assert ranks(np.zeros((1, 65)), np.array([[-1.0], [0.0], [1.0]]))[:, 0].tolist() == [0, 0.5, 1]


def test_rows_with_a_label_in_common_are_in_one_part():
    generators = ["a", "a", "b", "c", "", ""]
    pages = ["x", "y", "y", "z", "u", "v"]
    assert components(generators, pages).tolist() == [0, 0, 0, 1, 2, 3]


@given(st.integers(1, 8), st.integers(0, 99))
def test_parts_are_never_cut(count, seed):
    parts = np.random.default_rng(seed).integers(0, 9, 60)
    joined = merged(parts, count)
    assert set(joined) <= set(range(count))
    for part in np.unique(parts):
        assert len(np.unique(joined[parts == part])) == 1


def test_what_a_regression_explains_is_gone():
    rng = np.random.default_rng(0)
    content, shares = rng.normal(size=(200, 3)), rng.uniform(0.5, 2, 200)
    own = rng.normal(size=(200, 1))
    beside = unexplained(content @ [[1.0], [2.0], [3.0]] + own + 5, content, shares)
    assert np.corrcoef(beside[:, 0], own[:, 0])[0, 1] > 0.98
    assert np.abs((shares[:, None] * content * beside).mean(0)).max() < 0.02


def test_both_classes_count_alike_and_large_groups_less_than_their_size():
    groups = np.array(["a"] * 16 + ["b"] * 4 + ["c"] * 2)
    generated = np.array([0.0] * 20 + [1.0] * 2)
    of = Samples(np.zeros((22, 1)), generated, groups, np.arange(22), np.zeros((22, 1)))
    assert of.shares[of.generated == 0].sum() == pytest.approx(of.shares[of.generated == 1].sum())
    assert of.shares[:16].sum() == pytest.approx(2 * of.shares[16:20].sum())


def test_answers_are_calibrated_and_their_parts_sum_up():
    of, fresh = samples(), samples(seed=1)
    model = fit(of, pairs(), NAMES)
    chance = sigmoid(model.logits(fresh.measures))
    high = chance > 0.7
    assert high.sum() > 30
    assert fresh.generated[high].mean() == pytest.approx(chance[high].mean(), abs=0.12)
    middle = model.slope * model.bias + model.offset
    for row in fresh.measures[:5]:
        parts = model.parts(row)
        assert set(parts) == set(FAMILIES)
        assert sum(parts.values()) + middle == pytest.approx(float(model.logits(row[None])[0]))
    assert abs(model.parts(fresh.measures[-1])["temporal"]) > 0.1


def test_knowing_nothing_says_a_half():
    model = fit(samples(shift=0.0), pairs(shift=0.0), NAMES)
    assert np.abs(sigmoid(model.logits(samples(shift=0.0, seed=2).measures)) - 0.5).mean() < 0.1


def test_a_fusion_is_plain_json():
    model = fit(samples(), pairs(), NAMES)
    again = Fusion.model_validate_json(model.model_dump_json())
    assert again == model
    x = samples(seed=3).measures
    np.testing.assert_array_equal(again.logits(x), model.logits(x))


def test_extreme_answers_do_not_overflow():
    np.testing.assert_allclose(sigmoid(np.array([-1e4, 0, 1e4])), [0, 0.5, 1])
