"""Spectra: of frames by radius and angle, of wavelet bands, of time, and of the motion that an
encoder finds.

A decoder's enlargements bend the fall of a picture's spectrum and its diagonal bands (Durall et
al., arXiv 2003.01826; Corvi et al., arXiv 2304.06408); what moves smoothly leaves the fast half of
the spectrum over time empty.
"""

import itertools
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.evidence import Evidence, Measures, finite
from praxino.detection.view import View
from praxino.storage.media.codec import h264

Array = NDArray[np.floating]
RINGS: Final = np.geomspace(0.01, 0.5, 13)
"""Borders of the rings of the radial spectrum, cycles a pixel."""
BANDS: Final = ((0.01, 0.04), (0.04, 0.12), (0.12, 0.25), (0.25, 0.5))
LOW: Final = np.array([1, 3, 3, 1]) / 8
HIGH: Final = np.array([1, 3, -3, -1]) / 8
"""A biorthogonal spline wavelet's filters, without decimation inside a level."""
LEVELS: Final = 4
QP: Final = 30
"""Quantiser of the canonical encode."""


def evidence(view: View) -> Evidence:
    """Radial and angular Fourier spectra, wavelet bands, spatio-temporal spectra, and spectra of
    H.264 motion vectors after one canonical encode (TemporalSpec, as audited in arXiv 2606.31004).
    """
    power = _power(view)
    values = measures(view)
    mean = power.mean(0)
    fast = np.exp(values["time.high_1"])
    return Evidence(
        family="frequency",
        headline="time.high_1",
        measures=values,
        sentence=(
            f"{fast:.0%} of what changes in middle-sized detail changes fast (in the upper third "
            f"of frequencies), "
            f"and fine detail falls off by the power {-values['radial.slope']:.1f} of the "
            f"frequency."
        ),
        frames=(int(power[:, _ring(power.shape[1:]) > 0.3].mean(1).argmax()),),
        curve=np.array([values[f"radial.{ring}"] for ring in range(len(RINGS) - 1)]),
        curve_name="power by frequency (log, from coarse to fine)",
        map=np.fft.fftshift(np.log(np.concatenate([mean, mean[::-1, -2:0:-1]], axis=1) + 1)),
    )


def measures(view: View) -> dict[str, float]:
    """All numbers of this family."""
    still = _radial(_power(view)) | _wavelets(view.luma) | _colours(view)
    return finite(still | _over_time(view) | _encoder(view))


def _ring(shape: tuple[int, ...]) -> Array:
    """Cycles a pixel of each coefficient of a real transform."""
    height, half = shape
    return np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(2 * half - 2)[None])


def _power(view: View) -> Array:
    """(T, H, W/2+1)"""
    return np.asarray(np.abs(view.spectra) ** 2)


def _radial(spectra: Array) -> Measures:
    power = spectra.mean(0) + 1e-6
    ring = _ring(power.shape)
    y, x = (
        np.abs(np.fft.fftfreq(power.shape[0]))[:, None],
        np.fft.rfftfreq(2 * power.shape[1] - 2)[None],
    )
    mean = np.array(
        [
            np.log(power[(ring >= a) & (ring < b)].mean() + 1e-3)
            for a, b in itertools.pairwise(RINGS)
        ]
    )
    radii = np.log(RINGS[3:11])
    fine = (ring > 0.3) & (ring < 0.5)
    diagonal = np.log(
        power[fine & (np.abs(y - x) < 0.1)].mean() / power[fine & ((y < 0.05) | (x < 0.05))].mean()
    )
    angle = np.arctan2(y, x)
    middle = (ring > 0.1) & (ring < 0.4)
    sectors = [
        np.log(power[middle & (angle >= a) & (angle < a + np.pi / 16)].mean() + 1e-3)
        for a in np.arange(8) * np.pi / 16
    ]
    rings = {f"radial.{i}": value for i, value in enumerate(mean - mean[:6].mean())}
    return rings | {
        "radial.slope": np.polyfit(radii, mean[3:11], 1)[0],
        "radial.bend": np.polyfit(radii, mean[3:11], 2)[0],
        "radial.diagonal": diagonal,
        "radial.upright": np.log(
            power[(y > 0.15) & (y > 2 * x)].mean() / power[(x > 0.15) & (x > 2 * y)].mean()
        ),
        "angular.spread": np.std(sectors),
    }


def _wavelets(luma: Array) -> Measures:
    """Bands' strengths against each other, and how alike each is from frame to frame."""
    values: Measures = {}
    strength: dict[tuple[str, int], float] = {}
    pictures: Array = luma
    for level in range(LEVELS):
        for name, (down, across) in {
            "hl": (LOW, HIGH),
            "lh": (HIGH, LOW),
            "hh": (HIGH, HIGH),
        }.items():
            band = np.stack([cv2.sepFilter2D(frame, -1, across, down) for frame in pictures])[
                :, 4:-4, 4:-4
            ]
            strength[name, level] = float(band.std()) + 1e-3
            values[f"wavelet.kept_{name}{level}"] = (band[1:] * band[:-1]).mean() / strength[
                name, level
            ] ** 2
        smooth: list[Array] = [
            np.asarray(cv2.sepFilter2D(frame, -1, LOW, LOW), np.float32) for frame in pictures
        ]
        pictures = np.stack(smooth)[:, ::2, ::2]
        straight = (strength["hl", level] * strength["lh", level]) ** 0.5
        values[f"wavelet.diagonal{level}"] = np.log(strength["hh", level] / straight)
        values[f"wavelet.upright{level}"] = np.log(strength["hl", level] / strength["lh", level])
        if level:
            for name in ("hl", "hh"):
                values[f"wavelet.fall_{name}{level}"] = np.log(
                    strength[name, level - 1] / strength[name, level]
                )
    return values


def _over_time(view: View) -> Measures:
    """For each band of spatial frequencies, how its power is spread over temporal ones."""
    frames = len(view.luma)
    moved = np.fft.fft(view.spectra * np.hanning(frames)[:, None, None], axis=0)
    power = np.abs(moved[: frames // 2 + 1]) ** 2
    ring = _ring(power.shape[1:])
    cycles = np.arange(len(power)) / frames  # cycles a frame, 0 to 0.5
    values: Measures = {}
    for index, (low, high) in enumerate(BANDS):
        share = power[:, (ring >= low) & (ring < high)].mean(1) + 1e-12
        share = share / share.sum()
        values[f"time.low_{index}"] = np.log(share[cycles < 0.12].sum() + 1e-4)
        values[f"time.middle_{index}"] = np.log(
            share[(cycles >= 0.12) & (cycles < 0.31)].sum() + 1e-4
        )
        values[f"time.high_{index}"] = np.log(share[cycles >= 0.31].sum() + 1e-4)
        tail, middle = share[cycles >= 0.43], share[(cycles >= 0.25) & (cycles < 0.43)]
        values[f"time.tail_{index}"] = (
            np.log(tail.mean() / middle.mean()) if tail.size and middle.size else 0.0
        )
    return values


def _colours(view: View) -> Measures:
    """How fine and how lively the colour differences are beside the luma."""
    values: Measures = {}
    change = np.abs(np.diff(view.luma, axis=0)).mean() + 0.05
    for channel, name in ((1, "red"), (2, "blue")):
        plane = view.colours[..., channel]
        fine = (
            np.stack([frame - cv2.GaussianBlur(frame, (0, 0), 2.0) for frame in plane]).std() + 0.05
        )
        values[f"{name}.spread"] = np.log(plane.std() + 0.5)
        values[f"{name}.fine"] = np.log(fine / (plane.std() + 0.5))
        values[f"{name}.fine_to_luma"] = np.log(
            fine / (view.luma.std() * 0.02 + view.detail.std() + 0.05)
        )
        values[f"{name}.change"] = np.log((np.abs(np.diff(plane, axis=0)).mean() + 0.05) / change)
    return values


def _encoder(view: View) -> Measures:
    """What one canonical H.264 encode spends on the clip, and the spectra of the motion that it
    finds.
    """
    options = {"preset": "fast", "x264-params": "keyint=999:scenecut=0:bframes=0:threads=1"}
    done = h264(view.frames, view.fps, qp=str(QP), **options)
    first, later = done.sizes[0], done.sizes[1:]
    values = {
        "bytes.first": np.log(first),
        "bytes.later": np.log(later.mean() + 10),
        "bytes.later_to_first": np.log((later.mean() + 10) / (first + 10)),
        "bytes.unevenness": later.std() / (later.mean() + 1),
    }
    field = done.motion()[1:]
    speed = np.linalg.norm(field, axis=-1)
    values |= {
        "vectors.speed": np.log(speed.mean() + 0.05),
        "vectors.unevenness": speed.mean((1, 2)).std() / (speed.mean() + 0.05),
        "vectors.still": (speed < 0.13).mean(),
        "vectors.roughness": np.log(
            (np.linalg.norm(np.diff(field, axis=0), axis=-1).mean() + 0.05) / (speed.mean() + 0.1)
        ),
    }
    for axis, name in enumerate(("time", "rows", "columns")):
        power = np.abs(np.fft.rfft(field - field.mean(axis, keepdims=True), axis=axis)) ** 2
        power = power.mean(tuple(i for i in range(4) if i != axis))[1:] + 1e-3
        share = power / power.sum()
        cycles = np.arange(len(share)) / len(share)
        values[f"vectors.{name}_centre"] = (share * cycles).sum()
        values[f"vectors.{name}_entropy"] = -(share * np.log(share)).sum() / np.log(len(share) + 1)
        values[f"vectors.{name}_high"] = np.log(share[cycles >= 0.5].sum() + 1e-3)
    return values
