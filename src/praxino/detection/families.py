"""The five families of evidence, in the order in which they are told."""

from collections.abc import Callable
from typing import Final

from praxino.detection import frequency, latent, patches, physics, temporal
from praxino.detection.evidence import Evidence, Measures
from praxino.detection.view import View

EVIDENCE: Final[dict[str, Callable[[View], Evidence]]] = {
    "temporal": temporal.evidence,
    "physics": physics.evidence,
    "frequency": frequency.evidence,
    "latent": latent.evidence,
    "patches": patches.evidence,
}
"""Everything that a family says of a view of at least four frames."""
STATISTICS: Final[dict[str, Callable[[View], Measures | dict[str, float]]]] = {
    "temporal": temporal.measures,
    "physics": physics.measures,
    "frequency": frequency.measures,
    "latent": latent.statistics,
    "patches": patches.measures,
}
"""Its numbers without those of networks."""


def collect_evidence(view: View) -> tuple[Evidence, ...]:
    """All families' evidence of one view of at least four frames."""
    return tuple(each(view) for each in EVIDENCE.values())
