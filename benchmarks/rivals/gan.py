"""The adversarial baseline of baselines.py: a convolutional generator of clips and a critic, both
told the sentence.

Hinge loss (Lim & Ye, arXiv 1705.02894), spectral normalisation (arXiv 1802.05957), a projection
critic (arXiv 1802.05637) that is also shown true clips with wrong sentences (Reed et al., arXiv
1605.05396), averaged generator.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from praxino.models.precision import fastest
from praxino.models.text import TextEncoder
from praxino.training.optimizer import EMA

SIZES = ((3, 4, 4), (5, 8, 8), (9, 16, 16), (17, 32, 32))
MADE = (288, 192, 96, 48)
SEEN = (48, 112, 224, 288)
"""Channels of the generator and of the critic at each size."""
NOISE = 128


class Grow(nn.Module):
    """Twice the size, modulated by noise and sentence."""

    def __init__(self, width_in: int, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width_in)
        self.modulation = nn.Linear(condition, 2 * width_in)
        self.space = nn.Conv3d(width_in, width, (1, 3, 3), padding=(0, 1, 1))
        self.time = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))

    def forward(self, x: Tensor, condition: Tensor, size: tuple[int, int, int]) -> Tensor:
        scale, shift = self.modulation(condition)[:, :, None, None, None].chunk(2, dim=1)
        x = F.interpolate(F.silu(self.norm(x) * (1 + scale) + shift), size, mode="nearest")
        y = self.space(x)
        return y + self.time(F.silu(y))


class Generator(nn.Module):
    def __init__(self, text: int) -> None:
        super().__init__()
        condition = NOISE + text
        self.first = nn.Linear(condition, MADE[0] * 16)
        self.beat = nn.Parameter(0.5 * torch.randn(MADE[0], SIZES[0][0], 1, 1))
        pairs = zip((MADE[0], *MADE), MADE, strict=False)
        self.grow = nn.ModuleList(Grow(a, b, condition) for a, b in pairs)
        self.last = nn.Conv3d(MADE[-1], 12, (3, 3, 3), padding=1)

    def forward(self, noise: Tensor, said: Tensor) -> Tensor:  # (B, NOISE), (B, text)
        condition = torch.cat([noise, said], dim=1)
        # every moment has a beginning
        x = self.first(condition).unflatten(1, (MADE[0], 1, 4, 4)) + self.beat
        for layer, size in zip(self.grow, SIZES, strict=True):
            x = layer(x, condition, size)
        out = self.last(F.silu(x))
        return F.pixel_shuffle(out.transpose(1, 2), 2).transpose(1, 2).tanh()  # (B, 3, 17, 64, 64)


class Critic(nn.Module):
    def __init__(self, text: int) -> None:
        super().__init__()
        pairs = zip((12, *SEEN), SEEN, strict=False)
        self.layers = nn.ModuleList(spectral_norm(nn.Conv3d(a, b, 3, padding=1)) for a, b in pairs)
        self.score = spectral_norm(nn.Linear(SEEN[-1], 1))
        self.said = spectral_norm(nn.Linear(text, SEEN[-1]))

    def forward(self, clip: Tensor, said: Tensor) -> Tensor:  # (B, 3, T, H, W), (B, text)
        x = F.pixel_unshuffle(clip.transpose(1, 2), 2).transpose(1, 2)
        for layer, size in zip(self.layers, SIZES[::-1], strict=True):
            x = F.leaky_relu(layer(F.adaptive_avg_pool3d(x, size)), 0.2)
        x = x.mean(dim=(2, 3, 4))
        return self.score(x)[:, 0] + (x * self.said(said)).sum(1) / x.shape[1] ** 0.5


class GAN:
    """One step moves the critic (and the text encoder), then the generator."""

    def __init__(
        self,
        text: TextEncoder,
        draw: Callable[[int], tuple[Tensor, list[str]]],
        generators: Callable[[int], torch.Generator],
    ) -> None:
        width = text.config.width
        self.text, self.draw, self.generators = text, draw, generators
        self.generator, self.critic = Generator(width), Critic(width)
        self.module = nn.ModuleDict(
            {"generator": self.generator, "critic": self.critic, "text": text}
        )
        seeing = [*self.critic.parameters(), *text.parameters()]
        self.rules = [
            torch.optim.Adam(parameters, lr, betas=(0.0, 0.99))
            for parameters, lr in ((seeing, 4e-4), (self.generator.parameters(), 2e-4))
        ]
        self.ema = EMA(list(self.generator.parameters()), 0.99)

    def _said(self, sentences: list[str]) -> Tensor:
        tokens = self.text.encode(sentences)
        used = tokens.abs().sum(2, keepdim=True) > 0
        return tokens.sum(1) / used.sum(1).clamp_min(1)

    def step(self, number: int, spent: float) -> float:
        clips, sentences = self.draw(number)
        noise = torch.randn(len(clips), NOISE, generator=self.generators(number))
        with torch.autocast("cpu", torch.bfloat16, enabled=fastest() == "bfloat16"):
            said = self._said(sentences).float()
            made = self.generator(noise, said.detach()).float()
            right, wrong = self.critic(clips, said), self.critic(clips, said.roll(1, 0))
            fake = self.critic(made.detach(), said)
            loss = F.relu(1 - right).mean() + 0.5 * (
                F.relu(1 + wrong).mean() + F.relu(1 + fake).mean()
            )
        self._move(0, loss)
        with torch.autocast("cpu", torch.bfloat16, enabled=fastest() == "bfloat16"):
            deceived = -self.critic(made, said.detach()).mean()
        self._move(1, deceived)
        self.ema.update(number)
        return loss.item()

    def _move(self, which: int, loss: Tensor) -> None:
        self.module.zero_grad()
        loss.backward()
        self.rules[which].step()

    def finish(self) -> None:
        self.ema.swap()

    def made(self, sentences: list[str], generator: torch.Generator) -> Tensor:
        noise = torch.randn((len(sentences), NOISE), generator=generator)
        return self.generator(noise, self._said(sentences))
