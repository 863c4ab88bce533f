"""Films of any length: one window of latents after another, and frames as they are made.

A window holds the first latent frame of the film, the last two of what there is, and new ones
behind them: history as given frames in place of a causal mask and a cache (Song et al., arXiv
2502.06764; Yuan et al., arXiv 2603.04379). What is kept of a film does not grow with it.
"""

import functools
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.pixels import to_pixels
from praxino.diffusion.sampling import State
from praxino.errors import InputError
from praxino.generation import finish
from praxino.generation.denoiser import Conditioning
from praxino.generation.editing import anchored, one_window, window_length
from praxino.generation.images import GivenImage, load_images
from praxino.generation.layout import LayoutStream, channels
from praxino.generation.offload import exact_and_fast
from praxino.generation.progress import Progress
from praxino.models.causal import Memory
from praxino.provenance.policy import STANDARD, Provenance
from praxino.request import Request
from praxino.shapes import VideoShape
from praxino.storage.media.video import Video

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline

HISTORY: Final = 2
"""Latent frames of history in a window, beside the anchor."""
NEW: Final = 2
"""Latent frames that a window adds; the first one has room for more, since there is no history."""


@dataclass(frozen=True, eq=False)
class Part:
    """What the next latent frames of a film are made from.

    Attributes
    ----------
    request : Request
    conditions : Conditioning
        Layout and given frames are those of the new latent frames alone.
    latents : int
        How many there are.
    """

    request: Request
    conditions: Conditioning
    latents: int


class History:
    """What windows are given of the film so far: latents of the anchor and the last frames, and the
    layouts there.
    """

    def __init__(self) -> None:
        self.first: Tensor | None = None
        self._latents: list[Tensor] = []
        self._layouts: list[Tensor] = []

    def window(self, part: Part, noise: Tensor) -> Conditioning:
        """The part, behind its history; ``noise`` is of the whole window."""
        given = part.conditions.frames
        new = noise[:, :, self.length :]
        clean = torch.zeros_like(new) if given.clean is None else given.clean
        mask = new.new_zeros(1, 1, new.shape[2], 1, 1) if given.mask is None else given.mask
        if self._latents:
            clean = torch.cat([*self._latents, clean], dim=2)
            ones = mask.new_ones(*mask.shape[:2], self.length, *mask.shape[3:])
            mask = torch.cat([ones, mask], dim=2)
        layout = part.conditions.layout
        if layout is not None:
            layout = torch.cat([*self._layouts, layout], dim=2)
        if not self._latents and given.clean is None:
            return replace(part.conditions, layout=layout)
        frames = replace(given, clean=clean, mask=mask, noise=noise)
        return replace(part.conditions, frames=frames, layout=layout)

    @property
    def length(self) -> int:
        """Latent frames of history."""
        return len(self._latents)

    def add(self, latents: Tensor, layout: Tensor | None) -> None:
        """Go on behind these latent frames."""
        self.first = latents if self.first is None else self.first
        self._latents = _kept(self._latents, latents)
        self._layouts = _kept(self._layouts, layout) if layout is not None else []


def _kept(before: list[Tensor], new: Tensor) -> list[Tensor]:
    """The anchor and the last of all latent frames."""
    every = [*before, *new.split(1, dim=2)]
    return [every[0], *every[1:][-HISTORY:]]


def sample(
    pipeline: "Pipeline", request: Request, parts: Iterable[Part], generator: torch.Generator
) -> Iterator[tuple[Part, State]]:
    """The sampler's states of one part after another; each has the new latents alone.

    A part is drawn from ``parts`` when the one before it is done.
    """
    history, times = History(), pipeline.times(request)
    vae = pipeline.model.vae.config
    shape = request.shape.latent(vae.compression, vae.latent_channels)
    for part in parts:
        size = replace(shape, frames=history.length + part.latents).size()
        noise = torch.randn(size, generator=generator).to(pipeline.device)
        old, first = history.length, history.first
        conditions = history.window(part, noise)
        for state in pipeline.denoise(request, conditions, noise, times, generator):
            x, x0 = state.x[:, :, old:], state.x0[:, :, old:]
            if first is not None and state.step == state.steps:
                x = anchored(x, first)
            yield part, replace(state, x=x, x0=x0)
        history.add(x, part.conditions.layout)


def parts_of(request: Request, conditions: Conditioning, count: int, window: int) -> Iterator[Part]:
    """A film of ``count`` latent frames, of which ``window`` fit into one, part by part."""
    starts = [0, *range(window, count, max(1, window - 1 - HISTORY)), count]
    for start, end in itertools.pairwise(starts):
        span = slice(start, end)
        layout = None if conditions.layout is None else conditions.layout[:, :, span]
        frames = conditions.frames.cut(span)
        part = replace(conditions, layout=layout, frames=frames)
        yield Part(request, part, end - start)


class FrameDecoder:
    """Frames of latents that come bit by bit, as if all had come at once."""

    def __init__(self, pipeline: "Pipeline") -> None:
        self.pipeline, self.memory = pipeline, Memory()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> NDArray[np.uint8]:
        """(1, C, t, h, w) to (T, H, W, 3)."""
        pipeline = self.pipeline
        with (
            pipeline.offloader.resident(pipeline.model.vae, torch.float32) as vae,
            exact_and_fast(pipeline.device),
        ):
            clips = [to_pixels(clip)[0] for clip in vae.stream(latents, memory=self.memory)]
        return np.concatenate(clips)


@dataclass(frozen=True, eq=False)
class Chunk:
    """Frames of a film that has no end yet.

    Attributes
    ----------
    frames : (T, H, W, 3) uint8
        Marked, if the film is.
    start : int
        Number of the first of them.
    request : Request
        What they were made from.
    """

    frames: NDArray[np.uint8]
    start: int
    request: Request


def live(
    pipeline: "Pipeline", requests: Iterable[Request], provenance: Provenance = STANDARD
) -> Iterator[Chunk]:
    """A film that goes on as long as it is asked for: each request is for the next frames.

    Parameters
    ----------
    requests : iterable of Request
        Complete ones, of `Pipeline.request`. The first one says how many frames a window has, their
        size, seed, steps and sampler; the later ones, what is shown. Each is taken when the frames
        before it are done, so that what it is may be decided then.

    Raises
    ------
    InputError
        If the model makes no films of windows, or for a request that begins or ends with a picture,
        or with an edit.
    """
    decoder, start = FrameDecoder(pipeline), 0
    requests = iter(requests)
    first = next(requests, None)
    if first is None:
        return
    require_windows(pipeline, first)
    parts = _live_parts(pipeline, itertools.chain([first], requests))
    generator = torch.Generator().manual_seed(first.seed)
    for part, state in sample(pipeline, first, parts, generator):
        if state.step == state.steps:
            frames = decoder.decode(state.x)
            record = finish.record(pipeline, part.request)
            film = provenance.mark(Video(frames, first.fps, record))
            yield Chunk(film.frames, start, part.request)
            start += len(frames)


def require_windows(pipeline: "Pipeline", request: Request) -> None:
    """Raise `InputError` unless the model can let a film of this request go on for ever."""
    if not pipeline.card.window:
        raise InputError(
            f"{pipeline.card.id} makes a film at once: it cannot go on for ever",
            "--model diorama",
            "model",
        )
    for name in ("edit", "last", "image", "layout"):
        if getattr(request, name):
            raise InputError(f"{name}: a film without end takes none", "leave it out", name)


def _live_parts(pipeline: "Pipeline", requests: Iterable[Request]) -> Iterator[Part]:
    """Parts of a film without end."""
    vae, network = pipeline.model.vae.config, pipeline.model.layout
    layouts, conditions, before = None, None, None
    latents = 0
    for request in requests:
        if conditions is None or request != before:
            conditions, before = pipeline.conditioning(request, ()), request
        if network is not None and layouts is None:
            layouts = LayoutStream(network, request.seed)
        lead = 1 if latents else 0  # the frame that they go on from
        latents = NEW if latents else window_length(pipeline, request)
        frames = VideoShape.of_latent(latents + lead, vae.compression)
        shape = replace(request.shape, frames=frames)
        if layouts is not None and network is not None:
            layout = layouts.next(pipeline.sentence(request), shape)
            size = shape.latent(vae.compression, vae.latent_channels)
            raster = channels(layout, network, size)[:, :, lead:].to(pipeline.device)
            conditions = replace(conditions, layout=raster)
        yield Part(request, conditions, latents)


def run(
    pipeline: "Pipeline",
    request: Request,
    provenance: Provenance | None,
    images: Sequence[GivenImage],
) -> Generator[Progress, None, None]:
    """Carry out a request for a film that is longer than a window; see `Pipeline.run`."""
    _, streamed = pipeline.fitting(one_window(pipeline, request))
    request = pipeline.laid_out(request)
    images = load_images(request.pictures, images)
    conditions = pipeline.conditioning(request, images, streamed)
    count = request.shape.latent(pipeline.model.vae.config.compression, 1).frames
    parts = list(parts_of(request, conditions, count, window_length(pipeline, request)))
    steps, number = len(parts) * request.steps, 0
    decoder, latents, frames = FrameDecoder(pipeline), list[Tensor](), list[NDArray[np.uint8]]()

    def stopped(state: State, step: int) -> Video:
        unfinished = [decoder.decode(state.x0)] if state.step < state.steps else []
        film = np.concatenate([*frames, *unfinished])
        return finish.signed(pipeline, film, request, provenance, images, stopped=step)

    generator = torch.Generator().manual_seed(request.seed)
    for _, state in sample(pipeline, request, parts, generator):
        step, chunk = number * request.steps + state.step, None
        if state.step == state.steps:
            number += 1
            latents.append(state.x)
            frames.append(decoder.decode(state.x))
            chunk = functools.partial(finish.look, pipeline, frames[-1], request, provenance)
        preview = functools.partial(pipeline.preview, state.x0, request, provenance)
        kept = functools.partial(stopped, state, step)
        total = steps + request.enhancing_steps
        yield Progress(step, total, state.x0, None, preview, kept, chunk)
    whole = finish.with_given_ends(np.concatenate(frames), request, images)
    film = finish.UnfinishedFilm(request, torch.cat(latents, dim=2), whole, tuple(images), steps)
    yield from finish.finished(pipeline, film, provenance)
