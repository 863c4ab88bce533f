"""Distances between two sets of features, real and made: Fréchet, kernel, and nearest neighbours.

What the features are (`features`) decides what a distance is called: on Inception's it is FID and
KID, on I3D's FVD. All is computed in float64 on the CPU. Features are (N, D), one row a picture or
clip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from praxino.errors import InputError
from praxino.log import logger

Array = NDArray[np.float64]

NEIGHBOURS: Final = 5
"""How far a sample's ball reaches: to its fifth neighbour."""


def _checked(
    real: NDArray[np.floating], fake: NDArray[np.floating], least: int = 2
) -> tuple[Array, Array]:
    for name, x in (("real", real), ("fake", fake)):
        if x.ndim != 2 or len(x) < least:
            raise InputError(
                f"{name} features of shape {x.shape}: need at least {least} rows",
                "evaluate more clips",
            )
        if not np.isfinite(x).all():
            raise InputError(f"{name} features are not all finite", "is a clip damaged?")
    if real.shape[1] != fake.shape[1]:
        raise InputError(
            f"features of widths {real.shape[1]} and {fake.shape[1]}",
            "use one extractor for both sets",
        )
    return real.astype(np.float64), fake.astype(np.float64)


def frechet(real: NDArray[np.floating], fake: NDArray[np.floating]) -> float:
    """``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`` (Heusel et al., arXiv 1706.08500, eq. 6).

    The trace of the root is the sum of the roots of the eigenvalues of ``R S2 R`` with ``R R =
    S1``: symmetric, so real and stable even where there are fewer samples than dimensions (which is
    logged: the estimate is then biased upwards, see `unbiased`).

    Raises
    ------
    InputError
        For fewer than two rows, unequal widths, or numbers that are not finite.
    """
    real, fake = _checked(real, fake)
    if note := bias(min(len(real), len(fake)), real.shape[1]):
        logger.warning("note: %s", note)
    return _between(real, fake)


def bias(samples: int, width: int) -> str | None:
    """What to say of a Fréchet distance between so few samples of ``width`` numbers that it is too
    large; or none.
    """
    if samples > width:
        return None
    return (
        f"{samples} samples for {width} dimensions: Fréchet distances are biased upwards, "
        f"comparable only at equal "
        "numbers; the kernel distance is not biased, but scatters, below zero, too"
    )


def caveats(samples: int, width: int) -> Iterator[str]:
    """What must be said of all `distances` between so few samples of ``width`` numbers."""
    if note := bias(samples, width):
        yield note
    if samples <= NEIGHBOURS:
        yield f"{samples} samples: too few for precision, recall, density and coverage"
    elif samples < 10 * NEIGHBOURS:
        yield (
            f"{samples} samples: precision, recall, density and coverage are too high; they need "
            f"{10 * NEIGHBOURS}"
        )


def _between(real: Array, fake: Array) -> float:
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, fake))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    apart = real.mean(0) - fake.mean(0)
    return max(0.0, float(apart @ apart + np.trace(first) + np.trace(second) - 2 * cross))


def unbiased(
    real: NDArray[np.floating], fake: NDArray[np.floating], points: int = 6, seed: int = 0
) -> float:
    """The Fréchet distance that infinitely many fakes would have: a line in 1 / N through subsets
    of them.

    Chong & Forsyth, arXiv 1911.07023. Subsets are from half to all of ``fake``. What ``real`` being
    finite adds stays.
    """
    real, fake = _checked(real, fake, least=8)
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
    counts = np.linspace(len(fake) // 2, len(fake), points).astype(int)
    distances = [_between(real, fake[rng.permutation(len(fake))[:count]]) for count in counts]
    _slope, intercept = np.polyfit(1 / counts, distances, 1)
    return float(intercept)


def kernel_distance(
    real: NDArray[np.floating],
    fake: NDArray[np.floating],
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean and standard deviation over subsets of the unbiased squared MMD with the kernel ``(x y /
    D + 1)^3``.

    Bińkowski et al., arXiv 1801.01401: KID on Inception's features. Not biased by the number of
    samples.
    """
    real, fake = _checked(real, fake)
    rng = np.random.Generator(np.random.Philox(key=[seed, 1]))
    size = min(size, len(real), len(fake))
    estimates = []
    for _ in range(
        1 if size == len(real) == len(fake) else subsets
    ):  # all subsets would be the same
        x, y = (z[rng.choice(len(z), size, replace=False)] for z in (real, fake))
        xx, yy, xy = (_kernel(a, b) for a, b in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (size * (size - 1))
        estimates.append(within - 2 * xy.mean())
    return float(np.mean(estimates)), float(np.std(estimates))


def _kernel(x: Array, y: Array) -> Array:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


@dataclass(frozen=True)
class Neighbours:
    """How two sets lie among each other; each from 0 to 1 but density, which may be more.

    ``precision``: fakes that lie among the real ones; ``recall``: real ones that lie among the
    fakes (Kynkäänniemi et al., arXiv 1904.06991). ``density`` and ``coverage``: the same, hardened
    against outliers (Naeem et al., arXiv 2002.09797); low coverage is mode collapse.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def neighbours(
    real: NDArray[np.floating], fake: NDArray[np.floating], k: int = NEIGHBOURS
) -> Neighbours:
    """Precision, recall, density and coverage by balls that reach to each sample's ``k``-th
    neighbour.
    """
    real, fake = _checked(real, fake, least=k + 1)
    reach_real, reach_fake = _reach(real, k), _reach(fake, k)
    across = _apart(real, fake)  # (real, fake)
    in_real, in_fake = across < reach_real[:, None], across < reach_fake[None]
    return Neighbours(
        precision=float(in_real.any(0).mean()),
        recall=float(in_fake.any(1).mean()),
        density=float(in_real.sum(0).mean() / k),
        coverage=float(in_real.any(1).mean()),
    )


def distances(
    real: Sequence[NDArray[np.floating]], fake: Sequence[NDArray[np.floating]]
) -> dict[str, float]:
    """Every measure of this file that so many films allow, by name; whether they are few is for the
    caller to say.

    Parameters
    ----------
    real, fake : sequence of (rows, D)
        The rows of each film: one, or one a frame. The neighbours of a frame would be the frames
        beside it, so `neighbours` are those of the films' means; and subsets of frames are none of
        films, so that `unbiased` is left out then.
    """
    if not (len(real) and len(fake)):
        raise InputError("no films", "evaluate more clips")
    rows = _checked(np.concatenate(real), np.concatenate(fake))
    measured = {"frechet": _between(*rows)}
    whole = len(fake) == len(rows[1])
    if whole and len(fake) > 2 * rows[1].shape[1]:  # with fewer the bias is no line in 1 / N
        measured["frechet, endless samples"] = unbiased(*rows)
    measured["kernel x 1000"] = 1000 * kernel_distance(*rows)[0]
    if min(len(real), len(fake)) > NEIGHBOURS:
        one, other = (np.stack([film.mean(0) for film in films]) for films in (real, fake))
        measured |= asdict(neighbours(one, other))
    return measured


def _apart(x: Array, y: Array) -> Array:
    square = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
    return np.asarray(np.sqrt(square.clip(0)))


def _reach(x: Array, k: int) -> Array:
    """Distance of each row to its ``k``-th nearest other row."""
    return np.asarray(np.partition(_apart(x, x), k, axis=1)[:, k])
