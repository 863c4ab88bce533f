"""Traces of decoders: how neighbouring pixels depend on each other, and what is too smooth.

A latent decoder paints fine detail from few numbers. What it paints has no sensor noise under it,
and repeats the relations that its enlargements left between neighbours.
"""

import functools
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection.evidence import Evidence, Measures, correlation, finite
from praxino.detection.view import View

if TYPE_CHECKING:
    from praxino.models.forensic import Forensic

Array = NDArray[np.floating]
AREA: Final = (7, 7)
FLAT: Final = 1.5
"""Deviation of luma, of 255, below which a place is without texture."""


def evidence(view: View) -> Evidence:
    """Neighbours' relations (NPR: Tan et al., arXiv 2312.10461; SPAM: Pevny et al., IEEE TIFS
    2010), smoothness, noise by brightness.
    """
    values = finite(measures(view))
    flat = _texture(view) < FLAT
    return Evidence(
        family="latent",
        headline="steps.follow_1",
        measures=values,
        sentence=(
            f"Steps from pixel to pixel go on in the next one by {values['steps.follow_1']:.2f} "
            f"(higher: smoother, as decoders paint); {values['smooth.flat']:.0%} of the picture is "
            f"without any texture."
        ),
        frames=tuple(int(i) for i in np.argsort(-flat.mean((1, 2)))[:3]),
        curve=flat.mean((1, 2)),
        curve_name="share of each frame that is without any texture",
    )


def measures(view: View) -> Measures:
    """All numbers of this family."""
    return _smoothness(view) | _neighbours(view)


def decoded_places(view: View) -> Array:
    """(h, w): the mean logit of a network that was trained to tell camera detail from decoded
    detail; for a person to look at, and no part of an answer: on pairs of a camera clip and a
    generated one of the same scene it adds nothing to the measures.
    """
    import torch

    from praxino.data.pixels import to_tensor

    with torch.inference_mode():
        logits: Array = bundled_network()(to_tensor(view.frames[None]))[0].numpy()
    return logits.mean(0)


@functools.cache
def bundled_network() -> "Forensic":
    """The network that comes with the package."""
    from praxino.detection.weights import read_forensic

    return read_forensic()


def _texture(view: View) -> Array:
    """(T, H, W): the deviation of luma around each place."""
    mean = np.stack([cv2.boxFilter(frame, -1, AREA) for frame in view.luma])
    square = np.stack([cv2.boxFilter(frame * frame, -1, AREA) for frame in view.luma])
    return np.sqrt(np.maximum(square - mean * mean, 0))


def _smoothness(view: View) -> Measures:
    """How texture is spread over the picture, and the noise where there is none."""
    mean = np.stack([cv2.boxFilter(frame, -1, AREA) for frame in view.luma])
    texture = _texture(view)
    noise = np.sqrt(np.maximum(np.stack([cv2.boxFilter(d * d, -1, AREA) for d in view.detail]), 0))
    parts = np.percentile(texture, (5, 25, 50, 75, 95))
    plain = texture <= np.percentile(texture, 30)
    values = {
        f"smooth.texture_{p}": np.log(v + 0.1)
        for p, v in zip((5, 25, 50, 75, 95), parts, strict=True)
    }
    return values | {
        "smooth.flat": (texture < FLAT).mean(),
        "smooth.contrast": np.log((parts[4] + 0.1) / (parts[1] + 0.1)),
        "smooth.noise": np.log(noise[plain].mean() + 0.02),
        "smooth.noise_share": np.log((noise[plain].mean() + 0.02) / (noise[~plain].mean() + 0.02))
        if (~plain).any()
        else 0.0,
        "smooth.noise_by_brightness": correlation(mean[plain], noise[plain]),
    }


def _neighbours(view: View) -> Measures:
    """How steps between neighbours follow each other, and what a block's pixels share with its
    corner.
    """
    across, down = np.diff(view.luma, axis=2), np.diff(view.luma, axis=1)
    values: Measures = {}
    for lag in (1, 2, 3, 4):
        along = (across[:, :, lag:] * across[:, :, :-lag]).mean() / ((across**2).mean() + 1e-3)
        upright = (down[:, lag:] * down[:, :-lag]).mean() / ((down**2).mean() + 1e-3)
        values[f"steps.follow_{lag}"] = (along + upright) / 2
    values["steps.zero"] = (np.abs(across) < 1).mean()
    values["steps.peaked"] = np.log((np.abs(across).mean() + 0.01) / (across.std() + 0.1))
    for side in (2, 4):
        corner = view.luma[:, ::side, ::side].repeat(side, axis=1).repeat(side, axis=2)
        height, width = view.luma.shape[1:]
        rest = np.abs(view.luma - corner[:, :height, :width]).mean()
        values[f"npr.{side}"] = np.log(rest / (view.luma.std() + 1) + 1e-3)
    return values
