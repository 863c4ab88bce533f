"""What a worker does for each kind of job: a film or picture is made, a file is looked at; files end up in a folder."""

import dataclasses
import io
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from praxino import processes
from praxino.errors import GenerationError, MediaError
from praxino.service.queue.jobs import Job
from praxino.storage.media.video import Video

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline, Progress

Frames = NDArray[np.uint8]

PREVIEW_TIME_SHARE: Final = 0.2
"""Of a film's time that its previews may take."""
SKETCH: Final = 256
"""Pixels of the longer side of previews, at most."""
POSTER: Final = 512
"""The same of the picture that stands for a film."""
SHEET_FRAMES: Final = 12
"""Frames of a sprite sheet, at most."""
ANALYSIS_CPU_SECONDS: Final = 300
"""Of all cores together that looking at one file may take."""


class Stopped(Exception):  # noqa: N818 (it is no error)
    """A job is to end: raised from a report. With ``keep``, what there is of it is wanted."""

    def __init__(self, keep: bool) -> None:
        super().__init__("stopped")
        self.keep = keep


Report = Callable[["Progress"], bool]
"""Told of each step; it says whether a preview is wanted, or raises."""
Show = Callable[[int, bytes], None]
"""Takes a step and a picture of it."""


def make(job: Job, pipeline: "Pipeline", folder: Path, report: Report, show: Show) -> dict[str, Any]:
    """Carry out a job for a film or picture; what it returns is the job's result.

    Stopped on the way, the film is kept as it is then; before the first step there is nothing to keep, and `Stopped`
    leaves.
    """
    from praxino.provenance.policy import STANDARD

    with _in(folder):  # records name given pictures as they are named here, not by where this machine keeps them
        request, notes = pipeline.complete(**job.order)
        states = pipeline.run(request)
        video, steps, stopped = _last(states, report, show)
        picture = job.kind == "image"
        name = "image.png" if picture else "film.mp4"
        video.save(folder / name)
        files = {"content": name}
        if not picture:
            files |= {"thumbnail": "thumbnail.png", "spritesheet": "spritesheet.png"}
            middle = video.frames[len(video.frames) // 2]
            _still(video, small(middle[None], POSTER)[0]).save(folder / files["thumbnail"])
            tiles = _still(video, sheet(video.frames, POSTER // 2))
            STANDARD.mark(tiles).save(folder / files["spritesheet"])  # many frames are one picture: it has its own mark
    return {"files": files, "stopped": stopped, "steps": steps, "notes": notes}


def _last(states: Iterator["Progress"], report: Report, show: Show) -> tuple[Video, int, bool]:
    """The film at the end, or where it was stopped; how many steps it took; and whether it was stopped."""
    state, begun, spent = None, time.monotonic(), 0.0
    try:
        for state in states:
            if report(state) and state.video is None and spent <= PREVIEW_TIME_SHARE * (time.monotonic() - begun):
                before = time.monotonic()
                show(state.step, animated(state.preview()))
                spent += time.monotonic() - before
    except Stopped as asked:
        if state is None or not asked.keep:
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
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)) for frame in frames])


def sheet(frames: Frames, side: int) -> Frames:
    """Up to 12 frames, evenly spread, `small`, in rows of four: (rows H, 4 W, 3)."""
    count = min(SHEET_FRAMES, len(frames))
    chosen = list(small(frames[np.linspace(0, len(frames) - 1, count).round().astype(int)], side))
    across = min(4, count)
    chosen += [np.zeros_like(chosen[0])] * (-count % across)
    rows = [np.concatenate(chosen[i : i + across], axis=1) for i in range(0, len(chosen), across)]
    return np.concatenate(rows)


def animated(frames: Frames) -> bytes:
    """A small moving picture of a film that is not finished, as WebP."""
    frames = small(frames[:: max(1, len(frames) // 17)], SKETCH)
    first, *rest = (Image.fromarray(frame) for frame in frames)
    file = io.BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=rest, duration=125, loop=0, quality=70, method=0)
    return file.getvalue()


def analyse(job: Job, folder: Path, check: Callable[[], None]) -> dict[str, Any]:
    """Carry out a job that looks at a file, in a process of its own, since the file may be anything.

    ``check`` is called every moment, and raises where it is to end.
    """
    path, name = folder / job.input, str(job.order["name"])
    try:
        return processes.run_isolated(
            _detected if job.kind == "detect" else _verified, (path, name, folder), ANALYSIS_CPU_SECONDS, check
        )
    except MediaError as error:
        raise MediaError(str(error).replace(str(path), name)) from None  # as the client calls it
    except BrokenProcessPool:
        raise MediaError(
            f"cannot read {name}: {processes.KILLED}", "is it a film or a picture, and complete?"
        ) from None


def _detected(path: Path, name: str, folder: Path) -> dict[str, Any]:
    from praxino.detection import html
    from praxino.detection.report import examine

    found = examine(path)
    found = dataclasses.replace(found, report=found.report.model_copy(update={"path": name}))
    html.write(folder / "report.html", found)
    return {"files": {"page": "report.html"}, "report": found.report.model_dump(mode="json")}


def _verified(path: Path, name: str, _: Path) -> dict[str, Any]:
    from praxino.provenance.verify import verify

    found = verify(path)
    return {"files": {}, "report": {**found.model_dump(mode="json"), "path": name, "sentences": found.sentences}}


@contextmanager
def _in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
