"""``praxino film``: a script becomes a film of many shots. ``praxino takes``: what was made of it,
and what is thought of each.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from praxino.cli import batch
from praxino.cli import generate as films
from praxino.cli.options import Device, Dtype, Quiet
from praxino.cli.terminal import Progress
from praxino.errors import InputError

if TYPE_CHECKING:
    from praxino.generation.shots import FilmMaker
    from praxino.generation.takes import Takes, TakeState
    from praxino.provenance.policy import Provenance

FOLDER_ENDING: Final = ".takes"
Script = Annotated[Path, typer.Argument(help="YAML or JSON.", show_default=False)]
TakesFolder = Annotated[
    Path | None, typer.Option("--takes", help="Where takes are.  [default: SCRIPT.takes]")
]


def film(
    script: Script,
    output: films.Output = Path("film.mp4"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the takes that are there.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Make this shot; repeatable.")
    ] = None,
    takes: TakesFolder = None,
    model: films.ModelName = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    no_watermark: films.NoWatermark = False,
    no_credentials: films.NoCredentials = False,
    no_growth: films.NoGrowth = False,
    quiet: Quiet = False,
) -> None:
    """Make a film of many shots; what is there already, and still up to date, stays."""
    from praxino.generation import loading, memory
    from praxino.generation.shots import FilmMaker
    from praxino.generation.takes import Takes
    from praxino.provenance.policy import Provenance
    from praxino.script import read_script

    plot = read_script(script)
    shelf = Takes(takes or script.with_suffix(FOLDER_ENDING))
    if shelf.all and not (resume or only):
        raise InputError(
            f"{shelf.folder} holds {len(shelf.all)} takes",
            "--resume goes on with them; --takes FOLDER begins anew",
        )
    provenance = Provenance(not no_watermark, not no_credentials)
    faster = 2 if "time" in (plot.enhance or "") else 1
    films.require_output(output, 1, 2, faster * (plot.fps or 1))
    provenance.require_ready(output)
    pipeline = loading.load(_model(model, plot.model, script.parent), device, dtype)
    maker = FilmMaker(pipeline, plot, script.parent, shelf, memory.installation())
    progress = Progress(quiet)
    for note in maker.check():
        progress.say(f"note: {note}")
    try:
        _make(maker, provenance, only or (), progress, not no_growth)
    except KeyboardInterrupt:
        progress.say("stopped: --resume goes on")
        raise typer.Exit(130) from None
    if only and (missing := maker.missing()):
        progress.say(f"no film yet: {', '.join(missing)} to be made")
        return
    whole = maker.assembled(provenance)
    whole.save(output)
    seconds = len(whole.frames) / whole.fps
    progress.say(f"wrote {output}: {len(plot.shots)} shots, {seconds:.1f} seconds")


def takes(
    script: Script,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="ID[:N]", help="Use this take; repeatable.")
    ] = None,
    reject: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[:N]", help="Do not use it: praxino film makes another."),
    ] = None,
    takes: TakesFolder = None,
) -> None:
    """Print the takes of a film, and say what is thought of them."""
    from praxino.generation.takes import Takes
    from praxino.script import read_script

    plot = read_script(script)
    shelf = Takes(takes or script.with_suffix(FOLDER_ENDING))
    marks: list[tuple[str, TakeState]] = [(one, "kept") for one in keep or ()]
    marks += [(one, "rejected") for one in reject or ()]
    for text, state in marks:
        shot, number = _numbered(text)
        plot.find(shot)
        shelf.set_state(shot, number, state)
    typer.echo(_table(shelf, [shot.id for shot in plot.shots]))


def _make(
    maker: "FilmMaker",
    provenance: "Provenance",
    only: list[str] | tuple[str, ...],
    say: Progress,
    grows: bool,
) -> None:
    """Make takes, with a bar for each; with ``grows`` the memory learns from them."""
    states = maker.make(provenance, only)
    state = next(states, None)
    while state is not None:
        shot, number, step = state
        with say.bar(f"{shot.id} take {number}", step.steps) as advance:
            while state is not None and state[:2] == (shot, number):
                advance(state[2].step, total=state[2].steps)
                if grows and (video := state[2].video) is not None and maker.pipeline.card.grammar:
                    references = maker.references_of(shot)
                    films.grow(references, video, f"{shot.id} take {number}", say)
                state = next(states, None)


def _numbered(text: str) -> tuple[str, int | None]:
    """A shot and a number of ``ID[:N]``."""
    shot, _, number = text.partition(":")
    if number and not (number.isdecimal() and len(number) < 7):
        raise InputError(f"{text}: must be ID or ID:N", f"{shot}:1")
    return shot, int(number) if number else None


def _table(shelf: "Takes", shots: list[str]) -> str:
    rows: list[tuple[str, ...]] = [("shot", "take", "state", "frames", "seed", "file")]
    for shot in shots:
        of_shot = shelf.of(shot)
        rows += [
            (shot, str(one.number), one.state, str(one.frames), str(one.seed), str(shelf.path(one)))
            for one in of_shot
        ] or [(shot, "-", "-", "-", "-", "-")]
    return batch.table(rows)


def _model(flag: str | None, named: str, folder: Path) -> str:
    """The model: that of the flag, or the one that the script names, perhaps from its folder on."""
    name = flag or named or "diorama"
    return str(folder / name) if not flag and (folder / name).is_dir() else name
