"""``praxino evaluate``: a model judged on a suite of sentences."""

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from praxino.cli.options import MAX_FILMS_PER_CALL, Device, Json, Quiet
from praxino.cli.terminal import Progress
from praxino.errors import InputError

if TYPE_CHECKING:
    from praxino.evaluation.suite import Case

IDENTITY_SUITES: Final = ("identity", "identity-pairs", "identity-gap")
"""Suites whose films are compared with pictures of individuals."""


def evaluate(
    model: Annotated[str, typer.Argument(help="A bundled model or a folder.", show_default=False)],
    suite: Annotated[
        str,
        typer.Option(
            help="diorama rare physics motion binding words identity identity-pairs identity-gap"
        ),
    ] = "diorama",
    samples: Annotated[
        int, typer.Option(min=1, max=MAX_FILMS_PER_CALL, help="Sentences of the suite.")
    ] = 64,
    seeds: Annotated[
        int, typer.Option(min=1, max=MAX_FILMS_PER_CALL, help="Films of each sentence.")
    ] = 1,
    reader: Annotated[
        Path | None, typer.Option(help="Folder of a trained reader.  [default: the bundled one]")
    ] = None,
    second_reader: Annotated[
        Path | None, typer.Option(help="Folder of a reader whose scores stand beside.")
    ] = None,
    best_of: Annotated[
        int, typer.Option(min=1, max=64, help="Also score the best of so many films.")
    ] = 1,
    enhance: Annotated[
        str, typer.Option(help="Films are enlarged so (space time space,time), and reduced again.")
    ] = "off",
    processes: Annotated[int, typer.Option(min=1, max=256, help="Worker processes.")] = 1,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the page and the rows.")
    ] = None,
    json_: Json = False,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Measure a model on a suite of sentences; the same command resumes an interrupted run."""
    if suite in IDENTITY_SUITES:
        scores, text = judge_identity(
            model, suite, samples, reader, output, device, Progress(quiet)
        )
        typer.echo(json.dumps(scores, indent=1) if json_ else text)
        return
    readers = (reader, second_reader)
    scores, text = judge(
        model, (suite, samples, seeds), readers, (best_of, enhance), output, processes, device,
        Progress(quiet),
    )  # fmt: skip
    typer.echo(json.dumps(scores, indent=1) if json_ else text)


def judge(
    name: str,
    suite_of: tuple[str, int, int],
    readers: tuple[Path | None, Path | None],
    how: tuple[int, str],
    output: Path | None,
    processes: int,
    device: str,
    progress: Progress,
) -> tuple[dict[str, Any], str]:
    """Scores of a model on a suite (its name, sentences, films of each), and the table to print.

    ``readers`` are the first, none for the bundled one, and a second, if there is one; ``how`` says
    of how many films the best is kept, and how films are enlarged.
    """
    from praxino.evaluation import report, suite
    from praxino.evaluation.judge import Judge
    from praxino.evaluation.readers import READER, read_reader
    from praxino.generation.loading import choose_device, find_model
    from praxino.storage.weights.checkpoint import content_digest

    enlarged = "" if how[1] == "off" else f"-{how[1].replace(',', '-')}"
    folder = output or Path("runs") / f"evaluate-{_run_name(Path(name))}-{suite_of[0]}{enlarged}"
    cases, (best_of, enhance) = suite.cases(*suite_of), how
    model, eye, second = find_model(name), readers[0] or READER, readers[1]
    _require_usable(model, name, cases, best_of)  # before anything is written
    for reader in (eye, *([second] if second else [])):
        read_reader(reader)
    maker = functools.partial(_film_maker, model, str(choose_device(device)), enhance)
    films = Judge(maker, model, eye, folder, second, best_of)
    manifest = suite.SuiteManifest(
        suite=suite_of[0],
        model=content_digest(model),
        reader=content_digest(eye),
        measures=suite.measures(),
        second_reader=content_digest(second) if second else "",
        best_of=best_of,
    )
    suite.begin(folder, manifest)
    rows = {}
    try:
        with progress.bar(suite_of[0], len(cases)) as advance:
            for row in suite.run(cases, films, folder, processes):
                rows[row["name"]] = row
                advance(len(rows))
    except KeyboardInterrupt:
        progress.say(f"stopped with {len(rows)} of {len(cases)} films judged: start it again")
        raise
    ordered = [rows[case.name] for case in cases]
    summary = report.summary(ordered)
    report.write(folder, ordered, summary, f"{name}: suite {suite_of[0]}, {len(cases)} films")
    progress.say(f"wrote {folder / 'index.html'}, {folder / 'scores.json'}")
    return summary, report.table(summary)


def judge_identity(
    name: str,
    suite: str,
    samples: int,
    reader: Path | None,
    output: Path | None,
    device: str,
    progress: Progress,
) -> tuple[dict[str, Any], str]:
    """Whether a model's films show the individuals of their pictures, in one of the
    `IDENTITY_SUITES`: scores, and the table.
    """
    from praxino.cli import evaluate_identity
    from praxino.storage.files import write_text

    folder = output or Path("runs") / f"evaluate-{_run_name(Path(name))}-{suite}"
    rows: list[Any] = []
    suite_ = evaluate_identity.SUITES[suite](name, samples, reader, device)
    with progress.bar(suite, samples) as advance:
        for row in suite_.rows:
            rows.append(row)
            advance(len(rows))
    summary = suite_.summary(rows)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "scores.json", json.dumps({"summary": summary, "cases": rows}, indent=1))
    progress.say(f"wrote {folder / 'scores.json'}")
    return summary, suite_.table(summary)


def _require_usable(model: Path, name: str, cases: Sequence["Case"], best_of: int) -> None:
    """Raise if a model is damaged, does not know the words of a case, or cannot choose."""
    from praxino.storage.weights import bundle

    network = bundle.read(model)
    size = network.config
    for case in cases:
        scene = case.scene(size.frames, size.width / size.height, size.fps)
        network.text.validate(case.prompt(scene))
    if best_of > 1 and network.latent_reader is None:
        problem = f"--best-of {best_of}: {name} has no latent reader to choose by"
        raise InputError(problem, "leave it out")


def _run_name(model: Path) -> str:
    """A name for a model's folder; what a run ends in is called after the run."""
    whole = model.resolve()
    return f"{whole.parent.name}-{whole.name}" if whole.name == "final" else whole.name


def _film_maker(model: Path, device: str, enhance: str) -> Callable[[str, int, int], Any]:
    """Loads a model; what it returns is a `judge.Maker`, whose films are of the model's own size.
    A suite calls it once in every process.
    """
    from praxino.cards import Enhance, axes_of
    from praxino.data.pixels import Axis, reduced
    from praxino.generation import loading

    loaded, how = loading.load(model, device), cast("Enhance", enhance)

    def film(prompt: str, seed: int, best_of: int) -> Any:
        video = loaded.generate(prompt, seed=seed, best_of=best_of, enhance=how)
        frames = video.frames
        for axis in axes_of(how):
            frames = reduced(frames, cast("Axis", axis))
        return dataclasses.replace(video, frames=frames, fps=loaded.model.config.fps)

    return film
