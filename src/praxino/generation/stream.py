"""Films longer than a window: one window of latents after another, and frames as they are made.

A window holds the first latent frame of the film, the last two of what there is, and new ones
behind them: history as given frames in place of a causal mask and a cache (Song et al., arXiv
2502.06764; Yuan et al., arXiv 2603.04379). What windows need of a film does not grow with it.
"""

import functools
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from praxino.generation.entities import named
from praxino.generation.images import GivenImage, load_images
from praxino.generation.layout import LayoutStream, channels
from praxino.generation.offload import exact_and_fast
from praxino.generation.progress import Progress
from praxino.generation.turns import Turns
from praxino.models.causal import Memory
from praxino.provenance.policy import Provenance
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
        frames, layout = part.conditions.frames, part.conditions.layout
        new = noise[:, :, self.length :]
        clean = torch.zeros_like(new) if frames.clean is None else frames.clean
        mask = new.new_zeros(1, 1, new.shape[2], 1, 1) if frames.mask is None else frames.mask
        if self._latents:
            clean = torch.cat([*self._latents, clean], dim=2)
            ones = mask.new_ones(*mask.shape[:2], self.length, *mask.shape[3:])
            mask = torch.cat([ones, mask], dim=2)
        if layout is not None:
            layout = torch.cat([*self._layouts, layout], dim=2)
        if self._latents or frames.clean is not None:
            frames = replace(frames, clean=clean, mask=mask, noise=noise)
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


def sample_parts(
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


def parts_of(
    pipeline: "Pipeline",
    requests: Iterable[Request],
    images: Sequence[GivenImage] = (),
    streamed: frozenset[str] = frozenset(),
    count: int | None = None,
) -> Iterator[Part]:
    """Parts of a film that shows what ``requests`` say, one after another.

    Parameters
    ----------
    images : sequence of GivenImage
        Of names in the requests' ``pictures``; the others are read.
    streamed : frozenset of str
        As of `Pipeline.conditioning`.
    count : int, optional
        Latent frames of the film; without one, it ends with the requests.
    """
    vae, network = pipeline.model.vae.config, pipeline.model.layout
    conditions, before, layouts, start = None, None, None, 0
    for request in requests:
        if conditions is None or request != before:
            pictures = load_images(request.pictures, images)
            conditions, before = pipeline.conditioning(request, pictures, streamed), request
        if network is not None and layouts is None:
            sentence = pipeline.sentence(request)
            layouts = LayoutStream(network, request.seed, request.layout, sentence)
        latents = NEW if start else window_length(pipeline, request)
        latents = latents if count is None else min(latents, count - start)
        part = replace(conditions, frames=conditions.frames.cut(slice(start, start + latents)))
        if layouts is not None and network is not None:
            lead = 1 if start else 0  # the frame that they go on from
            frames = VideoShape.of_latent(latents + lead, vae.compression)
            shape = replace(request.shape, frames=frames)
            layout = named(layouts.next(pipeline.sentence(request), shape), request, pipeline.card)
            size = shape.latent(vae.compression, vae.latent_channels)
            raster = channels(pipeline, request, layout, size, conditions.pictures)
            part = replace(part, layout=raster[:, :, lead:])
        yield Part(request, part, latents)
        start += latents
        if start == count:
            return


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


def streamed_parts(pipeline: "Pipeline", request: Request) -> frozenset[str]:
    """Stages whose weights stay in host memory while a film of windows is made.

    Raises
    ------
    InputError
        If a window does not fit into memory.
    """
    tile, streamed = pipeline.fitting(one_window(pipeline, request))
    if tile is not None:
        problem = f"{request.width}x{request.height}: frames of windows are decoded whole"
        raise InputError(problem, "a smaller size, or one window", "width")
    return streamed


@dataclass(eq=False)
class LongFilm:
    """A film as far as it is made.

    Attributes
    ----------
    latents : list of Tensor (1, C, t, h, w)
    frames : list of (T, H, W, 3) uint8
        Of each window.
    """

    pipeline: "Pipeline"
    request: Request
    provenance: Provenance | None
    images: Sequence[GivenImage]
    turns: Turns
    decoder: FrameDecoder
    latents: list[Tensor] = field(default_factory=list)
    frames: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, latents: Tensor) -> None:
        """One more window."""
        self.latents.append(latents)
        self.frames.append(self.decoder.decode(latents))
        self.turns.frames += len(self.frames[-1])

    def chunk(self, number: int) -> NDArray[np.uint8]:
        """The frames of a window, marked as the film will be."""
        return finish.look(self.pipeline, self.frames[number], self.request, self.provenance)

    def whole(self, *unfinished: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """All frames, with the pictures that it begins and ends with."""
        frames = np.concatenate([*self.frames, *unfinished])
        return finish.with_given_ends(frames, self.request, self.images)

    def stopped(self, x0: Tensor, step: int, ended: bool) -> Video:
        """The film as it is; ``ended``: at the end of a window, and not within one."""
        frames = self.whole(*([] if ended else [self.decoder.decode(x0)]))
        more = {"stopped": step} | self.turns.record
        return finish.signed(
            self.pipeline, frames, self.request, self.provenance, self.images, **more
        )


def run_windows(
    pipeline: "Pipeline",
    request: Request,
    provenance: Provenance | None,
    images: Sequence[GivenImage],
    turn: Callable[[], str] | None = None,
) -> Generator[Progress, None, None]:
    """Carry out a request for a film that is longer than a window; see `Pipeline.run`.

    Parameters
    ----------
    turn : callable, optional
        Asked before each window: a sentence that is shown from there on, or "".
    """
    streamed = streamed_parts(pipeline, request)
    request = pipeline.laid_out(request)
    images = load_images(request.pictures, images)
    count = request.shape.latent(pipeline.model.vae.config.compression, 1).frames
    turns = Turns(pipeline, request, turn, images)
    film = LongFilm(pipeline, request, provenance, images, turns, FrameDecoder(pipeline))
    windows = 1 + math.ceil((count - window_length(pipeline, request)) / NEW)
    total = windows * request.steps + request.enhancing_steps
    generator = torch.Generator().manual_seed(request.seed)
    parts = parts_of(pipeline, turns, images, streamed, count)
    for _, state in sample_parts(pipeline, request, parts, generator):
        step, ended = len(film.latents) * request.steps + state.step, state.step == state.steps
        if ended:
            film.add(state.x)
        yield Progress(
            step,
            total,
            state.x0,
            None,
            functools.partial(pipeline.preview, state.x0, request, provenance),
            functools.partial(film.stopped, state.x0, step, ended),
            functools.partial(film.chunk, len(film.frames) - 1) if ended else None,
        )
    latent, steps = torch.cat(film.latents, dim=2), windows * request.steps
    whole = finish.UnfinishedFilm(request, latent, film.whole(), tuple(images), steps, turns.record)
    yield from finish.finished(pipeline, whole, provenance)
