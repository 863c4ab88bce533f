"""A job: what somebody asked for, how far it is, and what came of it. A record; `store` keeps and moves it.

queued ── claimed ──> in_progress ── done ──> completed
  │  ^                 │   │   │
  │  └── handed back ──┘   │   └── stopped ──> cancelled, with the film as far as it was
  │                        └── cannot be done, or ends too many workers ──> failed
  └── stopped ──> cancelled
"""

import re
import secrets
from typing import Any, Final, Literal

from pydantic import Field

from praxino.config import Config
from praxino.errors import JobError

Kind = Literal["video", "image", "detect", "verify"]
Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]
Priority = Literal["low", "normal", "high"]

MADE: Final[tuple[Kind, ...]] = ("video", "image")
"""Kinds that a model makes."""
CHECKS: Final[tuple[Kind, ...]] = ("verify", "detect")
"""Kinds that look at a file."""
TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    "queued": frozenset(("in_progress", "cancelled")),
    "in_progress": frozenset(("queued", "completed", "failed", "cancelled")),
    "completed": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}
"""Which state may follow which."""
PRIORITIES: Final[dict[Priority, int]] = {"low": -1, "normal": 0, "high": 1}
"""Jobs of a higher one are claimed first; of equal ones, those that have waited longest."""
PRIORITY_NAMES: Final[dict[int, Priority]] = {-1: "low", 0: "normal", 1: "high"}

ID: Final = re.compile(r"[a-z]{1,16}_[0-9a-f]{32}")
"""What `new_id` makes: nothing else is even looked for."""


class Failure(Config):
    """Why a job failed: a word for programs and a sentence for people."""

    code: str
    message: str


class Job(Config):
    """One job as it is now.

    Attributes
    ----------
    number : int
        Grows with each job; 0 until it is stored.
    owner : str
        The key that asked for it; "" where none is needed.
    order : dict
        What is asked for: settings of `Pipeline.request`, or the name of the file to look at.
    input : str
        Name of the file that came with it, "" without one.
    priority : int
        One of `PRIORITIES`.
    step, steps, eta : int, int, float
        How far it is, and seconds that the rest will take, if that is known.
    attempts : int
        How often it was begun; files of each attempt lie apart.
    stop : bool
        Somebody wants it to end, and to keep what there is.
    result : dict
        Names of files and facts, when it has ended.
    created, started, completed, expires : float
        Seconds since 1970.
    """

    id: str
    kind: Kind
    number: int = 0
    status: Status = "queued"
    owner: str = ""
    model: str = ""
    order: dict[str, Any] = Field(default_factory=dict)
    input: str = ""
    priority: int = 0
    step: int = 0
    steps: int = 0
    eta: float | None = None
    attempts: int = 0
    worker: str = ""
    stop: bool = False
    result: dict[str, Any] = Field(default_factory=dict)
    error: Failure | None = None
    remixed_from: str = ""
    created: float = 0.0
    started: float | None = None
    completed: float | None = None
    expires: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return not TRANSITIONS[self.status]

    @property
    def progress(self) -> int:
        """In percent: 100 only when it is completed."""
        if self.status == "completed":
            return 100
        return min(99, 100 * self.step // self.steps) if self.steps else 0

    def check_move(self, status: Status) -> None:
        """Raise `JobError` unless ``status`` may follow the present one."""
        if status not in TRANSITIONS[self.status]:
            raise JobError(f"{self.id} is {self.status}: it cannot become {status}")

    @property
    def folder(self) -> str:
        """Where the files of this attempt lie among `Objects`."""
        return f"{self.id}/{self.attempts}"

    def file(self, name: str) -> str:
        """One of them."""
        return f"{self.folder}/{name}"


def new_id(kind: Kind) -> str:
    """A name that nobody can guess: it begins with the kind."""
    return f"{kind}_{secrets.token_hex(16)}"
