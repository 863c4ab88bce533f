"""The discrete chain of Ho et al. (arXiv 2006.11239).

The learned variance is that of Nichol & Dhariwal (arXiv 2102.09672). Steps are numbered 1..T as in
the papers; x_0 is data in [-1, 1]. Tensors of steps are long, of shape (B,).
"""

import math
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from praxino.diffusion.path import Tabulated
from praxino.diffusion.sampling import State, standard_normal

Model = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(x_t, steps) -> (noise, fraction): fraction in [0, 1] places the log-variance between its two
bounds.
"""
Gradient = Callable[[Tensor, Tensor], Tensor]
"""(x_t, steps) -> d log p / d x_t of something that is wanted."""


def linear_betas(
    steps: int = 1000, first: float = 1e-4, last: float = 0.02
) -> Float[Tensor, " steps"]:
    """beta_1 to beta_T in equal steps (arXiv 2006.11239, section 4); float64."""
    return torch.linspace(first, last, steps, dtype=torch.float64)


def cosine_betas(steps: int = 1000, offset: float = 0.008) -> Float[Tensor, " steps"]:
    """arXiv 2102.09672, eq. 17, with beta at most 0.999."""
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    abar = torch.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2
    return (1 - abar[1:] / abar[:-1]).clamp_max(0.999)


class Chain:
    """``x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps`` for t = 1..T, float64 inside."""

    def __init__(self, betas: Float[Tensor, " steps"] | None = None) -> None:
        self.betas = linear_betas() if betas is None else betas.double()
        self.alphas = 1 - self.betas
        self.abar = self.alphas.cumprod(0)
        self.abar_before = torch.cat([self.abar.new_ones(1), self.abar[:-1]])
        variance = self.betas * (1 - self.abar_before) / (1 - self.abar)
        self.posterior_variance = variance
        # At t = 1 the posterior variance is 0; the bound for log-interpolation takes the next one
        # instead.
        self.log_variance_low = torch.cat([variance[1:2], variance[1:]]).log()
        self.log_variance_high = self.betas.log()

    def __len__(self) -> int:
        return len(self.betas)

    def path(self) -> Tabulated:
        """The continuous path with t = step / T, on which every sampler of `sampling` runs."""
        return Tabulated(self.abar)

    def _at(self, table: Tensor, steps: Tensor, like: Tensor) -> Tensor:
        values = table.to(like.device)[steps - 1].to(like.dtype)
        return values.view(-1, *[1] * (like.dim() - 1))

    def step(self, x: Tensor, steps: Int[Tensor, " batch"], eps: Tensor) -> Tensor:
        """One step of noise: x_{t-1} to x_t."""
        beta = self._at(self.betas, steps, x)
        return (1 - beta).sqrt() * x + beta.sqrt() * eps

    def noised(self, x0: Tensor, steps: Int[Tensor, " batch"], eps: Tensor) -> Tensor:
        """All steps at once (eq. 4): sqrt(abar) x0 + sqrt(1 - abar) eps."""
        abar = self._at(self.abar, steps, x0)
        return abar.sqrt() * x0 + (1 - abar).sqrt() * eps

    def posterior_mean(self, x0: Tensor, x: Tensor, steps: Int[Tensor, " batch"]) -> Tensor:
        """Mean of q(x_{t-1} | x_t, x_0), eq. 7."""
        beta, alpha = self._at(self.betas, steps, x), self._at(self.alphas, steps, x)
        abar, before = self._at(self.abar, steps, x), self._at(self.abar_before, steps, x)
        return (before.sqrt() * beta * x0 + alpha.sqrt() * (1 - before) * x) / (1 - abar)

    def estimate_x0(self, x: Tensor, steps: Int[Tensor, " batch"], eps: Tensor) -> Tensor:
        """The data that a noise estimate stands for: eq. 4 solved for x0."""
        abar = self._at(self.abar, steps, x)
        return (x - (1 - abar).sqrt() * eps) / abar.sqrt()

    def log_variance(self, fraction: Tensor, steps: Int[Tensor, " batch"]) -> Tensor:
        """arXiv 2102.09672, eq. 15: between the posterior variance (0) and beta (1), in the
        logarithm.
        """
        low = self._at(self.log_variance_low, steps, fraction)
        high = self._at(self.log_variance_high, steps, fraction)
        return fraction * high + (1 - fraction) * low

    def bound(
        self,
        model: Model,
        x0: Tensor,
        steps: Int[Tensor, " batch"],
        eps: Tensor,
        detach: bool = False,
    ) -> Tensor:
        """The variational bound's term L_{t-1} in bits per dimension, (B,); L_0 where the step is
        1.

        ``detach`` stops gradients through the mean, as the hybrid loss wants.
        """
        x = self.noised(x0, steps, eps)
        noise, fraction = model(x, steps)
        if detach:
            noise = noise.detach()
        log_variance = self.log_variance(fraction, steps)
        mean = self.posterior_mean(self.estimate_x0(x, steps, noise), x, steps)
        true_mean = self.posterior_mean(x0, x, steps)
        true_log_variance = self._at(self.log_variance_low, steps, x)
        kl = normal_kl(true_mean, true_log_variance, mean, log_variance)
        decoder = -discretised_log_likelihood(x0, mean, log_variance / 2)
        first = (steps == 1).view(-1, *[1] * (x.dim() - 1))
        return torch.where(first, decoder, kl).flatten(1).mean(1) / math.log(2)

    def hybrid_loss(
        self,
        model: Model,
        x0: Tensor,
        steps: Int[Tensor, " batch"],
        eps: Tensor,
        weight: float = 0.001,
    ) -> Tensor:
        """L_simple + ``weight`` T L_vlb, (B,) (arXiv 2102.09672, eq. 16): the bound teaches only
        the variance.
        """
        x = self.noised(x0, steps, eps)
        noise, fraction = model(x, steps)
        simple = (noise - eps).square().flatten(1).mean(1)
        once = lambda _x, _steps: (noise, fraction)  # noqa: E731  (one evaluation serves both terms)
        return simple + weight * len(self) * self.bound(once, x0, steps, eps, detach=True)

    @torch.no_grad()
    def bits_per_dim(self, model: Model, x0: Tensor, generator: torch.Generator) -> Tensor:
        """The whole bound in bits per dimension, (B,): L_0 + ... + L_{T-1} + L_T, by one draw per
        step.
        """
        total = x0.new_zeros(len(x0))
        for step in range(1, len(self) + 1):
            steps = torch.full((len(x0),), step, dtype=torch.long, device=x0.device)
            eps = standard_normal(x0, generator)
            total = total + self.bound(model, x0, steps, eps)
        last = self.abar[-1].to(x0.dtype)
        prior = normal_kl(last.sqrt() * x0, (1 - last).log(), x0.new_zeros(()), x0.new_zeros(()))
        return total + prior.flatten(1).mean(1) / math.log(2)

    def sample(
        self,
        model: Model,
        x: Tensor,
        generator: torch.Generator,
        variance: Literal["small", "large", "learned"] = "small",
        clamp: bool = False,
        gradient: Gradient | None = None,
        first: int | None = None,
    ) -> Iterator[State]:
        """Ancestral sampling, from ``x`` ~ N(0, I) through all T steps.

        Parameters
        ----------
        variance : str
            The posterior's ("small"), beta ("large"), or what the model says ("learned").
        clamp : bool
            Keep estimates of the data in [-1, 1].
        gradient : callable, optional
            Of the log-probability of what is wanted: times the variance, it moves the mean of every
            step (arXiv 2105.05233, algorithm 1).
        first : int, optional
            The step that ``x`` is at, where it is less noisy than the last one.
        """
        count = len(self) if first is None else first
        for step in range(count, 0, -1):
            steps = torch.full((len(x),), step, dtype=torch.long, device=x.device)
            noise, fraction = model(x, steps)
            x0 = self.estimate_x0(x, steps, noise)
            if clamp:
                x0 = x0.clamp(-1, 1)
            bounds = {
                "small": torch.zeros_like(fraction),
                "large": torch.ones_like(fraction),
                "learned": fraction,
            }
            log_variance = self.log_variance(bounds[variance], steps)
            mean = self.posterior_mean(x0, x, steps)
            if gradient is not None:
                mean = mean + log_variance.exp() * gradient(x, steps)
            x = mean
            if step > 1:
                x = mean + (log_variance / 2).exp() * standard_normal(x, generator)
            yield State(count - step + 1, count, torch.tensor((step - 1) / len(self)), x, x0)


def normal_kl(
    mean: Tensor, log_variance: Tensor, other: Tensor, other_log_variance: Tensor
) -> Tensor:
    """KL(N(mean, .) || N(other, .)) in nats, elementwise."""
    ratio = (log_variance - other_log_variance).exp()
    return 0.5 * (
        other_log_variance
        - log_variance
        + ratio
        + (mean - other) ** 2 * (-other_log_variance).exp()
        - 1
    )


def discretised_log_likelihood(
    x0: Tensor, mean: Tensor, log_std: Tensor, levels: int = 256
) -> Tensor:
    """log p(x0) of a Gaussian, integrated over the bin of each of ``levels`` values in [-1, 1] (eq.
    13).
    """
    half = 1 / (levels - 1)
    inverse = (-log_std).exp()
    upper = torch.special.ndtr((x0 - mean + half) * inverse)
    lower = torch.special.ndtr((x0 - mean - half) * inverse)
    upper = torch.where(x0 > 1 - half / 2, torch.ones_like(upper), upper)
    lower = torch.where(x0 < -1 + half / 2, torch.zeros_like(lower), lower)
    return (upper - lower).clamp_min(1e-12).log()
