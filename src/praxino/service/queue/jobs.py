"""A job: a request, how far it is, and its result. A record; `store` keeps and moves it.

queued ── claimed ──> in_progress ── done ──> completed
  │  ^                 │   │   │
  │  └── handed back ──┘   │   └── stopped ──> cancelled, with the film as far as it was
  │                        └── cannot be done, or ends too many workers ──> failed
  └── stopped ──> cancelled
"""

import json
import re
import secrets
from typing import Any, Final, Literal, TypeVar

from pydantic import Field, ValidationError

from praxino.cards import ModelCard
from praxino.config import Config
from praxino.edits import sources
from praxino.errors import JobError
from praxino.references import DIGEST
from praxino.request import Request

Kind = Literal["video", "image", "detect", "verify", "stamp", "film"]
Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]
Priority = Literal["low", "normal", "high"]

MADE: Final[tuple[Kind, ...]] = ("video", "image")
"""Kinds that a model makes from one request."""
WITH_MODEL: Final[tuple[Kind, ...]] = (*MADE, "film")
"""Kinds that a model makes."""
ANALYSES: Final[tuple[Kind, ...]] = ("verify", "detect")
"""Kinds that look at a file."""
UPLOADS: Final[tuple[Kind, ...]] = (*ANALYSES, "stamp")
"""Kinds that need a file, and no longer than until they have ended."""
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


class AnalysisRequest(Config):
    """A file to be looked at, by the name that its sender gave it."""

    name: str


class StampRequest(AnalysisRequest):
    """A file to be stamped, and what is declared of it; fields as of `praxino.stamp`."""

    model: str = ""
    prompt: str = ""
    by: str = ""
    edited: bool = False
    state_prompt: bool = False
    credentials: bool = True


class FilmRequest(Config):
    """Takes of a film's shots to be made, and the film to be put together.

    Attributes
    ----------
    film : str
        Its id among `queue.films`.
    only : tuple of str
        Names of the shots to make; all that have no take where there are none.
    """

    film: str
    only: tuple[str, ...] = Field((), strict=False)


class JobResult(Config):
    """What came of a job.

    Attributes
    ----------
    files : dict
        File names by what they are: "content", "thumbnail", "spritesheet" of a film, "page" of a
        detection, "credentials" of a stamped file whose format has no room for them.
    stopped : bool
        The film was stopped before its last step, and kept as it was then.
    steps : int
        Denoising steps that were made.
    notes : tuple of str
        What the caller should know: words that the model does not know, and the like.
    report : dict, optional
        What a detection or a verification found, or came of a stamp, as `praxino detect --json`,
        `verify --json` and `stamp --json` print it.
    """

    files: dict[str, str] = Field(default_factory=dict)
    stopped: bool = False
    steps: int = 0
    notes: tuple[str, ...] = Field((), strict=False)
    report: dict[str, Any] | None = None


UNKNOWN_REQUEST: Final = Request(
    prompt="", seed=0, steps=1, guidance=1.0, sampler="", frames=1, height=1, width=1, fps=1.0
)
"""Where a request of another release says nothing that this one understands."""


class WorkerInfo(Config):
    """What a worker announces of itself: the kinds of jobs that it takes, and the models that it
    has.
    """

    id: str = ""
    host: str = ""
    kinds: tuple[Kind, ...] = Field(strict=False)
    models: tuple[ModelCard, ...] = Field((), strict=False)

    def takes(self, job: "Job") -> bool:
        """Whether it can do a job."""
        return job.kind in self.kinds and (
            not job.model or any(card.id == job.model for card in self.models)
        )


class Job(Config):
    """One job as it is now.

    Attributes
    ----------
    number : int
        Grows with each job; 0 until it is stored.
    owner : str
        The key that asked for it; "" where none is needed.
    order : Request, FilmRequest, AnalysisRequest or StampRequest
        The film to make, or the file to look at or to stamp.
    input : str
        Name of the picture that a film begins with, or of the file to look at; "" without one.
    priority : int
        One of `PRIORITIES`.
    step, steps, eta : int, int, float
        How far it is, and seconds that the rest will take, if that is known.
    attempts : int
        How often it was begun; files of each attempt lie apart.
    stop : bool
        Somebody wants it to end, and to keep what there is.
    result : JobResult
        Empty until it has ended.
    created, started, completed, expires : float
        Seconds since 1970.
    """

    id: str
    kind: Kind
    number: int = 0
    status: Status = "queued"
    owner: str = ""
    model: str = ""
    order: Request | FilmRequest | StampRequest | AnalysisRequest
    input: str = ""
    priority: int = 0
    step: int = 0
    steps: int = 0
    eta: float | None = None
    attempts: int = 0
    worker: str = ""
    stop: bool = False
    result: JobResult = JobResult()
    error: Failure | None = None
    remixed_from: str = ""
    created: float = 0.0
    started: float | None = None
    completed: float | None = None
    expires: float | None = None

    @property
    def request(self) -> Request:
        """The film or picture to make; only of a job of the kinds in `MADE`."""
        assert isinstance(self.order, Request)
        return self.order

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all files that came with it."""
        if not isinstance(self.order, Request):
            return (self.input,) if self.input else ()
        pictures = (name for name in self.order.pictures if not name.startswith(DIGEST))
        return tuple(dict.fromkeys((*pictures, *sources(self.order.edit))))

    @property
    def filename(self) -> str:
        """The sender's name of the file to look at; only of a job of the kinds in `UPLOADS`."""
        assert isinstance(self.order, AnalysisRequest)
        return self.order.name

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

    def require_move(self, status: Status) -> None:
        """Raise `JobError` unless ``status`` may follow the present one."""
        if status not in TRANSITIONS[self.status]:
            raise JobError(f"{self.id} is {self.status}: it cannot become {status}")

    @property
    def folder(self) -> str:
        """Where the files of this attempt lie among `Objects`."""
        return f"{self.id}/{self.attempts}"

    def file(self, name: str) -> str:
        """The storage name of one of this job's files."""
        return f"{self.folder}/{name}"

    def piece(self, number: int) -> str:
        """The storage name of a piece of a film that is shown while it is made, from 0 on: all of
        them, one after another, are fragmented MP4.
        """
        return f"{self.pieces}/{number}.mp4"

    @property
    def pieces(self) -> str:
        """The folder of `piece`."""
        return self.file("pieces")

    @property
    def turns(self) -> str:
        """The folder of sentences that a film turns to while it is made: files whose names are in
        the order in which they came.
        """
        return self.file("turns")

    @classmethod
    def from_row(cls, values: dict[str, Any]) -> "Job":
        """A job from a row of the database, whose requests and results are JSON.

        What another release wrote may have other fields: those of this one are taken as they are.
        Such a job can be listed and deleted; a worker that cannot make it fails it.
        """
        unknown: Request | FilmRequest | AnalysisRequest = AnalysisRequest(name="")
        if values["kind"] in MADE:
            unknown = UNKNOWN_REQUEST
        elif values["kind"] == "film":
            unknown = FilmRequest(film="")
        elif values["kind"] == "stamp":
            unknown = StampRequest(name="")
        order = _parse(unknown, values["order"])
        result = _parse(JobResult(), values["result"])
        return cls.model_validate(values | {"order": order, "result": result})

    def to_row(self) -> dict[str, Any]:
        """The values of a new row."""
        return self.model_dump(mode="json", exclude={"number", "created"})


C = TypeVar("C", bound=Config)


def _parse(unknown: C, tree: dict[str, Any]) -> C:
    """A config from JSON; one of another release is ``unknown`` with the fields that are left."""
    try:
        return type(unknown).model_validate_json(json.dumps(tree))
    except ValidationError:
        fields = {name: tree[name] for name in type(unknown).model_fields if name in tree}
        return unknown.model_copy(update=fields)


def new_id(kind: Kind) -> str:
    """A name that nobody can guess: it begins with the kind."""
    return f"{kind}_{secrets.token_hex(16)}"
