"""A network of the discrete chain, sampled on fewer steps of it, and moved by a gradient."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from praxino.diffusion.clip_guidance import Traced
from praxino.diffusion.ddpm import Chain, cosine_betas, linear_betas
from praxino.diffusion.gradient_guidance import Gradient, moved
from praxino.diffusion.respacing import kept_indices, respaced
from praxino.diffusion.sampling import SAMPLERS, STOCHASTIC, SamplerName, State
from praxino.errors import InputError
from praxino.models.adm import ADM
from praxino.storage.weights.adm import Schedule

STEPS: Final = 1000
"""Length of the chains that networks were trained on."""
BETAS: Final[dict[Schedule, Callable[[int], Tensor]]] = {
    "linear": linear_betas,
    "cosine": cosine_betas,
}


@dataclass(frozen=True, eq=False)
class RespacedModel:
    """A network on some steps of its chain.

    Where a function takes ``at``, that is steps (B,), from 1 on, or a time of the chain's path.

    Attributes
    ----------
    chain : Chain
        Of the steps that are kept.
    indices : Tensor
        What the network is told of each of them.
    classes : Tensor (B,), optional
    small : Tensor (B, 3, h, w), optional
        What an upsampler makes larger.
    clamp : bool
        Whether estimates are kept in [-1, 1].
    """

    network: ADM
    chain: Chain
    indices: Tensor
    classes: Tensor | None = None
    small: Tensor | None = None
    clamp: bool = True

    def steps(self, x: Tensor, at: Tensor) -> Tensor:
        """(B,)"""
        if at.dim():
            return at
        return torch.full((len(x),), round(float(at) * len(self.chain)), device=x.device)

    def index(self, x: Tensor, at: Tensor) -> Tensor:
        """What networks are told: steps of the whole chain, from 0 on, (B,)."""
        return self.indices.to(x.device)[self.steps(x, at) - 1].float()

    def sigma(self, at: Tensor) -> Tensor:
        """Deviation of the noise, broadcasting against pictures."""
        steps = at if at.dim() else torch.tensor([round(float(at) * len(self.chain))])
        return (1 - self.chain.abar.to(at.device)[steps.to(at.device) - 1]).sqrt().view(-1, 1, 1, 1)

    def outputs(self, x: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """The noise, and where its variance is between its bounds, from 0 to 1."""
        out = self.network(x, self.index(x, at), self.classes, self.small)
        noise, place = out.chunk(2, dim=1)
        return noise, (place + 1) / 2

    def estimate(self, x: Tensor, at: Tensor, outputs: tuple[Tensor, Tensor]) -> Tensor:
        """x0"""
        x0 = self.chain.estimate_x0(x, self.steps(x, at), outputs[0])
        return x0.clamp(-1, 1) if self.clamp else x0

    def sample(
        self,
        x: Tensor,
        sampler: SamplerName,
        generator: torch.Generator,
        guide: "Guide | None" = None,
        first: int | None = None,
        graph: bool = False,
    ) -> Iterator[State]:
        """From noise, or from a picture with the noise of step ``first``, to a picture; ``graph``:
        whether the guide's gradient goes through the network.
        """
        first = len(self.chain) if first is None else first
        traced = Traced(self.outputs, self.estimate, graph)
        gradient = guide(self, traced) if guide else None
        if sampler == "ddpm":
            model = traced if guide else self.outputs
            return self.chain.sample(model, x, generator, "learned", self.clamp, gradient, first)

        def denoiser(x: Tensor, t: Tensor) -> Tensor:
            if not guide:
                return self.estimate(x, t, self.outputs(x, t))
            traced(x, t)
            return traced.x0.detach()

        path = self.chain.path()
        guided = denoiser if gradient is None else moved(denoiser, gradient, path, 0.0)
        times = torch.arange(first, -1, -1, dtype=torch.float64) / len(self.chain)
        extra = {"generator": generator} if sampler in STOCHASTIC else {}
        return SAMPLERS[sampler](guided, x, times, path, **extra)


Guide = Callable[[RespacedModel, Traced[tuple[Tensor, Tensor]]], Gradient]
"""What moves the samples: a gradient of a model, whose latest evaluation is traced."""


def respaced_model(
    network: ADM, schedule: Schedule, steps: int, sampler: SamplerName, **more: Any
) -> RespacedModel:
    """A network on so many steps of its chain: evenly from first to last, or for the samplers that
    draw no noise, at a whole distance, if there is one (arXiv 2105.05233, section 4.4).

    Parameters
    ----------
    **more
        Other attributes of `RespacedModel`.
    """
    chain = Chain(BETAS[schedule](STEPS))
    kept = kept_indices(str(steps), STEPS)
    if sampler not in STOCHASTIC:
        with suppress(InputError):  # where a whole distance gives so many
            kept = kept_indices(f"ddim{steps}", STEPS)
    return RespacedModel(network, respaced(chain, kept), torch.tensor(kept), **more)
