"""``praxino curate``: footage becomes a dataset that trainers read."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from praxino.cli.options import Processes, Quiet
from praxino.cli.terminal import Progress
from praxino.errors import InputError, MediaError

if TYPE_CHECKING:
    from praxino.data.curation.captions import Captioner
    from praxino.data.curation.curate import Curation
    from praxino.data.curation.decide import Rules
    from praxino.data.curation.sources import Sources

Captions = Literal["given", "frames", "video"]
Show = Callable[[str, int, int], None]


Target = Annotated[Path, typer.Argument(help="Folder of films or shards, or a list of films.")]
Dataset = Annotated[Path, typer.Option("-o", "--output", help="Folder of the dataset.")]
Footage = Annotated[Path | None, typer.Option(help="Folder in which the films of a list lie.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="RULE=VALUE; repeatable. Rules stand in docs/curation.md."),
]
Side = Annotated[
    int, typer.Option(min=0, help="Pixels of the shorter side, at most; 0: as they are.")
]
Rate = Annotated[float, typer.Option(min=0, help="Frames a second, at most; 0: as they are.")]
Captioning = Annotated[
    Captions,
    typer.Option(help="given, or frames or video: ask PRAXINO_LLM_URL where there is none."),
]
Text = Annotated[bool, typer.Option("--text", help="Look for writing in the picture.")]
Generated = Annotated[
    bool, typer.Option("--generated", help="Examine what is kept by praxino detect.")
]
AsFolder = Annotated[bool, typer.Option("--folder", help="Write files in a folder, and no shards.")]
Dry = Annotated[bool, typer.Option("--dry", help="Decide and report; write no clips.")]
Ray = Annotated[
    str | None,
    typer.Option(help="Address of a Ray cluster that does the work; local starts one."),
]


def curate(
    target: Target,
    output: Dataset,
    footage: Footage = None,
    set_: Settings = None,
    side: Side = 0,
    fps: Rate = 0.0,
    captions: Captioning = "given",
    text: Text = False,
    generated: Generated = False,
    folder: AsFolder = False,
    dry: Dry = False,
    ray: Ray = None,
    processes: Processes = 0,
    quiet: Quiet = False,
) -> None:
    """Make a dataset of footage: find shots, score them, leave out what is bad or there twice, cut.

    Each pass goes on where it was left; with other rules only what they change is done again.
    """
    from praxino.data.curation.sources import find_sources
    from praxino.data.curation.write import Writing

    rules, captioner = _rules(set_ or []), _captioner(captions)
    sources, progress = find_sources(target, footage), Progress(quiet)
    if sources.licence:
        progress.say(f"the list: {sources.licence}")
    title, rows = f"{target.name}: what became of it", []
    with _bars(progress) as show:
        curation = _curation(sources, output, ray, processes, show)
        clips = curation.decide(curation.measure(text), rules)
        if generated:
            clips = curation.examine(clips, rules, _probability)
        try:
            if captioner is not None and not dry:
                curation.caption([clip for clip in clips if not clip.reason], captioner)
            if not dry:
                rows = curation.write(clips, Writing(side, fps), folder)
        finally:  # also where nothing is kept
            curation.save(clips, rules, title)
    for problem, count in sorted(curation.problems.items()):
        progress.say(f"{count:,}: {problem}")
    kept = [clip for clip in clips if not clip.reason]
    hours = sum(clip.seconds for clip in kept) / 3600
    kept_of = f"{len(kept):,} of {len(clips):,} clips of {len(sources.films):,} films kept"
    written = f"{len(rows):,} written to {output}" if rows else "none written"
    typer.echo(f"{kept_of}, {hours:.2f} hours; {written}")
    typer.echo(str(output / "report.html"))


def _curation(
    sources: "Sources", dataset: Path, ray: str | None, processes: int, show: Show
) -> "Curation":
    from praxino.data.curation import units
    from praxino.data.curation.curate import Curation

    execute = units.on_ray(ray) if ray else units.here(processes or None)
    return Curation(sources, dataset, execute, show)


def _rules(settings: list[str]) -> "Rules":
    from pydantic import ValidationError

    from praxino.data.curation.decide import Rules
    from praxino.errors import UnknownNameError

    values: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: must be RULE=VALUE", "--set least_seconds=2")
        if name not in Rules.model_fields:
            raise UnknownNameError("rule", name, Rules.model_fields)
        values[name] = value
    try:
        return Rules.model_validate_strings(values)
    except ValidationError as error:
        first = error.errors()[0]
        name, message = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        setting = f"{name}={first['input']}: " if name else ""  # else several do not go together
        raise InputError(f"--set {setting}{message}", "docs/curation.md") from None


def _captioner(way: Captions) -> "Captioner | None":
    if way == "given":
        return None
    from praxino.chat import URL_VARIABLE, ChatEndpoint
    from praxino.data.curation.captions import Captioner

    endpoint = ChatEndpoint.from_environment()
    if endpoint is None:
        raise InputError(f"--captions {way}: {URL_VARIABLE} names no endpoint", "http://host/v1")
    return Captioner(endpoint.model_copy(update={"seconds": 120.0}), way)


@contextmanager
def _bars(progress: Progress) -> Iterator[Show]:
    """What shows how far each pass is."""
    with ExitStack() as stack:
        bars = dict[str, Callable[..., None]]()

        def show(name: str, done: int, total: int) -> None:
            if name not in bars:
                stack.close()
                bars[name] = stack.enter_context(progress.bar(name, total))
            bars[name](done)

        yield show


def _probability(path: Path) -> float:
    """How probably a generator made a film."""
    from praxino.detection.detector import examine

    probability = examine(path, threads=1).report.probability
    if probability is None:
        raise MediaError("too short to be examined", "longer clips: --set least_seconds=2")
    return probability
