"""Films made from films: the request's edit, window by window.

What is longer than the films that a model makes is made in windows, each given the end of the one
before as latents: they are decoded once, all together, and nothing is encoded twice.
"""

import functools
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.pixels import to_tensor
from praxino.diffusion.path import PATHS
from praxino.diffusion.sampling import State
from praxino.edits import Enhance, Extend, Loop, Restyle, sources
from praxino.errors import InputError
from praxino.generation import edit_layout, finish, restyle
from praxino.generation.denoiser import Conditioning, FrameCondition, Span
from praxino.generation.films import FILM_LAYOUT, GivenVideo, load_videos
from praxino.generation.images import GivenImage, load_images
from praxino.generation.offload import exact_and_fast
from praxino.generation.progress import Progress
from praxino.generation.restyle import Denoise, along
from praxino.generation.timeline import Timeline, build
from praxino.layout import Layout
from praxino.provenance.policy import Provenance
from praxino.request import Request
from praxino.shapes import window_starts
from praxino.storage.media.video import Video

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline

WINDOW_CONTEXT: Final = 3
"""Latent frames that each window is given of the one before."""
MAX_GAIN: Final = 0.1
"""How far the colours of a window may be led back to those of the first, relative to their
spread.
"""
WHOLE: Final = slice(None)
"""The latent frames of a film that is made in one window."""
CYCLE_LEAD: Final = 3
"""Latent frames before the first, with which a cyclic film is decoded."""


def run(
    pipeline: "Pipeline",
    request: Request,
    provenance: Provenance | None,
    images: Sequence[GivenImage],
    videos: Sequence[GivenVideo],
) -> "Generator[Progress, None, None]":
    """Carry out a request with an edit; see `Pipeline.run`.

    Raises
    ------
    InputError
        If the films do not fit the edit, or what is made at a time does not fit into memory.
    """
    edit = request.edit
    assert edit is not None
    films = load_videos(sources(edit), videos)
    images = load_images(request.pictures, images)
    inputs: tuple[GivenImage | GivenVideo, ...] = (*images, *films.values())
    if isinstance(edit, Enhance):
        film = _enlarged(pipeline, request, films[edit.video], inputs)
        yield from finish.finished(pipeline, film, provenance)
        return
    whole = pipeline.model.config.pictures == "control"
    tile, streamed = pipeline.fitting(request if whole else one_window(pipeline, request))
    old: Layout | None = None
    if isinstance(edit, Restyle):
        request, old = restyle.completed(pipeline, request, edit, films[edit.video])
    timeline, more = _timeline(pipeline, request, films), dict[str, Any]()
    if timeline and not isinstance(edit, Restyle):
        request, layout = edit_layout.follow(pipeline, request, timeline, films)
        more = {FILM_LAYOUT: layout.model_dump()} if layout else {}
    if timeline and isinstance(edit, Extend):
        by_name = {image.name: image for image in images}
        ends = {number: by_name[name] for number, name in request.ends.items()}
        timeline = timeline.ending(ends)

    def composed(latent: Tensor) -> NDArray[np.uint8]:
        if timeline:
            return timeline.compose(pipeline.decode(latent, tile))
        return pipeline.decode(cyclic_lead(latent), tile)[-cycle_frames(pipeline, latent) :]

    def stopped(state: State) -> Video:
        frames = composed(state.x0)
        extra = {"stopped": state.step} | more
        return finish.signed(pipeline, frames, request, provenance, inputs, **extra)

    conditions = pipeline.conditioning(request, images, streamed)
    for state in _states(pipeline, request, conditions, timeline, images, old):
        if state.step < (total := state.steps + request.enhancing_steps):
            preview = functools.partial(pipeline.preview, state.x0, request, provenance)
            kept = functools.partial(stopped, state)
            yield Progress(state.step, total, state.x0, None, preview, kept)
    cyclic = isinstance(edit, Loop)
    film = finish.UnfinishedFilm(
        request, state.x, composed(state.x), inputs, state.steps, more, cyclic
    )
    yield from finish.finished(pipeline, film, provenance)


def _enlarged(
    pipeline: "Pipeline",
    request: Request,
    film: GivenVideo,
    inputs: tuple[GivenImage | GivenVideo, ...],
) -> finish.UnfinishedFilm:
    """A film that is made larger or faster, as it is before that."""
    own = edit_layout.own_layout(pipeline, request, film)
    more: dict[str, Any] = {FILM_LAYOUT: own.model_dump()} if own else {}
    frames = film.fitted(request.height, request.width)
    return finish.UnfinishedFilm(request, torch.empty(0), frames, inputs, 0, more)


def _states(
    pipeline: "Pipeline",
    request: Request,
    conditions: Conditioning,
    timeline: Timeline | None,
    images: Sequence[GivenImage],
    old: Layout | None,
) -> Iterator[State]:
    """The sampler's states for what is made anew: of a whole film, or window after window; ``old``
    is the layout of the film that is restyled.
    """
    conditions = replace(conditions, cyclic=timeline is None)
    noise = pipeline.noise(request, torch.Generator().manual_seed(request.seed))
    if timeline is None:
        if conditions.frames.leading:
            raise InputError(
                f"{pipeline.card.id} makes no loop with reference pictures", "", "edit"
            )
        return _denoise(pipeline, request, 1.0)(conditions, noise, WHOLE)
    denoise = _denoising(pipeline, request, timeline.start, old)
    if pipeline.model.config.pictures == "control":
        guided = replace(conditions, frames=_control(pipeline, request, timeline, images))
        return denoise(guided, noise, WHOLE)
    anchor = pipeline.model.config.windows
    spans = windows(noise.shape[2], window_length(pipeline, request), anchor=anchor)
    return sample(denoise, conditions, timeline, noise, spans)


def _timeline(
    pipeline: "Pipeline", request: Request, videos: Mapping[str, GivenVideo]
) -> Timeline | None:
    """What is given of the films; None for a cyclic film that is made from a sentence alone."""
    assert request.edit is not None
    if not request.edit.video:
        return None
    compression = pipeline.model.vae.config.compression
    with (
        torch.inference_mode(),
        pipeline.offloader.resident(pipeline.model.vae, torch.float32) as vae,
        exact_and_fast(pipeline.device),
    ):
        encode = lambda film: vae.encode(to_tensor(film[None]).to(pipeline.device), chunk=1)  # noqa: E731
        return build(request.edit, request, videos, encode, compression)


def _control(
    pipeline: "Pipeline", request: Request, timeline: Timeline, images: Sequence[GivenImage]
) -> FrameCondition:
    """What guides a model's control branch of a timeline, and of the pictures of entities."""
    from praxino.generation import entities
    from praxino.generation.conditioning import control

    by_name = {image.name: image for image in images}
    card = pipeline.card_with(request.loras)
    references = entities.frames(request, card, by_name)
    with (
        torch.inference_mode(),
        pipeline.offloader.resident(pipeline.model.vae, torch.float32) as vae,
        exact_and_fast(pipeline.device),
    ):
        frames = control(timeline.pixels, timeline.stay, references, vae, pipeline.device)
    return replace(frames, clean=timeline.clean)


def _denoising(pipeline: "Pipeline", request: Request, start: float, old: Layout | None) -> Denoise:
    """How one window of the request's edit is sampled."""
    if isinstance(request.edit, Restyle) and request.edit.source:
        return restyle.by_difference(pipeline, request, request.edit.source, start, old)
    return _denoise(pipeline, request, start)


def _denoise(pipeline: "Pipeline", request: Request, start: float) -> Denoise:
    """Sampling by the request's sampler, from ``start`` on along the given latents."""
    path = PATHS[pipeline.model.config.path]()

    def states(conditions: Conditioning, noise: Tensor, span: Span) -> Iterator[State]:
        generator = torch.Generator().manual_seed(request.seed)
        clean = conditions.frames.clean
        x, times = noise, pipeline.times(request)
        if clean is not None:
            x, times = along(path, clean, noise, times, start)
        yield from pipeline.denoise(request, conditions, x, times, generator)

    return states


def one_window(pipeline: "Pipeline", request: Request) -> Request:
    """The request of a film as long as the model makes by default, or of ``request``, if that is
    shorter.
    """
    frames = min(request.frames, pipeline.model.config.frames)
    return request.model_copy(update={"frames": frames})


def window_length(pipeline: "Pipeline", request: Request) -> int:
    """Latent frames of `one_window`."""
    compression = pipeline.model.vae.config.compression
    return one_window(pipeline, request).shape.latent(compression, 1).frames


def windows(
    count: int, window: int, context: int = WINDOW_CONTEXT, anchor: bool = False
) -> list[list[int]]:
    """Which of ``count`` latent frames each window holds: ``window`` of them, of which the first
    ``context`` or more are of the one before.

    With an ``anchor`` the very first one stands in place of the first of each window, as a model
    of windows has learned them (`generation.stream`).
    """
    window = min(count, window)
    spans = [list(range(start, start + window)) for start in window_starts(count, window, context)]
    return [[0, *span[1:]] for span in spans] if anchor else spans


def sample(
    denoise: Denoise,
    conditions: Conditioning,
    timeline: Timeline,
    noise: Tensor,
    spans: Sequence[list[int]],
) -> Iterator[State]:
    """The states of all windows, as of one film: its latents so far, and how far it is."""
    whole, mask = timeline.clean.clone(), timeline.mask.clone()
    for number, span in enumerate(spans):
        part = FrameCondition(
            clean=whole[:, :, span], mask=mask[:, :, span], noise=noise[:, :, span]
        )
        part = part.merged(conditions.frames.cut(span))
        layout = None if conditions.layout is None else conditions.layout[:, :, span]
        part_conditions = replace(conditions, frames=part, layout=layout)
        new = mask[:, :, span] == 0
        for state in denoise(part_conditions, noise[:, :, span], span):
            latest = whole.clone()
            latest[:, :, span] = state.x0
            steps = len(spans) * state.steps
            step = number * state.steps + state.step
            if step < steps:
                yield State(step, steps, state.t, latest, latest)
        latent = state.x
        if number:
            latent = torch.where(new, anchored(latent, whole[:, :, spans[0]]), latent)
        whole[:, :, span], mask[:, :, span] = latent, 1
    yield State(steps, steps, state.t, whole, whole)


def anchored(latent: Tensor, first: Tensor) -> Tensor:
    """Latents with mean and spread of each channel led towards those of the first window, by
    `MAX_GAIN` at most: colours of chained windows drift, and what is shown changes them, too.
    """
    axes = (2, 3, 4)
    mean, spread = latent.mean(axes, keepdim=True), latent.std(axes, keepdim=True)
    first_mean, first_spread = first.mean(axes, keepdim=True), first.std(axes, keepdim=True)
    gain = (first_spread / spread.clamp_min(1e-6)).clamp(1 - MAX_GAIN, 1 + MAX_GAIN)
    most = MAX_GAIN * first_spread
    return (latent - mean) * gain + mean + (first_mean - mean).clamp(-most, most)


def cyclic_lead(latent: Tensor) -> Tensor:
    """A cyclic film's latents behind those that it ends with, so that its beginning is decoded as
    what goes on from its end.
    """
    return torch.cat([latent[:, :, -CYCLE_LEAD:], latent], dim=2)


def cycle_frames(pipeline: "Pipeline", latent: Tensor) -> int:
    """Frames of one turn of a cyclic film: its first latent frame stands for as many as others."""
    return int(latent.shape[2]) * pipeline.model.vae.config.compression.time
