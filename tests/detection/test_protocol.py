"""The protocol: what is learned is rewarded, what is leaked is not."""

import numpy as np
import pytest

from praxino.detection.fusion import Samples, fit
from praxino.detection.protocol import ProtocolResult, leave_out, real_floor, uncalibrated

MADE = np.repeat([0.0, 1.0], 60)
GROUPS = np.array([f"{int(m)}-{i % 6}" for i, m in enumerate(MADE)])


@pytest.fixture(name="rng")
def _rng():
    return np.random.default_rng(0)


def judged(x: np.ndarray, rule=uncalibrated) -> ProtocolResult:
    return leave_out(Samples(x, MADE, GROUPS), [x], MADE, GROUPS, rule)[0]


def test_a_measure_that_knows_is_right_and_one_that_does_not_is_not(rng):
    assert judged(MADE[:, None] * 4 + rng.normal(size=(120, 1))).auc > 0.97
    assert judged(rng.normal(size=(120, 3))).auc == pytest.approx(0.5, abs=0.12)


def test_a_collection_that_is_known_by_heart_is_worth_nothing(rng):
    """Each group has a mark of its own: told apart perfectly when mixed, no better than chance when
    left out.
    """
    marks = {name: rng.normal(size=40) for name in np.unique(GROUPS)}
    x = np.stack([marks[name] for name in GROUPS]) + rng.normal(0, 0.01, (120, 40))
    samples = Samples(x, MADE, GROUPS)
    mixed = uncalibrated(samples).logits(x)
    assert (mixed[MADE == 1][:, None] > mixed[MADE == 0]).mean() > 0.95
    assert judged(x).auc < 0.75


def test_no_model_saw_the_groups_that_it_compares(rng):
    seen = []

    def rule(samples: Samples):
        seen.append(set(np.unique(samples.groups)))
        return uncalibrated(samples)

    judged(MADE[:, None] + rng.normal(size=(120, 1)), rule)
    assert len(seen) == 36
    assert all(len(groups) == 10 for groups in seen)
    assert len({frozenset(groups) for groups in seen}) == 36


def test_figures_of_an_outcome():
    logits = np.concatenate([np.linspace(-4, 1, 60), np.linspace(-1, 4, 60)])
    wins, pairs = np.array([[3.0, 2.0]]), np.array([[4.0, 4.0]])
    of = ProtocolResult(("g",), ("s", "t"), wins, pairs, logits, MADE, GROUPS)
    assert of.auc == pytest.approx(5 / 8)
    assert of.by_group() == {"g": 0.625, "s": 0.75, "t": 0.5}
    low, high = of.interval()
    assert 0.5 <= low <= of.auc <= high <= 0.75
    assert of.found_at(0.05) == pytest.approx(
        (logits[60:] > np.quantile(logits[:60], 0.95, method="higher")).mean()
    )
    assert 0 < of.brier < 0.25
    assert 0 <= of.calibration_error < 0.3
    assert sum(row.clips for row in of.table()) == 120
    sure = ProtocolResult(
        ("g",), ("s",), wins[:, :1], pairs[:, :1], np.where(MADE == 1, 50.0, -50.0), MADE, GROUPS
    )
    assert sure.brier < 1e-6
    assert sure.calibration_error < 1e-6


def test_calibration_survives_groups_that_were_left_out(rng):
    x = MADE[:, None] * 1.5 + rng.normal(size=(120, 2))
    assert judged(x, lambda samples: fit(samples, ["", ""])).calibration_error < 0.2


def test_real_clips_are_not_told_from_real_ones(rng):
    x = rng.normal(size=(60, 4))
    assert np.mean(real_floor(x, GROUPS[:60], splits=6)) == pytest.approx(0.5, abs=0.15)
