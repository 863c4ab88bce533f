"""The mark of a file of any length: looked for in all its windows together, then in each alone."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from praxino.config import Config
from praxino.errors import MediaError
from praxino.provenance import keys
from praxino.provenance.watermark import issued, payload
from praxino.provenance.watermark.carriers import carriers
from praxino.provenance.watermark.channel_code import encoded
from praxino.provenance.watermark.detect import (
    MarkDetection,
    Spectrum,
    find,
    pooled,
    received,
    residual,
    still_there,
)
from praxino.provenance.watermark.embed import Field, has_room
from praxino.storage.media.frames import iter_frames, probe
from praxino.storage.media.info import DecodeBudget, MediaInfo

WINDOWS: Final = 8
"""Parts of a film that are looked at, at most."""
WINDOW_SECONDS: Final = 3.0
"""Length of each, at most, and of a film that has one only."""
FRAMES: Final = 24
"""Looked at in each, at most."""
DECODE_BUDGET_PIXELS: Final = 4e9
"""Pixels that are decoded, at most: some 2,000 frames of 1920x1080."""
KEY_SHARES: Final = {"public": 0.8, "private": 0.2}
"""Shares of the false-positive probability: how much of it may come from the search with each key.
"""
SCAN_SHARES: Final = {"all windows together": 0.8, "each alone": 0.2}
"""Shares of a key's part: how much may come from all windows taken together, and from each by
itself.
"""
assert sum(KEY_SHARES.values()) == sum(SCAN_SHARES.values()) == 1


class Mark(Config):
    """The mark in the pixels, if one was found.

    Attributes
    ----------
    looked : bool
        Whether it was looked for: frames that are tiny or thin have no room for one.
    probability : float
        How often an unmarked file would be taken for a marked one as clearly as this
        (`detect.chance`).
    key : str
        "public": anybody can read it, and could copy it; "private": of this installation alone.
    message : str
        48 bits in hexadecimal; empty if they are lost.
    agreement : float
        Share of the received bits that agree with the message.
    recognised : bool
        Whether it was too worn to be read, and only compared with the messages of this
        installation.
    version, model, month : str
        What the message says: layout, model (a hash), year and month of making.
    stamped : bool
        Whether it declares something of a file that Praxino did not make (`provenance.stamp`).
    own : bool or None
        Whether this installation made it; None where the message does not tell.
    scale, turn, flipped : float, float, bool
        Against how it was made: size of the picture's contents in the frame, degrees, mirrored.
    seconds : str
        Where it is, if not everywhere.
    sample : str
        How much of a film was looked at, if not all: "24 of 60 s".
    """

    looked: bool = True
    found: bool = False
    probability: float = 1.0
    key: str = ""
    message: str = ""
    agreement: float = 0.0
    recognised: bool = False
    version: str = ""
    model: str = ""
    month: str = ""
    stamped: bool = False
    own: bool | None = None
    scale: float = 1.0
    turn: float = 0.0
    flipped: bool = False
    seconds: str = ""
    sample: str = ""


@dataclass(eq=False)
class Window:
    """The mean residual from one second to another, of ``count`` frames."""

    start: float
    end: float
    mean: Field
    count: int

    @functools.cached_property
    def spectrum(self) -> Spectrum:
        return Spectrum(self.mean)


def mark_of(path: Path, most: int = WINDOWS) -> Mark:
    """Look for everybody's mark and this installation's in a film or picture, in ``most`` windows
    at most.

    Raises
    ------
    MediaError
        If it cannot be read.
    """
    info = probe(path)
    parts = windows(path, info, most)
    if not parts:
        return Mark(looked=False)
    return _likeliest(parts).model_copy(update={"sample": sample(parts, info.seconds)})


def sample(parts: list[Window], seconds: float) -> str:
    """How much of a film its windows are, if they are not nearly all of it."""
    total = sum(part.end - part.start for part in parts)
    return f"{total:.0f} of {seconds:.0f} s" if total < 0.8 * seconds - 0.5 else ""


def _likeliest(parts: list[Window]) -> Mark:
    whole, ways = together(parts), keys.mark_keys()
    best, key_name = MarkDetection(1.0, 0.0), ""
    for name, key in ways.items():
        detection = in_any(parts, whole, key).among(1 / KEY_SHARES[name])
        if detection.probability < best.probability:
            best, key_name = detection, name
        if best.sure and best.message is not None:
            break
    if not best.sure:
        return Mark(probability=best.probability)
    if best.message is not None:
        return _to_mark(best, key_name, parts, ways[key_name])
    soft = received(whole.spectrum, carriers(ways[key_name]), best.place)
    like = issued.match_issued(soft, issued.issued_messages())
    if like is not None:
        best = dataclasses.replace(
            best, message=like, agreement=float(np.mean((soft < 0) == encoded(like)))
        )
    return _to_mark(best, key_name, parts, ways[key_name], recognised=like is not None)


def windows(path: Path, info: MediaInfo, most: int = WINDOWS) -> list[Window]:
    """The parts of a film that are looked at, evenly spread; whole if it is short, one for a
    picture, none if no mark has room in it. Where a file cannot be jumped into and decoding takes
    too long, the last ones are left out.
    """
    work = DecodeBudget(DECODE_BUDGET_PIXELS)
    if not has_room(info.height, info.width):
        return []
    count = max(1, min(most, math.ceil(info.seconds / WINDOW_SECONDS)))
    length = min(info.seconds / count, WINDOW_SECONDS) or math.inf
    step = (
        max(1, math.ceil(length * info.rate / FRAMES)) if info.rate and math.isfinite(length) else 1
    )
    starts = (
        [index * (info.seconds - length) / (count - 1) for index in range(count)]
        if count > 1
        else [0.0]
    )
    parts: list[Window] = []
    for start in starts:
        times, residuals = list[float](), list[Field]()
        for number, shot in enumerate(iter_frames(path, start, info, work)):
            if shot.seconds > start + length or len(times) == 4 * FRAMES:
                break
            if number % step == 0 and has_room(*shot.pixels.shape[:2]):
                # a picture that is held is shown until the next one
                times.append(min(start + length, max(start, shot.seconds + shot.duration)))
                residuals.append(residual(shot.pixels))
        # some change their size on the way
        alike = [part_ for part_ in residuals if part_.shape == residuals[0].shape]
        if alike:
            parts.append(Window(start, times[-1], pooled(alike), len(alike)))
    if not parts:
        raise MediaError(
            f"cannot read {path}: none of its frames can be decoded", "is it complete?"
        )
    return parts


def together(parts: list[Window]) -> Window:
    """The mean of all that have the first one's shape."""
    if len(parts) == 1:
        return parts[0]
    alike = [part for part in parts if part.mean.shape == parts[0].mean.shape]
    count = sum(part.count for part in alike)
    mean = np.sum([part.mean * (part.count / count) for part in alike], axis=0)
    return Window(parts[0].start, parts[-1].end, np.asarray(mean, np.float32), count)


def in_any(parts: list[Window], whole: Window, key: bytes) -> MarkDetection:
    """The likeliest mark of a key, in all windows together (``whole``) or in one alone; every try
    counted.
    """
    best = find(whole.spectrum, key).among(
        1 if len(parts) == 1 else 1 / SCAN_SHARES["all windows together"]
    )
    if best.sure or len(parts) == 1:
        return best
    for part in parts:
        detection = find(part.spectrum, key).among(len(parts) / SCAN_SHARES["each alone"])
        best = detection if detection.probability < best.probability else best
        if best.sure and best.message is not None:
            break
    return best


def _to_mark(
    detection: MarkDetection,
    key_name: str,
    parts: list[Window],
    key: bytes,
    recognised: bool = False,
) -> Mark:
    there = [part for part in parts if still_there(part.spectrum, key, detection)]
    spans = (
        ""
        if len(there) in (0, len(parts))
        else ", ".join(f"{p.start:.1f} to {p.end:.1f} s" for p in there)
    )
    content = None if detection.message is None else payload.read(detection.message)
    own = None
    if content is not None:
        signature = payload.maker(
            keys.installation(), content.model, content.month, content.version
        )
        own = signature == content.maker
    return Mark(
        found=True,
        probability=detection.probability,
        key=key_name,
        message="" if detection.message is None else f"{detection.message:012x}",
        agreement=detection.agreement,
        recognised=recognised,
        version=str(content.version) if content else "",
        model=f"{content.model:04x}" if content else "",
        month=content.date if content else "",
        stamped=content is not None and content.version == payload.STAMPED,
        own=own,
        scale=detection.scale,
        turn=detection.turn,
        flipped=detection.flipped,
        seconds=spans,
    )
