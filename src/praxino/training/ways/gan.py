"""Adversarial ways: a generator and a discriminator, as good as they get (R3GAN, Huang et al.,
arXiv 2501.05441), and as they were in 2018 (spectral normalisation, arXiv 1802.05957; projection,
arXiv 1802.05637; hinge loss).

Both move at once: the discriminator's loss sees pictures as they are, and the generator's a
discriminator that stands still. True pictures with wrong sentences are fakes, too (Reed et al.,
arXiv 1605.05396).

Legend: B pictures, Z numbers of noise, D width of a sentence.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from praxino.config import Config

GAIN: Final = math.sqrt(2)
FIRST_SIDE: Final = 4
"""Pixels a side, with which generators begin and discriminators end."""


class GANConfig(Config):
    """Sizes and losses of a GAN."""

    way: Literal["gan", "gan-2018"] = "gan"
    widths: tuple[PositiveInt, ...] = Field(
        (384, 384, 256, 128), strict=False, description="channels at 4 pixels, 8, and so on"
    )
    patch: int = Field(2, gt=0, description="pixels a side that are folded into channels")
    noise: int = Field(64, gt=0)
    group: int = Field(16, gt=0, description="channels of a group of the 3x3 convolutions")
    penalty: tuple[float, float] = Field(
        (1.0, 0.1), strict=False, description="gamma at first, and from step anneal on"
    )
    anneal: int = Field(2000, gt=0)
    mismatch: float = Field(0.5, ge=0, description="weight of true pictures with wrong sentences")


class Resampled(nn.Module):
    """Twice or half the size, by a filter of [1, 2, 1]."""

    def __init__(self, up: bool) -> None:
        super().__init__()
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            return F.interpolate(x, scale_factor=2.0, mode="bilinear")
        weight = x.new_tensor([1.0, 2.0, 1.0])
        kernel = (weight[:, None] * weight / 16).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=x.shape[1])


class Residual(nn.Module):
    """1x1 to twice the width, 3x3 in groups, 1x1 back; nothing at first; no normalisation."""

    def __init__(self, width: int, group: int, blocks: int) -> None:
        super().__init__()
        self.open = nn.Conv2d(width, 2 * width, 1)
        self.mix = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width // group)
        self.close = nn.Conv2d(2 * width, width, 1, bias=False)
        for layer in (self.open, self.mix):
            fan = layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=GAIN / math.sqrt(fan) * blocks ** (-0.25))
        nn.init.zeros_(self.close.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.open(x), 0.2) * GAIN
        y = F.leaky_relu(self.mix(y), 0.2) * GAIN
        return x + self.close(y)


class Generator(nn.Module):
    """Noise and a sentence to a picture."""

    def __init__(self, config: GANConfig, text: int) -> None:
        super().__init__()
        first, count = config.widths[0], len(config.widths)
        self.basis = nn.Parameter(torch.randn(first, FIRST_SIDE, FIRST_SIDE))
        self.first = nn.Linear(config.noise + text, first)
        stages: list[nn.Module] = []
        for before, width in zip((first, *config.widths), config.widths, strict=False):
            if stages:
                stages += [Resampled(up=True), nn.Conv2d(before, width, 1)]
            stages.append(Residual(width, config.group, count))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Conv2d(config.widths[-1], 3 * config.patch**2, 1)
        self.patch = config.patch

    def forward(self, noise: Tensor, sentence: Tensor) -> Tensor:  # (B, Z), (B, D)
        scale = self.first(torch.cat([noise, sentence], dim=1))
        x = self.head(self.stages(self.basis * scale[:, :, None, None]))
        return F.pixel_shuffle(x, self.patch)  # (B, 3, H, W)


class Discriminator(nn.Module):
    """Pictures and sentences to how true they are together."""

    def __init__(self, config: GANConfig, text: int) -> None:
        super().__init__()
        widths, count = config.widths[::-1], len(config.widths)
        stages: list[nn.Module] = [
            nn.PixelUnshuffle(config.patch),
            nn.Conv2d(3 * config.patch**2, widths[0], 1),
        ]
        for before, width in zip((widths[0], *widths), widths, strict=False):
            if len(stages) > 2:
                stages += [Resampled(up=False), nn.Conv2d(before, width, 1)]
            stages.append(Residual(width, config.group, count))
        self.stages = nn.Sequential(*stages)
        last = widths[-1]
        self.pool = nn.Conv2d(last, last, FIRST_SIDE, groups=last, bias=False)
        self.head, self.words = nn.Linear(last, last), nn.Linear(text, last)

    def forward(self, x: Tensor, sentence: Tensor) -> Tensor:  # (B, 3, H, W), (B, D)
        y = self.head(self.pool(self.stages(x)).flatten(1))
        return (y * self.words(sentence)).sum(1) / math.sqrt(y.shape[1])  # (B,)


class OldGenerator(nn.Module):
    """Upsampling, convolutions, batch statistics modulated by noise and sentence (2018)."""

    def __init__(self, config: GANConfig, text: int) -> None:
        super().__init__()
        widths, self.condition = config.widths, config.noise + text
        self.first = nn.Linear(self.condition, widths[0] * FIRST_SIDE**2)
        pairs = list(zip((widths[0], *widths), widths, strict=False))
        self.norms = nn.ModuleList(nn.BatchNorm2d(before, affine=False) for before, _ in pairs)
        self.modulations = nn.ModuleList(
            nn.Linear(self.condition, 2 * before) for before, _ in pairs
        )
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, width, 3, padding=1) for before, width in pairs
        )
        self.head, self.patch = (
            nn.Conv2d(widths[-1], 3 * config.patch**2, 3, padding=1),
            config.patch,
        )

    def forward(self, noise: Tensor, sentence: Tensor) -> Tensor:  # (B, Z), (B, D)
        condition = torch.cat([noise, sentence], dim=1)
        x = self.first(condition).unflatten(1, (-1, FIRST_SIDE, FIRST_SIDE))
        layers = zip(self.norms, self.modulations, self.convolutions, strict=True)
        for place, (norm, modulation, convolution) in enumerate(layers):
            scale, shift = modulation(condition)[:, :, None, None].chunk(2, dim=1)
            x = F.relu(norm(x) * (1 + scale) + shift)
            x = convolution(F.interpolate(x, scale_factor=2.0) if place else x)
        return F.pixel_shuffle(self.head(F.relu(x)), self.patch).tanh()  # (B, 3, H, W)


class OldDiscriminator(nn.Module):
    """Convolutions of bounded gain, and a product with the sentence (2018)."""

    def __init__(self, config: GANConfig, text: int) -> None:
        super().__init__()
        widths, self.patch = config.widths[::-1], config.patch
        pairs = zip((3 * config.patch**2, *widths), widths, strict=False)
        self.convolutions = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, width, 3, padding=1)) for before, width in pairs
        )
        self.head = spectral_norm(nn.Linear(widths[-1], 1))
        self.words = spectral_norm(nn.Linear(text, widths[-1]))

    def forward(self, x: Tensor, sentence: Tensor) -> Tensor:  # (B, 3, H, W), (B, D)
        x = F.pixel_unshuffle(x, self.patch)
        for place, layer in enumerate(self.convolutions):
            x = F.leaky_relu(layer(F.avg_pool2d(x, 2) if place else x), 0.2)
        y = x.mean(dim=(2, 3))
        return self.head(y)[:, 0] + (y * self.words(sentence)).sum(1) / math.sqrt(y.shape[1])


class GAN(nn.Module):
    """A `Way`."""

    def __init__(self, config: GANConfig, text: int) -> None:
        super().__init__()
        self.config, self.old = config, config.way == "gan-2018"
        self.generator = (OldGenerator if self.old else Generator)(config, text)
        self.discriminator = (OldDiscriminator if self.old else Discriminator)(config, text)

    def loss(
        self, x: Tensor, tokens: Tensor, sentence: Tensor, number: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        still = sentence.detach()
        noise = torch.randn(len(x), self.config.noise, generator=generator)
        fake = self.generator(noise, still)
        true, false = x.requires_grad_(), fake.detach().requires_grad_()
        right, wrong = self.discriminator(true, sentence), self.discriminator(false, sentence)
        rolled = sentence.roll(1, 0)
        other = self.discriminator(true, rolled)
        # a picture without a sentence, or with its own, is none of these fakes
        differs = (rolled != 0).any(1) & (rolled != sentence).any(1)
        share = differs.float() / differs.sum().clamp_min(1)
        standing = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        tried = torch.func.functional_call(self.discriminator, standing, (fake, still))
        metrics = {"d/true": right.mean().item(), "d/fake": wrong.mean().item()}
        if self.old:
            judged = F.relu(1 - right).mean() + 0.5 * (
                F.relu(1 + wrong).mean() + self.config.mismatch * (share * F.relu(1 + other)).sum()
            )
            return judged - tried.mean(), metrics
        judged = F.softplus(wrong - right).mean()
        judged = judged + self.config.mismatch * (share * F.softplus(other - right)).sum()
        judged = judged + self._gamma(number) / 2 * (_slope(right, true) + _slope(wrong, false))
        return judged + F.softplus(right.detach() - tried).mean(), metrics

    def _gamma(self, number: int) -> float:
        first, last = self.config.penalty
        share = min(1.0, number / self.config.anneal)
        return first * (last / first) ** share

    @torch.no_grad()
    def settle(self, sentences: Sequence[Tensor]) -> None:
        """Find the statistics of the generator's norms anew, where it has any: those of training
        are of other weights than the averaged ones.
        """
        norms = [layer for layer in self.generator.modules() if isinstance(layer, nn.BatchNorm2d)]
        training, drawn = self.generator.training, torch.Generator().manual_seed(0)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all that follow
        self.generator.train()
        for sentence in sentences if norms else ():
            noise = torch.randn(len(sentence), self.config.noise, generator=drawn)
            self.generator(noise, sentence)
        self.generator.train(training)
        for norm in norms:
            norm.momentum = 0.1

    @torch.no_grad()
    def sample(self, tokens: Tensor, sentence: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(len(sentence), self.config.noise, generator=generator)
        return self.generator(noise, sentence)


def _slope(scores: Tensor, x: Tensor) -> Tensor:
    """Mean squared gradient of scores (B,) with respect to pictures, summed over pixels."""
    (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
