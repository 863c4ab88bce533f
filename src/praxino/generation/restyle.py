"""A film made again after another sentence, along its old motion: from its latents on (SDEdit), or
along the difference of what two sentences say (FlowEdit).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from praxino.diffusion.flow_edit import flow_edit
from praxino.diffusion.path import PATHS, Path
from praxino.diffusion.sampling import State
from praxino.edits import Restyle
from praxino.errors import InputError
from praxino.generation import entities
from praxino.generation.denoiser import Conditioning, Span, denoiser, require_finite
from praxino.generation.edit_layout import in_shape, own_layout, padded, pairs, way_of
from praxino.generation.films import GivenVideo
from praxino.generation.spoken import spoken
from praxino.layout import Box, Layout, LayoutThing
from praxino.log import logger
from praxino.references import mentions
from praxino.request import Request

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline

SOURCE_GUIDANCE: Final = 1.5
"""Guidance towards the old film's own sentence (FlowEdit, arXiv 2412.08629)."""

Denoise = Callable[[Conditioning, Tensor, Span], Iterator[State]]
"""(conditions, noise, which latent frames of the film) -> the sampler's states for one window."""


def completed(
    pipeline: "Pipeline", request: Request, edit: Restyle, film: GivenVideo
) -> tuple[Request, Layout | None]:
    """What a request leaves to the film that is restyled.

    Returns
    -------
    Request
        With the film's own sentence, where the model can use it and none is said; and with a layout
        in which the things of the new sentence go where those of the film go.
    Layout or None
        The film's own, if its record has one that this model can be told.
    """
    source = _readable(pipeline, film)
    if edit.source is not None:
        named = {name.lower() for name in mentions(edit.source)}
        source = spoken(edit.source, [r for r in request.references if r.name.lower() in named])
        pipeline.model.vocabulary.validate(source)
    if not _goes_by_difference(pipeline, request):
        if edit.source:
            logger.warning("%s restyles by the film's latents alone", pipeline.card.id)
        source = ""
    edit = edit.model_copy(update={"source": source})
    request = request.model_copy(update={"edit": edit})
    old = own_layout(pipeline, request, film)
    if old is None or old.frames > request.frames:
        return request, None
    old = padded(old, request.frames)
    if request.layout is None:
        new = pipeline.laid_out(request).layout
        assert new is not None
        request = request.model_copy(update={"layout": on_tracks(new, old)})
    return request, old


def _goes_by_difference(pipeline: "Pipeline", request: Request) -> bool:
    """Whether the model can be asked for a difference: not where pictures of entities are frames
    before the film, which an old film has none of.
    """
    card = pipeline.card
    in_front = card.reference_frames and entities.pictured(request, card)
    return pipeline.model.config.path == "flow" and not in_front


def _readable(pipeline: "Pipeline", film: GivenVideo) -> str:
    """The film's own sentence; empty if this model cannot read it, as of another model's film."""
    try:
        pipeline.model.vocabulary.validate(film.sentence)
    except InputError:
        return ""
    return film.sentence


def on_tracks(new: Layout, old: Layout) -> Layout:
    """What one layout shows, where another one has it (`edit_layout.pairs`); what is left over
    stays where it is.
    """
    taken, things = pairs(new.things, old.things), list[LayoutThing]()
    for number, thing in enumerate(new.things):
        if number in taken:
            track = old.things[taken[number]]
            boxes = in_shape(thing, np.array(track.boxes)).round(4).tolist()
            way = {"boxes": tuple(Box(*box) for box in boxes)}
            thing = thing.model_copy(update=way_of(track) | way)
        things.append(thing)
    return new.model_copy(update={"things": tuple(things)})


def by_difference(
    pipeline: "Pipeline", request: Request, source: str, start: float, old: Layout | None
) -> Denoise:
    """Sampling along the difference of the request's sentence and layout and the old film's."""
    source_text = pipeline.text([source, request.negative])  # (2, L, D)
    path = PATHS[pipeline.model.config.path]()
    gently = {"guidance": SOURCE_GUIDANCE, "guidance_low": None, "reference_guidance": None}
    gentle = request.model_copy(update=gently)
    old_layout = pipeline.layout(request.model_copy(update={"layout": old}))
    model, offloader, dtype = pipeline.adapted(request.loras), pipeline.offloader, pipeline.dtype

    def states(conditions: Conditioning, noise: Tensor, span: Span) -> Iterator[State]:
        clean = conditions.frames.clean
        assert clean is not None
        _, times = along(path, clean, noise, pipeline.times(request), start)
        others = source_text[1:].expand(len(conditions.text) - 1, -1, -1)
        text = torch.cat([source_text[:1], others])
        layout = None if old_layout is None else old_layout[:, :, span]
        before = replace(conditions, text=text, layout=layout, pictures=None, names=None)
        generator = torch.Generator().manual_seed(request.seed)
        with (
            denoiser(model, offloader, dtype, conditions, request) as target,
            denoiser(model, offloader, dtype, before, gentle) as other,
        ):
            for state in flow_edit(target, other, clean, times, path, generator):
                require_finite(state)
                yield state

    return states


def along(
    path: Path, clean: Tensor, noise: Tensor, times: Tensor, start: float
) -> tuple[Tensor, Tensor]:
    """Latents at the time ``start`` on the way from ``clean`` to noise, and the times from there
    on (SDEdit, arXiv 2108.01073).
    """
    if start >= 1:
        return noise, times
    first = torch.tensor(start, dtype=times.dtype)
    x = path.alpha(first).to(clean) * clean + path.sigma(first).to(clean) * noise
    return x, torch.cat([first[None], times[times < start]])
