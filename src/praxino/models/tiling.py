"""Large pictures in squares: where these lie, and how what was made of them is put together
again.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from praxino.models.causal import Memory
from praxino.models.vae import VAE, chunks
from praxino.shapes import VideoShape, window_starts


def stream_tiled(
    vae: VAE,
    latent: Float[Tensor, "batch latent t h w"],
    tile: int = 32,
    overlap: int = 8,
    chunk: int = 1,
) -> Iterator[Tensor]:
    """`VAE.stream` in squares of ``tile`` latent positions, cross-faded where they overlap: for
    pictures of any size.

    One square after the other is decoded to its end, so that only its own frames are
    remembered; the first frames come when all are done.

    Parameters
    ----------
    overlap : int
        Latent positions that neighbours share, less than ``tile``. Attention sees one tile
        only, so the result is not exactly that of `VAE.stream`.
    """
    compression = vae.config.compression
    unit, frames = compression.height, VideoShape.of_latent(latent.shape[2], compression)
    blend = Blend(frames, (latent.shape[3] * unit, latent.shape[4] * unit), overlap * unit)
    for top, left in corners(latent.shape[3:], tile, overlap):
        square = latent[..., top : top + tile, left : left + tile]
        blend.add(vae.stream(square, chunk), top * unit, left * unit)
    film = blend.result()
    yield from chunks(film, chunk, compression.time)


def encode_tiled(
    vae: VAE,
    clip: Float[Tensor, "batch channels frames height width"],
    tile: int = 32,
    overlap: int = 8,
    chunk: int = 1,
) -> Float[Tensor, "batch latent t h w"]:
    """`VAE.encode` in squares, the counterpart of `stream_tiled`."""
    compression = vae.config.compression
    shape = (
        VideoShape(*clip.shape[2:])
        .validate(compression)
        .latent(compression, vae.config.latent_channels)
    )
    unit, size = compression.height, (shape.height, shape.width)
    blend = Blend(shape.frames, size, overlap)
    for top, left in corners(size, tile, overlap):
        rows, columns = (
            slice(top * unit, (top + tile) * unit),
            slice(left * unit, (left + tile) * unit),
        )
        memory = Memory()
        parts = chunks(clip[..., rows, columns], chunk, compression.time)
        blend.add((vae.posterior(part, memory)[0] for part in parts), top, left)
    return vae.normalise(blend.result())


class Blend:
    """Tiles put together: a weighted mean where they overlap."""

    def __init__(self, frames: int, size: tuple[int, int], overlap: int) -> None:
        self.frames, self.size, self.overlap = frames, size, overlap
        self.total: Tensor | None = None
        self.weights: Tensor | None = None

    def add(self, parts: Iterable[Tensor], top: int, left: int) -> None:
        """Frames of a tile, few at a time, whose corner is at ``top``, ``left``."""
        frame = 0
        for part in parts:
            rows, columns = slice(top, top + part.shape[3]), slice(left, left + part.shape[4])
            mask = torch.outer(
                _ramp(rows, self.size[0], self.overlap, part),
                _ramp(columns, self.size[1], self.overlap, part),
            )
            if self.total is None or self.weights is None:
                self.total = part.new_zeros(*part.shape[:2], self.frames, *self.size)
                self.weights = part.new_zeros(self.size)
            self.total[:, :, frame : frame + part.shape[2], rows, columns] += part * mask
            if frame == 0:
                self.weights[rows, columns] += mask
            frame += part.shape[2]

    def result(self) -> Tensor:
        assert self.total is not None
        assert self.weights is not None
        return self.total.div_(self.weights)


def corners(size: Sequence[int], tile: int, overlap: int) -> list[tuple[int, int]]:
    """Where tiles begin, row by row."""
    rows, columns = (window_starts(length, tile, overlap) for length in size)
    return [(top, left) for top in rows for left in columns]


def _ramp(place: slice, size: int, overlap: int, like: Tensor) -> Tensor:
    """Weights of a tile along one axis: where it meets a neighbour, nothing for a quarter of the
    overlap, where its edge can be seen, then rising to one by the third quarter.
    """
    distance = torch.arange(place.stop - place.start, device=like.device, dtype=like.dtype)
    fade = ((distance - overlap // 4 + 1) / (overlap // 2 + 1)).clamp(0, 1)
    start = fade if place.start > 0 else torch.ones_like(fade)
    end = fade.flip(0) if place.stop < size else torch.ones_like(fade)
    return torch.minimum(start, end)
