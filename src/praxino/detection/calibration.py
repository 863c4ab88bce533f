"""How often answers were right: for answers like this one, and on clips like this one."""

from collections.abc import Sequence
from typing import Final

from praxino.data.conditions import Condition
from praxino.detection.fusion import SLOW, SMALL_SIDE_PIXELS, Bin, Detector, Fusion
from praxino.detection.view import View
from praxino.storage.media.info import MediaInfo

GENERATED_OF_1000: Final = 10
"""How many of a thousand clips are generated where a verdict's worth is told."""
COMPRESSED_BLOCKINESS: Final = 0.25
"""Blockiness from which a clip counts as compressed hard: the median after H.264 at CRF 35."""
KINDS: Final = {
    Condition.NATIVE: "clips as they are found",
    Condition.CRF_35: "clips compressed hard",
    Condition.GIF: "clips of 256 colours",
    Condition.HALF_RATE: "clips of few frames a second",
    Condition.HALF_SIZE: "small clips",
    Condition.CRF_28_HALF_SIZE: "small, compressed clips",
    Condition.FRAMES_12: "short clips",
    Condition.FRAMES_8: "very short clips",
}
"""Conditions that clips are told apart by, in words."""


def condition(info: MediaInfo, views: Sequence[View], blocks: float) -> Condition:
    """Which of `KINDS` a clip is most like; of several, the first of small, slow, short, coloured,
    compressed.
    """
    frames = max(len(view.frames) for view in views)
    if min(info.width, info.height) < SMALL_SIDE_PIXELS:
        return Condition.CRF_28_HALF_SIZE if blocks > COMPRESSED_BLOCKINESS else Condition.HALF_SIZE
    if views[0].fps < SLOW:
        return Condition.HALF_RATE
    if frames <= 12:
        return Condition.FRAMES_8 if frames <= 9 else Condition.FRAMES_12
    if "256 colours" in info.oddities:
        return Condition.GIF
    return Condition.CRF_35 if blocks > COMPRESSED_BLOCKINESS else Condition.NATIVE


def reliability(probability: float, fitted: Fusion, detector: Detector, like: Condition) -> str:
    """How often answers like this one, and verdicts on clips like this one, were right: on clips
    from sources and generators that were left out of the fitting.
    """
    shares = [
        f"of clips with answers from {row.low:.0%} to {row.high:.0%} (there were {row.clips}), "
        f"{generated_share(row, fitted.table):.0%} were generated, if half of all clips are"
        for row in fitted.table
        if row.low <= probability <= row.high and row.clips
    ][:1]
    shares += [
        f"of {KINDS[like]}, {stratum.definite:.0%} got a verdict, and {stratum.right:.0%} of "
        f"these were right"
        for stratum in detector.conditions
        if stratum.name == like and stratum.right is not None
    ]
    if not shares:
        return ""
    return (
        "; ".join(shares) + ": all from pages, sources and generators left out of the fitting; "
        f"{base_rate(probability, fitted)}; a generator unlike all of these may look like anything"
    )


def generated_share(row: Bin, table: Sequence[Bin]) -> float:
    """Which part of the clips in a row of the calibration table would be generated, if half of all
    clips were; 0.5 for a row without clips.
    """
    generated = sum(one.generated for one in table)
    camera = sum(one.clips for one in table) - generated
    hits = row.generated / max(1, generated)
    others = (row.clips - row.generated) / max(1, camera)
    return hits / (hits + others) if row.clips else 0.5


def base_rate(probability: float, fitted: Fusion) -> str:
    """What such a verdict is worth where few clips are generated: by the shares of camera and of
    generated clips with such answers, leaving out.
    """
    generated = sum(row.generated for row in fitted.table)
    camera = sum(row.clips for row in fitted.table) - generated
    if probability >= fitted.high:
        alike = [row for row in fitted.table if row.low + row.high >= 2 * fitted.high]
        verdict, right = "generated", "of them generated"
    elif probability <= fitted.low:
        alike = [row for row in fitted.table if row.low + row.high <= 2 * fitted.low]
        verdict, right = "camera", "of them generated after all"
    else:
        middle = (2 * fitted.low, 2 * fitted.high)
        alike = [row for row in fitted.table if middle[0] < row.low + row.high < middle[1]]
        verdict, right = "inconclusive", "of them generated"
    hits = GENERATED_OF_1000 * sum(row.generated for row in alike) / max(1, generated)
    others = sum(row.clips - row.generated for row in alike) / max(1, camera)
    others *= 1000 - GENERATED_OF_1000
    return (
        f"of 1,000 clips of which {GENERATED_OF_1000} are generated, about {hits + others:.0f} "
        f"would be called {verdict}, {hits:.0f} {right}"
    )
