"""Carry out a job: make a film or an image, or look at a file. The files of the result end up in a
folder.
"""

import dataclasses
import io
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from praxino import processes
from praxino.edits import sources
from praxino.errors import GenerationError, MediaError, PraxinoError
from praxino.log import logger
from praxino.references import DIGEST
from praxino.service.queue.jobs import Job, JobResult, StampRequest
from praxino.storage.media.formats import FORMATS
from praxino.storage.media.video import Video
from praxino.storage.objects import Objects

if TYPE_CHECKING:
    from praxino.generation.films import GivenVideo
    from praxino.generation.images import GivenImage
    from praxino.generation.memory import Memory
    from praxino.generation.pipeline import Pipeline
    from praxino.generation.progress import Progress
    from praxino.references import Reference

Frames = NDArray[np.uint8]

PREVIEW_TIME_SHARE: Final = 0.2
"""Part of a film's time that its previews may take."""
PREVIEW_PIXELS: Final = 256
"""Longer side of previews, at most."""
MAX_PREVIEW_FRAMES: Final = 17
POSTER_PIXELS: Final = 512
"""Longer side of the picture that stands for a film, at most."""
MAX_SHEET_FRAMES: Final = 12
SHEET_COLUMNS: Final = 4
STAMP_CPU_SECONDS: Final = 3600
"""Processor seconds, all cores together, that stamping one file may take."""
ANALYSIS_CPU_SECONDS: Final = 300
"""Processor seconds, all cores together, that the analysis of one file may take."""


class Stopped(Exception):  # noqa: N818 (it is no error)
    """Raised by a callback to end a job; with ``keep``, the film is kept as it is then."""

    def __init__(self, keep: bool) -> None:
        super().__init__("stopped")
        self.keep = keep


OnStep = Callable[["Progress"], bool]
"""Called after each step; returns whether a preview is wanted, or raises `Stopped`."""
OnPreview = Callable[[int, bytes], None]
"""Called with a step and its preview as WebP."""
OnChunk = Callable[[Frames], None]
"""Called with frames that are finished, where a film is made window by window."""
Turn = Callable[[], str]
"""Asked before each such window: a sentence that is shown from there on, or ""."""


@dataclass(frozen=True)
class Callbacks:
    """Who is told of a film while it is made, and asked."""

    on_step: OnStep
    on_preview: OnPreview
    on_chunk: OnChunk | None
    turn: Turn


@dataclass(frozen=True)
class JobInputs:
    """What a film is made from, and its owner's memory."""

    memory: "Memory"
    images: tuple["GivenImage", ...] = ()
    videos: tuple["GivenVideo", ...] = ()


def read_inputs(
    job: Job, folder: Path, objects: Objects, raise_if_stopped: Callable[[], None]
) -> JobInputs:
    """The files of a job, which lie in a folder, and pictures of its owner's memory.

    Raises
    ------
    MediaError
        If one cannot be read, or is forgotten.
    """
    from praxino.generation.films import GivenVideo
    from praxino.generation.images import GivenImage
    from praxino.generation.memory import Memory

    memory, images = Memory(objects, job.owner), []
    for name in dict.fromkeys(job.request.pictures):
        if not name.startswith(DIGEST):
            images.append(GivenImage.read(folder / name, name))
        elif (image := memory.image(name)) is not None:
            images.append(image)
        else:
            raise MediaError("a picture of the memory is forgotten", "order the film again")
    # it may be anything
    read = lambda name: processes.run_isolated(  # noqa: E731
        GivenVideo.read, (folder / name, name), ANALYSIS_CPU_SECONDS, raise_if_stopped
    )
    try:
        films = tuple(read(name) for name in sources(job.request.edit))
        return JobInputs(memory, tuple(images), films)
    except BrokenProcessPool:
        raise MediaError(f"cannot read the film: {processes.KILLED}", "is it complete?") from None


def propose(memory: "Memory", references: Sequence["Reference"], frames: Frames, name: str) -> None:
    """Ask whoever owns a memory whether it shall keep what a film shows of its entities.

    Parameters
    ----------
    name : str
        Of the film.
    """
    from praxino.generation import growth

    try:
        growth.grow(memory, references, frames, name, ask=True)
    except (PraxinoError, OSError, RuntimeError, ValueError) as error:  # the film is made
        logger.warning("nothing of %s was proposed: %s", name, error)


def make(
    job: Job,
    pipeline: "Pipeline",
    folder: Path,
    inputs: JobInputs,
    callbacks: Callbacks,
) -> JobResult:
    """Make a film or an image; its files are written into ``folder``, and what it shows of entities
    is proposed to their owner.

    Stopped on the way, the film is kept as it is then; before the first step there is nothing to
    keep, and `Stopped` is raised.
    """
    from praxino.provenance.policy import STANDARD

    images, videos = inputs.images, inputs.videos
    settings = job.request.model_dump()
    request, notes = pipeline.complete(**settings, images=images, videos=videos)
    states = pipeline.run(request, images=images, videos=videos, turn=callbacks.turn)
    if request.enhance != "off":  # what is finished then is not yet the film
        callbacks = dataclasses.replace(callbacks, on_chunk=None)
    video, steps, stopped = _run(states, callbacks)
    notes += [f"not shown: {problem}" for _, problem in video.record.get("refused", ())]
    if late := callbacks.turn():
        notes.append(f"not shown, since it came too late: {late}")
    if job.kind == "image":
        files = {"content": "image.png"}
    else:
        files = {
            "content": "film.mp4",
            "thumbnail": "thumbnail.png",
            "spritesheet": "spritesheet.png",
        }
        middle = video.frames[len(video.frames) // 2]
        _still(video, small(middle[None], POSTER_PIXELS)[0]).save(folder / files["thumbnail"])
        tiles = _still(video, sheet(video.frames, POSTER_PIXELS // 2))
        # many frames are one picture: it has its own mark
        STANDARD.mark(tiles).save(folder / files["spritesheet"])
    video.save(folder / files["content"])
    if request.references and pipeline.card.grammar:
        propose(inputs.memory, request.references, video.frames, job.id)
    return JobResult(files=files, stopped=stopped, steps=steps, notes=tuple(notes))


def _run(states: Iterator["Progress"], callbacks: Callbacks) -> tuple[Video, int, bool]:
    """The film at the end, or where it was stopped; how many steps it took; and whether it was
    stopped.
    """
    state, begun, spent = None, time.monotonic(), 0.0
    try:
        for state in states:
            if state.chunk is not None and callbacks.on_chunk is not None:
                callbacks.on_chunk(state.chunk())
            if (
                callbacks.on_step(state)
                and state.video is None
                and spent <= PREVIEW_TIME_SHARE * (time.monotonic() - begun)
            ):
                before = time.monotonic()
                callbacks.on_preview(state.step, animated(state.preview()))
                spent += time.monotonic() - before
    except Stopped as stop:
        if state is None or not stop.keep:
            raise
        states.close()  # type: ignore[attr-defined]  # the networks leave before the film is decoded
        return state.finish(), state.step, state.video is None
    if state is None:
        raise GenerationError("no step was made")
    return state.finish(), state.step, False


def _still(video: Video, pixels: Frames) -> Video:
    """A picture from a film, signed as the film is."""
    return dataclasses.replace(video, frames=pixels[None])


def small(frames: Frames, side: int) -> Frames:
    """(T, H, W, 3), the longer side at most ``side``, its proportions kept."""
    height, width = frames.shape[1:3]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale == 1.0:
        return frames
    return np.stack(
        [np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)) for frame in frames]
    )


def sheet(frames: Frames, side: int) -> Frames:
    """A sprite sheet: up to 12 frames, evenly spread, `small`, in rows of four, (rows H, 4 W,
    3).
    """
    count = min(MAX_SHEET_FRAMES, len(frames))
    tiles = list(small(frames[np.linspace(0, len(frames) - 1, count).round().astype(int)], side))
    across = min(SHEET_COLUMNS, count)
    tiles += [np.zeros_like(tiles[0])] * (-count % across)
    rows = [np.concatenate(tiles[i : i + across], axis=1) for i in range(0, len(tiles), across)]
    return np.concatenate(rows)


def animated(frames: Frames) -> bytes:
    """An animated preview of an unfinished film, as WebP."""
    frames = small(frames[:: -(-len(frames) // MAX_PREVIEW_FRAMES)], PREVIEW_PIXELS)
    first, *rest = (Image.fromarray(frame) for frame in frames)
    file = io.BytesIO()
    first.save(
        file, "WEBP", save_all=True, append_images=rest, duration=125, loop=0, quality=70, method=0
    )
    return file.getvalue()


def analyse(job: Job, folder: Path, raise_if_stopped: Callable[[], None]) -> JobResult:
    """Detect, verify or stamp, in a process of its own, since the file may be anything.

    ``raise_if_stopped`` is called every moment.
    """
    path, name = folder / job.input, job.filename
    try:
        if isinstance(job.order, StampRequest):
            return processes.run_isolated(
                _stamp, (path, job.order, folder), STAMP_CPU_SECONDS, raise_if_stopped
            )
        return processes.run_isolated(
            _detect if job.kind == "detect" else _verify,
            (path, name, folder),
            ANALYSIS_CPU_SECONDS,
            raise_if_stopped,
        )
    except MediaError as error:
        raise MediaError(str(error).replace(str(path), name)) from None  # as the client calls it
    except BrokenProcessPool:
        raise MediaError(
            f"cannot read {name}: {processes.KILLED}", "is it a film or a picture, and complete?"
        ) from None


def _detect(path: Path, name: str, folder: Path) -> JobResult:
    from praxino.detection import html
    from praxino.detection.detector import examine

    examination = examine(path)
    report = examination.report.model_copy(update={"path": name})
    html.write_page(folder / "report.html", dataclasses.replace(examination, report=report))
    return JobResult(files={"page": "report.html"}, report=report.model_dump(mode="json"))


def _verify(path: Path, name: str, _: Path) -> JobResult:
    from praxino.provenance.verify import verify

    verification = verify(path)
    report = {
        **verification.model_dump(mode="json"),
        "path": name,
        "sentences": list(verification.sentences),
    }
    return JobResult(report=report)


def _stamp(path: Path, order: StampRequest, folder: Path) -> JobResult:
    from praxino.provenance import stamp
    from praxino.provenance.c2pa.read import SIDECAR_ENDING

    # a .mov is stored as the .mp4 that its first bytes are: its maker's name tells more
    ending = Path(order.name).suffix.lower()
    stored = path.suffix[1:]
    if any(ending[1:] in format_.aliases for format_ in FORMATS if format_.ending == stored):
        path = path.rename(path.with_suffix(ending))
    target = folder / f"stamped{stamp.ending_for(path)}"
    declared = order.model_dump(exclude={"name"})
    try:
        outcome = stamp.stamp(path, target, **declared)
    except MediaError as error:
        raise MediaError(str(error).replace(str(path), order.name)) from None
    report = {**outcome.model_dump(mode="json"), "path": order.name}
    if outcome.outcome != "stamped":
        return JobResult(report={**report, "out": ""}, notes=outcome.notes)
    files = {"content": target.name}
    if (beside := target.with_suffix(SIDECAR_ENDING)).exists():
        files["credentials"] = beside.name
    return JobResult(files=files, report={**report, "out": target.name}, notes=outcome.notes)
