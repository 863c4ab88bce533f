"""The answer for one file: a probability, a verdict or none, and what each family saw.

Everything here takes a path or a film and gives back plain values, so that a folder, a pool of processes or a cluster
maps it as it is.
"""

import functools
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from praxino.config import Config
from praxino.detection import fusion, latent
from praxino.detection.calibration import MIN_FRAMES, blockiness, condition, missing_evidence, reliability
from praxino.detection.evidence import FAMILIES, Evidence
from praxino.detection.families import collect_evidence
from praxino.detection.fusion import Detector, Fusion, sigmoid
from praxino.detection.view import View, starts, views
from praxino.detection.weights import DETECTOR
from praxino.errors import CheckpointError, PraxinoError
from praxino.storage.media import video
from praxino.storage.media.frames import MediaInfo, probe

Verdict = Literal["likely camera", "inconclusive", "likely generated", "unreadable"]
HEADLINES: Final = {
    "temporal": "glide",
    "physics": "jolting",
    "frequency": "fast change",
    "latent": "decoded detail",
    "patches": "grid",
}
"""What there is more of where a family's headline measure is larger."""


class Seen(Config):
    """What one family saw.

    ``score`` is the measure that ``sentence`` speaks of, ``above`` the share of camera clips that it exceeds;
    ``log_odds`` is how far the family moved the answer, above 0 towards generated, None where there is no answer;
    ``window`` is the one of the report's that this was seen in, ``frames`` are seconds of the file that show it.
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

    ``probability`` is calibrated, of having been generated, given that half of all clips are; None where nothing could
    be measured, or too little for a verdict; its log-odds are ``base``, where a camera clip that is average in all
    lies, and the families' parts. ``reasons`` say why there is no verdict, or why a file is unreadable.
    ``reliability`` says how often answers like this one were right, and verdicts on clips like this one. ``windows``
    are the seconds that were looked at. ``says`` is what the file itself claims: no part of the answer.
    """

    path: str
    verdict: Verdict
    probability: float | None = None
    base: float | None = None
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
    path = DETECTOR / "fusion.json"
    try:
        return Detector.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {' '.join(str(error).split())[:120]}", "install praxino again") from None


@functools.cache
def edition() -> str:
    """Changes with the detector: with the package's version, the fusions, and the network."""
    files = (DETECTOR / "fusion.json", DETECTOR / "forensic" / "model.safetensors")
    return hashlib.sha256(version("praxino").encode() + b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


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


def examine(path: str | Path, detector: Detector | None = None, threads: int = 2) -> Examination:
    """`detect`, with the views and evidence that a page is drawn from; so many windows are looked at side by side."""
    path, detector = Path(path), detector or bundled()
    found = probe(path)
    seen = tuple(views(path, found))
    if len(seen) < len(starts(found)):
        found = replace(found, oddities=(*found.oddities, f"{len(seen)} of {len(starts(found))} windows could be read"))
    most = max((len(view.frames) for view in seen), default=0)
    long_enough = tuple(view for view in seen if len(view.frames) >= min(MIN_FRAMES, max(most, 4)))
    if not long_enough:
        reason = f"too short: {most} of {MIN_FRAMES} frames that are needed: nothing can be said of how it moves"
        return Examination(_report(path, found, seen, "inconclusive", reasons=(reason,)), seen)
    latent.bundled()  # before threads ask for it
    with ThreadPoolExecutor(threads) as pool:
        evidence = tuple(pool.map(collect_evidence, long_enough))
    fitted = detector.of(min(found.width, found.height), float(np.median([view.fps for view in long_enough])))
    rows = np.array([[fusion.row(each)[name] for name in fitted.names] for each in evidence])
    blocks = float(np.mean([blockiness(view) for view in long_enough]))
    reasons = missing_evidence(found, long_enough, blocks)
    probability: float | None = None
    verdict: Verdict = "inconclusive"
    how_sure = ""
    if not reasons:
        probability = float(sigmoid(fitted.logits(rows.mean(0, keepdims=True)))[0])
        verdict = _verdict(probability, fitted)
        how_sure = reliability(probability, fitted, detector, condition(found, long_enough, blocks))
        reasons = ("the evidence points both ways",) if verdict == "inconclusive" else ()
    report = _report(
        path, found, long_enough, verdict,
        probability=probability,
        base=None if probability is None else fitted.base,
        reasons=reasons,
        reliability=how_sure,
        families=_families(long_enough, evidence, rows, fitted, probability is not None),
        says=_claim(path),
    )  # fmt: skip
    return Examination(report, long_enough, evidence)


def to_text(report: Report) -> str:
    """A report as text, for a terminal."""
    sure = "" if report.probability is None else f" ({report.probability:.0%} generated)"
    lines = [f"{report.path}: {report.verdict}{sure}"]
    lines += [f"  no verdict, because: {reason}" for reason in report.reasons]
    for seen in report.families:
        moved = "" if seen.log_odds is None else f"{seen.log_odds:+.2f}"
        lines.append(f"  {seen.family:<10}{moved:>6}  {seen.sentence} {percentile_text(seen)}")
        lines += [f"{'':<20}! {note}" for note in seen.notes]
    if report.base is not None:
        lines.append(
            f"  {'start':<10}{report.base:+6.2f}  where an average camera clip lies; a part sums many measures, not one"
        )
    lines += [f"  odd: {', '.join(report.oddities)}"] if report.oddities else []
    lines += [f"  reliability: {report.reliability}"] if report.reliability else []
    lines += [f"  beside that: {report.says}"] if report.says else []
    return "\n".join(lines)


def percentile_text(seen: Seen) -> str:
    """Where a family's headline lies among those of camera clips."""
    if seen.above is None:
        return ""
    return f"That is more {HEADLINES[seen.family]} than in {seen.above:.0%} of camera clips."


def path_text(path: Path) -> str:
    """A path as text that can be written anywhere: bytes that are no UTF-8 are marked."""
    return os.fsencode(path).decode("utf-8", "replace")


def _report(path: Path, found: MediaInfo, seen: Sequence[View], verdict: Verdict, **more: object) -> Report:
    windows = tuple((round(float(view.times[0]), 3), round(float(view.times[-1]), 3)) for view in seen)
    about = {
        "width": found.width, "height": found.height, "fps": round(found.rate, 3), "seconds": round(found.seconds, 3),
        "codec": found.codec, "oddities": found.oddities,
    }  # fmt: skip
    return Report.model_validate({"path": path_text(path), "verdict": verdict, "windows": windows} | about | more)


def _verdict(probability: float, fitted: Fusion) -> Verdict:
    if probability >= fitted.high:
        return "likely generated"
    return "likely camera" if probability <= fitted.low else "inconclusive"


def _families(
    seen: Sequence[View],
    evidence: Sequence[Sequence[Evidence]],
    rows: NDArray[np.float64],
    fitted: Fusion,
    counted: bool,
) -> tuple[Seen, ...]:
    """Each family's part, of the mean over windows, in the words of the window in which it had the most to say: one
    with something impossible, if there is one."""
    whole = fitted.parts(rows.mean(0))
    parts = [fitted.parts(row) for row in rows]
    shares = [dict(zip(fitted.names, map(float, each), strict=True)) for each in (fitted.percentiles(rows) + 1) / 2]
    told = []
    for index, family in enumerate(FAMILIES):
        weight, mean = [part[family] for part in parts], whole[family]
        strange = np.array([100.0 * bool(each[index].notes) for each in evidence])
        where = int(np.argmax(np.array(weight) * np.sign(mean or 1) + strange))
        best, view = evidence[where][index], seen[where]
        times = tuple(float(view.times[min(frame, len(view.times) - 1)]) for frame in best.frames)
        notes = tuple(note for each in evidence for note in each[index].notes)
        told.append(
            Seen(
                family=family,
                score=best.score,
                above=shares[where].get(f"{family}/{best.headline}"),
                log_odds=mean if counted else None,
                sentence=best.sentence,
                frames=times,
                notes=notes,
                window=where,
            )
        )
    return tuple(told)


def _claim(path: Path) -> str:
    """What the record in the file says, in a few words."""
    try:
        record = video.read(path, most=1).record
    except PraxinoError:
        return ""
    if "praxino" not in json.dumps(record):
        return ""
    return "the file carries a record of having been made by Praxino (anyone can write or remove one)"
