"""``praxino compare``: how far apart two folders of films are."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from praxino.cli.options import Json, Quiet
from praxino.cli.terminal import Progress
from praxino.errors import InputError


def compare(
    real: Annotated[Path, typer.Argument(help="Folder of real films.", show_default=False)],
    fake: Annotated[
        Path, typer.Argument(help="Folder of films to hold against them.", show_default=False)
    ],
    features: Annotated[
        str, typer.Option(help="Network whose features compare them: reader inception i3d clip")
    ] = ("reader"),
    reader: Annotated[
        Path | None, typer.Option(help="Folder of a trained reader.  [default: the bundled one]")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of inception, i3d or clip.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the page and the rows.")
    ] = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare two folders of films: Fréchet and kernel distance, coverage, motion."""
    if weights and features == "reader":
        raise InputError(
            "--weights changes nothing here", "--features inception, i3d or clip need it"
        )
    if reader and features != "reader":
        raise InputError("--reader changes nothing here", "leave it out, or --features reader")
    scores, text = distances(real, fake, features, reader or weights, output, Progress(quiet))
    typer.echo(json.dumps(scores, indent=1) if json_ else text)


def distances(
    real: Path,
    fake: Path,
    features: str,
    weights: Path | None,
    output: Path | None,
    progress: Progress,
) -> tuple[dict[str, Any], str]:
    """How far apart two folders of films are, and the table to print."""
    from praxino.evaluation import compare as comparison
    from praxino.evaluation.features import extractor

    network = extractor(features, weights)
    if output:
        _require_apart(output, real, fake)
    collections = []
    for folder in (real, fake):
        with progress.bar(folder.name, 1) as advance:
            tell = lambda done, of, advance=advance: advance(done, total=of)  # noqa: E731
            collections.append(
                comparison.collect(folder, network, tell, output / "films" if output else None)
            )
    scores = comparison.compare(*collections)
    if output:
        comparison.write_comparison(output, scores, *collections)
        progress.say(f"wrote {output / 'index.html'}, {output / 'scores.json'}")
    return scores, comparison.comparison_table(scores)


def _require_apart(output: Path, *folders: Path) -> None:
    """A comparison must neither measure its own pictures the next time nor write over a suite's."""
    if output.is_file():
        raise InputError(f"{output} is a file", "-o names a folder")
    if (output / "config.json").exists():
        raise InputError(f"{output} holds a suite or a model", "-o names another folder")
    here = output.resolve()
    for folder in folders:
        there = folder.resolve()
        if here == there or here in there.parents or there in here.parents:
            raise InputError(
                f"-o {output} and {folder} lie one in the other", "-o names a folder beside them"
            )
