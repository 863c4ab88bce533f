"""Layouts as channels of a latent's places, which a denoiser is told.

Legend: B batch, S things, F frames, C latent channels, t h w places of a latent.
"""

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from praxino.layout import Layout
from praxino.models.layout import ATTRIBUTES, LayoutConfig
from praxino.models.pictures import Pictures

PORTRAIT_FILL: Final = 0.75
"""How much of a picture's larger side what it shows takes up, about."""
PORTRAIT_GAIN: Final = 0.25
"""Factor of portraits, whose latents are large beside the other channels."""
SUBSAMPLES: Final = 3
"""Points along each side of a place at which a portrait is read."""


def rasterize(
    things: Int[Tensor, "batch slots attributes"],
    there: Tensor,
    boxes: Float[Tensor, "batch slots frames 4"],
    config: LayoutConfig,
    grid: tuple[int, int, int],
    aspect: float = 1.0,
    coloured: Tensor | None = None,
) -> Float[Tensor, "batch channels t h w"]:
    """Layouts as channels on a latent's places.

    Parameters
    ----------
    things, there : (B, S, 5), (B, S)
        Numbers of attributes among all values; which slots hold a thing.
    boxes : (B, S, F, 4)
        x, y, width, height in picture heights; F = 4 (t - 1) + 1 frames, of which the first alone
        is a latent frame.
    grid : (t, h, w)
        Places of the latent.
    coloured : (B, S), optional
        Things whose colour is told; all of them, where it is not given.

    Returns
    -------
    Tensor
        For each kind and each colour, how much of a place the boxes of such things cover, the
        largest over the place's frames and things; the displacement (x, y) within the latent frame,
        the height, and 1 - depth / slots, of the thing that counts most there (its cover times its
        nearness), each times its cover.
    """
    t = grid[0]
    latent = cover_of(there, boxes, grid, aspect)
    if t == 1:
        moved, height = boxes[:, :, :1, :2] * 0, boxes[:, :, :1, 3]
    else:
        # (B, S, t - 1, 4, 4): each latent frame's own frames
        later = boxes[:, :, 1:].unflatten(2, (t - 1, -1))
        across = later[:, :, :, -1, :2] - later[:, :, :, 0, :2]
        moved = torch.cat([across.new_zeros(*across.shape[:2], 1, 2), across], dim=2)
        height = torch.cat([boxes[:, :, :1, 3], later[:, :, :, -1, 3]], dim=2)
    kinds = F.one_hot((things[..., 0] - config.offsets[0] - 1).clamp_min(0), len(config.kinds)).to(
        latent
    )
    colours = F.one_hot((things[..., 1] - config.offsets[1]).clamp_min(0), len(config.colours)).to(
        latent
    )
    if coloured is not None:
        colours = colours * coloured[..., None]
    named = torch.cat([kinds, colours], dim=2)  # (B, S, K + C)
    planes = (latent[:, :, None] * named[..., None, None, None]).amax(1)  # (B, K + C, t, h, w)
    nearness = _nearness(things, config)
    front = (latent * nearness[..., None, None, None]).argmax(1, keepdim=True)  # (B, 1, t, h, w)
    numbers = torch.stack(
        [moved[..., 0], moved[..., 1], height, nearness[..., None].expand_as(height)], 2
    )
    spread = latent[:, :, None] * numbers[..., None, None]  # (B, S, 4, t, h, w)
    nearest = spread.gather(1, front[:, :, None].expand(-1, -1, 4, -1, -1, -1))[:, 0]
    return torch.cat([planes, nearest], dim=1)


def _nearness(things: Tensor, config: LayoutConfig) -> Tensor:
    """1 - depth / slots of each thing, (B, S)."""
    return 1 - (things[..., 4] - config.offsets[4]).clamp_min(0).float() / config.slots


def portraits_of(pictures: Pictures, slots: Int[Tensor, "batch things"]) -> tuple[Tensor, Tensor]:
    """What the pictures of each thing have in common.

    Parameters
    ----------
    slots : (B, S)
        Which entity each thing is; -1 for one that is none.

    Returns
    -------
    Tensor (B, S, C, h, w)
        The mean of the entity's pictures, each as strong as it should count, 1 at most.
    Tensor (B, S)
        Which things have one.
    """
    own = (slots[..., None] == pictures.slot[:, None]) & pictures.there[:, None]  # (B, S, P)
    strength = torch.as_tensor(pictures.strength, device=own.device).float().clamp(0, 1)
    share = own / own.sum(2, keepdim=True).clamp_min(1)
    strong = (share * strength.expand_as(pictures.slot)[:, None]).to(pictures.latents)
    return torch.einsum("bsp,bpchw->bschw", strong, pictures.latents), own.any(2)


def draw_portraits(
    portraits: Float[Tensor, "batch slots channels rows columns"],
    present: Tensor,
    things: Int[Tensor, "batch slots attributes"],
    boxes: Float[Tensor, "batch slots frames 4"],
    config: LayoutConfig,
    grid: tuple[int, int, int],
    aspect: float = 1.0,
) -> Float[Tensor, "batch channels t h w"]:
    """Pictures of things at the places where the things are: channels beside those of `rasterize`.

    A collage of latents is no latent of a collage, but it says which colour is where on a thing,
    at the place where that is to be painted.

    Parameters
    ----------
    portraits, present : (B, S, C, h', w'), (B, S)
        As `portraits_of` makes them.
    things, boxes : (B, S, 5), (B, S, F, 4)
        As of `rasterize`.

    Returns
    -------
    Tensor
        Zeros where no such thing is; where several are, the nearest.
    """
    t, h, w = grid
    rows = present.nonzero(as_tuple=True)
    channels = portraits.new_zeros(*present.shape, portraits.shape[2], t, h, w)
    if not len(rows[0]):
        return channels[:, 0]
    step = (boxes.shape[2] - 1) // (t - 1) if t > 1 else boxes.shape[2]
    own = boxes[rows][:, ::step]  # (M, t, 4): of each latent frame its last one
    x, y, width, height = (part[..., None, None] for part in own.unbind(-1))
    size = (t, SUBSAMPLES * h, SUBSAMPLES * w)
    down, across = (
        (torch.arange(count, device=own.device) + 0.5) * length / count
        for count, length in ((size[1], 1.0), (size[2], aspect))
    )
    dx, dy = torch.broadcast_tensors(across - x, down[:, None] - y)  # (M, t, H, W) each
    inside = ((dx.abs() < width / 2) & (dy.abs() < height / 2)).to(portraits)
    larger = torch.maximum(width, height) / (2 * PORTRAIT_FILL)
    points = torch.stack([dx, dy], dim=-1).clamp(-9, 9) / larger[..., None]
    read = F.grid_sample(
        portraits[rows].float(), points.flatten(1, 2), padding_mode="border", align_corners=False
    ).unflatten(2, size[:2])  # (M, C, t, H, W)
    window = (1, SUBSAMPLES, SUBSAMPLES)
    channels[rows] = F.avg_pool3d(read * inside[:, None], window).to(channels)
    cover = present.new_zeros(*present.shape, t, h, w, dtype=channels.dtype)
    cover[rows] = F.avg_pool3d(inside, window).to(cover)
    nearness = _nearness(things, config).to(cover)
    front = (cover * nearness[..., None, None, None]).argmax(1, keepdim=True)  # (B, 1, t, h, w)
    index = front[:, :, None].expand(-1, -1, channels.shape[2], -1, -1, -1)
    return PORTRAIT_GAIN * channels.gather(1, index)[:, 0]


def cover_of(
    there: Tensor, boxes: Tensor, grid: tuple[int, int, int], aspect: float = 1.0
) -> Tensor:
    """How much of each place of a latent each thing covers, the most in the place's frames: (B, S,
    t, h, w).
    """
    t, h, w = grid
    if t == 1:
        boxes = boxes[:, :, :1]
    cover = _cover(boxes, h, w, aspect) * there[:, :, None, None, None]  # (B, S, F, h, w)
    if t == 1:
        return cover
    return torch.cat([cover[:, :, :1], cover[:, :, 1:].unflatten(2, (t - 1, -1)).amax(3)], dim=2)


def _cover(boxes: Tensor, h: int, w: int, aspect: float) -> Tensor:
    """The part of each place that each box covers: (B, S, F, h, w)."""
    x, y, width, height = boxes.unbind(-1)

    def along(middle: Tensor, size: Tensor, count: int, length: float) -> Tensor:
        edges = torch.arange(count + 1, device=boxes.device, dtype=boxes.dtype) * (length / count)
        low = torch.maximum((middle - size / 2)[..., None], edges[:-1])
        high = torch.minimum((middle + size / 2)[..., None], edges[1:])
        return (high - low).clamp_min(0) * (count / length)

    rows, columns = along(y, height, h, 1.0), along(x, width, w, aspect)
    return rows[..., :, None] * columns[..., None, :]


def as_tensors(
    layouts: Sequence[Layout], config: LayoutConfig, slots: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Layouts as `rasterize` wants them: things (B, S, 5), there (B, S), boxes (B, S, F, 4); raises
    `InputError` for words that the config does not know.
    """
    slots = slots or max(1, max((len(layout.things) for layout in layouts), default=1))
    frames = layouts[0].frames
    things = torch.zeros(len(layouts), slots, len(ATTRIBUTES), dtype=torch.long)
    there = torch.zeros(len(layouts), slots, dtype=torch.bool)
    boxes = torch.zeros(len(layouts), slots, frames, 4)
    for i, layout in enumerate(layouts):
        for j, thing in enumerate(layout.things):
            things[i, j] = torch.tensor(config.numbers(thing.attributes))
            there[i, j] = True
            boxes[i, j] = torch.tensor(thing.boxes)
    return things, there, boxes
