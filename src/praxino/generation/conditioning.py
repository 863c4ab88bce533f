"""Pictures that a film begins and ends with, as each kind of model wants to be told of them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from praxino.data.pixels import to_tensor
from praxino.generation.denoiser import FrameCondition
from praxino.generation.images import GivenImage, fitted
from praxino.models.vae import VAE
from praxino.request import Request
from praxino.storage.weights.bundle import BundleConfig


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
