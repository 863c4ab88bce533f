"""Measures become one probability: percentiles among camera clips, a ridge regression, Platt's
calibration.

Collections of real and of generated clips show different things, and a fit learns part of that. So
it is fitted on pairs first, a camera clip and a generated one of the same scene, whose contents
cancel; and on other clips only as far as their contents do not tell the answer (a regression on
features of what is shown: Frisch and Waugh 1933). Calibrated on answers for clips whose pages,
sources and generators were left out. No more than sums of percentiles, so that each family's part
in an answer can be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from praxino.config import Config
from praxino.detection.evidence import FAMILIES, Evidence

Array = NDArray[np.float64]
Groups = NDArray[Any]
"""Names, as strings of any length."""
GRID: Final = 65
"""Quantiles that are kept of each measure among camera clips."""
RIDGE: Final = 0.003
SAMPLES_SHARE: Final = 2.0
"""What all clips without a twin weigh beside all pairs."""
CALIBRATION_FOLDS: Final = 5
SMALL_SIDE_PIXELS: Final = 168
SLOW: Final = 5.5


class Bin(Config):
    """One row of the calibration table: of ``clips`` answers from ``low`` to ``high``, how many
    clips were generated.
    """

    low: float
    high: float
    clips: int
    generated: int


class ConditionResult(Config):
    """How the detector did, leaving groups out, on clips in one condition ("crf 35", "8
    frames").
    """

    name: str
    auc: float
    right: float | None
    """Share of its definite verdicts that were right; None if there was none."""
    definite: float
    """Share of clips that got a definite verdict: neither inconclusive nor too little to say."""


class Fusion(Config):
    """The fitted model: plain numbers, kept as JSON beside the network.

    ``names`` (D,) are ``family/measure``; ``quantiles`` (D, Q) of each among camera clips;
    ``weights`` (D,) on percentiles in [-1, 1]; ``slope`` and ``offset`` calibrate; ``low`` and
    ``high`` part the three verdicts.
    """

    names: tuple[str, ...]
    quantiles: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    bias: float
    slope: float
    offset: float
    low: float = 0.3
    high: float = 0.7
    table: tuple[Bin, ...] = ()

    def rounded(self) -> "Fusion":
        """With six digits of every number: a quarter of the size, the same answers."""
        short = lambda values: tuple(float(f"{v:.6g}") for v in values)  # noqa: E731
        quantiles = tuple(short(line) for line in self.quantiles)
        return self.model_copy(update={"quantiles": quantiles, "weights": short(self.weights)})

    def percentiles(self, measures: Array) -> Array:
        """(N, D) measures to (N, D): the share of camera clips below, as -1 to 1."""
        return 2 * ranks(np.array(self.quantiles), measures) - 1

    def logits(self, measures: Array) -> Array:
        """(N, D) to (N,): calibrated log-odds that a clip was generated."""
        raw = self.percentiles(measures) @ np.array(self.weights) + self.bias
        return self.slope * raw + self.offset

    @property
    def base(self) -> float:
        """Log-odds of a camera clip that is average in all: what the families' parts are added
        to.
        """
        return self.slope * self.bias + self.offset

    def parts(self, measures: Array) -> dict[str, float]:
        """What each family adds to the log-odds of one clip, (D,) measures, over a camera clip that
        is average in all.
        """
        terms = self.slope * self.percentiles(measures[None])[0] * np.array(self.weights)
        return {
            family: float(
                sum(
                    v
                    for v, name in zip(terms, self.names, strict=True)
                    if name.startswith(f"{family}/")
                )
            )
            for family in FAMILIES
        }


class Detector(Config):
    """What ships: a fusion for each kind of clip, fitted on clips of that kind, since what a small
    or slow clip lacks is not what a decoder takes away.
    """

    usual: Fusion
    small: Fusion
    """For clips whose shorter side is below `SMALL_SIDE_PIXELS`; fitted at half size, as it is and
    compressed at CRF 28.
    """
    slow: Fusion
    """For clips of fewer than `SLOW` frames a second; fitted at half rate."""
    conditions: tuple[ConditionResult, ...] = ()
    fitted: str = ""

    def of(self, side: int, fps: float) -> Fusion:
        """The fusion for clips whose shorter side has so many pixels and whose views have so many
        frames a second.
        """
        if side < SMALL_SIDE_PIXELS:
            return self.small
        return self.slow if fps < SLOW else self.usual


def row(evidence: Sequence[Evidence]) -> dict[str, float]:
    """All measures of one view by name."""
    return {
        f"{part.family}/{name}": value for part in evidence for name, value in part.measures.items()
    }


def ranks(quantiles: Array, measures: Array) -> Array:
    """(D, Q) quantiles, (N, D) to (N, D): where each measure lies among them, 0 to 1; the middle of
    ties, which are what agrees to five digits.
    """
    shares = np.linspace(0, 1, quantiles.shape[1])
    ranked = np.empty_like(measures)
    for column, line in enumerate(quantiles):
        column_values = measures[:, column]
        slack = 1e-5 * (np.abs(column_values) + 1)
        ranked[:, column] = (
            np.interp(column_values - slack, line, shares)
            + np.interp(column_values + slack, line, shares)
        ) / 2
    return ranked


@dataclass(frozen=True, eq=False)
class Samples:
    """Clips to fit on.

    Attributes
    ----------
    measures : (N, D)
    generated : (N,)
        0 or 1.
    groups : (N,)
        Sources of real clips, and generators.
    parts : (N,)
        Numbers of the parts that are left out together: clips of one page, source or generator are
        in one part (`components`).
    content : (N, K)
        What each clip shows, as features of any network that knows nothing of generators.
    """

    measures: Array
    generated: Array
    groups: Groups
    parts: NDArray[np.int64]
    content: Array

    def __getitem__(self, rows: NDArray[np.bool_]) -> "Samples":
        return Samples(*(getattr(self, field)[rows] for field in self.__dataclass_fields__))

    @property
    def shares(self) -> Array:
        """(N,) weights: both classes count alike, a group as the root of its size."""
        shares = np.ones(len(self.generated))
        for label in (0, 1):
            of = self.generated == label
            _, which, count = np.unique(self.groups[of], return_inverse=True, return_counts=True)
            share = count[which].astype(np.float64) ** -0.5
            shares[of] = share / share.sum() * len(self.generated) / 2
        return shares


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a generated and a camera clip of one scene: measures (P, D) of both, and the parts
    (P,) that are left out together, numbered with those of `Samples`.
    """

    generated: Array
    real: Array
    parts: NDArray[np.int64]

    def __getitem__(self, rows: NDArray[np.bool_]) -> "Pairs":
        return Pairs(self.generated[rows], self.real[rows], self.parts[rows])


def fit(
    samples: Samples,
    pairs: Pairs,
    names: Sequence[str],
    ridge: float = RIDGE,
    share: float = SAMPLES_SHARE,
    calibrate: bool = True,
) -> Fusion:
    """Fit percentiles, weights and calibration; the calibration on answers for parts that were left
    out.

    Parameters
    ----------
    ridge : float
        Penalty on squared weights.
    share : float
        What all samples together weigh beside all pairs; 0: pairs alone.
    """
    real = samples.measures[samples.generated == 0]
    quantiles = np.quantile(real, np.linspace(0, 1, GRID), axis=0).T
    x = 2 * ranks(quantiles, samples.measures) - 1
    gaps = 2 * (ranks(quantiles, pairs.generated) - ranks(quantiles, pairs.real))
    weights = _weights(x, samples, gaps, ridge, share)
    line = np.array([1.0, 0.0])
    if calibrate:
        away = np.zeros(len(x))
        every = merged(np.concatenate([samples.parts, pairs.parts]), CALIBRATION_FOLDS)
        of_samples, of_pairs = every[: len(x)], every[len(x) :]
        for part in np.unique(of_samples):
            out, kept = of_samples == part, of_pairs != part
            away[out] = x[out] @ _weights(x[~out], samples[~out], gaps[kept], ridge, share)
        scale = away.std() or 1.0
        line = logistic(away[:, None] / scale, samples.generated, samples.shares, 1e-3)
        line[0] /= scale
    return Fusion(
        names=tuple(names),
        quantiles=tuple(tuple(float(v) for v in values) for values in quantiles),
        weights=tuple(float(v) for v in weights),
        bias=0.0,
        slope=float(line[0]),
        offset=float(line[1]),
    )


def with_references(model: Fusion, names: Sequence[str], real: Array) -> Fusion:
    """A fusion that also knows where measures without a part in the answer lie among those of
    camera clips (N, D), to be told beside it.
    """
    quantiles = np.quantile(real, np.linspace(0, 1, GRID), axis=0).T
    more = tuple(tuple(float(v) for v in values) for values in quantiles)
    return model.model_copy(
        update={
            "names": (*model.names, *names),
            "quantiles": (*model.quantiles, *more),
            "weights": (*model.weights, *([0.0] * len(names))),
        }
    )


def _weights(x: Array, samples: Samples, gaps: Array, ridge: float, share: float) -> Array:
    """Weights (D,) by which a pair's generated clip is ahead by one, and what the content does not
    explain of other clips lies at -1 and 1.
    """
    rows, targets = [gaps], [np.ones(len(gaps))]
    differ = (gaps != 0).any(1)
    weights = [differ / max(1, differ.sum())]
    if share:
        shares = samples.shares / len(x)
        label = (2 * samples.generated - 1)[:, None]
        beside = unexplained(np.hstack([x, label]), samples.content, shares)
        rows.append(beside[:, :-1])
        targets.append(beside[:, -1])
        weights.append(share * shares)
    root = np.sqrt(np.concatenate(weights))
    size = np.sqrt(x.shape[1])
    matrix, target = root[:, None] * np.concatenate(rows) / size, root * np.concatenate(targets)
    kernel = matrix @ matrix.T + ridge * np.eye(len(matrix))
    return np.asarray(matrix.T @ np.linalg.solve(kernel, target) / size)


def unexplained(values: Array, content: Array, shares: Array) -> Array:
    """(N, D) values without what a linear regression on the content (N, K) explains of them."""
    columns = np.hstack([content, np.ones((len(content), 1))])
    weighted = columns * shares[:, None]
    normal = columns.T @ weighted + 1e-3 * np.eye(columns.shape[1]) * shares.sum()
    return values - columns @ np.linalg.solve(normal, weighted.T @ values)


def components(*labels: Sequence[Any]) -> NDArray[np.int64]:
    """(N,) numbers of the parts into which rows fall if those with an equal label are together.

    Parameters
    ----------
    labels
        Columns of N names; an empty name is nobody's.
    """
    parts = np.arange(len(labels[0]))
    changed = True
    while changed:
        changed = False
        for column in labels:
            names, which = np.unique(np.asarray(column, str), return_inverse=True)
            for index in range(len(names)):
                rows = which == index
                lowest = parts[rows].min()
                if names[index] and (parts[rows] != lowest).any():
                    parts[np.isin(parts, parts[rows])] = lowest
                    changed = True
    return np.unique(parts, return_inverse=True)[1].astype(np.int64)


def merged(parts: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(N,) parts joined to ``count`` ones of nearly equal size."""
    numbers, sizes = np.unique(parts, return_counts=True)
    load, place = np.zeros(count), np.zeros(numbers.max() + 1, np.int64)
    for index in np.argsort(-sizes, kind="stable"):
        lightest = int(load.argmin())
        load[lightest] += sizes[index]
        place[numbers[index]] = lightest
    return place[parts]


def logistic(x: Array, generated: Array, shares: Array, ridge: float) -> Array:
    """Weights (D + 1,), the bias last, of a logistic model with a ridge on all but the bias, by
    Newton's method.
    """
    ones = np.hstack([x, np.ones((len(x), 1))])
    penalty = np.append(np.full(x.shape[1], ridge), 1e-6)
    weights = np.zeros(ones.shape[1])
    for _ in range(30):
        predicted = sigmoid(ones @ weights)
        slope = ones.T @ (shares * (predicted - generated)) + penalty * weights
        bend = (ones.T * (shares * predicted * (1 - predicted))) @ ones + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        weights -= step
        if np.abs(step).max() < 1e-5:
            break
    return weights


def sigmoid(x: Array) -> Array:
    """0 to 1, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))
