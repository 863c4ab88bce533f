"""From a file to its answer: a probability, a verdict or none, and what each family found.

Everything here takes a path and gives back plain values, so that a folder, a pool of processes or a
cluster maps it as it is.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from praxino.detection import frequency, fusion, latent, patches, physics, temporal
from praxino.detection.calibration import condition, reliability
from praxino.detection.decoder_grid import Traces, decoder_grid
from praxino.detection.evidence import FAMILIES, SCORED, Evidence, Measures
from praxino.detection.fusion import Detector, Fusion, sigmoid
from praxino.detection.report import FamilyFinding, Report, Verdict, path_text
from praxino.detection.sufficiency import MIN_FRAMES, blockiness, missing_evidence
from praxino.detection.view import View, starts, views
from praxino.detection.weights import DETECTOR
from praxino.errors import CheckpointError, PraxinoError
from praxino.storage.media import frames
from praxino.storage.media.frames import probe
from praxino.storage.media.info import MediaInfo

EVIDENCE: Final[dict[str, Callable[[View], Evidence]]] = {
    "temporal": temporal.evidence,
    "physics": physics.evidence,
    "frequency": frequency.evidence,
    "latent": latent.evidence,
    "patches": patches.evidence,
}
"""Everything that a family says of a view of at least four frames."""
MEASURES: Final[dict[str, Callable[[View], Measures | dict[str, float]]]] = {
    "temporal": temporal.measures,
    "physics": physics.measures,
    "frequency": frequency.measures,
    "latent": latent.measures,
    "patches": patches.measures,
}
"""Its numbers alone."""


def collect_evidence(view: View) -> tuple[Evidence, ...]:
    """All families' evidence of one view of at least four frames."""
    return tuple(family(view) for family in EVIDENCE.values())


@dataclass(frozen=True, eq=False)
class Examination:
    """A report with what it was drawn from: the views and, for each, the five families' evidence;
    and what the first frames left.
    """

    report: Report
    views: tuple[View, ...] = ()
    evidence: tuple[tuple[Evidence, ...], ...] = ()
    traces: Traces | None = None


@functools.cache
def bundled_detector() -> Detector:
    """The fusions that come with the package."""
    path = DETECTOR / "fusion.json"
    try:
        return Detector.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: {' '.join(str(error).split())[:120]}", "install praxino again"
        ) from None


@functools.cache
def edition() -> str:
    """Changes with the detector: with the package's version and the fusions."""
    fitted = (DETECTOR / "fusion.json").read_bytes()
    return hashlib.sha256(version("praxino").encode() + fitted).hexdigest()[:12]


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
    """`detect`, with the views and evidence that a page is drawn from; so many windows are looked
    at side by side.
    """
    path, detector = Path(path), detector or bundled_detector()
    info = probe(path)
    with ThreadPoolExecutor(threads) as pool:
        gridded = pool.submit(decoder_grid, path, info)
        windows = tuple(views(path, info))
        grid, traces = gridded.result()
    if len(windows) < len(starts(info)):
        info = replace(
            info,
            oddities=(
                *info.oddities,
                f"{len(windows)} of {len(starts(info))} windows could be read",
            ),
        )
    most = max((len(view.frames) for view in windows), default=0)
    long_enough = tuple(
        view for view in windows if len(view.frames) >= min(MIN_FRAMES, max(most, 4))
    )
    if not long_enough:
        reason = (
            f"too short: {most} of {MIN_FRAMES} frames that are needed: nothing can be said of "
            f"how it moves"
        )
        return Examination(_report(path, info, windows, "inconclusive", reasons=(reason,)), windows)
    with ThreadPoolExecutor(threads) as pool:
        evidence = tuple(pool.map(collect_evidence, long_enough))
    fitted = detector.of(
        min(info.width, info.height), float(np.median([view.fps for view in long_enough]))
    )
    rows = np.array([[fusion.row(parts)[name] for name in fitted.names] for parts in evidence])
    blocks = float(np.mean([blockiness(view) for view in long_enough]))
    reasons = missing_evidence(info, long_enough, blocks)
    probability: float | None = None
    verdict: Verdict = "inconclusive"
    how_sure = ""
    if not reasons:
        probability = float(sigmoid(fitted.logits(rows.mean(0, keepdims=True)))[0])
        verdict = _verdict(probability, fitted)
        how_sure = reliability(probability, fitted, detector, condition(info, long_enough, blocks))
        reasons = ("the evidence points both ways",) if verdict == "inconclusive" else ()
    report = _report(
        path, info, long_enough, verdict,
        probability=probability,
        base=None if probability is None else fitted.base,
        reasons=reasons,
        reliability=how_sure,
        families=_families(long_enough, evidence, rows, fitted, probability is not None),
        grid=grid,
        says=_claim(path),
    )  # fmt: skip
    return Examination(report, long_enough, evidence, traces)


def _report(
    path: Path, info: MediaInfo, window_views: Sequence[View], verdict: Verdict, **more: object
) -> Report:
    windows = tuple(
        (round(float(view.times[0]), 3), round(float(view.times[-1]), 3)) for view in window_views
    )
    about = {
        "width": info.width,
        "height": info.height,
        "fps": round(info.rate, 3),
        "seconds": round(info.seconds, 3),
        "codec": info.codec,
        "oddities": info.oddities,
    }
    return Report.model_validate(
        {"path": path_text(path), "verdict": verdict, "windows": windows} | about | more
    )


def _verdict(probability: float, fitted: Fusion) -> Verdict:
    if probability >= fitted.high:
        return "likely generated"
    return "likely camera" if probability <= fitted.low else "inconclusive"


def _families(
    windows: Sequence[View],
    evidence: Sequence[Sequence[Evidence]],
    rows: NDArray[np.float64],
    fitted: Fusion,
    counted: bool,
) -> tuple[FamilyFinding, ...]:
    """Each family's part, of the mean over windows, in the words of the window in which it had the
    most to say: one with something impossible, if there is one.
    """
    whole = fitted.parts(rows.mean(0))
    parts = [fitted.parts(row) for row in rows]
    shares = [
        dict(zip(fitted.names, map(float, shares_of), strict=True))
        for shares_of in (fitted.percentiles(rows) + 1) / 2
    ]
    findings = []
    for index, family in enumerate(FAMILIES):
        weight, mean = [part[family] for part in parts], whole[family]
        strange = np.array([100.0 * bool(parts_[index].notes) for parts_ in evidence])
        where = int(np.argmax(np.array(weight) * np.sign(mean or 1) + strange))
        best, view = evidence[where][index], windows[where]
        times = tuple(float(view.times[min(frame, len(view.times) - 1)]) for frame in best.frames)
        notes = tuple(note for parts_ in evidence for note in parts_[index].notes)
        findings.append(
            FamilyFinding(
                family=family,
                score=best.score,
                above=shares[where].get(f"{family}/{best.headline}"),
                log_odds=mean if counted and family in SCORED else None,
                sentence=best.sentence,
                frames=times,
                notes=notes,
                window=where,
            )
        )
    return tuple(findings)


def _claim(path: Path) -> str:
    """What the record in the file says, in a few words."""
    try:
        record = frames.read_video(path, most=1).record
    except PraxinoError:
        return ""
    if "praxino" not in json.dumps(record):
        return ""
    return (
        "the file carries a record of having been made by Praxino (anyone can write or remove one)"
    )
