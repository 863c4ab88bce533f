"""Which shots become clips: rules over all of them together, and no pixels.

Each clip that is left out is counted for the first rule that it breaks, in the order of `RULES`.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from pydantic import Field, model_validator

from praxino.config import Config
from praxino.data.curation.hashes import same_shots
from praxino.data.curation.measures import ShotRow, SourceRow, padded_hashes
from praxino.data.curation.sources import Source
from praxino.data.curation.units import digest

ALMOST_SQUARE: Final = 1.02
"""Width over height of pixels, or the reverse, up to which they count as square."""
SEEN: Final = 1e-3
"""Seconds shorter than which nothing is a stretch."""


class Rules(Config):
    """What a clip must be.

    Shares named ``..._low`` leave out so many of those that are left at that point.
    """

    least_seconds: float = Field(1.0, gt=0, description="shorter clips are left out")
    most_seconds: float = Field(10.0, gt=0, description="longer shots are cut into even parts")
    trim: float = Field(0.2, ge=0, description="seconds left off at ends of shots")
    least_side: int = Field(128, ge=16, description="pixels of the shorter side, without bars")
    frozen: float = Field(0.25, ge=0, le=1, description="part of frames that repeat, at most")
    darkest: float = Field(16.0, ge=0, le=255, description="mean grey level, at least")
    brightest: float = Field(240.0, ge=0, le=255, description="mean grey level, at most")
    contrast: float = Field(8.0, ge=0, description="spread of grey levels, at least")
    logo: float = Field(0.03, ge=0, le=1, description="part of a corner that stands still, at most")
    text: float = Field(0.1, ge=0, le=1, description="part that looks like writing, at most")
    generated: float = Field(
        0.95, ge=0, le=1, description="probability that a generator made it, at most"
    )
    motion_low: float = Field(0.05, ge=0, lt=1, description="part with the least motion")
    motion_high: float = Field(0.02, ge=0, lt=1, description="part with the most motion")
    sharpness_low: float = Field(0.05, ge=0, lt=1, description="part with the least sharpness")
    duplicate_bits: float = Field(
        14.0, ge=0, le=32, description="bits of 64 up to which shots are the same; 0: never"
    )

    per_source: int = Field(0, ge=0, description="clips of one film, at most; 0: all")
    per_folder: int = Field(0, ge=0, description="clips of one folder, at most; 0: all")
    balance: float = Field(
        0.0, ge=0, description="clips of one folder, at most, in parts of the median one's; 0: all"
    )

    @model_validator(mode="after")
    def _lengths_fit(self) -> "Rules":
        if self.most_seconds < self.least_seconds:
            raise ValueError(f"most_seconds {self.most_seconds:g} is below least_seconds")
        return self


@dataclass(frozen=True)
class Clip:
    """A stretch of a shot, and what is decided about it.

    Attributes
    ----------
    id : str
    source : Source
    start, end : float
        Seconds of the film.
    shot : ShotRow
    size : (int, int)
        Width and height without bars, in square pixels.
    crop : (int, int, int, int)
        Bars: left, top, right, bottom.
    reason : str
        The rule that leaves it out; "" for one that is kept.
    same_as : str
        The clip of which it is a duplicate.
    """

    id: str
    source: Source
    start: float
    end: float
    shot: ShotRow
    size: tuple[int, int]
    crop: tuple[int, int, int, int]
    caption: str = ""
    reason: str = ""
    same_as: str = ""

    @property
    def seconds(self) -> float:
        return self.end - self.start


def square_size(width: float, height: float, aspect: float) -> tuple[float, float]:
    """Width and height of a picture with square pixels: what is too long becomes shorter.

    Parameters
    ----------
    aspect : float
        Width over height of a pixel; near 1 it is 1.
    """
    if max(aspect, 1 / aspect) <= ALMOST_SQUARE:
        return width, height
    return (width, height / aspect) if aspect > 1 else (width * aspect, height)


def candidates(rows: Iterable[tuple[Source, SourceRow]], rules: Rules) -> Iterator[Clip]:
    """The clips that shots and wanted spans make, before any is left out."""
    for source, row in rows:
        left, top, right, bottom = row.bars
        width, height = row.width - left - right, row.height - top - bottom
        wide, high = square_size(width, height, row.pixel_aspect)
        size = round(wide), round(high)
        for shot in row.shots:
            first = shot.start + (rules.trim if shot.before != "end" else 0.0)
            last = shot.end - (rules.trim if shot.after != "end" else 0.0)
            for span in source.spans:
                start, end = max(first, span.start), min(last, span.end)
                if end - start < SEEN:
                    continue
                parts = max(1, math.ceil((end - start) / rules.most_seconds - 1e-9))
                for part in range(parts):
                    low, high = (start + (end - start) * k / parts for k in (part, part + 1))
                    low, high = round(low, 4), round(high, 4)
                    # a film that is replaced by another of its name makes other clips
                    id_ = digest((source.name, f"{low:.4f}", f"{high:.4f}", *shot.hashes))
                    yield Clip(id_, source, low, high, shot, size, row.bars, span.caption)


Test = Callable[[Clip], bool]


def _absolute(rules: Rules) -> dict[str, Test]:
    """Rules that look at one clip alone: whether it is left out."""
    over = lambda value, most: value is not None and value > most  # noqa: E731
    return {
        "least_seconds": lambda clip: clip.seconds < rules.least_seconds - SEEN,
        "least_side": lambda clip: min(clip.size) < rules.least_side,
        "darkest": lambda clip: clip.shot.luma < rules.darkest,
        "brightest": lambda clip: clip.shot.luma > rules.brightest,
        "contrast": lambda clip: clip.shot.contrast < rules.contrast,
        "frozen": lambda clip: clip.shot.frozen > rules.frozen,
        "logo": lambda clip: clip.shot.logo > rules.logo,
        "text": lambda clip: over(clip.shot.text, rules.text),
        "generated": lambda clip: over(clip.shot.generated, rules.generated),
    }


SHARES: Final[dict[str, Callable[[Clip], float]]] = {
    "motion_low": lambda clip: clip.shot.motion,
    "motion_high": lambda clip: -clip.shot.motion,
    "sharpness_low": lambda clip: clip.shot.sharpness,
}
"""Rules that leave out a share: what they look at, the least of which goes."""
RULES: Final = (
    *_absolute(Rules()),
    *SHARES,
    "duplicate_bits",
    "per_source",
    "per_folder",
    "balance",
)
"""Names of the rules that leave clips out, in their order."""
MEASURES: Final[dict[str, Callable[[Clip], float | None]]] = {
    "seconds": lambda clip: clip.seconds,
    "side": lambda clip: float(min(clip.size)),
    "motion": lambda clip: clip.shot.motion,
    "sharpness": lambda clip: clip.shot.sharpness,
    "luma": lambda clip: clip.shot.luma,
    "contrast": lambda clip: clip.shot.contrast,
    "frozen": lambda clip: clip.shot.frozen,
    "logo": lambda clip: clip.shot.logo,
    "text": lambda clip: clip.shot.text,
    "generated": lambda clip: clip.shot.generated,
}
"""What a report draws."""


def decide(clips: Sequence[Clip], rules: Rules) -> list[Clip]:
    """All clips, each with the rule that leaves it out, if one does."""
    result = {clip.id: clip for clip in clips}
    left = list(result.values())
    for name, breaks in _absolute(rules).items():
        left = _without(result, left, name, [clip for clip in left if breaks(clip)])
    for name, value in SHARES.items():
        count = int(getattr(rules, name) * len(left))
        ordered = sorted(left, key=lambda clip: (value(clip), clip.id))
        left = _without(result, left, name, ordered[:count])
    if rules.duplicate_bits:
        left = _without(result, left, "duplicate_bits", *_duplicates(left, rules.duplicate_bits))
    for name, group in (("per_source", _film), ("per_folder", _folder)):
        if most := getattr(rules, name):
            left = _without(result, left, name, _beyond(left, group, most))
    if rules.balance and left:
        sizes = Counter(_folder(clip) for clip in left).values()
        most = math.ceil(rules.balance * statistics.median(sizes))
        left = _without(result, left, "balance", _beyond(left, _folder, most))
    return list(result.values())


def _film(clip: Clip) -> str:
    return clip.source.name


def _folder(clip: Clip) -> str:
    """The folder of footage that a clip lies in; "" for one that lies in none."""
    return clip.source.name.rpartition("/")[0].partition("/")[0]


def _without(
    result: dict[str, Clip],
    left: Sequence[Clip],
    reason: str,
    gone: Sequence[Clip],
    same_as: Mapping[str, str] | None = None,
) -> list[Clip]:
    for clip in gone:
        same = (same_as or {}).get(clip.id, "")
        result[clip.id] = replace(result[clip.id], reason=reason, same_as=same)
    ids = {clip.id for clip in gone}
    return [clip for clip in left if clip.id not in ids]


def _duplicates(clips: Sequence[Clip], bits: float) -> tuple[list[Clip], dict[str, str]]:
    """Clips whose shot is another one's again, of which the largest and sharpest stays."""
    shots: dict[tuple[str, float], list[Clip]] = defaultdict(list)
    for clip in clips:
        shots[clip.source.name, clip.shot.start].append(clip)
    ordered = sorted(
        shots.values(),
        key=lambda group: (-min(group[0].size), -group[0].shot.sharpness, group[0].id),
    )
    able = [group for group in ordered if group[0].shot.hashes]
    if not able:
        return [], {}
    hashes, mirrored = (
        np.stack([padded_hashes(getattr(group[0].shot, name)) for group in able])
        for name in ("hashes", "mirrored")
    )
    first = same_shots(hashes, mirrored, bits)
    gone = [clip for number, group in enumerate(able) if first[number] != number for clip in group]
    same = {
        clip.id: able[first[number]][0].id
        for number, group in enumerate(able)
        if first[number] != number
        for clip in group
    }
    return gone, same


def _beyond(clips: Sequence[Clip], group: Callable[[Clip], str], most: int) -> list[Clip]:
    """Clips beyond ``most`` of a group, chosen by their ids, which are as good as chance."""
    members: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        members[group(clip)].append(clip)
    return [clip for own in members.values() for clip in sorted(own, key=lambda c: c.id)[most:]]


def counts(clips: Iterable[Clip]) -> dict[str, int]:
    """How many clips each rule left out, and how many are kept (""), by its name."""
    total = Counter(clip.reason for clip in clips)
    return {name: total[name] for name in ("", *RULES) if total[name]}


def kept_at(clips: Sequence[Clip], rules: Rules, name: str, values: Iterable[Any]) -> list[int]:
    """How many clips would be kept with other values of one rule, the others as they are.

    Duplicates are looked for only where their own rule is the one that changes: that takes longer
    than all the others.
    """
    kept = []
    for value in values:
        changed = rules.model_copy(update={"duplicate_bits": 0.0, name: value})
        again = decide([replace(clip, reason="", same_as="") for clip in clips], changed)
        kept.append(sum(not clip.reason for clip in again))
    return kept


def quantiles(values: Sequence[float], count: int = 9) -> list[float]:
    """Evenly spaced quantiles of values, from the least to the largest."""
    return np.quantile(np.array(values), np.linspace(0, 1, count)).tolist() if values else []
