"""What the command line says beside its data, and how it fails: one line on standard error, exit
code 2.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn

import typer

from praxino.errors import (
    InputError,
    MediaError,
    PraxinoError,
    TrainingError,
    UnknownNameError,
)

LINE_SECONDS: Final = 60.0
"""Seconds between two lines that say how far a verb is."""
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""click's error about arguments, from whichever click typer brings."""


@dataclass(frozen=True)
class Progress:
    """What a verb says while it works, all of it on standard error.

    A quiet one says nothing but errors, and that a film was not marked or signed.
    """

    quiet: bool

    def __post_init__(self) -> None:
        if self.quiet:
            logging.getLogger().setLevel(logging.ERROR)
            logging.getLogger("praxino.provenance").setLevel(logging.WARNING)

    def say(self, text: str) -> None:
        """Print a line."""
        if not self.quiet:
            typer.echo(text, err=True)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Callable[..., None]]:
        """Show a progress bar with the time left, or where nobody looks at a terminal, a line a
        minute; the context's value is called with how much is done.
        """
        if self.quiet or not sys.stderr.isatty():
            yield self._lines(label, total)
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(label, total=total)
            yield lambda done, **fields: bars.update(task, completed=done, **fields)

    def _lines(self, label: str, total: int) -> Callable[..., None]:
        first, began = None, time.monotonic()
        line_at = began

        def advance(done: int, total: int = total, description: str = label) -> None:
            nonlocal first, line_at
            first, now = done if first is None else first, time.monotonic()
            if now - line_at >= LINE_SECONDS and done > first:
                line_at, rate = now, (done - first) / (now - began)
                left = timedelta(seconds=round((total - done) / rate))
                self.say(f"{description}: {done:,} of {total:,}, {rate:.3g} a second, {left} left")

        return advance


@contextmanager
def requires_extra(extra: str) -> Iterator[None]:
    """Imports that come with an extra: without it, say how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed", f'pip install "praxino[{extra}]"'
        ) from None


def log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    """A library's thread that fails (TensorBoard's, on a full disk) must not write over our one
    line.
    """
    logging.getLogger("praxino").debug("a thread failed: %s", failure.exc_value)


def run(app: typer.Typer) -> NoReturn:
    """Run a command line on the arguments of this process; every foreseen failure is one line on
    standard error.
    """
    arguments = sys.argv[1:]
    for argument in arguments:
        if any(0xDC80 <= ord(c) <= 0xDCFF for c in argument):  # bytes that Python could not decode
            printable = argument.encode("utf-8", "replace").decode()
            _fail(
                InputError(f"argument {printable!r} is not UTF-8", "check the terminal's encoding")
            )
    try:
        code = app(arguments or ["--help"], standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except USAGE_ERROR as error:
        _fail(_usage(error))
    except PraxinoError as error:
        _fail(error)
    except MemoryError:
        _fail(_too_large())
    except RuntimeError as error:
        if is_other_process() and "peer" in str(error):  # a process went that it talked to
            sys.exit(2)
        if "memory" not in str(error):  # torch has no error of its own for a processor's memory
            raise
        _fail(_too_large())
    except OSError as error:
        _fail(
            MediaError(
                f"{error.filename or 'the system'}: {error.strerror or error}",
                "check the path and the disk",
            )
        )


def _usage(error: Any) -> PraxinoError:
    """click's complaint as one of ours."""
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    if message.startswith("No such option") and error.ctx is not None:
        options = [name for parameter in error.ctx.command.params for name in parameter.opts]
        return UnknownNameError("option", error.option_name, options)
    if message.startswith("No such command") and error.ctx is not None:
        return UnknownNameError(
            "verb", message.split("'")[1], error.ctx.command.list_commands(error.ctx)
        )
    return InputError(message, "praxino --help")


def _too_large() -> PraxinoError:
    return InputError("not enough memory", "a smaller film, picture or batch")


def is_other_process() -> bool:
    """Whether torchrun started this process beside a first one."""
    return os.environ.get("RANK", "0") != "0"


def _fail(error: PraxinoError) -> NoReturn:
    """End with one line; of many processes the first says what all of them would."""
    if is_other_process() and isinstance(error, InputError | TrainingError):
        sys.exit(2)
    line = " ".join(str(error).split())
    sys.stderr.write(f"praxino: error: {line}\n")
    sys.exit(2)
