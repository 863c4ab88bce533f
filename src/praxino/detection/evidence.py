"""What a family of evidence says of one view: a number, the measures behind it, and where to
look.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FAMILIES: Final = ("temporal", "physics", "frequency", "latent", "patches")
SCORED: Final = ("temporal", "frequency")
"""Families whose measures make the answer: on pairs of a camera clip and a generated one of one
scene, the others add nothing to these, and are there for a person to look at.
"""
Numbers = NDArray[np.floating]
Measures = dict[str, float | np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Evidence:
    """One family's account of one `View`. It says what is there; what that means is for the fusion
    to say.
    """

    family: str
    headline: str
    """Name of the measure that the sentence speaks of."""
    measures: dict[str, float]
    """All of them, finite, by names that are stable."""
    sentence: str
    frames: tuple[int, ...] = ()
    """The view's frames that show it best, best first."""
    curve: Numbers | None = None
    """(N,), one number a frame or a step, where the family has one."""
    curve_name: str = ""
    map: Numbers | None = None
    """(h, w) over the view's square, larger where there is more of it, where the family has one."""
    tracks: Numbers | None = None
    """(frames, points, 2): x and y in the view's pixels, NaN where a point is lost."""
    notes: tuple[str, ...] = ()
    """What was found besides and is worth saying: a violation, say."""

    @property
    def score(self) -> float:
        """The measure that the sentence speaks of."""
        return self.measures[self.headline]


def correlation(a: Numbers, b: Numbers) -> float:
    """Correlation of two arrays of one shape; 0 for fewer than 100 numbers, or where one hardly
    varies.
    """
    if a.size < 100 or a.std() < 1e-3 or b.std() < 1e-3:
        return 0.0
    return float(np.mean((a - a.mean()) * (b - b.mean())) / (a.std() * b.std()))


def finite(measures: Measures) -> dict[str, float]:
    """Measures as plain floats, 0 for NaN: a still clip has no direction of motion, say."""
    return {name: float(value) if np.isfinite(value) else 0.0 for name, value in measures.items()}


def phase_contrast(steps: NDArray[np.floating], period: int, trim: int = 0) -> float:
    """Log of how much the strongest phase of a profile with this period exceeds the middle one.

    Parameters
    ----------
    steps : (N,)
        Mean steps between neighbouring pixels; too few of them give 0.
    trim : int
        Strongest values of each phase that do not count.
    """
    if len(steps) < (2 + trim) * period:
        return 0.0
    phases = (steps[start::period] for start in range(period))
    means = [(np.sort(phase)[:-trim] if trim else phase).mean() for phase in phases]
    return float(np.log((np.array(means) + 0.05).max() / np.median(np.array(means) + 0.05)))
