"""The small text encoder that is trained together with the bundled denoiser, and the interface
larger ones share.
"""

import difflib
import math
import re
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from praxino.config import Config
from praxino.errors import InputError
from praxino.models.attention import attend


@runtime_checkable
class TextModel(Protocol):
    """Anything that turns sentences into the tokens a denoiser attends to."""

    def encode(self, sentences: Sequence[str]) -> Float[Tensor, "batch length width"]:
        """Zeros after a sentence's last token."""


@runtime_checkable
class Vocabulary(Protocol):
    """What can be said of a sentence before a `TextModel` reads it."""

    def unknown(self, sentence: str) -> dict[str, list[str]]:
        """Words that mean nothing to the model, each with known words like it."""

    def validate(self, sentence: str) -> None:
        """Raise `InputError` if the sentence is longer than the model reads."""


class TextConfig(Config):
    """Sizes and words of a `TextEncoder`."""

    vocabulary: tuple[str, ...] = Field(
        strict=False, min_length=1, description="known words; id = position + 1, 0 is padding"
    )
    width: int = Field(192, gt=0)
    layers: int = Field(2, gt=0)
    heads: int = Field(4, gt=0)
    length: int = Field(64, gt=0, description="tokens a sentence is padded or cut to")

    @model_validator(mode="after")
    def _heads_divide(self) -> "TextConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


ENTITY_NAMES: Final = ("zza", "zzb", "zzc", "zzd")
"""Words that name the entities whose pictures a denoiser is given, by slot; no sentence uses them
otherwise.
"""


def words(sentence: str, spelled: bool = False) -> list[str]:
    """Lower-case words; punctuation only parts them.

    Where ``spelled``, text in quotation marks is read letter by letter: ``"no"`` becomes ``"n`` and
    ``"o``.
    """
    pattern = r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+"
    if not spelled:
        return re.findall(pattern, sentence.lower())
    tokens: list[str] = []
    for number, part in enumerate(re.split(r'["“”]', sentence.lower())):
        tokens += (
            [f'"{letter}' for letter in re.findall(r"[a-z]", part)]
            if number % 2
            else re.findall(pattern, part)
        )
    return tokens


def merge_padding(text: Tensor, length: int = 0) -> tuple[Tensor, Tensor | None]:
    """The zeros after all sentences as two tokens: the text (B, L', D), and how many each token
    stands for (L',).

    Denoisers attend to them, Wan to hundreds at a time; equal keys and values can be one with a
    larger share. It takes two, as the logarithm of one count would be rounded in bfloat16: the
    second stands for what the first leaves.

    Parameters
    ----------
    length : int
        Tokens that the text stands for, if it was cut already.
    """
    length = length or text.shape[1]
    used = int((text != 0).any(-1).any(0).nonzero().max()) + 1 if bool(text.any()) else 0
    rest = length - used
    if rest <= 2:
        return text, None
    first = torch.tensor(math.log(rest) * (1 - 2**-7)).to(torch.bfloat16).float().exp()
    counts = torch.cat([torch.ones(used), first[None], rest - first[None]])
    cut = text[:, :used]
    return torch.cat([cut, cut.new_zeros(len(cut), 2, cut.shape[2])], dim=1), counts.to(text.device)


class Layer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm1 = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, 3 * config.width)
        self.down = nn.Linear(3 * config.width, config.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # (B, L, D), (B, 1, 1, L)
        q, k, v = (
            part.unflatten(2, (self.heads, -1)) for part in self.qkv(self.norm1(x)).chunk(3, dim=2)
        )
        x = x + self.out(attend(q, k, v, mask).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class TextEncoder(nn.Module):
    """Known words to vectors that have read their neighbours."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.ids = {word: i + 1 for i, word in enumerate(config.vocabulary)}
        self.spells = '"a' in self.ids
        self.words = nn.Embedding(len(config.vocabulary) + 1, config.width)
        self.places = nn.Parameter(0.02 * torch.randn(config.length, config.width))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        nn.init.normal_(self.words.weight, std=0.5)

    def tokenise(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Word ids (B, L) and which of them are words rather than padding (B, L); unknown words are
        left out.
        """
        ids = torch.zeros(len(sentences), self.config.length, dtype=torch.long)
        used = torch.zeros(len(sentences), self.config.length, dtype=torch.bool)
        for i, sentence in enumerate(sentences):
            tokens = [self.ids[word] for word in words(sentence, self.spells) if word in self.ids][
                : self.config.length
            ]
            ids[i, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
            used[i, : len(tokens)] = True
        return ids, used

    def unknown(self, sentence: str) -> dict[str, list[str]]:
        return {
            word: difflib.get_close_matches(word, self.ids, n=3, cutoff=0.6)
            for word in dict.fromkeys(words(sentence, self.spells))
            if word not in self.ids
        }

    def validate(self, sentence: str) -> None:
        count = sum(word in self.ids for word in words(sentence, self.spells))
        if count > self.config.length:
            raise InputError(
                f"the sentence has {count} known words: at most {self.config.length}",
                "say it shorter",
            )

    def encode(self, sentences: Sequence[str]) -> Float[Tensor, "batch length width"]:
        device = self.places.device
        ids, used = (part.to(device) for part in self.tokenise(sentences))
        return self(ids, used)

    def name_slots(self, sentences: Sequence[str], length: int) -> Int[Tensor, "batch length"]:
        """Which of the first ``length`` tokens name an entity: its slot + 1; 0 elsewhere."""
        ids, _ = self.tokenise(sentences)
        slots = torch.zeros(len(self.ids) + 1, dtype=torch.long)
        for slot, name in enumerate(ENTITY_NAMES):
            if name in self.ids:
                slots[self.ids[name]] = slot + 1
        return F.pad(slots[ids], (0, max(0, length - ids.shape[1])))[:, :length].to(
            self.places.device
        )

    def encode_merged(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """`merge_padding` of `encode`, without computing what is merged: (B, L', width) and counts
        (L',).
        """
        ids, used = (part.to(self.places.device) for part in self.tokenise(sentences))
        longest = int(used.sum(1).max())
        if self.config.length - longest <= 2:
            return self(ids, used), None
        return merge_padding(
            self(ids[:, : max(1, longest)], used[:, : max(1, longest)]), self.config.length
        )

    def forward(self, ids: Tensor, used: Tensor) -> Tensor:  # (B, L), (B, L)
        x = self.words(ids) + self.places[: ids.shape[1]]
        # An empty sentence attends to its padding, so that no row of the softmax is empty.
        mask = (used | ~used.any(1, keepdim=True))[:, None, None]
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x) * used[..., None]  # (B, L, D)
