"""What a film is made from beside a sentence: given frames, as each kind of model wants to be told
of them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from praxino.data.pixels import to_tensor
from praxino.models.vae import VAE
from praxino.request import Request
from praxino.storage.weights.bundle import BundleConfig


@dataclass(frozen=True)
class GivenImage:
    """A picture that a film begins or ends with.

    Attributes
    ----------
    name : str
        As the request and the film's record name it.
    pixels : (H, W, 3) uint8
    content : bytes
        The file that it was read from: the film's signature states it. Empty for pixels that are no
        file.
    """

    name: str
    pixels: NDArray[np.uint8]
    content: bytes = field(default=b"", repr=False)

    @classmethod
    def read(cls, path: Path, name: str = "") -> "GivenImage":
        """The first frame of a file; raises `MediaError` if it cannot be read."""
        from praxino.storage.media.frames import read_video

        return cls(name or str(path), read_video(path, most=1).frames[0], path.read_bytes())

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True)
class FrameCondition:
    """Frames, or parts of them, that a film is to contain.

    Attributes
    ----------
    channels : Tensor (1, C', t, h, w), optional
        Goes in beside the noisy latents: a mask and the latents of the given frames.
    clean : Tensor (1, C, t, h, w), optional
        Latents that stay as they are where ``mask`` is 1.
    mask : Tensor (1, 1, t, h, w), optional
        Height and width may be 1: whole frames.
    noise : Tensor (1, C, t, h, w), optional
        What is mixed into given latents that share a token with others, at that token's time.
    """

    channels: Tensor | None = None
    clean: Tensor | None = None
    mask: Tensor | None = None
    noise: Tensor | None = None

    def merged(self, other: "FrameCondition") -> "FrameCondition":
        """What ``other`` gives, too, where nothing is given here."""
        if self.clean is None or self.mask is None:
            return other
        if other.clean is None or other.mask is None:
            return self
        clean = torch.where(self.mask > 0, self.clean, other.clean)
        mask = torch.maximum(self.mask, other.mask.expand_as(self.mask))
        return replace(self, clean=clean, mask=mask)


def load_images(names: Iterable[str | None], images: Sequence[GivenImage] = ()) -> list[GivenImage]:
    """The pictures of these names: those in ``images``, the others read from files; no name, no
    picture.
    """
    by_name = {image.name: image for image in images}
    return [by_name.get(name) or GivenImage.read(Path(name)) for name in names if name]


def fitted(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A picture at the film's size: scaled until it covers it, the middle cut out."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = (
        max(width, round(picture.shape[1] * scale)),
        max(height, round(picture.shape[0] * scale)),
    )
    large = np.array(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width]


def encode_images(
    config: BundleConfig,
    request: Request,
    images: Sequence[GivenImage],
    vae: VAE,
    device: torch.device,
) -> FrameCondition:
    """A request's pictures, encoded.

    Parameters
    ----------
    vae : VAE
        On ``device``.
    """
    fit = (fitted(image.pixels, request.height, request.width) for image in images)
    clips = [to_tensor(frame[None, None]).to(device) for frame in fit]  # (1, 3, 1, H, W) each
    kind: Callable[[Request, list[Tensor], VAE], FrameCondition] = (
        _channels if config.pictures == "channels" else _clean
    )
    return kind(request, clips, vae)


def _channels(request: Request, clips: list[Tensor], vae: VAE) -> FrameCondition:
    """Wan 2.1 (arXiv 2503.20314, section 5.1): four channels of mask, and the latents of gray film
    with the frames.
    """
    film = torch.zeros(1, 3, request.frames, request.height, request.width, device=clips[0].device)
    ends = [0, request.frames - 1][: len(clips)]
    for place, clip in zip(ends, clips, strict=True):
        film[:, :, place] = clip[:, :, 0]
    latents = vae.encode(film, chunk=1)
    step = vae.config.compression.time
    kept = torch.zeros(request.frames)
    kept[ends] = 1
    # (step, t): the first frame stands for all
    kept = torch.cat([kept[:1].repeat(step), kept[1:]]).view(-1, step).T
    mask = kept.to(latents).view(1, step, -1, 1, 1).expand(-1, -1, -1, *latents.shape[3:])
    return FrameCondition(channels=torch.cat([mask, latents], dim=1))


def _clean(request: Request, clips: list[Tensor], vae: VAE) -> FrameCondition:
    """Wan 2.2 5B, and models trained with a time per token: the frames themselves, without noise.

    A last latent frame stands for several frames: those are the given one, held.
    """
    shape = request.shape.latent(vae.config.compression, vae.config.latent_channels)
    clean = torch.zeros(shape.size(), device=clips[0].device)
    mask = clean.new_zeros(1, 1, shape.frames, 1, 1)
    clean[:, :, :1], mask[:, :, 0] = vae.encode(clips[0]), 1
    if len(clips) == 2:
        held = clips[1].expand(-1, -1, 1 + vae.config.compression.time, -1, -1)
        clean[:, :, -1:], mask[:, :, -1] = vae.encode(held)[:, :, 1:], 1
    return FrameCondition(clean=clean, mask=mask)
