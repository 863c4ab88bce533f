"""The protocol: what tells machines from cameras is rewarded, what tells motifs apart is not."""

import numpy as np
import pytest

from praxino.detection.fusion import Pairs, Samples, fit
from praxino.detection.protocol import EvaluationSet, ProtocolResult, area, leave_out

COUNT, TWINS = 240, 60


@pytest.fixture(name="rng")
def _rng():
    return np.random.default_rng(0)


def world(rng, trace=1.0, motif=2.0):
    """Clips in which the classes also differ by what they show, and pairs in which they do not.

    The first measure is a machine's trace, the second follows the content, the others are noise.
    """
    generated = np.repeat([0.0, 1.0], COUNT // 2)
    shown = rng.normal(size=(COUNT, 3)) + motif * generated[:, None] * [1, 0, 0]
    x = rng.normal(size=(COUNT, 6))
    x[:, 0] += trace * generated
    x[:, 1] = shown[:, 0] + 0.3 * rng.normal(size=COUNT)
    groups = np.array([f"{int(g)}-{i % 12}" for i, g in enumerate(generated)])
    samples = Samples(x, generated, groups, np.arange(COUNT) % 12 + 12 * (generated == 1), shown)
    scene = rng.normal(size=(TWINS, 6)) * 2
    noise = 0.5 * rng.normal(size=(2, TWINS, 6))
    made, real = scene + noise[0] + trace * np.eye(6)[0], scene + noise[1]
    return samples, Pairs(made, real, np.arange(TWINS) % 15 + 100)


def judged(samples, pairs, **options) -> ProtocolResult:
    test = EvaluationSet(samples.measures, pairs)
    rule = lambda known, twins: fit(known, twins, [""] * known.measures.shape[1], **options)  # noqa: E731
    return leave_out(samples, pairs, {"plain": test}, rule)["plain"]


def test_a_trace_is_found_and_a_motif_is_not_taken_for_one(rng):
    found = judged(*world(rng))
    assert found.accuracy() > 0.8
    assert found.auc_beside_content > 0.6
    lured = judged(*world(rng, trace=0.0))
    assert lured.accuracy() == pytest.approx(0.5, abs=0.17)
    assert lured.auc_beside_content == pytest.approx(0.5, abs=0.12)


def test_the_motif_has_hardly_any_weight(rng):
    samples, pairs = world(rng)
    weights = np.abs(fit(samples, pairs, [""] * 6).weights)
    assert weights[0] > 2 * weights[1]


def test_no_model_saw_the_parts_that_it_judges(rng):
    samples, pairs = world(rng)
    seen = []

    def rule(known, twins):
        seen.append((set(known.parts), set(twins.parts)))
        return fit(known, twins, [""] * 6, calibrate=False)

    test = EvaluationSet(samples.measures, pairs)
    leave_out(samples, pairs, {"a": test}, rule, folds=5)
    assert len(seen) == 5
    every = set(samples.parts) | set(pairs.parts)
    left = [every - clips - twins for clips, twins in seen]
    assert set.union(*left) == every
    assert sum(map(len, left)) == len(every)


def test_figures_of_a_result(rng):
    samples, _ = world(rng)
    gaps = np.array([1.0, 2.0, -1.0, 0.0, 3.0, 4.0])
    pages = np.array(["a", "a", "b", "b", "c", "c"])
    found = ProtocolResult(gaps, np.where(samples.generated == 1, 3.0, -3.0), samples)
    assert found.accuracy() == pytest.approx(4.5 / 6)
    assert found.accuracy(pages == "b") == pytest.approx(0.25)
    low, high = found.interval(pages, np.ones(6, bool))
    assert 0.25 <= low <= found.accuracy() <= high <= 1
    assert found.auc == 1
    assert found.found_at(0.05) == 1
    assert found.brier < 0.01
    assert found.calibration_error == pytest.approx(1 / (1 + np.exp(3)), abs=1e-6)
    assert sum(row.clips for row in found.table()) == COUNT


def test_large_groups_do_not_decide_an_area():
    generated = np.array([0.0] * 3 + [1.0] * 3)
    groups = np.array(["r", "r", "r", "a", "b", "b"])
    samples = Samples(np.zeros((6, 1)), generated, groups, np.arange(6), np.zeros((6, 1)))
    scores = np.array([0.0, 0.0, 0.0, 1.0, -1.0, -1.0])
    assert area(scores, samples) == pytest.approx(1 / (1 + 2**0.5))
