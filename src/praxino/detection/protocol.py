"""How a detector is judged: on pairs first, by models that knew neither the page, nor the source,
nor the generator.

A pair is a camera clip and a generated clip of the same scene: what is shown cancels. Its score is
right if the generated side's is higher. Clips without a twin come second, and beside their area
under the curve stands the one that is left when what is shown is regressed out.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from praxino.detection.fusion import (
    Bin,
    Fusion,
    Groups,
    Pairs,
    Samples,
    merged,
    sigmoid,
    unexplained,
)

Array = NDArray[np.float64]
Fit = Callable[[Samples, Pairs], Fusion]
FOLDS = 10
"""Parts of all clips and pairs: each is judged by a model that was fitted on the others."""


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Clips and pairs in one condition: ``measures`` (N, D) of the samples, and of the pairs."""

    measures: Array
    pairs: Pairs


@dataclass(frozen=True, eq=False)
class ProtocolResult:
    """What the protocol found.

    Attributes
    ----------
    gaps : (P,)
        Of each pair: the answer (log-odds) for its generated side less that for its real one.
    logits : (N,)
        The answers for clips.
    samples : Samples
        The clips, without regard to their measures.
    """

    gaps: Array
    logits: Array
    samples: Samples

    def accuracy(self, rows: NDArray[np.bool_] | None = None) -> float:
        """Share of (some) pairs whose generated side has the higher answer; ties count half."""
        right = _ahead(self.gaps)
        return float((right if rows is None else right[rows]).mean())

    def interval(
        self, pages: Groups, rows: NDArray[np.bool_], draws: int = 2000, seed: int = 0
    ) -> tuple[float, float]:
        """95% of the accuracy's bootstrap distribution over whole pages: pairs of one are alike."""
        rng = np.random.default_rng(seed)
        right = _ahead(self.gaps)
        of_page = [right[rows & (pages == page)] for page in np.unique(pages[rows])]
        resampled = [
            np.concatenate([of_page[i] for i in rng.integers(0, len(of_page), len(of_page))]).mean()
            for _ in range(draws)
        ]
        low, high = np.percentile(resampled, (2.5, 97.5))
        return float(low), float(high)

    @property
    def auc(self) -> float:
        """Probability that a generated clip's answer is above a real one's; groups count as in
        `Samples.shares`.
        """
        return area(self.logits, self.samples)

    @property
    def auc_beside_content(self) -> float:
        """`auc` of what a linear regression on the content, fitted on the other parts, does not
        explain of the answers.
        """
        samples, beside = self.samples, np.zeros(len(self.logits))
        for part in np.unique(samples.parts):
            out = samples.parts == part
            others = samples[~out]
            rows = np.concatenate([np.flatnonzero(~out), np.flatnonzero(out)])
            shares = np.concatenate([others.shares, np.zeros(out.sum())])  # no weight in the fit
            values = self.logits[rows][:, None]
            beside[out] = unexplained(values, samples.content[rows], shares)[len(others.parts) :, 0]
        return area(beside, samples)

    def found_at(self, false: float) -> float:
        """Share of generated clips above the answer that a share ``false`` of real ones exceeds."""
        generated = self.samples.generated
        threshold = np.quantile(self.logits[generated == 0], 1 - false, method="higher")
        return float((self.logits[generated == 1] > threshold).mean())

    @property
    def brier(self) -> float:
        """Mean squared error of the probabilities, both classes counted alike: 0.25 for knowing
        nothing.
        """
        generated = self.samples.generated
        wrong = (sigmoid(self.logits) - generated) ** 2
        return float((wrong[generated == 1].mean() + wrong[generated == 0].mean()) / 2)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over ten bins (Naeini et al., AAAI 2015), both classes counted
        alike.
        """
        generated = self.samples.generated
        share = np.where(generated == 1, 0.5 / generated.sum(), 0.5 / (1 - generated).sum())
        chance = sigmoid(self.logits)
        bins = np.minimum((chance * 10).astype(int), 9)
        gaps = [abs((share * (chance - generated))[bins == b].sum()) for b in range(10)]
        return float(np.sum(gaps))

    def table(
        self,
        judged: NDArray[np.bool_] | None = None,
        edges: Sequence[float] = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0),
    ) -> tuple[Bin, ...]:
        """How many of the clips (that get a verdict) with answers in each range were generated."""
        chance, rows = sigmoid(self.logits), []
        counted = np.ones(len(chance), bool) if judged is None else judged
        for low, high in itertools.pairwise(edges):
            of = counted & (chance >= low) & ((chance < high) | (high == 1))
            generated = int(self.samples.generated[of].sum())
            rows.append(Bin(low=low, high=high, clips=int(of.sum()), generated=generated))
        return tuple(rows)


def area(scores: Array, samples: Samples) -> float:
    """Area under the curve of scores (N,), by the weights of `Samples.shares`."""
    generated, shares = samples.generated == 1, samples.shares
    above = scores[generated][:, None] - scores[~generated]
    weights = shares[generated][:, None] * shares[~generated]
    return float((weights * _ahead(above)).sum() / weights.sum())


def _ahead(gaps: Array) -> Array:
    return np.asarray((gaps > 0) + 0.5 * (gaps == 0))


def leave_out(
    samples: Samples, pairs: Pairs, tests: Mapping[str, EvaluationSet], fit: Fit, folds: int = FOLDS
) -> dict[str, ProtocolResult]:
    """Judge a way of fitting in several conditions.

    Parameters
    ----------
    samples, pairs
        What models are fitted on, in any number of conditions; each test's rows are the first ones,
        in their order.
    fit : callable
        (samples, pairs) -> `Fusion`.
    """
    every = merged(np.concatenate([samples.parts, pairs.parts]), folds)
    of_samples, of_pairs = every[: len(samples.parts)], every[len(samples.parts) :]
    gaps = {name: np.zeros(len(test.pairs.parts)) for name, test in tests.items()}
    logits = {name: np.zeros(len(test.measures)) for name, test in tests.items()}
    for fold in range(folds):
        model = fit(samples[of_samples != fold], pairs[of_pairs != fold])
        for name, test in tests.items():
            clips = of_samples[: len(test.measures)] == fold
            twins = of_pairs[: len(test.pairs.parts)] == fold
            logits[name][clips] = model.logits(test.measures[clips])
            two = test.pairs[twins]
            gaps[name][twins] = model.logits(two.generated) - model.logits(two.real)
    first = {name: np.arange(len(samples.parts)) < len(logits[name]) for name in tests}
    return {name: ProtocolResult(gaps[name], logits[name], samples[first[name]]) for name in tests}
