"""Films of many shots, kept: their scripts, and the takes that workers have made of them.

All of it lies in the storage: a film is one folder, which goes with all that is in it.
"""

import secrets
import time
from collections.abc import Sequence
from typing import Final

from pydantic import Field, ValidationError

from praxino.config import Config
from praxino.errors import InputError, MediaError
from praxino.generation.takes import LIST, Take, dump_takes, parse_takes
from praxino.script import FilmScript
from praxino.storage.objects import Objects

MAX_FILMS: Final = 1000
"""Films of one owner."""


class Film(Config):
    """One film; times are seconds since 1970.

    Attributes
    ----------
    job : str
        The latest job that made takes of it; "" before the first.
    current : dict
        Number of the take that counts by its shot, as the latest job left them.
    """

    id: str
    script: FilmScript
    job: str = ""
    current: dict[str, int] = Field(default_factory=dict)
    created: float = 0.0
    updated: float = 0.0


class Films:
    """The films of one owner; "" where there is only one."""

    def __init__(self, objects: Objects, owner: str = "") -> None:
        self.objects = objects
        self.root = f"films/{owner or 'own'}"

    def create(self, script: FilmScript) -> Film:
        """Keep a new film; raises `InputError` if there are too many."""
        if len(self.objects.folders(self.root)) >= MAX_FILMS:
            raise InputError(f"{MAX_FILMS} films: there is no room for more", "delete some")
        now = time.time()
        film = Film(id=f"film_{secrets.token_hex(16)}", script=script, created=now, updated=now)
        self.save(film)
        return film

    def save(self, film: Film) -> None:
        """Keep a film as it is now."""
        film = film.model_copy(update={"updated": time.time()})
        self.objects.write(self.path(film.id, "film.json"), film.model_dump_json().encode())

    def find(self, id_: str) -> Film | None:
        """The film of that id, if there is one."""
        content = b"".join(self.objects.read(self.path(id_, "film.json")))
        if not content:
            return None
        try:
            return Film.model_validate_json(content)
        except ValidationError:
            raise MediaError(f"what is kept of {id_} cannot be read", "delete it") from None

    def all(self) -> list[Film]:
        """All films, the newest first."""
        films = (self.find(name) for name in self.objects.folders(self.root))
        return sorted((one for one in films if one), key=lambda one: -one.created)

    def delete(self, id_: str) -> None:
        """Delete a film with all its takes."""
        self.objects.remove(f"{self.root}/{id_}")

    def takes(self, id_: str) -> list[Take]:
        """The takes of a film."""
        content = b"".join(self.objects.read(self.path(id_, LIST)))
        return parse_takes(content) if content else []

    def save_takes(self, id_: str, takes: Sequence[Take]) -> None:
        """Keep the list of a film's takes."""
        self.objects.write(self.path(id_, LIST), dump_takes(takes).encode())

    def path(self, id_: str, name: str) -> str:
        """The storage name of one of a film's files."""
        return f"{self.root}/{id_}/{name}"
