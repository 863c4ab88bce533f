"""Grids and repetition: traces of patches, far places that are too alike, textures that tile."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.evidence import Evidence, Measures, finite, phase_contrast
from praxino.detection.view import View

Array = NDArray[np.floating]
PERIODS: Final = (4, 8, 16, 32)
"""Pixels: patch and block sizes that networks and codecs use."""
PATCH: Final = 16
FAR_PATCHES: Final = 3
"""Patches that lie so many sides apart are far from each other."""


def evidence(view: View) -> Evidence:
    """Steps and autocorrelation at patch periods, in the view and in the file's own pixels;
    self-similarity of far patches (as in copy-move forensics: Fridrich et al., DFRWS 2003);
    periodicity of texture.
    """
    values = measures(view)
    period = max(PERIODS, key=lambda p: values[f"own.step_{p}"])
    step = values[f"own.step_{period}"]
    return Evidence(
        family="patches",
        headline=f"own.step_{period}",
        measures=values,
        sentence=(
            f"The strongest grid has {period} pixels: steps on its lines are "
            f"{np.exp(step / 2) - 1:.0%} larger than "
            f"beside them (H.264 alone leaves such at 8 and 16); the most alike far places agree "
            f"to {values['twins.nearest']:.0%}."
        ),
        frames=(0,),
        curve=np.array([values[f"own.step_{p}"] for p in PERIODS]),
        curve_name="strength of grids of 4, 8, 16, 32 pixels",
        map=twin_map(view),
    )


def measures(view: View) -> dict[str, float]:
    """All numbers of this family."""
    fine = np.stack([frame - cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in view.own])
    grids = _grids("view", view.luma, view.detail) | _grids("own", view.own, fine)
    return finite(grids | _twins(view) | _tiling(view))


def _grids(where: str, luma: Array, fine: Array) -> Measures:
    """Whether steps between neighbours are larger at every 4th, 8th, ... line, and detail repeats
    at that distance.
    """
    across, down = (
        np.abs(np.diff(luma, axis=2)).mean((0, 1)),
        np.abs(np.diff(luma, axis=1)).mean((0, 2)),
    )
    power = float((fine**2).mean()) + 0.01
    values: Measures = {}
    for period in PERIODS:
        values[f"{where}.step_{period}"] = phase_contrast(across, period) + phase_contrast(
            down, period
        )
        again = [0.0]
        if min(luma.shape[1:]) > 2 * period:
            again = [
                (fine[:, :, period:] * fine[:, :, :-period]).mean(),
                (fine[:, period:] * fine[:, :-period]).mean(),
            ]
        values[f"{where}.repeat_{period}"] = float(np.mean(again)) / power
    return values


def _alike(fine: Array) -> tuple[Array, int]:
    """(N, N): how alike the textures of far patches of one frame's detail are, 0 for near or plain
    ones; and how many patches a row has.
    """
    rows, columns = fine.shape[0] // PATCH, fine.shape[1] // PATCH
    cut = (
        fine[: rows * PATCH, : columns * PATCH]
        .reshape(rows, PATCH, columns, PATCH)
        .transpose(0, 2, 1, 3)
    )
    texture = np.log(np.abs(np.fft.rfft2(cut)) + 1).reshape(rows * columns, -1)
    plain = texture.std(1) < 0.15
    texture = texture - texture.mean(1, keepdims=True)
    texture /= np.linalg.norm(texture, axis=1, keepdims=True) + 1e-6
    place = np.stack(np.divmod(np.arange(rows * columns), columns), axis=1)
    near = np.abs(place[:, None] - place[None]).max(-1) < FAR_PATCHES
    return np.where(near | plain[:, None] | plain[None], 0, texture @ texture.T), columns


def _twins(view: View) -> Measures:
    """How alike the texture of each patch is to that of the three most similar far ones, and to
    all.
    """
    similar = [_alike(fine)[0] for fine in view.detail[::5]]
    nearest = [np.sort(alike, axis=1)[:, -3:].mean() for alike in similar]
    return {
        "twins.nearest": float(np.mean(nearest)),
        "twins.mean": float(np.mean([alike.mean() for alike in similar])),
    }


def twin_map(view: View, frame: int = 0) -> Array:
    """(rows, columns) of patches of one frame: how alike each is to its most similar far ones."""
    alike, columns = _alike(view.detail[frame])
    return np.sort(alike, axis=1)[:, -3:].mean(1).reshape(-1, columns)


def twins(view: View, frame: int = 0) -> tuple[tuple[int, int], tuple[int, int], float]:
    """Row and column of the two most alike far patches of a frame, and how alike they are, 0 to
    1.
    """
    alike, columns = _alike(view.detail[frame])
    a, b = np.unravel_index(int(alike.argmax()), alike.shape)
    return divmod(int(a), columns), divmod(int(b), columns), float(alike[a, b])


def _tiling(view: View) -> Measures:
    """The highest far peak of the detail's autocorrelation: texture that repeats at one
    distance.
    """
    peaks = []
    for fine in view.detail[::5]:
        power = np.abs(np.fft.rfft2(fine)) ** 2
        repeat = np.fft.irfft2(power, fine.shape)
        repeat /= repeat[0, 0] + 1e-6
        near = np.minimum(np.arange(len(repeat)), len(repeat) - np.arange(len(repeat)))
        peaks.append(repeat[np.maximum(near[:, None], near[None]) >= PATCH].max())
    return {"tiling.peak": float(np.mean(peaks))}
