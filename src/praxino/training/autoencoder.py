"""The autoencoder stage: pixels, their gradients at several scales, and KL.

Cheap by crops in space, right on every frame by mixed lengths in time: most steps see small squares
of clips of 1 to 17 frames, the last ones whole clips.
"""

import functools
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from praxino.config import Config
from praxino.data import buckets as shapes_of_clips
from praxino.data.clips import ClipDataset
from praxino.data.diorama import Edition, compose, render
from praxino.data.diorama.split import UNSEEN
from praxino.data.order import permuted
from praxino.data.pixels import strip, to_pixels, to_tensor
from praxino.errors import InputError
from praxino.models.vae import VAE, FrameAttention, ResidualBlock, VAEConfig
from praxino.rng import Stream, generator
from praxino.shapes import VideoShape
from praxino.storage.weights import checkpoint
from praxino.training.corpus import share_of
from praxino.training.sources import HERE, NOTHING, Sources, Workplace

HALF_SIZE_WEIGHT: Final = 0.25
"""Weight of the loss at half size, which has a quarter of the pixels."""


HELD_OUT_SHARE: Final = 0.05
"""Part of a dataset's clips that is not trained on."""
HELD_OUT_CLIPS: Final = 64
"""Clips on which the statistics of latents are measured, and which samples show."""


class Bucket(NamedTuple):
    """Batches of ``clips`` different clips, ``crops`` from each, of ``frames`` frames and ``size``
    pixels a side.

    The clips are drawn ``drawn`` pixels high and wide; 0: as large as the config says.
    """

    frames: int
    size: int
    clips: int
    crops: int
    drawn: int = 0


class AutoencoderConfig(Config):
    """What the autoencoder sees and minimises."""

    kind: Literal["autoencoder"] = "autoencoder"
    vae: VAEConfig = VAEConfig()
    seed: int = Field(0, ge=0, lt=2**32)
    edition: Edition = Field(2, description="of the diorama")
    dataset: str = Field(
        "", description="folder of clips to learn instead, as praxino curate makes it"
    )
    fps: float = Field(8.0, gt=0, description="frames a second of a dataset's clips, about")
    frames: int = Field(17, gt=0)
    size: int = Field(64, gt=0)
    buckets: tuple[Bucket, ...] = Field(strict=False, min_length=1, description="taken in turn")
    last: tuple[Bucket, ...] = Field(
        (), strict=False, description="taken in turn from step `whole_from` on"
    )
    whole_from: int = Field(0, ge=0)
    decoder_only: bool = Field(
        False, description="leave the encoder as it is: denoisers trained on its latents still fit"
    )
    gradients: float = Field(1.0, ge=0, description="weight of the gradient difference loss")
    kl: float = Field(2e-3, ge=0, description="weight of KL in nats per latent number")
    equivariance: float = Field(
        0.0,
        ge=0,
        le=1,
        description="part of the batches whose latents must also decode at half size",
    )

    @model_validator(mode="after")
    def _buckets_fit(self) -> "AutoencoderConfig":
        for bucket in (*self.buckets, *self.last):
            if not (
                0 < bucket.size <= (bucket.drawn or self.size)
                and 0 < bucket.frames <= self.frames
                and bucket.clips * bucket.crops > 0
            ):
                raise ValueError(
                    f"bucket {tuple(bucket)} does not fit clips of {self.frames} frames, "
                    f"{self.size} pixels"
                )
            VideoShape(bucket.frames, bucket.size, bucket.size).validate(self.vae.compression)
        return self


class OwnClips:
    """Clips of a dataset in the place of the diorama's.

    Raises
    ------
    InputError
        If none is as long and as large as the config asks for.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        self.data, self.config = ClipDataset(Path(config.dataset)), config
        self.strides = self.data.strides(config.fps)
        side = max([config.size, *(bucket.drawn for bucket in (*config.buckets, *config.last))])
        able = [
            number
            for number, (clip, stride) in enumerate(zip(self.data.clips, self.strides, strict=True))
            if -(-clip.frames // stride) >= config.frames and min(clip.height, clip.width) >= side
        ]
        self._aside = [n for n in able if share_of(self.data.clips[n].name) < HELD_OUT_SHARE]
        self._able = [number for number in able if number not in set(self._aside)]
        if not self._able:
            raise InputError(
                f"{config.dataset}: no clip of {config.frames} frames of {side} pixels",
                "stage.frames, stage.size, or longer clips",
            )

    def clip(self, index: int, side: int) -> NDArray[np.uint8]:
        """The clip of this place in an order without end, (T, side, side, 3)."""
        epoch, place = divmod(index, len(self._able))
        drawn = permuted(np.array([place]), len(self._able), self.config.seed, epoch)[0]
        return self._read(self._able[int(drawn)], side)

    def held_out(self) -> NDArray[np.uint8]:
        """Clips that are not trained on; of a small dataset, the first ones of all."""
        numbers = (self._aside or self._able)[:HELD_OUT_CLIPS]
        return np.stack([self._read(number, self.config.size) for number in numbers])

    def _read(self, number: int, side: int) -> NDArray[np.uint8]:
        shape = shapes_of_clips.Bucket(self.config.frames, side, side)
        return self.data.read(number, shape, self.strides[number])


class Autoencoder:
    """A `TrainingStage` that trains a `VAE` on the diorama, or on clips of a dataset."""

    def __init__(
        self, config: AutoencoderConfig, sources: Sources = NOTHING, workplace: Workplace = HERE
    ) -> None:
        self.config, init = config, sources.init
        self.footage = OwnClips(config) if config.dataset else None
        self.device = torch.device(workplace.device)
        torch.manual_seed(config.seed)
        self.module = VAE(config.vae)
        self.trained = checkpoint.read_config(init / "vae", VAEConfig) if init else None
        if init:
            checkpoint.load_weights(self.module, init / "vae")
        else:
            _begin_near_identity(self.module)
        if config.decoder_only:
            if init is None:
                raise InputError(
                    "stage.decoder_only: there is no encoder to leave as it is",
                    "--init FOLDER names one",
                )
            self.module.encoder.requires_grad_(False)
            self.module.quant.requires_grad_(False)
        _channels_last(self.module)
        self.module.to(self.device)

    def batch(self, number: int) -> Tensor:
        """(B, 3, T, H, W) in [-1, 1]"""
        late = self.config.last and number >= self.config.whole_from
        buckets = self.config.last if late else self.config.buckets
        bucket = buckets[number % len(buckets)]
        rng = generator(Stream.AUTOENCODER_BATCH, self.config.seed, number)
        crops = [
            _crop(clip, bucket, rng)
            for clip in (self._clip(number * 64 + i, bucket.drawn) for i in range(bucket.clips))
            for _ in range(bucket.crops)
        ]
        return to_tensor(np.stack(crops)).to(self.device)

    def _clip(self, index: int, drawn: int = 0) -> NDArray[np.uint8]:
        if self.footage is not None:
            return self.footage.clip(index, drawn or self.config.size)
        scene = compose(
            self.config.seed, index, frames=self.config.frames, edition=self.config.edition
        )
        side = drawn or self.config.size
        return render(scene, side, side)

    @functools.cached_property
    def _unseen(self) -> NDArray[np.uint8]:
        """(N, T, H, W, 3), `HELD_OUT_CLIPS` at most: every save looks at them."""
        if self.footage is not None:
            return self.footage.held_out()
        return np.stack([self._clip(UNSEEN + i) for i in range(HELD_OUT_CLIPS)])

    def loss(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        mean, logvar = self.module.posterior(batch)
        mean, logvar = mean.float(), logvar.float()
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        latent = mean + (0.5 * logvar).exp() * noise
        reconstructed = self.module.reconstruct(latent).float()
        pixels, gradients = (
            (reconstructed - batch).abs().mean(),
            gradient_difference(reconstructed, batch),
        )
        kl = 0.5 * (mean**2 + logvar.exp() - 1.0 - logvar).mean()
        psnr = -10 * torch.log10(((reconstructed - batch) / 2).square().mean() + 1e-8)
        total = pixels + self.config.gradients * gradients + self.config.kl * kl
        parts = {
            "pixels": pixels,
            "gradients": gradients,
            "kl": kl,
            f"psnr/{batch.shape[2]}f{batch.shape[3]}": psnr,
        }
        if (
            float(torch.rand((), generator=generator, device=generator.device))
            < self.config.equivariance
        ):
            parts["half size"] = self._half_size(latent, batch)
            total = total + HALF_SIZE_WEIGHT * parts["half size"]
        return total, {name: value.item() for name, value in parts.items()}

    def _half_size(self, latent: Tensor, batch: Tensor) -> Tensor:
        """How far the latents, averaged over 2x2 places, decode from the clip at half size.

        Scale equivariance (Kouzelis et al., arXiv 2502.09509, eq. 3; Skorokhodov et al., arXiv
        2502.14831): latents whose averages mean something are smoother, and a denoiser learns them
        faster.
        """
        small = F.avg_pool3d(batch, (1, 2, 2))
        reconstructed = self.module.reconstruct(F.avg_pool3d(latent, (1, 2, 2))).float()
        return (reconstructed - small).abs().mean() + self.config.gradients * gradient_difference(
            reconstructed, small, scales=2
        )

    @torch.no_grad()
    def samples(self) -> NDArray[np.uint8]:
        """Held-out clips above their reconstructions."""
        rows = []
        for clip in self._unseen[:6]:
            reconstructed = self.module.decode(
                self.module.encode(to_tensor(clip[None]).to(self.device))
            )
            rows += [strip(clip), strip(to_pixels(reconstructed.float())[0])]
        return np.concatenate(rows, axis=0)

    def save(self, folder: Path) -> None:
        """Writes ``vae/``, with the statistics of its latents, measured now unless the encoder is
        an old one.
        """
        kept = self.trained if self.config.decoder_only else None
        mean, std = (kept.mean, kept.std) if kept else self._statistics()
        config = self.config.vae.model_copy(update={"mean": mean, "std": std})
        checkpoint.save(folder / "vae", config, self.module.state_dict())

    @torch.no_grad()
    def _statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        batch = to_tensor(self._unseen).to(self.device)
        latents = torch.cat([self.module.posterior(part)[0] for part in batch.split(8)])
        flat = latents.float().transpose(0, 1).flatten(1)
        rounded = lambda x: tuple(round(v, 4) for v in x.tolist())  # noqa: E731
        return rounded(flat.mean(1)), rounded(flat.std(1))


def gradient_difference(reconstructed: Tensor, true: Tensor, scales: int = 3) -> Tensor:
    """L1 between the differences of neighbours along width, height and time, at full, half and
    quarter size.

    The gradient difference loss of Mathieu et al. (arXiv 1511.05440, eq. 6), here in time too and
    over scales: it keeps edges and motion sharp where plain L1 prefers blur.
    """
    total = reconstructed.new_zeros(())
    for scale in range(scales):
        if scale:
            reconstructed, true = (
                F.avg_pool3d(reconstructed, (1, 2, 2)),
                F.avg_pool3d(true, (1, 2, 2)),
            )
        error = reconstructed - true
        for axis in (2, 3, 4):
            if error.shape[axis] > 1:
                total = total + error.diff(dim=axis).abs().mean()
    return total / scales


def _crop(clip: NDArray[np.uint8], bucket: Bucket, rng: np.random.Generator) -> NDArray[np.uint8]:
    t, y, x = (
        int(rng.integers(have - want + 1))
        for have, want in zip(clip.shape, bucket[:2] + bucket[1:2], strict=False)
    )
    return clip[t : t + bucket.frames, y : y + bucket.size, x : x + bucket.size]


def _begin_near_identity(vae: VAE) -> None:
    """Begin near the identity: residual branches silent, latents hardly noisy. The first steps then
    teach much.
    """
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, ResidualBlock):
                module.conv2.weight.mul_(0.1)
            if isinstance(module, FrameAttention):
                module.out.weight.mul_(0.1)
        assert vae.quant.bias is not None
        vae.quant.bias[vae.config.latent_channels :] = -5.0


def _channels_last(module: torch.nn.Module) -> None:
    """Kernels in the memory order that convolutions on CPUs are fastest in."""
    order = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in module.parameters():
        if parameter.dim() in order:
            parameter.data = parameter.data.to(memory_format=order[parameter.dim()])
