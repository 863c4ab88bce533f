"""How a job and its file enter the queue, whoever submits them."""

import io
import unicodedata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, cast

from PIL import Image

from praxino.errors import InputError, LimitError, MediaError
from praxino.request import Request
from praxino.service.queue.jobs import AnalysisRequest, FilmRequest, Job, Kind, new_id
from praxino.service.queue.quotas import Caller
from praxino.service.queue.store import Store
from praxino.storage.media.formats import (
    FORMATS,
    HEAD_BYTES,
    PICTURES,
    PILLOW_FORMATS,
    recognise,
)
from praxino.storage.objects import Objects, Source

MAX_PICTURE_PIXELS: Final = 2**26
"""Pixels of a picture that a film begins with: more than telephones take."""
PICTURE_ENDINGS: Final = frozenset(form.ending for form in FORMATS if form.pillow)
"""Formats of a picture that a film begins with."""


@dataclass(frozen=True)
class InputFile:
    """A file that comes with a job; it stays open until the job is submitted.

    Attributes
    ----------
    ending : str
        What it is, by its first bytes: "mp4", "png" and the like; "" for nothing that Praxino
        reads.
    name : str
        What its sender calls it; never used as a path.
    """

    file: Source
    size: int
    ending: str
    name: str

    @classmethod
    def of(cls, file: Source, name: str = "") -> "InputFile":
        """A file as it was sent, with a printable name."""
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        format_ = recognise(file.read(HEAD_BYTES))
        ending = format_.ending if format_ else ""
        return cls(file, size, ending, safe_filename(name) or f"file.{ending}")

    def named(self) -> "dict[str, InputFile]":
        """It as the only file of a job."""
        return {self.storage_name: self}

    @property
    def storage_name(self) -> str:
        """Its name among the files of its job."""
        return f"input.{self.ending}"


def safe_filename(name: str) -> str:
    """The last part of a sender's file name without control characters, at most 128 characters."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(letter for letter in last if not unicodedata.category(letter).startswith("C"))[
        :128
    ].strip()


def require_picture(upload: InputFile) -> None:
    """Raise unless a file is a picture that a film can begin with; only its head is read.

    Raises
    ------
    MediaError
        If it is no picture of these formats.
    InputError
        If its head cannot be read, or tells of more than `MAX_PICTURE_PIXELS`.
    """
    if upload.ending not in PICTURE_ENDINGS:
        raise MediaError(f"must be a picture: {PICTURES}")
    import pi_heif  # loads a decoder, which few need

    pi_heif.register_heif_opener()
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures, which are refused below
            warnings.simplefilter("ignore")
            with Image.open(cast("Any", upload.file), formats=PILLOW_FORMATS) as picture:
                pixels = picture.width * picture.height
    except Image.DecompressionBombError:
        pixels = MAX_PICTURE_PIXELS + 1
    except (OSError, ValueError, SyntaxError):
        raise InputError("cannot be read: is it complete?") from None
    if pixels > MAX_PICTURE_PIXELS:
        raise InputError(f"is too large: at most {MAX_PICTURE_PIXELS:,} pixels")


def submit(
    store: Store,
    objects: Objects,
    caller: Caller,
    kind: Kind,
    order: Request | FilmRequest | AnalysisRequest,
    files: Mapping[str, InputFile] | None = None,
    **fields: Any,
) -> Job:
    """Store a job's files, then the job: whichever worker claims it finds the files there.

    Parameters
    ----------
    files : mapping
        By the names that the order has for them.
    fields
        Further ones of `Job`.

    Raises
    ------
    LimitError
        If the caller's quota is used up; the files are deleted then.
    """
    files = files or {}
    name = order.image if isinstance(order, Request) else next(iter(files), "")
    job = Job(id=new_id(kind), kind=kind, owner=caller.owner, order=order, input=name, **fields)
    for name, file in files.items():
        file.file.seek(0)
        objects.upload_stream(f"{job.id}/{name}", file.file)
    try:
        return store.submit(job, caller.quota, sum(file.size for file in files.values()))
    except LimitError:
        if files:  # after any other error the job may be stored: `orphans` looks later
            objects.remove(job.id)
        raise
