"""The answer for one file: a probability, a verdict or none, and what each family saw.

Everything here takes a path or a film and gives back plain values, so that a folder, a pool of processes or a cluster
maps it as it is.
"""

import functools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from praxino.config import Config
from praxino.detection import frequency, fusion, latent, patches, physics, temporal
from praxino.detection.evidence import FAMILIES, Evidence
from praxino.detection.fusion import Detector, Fusion, sigmoid
from praxino.detection.view import View, views
from praxino.errors import CheckpointError, PraxinoError
from praxino.storage import bundle, video
from praxino.storage.footage import Facts, facts

Verdict = Literal["likely camera", "inconclusive", "likely generated", "unreadable"]
FEWEST: Final = 8
"""Frames of a view below which there is no verdict."""
SMALLEST: Final = 112
"""Pixels of the shorter side below which there is none."""
HEADLINES: Final = {
    "temporal": "glide",
    "physics": "jolting",
    "frequency": "fast change",
    "latent": "decoded detail",
    "patches": "grid",
}
"""What there is more of where a family's headline measure is larger."""
MOTIONLESS: Final = 0.25
"""Mean change of luma from frame to frame, of 255, below which there is none."""


class Seen(Config):
    """What one family saw.

    ``score`` is the measure that ``sentence`` speaks of, ``above`` the share of camera clips that it exceeds;
    ``log_odds`` is how far the family moved the answer, above 0 towards generated; ``window`` is the one of the
    report's that this was seen in, ``frames`` are seconds of the file that show it.
    """

    family: str
    score: float
    above: float | None
    log_odds: float
    sentence: str
    frames: tuple[float, ...]
    notes: tuple[str, ...]
    window: int


class Report(Config):
    """The answer for one file; as JSON, this is the schema.

    ``probability`` is calibrated, of having been generated, given that half of all clips are; None where nothing
    could be measured. ``reasons`` say why there is no verdict, or why a file is unreadable. ``reliability`` says how
    often answers like this one were right. ``windows`` are the seconds that were looked at. ``says`` is what the file
    itself claims: no part of the answer.
    """

    path: str
    verdict: Verdict
    probability: float | None = None
    reasons: tuple[str, ...] = ()
    reliability: str = ""
    families: tuple[Seen, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()
    width: int = 0
    height: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    codec: str = ""
    oddities: tuple[str, ...] = ()
    says: str = ""


@dataclass(frozen=True, eq=False)
class Examination:
    """A report with what it was drawn from: the views and, for each, the five families' evidence."""

    report: Report
    views: tuple[View, ...] = ()
    evidence: tuple[tuple[Evidence, ...], ...] = ()


@functools.cache
def bundled() -> Detector:
    """The fusions that come with the package."""
    path = bundle.DETECTOR / "fusion.json"
    try:
        return Detector.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {' '.join(str(error).split())[:120]}", "install praxino again") from None


def detect(path: str | Path) -> Report:
    """Say whether a film was generated.

    Parameters
    ----------
    path : path
        Any film or animated picture that FFmpeg or Pillow reads.

    Raises
    ------
    MediaError
        If the file is missing, damaged beyond reading, too large, or no film.
    """
    return examine(path).report


def look(view: View, networks: latent.Networks | None = None) -> tuple[Evidence, ...]:
    """The five families' evidence of one view of at least four frames."""
    families = (temporal.evidence, physics.evidence, frequency.evidence)
    return (*(each(view) for each in families), latent.evidence(view, networks), patches.evidence(view))


def examine(path: str | Path, detector: Detector | None = None) -> Examination:
    """`detect`, with the views and evidence that a page is drawn from."""
    path = Path(path)
    found = facts(path)
    seen = tuple(views(path, found))
    long_enough = tuple(view for view in seen if len(view.frames) >= 4)
    if not long_enough:
        reason = f"{sum(len(view.frames) for view in seen)} frame(s): nothing can be said of how it moves"
        return Examination(_report(path, found, seen, "inconclusive", reasons=(reason,)), seen)
    latent.bundled()  # before threads ask for it
    with ThreadPoolExecutor(2) as pool:
        evidence = tuple(pool.map(look, long_enough))
    fitted = (detector or bundled()).of(min(found.width, found.height), long_enough[0].fps)
    rows = np.array([[fusion.row(each)[name] for name in fitted.names] for each in evidence])
    logits = fitted.logits(rows)
    probability = float(sigmoid(logits.mean(keepdims=True))[0])
    reasons = thin(found, long_enough)
    verdict = _verdict(probability, fitted) if not reasons else "inconclusive"
    if verdict == "inconclusive" and not reasons:
        reasons = ("the evidence points both ways",)
    report = _report(
        path, found, long_enough, verdict,
        probability=probability,
        reasons=reasons,
        reliability=_reliability(probability, fitted),
        families=_families(long_enough, evidence, rows, fitted),
        says=_claim(path),
    )  # fmt: skip
    return Examination(report, long_enough, evidence)


def told(report: Report) -> str:
    """A report as text, for a terminal."""
    sure = "" if report.probability is None else f" ({report.probability:.0%} generated)"
    lines = [f"{report.path}: {report.verdict}{sure}"]
    lines += [f"  no verdict, because: {reason}" for reason in report.reasons]
    for seen in report.families:
        lines.append(f"  {seen.family:<10}{seen.log_odds:+6.2f}  {seen.sentence} {placed(seen)}")
        lines += [f"{'':<20}! {note}" for note in seen.notes]
    lines += [f"  reliability: {report.reliability}"] if report.reliability else []
    lines += [f"  beside that: {report.says}"] if report.says else []
    return "\n".join(lines)


def placed(seen: Seen) -> str:
    """Where a family's headline lies among those of camera clips."""
    if seen.above is None:
        return ""
    return f"That is more {HEADLINES[seen.family]} than in {seen.above:.0%} of camera clips."


def _report(path: Path, found: Facts, seen: Sequence[View], verdict: Verdict, **more: object) -> Report:
    windows = tuple((float(view.times[0]), float(view.times[-1])) for view in seen)
    about = {
        "width": found.width, "height": found.height, "fps": found.rate, "seconds": found.seconds,
        "codec": found.codec, "oddities": found.oddities,
    }  # fmt: skip
    return Report.model_validate({"path": str(path), "verdict": verdict, "windows": windows} | about | more)


def _verdict(probability: float, fitted: Fusion) -> Verdict:
    if probability >= fitted.high:
        return "likely generated"
    return "likely camera" if probability <= fitted.low else "inconclusive"


def thin(found: Facts, seen: Sequence[View]) -> tuple[str, ...]:
    """Why the evidence does not carry a verdict; empty if it does."""
    reasons = []
    most = max(len(view.frames) for view in seen)
    if most < FEWEST:
        reasons.append(f"too short: {most} frames at {seen[0].fps:.1f} a second, {FEWEST} are needed")
    if min(found.width, found.height) < SMALLEST:
        reasons.append(f"too small: {found.width}x{found.height}, {SMALLEST} pixels are needed")
    change = max(float(np.abs(np.diff(view.luma, axis=0)).mean()) for view in seen)
    if change < MOTIONLESS:
        reasons.append("hardly anything moves: most of the evidence is in motion")
    return tuple(reasons)


def _families(
    seen: Sequence[View], evidence: Sequence[Sequence[Evidence]], rows: NDArray[np.float64], fitted: Fusion
) -> tuple[Seen, ...]:
    """Each family's mean part, in the words of the window in which it had the most to say."""
    parts = [fitted.parts(row) for row in rows]
    shares = [dict(zip(fitted.names, map(float, each), strict=True)) for each in (fitted.percentiles(rows) + 1) / 2]
    told = []
    for index, family in enumerate(FAMILIES):
        weight = [part[family] for part in parts]
        mean = float(np.mean(weight))
        where = int(np.argmax(np.array(weight) * np.sign(mean or 1)))
        best, view = evidence[where][index], seen[where]
        times = tuple(float(view.times[min(frame, len(view.times) - 1)]) for frame in best.frames)
        notes = tuple(note for each in evidence for note in each[index].notes)
        told.append(
            Seen(
                family=family,
                score=best.score,
                above=shares[where].get(f"{family}/{best.headline}"),
                log_odds=mean,
                sentence=best.sentence,
                frames=times,
                notes=notes,
                window=where,
            )
        )
    return tuple(told)


def _reliability(probability: float, fitted: Fusion) -> str:
    """How often answers like this one were right, on clips from sources and generators that were left out."""
    for row in fitted.table:
        if row.low <= probability <= row.high and row.clips:
            return (
                f"of {row.clips} clips with answers from {row.low:.0%} to {row.high:.0%}, from sources and generators "
                f"left out of the fitting, {row.generated} were generated"
            )
    return ""


def _claim(path: Path) -> str:
    """What the record in the file says, in a few words."""
    try:
        record = video.read(path, most=1).record
    except PraxinoError:
        return ""
    if "praxino" not in json.dumps(record):
        return ""
    return "the file carries a record of having been made by Praxino (anyone can write or remove one)"
