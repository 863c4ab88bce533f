"""Guidance by a gradient: an estimate of the data, moved to where a classifier, or whatever says
how near a picture is, wants it.
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from praxino.diffusion.path import Path
from praxino.diffusion.sampling import Denoiser

Gradient = Callable[[Tensor, Tensor], Tensor]
"""(x, t) -> d log p(wanted | x_t) / d x_t, times a scale; ``t`` as those of a denoiser."""
LEAST_ALPHA: Final = 0.02
"""Where nothing but noise is seen, alpha is 0 on some paths, and a gradient must not be divided by
it.
"""


def moved(
    denoiser: Denoiser,
    gradient: Gradient,
    path: Path,
    least_alpha: float = LEAST_ALPHA,
) -> Denoiser:
    """Guidance by any gradient: the score is that of the data and of what is wanted together
    (arXiv 2105.05233, algorithm 2), x0 + sigma^2 / alpha * gradient; for every sampler and path.

    Parameters
    ----------
    least_alpha : float
        What alpha counts as at least; 0 where no path's end is reached, as in a discrete chain.
    """

    def moved_denoiser(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = path.alpha(t).clamp_min(least_alpha), path.sigma(t)
        return denoiser(x, t) + (sigma**2 / alpha).to(x.dtype) * gradient(x, t)

    return moved_denoiser


def classifier_gradient(
    classifier: Callable[[Tensor, Tensor], Tensor], classes: Tensor, scale: float
) -> Gradient:
    """The gradient of the log-probability that a classifier of noisy data gives to
    ``classes``, times ``scale``.

    Parameters
    ----------
    classifier : callable
        (x, t) -> logits (B, classes).
    classes : Tensor (B,)
        Which ones are wanted.
    """

    def gradient(x: Tensor, t: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            logits = classifier(x, t).float().log_softmax(1)
            likelihood = logits.gather(1, classes[:, None]).sum()
            return scale * torch.autograd.grad(likelihood, x)[0]

    return gradient
