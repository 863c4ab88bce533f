"""Measures become one probability: percentiles among camera clips, a ridge logistic model, Platt's
calibration.

Fitted by leaving groups out (a group is a source of real clips or a generator), so that what is
calibrated is the answer for clips from elsewhere. No more than sums of percentiles, so that each
family's part in an answer can be told.
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
    """Clips to fit on: ``measures`` (N, D), ``generated`` (N,) 0 or 1, and the ``groups`` (N,) that
    they are from.
    """

    measures: Array
    generated: Array
    groups: Groups

    def __getitem__(self, rows: NDArray[np.bool_]) -> "Samples":
        return Samples(self.measures[rows], self.generated[rows], self.groups[rows])

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


def fit(samples: Samples, names: Sequence[str], ridge: float = 20.0, folds: int = 5) -> Fusion:
    """Fit percentiles, weights and calibration; the calibration on answers for groups that were
    left out.

    Parameters
    ----------
    ridge : float
        Penalty on squared weights.
    folds : int
        In how many parts the groups are left out for the calibration; 0: there is none.
    """
    quantiles, weights, bias = _fitted(samples, ridge)
    line = _calibrated(samples, ridge, folds) if folds else np.array([1.0, 0.0])
    return Fusion(
        names=tuple(names),
        quantiles=tuple(tuple(float(v) for v in values) for values in quantiles),
        weights=tuple(float(v) for v in weights),
        bias=float(bias),
        slope=float(line[0]),
        offset=float(line[1]),
    )


def _calibrated(samples: Samples, ridge: float, folds: int) -> Array:
    """Slope and offset (Platt, 1999) of answers for groups that were left out."""
    away = np.zeros(len(samples.generated))
    parts = fold(samples, folds)
    for part in range(folds):
        out = parts == part
        q, w, b = _fitted(samples[~out], ridge)
        away[out] = (2 * ranks(q, samples.measures[out]) - 1) @ w + b
    return logistic(away[:, None], samples.generated, samples.shares, 1e-3)


def _fitted(samples: Samples, ridge: float) -> tuple[Array, Array, float]:
    """Quantiles (D, Q) of the real clips, weights (D,) and bias."""
    real = samples.measures[samples.generated == 0]
    quantiles = np.quantile(real, np.linspace(0, 1, GRID), axis=0).T
    percentiles = 2 * ranks(quantiles, samples.measures) - 1
    weights = logistic(percentiles, samples.generated, samples.shares, ridge)
    return quantiles, weights[:-1], float(weights[-1])


def fold(samples: Samples, count: int) -> NDArray[np.int64]:
    """(N,): in which of ``count`` parts each clip is; a group is never cut, parts are alike in size
    for both classes.
    """
    parts = np.zeros(len(samples.generated), np.int64)
    for label in (0, 1):
        of = samples.generated == label
        names, sizes = np.unique(samples.groups[of], return_counts=True)
        load = np.zeros(count)
        for index in np.argsort(-sizes, kind="stable"):
            part = int(load.argmin())
            load[part] += sizes[index]
            parts[of & (samples.groups == names[index])] = part
    return parts


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
