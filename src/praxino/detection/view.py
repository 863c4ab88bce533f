"""The canonical view: what every clip is brought to before anything is measured.

Rate, length, size and proportions differ between collections of real and of generated clips, and a
detector that sees them learns the collection (VidAudit, arXiv 2606.31004). So it sees sixteen
frames of a centred square at 6 to 8.5 frames a second. What resizing would wipe out is looked for
in a second square, cut out of the untouched frames.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.storage.media.frames import iter_frames, stride
from praxino.storage.media.info import DecodeBudget, MediaInfo, VideoFrame

Film = NDArray[np.uint8]
Grey = NDArray[np.float32]
SIDE: Final = 224
"""Pixels a side of the view."""
FRAMES: Final = 16
NATIVE: Final = 256
"""Pixels a side, at most, of the square that is not resized."""


def squared(frame: Film) -> Film:
    """(H, W, 3) to the centred square of 224x224."""
    height, width = frame.shape[:2]
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    cut = frame[y : y + side, x : x + side]
    if side == SIDE:
        return cut
    way = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=way), np.uint8)


def centre(frame: Film, side: int = NATIVE) -> Film:
    """The middle of (H, W, 3), at most ``side`` pixels a side, its corner on a multiple of 32:
    grids keep their phase.
    """
    height, width = frame.shape[:2]
    tall, wide = min(side, height), min(side, width)
    y, x = (height - tall) // 64 * 32, (width - wide) // 64 * 32
    return frame[y : y + tall, x : x + wide].copy()  # a view would keep the whole frame in memory


@dataclass(frozen=True, eq=False)
class Tracks:
    """Corners of the first frame, followed: ``places`` (T, N, 2), x and y in pixels, NaN from where
    one is lost on; ``error``: how much their surroundings change from frame to frame, grey levels,
    median and mean over time.
    """

    places: Grey
    error: float


@dataclass(frozen=True, eq=False)
class View:
    """One window of a clip.

    ``frames`` (T, 224, 224, 3) uint8, ``fps`` of these, ``native`` (N, h, w, 3) uint8: neighbouring
    frames of the file, not resized; ``times`` (T,) seconds in the file. What families share is
    worked out once, when first asked for.
    """

    frames: Film
    fps: float
    native: Film
    times: NDArray[np.float64]

    @cached_property
    def bytes(self) -> NDArray[np.uint8]:
        """(T, H, W) luma as bytes."""
        return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in self.frames])

    @cached_property
    def own(self) -> Grey:
        """(N, h, w), 0 to 255: luma of the file's own pixels."""
        return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in self.native]).astype(
            np.float32
        )

    @cached_property
    def luma(self) -> Grey:
        """(T, H, W), 0 to 255."""
        return self.bytes.astype(np.float32)

    @cached_property
    def colours(self) -> Grey:
        """(T, H, W, 3): luma and the two colour differences."""
        return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb) for frame in self.frames]).astype(
            np.float32
        )

    @cached_property
    def detail(self) -> Grey:
        """(T, H, W): luma without what a Gaussian of one pixel leaves: edges and noise."""
        return np.stack([frame - cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in self.luma])

    @cached_property
    def forward(self) -> Grey:
        """(T-1, H, W, 2): where each pixel goes in the next frame, x and y (DIS: Kroeger et al.,
        arXiv 1603.03590).
        """
        return self._flow(1)

    @cached_property
    def backward(self) -> Grey:
        """(T-1, H, W, 2): where each pixel of the next frame was."""
        return self._flow(-1)

    def _flow(self, way: int) -> Grey:
        library: Any = cv2  # its stub lacks the class
        dis = library.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        pairs = zip(self.bytes[:-1], self.bytes[1:], strict=True)
        return np.stack([dis.calc(*(pair[::way]), None) for pair in pairs])

    @cached_property
    def speed(self) -> Grey:
        """(T-1, H, W) pixels a frame."""
        return np.hypot(self.forward[..., 0], self.forward[..., 1])

    @cached_property
    def global_motion(self) -> NDArray[np.float64]:
        """(T-1, 3, 2): the affine map nearest to each flow: per unit of x, of y (from the middle,
        in sides), and shift.
        """
        rows, columns = np.mgrid[:SIDE:6, :SIDE:6] / SIDE - 0.5
        places = np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)], axis=1)
        return np.stack(
            [
                np.linalg.lstsq(places, f[::6, ::6].reshape(-1, 2), rcond=None)[0]
                for f in self.forward
            ]
        )

    @cached_property
    def tracks(self) -> Tracks:
        """At most 200 corners, followed forwards and, as a check, back (KLT: Shi and Tomasi, CVPR
        1994).
        """
        corners = cv2.goodFeaturesToTrack(self.bytes[0], 200, 0.01, 5)
        if corners is None:
            return Tracks(np.zeros((len(self.bytes), 0, 2), np.float32), 0.0)
        here = corners.astype(np.float32)
        alive = np.ones(len(here), bool)
        path, errors = [here[:, 0]], []
        for before, after in zip(self.bytes[:-1], self.bytes[1:], strict=True):
            there, visible, error = moved(before, after, here)
            back, again, _ = moved(after, before, there)
            alive &= visible & again & (np.linalg.norm((back - here)[:, 0], axis=1) < 0.7)
            if alive.any():
                errors.append(float(np.median(error[alive])))
            here = there
            path.append(np.where(alive[:, None], here[:, 0], np.nan))
        return Tracks(np.stack(path).astype(np.float32), float(np.mean(errors)) if errors else 0.0)

    @cached_property
    def spectra(self) -> NDArray[np.complexfloating]:
        """(T, H, W/2+1): each frame's Fourier transform, without its mean, under a Hann window."""
        level = self.luma.mean((1, 2), keepdims=True)
        window = np.hanning(SIDE)[:, None] * np.hanning(SIDE)[None]
        return np.fft.rfft2((self.luma - level) * window)

    def unexplained(self, step: int) -> Grey:
        """(H, W): grey levels between a frame and the next one that no motion explains."""
        return np.abs(self.warped(self.luma, step) - self.luma[step])

    def warped(self, pictures: Grey, step: int) -> Grey:
        """(H, W): picture ``step + 1`` fetched to where its pixels are in frame ``step``."""
        return fetch(pictures[step + 1], self.forward[step])


def moved(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points: Grey
) -> tuple[Grey, NDArray[np.bool_], Grey]:
    """Where ``points`` (N, 1, 2) of one grey frame are in the next, whether they were found (N,),
    and the error (N, 1).
    """
    lucas_kanade: Any = cv2.calcOpticalFlowPyrLK  # its stub knows no None
    there, moved_points, error = lucas_kanade(
        before, after, points, None, winSize=(15, 15), maxLevel=3
    )
    return there, moved_points[:, 0] == 1, error


def fetch(picture: Grey, flow: Grey) -> Grey:
    """(H, W[, C]) sampled where ``flow`` (H, W, 2) points to."""
    rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    across, down = columns + flow[..., 0], rows + flow[..., 1]
    return np.asarray(
        cv2.remap(picture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )


SPAN: Final = 2.8
"""Seconds that a window may take."""
MAX_WINDOW_FRAMES: Final = 400
"""Frames that it may take."""
SAME: Final = 0.02
"""Mean difference of two frames' thumbnails, of 255, below which one repeats the other."""


DECODE_BUDGET_PIXELS: Final = 5e9
"""Pixels, at most, that are decoded of one file: 2,400 frames of 1920x1080."""


def starts(info: MediaInfo, most: int = 4) -> list[float]:
    """Seconds at which a file's windows begin, evenly spread: one for every two seconds, at most
    ``most``.
    """
    length = FRAMES * stride(info.rate) / info.rate if info.rate else FRAMES / 8
    count = min(most, max(1, round(info.seconds / length)))
    return [float(start) for start in np.linspace(0, max(0.0, info.seconds - length), count)]


def views(path: Path, info: MediaInfo, most: int = 4) -> Iterator[View]:
    """The windows of a file that begin at `starts`; those without a frame, or too far from where
    the file can be jumped into, are left out.

    Raises
    ------
    MediaError
        If the file cannot be read.
    """
    budget = DecodeBudget(DECODE_BUDGET_PIXELS)
    begins = starts(info, most)
    candidates: Iterable[View | None] = (
        gathered(iter_frames(path, start, info, budget)) for start in begins if budget.left > 0
    )
    if info.codec == "picture":
        candidates = _at_once(iter_frames(path, 0.0, info, budget), begins)
    yield from (view for view in candidates if view is not None)


def _at_once(source: Iterable[VideoFrame], begins: list[float]) -> list[View | None]:
    """Windows that begin at such times, in one pass: Pillow goes from frame to frame."""
    windows = [_Window() for _ in begins]
    for shot in source:
        open_ones = [
            w.take(shot)
            for w, start in zip(windows, begins, strict=True)
            if shot.seconds >= start - 1e-3
        ]
        if len(open_ones) == len(windows) and not any(open_ones):
            break
    return [window.view() for window in windows]


def gathered(source: Iterable[VideoFrame]) -> View | None:
    """The view of the frames that come first; None if there is none.

    Repeated frames (of a conversion to a higher rate) are left out unless little moves; irregular
    times are evened out by taking the frame nearest to each tick.
    """
    window = _Window()
    for shot in source:
        if not window.take(shot):
            break
    return window.view()


class _Window:
    """Frames of a span of time, as small as they may be kept."""

    def __init__(self) -> None:
        self.squares: list[Film] = []
        self.thumbs: list[Grey] = []
        self.native: list[Film] = []
        self.times: list[float] = []

    def take(self, shot: VideoFrame) -> bool:
        """Take a frame in, unless the window is full."""
        if self.times and (
            shot.seconds - self.times[0] > SPAN or len(self.times) == MAX_WINDOW_FRAMES
        ):
            return False
        pixels = shot.pixels[::2] if shot.interlaced else shot.pixels  # one of the two fields
        # in its proportions
        self.squares.append(squared(pixels[:, ::2] if shot.interlaced else pixels))
        self.thumbs.append(
            cv2.resize(self.squares[-1], (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
        )
        if len(self.native) <= FRAMES:
            self.native.append(centre(pixels))
        self.times.append(shot.seconds)
        return True

    def view(self) -> View | None:
        """What was taken in, brought to the canonical rate."""
        if not self.times:
            return None
        native = [frame for frame in self.native if frame.shape == self.native[0].shape]
        kept = _distinct(np.stack(self.thumbs))
        clock = np.array(self.times)[kept]
        ticks, fps = _ticks(clock)
        return View(
            np.stack([self.squares[kept[i]] for i in ticks]), fps, np.stack(native), clock[ticks]
        )


def _distinct(thumbs: Grey) -> NDArray[np.intp]:
    """Indices of the frames that do not repeat the one before, or of all, if repeats are no pattern
    of a conversion.
    """
    change = np.abs(np.diff(thumbs, axis=0)).mean((1, 2, 3))
    new = np.concatenate([[True], change >= SAME])
    moving = change[change >= SAME]
    converted = len(moving) and 0.2 <= new.mean() <= 0.95 and np.median(moving) > 0.5
    return np.flatnonzero(new) if converted else np.arange(len(thumbs))


def _ticks(clock: NDArray[np.float64]) -> tuple[NDArray[np.intp], float]:
    """Which frames to take, and their rate."""
    if len(clock) < 2:
        return np.arange(len(clock)), 1.0
    gaps = np.diff(clock)
    fps = 1 / max(float(np.median(gaps)), 1e-3)
    if gaps.std() < 0.25 * gaps.mean():
        fps = (len(clock) - 1) / float(clock[-1] - clock[0])
        every = stride(fps)
        return np.arange(0, len(clock), every)[:FRAMES], fps / every
    rate = min(8.0, fps)
    ticks = np.arange(clock[0], clock[-1] + 1e-6, 1 / rate)[:FRAMES]
    return np.unique(np.abs(clock[None] - ticks[:, None]).argmin(1)), rate


def view_of(film: Film, fps: float) -> View:
    """The view of a film in memory (T, H, W, 3), as if it were a file's first window.

    Raises
    ------
    ValueError
        For a film without frames.
    """
    view = gathered(VideoFrame(index / fps, frame) for index, frame in enumerate(film))
    if view is None:
        raise ValueError("a film without frames has no view")
    return view
