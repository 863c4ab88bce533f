"""The script of a film of many shots: who is in it, what each shot shows, and how they follow.

Written as YAML or JSON by whoever makes the film, and only read here. Files are named from the
script's folder on; ``shot:ID`` names what another shot has made.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, field_validator, model_validator

from praxino.cards import Enhance
from praxino.config import Config
from praxino.edits import WITH_REFINER, Edit, sources
from praxino.errors import InputError, MediaError
from praxino.layout import Layout
from praxino.plain import NAME_PATTERN, parse_plain
from praxino.references import (
    KINDS,
    MAX_DESCRIPTION_CHARS,
    MAX_REFERENCE_PICTURES,
    MAX_REFERENCES,
    EntityKind,
    Reference,
)

MAX_SHOTS: Final = 1000
MAX_CAST: Final = 100
MAX_SCRIPT_BYTES: Final = 2**22
MAX_FILE_CHARS: Final = 1024
SHOT: Final = "shot:"
"""What names of pictures begin with that are taken out of another shot."""
SHOT_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
_HINT: Final = "docs/films.md has an example"
_FRAME_OF_SHOT: Final = re.compile(rf"{SHOT}({SHOT_PATTERN})(?:/(-?\d+))?")


class CastMember(Config):
    """A member of the cast; see `praxino.references.Reference`."""

    kind: EntityKind = "character"
    description: str = Field("", max_length=MAX_DESCRIPTION_CHARS)
    pictures: tuple[str, ...] = Field((), strict=False, max_length=MAX_REFERENCE_PICTURES)
    strength: float = Field(1.0, ge=0, le=2)


class Shot(Config):
    """One shot.

    Attributes
    ----------
    seconds, frames : float, int
        Its length, in one of two ways; the model's usual one where neither is there. Frames are
        4k + 1; of a shot without a cut, the first one is the last of the shot before.
    cut : bool
        False: it goes on where the shot before ends.
    cast : tuple of str
        Who is in it beside those that its sentence mentions.
    references : tuple of str
        ``FILE[:KIND]``: what its sentence calls @image1, @image2 and so on.
    image, last : str
        Pictures that it begins and ends with: files, or ``shot:ID/FRAME`` (negative numbers count
        from the end; ``shot:ID`` is its last frame).
    layout : str or Layout
        File of `praxino layout`, or what is in it.
    task : Edit
        What is made of another film, whose file it names.
    seed : int
        Of its first take; others follow from it. Without one, the film's seed and its name say.
    take : int
        Number of the take that is used; without one, the newest that is not rejected.
    """

    id: str = Field(pattern=f"^{SHOT_PATTERN}$")
    prompt: str = Field(min_length=1, max_length=2000)
    negative: str = Field("", max_length=2000)
    seconds: float | None = Field(None, gt=0, lt=10_000, strict=False)
    frames: int | None = Field(None, ge=5, le=100_000)
    cut: bool = True
    cast: tuple[str, ...] = Field((), strict=False, max_length=MAX_REFERENCES)
    references: tuple[Annotated[str, Field(max_length=MAX_FILE_CHARS)], ...] = Field(
        (), strict=False, max_length=MAX_REFERENCES
    )
    image: str = Field("", max_length=MAX_FILE_CHARS)
    last: str = Field("", max_length=MAX_FILE_CHARS)
    layout: Annotated[str, Field(max_length=MAX_FILE_CHARS)] | Layout = ""
    task: Edit | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)
    take: int | None = Field(None, ge=1)

    @field_validator("id", mode="before")
    @classmethod
    def _id_is_text(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError('YAML reads on, off, yes and no as true and false: quote it: "on"')
        return str(value) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _one_length_and_one_beginning(self) -> "Shot":
        if self.seconds is not None and self.frames is not None:
            raise ValueError("seconds and frames: one of them")
        if self.task is not None and self.task.task in WITH_REFINER:
            raise ValueError("task: enhance is the whole film's: enhance: space, time or both")
        if not self.cut and (self.image or self.task):
            raise ValueError("cut: false goes on from the shot before: no image, no task")
        return self

    def files(self) -> list[str]:
        """Names of the files that it is made from."""
        pictures = [name for name in (self.image, self.last) if not frame_of_shot(name)]
        layout = self.layout if isinstance(self.layout, str) else ""
        unnamed = [file for file, _ in self.unnamed()]
        return [name for name in (*pictures, *unnamed, layout, *sources(self.task)) if name]

    def unnamed(self) -> list[tuple[str, EntityKind]]:
        """Files of its own references, and what they show."""
        parts = [(text, text.rpartition(":")) for text in self.references]
        kinds = {kind: kind for kind in KINDS}
        return [
            (file, kinds[kind]) if kind in kinds else (text, "object")
            for text, (file, _, kind) in parts
        ]

    def sources(self) -> list[str]:
        """Names of the shots that its pictures are taken from."""
        places = (frame_of_shot(name) for name in (self.image, self.last))
        return [place[0] for place in places if place]


class FilmScript(Config):
    """A whole film; what is not said is the model's own choice."""

    version: Literal[1] = 1
    title: str = Field("", max_length=200)
    model: str = Field("", max_length=MAX_FILE_CHARS)
    size: str = Field("", pattern=r"^([1-9]\d{0,4}x[1-9]\d{0,4})?$")
    fps: float | None = Field(None, ge=1, le=240, strict=False)
    steps: int | None = Field(None, ge=1, le=1000)
    guidance: float | None = Field(None, ge=0, le=100, strict=False)
    negative: str = Field("", max_length=2000)
    seed: int = Field(0, ge=0, lt=2**63)
    style: str = Field("", max_length=500)
    enhance: Enhance | None = None
    cast: dict[str, CastMember] = Field(default_factory=dict, max_length=MAX_CAST)
    shots: tuple[Shot, ...] = Field(strict=False, min_length=1, max_length=MAX_SHOTS)

    @model_validator(mode="after")
    def _names_are_clear(self) -> "FilmScript":
        names = [name.lower() for name in self.cast]
        for name in self.cast:
            if not re.fullmatch(NAME_PATTERN, name):
                raise ValueError(f"cast: {name!r}: a letter, then letters, digits and _")
            if names.count(name.lower()) > 1:
                raise ValueError(f"cast: {name} is there twice: case does not count")
        ids = [shot.id for shot in self.shots]
        if twice := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
            raise ValueError(f"shots: id {twice[0]} is there twice")
        if not self.shots[0].cut:
            raise ValueError(f"shots.{ids[0]}: cut: false, and nothing before it")
        for shot in self.shots:
            for source in shot.sources():
                if source not in ids:
                    raise ValueError(f"shots.{shot.id}: there is no shot {source}")
        _require_no_cycle(self)
        return self

    def before(self, shot: Shot) -> Shot | None:
        """The shot that this one goes on from; None behind a cut."""
        return None if shot.cut else self.shots[self.shots.index(shot) - 1]

    def needs(self, shot: Shot) -> list[str]:
        """Names of the shots that must be made before this one."""
        before = self.before(shot)
        return [*([before.id] if before else []), *shot.sources()]

    def find(self, id_: str) -> Shot:
        """A shot by name; raises `InputError` for an unknown one."""
        for shot in self.shots:
            if shot.id == id_:
                return shot
        names = ", ".join(shot.id for shot in self.shots[:20])
        raise InputError(f"no shot {id_}", f"there are {names}", "shots")

    def in_order(self) -> list[Shot]:
        """The shots in an order in which they can be made: as they stand, but for those that need
        others first.
        """
        ordered: dict[str, Shot] = {}
        waiting = list(self.shots)
        while waiting:
            ready = next(
                shot for shot in waiting if all(name in ordered for name in self.needs(shot))
            )
            ordered[ready.id] = ready
            waiting.remove(ready)
        return list(ordered.values())

    def references(self, names: Sequence[str]) -> list[Reference]:
        """What models are told of those names that are of the cast; case does not count."""
        members = {name.lower(): (name, member) for name, member in self.cast.items()}
        return [
            Reference(name=name, **member.model_dump())
            for name, member in (members[one.lower()] for one in names if one.lower() in members)
        ]

    def sentence(self, shot: Shot) -> str:
        """What a shot shows, in the film's style."""
        style = self.style.strip().rstrip(".")
        return f"{style}. {shot.prompt}" if style else shot.prompt


def _require_no_cycle(script: FilmScript) -> None:
    """Raise `ValueError` for shots that need one another."""
    done: set[str] = set()
    shots = {shot.id: shot for shot in script.shots}
    for first in shots:
        trail: list[str] = []
        stack = [(first, iter(script.needs(shots[first])))]
        while stack:
            id_, needs = stack[-1]
            if not trail or trail[-1] != id_:
                trail.append(id_)
            following = next((one for one in needs if one not in done), None)
            if following is None:
                done.add(id_)
                stack.pop()
                trail.pop()
            elif following in trail:
                circle = " -> ".join([*trail[trail.index(following) :], following])
                raise ValueError(f"shots need one another: {circle}")
            else:
                stack.append((following, iter(script.needs(shots[following]))))


def frame_of_shot(name: str) -> tuple[str, int] | None:
    """The shot and the frame that ``shot:ID/FRAME`` names; None for the name of a file."""
    match = _FRAME_OF_SHOT.fullmatch(name)
    return (match[1], int(match[2] or -1)) if match else None


def parse_script(tree: object) -> FilmScript:
    """A script from plain values; raises `InputError` with the first field that is wrong."""
    return parse_plain(TypeAdapter(FilmScript), tree, "script", "script", _HINT)


def read_script(path: Path) -> FilmScript:
    """The script in a file.

    Raises
    ------
    MediaError
        If it cannot be read.
    InputError
        If it is no script.
    """
    import yaml

    try:
        content = path.read_bytes()
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror}", "is it a file?") from None
    if len(content) > MAX_SCRIPT_BYTES:
        raise InputError(f"{path}: {len(content):,} bytes", f"at most {MAX_SCRIPT_BYTES:,}")
    try:
        # an alias may stand for a billion values
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content)):
            raise InputError(f"{path}: aliases (*) are not read", "say it again", "script")
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}" if place else ""
        problem = getattr(error, "problem", None) or "no YAML"
        raise InputError(f"{path}{where}: {problem}", _HINT, "script") from None
    return parse_script(tree)
