"""A dataset as a fine-tuning run sees it: clips in buckets, their latents and captions, made once
and kept.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor

from praxino.config import Config
from praxino.data.buckets import Batches, Bucket, BucketConfig, bucket_of, shapes
from praxino.data.clips import ClipDataset
from praxino.data.curation.units import digest
from praxino.data.pixels import to_tensor
from praxino.log import logger
from praxino.models.text import TextConfig, TextEncoder, merge_padding, words
from praxino.models.vae import VAE
from praxino.shapes import Compression, VideoShape, token_grid
from praxino.storage.weights import bundle, checkpoint
from praxino.training.warm_start import adapt_text

LEAST_USES: Final = 2
"""Times that a word is in the captions, from which on a trained text encoder learns it."""
MOST_WORDS: Final = 4000
"""Words that it learns, the most frequent."""
CLIPS_A_FILE: Final = 64
"""Clips of a file of latents."""


class CorpusConfig(Config):
    """How clips are sorted.

    Attributes
    ----------
    buckets : BucketConfig
    fps : float
        Frames a second that are learned.
    held_out : float
        Part of the clips that is not trained on.
    """

    buckets: BucketConfig
    fps: float
    held_out: float
    seed: int = 0


class Corpus:
    """The clips of a dataset for one autoencoder and one patch of a denoiser.

    Attributes
    ----------
    batches, aside : Batches
        Of clips to train on, and of those held out; ``aside`` is None where there are none.
    """

    def __init__(
        self,
        data: ClipDataset,
        config: CorpusConfig,
        vae: VAE,
        patch: tuple[int, int, int],
        cache: Path,
    ) -> None:
        self.data, self.vae, self.patch, self.cache = data, vae, patch, cache
        compression = vae.config.compression
        for frames in config.buckets.frames:
            VideoShape(frames, 64 * compression.height, 64 * compression.width).validate(
                compression, patch
            )
        step = math.lcm(compression.height * patch[1], compression.width * patch[2])
        every = shapes(config.buckets, step)
        self.tokens = {one: clip_tokens(one, compression, patch) for one in every}
        self.strides = data.strides(config.fps)
        self.bucket = [
            bucket_of(round((clip.frames - 1) // stride) + 1, clip.height, clip.width, every)
            for clip, stride in zip(data.clips, self.strides, strict=True)
        ]
        out = [share_of(clip.film) < config.held_out for clip in data.clips]
        training, others = (
            [one if held is which else None for one, held in zip(self.bucket, out, strict=True)]
            for which in (False, True)
        )
        budget = config.buckets.tokens
        self.batches = Batches.of(training, self.tokens, budget, config.seed)
        self.aside = Batches.of(others, self.tokens, budget) if any(others) else None
        self._latents: dict[Bucket, Tensor] = {}
        self._row: dict[int, int] = {}

    @torch.no_grad()
    def encode(self, device: torch.device) -> None:
        """Make the latents of all clips, or find those of an earlier run."""
        key = digest([self.data.digest, bundle.encoder_digest(self.vae), repr(self.strides)])
        folder = self.cache / f"finetune-{key}"
        for one in sorted({bucket for bucket in self.bucket if bucket is not None}):
            numbers = [number for number, own in enumerate(self.bucket) if own == one]
            rows = []
            for first in range(0, len(numbers), CLIPS_A_FILE):
                some = numbers[first : first + CLIPS_A_FILE]
                # which clips are in a bucket depends on what other buckets there are
                name = (
                    f"{digest([repr(one), *(self.data.clips[n].name for n in some)])}.safetensors"
                )
                if not (folder / name).exists():
                    logger.info("latents of %s, from clip %d on of %d", one, first, len(numbers))
                    latents = torch.stack([self._encoded(number, one, device) for number in some])
                    checkpoint.write_tensors(folder / name, {"latents": latents})
                rows.append(load_file(folder / name)["latents"])
            self._latents[one] = torch.cat(rows)
            self._row |= {number: row for row, number in enumerate(numbers)}

    def _encoded(self, number: int, one: Bucket, device: torch.device) -> Tensor:
        film = self.data.read(number, one, self.strides[number])
        return self.vae.encode(to_tensor(film[None]).to(device))[0].half().cpu()

    def latents(self, one: Bucket, clips: Sequence[int]) -> Tensor:
        """(B, C, t, h, w) of clips of a bucket."""
        return self._latents[one][[self._row[clip] for clip in clips]].float()

    def captions(self, clips: Sequence[int]) -> list[str]:
        """What they show."""
        return [self.data.clips[clip].caption for clip in clips]

    def tell(self) -> None:
        """Log what there is to learn from."""
        held = sum(len(own) for own in self.aside.members) if self.aside else 0
        logger.info(
            "%d clips, %d of them in no bucket, %d held out",
            len(self.data), self.bucket.count(None), held,
        )  # fmt: skip
        for one, own, count in zip(
            self.batches.buckets, self.batches.members, self.batches.sizes.tolist(), strict=True
        ):
            shape = f"{one.frames} frames of {one.width}x{one.height}"
            tokens = count * self.tokens[one]
            logger.info("  %s: %d clips, %d a batch (%d tokens)", shape, len(own), count, tokens)

    def with_words(self, encoder: TextEncoder, source: str) -> TextEncoder:
        """An encoder that also knows the words of the captions, those that it knew as before."""
        uses = Counter(
            word for clip in self.data.clips for word in words(clip.caption, encoder.spells)
        )
        new = [
            word
            for word, count in sorted(uses.items(), key=lambda one: (-one[1], one[0]))
            if count >= LEAST_USES and word not in encoder.ids
        ][:MOST_WORDS]
        vocabulary = (*encoder.config.vocabulary, *sorted(new))
        tree = encoder.config.model_dump() | {"vocabulary": vocabulary}
        longer = TextEncoder(TextConfig.model_validate(tree))
        weights = adapt_text(longer, encoder.state_dict(), encoder.config)
        checkpoint.load_strict(longer, weights, source)
        return longer


class CaptionTokens:
    """Tokens of captions by an encoder that is not trained, without their padding."""

    def __init__(self, encoder: Any, captions: Sequence[str], key: str, cache: Path) -> None:
        every = sorted(set(captions))
        path = cache / f"captions-{digest([key, *every])}.safetensors"
        if not path.exists():
            with torch.inference_mode():
                texts = [encoder.encode([caption]) for caption in every]
            kept = {str(number): _used(text) for number, text in enumerate(texts)}
            kept["length"] = torch.tensor(texts[0].shape[1])
            checkpoint.write_tensors(path, kept)
        tensors = load_file(path)
        self.length = int(tensors["length"])
        self.rows = {caption: tensors[str(number)] for number, caption in enumerate(every)}

    def merged(self, captions: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """`models.text.merge_padding` of these captions."""
        rows = [self.rows[caption] for caption in captions]
        padded = [
            torch.nn.functional.pad(row, (0, 0, 0, self.length - row.shape[1])) for row in rows
        ]
        return merge_padding(torch.cat(padded))


def _used(text: Tensor) -> Tensor:
    """(1, L', D) of (1, L, D) that ends in zeros."""
    count = int((text != 0).any(-1).any(0).sum())
    return text[:, : max(1, count)].float().cpu().clone()


def clip_tokens(one: Bucket, compression: Compression, patch: tuple[int, int, int]) -> int:
    """Tokens of a clip of a bucket."""
    latent = VideoShape(*one).latent(compression, 1)
    return math.prod(token_grid((latent.frames, latent.height, latent.width), patch))


def share_of(name: str) -> float:
    """A number from 0 to below 1 that depends on a name alone."""
    return int(digest([name])[:8], 16) / 2**32
