"""The mark read back, without the film as it was: where it is, how sure that is, and what it says.

How sure: the waves' phases come from the key by chance. For any given picture that was made without
it, how much of it lies along those phases by chance is known, whatever the picture (`chance`);
times the number of places where the mark is looked for, that is the false-positive probability.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.provenance.watermark.carriers import (
    FINDING,
    MIN_TILE_PIXELS,
    TILES,
    Carriers,
    Numbers,
    Waves,
    carriers,
)
from praxino.provenance.watermark.channel_code import decoded, encoded
from praxino.provenance.watermark.embed import SIDE, Field, Film, has_room, luma, working_size

MAX_FALSE_POSITIVE_RATE: Final = 1e-6
"""False-positive probability up to which a mark counts as found."""
SPECTRUM_OVERSAMPLING: Final = 3
"""How many times finer than the frame's own resolution its spectrum is sampled, at least."""
SHIFTS_PER_SIDE: Final = 40
"""Places along each side of a tile where its beginning is looked for."""
MAX_WAVE_MAGNITUDE: Final = 2.0
"""Times the median: magnitudes of waves count up to there."""
LIKELY_STRENGTH: Final = 3.0
"""Strength, at one place, that one unmarked part in a hundred reaches at most."""
MAX_SADDLEPOINT_TILT: Final = 60.0
"""Tilt of the distribution at which `chance` stops: nearer to what is possible at all, it makes no
difference.
"""
MAX_TURN_RADIANS: Final = math.radians(8)
"""How far a film may be turned, besides by quarters."""
MAX_EDGE_PHASE_RADIANS: Final = 0.8
"""Radians by which a middling wave may be off at the frame's edge, at most, beside the nearest
place tried.
"""
MIDDLE_WAVE_CYCLES: Final = 8.0
"""Cycles a tile of such a wave."""
MAX_ASPECT_SEARCHED: Final = 4
"""Times a frame's shorter side: beyond that, longer frames are not searched more closely."""

Places = NDArray[np.float64]
"""(N, 2, 2): what takes a wave's cycles a tile (down, across) to cycles a sample."""


@dataclass(frozen=True)
class MarkDetection:
    """What was found at the likeliest place.

    Attributes
    ----------
    probability : float
        How often a film without the mark looks like this, all places tried taken together.
    strength : float
        How far along the phases it lies, in standard deviations of what chance does; some 12 in a
        film as it was made.
    message : int or None
        Its 48 bits; None where they are lost.
    agreement : float
        Share of the code's bits that agree with the message, 0 without one.
    scale : float
        Of the film, against how it was made: above 1 where it was cut and then shown as large as
        before.
    turn : float
        Degrees.
    flipped : bool
        Whether left and right were exchanged.
    place : tuple of float
        Where it was found, for `still_there`.
    """

    probability: float
    strength: float
    message: int | None = None
    agreement: float = 0.0
    scale: float = 1.0
    turn: float = 0.0
    flipped: bool = False
    place: tuple[float, ...] = ()

    @property
    def sure(self) -> bool:
        return self.probability <= MAX_FALSE_POSITIVE_RATE

    def among(self, tries: float) -> "MarkDetection":
        """The best of so many tries: as many times likelier by chance."""
        return dataclasses.replace(self, probability=min(1.0, self.probability * tries))


def residual(frame: Film) -> Field:
    """What is left of a frame (H, W, 3) when its edges and areas are taken off; even in strength,
    at working size.
    """
    light = luma(frame, *working_size(*frame.shape[:2]))
    fine = light - cv2.bilateralFilter(light, 5, 10, 3)
    return np.asarray(np.clip(fine / (cv2.blur(np.abs(fine), (9, 9)) + 1), -2, 2), np.float32)


def pooled(residuals: Sequence[Field]) -> Field:
    """Their mean: the mark stands still, pictures move."""
    return np.asarray(np.mean(residuals, axis=0), np.float32)


def find(spectrum: "Spectrum", key: bytes) -> MarkDetection:
    """Look for the mark of a key in a pooled residual's spectrum: `SEARCHES` one after another,
    until one has it.
    """
    own, best = carriers(key), MarkDetection(1.0, 0.0)
    if not has_room(*spectrum.shape):
        return best
    for search in SEARCHES:
        hit = search.run(spectrum, own)
        hit = hit._replace(probability=min(1.0, hit.probability / search.share))
        if hit.probability < best.probability or not best.strength:
            best = _to_detection(spectrum, own, hit, search.exact)
        if best.sure and best.message is not None:
            break
    return best


def still_there(spectrum: "Spectrum", key: bytes, detection: MarkDetection) -> bool:
    """Whether a mark that was found is likely in the same film's other part with this spectrum,
    too.
    """
    own, place = carriers(key), np.array(detection.place[:4]).reshape(2, 2)
    return (
        float(_strengths(spectrum, own, place[None], np.array(detection.place[4:])[None])[0])
        > LIKELY_STRENGTH
    )


def received(spectrum: "Spectrum", own: Carriers, where: tuple[float, ...]) -> NDArray[np.float64]:
    """(CODED,): the soft bits at a `MarkDetection.place`."""
    place, shift = np.array(where[:4]).reshape(2, 2), np.array(where[4:])
    values = _even(spectrum.at(own.telling, place[None])) * np.exp(
        -2j * np.pi * (own.telling @ shift)
    )
    return own.soft(values[0])


class Spectrum:
    """The spectrum of a field (H, W) about its middle, each part of it brought to the same
    power.
    """

    def __init__(self, field: Field) -> None:
        height, width = field.shape
        rows, columns = (
            1 << math.ceil(math.log2(size * SPECTRUM_OVERSAMPLING)) for size in (height, width)
        )
        down, across = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]
        middle = np.exp(1j * np.pi * down * (height - 1)), np.exp(1j * np.pi * across * (width - 1))
        waves = (
            np.fft.rfft2(field, (rows, columns))
            * middle[0].astype(np.complex64)
            * middle[1].astype(np.complex64)
        )
        power = np.fft.fftshift(np.abs(waves) ** 2, axes=0).astype(np.float32)
        around = (max(3, round(columns / 40) | 1), max(3, round(rows / 40) | 1))
        power = np.fft.ifftshift(cv2.blur(power, around, borderType=cv2.BORDER_REFLECT), axes=0)
        self.values = (waves / np.sqrt(power + 1e-12)).astype(np.complex64)
        self.rows, self.columns = rows, columns
        self.shape = (height, width)

    def at(self, waves: Waves, places: Places) -> Numbers:
        """(N, F): the waves (F, 2) as they are at each of the places, from the four values
        around.
        """
        frequencies = np.einsum("nij,fj->nfi", places, waves)
        mirrored = frequencies[..., 1] < 0
        frequencies = np.where(mirrored[..., None], -frequencies, frequencies)
        down, across = (
            frequencies[..., 0] % 1.0 * self.rows,
            np.minimum(frequencies[..., 1], 0.5) * self.columns,
        )
        top, left = np.floor(down).astype(int), np.floor(across).astype(int)
        low, near = np.float32(down - top), np.float32(across - left)
        bottom, right = (top + 1) % self.rows, np.minimum(left + 1, self.columns // 2)
        top = top % self.rows
        value = (1 - low) * ((1 - near) * self.values[top, left] + near * self.values[top, right])
        value = value + low * (
            (1 - near) * self.values[bottom, left] + near * self.values[bottom, right]
        )
        return np.where(mirrored, value.conj(), value)


def _even(values: Numbers) -> Numbers:
    """(N, F) with the loudest brought down, and so that along the right phases their sum is
    `MarkDetection.strength`.
    """
    size = np.abs(values)
    bound = MAX_WAVE_MAGNITUDE * np.median(size, axis=-1, keepdims=True)
    values = values * np.minimum(1.0, bound / np.maximum(size, 1e-12))
    power = (np.abs(values) ** 2).sum(-1, keepdims=True) / 2
    return values / np.sqrt(np.maximum(power, 1e-12))


class _Candidate(NamedTuple):
    """The likeliest of the places that one search tried; its probability counts those places, and
    no other search.
    """

    probability: float
    strength: float
    place: NDArray[np.float64]
    shift: NDArray[np.float64]


def _as_embedded(spectrum: Spectrum, own: Carriers) -> _Candidate:
    """Not moved, at any size."""
    sides = {min(spectrum.shape) / TILES, _usual(spectrum.shape)}
    return _still(spectrum, own, np.stack([_place(side, side, 0.0, False) for side in sides]))


def _turned(spectrum: Spectrum, own: Carriers) -> _Candidate:
    """By quarters, or mirrored."""
    sides = {min(spectrum.shape) / TILES, _usual(spectrum.shape)}
    ways = [(turn * math.pi / 2, flipped) for turn in range(4) for flipped in (False, True)][1:]
    return _still(spectrum, own, np.stack([_place(s, s, *way) for s in sides for way in ways]))


def _centred(spectrum: Spectrum, own: Carriers) -> _Candidate:
    """Cut or framed evenly, enlarged from a small film, or stretched."""
    return _still(spectrum, own, _places_centred(spectrum.shape))


@functools.lru_cache(8)
def _places_centred(shape: tuple[int, int]) -> Places:
    rows, columns = shape
    # of what it was, wide or high
    ratios = np.exp(np.arange(0, 1, _step(min(shape) / TILES, shape)))
    high, wide = rows / TILES, columns / TILES
    sizes = [*((high, wide / r) for r in ratios), *((high / r, wide) for r in ratios)]
    stretched = [_place(down, across, 0.0, False) for down, across in sizes]
    return np.stack(
        stretched + [_place(side, side, 0.0, f) for side in _sides(shape) for f in (False, True)]
    )


def _still(spectrum: Spectrum, own: Carriers, places: Places) -> _Candidate:
    strengths = _strengths(spectrum, own, places, np.zeros((len(places), 2)))
    best = int(strengths.argmax())
    likely = chance(_even(spectrum.at(own.finding, places[best][None]))[0], float(strengths[best]))
    return _Candidate(
        min(1.0, likely * len(places)), float(strengths[best]), places[best], np.zeros(2)
    )


def _anywhere(spectrum: Spectrum, own: Carriers) -> _Candidate:
    """At every size, turned a little, flipped, and beginning anywhere."""
    places = _places_anywhere(spectrum.shape)
    best: tuple[float, int, NDArray[np.float64]] = (-1.0, 0, np.zeros(2))
    down, across = own.finding.T
    # the half of the waves that the transform wants
    weights = own.finding_phases * np.where(down == 0, 2.0, 1.0)
    for start in range(0, len(places), 512):
        values = _even(spectrum.at(own.finding, places[start : start + 512])).conj() * weights
        table = np.zeros((len(values), SHIFTS_PER_SIDE, SHIFTS_PER_SIDE // 2 + 1), np.complex64)
        table[:, across % SHIFTS_PER_SIDE, down] = values
        strengths = np.fft.irfft2(table, (SHIFTS_PER_SIDE, SHIFTS_PER_SIDE)).reshape(
            len(values), -1
        ) * (SHIFTS_PER_SIDE**2 / 2)
        which = int(strengths.max(1).argmax())
        where = int(strengths[which].argmax())
        if strengths[which, where] > best[0]:
            shift = np.array(divmod(where, SHIFTS_PER_SIDE))[::-1] / SHIFTS_PER_SIDE
            best = (float(strengths[which, where]), start + which, shift)
    likely = chance(_even(spectrum.at(own.finding, places[best[1]][None]))[0], best[0])
    return _Candidate(
        min(1.0, likely * len(places) * SHIFTS_PER_SIDE**2), best[0], places[best[1]], best[2]
    )


@dataclass(frozen=True)
class Search:
    """One way to look for the mark.

    Attributes
    ----------
    share : float
        Of the false-positive probability of the whole search that may come from here.
    run : callable
        (spectrum, carriers) -> its likeliest place.
    exact : bool
        Whether a mark that it finds lies exactly at one of its places.
    """

    name: str
    share: float
    run: Callable[[Spectrum, Carriers], _Candidate]
    exact: bool


SEARCHES: Final = (
    Search("as embedded", 1 / 2, _as_embedded, exact=True),
    Search("quarter turns and mirrors", 1 / 8, _turned, exact=True),
    Search("centred crops and stretches", 1 / 8, _centred, exact=False),
    Search("anywhere", 1 / 4, _anywhere, exact=False),
)
assert sum(search.share for search in SEARCHES) == 1


@functools.lru_cache(8)
def _places_anywhere(shape: tuple[int, int]) -> Places:
    places = []
    for side in _sides(shape):
        step = _step(side, shape)
        near = 0.66 <= side * TILES / min(shape) <= 1.5
        turns = np.arange(0, MAX_TURN_RADIANS, step) if near else np.zeros(1)
        angles = np.concatenate([-turns[:0:-1], turns])
        places += [_place(side, side, angle, f) for angle in angles for f in (False, True)]
    return np.stack(places)


def _strengths(
    spectrum: Spectrum, own: Carriers, places: Places, shifts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N,): at places (N, 2, 2), a tile beginning shifts (N, 2) of its side off."""
    turned = np.exp(-2j * np.pi * (shifts @ own.finding.T)) * own.finding_phases.conj()
    return np.asarray((_even(spectrum.at(own.finding, places)) * turned).sum(-1).real)


def chance(values: Numbers, strength: float) -> float:
    """How likely values (F,) of these sizes sum up to ``strength`` along phases that are drawn
    evenly, by chance.

    The saddlepoint approximation of Lugannani and Rice (1980), which is good far out in the tail.
    """
    if strength <= 1:
        return 1.0
    sizes, turns = np.abs(values), np.cos(np.arange(64) * (2 * np.pi / 64))
    tilt = strength
    for _ in range(50):
        grown = np.exp(np.outer(tilt * sizes, turns))
        mean = grown.mean(1)
        first, second = (grown * turns).mean(1) / mean, (grown * turns**2).mean(1) / mean
        slope, curve = float(sizes @ first), float(sizes**2 @ (second - first**2))
        change = (strength - slope) / max(curve, 1e-9)
        tilt += min(max(change, -1.0), 1.0)
        if abs(change) < 1e-9 or tilt > MAX_SADDLEPOINT_TILT:
            break
    far = math.sqrt(max(2 * (tilt * strength - float(np.log(mean).sum())), 1e-12))
    tail = math.erfc(far / math.sqrt(2)) / 2
    bump = math.exp(-far * far / 2) / math.sqrt(2 * math.pi)
    return min(1.0, max(tail + bump * (1 / (tilt * math.sqrt(max(curve, 1e-12))) - 1 / far), 1e-99))


def _place(down: float, across: float, angle: float, flipped: bool) -> NDArray[np.float64]:
    """Matrix that places tiles of (down, across) samples, turned by ``angle`` radians, perhaps
    mirrored.
    """
    turned = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turned @ np.diag([1 / down, (-1 if flipped else 1) / across])


def _usual(shape: tuple[int, int]) -> float:
    """Samples a side of a tile in a film that was made at this size."""
    return min(shape) / TILES if min(shape) >= SIDE else max(MIN_TILE_PIXELS, min(shape) / TILES)


def _step(side: float, shape: tuple[int, int]) -> float:
    """Relative step in a tile's side (and radians of a turn) that no wave is lost between."""
    return (
        2
        * MAX_EDGE_PHASE_RADIANS
        * side
        / (math.pi * MIDDLE_WAVE_CYCLES * min(max(shape), MAX_ASPECT_SEARCHED * min(shape)))
    )


def _sides(shape: tuple[int, int]) -> list[float]:
    """Sides of tiles to try, in samples: from half of the usual to a small film's, enlarged."""
    usual = min(shape) / TILES
    side, most = max(usual / 2, 2 * FINDING), max(4.2 * usual, 1.1 * MIN_TILE_PIXELS)
    sides: list[float] = []
    while side < most:
        sides.append(side)
        side *= 1 + _step(side, shape)
    return sides


def _to_detection(spectrum: Spectrum, own: Carriers, hit: _Candidate, exact: bool) -> MarkDetection:
    """What is said at a place, or a little beside it: the other way round where films lie between
    those tried.
    """
    looks = [(hit.place, hit.shift), _closer(spectrum, own, hit.place, hit.shift)]
    message = None
    for place, shift in looks if exact else looks[::-1]:
        where = (*place.reshape(-1).tolist(), *shift.tolist())
        soft = received(spectrum, own, where)
        message = decoded(soft) if hit.probability <= MAX_FALSE_POSITIVE_RATE else None
        if message is not None:
            break
    agreement = 0.0 if message is None else float(np.mean((soft < 0) == encoded(message)))
    side = 1 / math.sqrt(abs(float(np.linalg.det(place))))
    flipped = bool(np.linalg.det(place) < 0)
    turn = math.degrees(math.atan2(place[1, 0], place[0, 0]))
    return MarkDetection(
        hit.probability,
        hit.strength,
        message,
        agreement,
        side / _usual(spectrum.shape),
        turn,
        flipped,
        where,
    )


def _closer(
    spectrum: Spectrum, own: Carriers, place: NDArray[np.float64], shift: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Uphill in size, proportion, turn and shift, in ever smaller steps."""
    moves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]] = [
        (np.diag([1.0, 1.0]), np.zeros(2)),
        (np.diag([1.0, -1.0]), np.zeros(2)),
        (np.array([[0.0, -1.0], [1.0, 0.0]]), np.zeros(2)),
        (np.zeros((2, 2)), np.array([1.5, 0.0])),
        (np.zeros((2, 2)), np.array([0.0, 1.5])),
    ]
    now, step = float(_strengths(spectrum, own, place[None], shift[None])[0]), 0.004
    for _ in range(24):
        tried = [
            (place + way * change @ place, shift + way * by)
            for change, by in moves
            for way in (step, -step)
        ]
        strengths = _strengths(
            spectrum, own, np.stack([p for p, _ in tried]), np.stack([s for _, s in tried])
        )
        best = int(strengths.argmax())
        if strengths[best] > now:
            now, (place, shift) = float(strengths[best]), tried[best]
        else:
            step /= 2
    return place, shift
