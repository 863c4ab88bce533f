"""What a film is made from beside a sentence: given frames, as each kind of model wants to be told of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from praxino.data.pixels import to_tensor
from praxino.errors import InputError
from praxino.generation.request import GenerationSettings, Request
from praxino.models.vae import VAE
from praxino.shapes import Compression, VideoShape
from praxino.storage.media.video import read
from praxino.storage.weights.bundle import BundleConfig

Picture = NDArray[np.uint8]
NARROWEST = 4
"""How many times as long as the other a side of a film may be that follows a picture."""


@dataclass(frozen=True)
class FrameCondition:
    """Frames that a film is to contain.

    Attributes
    ----------
    channels : Tensor (1, C', t, h, w), optional
        Goes in beside the noisy latents: a mask and the latents of the given frames.
    clean : Tensor (1, C, t, h, w), optional
        Latents that stay as they are where ``mask`` is 1.
    mask : Tensor (1, 1, t, 1, 1), optional
    """

    channels: Tensor | None = None
    clean: Tensor | None = None
    mask: Tensor | None = None


def check(config: BundleConfig, request: Request, places: int, reads_pictures: bool) -> None:
    """Raise `InputError` if a model cannot make a film from the pictures that are given, or from none.

    Parameters
    ----------
    places : int
        Reference tokens with a place of their own: above 0 for models that want a first and a last frame.
    reads_pictures : bool
        Whether the model has a picture encoder.
    """
    if request.last and not request.image:
        raise InputError("a last frame without a first one", "--image names the first frame")
    if request.image and config.pictures == "none":
        raise InputError(f"{config.name} makes films from text only", "leave --image out, or name another model")
    if request.image and request.frames == 1:
        raise InputError("frames=1: a picture from a picture", "a film has 5 frames or more")
    if config.pictures == "channels" and not request.image:
        raise InputError(f"{config.name} begins with a picture", "--image names it")
    if places and not request.last:
        raise InputError(f"{config.name} goes from a first to a last frame", "--last names the last one")
    if request.last and reads_pictures and not places:
        raise InputError(f"{config.name} takes no last frame", "leave --last out, or name a model for first and last")
    pictures(request)  # that they can be read is better known now than after the sentence


def pictures(request: Request) -> list[Picture]:
    """The first frame of each file that the request names: (H, W, 3) each."""
    return [read(Path(path), most=1).frames[0] for path in (request.image, request.last) if path]


def size(config: BundleConfig, compression: Compression, patch: tuple[int, int, int], image: str) -> GenerationSettings:
    """A film in the proportions of the first picture in a file, with about as many pixels as the model's own choice.

    Empty where the model takes no pictures, or knows one size alone.

    Raises
    ------
    InputError
        If the picture is far narrower than films are.
    """
    if config.pictures == "none" or not config.proportions:
        return {}
    height, width = read(Path(image), most=1).frames[0].shape[:2]
    if max(height, width) > NARROWEST * min(height, width):
        raise InputError(f"{image} is {width}x{height}: too narrow for a film", "cut it, or --size WIDTHxHEIGHT does")
    usual = VideoShape(config.frames, config.height, config.width)
    found = usual.in_proportion((height, width), compression, patch)
    return {"height": found.height, "width": found.width}


def fitted(picture: Picture, height: int, width: int) -> Picture:
    """A picture at the film's size: scaled until it covers it, the middle cut out."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
    large = np.array(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width]


def given(
    config: BundleConfig, request: Request, frames: list[Picture], vae: VAE, device: torch.device
) -> FrameCondition:
    """The `pictures` of a request, encoded.

    Parameters
    ----------
    vae : VAE
        On ``device``.
    """
    fit = (fitted(frame, request.height, request.width) for frame in frames)
    clips = [to_tensor(frame[None, None]).to(device) for frame in fit]  # (1, 3, 1, H, W) each
    kind: Callable[[Request, list[Tensor], VAE], FrameCondition] = (
        _channels if config.pictures == "channels" else _clean
    )
    return kind(request, clips, vae)


def _channels(request: Request, clips: list[Tensor], vae: VAE) -> FrameCondition:
    """Wan 2.1 (arXiv 2503.20314, section 5.1): four channels of mask, and the latents of gray film with the frames."""
    film = torch.zeros(1, 3, request.frames, request.height, request.width, device=clips[0].device)
    ends = [0, request.frames - 1][: len(clips)]
    for place, clip in zip(ends, clips, strict=True):
        film[:, :, place] = clip[:, :, 0]
    latents = vae.encode(film, chunk=1)
    step = vae.config.compression.time
    kept = torch.zeros(request.frames)
    kept[ends] = 1
    kept = torch.cat([kept[:1].repeat(step), kept[1:]]).view(-1, step).T  # (step, t): the first frame stands for all
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
