"""The verbs put together. Data goes to standard output, everything else to standard error.

An error is one line and exit code 2. Nothing heavy is imported before a verb needs it.
"""

import copy
import gc
import logging
import sys
import threading
from typing import Annotated

import typer

from praxino.cli import terminal
from praxino.cli.bot import bot
from praxino.cli.compare import compare
from praxino.cli.cost import cost
from praxino.cli.curate import curate
from praxino.cli.detect import detect
from praxino.cli.doctor import doctor
from praxino.cli.edits import VERBS as EDITS
from praxino.cli.evaluate import evaluate
from praxino.cli.export import export
from praxino.cli.film import film, takes
from praxino.cli.generate import generate
from praxino.cli.inspect import inspect
from praxino.cli.keys import keys
from praxino.cli.layout import layout
from praxino.cli.live import live
from praxino.cli.memory import memory
from praxino.cli.noise import noise
from praxino.cli.plan import plan
from praxino.cli.recaption import recaption
from praxino.cli.serve import serve
from praxino.cli.stamp import stamp
from praxino.cli.train import train
from praxino.cli.verify import verify
from praxino.cli.worker import worker

app = typer.Typer(
    name="praxino",
    help="Films and pictures out of noise from a sentence.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (
    generate,
    live,
    *EDITS,
    film,
    takes,
    layout,
    recaption,
    noise,
    curate,
    train,
    cost,
    evaluate,
    compare,
    export,
    plan,
    detect,
    verify,
    stamp,
    serve,
    worker,
    bot,
    inspect,
    doctor,
):
    app.command()(verb)
app.add_typer(keys, name="keys")
app.add_typer(memory, name="memory")


def _version(show: bool | None) -> None:
    if show:
        import praxino

        typer.echo(f"praxino {praxino.__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True)
    ] = None,
) -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO, force=True)
    threading.excepthook = terminal.log_thread_failure


def _only(verb: str) -> typer.Typer:
    """The command line with this verb alone, if it is one: to learn the options of all of them
    takes 0.15 s.
    """
    same = [
        one for one in app.registered_commands if getattr(one.callback, "__name__", None) == verb
    ]
    if not same:
        return app
    smaller = copy.copy(app)
    smaller.registered_commands, smaller.registered_groups = same, []
    return smaller


def main() -> None:
    """Run the command line; every foreseen failure is one line on standard error."""
    gc.set_threshold(50_000)  # what is imported stays: to look through it for garbage takes 0.1 s
    terminal.run(_only(sys.argv[1] if len(sys.argv) > 1 else ""))
