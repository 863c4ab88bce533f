"""How a network is trained: loss weights, and times to train at."""

import math
from typing import Final, Literal

import torch
from torch import Tensor

from praxino.diffusion.path import shift
from praxino.diffusion.prediction import Prediction

Weighting = Literal["uniform", "snr", "min-snr", "velocity"]
LEAST_SIGMA: Final = 0.05
"""Sigma below which the weighting "velocity" counts an error in x0 no more."""
Times = Literal["uniform", "logit-normal"]


def weight(
    alpha: Tensor,
    sigma: Tensor,
    prediction: Prediction,
    weighting: Weighting = "uniform",
    gamma: float = 5.0,
) -> Tensor:
    """The factor on the squared error of an output.

    Parameters
    ----------
    weighting : str
        "uniform": the output's own error counts by 1. "snr" and "min-snr" (Hang et al., arXiv
        2303.09556): the error in x0 counts by SNR = alpha^2 / sigma^2, or by min(SNR, gamma),
        whatever the network predicts. "velocity": the error counts as the error in the velocity
        that it means (Li & He, "Back to basics", arXiv 2511.13720).
    gamma : float
        Largest SNR that counts for "min-snr".

    Returns
    -------
    Tensor
        Of the shape that ``alpha`` and ``sigma`` broadcast to.
    """
    if weighting == "uniform":
        return torch.ones_like(alpha + sigma)
    if weighting == "velocity":
        return _in_velocity(alpha, sigma, prediction) ** 2
    snr = alpha**2 / sigma.clamp_min(1e-4) ** 2
    numerator = snr if weighting == "snr" else snr.clamp_max(gamma)
    match prediction:  # (d x0 / d out)^2
        case "noise":
            return numerator / snr.clamp_min(1e-8)
        case "x0":
            return numerator
        case "v":
            return numerator * (sigma / (alpha**2 + sigma**2)) ** 2
        case "velocity":
            return numerator * (sigma / (alpha + sigma)) ** 2


def _in_velocity(alpha: Tensor, sigma: Tensor, prediction: Prediction) -> Tensor:
    """d velocity / d output, where velocity = eps - x0 and x = alpha x0 + sigma eps is known."""
    match prediction:
        case "noise":
            return (alpha + sigma) / alpha.clamp_min(LEAST_SIGMA)
        case "x0":
            return (alpha + sigma) / sigma.clamp_min(LEAST_SIGMA)
        case "v":
            return (alpha + sigma) / (alpha**2 + sigma**2)
        case "velocity":
            return torch.ones_like(alpha + sigma)


def draw_times(
    count: int,
    generator: torch.Generator,
    times: Times = "logit-normal",
    k: float = 1.0,
    mean: float = 0.0,
    std: float = 1.0,
) -> Tensor:
    """Times to train at, stratified: one in each of ``count`` equal slices of probability, so that
    every batch sees the whole path.

    Parameters
    ----------
    times : str
        "uniform", or "logit-normal": sigmoid(N(mean, std)) (Esser et al., arXiv 2403.03206, eq.
        19).
    k : float
        `path.shift` applied to them.

    Returns
    -------
    Tensor (count,)
        In (0, 1), float32, in random order, on the generator's device.
    """
    device = generator.device
    slices = torch.randperm(count, generator=generator, device=device)
    u = (slices + torch.rand(count, generator=generator, device=device)) / count
    u = u.clamp(1e-4, 1 - 1e-4)
    if times == "logit-normal":
        u = torch.sigmoid(mean + std * math.sqrt(2) * torch.erfinv(2 * u - 1))
    return shift(u, k)


QUARTILES: Final = 4


def by_quartile(error: Tensor, t: Tensor) -> dict[str, float]:
    """Mean of per-sample errors (B,) in each quarter of time, as ``loss/q1`` (clean) to ``loss/q4``
    (noise).
    """
    quarter = (t * QUARTILES).long().clamp(0, QUARTILES - 1)
    return {
        f"loss/q{q + 1}": error[quarter == q].mean().item()
        for q in range(QUARTILES)
        if bool((quarter == q).any())
    }
