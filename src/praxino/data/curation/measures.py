"""One pass over a film: its shots, and scores of each of them.

Nothing is decided here. What a shot is worth is told from all shots together
(`data.curation.decide`), and can be told again with other thresholds without a pixel being decoded.
"""

import base64
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from praxino.config import Config
from praxino.data.curation.hashes import FRAMES, image_hash
from praxino.data.curation.shots import ANALYSED_WIDTH, Border, Shot, ShotDetector
from praxino.errors import MediaError
from praxino.storage.media.frames import probe
from praxino.storage.media.scan import ScannedFrame, scan

LOOKS_A_SECOND: Final = 4.0
"""Frames a second that are looked at for more than their shots."""
SHARP_HEIGHT: Final = 240
"""Rows of the picture whose sharpness is measured."""
FROZEN: Final = 0.5
"""Grey levels by which a frame differs from the one before, below which it may repeat it."""
OF_USUAL: Final = 0.2
"""Part of a shot's usual change, below which it is: encoders change what is repeated a little."""
REPEATED: Final = 0.02
"""Grey levels, below which a frame is the same again whatever is usual."""
DARK: Final = 24
"""Grey level that bars never reach."""
MAX_BAR: Final = 0.4
"""Part of a side that may be a bar: more is a dark picture."""
FEW: Final = 0.03
"""Part of the looks that may reach into bars, as titles do."""
LOGO_SIDE: Final = 96
"""Pixels across of the picture in which logos are looked for."""
LOGO_EDGE: Final = 24.0
"""Gradient of a logo at least, in grey levels."""
LEAST_CHANGE: Final = 3.0
"""Spread of grey levels over time, below which nothing stands out by standing still."""
STEADY_CAMERA: Final = 0.5
"""Part of a frame's edges that stand still, from which on it is the camera that does."""
LOGO_STILL: Final = 0.25
"""Change of a logo over time at most, of the median place's."""
CORNER: Final = 0.3
"""Part of width and height that a corner is, in which logos stand."""
TEXT_HEIGHT: Final = 360
"""Rows of the picture in which text is looked for."""
THUMBNAIL_PIXELS: Final = 112
"""Larger side of a shot's picture in a report."""


class ShotRow(Config):
    """What one shot measures.

    Attributes
    ----------
    start, end : float
        Seconds from the film's beginning.
    frames : int
    before, after : str
        What lies there: "end", "cut", "dissolve", "fade".
    motion : float
        Mean length of motion vectors, of width and height together, by the encoder; estimated
        where it gives none.
    frozen : float
        Part of the frames that repeat the one before.
    sharpness : float
        Variance of the Laplacian, the median over looks.
    luma, contrast : float
        Mean of brightness and its spread within a frame, in grey levels.
    logo : float
        Part of the corners that stands still with sharp edges while the rest moves.
    text : float, optional
        Part of the picture that looks like writing, where that is asked for.
    generated : float, optional
        Probability that a generator made it, where that is asked for.
    hashes, mirrored : tuple of str
        Fingerprints of some frames, hexadecimal.
    thumbnail : str
        A small JPEG of its middle, base64.
    """

    start: float
    end: float
    frames: int
    before: Border
    after: Border
    motion: float = 0.0
    frozen: float = 0.0
    sharpness: float = 0.0
    luma: float = 0.0
    contrast: float = 0.0
    logo: float = 0.0
    text: float | None = None
    generated: float | None = None
    hashes: tuple[str, ...] = Field((), strict=False)
    mirrored: tuple[str, ...] = Field((), strict=False)
    thumbnail: str = ""


class SourceRow(Config):
    """What one film measures.

    Attributes
    ----------
    source : str
        Its path below the folder of footage.
    problem : str
        Why nothing is known of it; "" where something is.
    pixel_aspect : float
        Width over height of a pixel.
    bars : (int, int, int, int)
        Columns and rows without a picture: left, top, right, bottom, in pixels.
    """

    source: str
    problem: str = ""
    seconds: float = 0.0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    codec: str = ""
    pixel_aspect: float = 1.0
    bars: tuple[int, int, int, int] = Field((0, 0, 0, 0), strict=False)
    shots: tuple[ShotRow, ...] = Field((), strict=False)


@dataclass(eq=False)
class _Look:
    """What is kept of a frame that is looked at more closely."""

    frame: int
    grey: NDArray[np.uint8]
    small: NDArray[np.uint8]
    sharpness: float
    luma: float
    contrast: float
    text: float | None


@dataclass(eq=False)
class _Scan:
    """What a pass over a film collects."""

    text: bool
    detector: ShotDetector = field(default_factory=ShotDetector)
    seconds: list[float] = field(default_factory=list)
    motion: list[float | None] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    looks: list[_Look] = field(default_factory=list)
    sides: list[tuple[int, int, int, int]] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    _before: NDArray[np.int16] | None = None

    def add(self, frame: ScannedFrame) -> None:
        self.detector.add(frame.small)
        grey = frame.small.mean(2).astype(np.int16)
        same = self._before is not None and self._before.shape == grey.shape
        self.changes.append(float(np.abs(grey - self._before).mean()) if same else np.inf)
        self._before = grey
        self.seconds.append(frame.seconds)
        self.motion.append(frame.motion)
        if not self.looks or frame.seconds - self.seconds[self.looks[-1].frame] >= (
            1 / LOOKS_A_SECOND
        ):
            self.looks.append(_look(len(self.seconds) - 1, frame, self.text))
            self.size = (frame.luma.shape[0], frame.luma.shape[1])
            self.sides.extend(_dark_sides(frame.luma))


def measure(path: Path, source: str, text: bool = False) -> SourceRow:
    """All shots of a film and their scores; what cannot be read is a row that says why.

    Parameters
    ----------
    source : str
        What the row calls it.
    text : bool
        Whether to look for writing, which takes as long as all else.
    """
    try:
        info = probe(path)
        if info.codec == "picture":
            return SourceRow(source=source, problem="it is a picture")
        collected = _Scan(text)
        for frame in scan(path, info, ANALYSED_WIDTH):
            collected.add(frame)
    except MediaError as error:
        return SourceRow(source=source, problem=str(error))
    if not collected.seconds:
        return SourceRow(source=source, problem="it has no frames")
    height, width = collected.size
    rate = info.rate or len(collected.seconds) / max(collected.seconds[-1], 1e-3)
    shots = collected.detector.shots()
    return SourceRow(
        source=source,
        seconds=round(collected.seconds[-1] + 1 / rate, 3),
        fps=round(rate, 3),
        width=width,
        height=height,
        codec=info.codec,
        pixel_aspect=round(info.pixel_aspect, 4),
        bars=_bars(collected),
        shots=tuple(_scored(collected, shot, rate) for shot in shots),
    )


def _look(number: int, frame: ScannedFrame, text: bool) -> _Look:
    luma = frame.luma
    scale = SHARP_HEIGHT / luma.shape[0]
    size = (max(8, round(luma.shape[1] * scale)), SHARP_HEIGHT)
    middle = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    return _Look(
        number,
        np.asarray(
            cv2.resize(middle, (LOGO_SIDE, LOGO_SIDE), interpolation=cv2.INTER_AREA), np.uint8
        ),
        frame.small,
        float(cv2.Laplacian(middle, cv2.CV_32F).var()),
        float(middle.mean()),
        float(middle.std()),
        text_share(luma) if text else None,
    )


def _scored(scan_: _Scan, shot: Shot, rate: float) -> ShotRow:
    looks = [look for look in scan_.looks if shot.first <= look.frame < shot.end]
    inside = slice(shot.first, shot.end)
    changes = np.array(scan_.changes[shot.first + 1 : shot.end])
    greys = [look.grey for look in looks]
    texts = [look.text for look in looks if look.text is not None]
    hashed = [greys[i] for i in _spread(len(greys), FRAMES)]
    mean = lambda values: float(np.mean(list(values))) if looks else 0.0  # noqa: E731
    end = (
        scan_.seconds[shot.end] if shot.end < len(scan_.seconds) else (scan_.seconds[-1] + 1 / rate)
    )
    return ShotRow(
        start=round(scan_.seconds[shot.first], 4),
        end=round(end, 4),
        frames=shot.end - shot.first,
        before=shot.before,
        after=shot.after,
        motion=round(_motion(scan_.motion[inside], greys), 6),
        frozen=round(_frozen(changes), 4),
        sharpness=round(float(np.median([look.sharpness for look in looks])), 2) if looks else 0.0,
        luma=round(mean(look.luma for look in looks), 2),
        contrast=round(mean(look.contrast for look in looks), 2),
        logo=round(logo_share(greys), 4),
        text=round(float(np.mean(texts)), 4) if texts else None,
        hashes=tuple(f"{image_hash(grey):016x}" for grey in hashed),
        mirrored=tuple(f"{image_hash(grey[:, ::-1]):016x}" for grey in hashed),
        thumbnail=_thumbnail(looks[len(looks) // 2].small) if looks else "",
    )


def _frozen(changes: NDArray[np.float64]) -> float:
    """Part of the frames that repeat the one before, by the change to each."""
    if not len(changes):
        return 0.0
    usual = np.quantile(changes, 0.75)
    again = (changes < REPEATED) | ((changes < FROZEN) & (changes < OF_USUAL * usual))
    return float(again.mean())


def _spread(count: int, most: int) -> list[int]:
    """``most`` of ``count`` places, evenly, or all of them."""
    if count <= most:
        return list(range(count))
    return [int((i + 0.5) * count / most) for i in range(most)]


def _motion(vectors: Sequence[float | None], greys: Sequence[NDArray[np.uint8]]) -> float:
    """Mean motion of a shot; by optical flow between looks, where its encoder gives none."""
    encoded = [vector for vector in vectors if vector is not None]
    if len(encoded) >= 2:
        return float(np.mean(encoded))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    lengths = []
    for before, after in itertools.pairwise(greys):
        moved = np.asarray(flow.calc(before, after, None))  # type: ignore[call-overload]
        lengths.append(np.hypot(moved[..., 0], moved[..., 1]).mean())
    frames_between = max(1.0, len(vectors) / max(1, len(greys)))
    return float(np.mean(lengths)) / (2 * LOGO_SIDE) / frames_between if lengths else 0.0


def _dark_sides(luma: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Columns and rows at the sides of a frame that are dark: left, top, right, bottom; nothing of
    a frame that is dark all over.
    """
    sides = []
    for bright in (luma.max(0), luma.max(1)):
        lit = np.flatnonzero(bright >= DARK)
        if not len(lit):
            return []
        sides.append((int(lit[0]), int(len(bright) - 1 - lit[-1])))
    (left, right), (top, bottom) = sides
    return [(left, top, right, bottom)]


def _bars(scan_: _Scan) -> tuple[int, int, int, int]:
    """Sides that are dark in nearly all looks: left, top, right, bottom."""
    if not scan_.sides:
        return (0, 0, 0, 0)
    height, width = scan_.size
    least = np.quantile(np.array(scan_.sides), FEW, axis=0, method="lower").astype(int).tolist()
    left, top, right, bottom = (
        side if side <= MAX_BAR * whole else 0
        for side, whole in zip(least, (width, height, width, height), strict=True)
    )
    return left, top, right, bottom


def logo_share(greys: Sequence[NDArray[np.uint8]]) -> float:
    """Part of the corners in which edges stand still though the picture moves; of looks
    (N, S, S).
    """
    if len(greys) < 3:
        return 0.0
    film = np.stack(greys).astype(np.float32)
    change = film.std(0)
    typical = float(np.median(change))
    if typical < LEAST_CHANGE:
        return 0.0
    steps = [cv2.spatialGradient(grey, ksize=3) for grey in greys]
    sharp = np.stack([np.hypot(across, down) / 4 for across, down in steps])
    still = (sharp.mean(0) > LOGO_EDGE) & (change < LOGO_STILL * typical)
    if still.sum() > STEADY_CAMERA * (sharp > LOGO_EDGE).sum() / len(sharp):
        return 0.0
    part = int(CORNER * len(change))
    ends = (slice(0, part), slice(-part, None))
    return float(max(still[rows, columns].mean() for rows in ends for columns in ends))


def text_share(luma: NDArray[np.uint8]) -> float:
    """Part of a picture (H, W) in which strokes follow one another closely along a line, as writing
    does: gradients, closed along rows, of the shape of words.
    """
    scale = TEXT_HEIGHT / luma.shape[0]
    size = (max(8, round(luma.shape[1] * scale)), TEXT_HEIGHT)
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    strokes = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, kernel)
    _, strong = cv2.threshold(strokes, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    strong[strokes < 60] = 0
    line = cv2.getStructuringElement(cv2.MORPH_RECT, (11, 1))
    joined = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, line)
    area = 0
    for contour in cv2.findContours(joined, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]:
        x, y, width, height = cv2.boundingRect(contour)
        filled = (joined[y : y + height, x : x + width] > 0).mean()
        if 8 <= height <= TEXT_HEIGHT // 5 and width > 1.5 * height and filled > 0.55:
            area += width * height
    return area / small.size


def _thumbnail(small: NDArray[np.uint8]) -> str:
    scale = THUMBNAIL_PIXELS / max(small.shape[:2])
    size = (max(2, round(small.shape[1] * scale)), max(2, round(small.shape[0] * scale)))
    picture = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    _, code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])
    return base64.b64encode(code.tobytes()).decode()


def padded_hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Fingerprints of a row as `FRAMES` numbers, the last one repeated."""
    numbers = [int(text, 16) for text in texts]
    return np.array((numbers + numbers[-1:] * FRAMES)[:FRAMES], np.uint64)
