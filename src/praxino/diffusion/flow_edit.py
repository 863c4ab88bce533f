"""From one film to another along the difference of two velocities (FlowEdit, arXiv 2412.08629).

The noise that both are seen through is the same and cancels: what both sentences agree on stays.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from praxino.diffusion.path import Path
from praxino.diffusion.sampling import Denoiser, State, standard_normal


def flow_edit(
    target: Denoiser,
    source: Denoiser,
    clean: Tensor,
    times: Tensor,
    path: Path,
    generator: torch.Generator,
) -> Iterator[State]:
    """Algorithm 1 of the paper with one noise a step, for rectified flow.

    Parameters
    ----------
    target, source : callable
        (x, t) -> x0, as the new sentence and as the old one have it.
    clean : Tensor (B, ...)
        The old film's latent.
    times : Tensor (steps + 1,)
        From the time at which the change begins down to 0.
    """
    edited, steps = clean, len(times) - 1
    for step in range(steps):
        t, s = times[step], times[step + 1]
        noise = standard_normal(clean, generator)
        old = path.alpha(t).to(clean) * clean + path.sigma(t).to(clean) * noise
        new = edited + old - clean
        # velocities are (x - x0) / t
        change = ((new - target(new, t)) - (old - source(old, t))) / t.to(clean)
        edited = edited + (s - t).to(clean) * change
        yield State(step + 1, steps, s, edited, edited)
