"""The stage that all ways share: one world, one text encoder, one order of data; each brings its
networks, its loss and how it draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.data.diorama import Edition, vocabulary
from praxino.data.latents import shuffled_indices
from praxino.data.pixels import to_pixels
from praxino.models.text import TextConfig, TextEncoder
from praxino.models.vae import VAE
from praxino.rng import Stream, generator
from praxino.storage.weights import bundle, checkpoint
from praxino.training.captions import CaptionMix, draw_captions
from praxino.training.sources import HERE, NOTHING, Sources, Workplace
from praxino.training.ways.gan import GAN, GANConfig
from praxino.training.ways.latents import Latents, LatentsConfig
from praxino.training.ways.pixels import Pixels, PixelsConfig
from praxino.training.ways.stills import Stills
from praxino.training.ways.tokens import Tokens, TokensConfig
from praxino.training.ways.vae import PictureVAE, PictureVAEConfig

SHOWN: Final = (
    "a red ball on the grass",
    "a brown dog in a room",
    "a blue car in a city at night",
    "a white boat on the sea at sunset",
)
"""Sentences whose pictures are drawn as samples."""
EACH: Final = 4
"""Pictures of each of them."""
SETTLED: Final = 8
"""Batches of sentences by which statistics of averaged weights are found."""
WayConfig = Annotated[
    GANConfig | PictureVAEConfig | TokensConfig | PixelsConfig | LatentsConfig,
    Field(discriminator="way"),
]


class Way(Protocol):
    """Networks, a loss and a sampler; pictures (B, 3, H, W) in [-1, 1], or their latents."""

    def loss(
        self, x: Tensor, tokens: Tensor, sentence: Tensor, number: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of a step, and what is logged beside it.

        Parameters
        ----------
        tokens : Tensor (B, L, D)
            Words of sentences, zeros behind them.
        sentence : Tensor (B, D)
            Their mean.
        number : int
            The step.
        """

    def sample(self, tokens: Tensor, sentence: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures of sentences, or their latents."""


class PicturesConfig(Config):
    """What a way learns from."""

    kind: Literal["pictures"] = "pictures"
    model: WayConfig
    text: TextConfig
    seed: int = Field(0, ge=0, lt=2**32, description="of weights, and of the order of pictures")
    world: int = Field(0, ge=0, lt=2**32, description="seed of the pictures themselves")
    edition: Edition = 1
    size: int = Field(64, gt=0, description="pixels a side")
    count: int = Field(8192, gt=0, description="different pictures")
    batch: int = Field(32, gt=0)
    captions: CaptionMix = CaptionMix(drop=0.2, tags=0.15, paragraphs=0.5)

    @property
    def of_latents(self) -> bool:
        """Whether pictures are seen through the autoencoder."""
        return isinstance(self.model, LatentsConfig)


@dataclass(frozen=True)
class PictureBatch:
    """Pictures or latents, and what is said of them."""

    number: int
    x: Tensor
    sentences: list[str]


class Pictures(nn.Module):
    """A way with its text encoder: sentences to pictures."""

    def __init__(self, config: PicturesConfig, vae: VAE | None) -> None:
        super().__init__()
        self.config = config
        self.text = TextEncoder(config.text)
        self.way: Way = _build(config)
        self.__dict__["vae"] = vae  # it is not trained

    vae: VAE | None

    def read(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Words (B, L, D) and their mean (B, D)."""
        tokens = self.text.encode(sentences)
        used = (tokens != 0).any(2, keepdim=True)
        return tokens, tokens.sum(1) / used.sum(1).clamp_min(1)

    @torch.no_grad()
    def draw(self, sentences: Sequence[str], seed: int) -> NDArray[np.uint8]:
        """(B, H, W, 3): a picture of each sentence."""
        x = self.way.sample(*self.read(sentences), torch.Generator().manual_seed(seed))
        x = x if self.vae is None else self.vae.decode(x.unsqueeze(2))[:, :, 0]
        return to_pixels(x.unsqueeze(2))[:, 0]


def _build(config: PicturesConfig) -> Way:
    width, model = config.text.width, config.model
    match model:
        case GANConfig():
            return GAN(model, width)
        case PictureVAEConfig():
            return PictureVAE(model, width)
        case TokensConfig():
            return Tokens(model, width)
        case PixelsConfig():
            return Pixels(model, width)
        case LatentsConfig():
            return Latents(model, width)


class PictureStage:
    """A `TrainingStage` that trains one of the ways."""

    def __init__(
        self, config: PicturesConfig, sources: Sources = NOTHING, workplace: Workplace = HERE
    ) -> None:
        self.config = config
        self.stills = Stills(config.world, config.size, config.edition)
        vae = bundle.read_vae(sources.autoencoder).eval() if config.of_latents else None
        torch.manual_seed(config.seed)
        self.module = Pictures(config, vae)
        if sources.init:
            checkpoint.load_weights(self.module, sources.init / "pictures")
        if vae is not None:
            self.data = self.stills.latents(workplace.cache, config.count, vae)
        else:
            self.data = self.stills.kept(workplace.cache, config.count)

    def batch(self, number: int) -> PictureBatch:
        config, count = self.config, self.config.batch
        indices = shuffled_indices(config.seed, config.count, number * count, count)
        scenes = [self.stills.scene(int(index)) for index in indices]
        rng = generator(Stream.PICTURE_BATCH, config.seed, number)
        words = draw_captions(config.captions, scenes, config.seed, number * count, rng)
        x = self.data[torch.from_numpy(indices)].float()
        return PictureBatch(number, x if config.of_latents else x / 127.5 - 1, words)

    def loss(
        self, batch: PictureBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        tokens, sentence = self.module.read(batch.sentences)
        return self.module.way.loss(batch.x, tokens, sentence, batch.number, generator)

    def samples(self) -> NDArray[np.uint8]:
        """Pictures of a few sentences, a row for each."""
        drawn = self.module.eval().draw([text for text in SHOWN for _ in range(EACH)], 0)
        self.module.train()
        rows = [
            np.concatenate(list(drawn[i : i + EACH]), axis=1) for i in range(0, len(drawn), EACH)
        ]
        return np.concatenate(rows)

    def save(self, folder: Path) -> None:
        if isinstance(self.module.way, GAN):
            sentences = [self.batch(number).sentences for number in range(SETTLED)]
            self.module.way.settle([self.module.read(some)[1] for some in sentences])
        checkpoint.save(folder / "pictures", self.config, self.module.state_dict())


def read(folder: Path) -> Pictures:
    """A trained way, from the folder that its run wrote; raises `CheckpointError` if there is
    none.
    """
    config = checkpoint.read_config(folder / "pictures", PicturesConfig)
    vae = bundle.read_vae(bundle.BUNDLED / "diorama").eval() if config.of_latents else None
    pictures = Pictures(config, vae)
    checkpoint.load_weights(pictures, folder / "pictures")
    return pictures.eval()


def plain(model: WayConfig, batch: int) -> PicturesConfig:
    """What all ways have in common: words and pictures."""
    text = TextConfig(vocabulary=vocabulary(), width=128, layers=2, heads=4, length=64)
    return PicturesConfig(model=model, text=text, batch=batch)
