"""The answer for one file, as plain values and as text."""

import os
from pathlib import Path
from typing import Final, Literal

from praxino.config import Config
from praxino.detection.decoder_grid import GridFinding
from praxino.log import printable

Verdict = Literal["likely camera", "inconclusive", "likely generated", "unreadable"]
HEADLINES: Final = {
    "temporal": "glide",
    "physics": "jolting",
    "frequency": "fast change",
    "latent": "smoothness",
    "patches": "grid",
}
"""What there is more of where a family's headline measure is larger."""


class FamilyFinding(Config):
    """What one family saw.

    ``score`` is the measure that ``sentence`` speaks of, ``above`` the share of camera clips that
    it exceeds; ``log_odds`` is how far the family moved the answer, above 0 towards generated, None
    where there is no answer, or the family has no part in it (`evidence.SCORED`); ``window`` is the
    one of the report's that this was seen in, ``frames`` are seconds of the file that show it.
    """

    family: str
    score: float
    above: float | None
    log_odds: float | None
    sentence: str
    frames: tuple[float, ...]
    notes: tuple[str, ...]
    window: int


class Report(Config):
    """The answer for one file; as JSON, this is the schema.

    ``probability`` is calibrated, of having been generated, given that half of all clips are; None
    where nothing could be measured, or too little for a verdict; its log-odds are ``base``, where a
    camera clip that is average in all lies, and the families' parts. ``reasons`` say why there is
    no verdict, or why a file is unreadable. ``reliability`` says how often answers like this one
    were right, and verdicts on clips like this one. ``windows`` are the seconds that were looked
    at. ``grid`` is what beats in time or lies on a grid, and ``says`` what the file itself claims,
    of a single one by its mark and signature, too: no parts of the answer.
    """

    path: str
    verdict: Verdict
    probability: float | None = None
    base: float | None = None
    reasons: tuple[str, ...] = ()
    reliability: str = ""
    families: tuple[FamilyFinding, ...] = ()
    grid: GridFinding = GridFinding()
    windows: tuple[tuple[float, float], ...] = ()
    width: int = 0
    height: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    codec: str = ""
    oddities: tuple[str, ...] = ()
    says: str = ""


def to_text(report: Report) -> str:
    """A report as text, for a terminal."""
    sure = "" if report.probability is None else f" ({report.probability:.0%} generated)"
    name = printable(report.path)
    lines = [f"{name}: {report.says}"] if report.says else []
    lines.append(f"{name}: {report.verdict}{sure}")
    lines += [f"  no verdict: {reason}" for reason in report.reasons]
    for finding in report.families:
        moved = "" if finding.log_odds is None else f"{finding.log_odds:+.2f}"
        lines.append(
            f"  {finding.family:<10}{moved:>6}  {finding.sentence} {percentile_text(finding)}"
        )
        lines += [f"{'':<20}! {note}" for note in finding.notes]
    if report.base is not None:
        lines.append(
            f"  {'start':<10}{report.base:+6.2f}  where an average camera clip lies; a part sums "
            f"many measures, not one"
        )
    lines += [f"  beside that: {sentence}" for sentence in report.grid.sentences]
    lines += [f"  odd: {', '.join(report.oddities)}"] if report.oddities else []
    lines += [f"  reliability: {report.reliability}"] if report.reliability else []
    return "\n".join(lines)


def percentile_text(finding: FamilyFinding) -> str:
    """Where a family's headline lies among those of camera clips."""
    if finding.above is None:
        return ""
    return f"That is more {HEADLINES[finding.family]} than in {finding.above:.0%} of camera clips."


def path_text(path: Path) -> str:
    """A path as text that can be written anywhere: bytes that are no UTF-8 are marked."""
    return os.fsencode(path).decode("utf-8", "replace")
