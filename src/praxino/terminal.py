"""What the command line says beside its data, and how it fails: one line on standard error, exit code 2."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from praxino.errors import InputError, MediaError, PraxinoError, UnknownNameError

USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""click's error about arguments, from whichever click typer brings."""


def hush(quiet: bool) -> None:
    """Let only errors through, and that a film was not marked or signed."""
    if quiet:
        logging.getLogger().setLevel(logging.ERROR)
        logging.getLogger("praxino.provenance").setLevel(logging.WARNING)


def say(text: str, quiet: bool) -> None:
    """A line on standard error, unless quiet."""
    if not quiet:
        typer.echo(text, err=True)


@contextmanager
def bar(quiet: bool, what: str, total: int) -> Iterator[Callable[..., None]]:
    """A progress bar with the time left, on standard error; silent when quiet."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=Console(stderr=True), disable=quiet or not sys.stderr.isatty(), transient=True
    ) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done, **fields: shown.update(task, completed=done, **fields)


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Imports that come with an extra: without it, say how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed", f'pip install "praxino[{extra}]"') from None


def of_a_thread(failure: threading.ExceptHookArgs) -> None:
    """A library's thread that fails (TensorBoard's, on a full disk) must not write over our one line."""
    logging.getLogger("praxino").debug("a thread failed: %s", failure.exc_value)


def run(app: typer.Typer) -> NoReturn:
    """Run a command line on the arguments of this process; every foreseen failure is one line on standard error."""
    arguments = sys.argv[1:]
    for argument in arguments:
        if any(0xDC80 <= ord(c) <= 0xDCFF for c in argument):  # bytes that Python could not decode
            shown = argument.encode("utf-8", "replace").decode()
            _fail(InputError(f"argument {shown!r} is not UTF-8", "check the terminal's encoding"))
    try:
        code = app(arguments or ["--help"], standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except USAGE_ERROR as error:
        _fail(_usage(error, app))
    except PraxinoError as error:
        _fail(error)
    except MemoryError:
        _fail(_too_large())
    except RuntimeError as error:
        if "memory" not in str(error):  # torch has no error of its own for a processor's memory
            raise
        _fail(_too_large())
    except OSError as error:
        _fail(MediaError(f"{error.filename or 'the system'}: {error.strerror or error}", "check the path and the disk"))


def _usage(error: Any, app: typer.Typer) -> PraxinoError:
    """click's complaint as one of ours."""
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    if message.startswith("No such option") and error.ctx is not None:
        known = [name for parameter in error.ctx.command.params for name in parameter.opts]
        return UnknownNameError("option", error.option_name, known)
    if message.startswith("No such command"):
        return UnknownNameError(
            "verb",
            message.split("'")[1],
            [command.callback.__name__ for command in app.registered_commands if command.callback],
        )
    return InputError(message, "praxino --help")


def _too_large() -> PraxinoError:
    return InputError("not enough memory", "a smaller film, picture or batch")


def _fail(error: PraxinoError) -> NoReturn:
    line = " ".join(str(error).split())
    sys.stderr.write(f"praxino: error: {line}\n")
    sys.exit(2)
