"""Films without end: frames as they are made, for as long as they are asked for."""

import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

from praxino.errors import InputError, MediaError
from praxino.generation import finish
from praxino.generation.stream import FrameDecoder, parts_of, sample_parts, streamed_parts
from praxino.provenance.policy import STANDARD, Provenance
from praxino.request import Request
from praxino.storage.files import atomic_file
from praxino.storage.media.fragments import FragmentWriter, join
from praxino.storage.media.video import Video

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline


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
        If the model makes no films of windows, or a window does not fit into memory; for a request
        with an edit, a layout, or a picture that it begins or ends with.
    """
    decoder, start = FrameDecoder(pipeline), 0
    requests = (require_windows(pipeline, request) for request in requests)
    first = next(requests, None)
    if first is None:
        return
    streamed = streamed_parts(pipeline, first)
    parts = parts_of(pipeline, itertools.chain([first], requests), (), streamed)
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
    chunks = iter(chunks)
    first = next(chunks, None)
    if first is None:
        raise InputError("a film without a frame", "one chunk, or more")
    with atomic_file(target) as fresh, tempfile.TemporaryFile(dir=target.parent) as parts:
        try:
            with FragmentWriter(parts, first.record["fps"]) as writer:
                for chunk in itertools.chain([first], chunks):
                    if not prompts or prompts[-1][1] != chunk.record["prompt"]:
                        prompts.append((chunk.start, chunk.record["prompt"]))
                    writer.write(chunk.frames)
                    count += len(chunk.frames)
            record = first.record | {"frames": count, "prompts": prompts}
            film = provenance.sign(Video(first.frames, record["fps"], record))
            parts.seek(0)
            join(parts, fresh, film.record)
        except av.error.FFmpegError as error:
            raise MediaError(f"cannot write {target}: {error}", "is there room?") from None
        finished = film.seal(fresh, target) if film.seal else None
    if finished:
        finished()
    return target


def require_windows(pipeline: "Pipeline", request: Request) -> Request:
    """The request, if the model can let a film of it go on for ever; raises `InputError` if not."""
    if not pipeline.card.window:
        raise InputError(
            f"{pipeline.card.id} makes a film at once: it cannot go on for ever",
            "--model diorama",
            "model",
        )
    for name in ("edit", "last", "image", "layout"):
        if getattr(request, name):
            raise InputError(f"{name}: a film without end takes none", "leave it out", name)
    return request
