"""Pictures that a film begins and ends with, as each kind of model wants to be told of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.pixels import to_tensor
from praxino.diffusion.path import Path
from praxino.generation.denoiser import FrameCondition
from praxino.generation.images import GivenImage, fitted, put_in, whole
from praxino.models.vace import mask_channels
from praxino.models.vae import VAE
from praxino.request import Request
from praxino.storage.weights.bundle import BundleConfig

WHITE: Final = 255
"""Grey level around pictures of entities."""


def encode_images(
    config: BundleConfig,
    request: Request,
    ends: Mapping[int, GivenImage],
    vae: VAE,
    device: torch.device,
    references: Sequence[GivenImage] = (),
) -> FrameCondition:
    """A request's pictures, encoded.

    Parameters
    ----------
    ends : mapping
        Its first and last picture by the number of the frame.
    vae : VAE
        On ``device``.
    references : sequence of GivenImage
        Of entities, for models that are given them as frames.
    """
    if config.pictures == "control":
        film = np.zeros((request.frames, request.height, request.width, 3), np.uint8)
        stay = np.zeros(film.shape[:3], bool)
        put_in(ends, film, stay)
        return control(film, stay, references, vae, device)
    fit = {n: fitted(image.pixels, request.height, request.width) for n, image in ends.items()}
    # (1, 3, 1, H, W) each
    clips = {number: to_tensor(frame[None, None]).to(device) for number, frame in fit.items()}
    kind: Callable[[Request, dict[int, Tensor], VAE], FrameCondition] = (
        _channels if config.pictures == "channels" else _clean
    )
    return kind(request, clips, vae)


def control(
    film: NDArray[np.uint8],
    stay: NDArray[np.bool_],
    references: Sequence[GivenImage],
    vae: VAE,
    device: torch.device,
) -> FrameCondition:
    """What guides a control branch (VACE, arXiv 2503.07598, section 3.2).

    Latents of what is given, those of what is made again (which is left out: gray), and which is
    which; the pictures of entities stand before the film, on white, in their order.

    Parameters
    ----------
    film : (F, H, W, 3)
    stay : (F, H, W)
        Which of its pixels are given.
    """
    size, step = film.shape[1:3], vae.config.compression
    new = torch.from_numpy(~stay).to(device).float()  # (F, H, W)
    pixels = to_tensor(film[None]).to(device)  # (1, 3, F, H, W)
    inactive, reactive = (vae.encode(part, chunk=1) for part in (pixels * (1 - new), pixels * 0))
    mask = mask_channels(new, step.time, step.height, step.width)
    rows = [torch.cat([inactive, reactive, mask.to(inactive)], dim=1)]
    for number, image in enumerate(references):
        clip = to_tensor(whole(image.pixels, size[0], size[1], WHITE)[None, None]).to(device)
        latent = vae.encode(clip)
        blank = torch.zeros_like(rows[-1][:, latent.shape[1] :, :1])
        rows.insert(number, torch.cat([latent, blank], dim=1))
    return FrameCondition(control=torch.cat(rows, dim=2), leading=len(references))


def lengthened(
    x: Tensor, frames: FrameCondition, path: Path, t: Tensor, generator: torch.Generator
) -> Tensor:
    """Noisy latents of a film at ``t``, behind those of the reference pictures before it."""
    assert frames.control is not None
    clean = frames.control[:, : x.shape[1], : frames.leading]
    noise = torch.randn(clean.shape, generator=generator).to(x)
    before = path.alpha(t).to(x) * clean + path.sigma(t).to(x) * noise
    return torch.cat([before, x], dim=2)


def _channels(request: Request, clips: dict[int, Tensor], vae: VAE) -> FrameCondition:
    """Wan 2.1 (arXiv 2503.20314, section 5.1): four channels of mask, and the latents of gray film
    with the frames.
    """
    size = (1, 3, request.frames, request.height, request.width)
    film = torch.zeros(size, device=next(iter(clips.values())).device)
    for place, clip in clips.items():
        film[:, :, place] = clip[:, :, 0]
    latents = vae.encode(film, chunk=1)
    step = vae.config.compression.time
    kept = torch.zeros(request.frames)
    kept[list(clips)] = 1
    # (step, t): the first frame stands for all
    kept = torch.cat([kept[:1].repeat(step), kept[1:]]).view(-1, step).T
    mask = kept.to(latents).view(1, step, -1, 1, 1).expand(-1, -1, -1, *latents.shape[3:])
    return FrameCondition(channels=torch.cat([mask, latents], dim=1))


def _clean(request: Request, clips: dict[int, Tensor], vae: VAE) -> FrameCondition:
    """Wan 2.2 5B, and models trained with a time per token: the frames themselves, without noise.

    A last latent frame stands for several frames: those are the given one, held.
    """
    shape = request.shape.latent(vae.config.compression, vae.config.latent_channels)
    clean = torch.zeros(shape.size(), device=next(iter(clips.values())).device)
    mask = clean.new_zeros(1, 1, shape.frames, 1, 1)
    if (first := clips.get(0)) is not None:
        clean[:, :, :1], mask[:, :, 0] = vae.encode(first), 1
    if (last := clips.get(request.frames - 1)) is not None:
        held = last.expand(-1, -1, 1 + vae.config.compression.time, -1, -1)
        clean[:, :, -1:], mask[:, :, -1] = vae.encode(held)[:, :, 1:], 1
    return FrameCondition(clean=clean, mask=mask)
