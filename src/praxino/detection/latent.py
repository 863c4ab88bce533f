"""Traces of decoders: how neighbouring pixels depend on each other, what is too smooth, what an
autoencoder gives back.

A latent decoder paints fine detail from few numbers. What it paints has no sensor noise under it,
repeats the relations that its enlargements left between neighbours, and survives another
autoencoder better than a photograph does.
"""

import functools
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from praxino.data.pixels import to_tensor
from praxino.detection.evidence import Evidence, Measures, correlation, finite
from praxino.detection.view import View
from praxino.detection.weights import read_forensic
from praxino.models.forensic import Forensic
from praxino.models.vae import VAE
from praxino.storage.weights import bundle

Array = NDArray[np.floating]
AREA: Final = (7, 7)
TILE: Final = 64
"""Pixels a side of what goes through our autoencoder: the size that it was trained on."""


@dataclass(frozen=True, eq=False)
class Networks:
    """What this family asks besides statistics."""

    forensic: Forensic
    vae: VAE


@functools.cache
def bundled_networks() -> Networks:
    """The networks that come with the package."""
    return Networks(read_forensic(), bundled_vae())


@functools.cache
def bundled_vae() -> VAE:
    """The autoencoder of the bundled model."""
    return bundle.read_vae(bundle.BUNDLED / "diorama")


def evidence(view: View, networks: Networks | None = None) -> Evidence:
    """Neighbours' relations (NPR: Tan et al., arXiv 2312.10461; SPAM: Pevny et al., IEEE TIFS
    2010), smoothness, noise by brightness, reconstruction by our own autoencoder (AEROBLADE, arXiv
    2401.17879), and the forensic network.
    """
    networks = networks or bundled_networks()
    logits = forensic_logits(view, networks.forensic)
    values = finite(statistics(view) | reconstruction_error(view, networks.vae) | summary(logits))
    frames = np.argsort(-logits.mean((1, 2)))[:3] + 1
    return Evidence(
        family="latent",
        headline="network.mean",
        measures=values,
        sentence=(
            f"A network trained to tell camera detail from decoded detail finds "
            f"{(logits.mean(0) > 0).mean():.0%} of "
            f"the picture decoded; {values['smooth.flat']:.0%} of it is without any texture."
        ),
        frames=tuple(int(i) for i in frames),
        curve=logits.mean((1, 2)),
        curve_name="the network's logit, frame by frame (above 0: decoded)",
        map=logits.mean(0),
    )


def summary(logits: Array) -> Measures:
    """Mean of the network's logits (T-2, h, w), mean of the tenth of places most like generated
    ones, spread over time.
    """
    return {
        "network.mean": logits.mean(),
        "network.high": np.percentile(logits.mean(0), 90),
        "network.spread": logits.mean((1, 2)).std(),
    }


def statistics(view: View) -> Measures:
    """The measures that need no network."""
    return _smoothness(view) | _neighbours(view)


@torch.inference_mode()
def forensic_logits(view: View, network: Forensic) -> Array:
    """(T-2, h, w): the network's logits."""
    return network(to_tensor(view.frames[None]))[0].numpy()


def _smoothness(view: View) -> Measures:
    """How texture is spread over the picture, and the noise where there is none."""
    mean = np.stack([cv2.boxFilter(frame, -1, AREA) for frame in view.luma])
    square = np.stack([cv2.boxFilter(frame * frame, -1, AREA) for frame in view.luma])
    texture = np.sqrt(np.maximum(square - mean * mean, 0))
    noise = np.sqrt(np.maximum(np.stack([cv2.boxFilter(d * d, -1, AREA) for d in view.detail]), 0))
    parts = np.percentile(texture, (5, 25, 50, 75, 95))
    plain = texture <= np.percentile(texture, 30)
    values = {
        f"smooth.texture_{p}": np.log(v + 0.1)
        for p, v in zip((5, 25, 50, 75, 95), parts, strict=True)
    }
    return values | {
        "smooth.flat": (texture < 1.5).mean(),
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


@torch.inference_mode()
def reconstruction_error(view: View, vae: VAE) -> Measures:
    """Error of our autoencoder on a tile of the file's own pixels, against the tile's detail: small
    for our own films.
    """
    film = view.native[: len(view.native) - (len(view.native) - 1) % 4]
    height, width = film.shape[1:3]
    if height < TILE or width < TILE or len(film) < 5:
        return {"again.error": 0.0, "again.fine": 0.0}
    y, x = (height - TILE) // 2 // 8 * 8, (width - TILE) // 2 // 8 * 8
    tile = to_tensor(film[None, :, y : y + TILE, x : x + TILE])
    # float32: a measure must not depend on the processor
    reconstructed = vae.decode(vae.encode(tile))
    wrong = (reconstructed - tile)[0].mean(0).numpy()
    real = tile[0].mean(0).numpy()
    fine = real - np.stack([cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in real])
    return {
        "again.error": float(np.log((np.abs(wrong).mean() + 1e-3) / (real.std() + 0.02))),
        "again.fine": float(np.log((np.abs(wrong).mean() + 1e-3) / (np.abs(fine).mean() + 1e-3))),
    }
