"""Films of any length: one window of latents after another, and frames as they are made.

A window holds the first latent frame of the film, the last two of what there is, and new ones
behind them: history as given frames in place of a causal mask and a cache (Song et al., arXiv
2502.06764; Yuan et al., arXiv 2603.04379). What is kept of a film does not grow with it.
"""

import contextlib
import functools
import itertools
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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
from praxino.storage.files import atomic_file
from praxino.storage.media.fragments import FragmentWriter, join
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
    record : dict
        What they were made from, as a film's record has it.
    """

    frames: NDArray[np.uint8]
    start: int
    record: dict[str, Any]


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
    for part, state in sample_parts(pipeline, first, parts, generator):
        if state.step == state.steps:
            frames = decoder.decode(state.x)
            record = finish.record(pipeline, part.request)
            film = provenance.mark(Video(frames, first.fps, record))
            yield Chunk(film.frames, start, film.record)
            start += len(frames)


def save(
    chunks: Iterable[Chunk], path: str | os.PathLike[str], provenance: Provenance = STANDARD
) -> Path:
    """Write a film that goes on as .mp4, signed when it ends; it appears then, and as a whole.

    Its record is that of the first chunk, with all its frames, and in ``prompts`` what each of its
    stretches shows.

    Raises
    ------
    InputError
        If there is no frame.
    MediaError
        If the file cannot be written; nothing is left behind then.
    """
    target, prompts, count = Path(path), list[tuple[int, str]](), 0
    record: dict[str, Any] = {}
    with atomic_file(target) as fresh, tempfile.TemporaryFile(dir=target.parent) as parts:
        with contextlib.ExitStack() as stack:
            writer: FragmentWriter | None = None
            for chunk in chunks:
                record = record or chunk.record
                if writer is None:
                    writer = stack.enter_context(FragmentWriter(parts, record["fps"]))
                if not prompts or prompts[-1][1] != chunk.record["prompt"]:
                    prompts.append((chunk.start, chunk.record["prompt"]))
                writer.write(chunk.frames)
                count += len(chunk.frames)
        if writer is None:
            raise InputError("a film without a frame", "one chunk, or more")
        parts.seek(0)
        record = record | {"frames": count, "prompts": prompts}
        film = provenance.sign(Video(chunk.frames, record["fps"], record))
        join(parts, fresh, film.record)
        finished = film.seal(fresh, target) if film.seal else None
    if finished:
        finished()
    return target


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


def run_windows(
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
    for _, state in sample_parts(pipeline, request, parts, generator):
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
