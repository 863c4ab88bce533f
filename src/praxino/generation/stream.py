"""Films of any length: one window of latents after another, and frames as they are made.

A window holds the first latent frame of the film, the last two of what there is, and new ones
behind them: history as given frames in place of a causal mask and a cache (Song et al., arXiv
2502.06764; Yuan et al., arXiv 2603.04379). What is kept of a film does not grow with it.
"""

import contextlib
import functools
import itertools
import math
import os
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
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
from praxino.log import logger
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
        Of the names in the first request's ``pictures``, which are placed in its ``frames``.
    streamed : frozenset of str
        As of `Pipeline.conditioning`.
    count : int, optional
        Latent frames of the film; without one, it ends with the requests.
    """
    vae, network = pipeline.model.vae.config, pipeline.model.layout
    conditions, before, layouts, start = None, None, None, 0
    for request in requests:
        if conditions is None or request != before:
            conditions = pipeline.conditioning(request, images, streamed)
            before = request
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
            layout = layouts.next(pipeline.sentence(request), shape)
            size = shape.latent(vae.compression, vae.latent_channels)
            raster = channels(layout, network, size)[:, :, lead:].to(pipeline.device)
            part = replace(part, layout=raster)
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
    parts = parts_of(pipeline, itertools.chain([first], requests))
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


def run_windows(
    pipeline: "Pipeline",
    request: Request,
    provenance: Provenance | None,
    images: Sequence[GivenImage],
    turn: Callable[[], str] = str,
) -> Generator[Progress, None, None]:
    """Carry out a request for a film that is longer than a window; see `Pipeline.run`.

    Parameters
    ----------
    turn : callable
        Asked before each window: a sentence that is shown from there on, or "". One that cannot be
        shown is logged.
    """
    _, streamed = pipeline.fitting(one_window(pipeline, request))
    request = pipeline.laid_out(request)
    images = load_images(request.pictures, images)
    count = request.shape.latent(pipeline.model.vae.config.compression, 1).frames
    latents, frames = list[Tensor](), list[NDArray[np.uint8]]()
    turns = Turns(pipeline, request, turn)
    parts = parts_of(pipeline, turns, images, streamed, count)
    windows = 1 + math.ceil((count - window_length(pipeline, request)) / NEW)
    total = windows * request.steps + request.enhancing_steps
    decoder = FrameDecoder(pipeline)

    def stopped(state: State, step: int) -> Video:
        unfinished = [decoder.decode(state.x0)] if state.step < state.steps else []
        film = np.concatenate([*frames, *unfinished])
        more = {"stopped": step} | turns.record
        return finish.signed(pipeline, film, request, provenance, images, **more)

    generator = torch.Generator().manual_seed(request.seed)
    for _, state in sample_parts(pipeline, request, parts, generator):
        step, chunk = len(latents) * request.steps + state.step, None
        if state.step == state.steps:
            latents.append(state.x)
            frames.append(decoder.decode(state.x))
            turns.frames += len(frames[-1])
            chunk = functools.partial(finish.look, pipeline, frames[-1], request, provenance)
        preview = functools.partial(pipeline.preview, state.x0, request, provenance)
        kept = functools.partial(stopped, state, step)
        yield Progress(step, total, state.x0, None, preview, kept, chunk)
    whole = finish.with_given_ends(np.concatenate(frames), request, images)
    film = finish.UnfinishedFilm(
        request,
        torch.cat(latents, dim=2),
        whole,
        tuple(images),
        windows * request.steps,
        turns.record,
    )
    yield from finish.finished(pipeline, film, provenance)


class Turns:
    """Requests for the windows of a film that may turn to another sentence.

    Attributes
    ----------
    frames : int
        How many are there.
    """

    def __init__(self, pipeline: "Pipeline", request: Request, turn: Callable[[], str]) -> None:
        self.pipeline, self.request, self.turn = pipeline, request, turn
        self.prompts, self.frames = [(0, request.prompt)], 0

    @property
    def record(self) -> dict[str, Any]:
        """What a film's record says of turns, if there were any: frames and sentences."""
        return {"prompts": self.prompts} if len(self.prompts) > 1 else {}

    def __iter__(self) -> Iterator[Request]:
        while True:
            if sentence := self.turn():
                try:
                    self.request = turned(self.pipeline, self.request, sentence)
                    self.prompts.append((self.frames, sentence))
                except InputError as error:
                    logger.warning("%s", error)
            yield self.request


def turned(pipeline: "Pipeline", request: Request, sentence: str) -> Request:
    """The request for what comes after another one's frames, with another sentence; raises
    `InputError` for one that cannot be shown.
    """
    kept = request.model_dump() | {"prompt": sentence, "prompt_used": "", "layout": None}
    return pipeline.request(**kept)
