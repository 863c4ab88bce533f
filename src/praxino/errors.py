"""What can go wrong, as one tree; every message says what was asked, what is allowed, and a hint.

PraxinoError
├── InputError (ValueError)         an argument, a sentence, a setting that cannot be used
│   ├── ShapeError                  frames, height or width that the model cannot make
│   └── UnknownNameError            a name that is none of the known ones (did you mean ...)
├── CheckpointError (OSError)       a model folder that is missing, damaged or of another kind
├── MediaError (OSError)            a picture or film that cannot be read or written
├── EndpointError (OSError)         a language model that says nothing that can be used
├── GenerationError (RuntimeError)  a film that cannot be finished: a step that is not a number
├── JobError (RuntimeError)         a job that cannot do that now, or is another's
│   ├── LimitError                  a quota that is used up
│   └── NoWorkerError               no worker can do the job now
└── TrainingError (RuntimeError)    a run that cannot go on: a loss that is not a number
"""

import difflib
from collections.abc import Iterable


class PraxinoError(Exception):
    """Any error that Praxino raises on purpose; its text is one line, fit to be shown to a user."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(f"{problem}. hint: {hint}" if hint else problem)


class InputError(PraxinoError, ValueError):
    """An argument that cannot be used; ``setting`` names the setting that is wrong, where it is
    one.
    """

    def __init__(self, problem: str, hint: str = "", setting: str = "") -> None:
        super().__init__(problem, hint)
        self.setting = setting


class ShapeError(InputError):
    """Frames, height or width that the model cannot make."""


class UnknownNameError(InputError):
    """A name that is none of the known ones.

    Parameters
    ----------
    what : str
        The kind of name, "sampler" say.
    """

    def __init__(self, what: str, name: str, choices: Iterable[str]) -> None:
        names = sorted(choices)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(names)}"
        super().__init__(f"unknown {what} {name!r}", hint, what)
        self._given = (what, name, names)

    def __reduce__(self) -> tuple[type, tuple[str, str, list[str]]]:
        return type(self), self._given  # it may come from another process


class CheckpointError(PraxinoError, OSError):
    """A model folder that is missing, damaged or of another kind."""


class MediaError(PraxinoError, OSError):
    """A picture or film that cannot be read or written."""


class EndpointError(PraxinoError, OSError):
    """A language model that says nothing that can be used; ``passing``: asking again may help."""

    def __init__(self, problem: str, passing: bool = False) -> None:
        super().__init__(problem)
        self.passing = passing


class GenerationError(PraxinoError, RuntimeError):
    """A film that cannot be finished."""


class JobError(PraxinoError, RuntimeError):
    """A job that cannot do what is asked of it now."""


class LimitError(JobError):
    """A quota that is used up; ``retry_after`` seconds from now there may be room again."""

    def __init__(self, problem: str, hint: str = "", retry_after: int = 60) -> None:
        super().__init__(problem, hint)
        self.retry_after = retry_after


class NoWorkerError(JobError):
    """No worker can do the job now; ``retry_after`` seconds from now one may."""

    def __init__(self, problem: str, hint: str = "", retry_after: int = 5) -> None:
        super().__init__(problem, hint)
        self.retry_after = retry_after


class TrainingError(PraxinoError, RuntimeError):
    """A run that cannot go on."""
