"""Guidance by a network that knows which sentences fit which pictures, as in the notebooks of 2021
(Crowson's "CLIP guided diffusion HQ 256x256"), and by one that also knows noise (GLIDE, arXiv
2112.10741, section 2.4).

Such a network says by a loss what is wanted; the gradient of the loss moves the samples. It is
taken where the picture is noisy, through the denoiser (`through`) or of a loss that knows noise
(`at_x_t`), or where the denoiser's estimate is (`at_x0`).

Legend: B pictures, S a side of what the network sees, K cutouts, P prompts, D width of embeddings.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from praxino.diffusion.gradient_guidance import Gradient
from praxino.errors import InputError

Outputs = TypeVar("Outputs")
Loss = Callable[[Tensor, Tensor], Tensor]
"""(what is looked at, x0) -> (B,)"""
LEAST_WEIGHT = 1e-3
"""Sum of the weights of prompts, at least: others cancel one another."""


def great_circle(x: Tensor, y: Tensor) -> Tensor:
    """Half of the squared angle between vectors along the last axis, whatever their lengths."""
    chord = (F.normalize(x, dim=-1) - F.normalize(y, dim=-1)).norm(dim=-1)
    return 2 * (chord / 2).clamp_max(1).arcsin() ** 2


def total_variation(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, " batch"]:
    """Mean squared difference to the right and downwards."""
    x = F.pad(x, (0, 1, 0, 1), mode="replicate")
    across = x[..., :-1, 1:] - x[..., :-1, :-1]
    down = x[..., 1:, :-1] - x[..., :-1, :-1]
    return (across**2 + down**2).mean(dim=(1, 2, 3))


def out_of_range(x0: Float[Tensor, "batch channels height width"]) -> Float[Tensor, " batch"]:
    """Mean square of what lies beyond [-1, 1]."""
    return (x0 - x0.clamp(-1, 1)).square().mean(dim=(1, 2, 3))


def cutouts(
    x: Float[Tensor, "batch channels height width"],
    side: int,
    count: int,
    power: float,
    generator: torch.Generator,
) -> Float[Tensor, "cuts channels side side"]:
    """``count`` random squares of each picture, (K B, C, S, S), averaged to one size.

    Parameters
    ----------
    side : int
        Pixels of the results; squares have at least as many, where the picture does.
    power : float
        1: all sizes are as likely; above: small ones are more so.
    """
    height, width = x.shape[2:]
    most = min(height, width)
    least = min(most, side)
    parts = []
    for _ in range(count):
        share = float(torch.rand([], generator=generator)) ** power
        length = int(share * (most - least) + least)
        left = int(torch.randint(0, width - length + 1, (), generator=generator))
        top = int(torch.randint(0, height - length + 1, (), generator=generator))
        square = x[:, :, top : top + length, left : left + length]
        if length < side:
            parts.append(F.interpolate(square, (side, side), mode="bilinear"))
        else:
            parts.append(F.adaptive_avg_pool2d(square, side))
    return torch.cat(parts)


def parse_prompts(text: str) -> list[tuple[str, float]]:
    """Sentences and their weights, of "a red ball | a dog:0.5 | blur:-1".

    Raises
    ------
    InputError
        If there is no sentence, or the weights cancel one another.
    """
    prompts = []
    for part in text.split("|"):
        sentence, colon, weight = part.strip().rpartition(":")
        try:
            prompts.append((sentence.strip(), float(weight)) if colon else (part.strip(), 1.0))
        except ValueError:  # a colon of the sentence's own
            prompts.append((part.strip(), 1.0))
    if not all(math.isfinite(weight) for _, weight in prompts):
        raise InputError(f"{text!r}: a weight is no number", '"a red ball:2 | blur:-1"')
    if not all(sentence for sentence, _ in prompts):
        raise InputError(f"{text!r}: a sentence is empty", '"a red ball | a dog:0.5"')
    if abs(sum(weight for _, weight in prompts)) < LEAST_WEIGHT:
        raise InputError(f"{text!r}: the weights add up to nothing", '"a red ball:2 | blur:-1"')
    return prompts


@dataclass
class PromptLoss:
    """How far pictures are from sentences, and how far from what pictures are like.

    Parameters
    ----------
    embed : callable
        Pictures in [0, 1], (B, 3, S, S), to embeddings (B, D).
    side : int
        S.
    targets : Tensor (P, D)
        Embeddings of sentences.
    weights : sequence of float
        Of each sentence; they are divided by the size of their sum.
    generator : torch.Generator
        Draws the cutouts.
    scale, smoothness, bounds : float
        Of the distance, the total variation, and what lies out of range.
    """

    embed: Callable[[Tensor], Tensor]
    side: int
    targets: Tensor
    weights: Sequence[float]
    generator: torch.Generator
    scale: float = 1000.0
    smoothness: float = 150.0
    bounds: float = 50.0
    count: int = 16
    power: float = 1.0

    def __call__(self, x: Tensor, x0: Tensor) -> Tensor:  # (B, 3, H, W) in [-1, 1], twice
        cuts = cutouts((x + 1) / 2, self.side, self.count, self.power, self.generator)
        embeddings = self.embed(cuts).unflatten(0, (self.count, len(x)))  # (K, B, D)
        distances = great_circle(embeddings.unsqueeze(2), self.targets)  # (K, B, P)
        weights = self.targets.new_tensor(self.weights)
        far = (distances * (weights / weights.sum().abs())).sum(2).mean(0)  # (B,)
        rough = self.smoothness * total_variation(x) if self.smoothness else 0.0
        beyond = self.bounds * out_of_range(x0) if self.bounds else 0.0
        return self.scale * far + rough + beyond


@dataclass
class Traced(Generic[Outputs]):
    """A network that keeps the graph of its latest evaluation, so that a gradient through it needs
    no other one.

    Parameters
    ----------
    evaluate : callable
        (x, at) -> outputs; ``at`` is a time or steps.
    estimate : callable
        (x, at, outputs) -> x0.
    graph : bool
        Whether a gradient goes through the network: without one, less is kept.
    """

    evaluate: Callable[[Tensor, Tensor], Outputs]
    estimate: Callable[[Tensor, Tensor, Outputs], Tensor]
    graph: bool = True
    x: Tensor = field(init=False)
    x0: Tensor = field(init=False)

    def __call__(self, x: Tensor, at: Tensor) -> Outputs:
        self.x0 = x  # the graph of the evaluation before is not needed any more
        with torch.set_grad_enabled(self.graph):
            self.x = x.detach().requires_grad_(self.graph)
            outputs = self.evaluate(self.x, at)
            self.x0 = self.estimate(self.x, at, outputs)
        return _detached(outputs)


def _detached(outputs: Any) -> Any:
    if isinstance(outputs, Tensor):
        return outputs.detach()
    return tuple(one.detach() for one in outputs)


def through(network: Traced[Any], loss: Loss, sigma: Callable[[Tensor], Tensor]) -> Gradient:
    """The gradient at x_t, through the network that has just been evaluated there.

    What is looked at is the estimate while there is much noise, and x_t itself towards the end:
    sigma x0 + (1 - sigma) x_t.

    Parameters
    ----------
    sigma : callable
        Time or steps -> deviation of the noise, broadcasting against the data.
    """

    def gradient(x: Tensor, at: Tensor) -> Tensor:
        with torch.enable_grad():
            share = sigma(at).to(x.dtype)
            visible = share * network.x0 + (1 - share) * network.x
            score = -loss(visible, network.x0).sum()
            return torch.autograd.grad(score, network.x)[0]

    return gradient


def at_x0(network: Traced[Any], loss: Loss) -> Gradient:
    """The gradient at the estimate: nothing goes back through the network, which costs half as much
    and follows its curves less.
    """

    def gradient(x: Tensor, at: Tensor) -> Tensor:
        with torch.enable_grad():
            x0 = network.x0.detach().requires_grad_()
            return torch.autograd.grad(-loss(x0, x0).sum(), x0)[0]

    return gradient


def at_x_t(loss: Loss) -> Gradient:
    """The gradient at x_t of a loss that knows noise: (x_t, time or steps) -> (B,)."""

    def gradient(x: Tensor, at: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(-loss(x, at).sum(), x)[0]

    return gradient


def limited(gradient: Gradient, most: float) -> Gradient:
    """A gradient whose root mean square is ``most`` at most, picture by picture."""

    def limited_gradient(x: Tensor, at: Tensor) -> Tensor:
        raw = gradient(x, at)
        size = raw.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        return raw * (size.clamp_max(most) / size)

    return limited_gradient
