"""What a network predicts, and what a prediction says of the data and the noise."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from praxino.diffusion.path import Path

Prediction = Literal["noise", "x0", "v", "velocity"]


def quantize_time(t: Tensor, ticks: int) -> Tensor:
    """The time that a network is told: of those trained on whole numbers of 1 / ``ticks``, the one
    below.
    """
    return (t.clamp(max=1 - 1e-6) * ticks).floor() / ticks if ticks else t


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
