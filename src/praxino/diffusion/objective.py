"""What a network learns: prediction types and their conversions, loss weights, times to train
at.
"""

import math
from collections.abc import Callable
from typing import Final, Literal

import torch
from torch import Tensor

from praxino.diffusion.path import Path, shift

Prediction = Literal["noise", "x0", "v", "velocity"]
Weighting = Literal["uniform", "snr", "min-snr", "velocity"]
LEAST_SIGMA: Final = 0.05
"""Sigma below which the weighting "velocity" counts an error in x0 no more."""
Times = Literal["uniform", "logit-normal"]


def target(x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor, prediction: Prediction) -> Tensor:
    """What a network of this type should say.

    Parameters
    ----------
    x0, eps : Tensor
        Data and noise, of one shape.
    alpha, sigma : Tensor
        The path's coefficients, of shapes that broadcast against the data's.
    prediction : str
        "noise" is eps, "x0" the data, "v" alpha eps - sigma x0 (Salimans & Ho, arXiv 2202.00512),
        "velocity" eps - x0, that of rectified flow.
    """
    match prediction:
        case "noise":
            return eps
        case "x0":
            return x0
        case "v":
            return alpha * eps - sigma * x0
        case "velocity":
            return eps - x0


def estimate_x0(
    out: Tensor, x: Tensor, alpha: Tensor, sigma: Tensor, prediction: Prediction
) -> Tensor:
    """The clean data that an output stands for, at ``x = alpha x0 + sigma eps``; arguments as in
    `target`.

    Exact on any path, except that a noise prediction says nothing where alpha = 0 (the result is
    then not finite).
    """
    match prediction:
        case "noise":
            return (x - sigma * out) / alpha
        case "x0":
            return out
        case "v":
            return (alpha * x - sigma * out) / (alpha**2 + sigma**2)
        case "velocity":
            return (x - sigma * out) / (alpha + sigma)


def estimate_eps(
    out: Tensor, x: Tensor, alpha: Tensor, sigma: Tensor, prediction: Prediction
) -> Tensor:
    """The noise that an output stands for, the counterpart of `estimate_x0`.

    An x0 prediction says nothing about it where sigma = 0 (the result is then not finite).
    """
    match prediction:
        case "noise":
            return out
        case "x0":
            return (x - alpha * out) / sigma
        case "v":
            return (sigma * x + alpha * out) / (alpha**2 + sigma**2)
        case "velocity":
            return (x + alpha * out) / (alpha + sigma)


def convert(
    out: Tensor, x: Tensor, alpha: Tensor, sigma: Tensor, source: Prediction, to: Prediction
) -> Tensor:
    """Say in the type ``to`` what an output of type ``source`` says at ``x``; exact where both are
    defined.
    """
    if source == to:
        return out
    x0 = estimate_x0(out, x, alpha, sigma, source)
    eps = estimate_eps(out, x, alpha, sigma, source)
    return target(x0, eps, alpha, sigma, to)


def as_denoiser(
    model: Callable[[Tensor, Tensor], Tensor], path: Path, prediction: Prediction
) -> Callable[[Tensor, Tensor], Tensor]:
    """A denoiser, as samplers want it, from a network.

    Parameters
    ----------
    model : callable
        (x, t) -> prediction; ``t`` is a scalar tensor.
    path : Path
        The one the network was trained on.
    prediction : str
        What the network says. One that says the noise says nothing where alpha is 0: begin its grid
        below t = 1.

    Returns
    -------
    callable
        (x, t) -> x0.
    """

    def denoiser(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = path.alpha(t).to(x.dtype), path.sigma(t).to(x.dtype)
        return estimate_x0(model(x, t), x, alpha, sigma, prediction)

    return denoiser


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
