"""Whether an individual stays itself as a film goes on: window after window, each made from the end
of the one before.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from praxino.evaluation.identity import Film, IdentityCase, IdentityJudge

WINDOWS: Final = 4
"""Windows of a film: the first one, and how often it goes on."""
LongMaker = Callable[[str, int, Film, int], list[Film]]
"""A sentence with ``@star``, a seed, its pictures and a number of windows become the new frames of
each window.
"""


def judge_gap(
    judge: IdentityJudge, make: LongMaker, cases: Sequence[IdentityCase], windows: int = WINDOWS
) -> Iterator[list[dict[str, float]]]:
    """The scores of each case, window by window."""
    for number, case in enumerate(cases):
        films = make(case.sentence("@star the {noun}"), number, case.pictures, windows)
        yield [judge.scores(film, case) for film in films]


def gap_summary(rows: Sequence[Sequence[dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """By window: means of all scores, cosines of those films in which the thing was read."""
    summary: dict[str, dict[str, Any]] = {}
    for window, scores in enumerate(zip(*rows, strict=True), start=1):
        cosines = [one["cosine"] for one in scores if "cosine" in one]
        summary[str(window)] = {
            "gate": float(np.mean([one["gate"] for one in scores])),
            "top1": float(np.mean([one["top1"] for one in scores])),
            "cosine": float(np.mean(cosines)) if cosines else float("nan"),
            "cases": len(scores),
        }
    return summary


def gap_table(scores: dict[str, dict[str, Any]]) -> str:
    """The summary as text."""
    lines = [f"{'window':12} {'found':>7} {'top 1':>7} {'cosine':>7}"]
    for window, one in scores.items():
        lines.append(f"{window:12} {one['gate']:7.2f} {one['top1']:7.2f} {one['cosine']:7.2f}")
    return "\n".join(lines)
