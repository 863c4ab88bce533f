"""``praxino export``: the diorama, or films that a model painted, as training data for others."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from praxino.cli.options import Processes, Quiet, parse_size
from praxino.cli.terminal import Progress
from praxino.errors import InputError, MediaError, UnknownNameError

if TYPE_CHECKING:
    from praxino.data.diorama import Edition, Split
    from praxino.data.labels.films import LabelledFilm, Source

WORLD = "diorama"
MAX_SIDE = 1024
MAX_FRAMES = 1000

Target = Annotated[
    list[str], typer.Argument(help="diorama, or films that a model painted by a layout.")
]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder, new or empty.")]
Format = Annotated[
    str,
    typer.Option("--format", help="coco mot yolo webdataset kitti-flow sintel-flow tap depth"),
]
Count = Annotated[int, typer.Option(help="Films of the world.")]
Size = Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")]
Frames = Annotated[int, typer.Option(min=1, max=MAX_FRAMES, help="Frames of a film.")]
Fps = Annotated[float, typer.Option(min=1, max=240, help="Frames a second.")]
Part = Annotated[
    str, typer.Option(help="train, or held-out or rare: pairs that never occur in train; all.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Which world.")]
WorldEdition = Annotated[int, typer.Option("--edition", min=1, max=2, help="Edition of the world.")]


def export(
    target: Target,
    output: Output,
    format_: Format = "coco",
    count: Count = 100,
    size: Size = "128x128",
    frames: Frames = 17,
    fps: Fps = 8.0,
    part: Part = "train",
    seed: Seed = 0,
    edition: WorldEdition = 2,
    processes: Processes = 0,
    quiet: Quiet = False,
) -> None:
    """Write films with exact labels: boxes, masks, tracks, flow, points, order of depth.

    Labels of films that a model painted are the layouts that it was told: weak ones.
    """
    from praxino.data.labels import export as labels
    from praxino.processes import workers

    if format_ not in labels.FORMATS:
        raise UnknownNameError("format", format_, labels.FORMATS)
    output = output.absolute()
    labels.require_room(output)
    progress, split = Progress(quiet), _split(part)
    if target == [WORLD]:
        labels.require_count(count)
        source = _source(size, frames, fps, split, seed, cast("Edition", edition), format_)
        films = labels.drawn(source, count, processes or workers(count))
    else:
        films, count = itertools.starmap(_painted, enumerate(target)), len(target)
    with progress.bar(f"export {format_}", count) as advance:
        labels.export(films, output, format_, part, advance)
    progress.say(f"wrote {count:,} films to {output}")


def _source(
    size: str, frames: int, fps: float, split: "Split", seed: int, edition: "Edition", format_: str
) -> "Source":
    from praxino.data.labels.films import Source

    width, height = parse_size(size)
    assert width is not None
    assert height is not None
    if not 16 <= min(width, height) <= max(width, height) <= MAX_SIDE or width > 4 * height:
        raise InputError(f"size={size}: sides are from 16 to {MAX_SIDE} pixels", "--size 128x128")
    if format_ == "webdataset" and (width % 2 or height % 2):
        raise InputError(f"size={size}: films of shards have even sides", "--size 128x128")
    if format_.endswith("flow") and frames == 1:
        raise InputError("frames=1: nothing flows", "--frames 17")
    return Source(seed, frames, height, width, fps, split, edition)


def _split(part: str) -> "Split":
    from praxino.data.diorama import Split

    parts: tuple[Split, ...] = get_args(Split)
    split = next((one for one in parts if one == part), None)
    if split is None:
        raise UnknownNameError("part", part, parts)
    return split


def _painted(number: int, name: str) -> "LabelledFilm":
    """A film with the layout that its record holds."""
    from praxino.data.labels.films import weakly_labelled
    from praxino.generation.films import recorded_layout
    from praxino.storage.media.frames import read_video

    video = read_video(Path(name))
    layout = recorded_layout(video.record)
    if layout is None:
        raise MediaError(
            f"{name} holds no layout in its record", "films that praxino generate painted by one"
        )
    words = str(video.record.get("prompt", ""))
    return weakly_labelled(video, layout, f"film-{number:06d}", words, name)
