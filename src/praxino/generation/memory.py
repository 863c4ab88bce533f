"""A memory of characters, objects, places and styles, which any sentence may call by ``@name``.

What is kept of an entity is a description and pictures, and nothing that is made of them: whatever
is removed here is gone. Pictures are kept small and without what cameras write into files.
"""

import hashlib
import io
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import platformdirs
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, ValidationError

from praxino.config import Config
from praxino.errors import InputError, MediaError, PraxinoError
from praxino.generation.images import GivenImage
from praxino.plain import NAME_PATTERN
from praxino.references import (
    DIGEST,
    KINDS,
    MAX_DESCRIPTION_CHARS,
    MAX_REFERENCE_PICTURES,
    EntityKind,
    Reference,
    mentions,
    parse_references,
    require_known,
)
from praxino.storage.objects import Objects

VARIABLE: Final = "PRAXINO_MEMORY"
"""Environment variable that names another folder for the memory of this installation."""
MAX_ENTITIES: Final = 1000
MAX_PICTURES: Final = 16
"""Pictures that are kept of one entity."""
MAX_PROPOSALS: Final = 4
"""Pictures of one entity that wait for an answer; older ones make room."""
MORE_THAN_GIVEN: Final = 2
"""How many more generated pictures an entity may have than given ones."""
FRAMES_OF_FILM: Final = 4
"""Pictures that are taken out of a film."""
KEPT_PIXELS: Final = 512
"""Longer side of pictures that are kept, at most."""
MIN_CONTRAST: Final = 2.0
"""Standard deviation of each colour below which a picture shows nothing."""
VIEW_PIXELS: Final = 16
"""Side of the thumbnails by which pictures are told apart."""


class EntityPicture(Config):
    """One picture of an entity.

    Attributes
    ----------
    digest : str
        ``sha256:`` and 64 hexadecimal digits: of the file that is kept.
    origin : str
        "given", or the film, shot and frame that it was cut out of.
    """

    digest: str
    origin: str = "given"

    @property
    def generated(self) -> bool:
        """Whether a model made it."""
        return self.origin != "given"


class PictureProposal(EntityPicture):
    """A picture out of a film that may become one of an entity, if whoever owns it says so.

    Attributes
    ----------
    likeness : float
        Cosine to the pictures that were given.
    proposed : float
        Seconds since 1970.
    """

    likeness: float = 0.0
    proposed: float = 0.0


class Entity(Config):
    """One thing that the memory knows; times are seconds since 1970."""

    name: str = Field(pattern=f"^{NAME_PATTERN}$")
    kind: EntityKind = "character"
    description: str = Field("", max_length=MAX_DESCRIPTION_CHARS)
    pictures: tuple[EntityPicture, ...] = Field((), strict=False, max_length=MAX_PICTURES)
    proposals: tuple[PictureProposal, ...] = Field((), strict=False, max_length=MAX_PROPOSALS)
    created: float = 0.0
    updated: float = 0.0


class Memory:
    """The entities of one owner.

    A proposal is kept in files of its own: who makes films adds some while whoever owns the
    entity changes its record, and neither overwrites what the other wrote.

    Parameters
    ----------
    objects : Objects
        Where they are kept.
    owner : str
        As an API key is called; "" where there is only one.
    """

    def __init__(self, objects: Objects, owner: str = "") -> None:
        self.objects = objects
        plain = re.fullmatch(r"[a-z0-9_]*", owner)
        name = owner if plain else f"owner_{hashlib.sha256(owner.encode()).hexdigest()[:32]}"
        self.root = f"memory/{name or 'own'}"

    def add(
        self,
        name: str,
        pictures: Sequence[bytes] = (),
        kind: str | None = None,
        description: str | None = None,
        consent: bool = False,
        origin: str = "given",
    ) -> Entity:
        """Keep a new entity, or more of one that is known.

        Parameters
        ----------
        pictures : sequence of bytes
            As `kept_pictures` makes them.
        consent : bool
            Whoever is shown by the pictures of a character has agreed, or is nobody.

        Raises
        ------
        InputError
            For a name, kind or description that cannot be used, too many pictures or entities, or
            pictures of a character without ``consent``.
        """
        before = self._load(name)
        if before is not None and before.name != name:
            raise InputError(
                f"@{name} and @{before.name} are one name: case does not count",
                f"another name, or {before.name} for more of it",
                "name",
            )
        entity = self._changed(before, name, kind, description)
        turned = before is not None and before.pictures and before.kind != "character"
        if not (entity.description or entity.pictures or pictures):
            raise InputError(f"@{name} has neither pictures nor a description", "--description")
        if (pictures or turned) and entity.kind == "character" and not consent:
            raise InputError(
                f"pictures of the character @{name} need the consent of whoever they show",
                "--consent says so, or that they show no real person",
                "consent",
            )
        files = {DIGEST + hashlib.sha256(content).hexdigest(): content for content in pictures}
        for one in entity.pictures:
            files.pop(one.digest, None)
        more = tuple(EntityPicture(digest=digest, origin=origin) for digest in files)
        if (count := len(entity.pictures) + len(more)) > MAX_PICTURES:
            raise InputError(
                f"@{name} would have {count} pictures: at most {MAX_PICTURES}",
                f"praxino memory remove {name}, or fewer pictures",
                "pictures",
            )
        for digest, content in files.items():
            self.objects.write(self._picture(entity.name, digest), content)
        return self._written(entity, pictures=entity.pictures + more)

    def add_generated(self, name: str, content: bytes, origin: str) -> Entity:
        """Keep a picture that a model made; the oldest generated one makes room, a given one
        never.
        """
        entity = self._make_room(name)
        return self.add(entity.name, [content], consent=True, origin=origin)

    def propose(self, name: str, content: bytes, origin: str, likeness: float) -> Entity:
        """Keep a picture out of a film until somebody says whether it is to be one of an entity's;
        raises `InputError` for an unknown name.
        """
        entity, digest = self.find(name), DIGEST + hashlib.sha256(content).hexdigest()
        if digest in [one.digest for one in (*entity.pictures, *entity.proposals)]:
            return entity
        proposal = PictureProposal(
            digest=digest, origin=origin, likeness=likeness, proposed=time.time()
        )
        folder = self._proposal(entity.name, digest)
        self.objects.write(f"{folder}/picture.png", content)
        self.objects.write(f"{folder}/proposal.json", proposal.model_dump_json().encode())
        for old in self._proposals(entity.name)[:-MAX_PROPOSALS]:
            self.objects.remove(self._proposal(entity.name, old.digest))
        try:
            return self.find(name)
        except PraxinoError:  # it was removed meanwhile
            self.objects.remove(f"{self.root}/{name.lower()}")
            raise

    def answer(self, name: str, digest: str, accept: bool) -> Entity:
        """Make a proposed picture one of an entity's, or delete it.

        Raises
        ------
        InputError
            For an unknown name, or a picture that nobody proposed.
        """
        entity = self.find(name)
        proposal = next((one for one in entity.proposals if one.digest == digest), None)
        if proposal is None:
            raise InputError(f"@{entity.name} has no such proposal", "it may be answered already")
        if accept:
            content = b"".join(self.objects.read(self._file(entity, digest)))
            self.add_generated(name, content, proposal.origin)
        self.objects.remove(self._proposal(entity.name, digest))
        return self.find(name)

    def _make_room(self, name: str) -> Entity:
        """An entity without its oldest generated picture, if it has as many as it may; raises
        `InputError` if all that it may have are given ones.
        """
        entity = self.find(name)
        generated = [one for one in entity.pictures if one.generated]
        most = len(entity.pictures) - len(generated) + MORE_THAN_GIVEN
        if len(generated) < most and len(entity.pictures) < MAX_PICTURES:
            return entity
        if not generated:
            raise InputError(
                f"@{entity.name} has {MAX_PICTURES} given pictures: there is no room for more",
                "fewer of them",
                "pictures",
            )
        return self.forget_picture(name, generated[0].digest)

    def _written(self, entity: Entity, **changes: Any) -> Entity:
        """An entity with changes, as it is kept from now on."""
        entity = Entity.model_validate(entity.model_dump() | changes | {"updated": time.time()})
        record = entity.model_dump_json(exclude={"proposals"})
        self.objects.write(self._record(entity.name), record.encode())
        return entity

    def _changed(
        self, before: Entity | None, name: str, kind: str | None, description: str | None
    ) -> Entity:
        """An entity, new or as it was, of this kind and description where they are not None."""
        if before is None and (count := len(self._names())) >= MAX_ENTITIES:
            raise InputError(f"{count} entities: there is no room for more", "remove some")
        fields = before.model_dump() if before else {"name": name, "created": time.time()}
        updates = {"kind": kind, "description": description}
        return _entity(fields | {key: text for key, text in updates.items() if text is not None})

    def entities(self) -> list[Entity]:
        """All that is known, by name."""
        return [one for name in self._names() if (one := self._load(name)) is not None]

    def find(self, name: str) -> Entity:
        """An entity by name, whatever the case; raises `InputError` for an unknown one."""
        if (entity := self._load(name)) is None:
            require_known(name, [one.name for one in self.entities()])
            raise AssertionError(name)
        return entity

    def remove(self, name: str) -> None:
        """Delete an entity and all that is kept of it; raises `InputError` for an unknown one."""
        require_known(name, names := self._names())
        if name.lower() in names:
            self.objects.remove(f"{self.root}/{name.lower()}")

    def forget_picture(self, name: str, digest: str) -> Entity:
        """Delete one picture of an entity; raises `InputError` for an unknown name."""
        entity = self.find(name)
        pictures = tuple(one for one in entity.pictures if one.digest != digest)
        entity = self._written(entity, pictures=pictures)
        self.objects.remove(self._picture(entity.name, digest))
        return entity

    def image(self, digest: str, name: str | None = None) -> GivenImage | None:
        """A kept or proposed picture by its digest, of one entity or of any; None if it is not, or
        no more, known.
        """
        for entity in self.entities() if name is None else [self.find(name)]:
            if digest in [one.digest for one in (*entity.pictures, *entity.proposals)]:
                content = b"".join(self.objects.read(self._file(entity, digest)))
                return GivenImage(digest, _decoded(content), content) if content else None
        return None

    def reference(self, name: str, strength: float = 1.0) -> Reference:
        """What a request says of an entity; raises `InputError` for an unknown one."""
        entity = self.find(name)
        return Reference(
            name=entity.name,
            kind=entity.kind,
            description=entity.description,
            pictures=tuple(self.chosen_pictures(entity)),
            strength=strength,
        )

    def resolve(
        self, prompt: str, references: Sequence[Reference | dict[str, Any]] = ()
    ) -> tuple[Reference, ...]:
        """``references``, perhaps of plain values, and those of the entities that the sentence
        mentions beside them; raises `InputError` for an unknown name.
        """
        references = parse_references(references)
        names = {one.name.lower() for one in references}
        more = [name for name in mentions(prompt) if name.lower() not in names]
        return (*references, *(self.reference(name) for name in more))

    def chosen_pictures(self, entity: Entity) -> list[str]:
        """Digests of the pictures that a model is given: those that were given first, then those
        that look least like the ones before (farthest points).
        """
        selected = [one.digest for one in entity.pictures if not one.generated]
        selected = selected[:MAX_REFERENCE_PICTURES]
        rest = [one.digest for one in entity.pictures if one.digest not in selected]
        if not rest or len(selected) == MAX_REFERENCE_PICTURES:
            return selected
        images = {digest: self.image(digest) for digest in [*selected, *rest]}
        views = {digest: _view(one.pixels) for digest, one in images.items() if one is not None}
        rest = [digest for digest in rest if digest in views]
        while rest and len(selected) < MAX_REFERENCE_PICTURES:
            farthest = max(rest, key=lambda digest: _distance(views, digest, selected))
            selected.append(farthest)
            rest.remove(farthest)
        return selected

    def _names(self) -> list[str]:
        """Names of all folders, in lower case."""
        return sorted(self.objects.folders(self.root))

    def generated(self, names: Iterable[str]) -> set[str]:
        """Digests of the pictures that were added by themselves to any of these entities."""
        entities = [self._load(name) for name in names]
        return {one.digest for e in entities if e for one in e.pictures if one.generated}

    def _load(self, name: str) -> Entity | None:
        """An entity; None for one that is not there, or being written."""
        if not re.fullmatch(NAME_PATTERN, name):
            return None
        content = b"".join(self.objects.read(self._record(name)))
        if not content:
            return None
        try:
            entity = Entity.model_validate_json(content)
        except ValidationError:
            raise MediaError(
                f"what is kept of @{name} cannot be read", f"praxino memory remove {name}"
            ) from None
        proposals = self._proposals(name)[-MAX_PROPOSALS:]
        return entity.model_copy(update={"proposals": tuple(proposals)})

    def _proposals(self, name: str) -> list[PictureProposal]:
        """Pictures that wait for an answer, the oldest first."""
        proposals = []
        for folder in self.objects.folders(f"{self.root}/{name.lower()}/proposed"):
            digest = DIGEST + folder
            content = b"".join(self.objects.read(f"{self._proposal(name, digest)}/proposal.json"))
            if content:  # else it is being written, or deleted
                proposals.append(PictureProposal.model_validate_json(content))
        return sorted(proposals, key=lambda one: one.proposed)

    def _record(self, name: str) -> str:
        return f"{self.root}/{name.lower()}/entity.json"

    def _file(self, entity: Entity, digest: str) -> str:
        """Where a picture lies, be it kept or proposed."""
        if digest in [one.digest for one in entity.pictures]:
            return self._picture(entity.name, digest)
        return f"{self._proposal(entity.name, digest)}/picture.png"

    def _picture(self, name: str, digest: str) -> str:
        return f"{self.root}/{name.lower()}/{digest.removeprefix(DIGEST)}.png"

    def _proposal(self, name: str, digest: str) -> str:
        return f"{self.root}/{name.lower()}/proposed/{digest.removeprefix(DIGEST)}"


def installation() -> Memory:
    """The memory of this installation."""
    named = os.environ.get(VARIABLE)
    return Memory(Objects(named or str(platformdirs.user_data_path("praxino"))))


def _entity(fields: dict[str, Any]) -> Entity:
    """An entity of these fields; the first that cannot be used is an `InputError`."""
    try:
        return Entity.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        allowed = first["msg"].removeprefix("Input ")
        hints = {
            "name": "a letter, then letters, digits and _, 2 to 32 together",
            "kind": " ".join(KINDS),
            "description": f"at most {MAX_DESCRIPTION_CHARS} characters: a red dog",
        }
        problem = f"{name}={first['input']!r}: {allowed}"
        raise InputError(problem, hints.get(name, ""), name) from None


def kept_pictures(path: Path) -> list[bytes]:
    """The files that are kept of a picture, or of four frames of a film: PNG, small, and without
    what was written into the file beside the picture.

    Raises
    ------
    InputError
        If one shows nothing.
    MediaError
        If the file cannot be read.
    """
    from praxino.storage.media.frames import read_video

    frames = read_video(path).frames
    count = min(len(frames), FRAMES_OF_FILM)
    return [
        _kept(frames[index], path.name)
        for index in np.linspace(0, len(frames) - 1, count).round().astype(int)
    ]


def _kept(pixels: NDArray[np.uint8], name: str) -> bytes:
    """The file that is kept of one picture."""
    if float(pixels.std(axis=(0, 1)).max()) < MIN_CONTRAST:
        raise InputError(f"{name} shows nothing: it is all of one colour", "another picture")
    image = Image.fromarray(pixels)
    image.thumbnail((KEPT_PIXELS, KEPT_PIXELS), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _decoded(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def _distance(
    views: Mapping[str, NDArray[np.float32]], digest: str, others: Sequence[str]
) -> float:
    """Mean difference of a picture's thumbnail from the nearest of others."""
    near = [np.abs(views[digest] - views[one]).mean() for one in others if one in views]
    return float(min(near, default=0.0))


def _view(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A small thumbnail, by which pictures are told apart."""
    size = (VIEW_PIXELS, VIEW_PIXELS)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX), np.float32)
