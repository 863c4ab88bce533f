"""The caller's characters: what sentences may call by ``@name``."""

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from praxino.errors import InputError
from praxino.generation.images import GivenImage
from praxino.generation.memory import Memory, kept_pictures
from praxino.plain import NAME_PATTERN
from praxino.references import DIGEST
from praxino.service.api import bodies, references, schemas, uploads
from praxino.service.api.auth import CallerDep, StateDep
from praxino.service.api.errors import ApiError, errors, files, sent

router = APIRouter(prefix="/v1/videos/characters", tags=["characters"])

Name = Annotated[str, Path(pattern=f"^{NAME_PATTERN}$", examples=["rex"])]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", examples=["0" * 64])]


@router.post(
    "", openapi_extra=sent("CharacterCreate", "CharacterForm"), responses=errors(408, 413, 415, 507)
)
async def add(request: Request, state: StateDep, caller: CallerDep) -> schemas.CharacterResource:
    """Remember a character, animal, object, place or style, or more pictures of one."""
    files = ("pictures", "video")
    async with uploads.json_or_form(request, bodies.CharacterCreate, *files) as (body, brought):
        memory = references.memory_of(state, caller)
        return await run_in_threadpool(_add, memory, body, brought)


def _add(
    memory: Memory, body: bodies.CharacterCreate, brought: uploads.Files
) -> schemas.CharacterResource:
    inside = [uploads.picture_of_url(one.image_url, "pictures") for one in body.pictures or ()]
    files = brought.get("pictures", [])
    for file in files:
        uploads.require_picture(file, "pictures")
    sent_files = [*inside, *files, *brought.get("video", [])]
    pictures = uploads.read_isolated(_keep, sent_files, "pictures") if sent_files else []
    entity = memory.add(body.name, pictures, body.kind, body.description, body.consent)
    return schemas.to_character_resource(entity)


@router.get("", responses=errors())
def list_all(state: StateDep, caller: CallerDep) -> schemas.CharacterList:
    """All that the caller's sentences may call by name."""
    entities = references.memory_of(state, caller).entities()
    return schemas.CharacterList(data=[schemas.to_character_resource(one) for one in entities])


@router.get("/{name}", responses=errors(404))
def show(name: Name, state: StateDep, caller: CallerDep) -> schemas.CharacterResource:
    """A character by name."""
    memory = references.memory_of(state, caller)
    try:
        return schemas.to_character_resource(memory.find(name))
    except InputError as error:
        raise ApiError(404, str(error), "not_found") from None


@router.get(
    "/{name}/pictures/{digest}",
    response_class=Response,
    responses={200: files("The picture", "image/png"), **errors(404)},
)
def content(name: Name, digest: Digest, state: StateDep, caller: CallerDep) -> Response:
    """A picture of a character, as PNG."""
    image = _image(references.memory_of(state, caller), name, digest)
    return Response(image.content, media_type="image/png")


@router.delete("/{name}/pictures/{digest}", responses=errors(404))
def forget_picture(
    name: Name, digest: Digest, state: StateDep, caller: CallerDep
) -> schemas.CharacterResource:
    """Forget one picture of a character."""
    memory = references.memory_of(state, caller)
    image = _image(memory, name, digest)
    return schemas.to_character_resource(memory.forget_picture(name, image.name))


def _image(memory: Memory, name: str, digest: str) -> GivenImage:
    try:
        image = memory.image(f"{DIGEST}{digest}", name)
    except InputError as error:
        raise ApiError(404, str(error), "not_found") from None
    if image is None:
        raise ApiError(404, f"@{name} has no such picture", "not_found")
    return image


@router.post("/{name}/proposals/{digest}", responses=errors(404, 409))
def accept(
    name: Name, digest: Digest, state: StateDep, caller: CallerDep
) -> schemas.CharacterResource:
    """Let a proposed picture become one of a character's."""
    return _answer(references.memory_of(state, caller), name, digest, True)


@router.delete("/{name}/proposals/{digest}", responses=errors(404))
def refuse(
    name: Name, digest: Digest, state: StateDep, caller: CallerDep
) -> schemas.CharacterResource:
    """Delete a proposed picture."""
    return _answer(references.memory_of(state, caller), name, digest, False)


def _answer(memory: Memory, name: str, digest: str, yes: bool) -> schemas.CharacterResource:
    try:
        return schemas.to_character_resource(memory.answer(name, f"{DIGEST}{digest}", yes))
    except InputError as error:
        if error.setting == "pictures":
            raise ApiError(409, str(error), "conflict") from None
        raise ApiError(404, str(error), "not_found") from None


@router.delete("/{name}", responses=errors(404))
def forget(name: Name, state: StateDep, caller: CallerDep) -> schemas.Deleted:
    """Forget one, with all its pictures."""
    try:
        references.memory_of(state, caller).remove(name)
    except InputError as error:
        raise ApiError(404, str(error), "not_found") from None
    return schemas.Deleted(id=name, object="character.deleted")


def _keep(paths: Sequence[FilePath]) -> list[bytes]:
    return [one for path in paths for one in kept_pictures(path)]
