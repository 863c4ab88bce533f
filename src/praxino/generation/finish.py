"""What is done with a film once its frames are there: it is enlarged, if that is asked for, marked
and signed.
"""

import functools
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from praxino.generation.progress import Progress
from praxino.provenance.policy import Ingredient, Provenance
from praxino.request import Request
from praxino.storage.media.video import Video

if TYPE_CHECKING:
    from praxino.generation.films import GivenVideo
    from praxino.generation.images import GivenImage
    from praxino.generation.pipeline import Pipeline

Frames = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class UnfinishedFilm:
    """A film as it was denoised.

    Attributes
    ----------
    request : Request
    latent : Tensor (1, C, t, h, w)
    frames : (T, H, W, 3) uint8
    inputs : tuple
        What it was made from.
    steps : int
        Steps that this took.
    more : mapping
        Goes into its record.
    cyclic : bool
        Whether it goes on with its beginning.
    """

    request: Request
    latent: Tensor
    frames: Frames
    inputs: "tuple[GivenImage | GivenVideo, ...]"
    steps: int
    more: Mapping[str, Any] = field(default_factory=dict)
    cyclic: bool = False


def finished(
    pipeline: "Pipeline", film: UnfinishedFilm, provenance: Provenance | None
) -> Generator[Progress, None, None]:
    """The steps in which a film is enlarged, if that is asked for, and at last the film, marked and
    to be signed when it is written.
    """
    request, frames = film.request, film.frames
    total, fps = film.steps + request.enhancing_steps, request.fps
    if request.enhance != "off":
        from praxino.generation import enhance

        for done, latest in enhance.enlarge(pipeline, film):
            frames = latest
            if done < request.enhancing_steps:
                yield _unrefined(pipeline, film, provenance, film.steps + done)
        fps = request.result.fps
        frames = with_given_ends(frames, request, film.inputs)
    video = signed(pipeline, frames, request, provenance, film.inputs, fps, **film.more)
    yield Progress(total, total, film.latent, video, lambda: video.frames, lambda: video)


def _unrefined(
    pipeline: "Pipeline", film: UnfinishedFilm, provenance: Provenance | None, step: int
) -> Progress:
    """How far a film is that is being enlarged; it is shown, and kept if it is stopped, as it was
    before.
    """
    request, frames = film.request, film.frames
    stopped = functools.partial(
        signed, pipeline, frames, request, provenance, film.inputs, **film.more, stopped=step
    )
    preview = functools.partial(look, pipeline, frames, request, provenance)
    total = film.steps + request.enhancing_steps
    return Progress(step, total, film.latent, None, preview, stopped)


def with_given_ends(
    frames: Frames, request: Request, inputs: "Sequence[GivenImage | GivenVideo]"
) -> Frames:
    """Frames that begin and end with the pictures that the request names, as they were given."""
    if not request.image or request.edit is not None:
        return frames
    from praxino.generation.images import GivenImage
    from praxino.generation.timeline import with_ends

    by_name = {one.name: one for one in inputs if isinstance(one, GivenImage)}
    return with_ends(frames, [by_name[name] for name in (request.image, request.last) if name])


def signed(
    pipeline: "Pipeline",
    frames: Frames,
    request: Request,
    provenance: Provenance | None,
    inputs: "Sequence[GivenImage | GivenVideo]",
    fps: float | None = None,
    **more: Any,
) -> Video:
    """Mark a film, to be signed when it is written, with what it was made from.

    Parameters
    ----------
    fps : float, optional
        Frames a second; the request's where none are given.
    **more
        Goes into its record.
    """
    recorded = record(pipeline, request)
    if request.references:
        from praxino.generation import entities

        recorded["references"] = entities.digested(request, inputs)
    video = Video(frames, fps or request.fps, recorded | more)
    if provenance is None:
        return video
    ingredients = [
        Ingredient(PurePath(one.name).name, one.content) for one in inputs if one.content
    ]
    return provenance.sign(provenance.mark(video), ingredients)


def look(
    pipeline: "Pipeline", frames: Frames, request: Request, provenance: Provenance | None
) -> Frames:
    """Frames of an unfinished film, marked as it will be."""
    video = Video(frames, 1.0, record(pipeline, request))
    return video.frames if provenance is None else provenance.mark(video).frames


def record(pipeline: "Pipeline", request: Request) -> dict[str, Any]:
    """What remakes the film: the request, the model, the version."""
    return maker(pipeline) | request.model_dump()


def maker(pipeline: "Pipeline") -> dict[str, Any]:
    """What a record says of the program and the model."""
    return {
        "generator": "praxino",
        "version": version("praxino"),
        "model": pipeline.model.config.name,
        "digest": pipeline.model.digest,
        "dtype": pipeline.precision,
    }
