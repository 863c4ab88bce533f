"""UMT5, the text encoder of the Wan family: the network is that of ``transformers``, the manners
are Wan's.

A sentence is cleaned, cut into at most ``length`` tokens, encoded, and followed by zeros up to
``length``.
"""

import html
import re
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from praxino.errors import InputError

LENGTH = 512
"""Tokens that Wan reads."""


def cleaned(sentence: str) -> str:
    """Broken encodings and HTML entities mended, every run of white space one space: as the models
    were trained.
    """
    try:
        from ftfy import fix_text
    except ImportError:
        raise InputError(
            "this text encoder needs the library ftfy", 'pip install "praxino[hf]"'
        ) from None
    return re.sub(r"\s+", " ", html.unescape(html.unescape(fix_text(sentence)))).strip()


class Tokeniser:
    """Sentences to the ids of their pieces, by a tokenizer of ``transformers``."""

    def __init__(self, pieces: Any, length: int = LENGTH) -> None:
        self.pieces = pieces
        self.length = length

    def unknown(self, sentence: str) -> dict[str, list[str]]:
        """Nothing: every word can be spelled in pieces."""
        return {}

    def validate(self, sentence: str) -> None:
        """Raise `InputError` where the reference would silently cut the sentence."""
        count = len(self.pieces(cleaned(sentence)).input_ids)
        if count > self.length:
            raise InputError(
                f"the sentence has {count} tokens: at most {self.length}", "say it shorter"
            )

    def tokenise(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids (B, L) and which of them are of the sentence (B, L), L that of the longest."""
        pieces = self.pieces(
            [cleaned(sentence) for sentence in sentences],
            padding=True,
            truncation=True,
            max_length=self.length,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return pieces.input_ids, pieces.attention_mask.bool()


class UMT5(nn.Module):
    """The encoder with its tokeniser."""

    def __init__(self, encoder: Any, tokeniser: Tokeniser) -> None:
        super().__init__()
        # the word vectors once, not once by each of their names
        encoder.encoder.embed_tokens = encoder.shared
        self.encoder = encoder
        self.tokeniser = tokeniser

    def encode(self, sentences: Sequence[str]) -> Float[Tensor, "batch length width"]:
        """Zeros after a sentence's last token; only as many tokens are computed as the longest
        sentence has.
        """
        ids, used = (
            part.to(next(self.encoder.parameters()).device)
            for part in self.tokeniser.tokenise(sentences)
        )
        states = (
            self.encoder(input_ids=ids, attention_mask=used.long()).last_hidden_state
            * used[..., None]
        )
        rest = states.new_zeros(len(ids), self.tokeniser.length - ids.shape[1], states.shape[2])
        return torch.cat([states, rest], dim=1)  # (B, length, width)
