"""How a detector is judged: every comparison by a model that knows neither the source nor the
generator compared.

For each generator g and each source s of real clips, a model is fitted without both, and its
answers for g's clips are compared with those for s's. A method that learned its collection instead
of its subject fails here, and it shows in the real-against-real floor, where real sources are told
from real sources by the same protocol.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from praxino.detection.fusion import Bin, Fusion, Groups, Samples, fit, sigmoid

Array = NDArray[np.float64]
Fit = Callable[[Samples], Fusion]


@dataclass(frozen=True, eq=False)
class ProtocolResult:
    """What the protocol found of one test set.

    ``wins`` and ``pairs`` (generators, sources): comparisons won and played; ``logits`` (N,): each
    clip's mean answer over all models that knew neither it nor what it was compared with.
    """

    generators: tuple[str, ...]
    sources: tuple[str, ...]
    wins: Array
    pairs: Array
    logits: Array
    generated: Array
    groups: Groups

    @property
    def auc(self) -> float:
        """Share of comparisons in which the generated clip got the higher answer."""
        return float(self.wins.sum() / self.pairs.sum())

    def interval(self, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
        """95% of the area's bootstrap distribution; whole generators and sources are drawn, since
        clips of one are alike.
        """
        rng = np.random.default_rng(seed)
        rows, columns = self.wins.shape
        resampled = []
        for _ in range(draws):
            cells = np.ix_(rng.integers(0, rows, rows), rng.integers(0, columns, columns))
            resampled.append(self.wins[cells].sum() / self.pairs[cells].sum())
        low, high = np.percentile(resampled, (2.5, 97.5))
        return float(low), float(high)

    def found_at(self, false: float) -> float:
        """Share of generated clips above the answer that a share ``false`` of real ones exceeds."""
        threshold = np.quantile(self.logits[self.generated == 0], 1 - false, method="higher")
        return float((self.logits[self.generated == 1] > threshold).mean())

    @property
    def brier(self) -> float:
        """Mean squared error of the probabilities, both classes counted alike: 0.25 for knowing
        nothing.
        """
        wrong = (sigmoid(self.logits) - self.generated) ** 2
        return float((wrong[self.generated == 1].mean() + wrong[self.generated == 0].mean()) / 2)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over ten bins (Naeini et al., AAAI 2015), both classes counted
        alike.
        """
        share = _even(self.generated)
        chance = sigmoid(self.logits)
        bins = np.minimum((chance * 10).astype(int), 9)
        gaps = [abs((share * (chance - self.generated))[bins == b].sum()) for b in range(10)]
        return float(np.sum(gaps))

    def by_group(self) -> dict[str, float]:
        """Each generator's area against all sources, each source's against all generators."""
        rows = self.wins.sum(1) / self.pairs.sum(1)
        columns = self.wins.sum(0) / self.pairs.sum(0)
        return dict(
            zip((*self.generators, *self.sources), map(float, (*rows, *columns)), strict=True)
        )

    def table(self, edges: Sequence[float] = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)) -> tuple[Bin, ...]:
        """How many clips with answers in each range were generated."""
        chance = sigmoid(self.logits)
        rows = []
        for low, high in itertools.pairwise(edges):
            of = (chance >= low) & ((chance < high) | (high == 1))
            rows.append(
                Bin(
                    low=low, high=high, clips=int(of.sum()), generated=int(self.generated[of].sum())
                )
            )
        return tuple(rows)


def _even(generated: Array) -> Array:
    """(N,) weights that sum to one, half for each class."""
    return np.where(
        generated == 1, 0.5 / max((generated == 1).sum(), 1), 0.5 / max((generated == 0).sum(), 1)
    )


def leave_out(
    train: Samples, tests: Sequence[Array], generated: Array, groups: Groups, rule: Fit
) -> list[ProtocolResult]:
    """Judge a way of fitting on test sets that hold the same clips in different conditions.

    Parameters
    ----------
    train : Samples
        What models are fitted on: any number of rows for each clip, by group.
    tests : sequence of (N, D) arrays
        The clips' measures in each condition.
    generated, groups : (N,) arrays
        Of the tests' clips.
    rule : callable
        `Samples` to `Fusion`.
    """
    generators = tuple(dict.fromkeys(groups[generated == 1].tolist()))
    sources = tuple(dict.fromkeys(groups[generated == 0].tolist()))
    wins, pairs = (
        np.zeros((len(tests), len(generators), len(sources))),
        np.zeros((len(generators), len(sources))),
    )
    logits, count = np.zeros((len(tests), len(generated))), np.zeros(len(generated))
    for row, generator in enumerate(generators):
        for column, source in enumerate(sources):
            fakes, reals = (
                (generated == 1) & (groups == generator),
                (generated == 0) & (groups == source),
            )
            excluded = np.isin(train.groups, (generator, source))
            model = rule(train[~excluded])
            pairs[row, column] = fakes.sum() * reals.sum()
            count += fakes | reals
            for index, measures in enumerate(tests):
                high, low = model.logits(measures[fakes]), model.logits(measures[reals])
                logits[index, fakes] += high
                logits[index, reals] += low
                ahead = (high[:, None] > low).sum() + 0.5 * (high[:, None] == low).sum()
                wins[index, row, column] = ahead
    return [
        ProtocolResult(generators, sources, win, pairs, mean / count, generated, groups)
        for win, mean in zip(wins, logits, strict=True)
    ]


def real_floor(measures: Array, groups: Groups, splits: int = 20, seed: int = 0) -> list[float]:
    """Areas reached when half of the real sources, drawn at random, play the generators: about 0.5
    for a fair method.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(groups)
    floors = []
    for _ in range(splits):
        played = rng.permutation(names)[: len(names) // 2]
        generated = np.isin(groups, played).astype(np.float64)
        samples = Samples(measures, generated, groups)
        floors.append(leave_out(samples, [measures], generated, groups, uncalibrated)[0].auc)
    return floors


def uncalibrated(samples: Samples) -> Fusion:
    """A fit whose answers can be ordered, but are no probabilities: an eighth of the work."""
    return fit(samples, [""] * samples.measures.shape[1], folds=0)
