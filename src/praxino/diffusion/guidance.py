"""Classifier-free guidance: two estimates of the data, with and without the sentence, drawn
apart.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from praxino.diffusion.sampling import Denoiser


def guided(
    conditional: Denoiser,
    unconditional: Denoiser,
    scale: float,
    interval: tuple[float, float] = (0.0, 1.0),
    rescale: float = 0.0,
    both: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
) -> Denoiser:
    """Ho & Salimans, arXiv 2207.12598: ``(1 + w) cond - w uncond`` with ``scale`` = 1 + w.

    Estimates of x0 are combined; as every prediction type is affine in x0 at a given x, the result
    is the same as combining outputs.

    Parameters
    ----------
    unconditional : Denoiser
        Of the empty sentence, or of a negative prompt.
    scale : float
        1 is no guidance, and then ``unconditional`` is never called.
    interval : (float, float)
        Times outside [low, high] are not guided (Kynkäänniemi et al., arXiv 2404.07724).
    rescale : float
        0 to 1: pull the spread of each guided sample back to the conditional one's (arXiv
        2305.08891, eq. 15-16).
    both : callable, optional
        (x, t) -> the two estimates, conditional first, where evaluating them together is faster.
    """
    low, high = interval

    def denoiser(x: Tensor, t: Tensor) -> Tensor:
        if scale == 1.0 or not low <= float(t) <= high:
            return conditional(x, t)
        cond, uncond = both(x, t) if both else (conditional(x, t), unconditional(x, t))
        mixed = uncond + scale * (cond - uncond)
        if rescale:
            axes = tuple(range(1, x.dim()))
            ratio = cond.std(dim=axes, keepdim=True) / mixed.std(dim=axes, keepdim=True).clamp_min(
                1e-8
            )
            mixed = mixed * torch.lerp(torch.ones_like(ratio), ratio, rescale)
        return mixed

    return denoiser
