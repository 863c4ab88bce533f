"""Pictures and entities of a body: those that it brings, and those of the caller's characters."""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from praxino.errors import InputError
from praxino.generation.memory import Memory
from praxino.references import KINDS, MAX_REFERENCES, Reference
from praxino.request import Request
from praxino.service.api import jobs, uploads
from praxino.service.api.auth import AppState
from praxino.service.api.bodies import KeyframeBody, PictureSource, ReferenceBody
from praxino.service.api.errors import ApiError
from praxino.service.queue.quotas import Caller
from praxino.service.queue.submission import InputFile


@dataclass
class BodyPictures:
    """What a body says of pictures.

    Attributes
    ----------
    settings : dict
        Of `Request`: ``image``, ``last`` and ``references``.
    files : dict
        Those that go with the job, by the names that the settings have for them.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, InputFile] = field(default_factory=dict)

    def add(self, setting: str, name: str, file: InputFile) -> None:
        """A picture that the film begins or ends with; raises `ApiError` if there is one."""
        if setting in self.settings:
            end = "begins" if setting == "image" else "ends"
            raise ApiError(400, f"two pictures that it {end} with", "invalid_value", "references")
        self.settings[setting] = f"{name}.{file.ending}"
        self.files[self.settings[setting]] = file


def memory_of(state: AppState, caller: Caller) -> Memory:
    """The characters of a caller."""
    return Memory(state.objects, caller.owner)


def pictures_of(
    state: AppState,
    caller: Caller,
    prompts: Sequence[str],
    references: Sequence[ReferenceBody],
    keyframes: Sequence[KeyframeBody] = (),
    first: InputFile | None = None,
    anonymous: Sequence[InputFile] = (),
) -> BodyPictures:
    """What a body says of pictures.

    Parameters
    ----------
    prompts : sequence of str
        Sentences whose names must be known.
    first : InputFile, optional
        The picture that the film begins with.
    anonymous : sequence of InputFile
        Pictures of @image1, @image2 and so on, in their order; those without a name in
        ``references`` come after them.

    Raises
    ------
    ApiError
        For a picture that is none, or two that want one place.
    InputError
        For a name that nobody knows.
    """
    pictures, memory = BodyPictures(), memory_of(state, caller)
    brought = functools.partial(_picture, state, caller)
    if first is not None:
        uploads.require_picture(first, "input_reference")
        pictures.add("image", "input", first)
    for number, keyframe in enumerate(keyframes):
        param = f"keyframes.{number}"
        setting = "image" if keyframe.seconds == 0 else "last"
        at_time = _required(brought(keyframe, param), param)
        pictures.add(setting, "input" if setting == "image" else "last", at_time)
    entities = [_unnamed(pictures, file, number + 1) for number, file in enumerate(anonymous)]
    count = len(entities)
    for number, body in enumerate(references):
        picture = brought(body, f"references.{number}")
        entity = _entity(memory, body, picture, number, pictures, f"image{count + 1}")
        if entity is not None:
            count += body.name is None
            entities.append(entity)
    names = [one.name.lower() for one in entities]
    for prompt in prompts:
        for one in memory.resolve(prompt, entities)[len(entities) :]:
            if one.name.lower() not in names:
                names.append(one.name.lower())
                entities.append(one)
    if len(entities) > MAX_REFERENCES:
        problem = f"{len(entities)} entities: a film shows {MAX_REFERENCES} at most"
        raise InputError(problem, "name fewer", "references")
    if entities:
        pictures.settings["references"] = tuple(entities)
    return pictures


def require_keyframes(request: Request, keyframes: Sequence[KeyframeBody]) -> None:
    """Raise `ApiError` for a picture that is neither at the beginning nor at the end of a film."""
    end = (request.frames - 1) / request.fps
    for number, keyframe in enumerate(keyframes):
        if keyframe.seconds and abs(keyframe.seconds - end) > 1e-3:
            raise ApiError(
                400,
                f"keyframes: a picture at {keyframe.seconds:g} s: at 0 and at {end:g} alone",
                "invalid_value",
                f"keyframes.{number}.seconds",
            )


def _picture(state: AppState, caller: Caller, body: PictureSource, param: str) -> InputFile | None:
    """The picture that a reference or keyframe brings or names, if it does.

    Raises
    ------
    ApiError
        400 or 415 for one that is none, 404 or 409 for an image that is not there.
    """
    if body.file_id is None:
        return uploads.picture_of_url(body.image_url, param) if body.image_url else None
    if body.image_url is not None:
        raise ApiError(400, f"{param}: image_url or file_id, not both", "invalid_value", param)
    job = jobs.fetch(state, caller, body.file_id, "image")
    if job.status != "completed":
        raise ApiError(409, f"{param}: {job.id} is {job.status}", "not_ready", f"{param}.file_id")
    content = b"".join(state.objects.read(job.file(job.result.files["content"])))
    return uploads.require_media(InputFile.of(io.BytesIO(content), f"{job.id}.png"), param)


def _unnamed(pictures: BodyPictures, file: InputFile, number: int) -> Reference:
    """The entity of a picture that came without a name."""
    uploads.require_picture(file, "image_reference")
    name = f"image{number}"
    pictures.files[storage_name := f"{name}.{file.ending}"] = file
    return Reference(name=name, kind="object", pictures=(storage_name,))


def _required(file: InputFile | None, param: str) -> InputFile:
    if file is None:
        raise ApiError(400, f"{param}: a picture is needed", "missing_file", f"{param}.image_url")
    return file


def _entity(
    memory: Memory,
    body: ReferenceBody,
    file: InputFile | None,
    number: int,
    pictures: BodyPictures,
    unnamed: str,
) -> Reference | None:
    """The entity of a reference, called ``unnamed`` where it has no name; None for a picture that
    the film begins or ends with.
    """
    param = f"references.{number}"
    if body.role in ("first", "last"):
        setting, storage_name = {"first": ("image", "input"), "last": ("last", "last")}[body.role]
        pictures.add(setting, storage_name, _required(file, param))
        return None
    strength = 1.0 if body.strength is None else body.strength
    kind = next((one for one in KINDS if one == body.role), None)
    if file is None and body.description is None:
        if body.name is None:
            raise ApiError(400, f"{param}: a name, or a picture", "invalid_value", param)
        return memory.reference(body.name, strength)
    names: tuple[str, ...] = ()
    if file is not None:
        storage_name = f"reference{number + 1}.{file.ending}"
        names, pictures.files[storage_name] = (storage_name,), file
    return Reference(
        name=body.name or unnamed,
        kind=kind or ("object" if body.name is None else "character"),
        description=body.description or "",
        pictures=names,
        strength=strength,
    )
