"""The way of words: pictures as tokens of a finite alphabet, written one after the other behind the
sentence (DALL-E, arXiv 2102.12092). The alphabet is that of FSQ (arXiv 2309.15505), which needs no
loss of its own and does not collapse.

Until step ``switch`` the tokenizer learns, then the prior. Legend: B pictures, L words, N tokens
of a picture, W width.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from praxino.config import Config
from praxino.models.attention import attend

WIDER = 1.001
"""By how much numbers may be larger than the last level: of two levels both are reached."""


class TokensConfig(Config):
    """Sizes of a `Tokens`."""

    way: Literal["tokens"] = "tokens"
    size: int = Field(64, gt=0, description="pixels a side")
    levels: tuple[PositiveInt, ...] = Field((8, 5, 5, 5), strict=False)
    widths: tuple[PositiveInt, ...] = Field((48, 96, 160, 192), strict=False)
    width: int = Field(256, gt=0, description="of the prior")
    layers: int = Field(6, gt=0)
    heads: int = Field(4, gt=0)
    switch: int = Field(600, gt=0, description="step from which on the prior learns")
    guidance: float = Field(2.0, ge=1, description="scale when pictures are drawn")
    temperature: float = Field(1.0, gt=0)


class FSQ(nn.Module):
    """Rounds each of a few numbers to one of its levels; gradients go through."""

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        sizes = torch.tensor(levels)
        self.register_buffer("sizes", sizes, persistent=False)
        steps = torch.cat([torch.ones(1, dtype=torch.long), sizes.cumprod(0)[:-1]])
        self.register_buffer("steps", steps, persistent=False)

    sizes: Tensor
    steps: Tensor

    @property
    def alphabet(self) -> int:
        return math.prod(self.levels)

    def forward(self, z: Tensor) -> Tensor:  # (..., levels)
        """Values from -1 to 1 at the nearest levels."""
        half = (self.sizes - 1) / 2 * WIDER
        shift = torch.where(self.sizes % 2 == 0, 0.5, 0.0)  # an even number has no middle one
        bounded = (z + (shift / half).atanh()).tanh() * half - shift
        rounded = bounded + (bounded.round() - bounded).detach()
        return (rounded + shift) / ((self.sizes - 1) / 2)

    def indices(self, values: Tensor) -> Tensor:
        """Numbers of tokens of values (..., levels)."""
        half = (self.sizes - 1) / 2
        return ((values * half + half).round().long() * self.steps).sum(-1)

    def values(self, indices: Tensor) -> Tensor:
        """The inverse of `indices`."""
        digits = indices.unsqueeze(-1) // self.steps % self.sizes
        half = (self.sizes - 1) / 2
        return (digits - half) / half


class Tokenizer(nn.Module):
    """Pictures to a grid of an eighth of their size, and back."""

    def __init__(self, config: TokensConfig) -> None:
        super().__init__()
        widths, count = config.widths, len(config.levels)
        self.down = nn.ModuleList(
            nn.Conv2d(before, width, 3, padding=1, stride=1 if place == 0 else 2)
            for place, (before, width) in enumerate(zip((3, *widths), widths, strict=False))
        )
        self.code = nn.Conv2d(widths[-1], count, 1)
        self.fsq = FSQ(config.levels)
        back = widths[::-1]
        self.first = nn.Conv2d(count, back[0], 3, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in back)
        self.up = nn.ModuleList(
            nn.Conv2d(width, after, 3, padding=1)
            for width, after in zip(back, (*back[1:], back[-1]), strict=True)
        )
        self.head = nn.Conv2d(back[-1], 3, 3, padding=1)

    def encode(self, x: Tensor) -> Tensor:
        """(B, levels, h, w) at levels."""
        for layer in self.down:
            x = F.silu(layer(x))
        return self.fsq(self.code(x).movedim(1, -1)).movedim(-1, 1)

    def decode(self, values: Tensor) -> Tensor:  # (B, levels, h, w)
        x = self.first(values)
        for place, (norm, layer) in enumerate(zip(self.norms, self.up, strict=True)):
            x = F.silu(norm(x))
            x = layer(F.interpolate(x, scale_factor=2.0) if place < len(self.up) - 1 else x)
        return self.head(F.silu(x))


class PriorLayer(nn.Module):
    """Attention to the sentence and to what is written already, then two products."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(
        self, x: Tensor, mask: Tensor | None, before: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # (B, N, W)
        q, k, v = (
            part.unflatten(2, (self.heads, -1)) for part in self.qkv(self.norm1(x)).chunk(3, dim=2)
        )
        if before is not None:
            k, v = torch.cat([before[0], k], dim=1), torch.cat([before[1], v], dim=1)
        x = x + self.out(attend(q, k, v, mask).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x)))), (k, v)


class Tokens(nn.Module):
    """A `Way`."""

    def __init__(self, config: TokensConfig, text: int) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = Tokenizer(config)
        self.side = config.size // 2 ** (len(config.widths) - 1)
        width, alphabet = config.width, self.tokenizer.fsq.alphabet
        self.words = nn.Linear(text, width)
        self.letters = nn.Embedding(alphabet + 1, width)  # the last one begins every picture
        self.places = nn.Parameter(0.02 * torch.randn(self.side**2, width))
        self.layers = nn.ModuleList(PriorLayer(width, config.heads) for _ in range(config.layers))
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, alphabet)

    def loss(
        self, x: Tensor, tokens: Tensor, sentence: Tensor, number: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        if number < self.config.switch:
            values = self.tokenizer.encode(x)
            out = self.tokenizer.decode(values)
            error = (out - x).abs().mean()
            edges = (out - x).diff(dim=2).abs().mean() + (out - x).diff(dim=3).abs().mean()
            used = self.tokenizer.fsq.indices(values.movedim(1, -1)).unique().numel()
            return error + edges, {"error": error.item(), "letters": float(used)}
        with torch.no_grad():
            indices = self.tokenizer.fsq.indices(self.tokenizer.encode(x).movedim(1, -1)).flatten(1)
        logits = self._read(tokens, indices[:, :-1])
        cross = F.cross_entropy(logits.flatten(0, 1), indices.flatten())
        return cross, {"cross": cross.item()}

    def _begun(self, indices: Tensor) -> Tensor:
        """(B, n + 1, W): the beginning, and the letters after it."""
        first = torch.full((len(indices), 1), self.letters.num_embeddings - 1)
        letters = self.letters(torch.cat([first, indices], dim=1))
        return letters + self.places[: letters.shape[1]]

    def _read(self, tokens: Tensor, indices: Tensor) -> Tensor:
        """Logits (B, n + 1, alphabet) of every next letter."""
        words, letters = self.words(tokens), self._begun(indices)
        x = torch.cat([words, letters], dim=1)
        length, prefix = x.shape[1], words.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool).tril()
        mask[:, :prefix] = True
        used = (tokens != 0).any(-1)  # (B, L)
        visible = torch.cat([used, torch.ones(len(x), letters.shape[1], dtype=torch.bool)], dim=1)
        both = (mask & visible[:, None])[:, None] | torch.eye(length, dtype=torch.bool)
        for layer in self.layers:
            x, _ = layer(x, both, None)
        return self.logits(self.norm(x[:, prefix:]))

    @torch.no_grad()
    def sample(self, tokens: Tensor, sentence: Tensor, generator: torch.Generator) -> Tensor:
        """Letters one after the other; what is behind them is computed once."""
        context = torch.cat([tokens, torch.zeros_like(tokens)])  # with the sentence, and without
        kept: list[tuple[Tensor, Tensor] | None] = [None] * len(self.layers)
        words = self.words(context)
        used = (context != 0).any(-1)
        mask = used[:, None, None] | torch.eye(words.shape[1], dtype=torch.bool)
        x = words
        for place, layer in enumerate(self.layers):
            x, kept[place] = layer(x, mask, None)
        count = self.side**2
        indices = torch.empty(len(tokens), 0, dtype=torch.long)
        for number in range(count):
            latest = self._begun(indices)[:, -1:]
            x = torch.cat([latest, latest])
            visible = torch.cat(
                [used, torch.ones(len(context), number + 1, dtype=torch.bool)], dim=1
            )
            for place, layer in enumerate(self.layers):
                x, kept[place] = layer(x, visible[:, None, None], kept[place])
            with_it, without = self.logits(self.norm(x[:, 0])).chunk(2)
            logits = without + self.config.guidance * (with_it - without)
            shares = (logits / self.config.temperature).softmax(1)
            letter = torch.multinomial(shares, 1, generator=generator)
            indices = torch.cat([indices, letter], dim=1)
        values = self.tokenizer.fsq.values(indices).unflatten(1, (self.side, self.side))
        return self.tokenizer.decode(values.movedim(-1, 1))
