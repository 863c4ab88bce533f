"""What clients send, in the shape of the OpenAI videos API.

Further fields for steps, guidance, seed and the like have the names that vLLM-Omni gave them.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from praxino.edits import Strength
from praxino.generation.takes import TakeState
from praxino.plain import NAME_PATTERN
from praxino.references import EntityKind, Reference
from praxino.request import MAX_PROMPT_CHARS, Request
from praxino.script import MAX_SHOTS, SHOT_PATTERN
from praxino.service.queue.jobs import Priority

Sentence = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=MAX_PROMPT_CHARS, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$"
    ),
]
Short = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Label = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00]*$")]
Size = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$")]
Seconds = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}(\.[0-9]{1,6})?$")]
PictureUrl = Annotated[
    str,
    StringConstraints(
        pattern=r"^data:image/(png|jpe?g|webp|heic|heif|avif|gif|tiff|bmp);base64,[A-Za-z0-9+/=]+$"
    ),
]
EntityName = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
ShotName = Annotated[str, StringConstraints(pattern=f"^{SHOT_PATTERN}$")]
FilmId = Annotated[str, StringConstraints(pattern=r"^video_[0-9a-f]{32}$")]
ImageId = Annotated[str, StringConstraints(pattern=r"^image_[0-9a-f]{32}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]

FileField = Annotated[str, Field(json_schema_extra={"format": "binary", "minLength": 1})]
SCRIPT_EXAMPLE: dict[str, JsonValue] = {
    "title": "A walk",
    "cast": {"rex": {"kind": "animal", "description": "a brown dog"}},
    "shots": [
        {"id": "one", "prompt": "@rex runs"},
        {"id": "two", "prompt": "@rex jumps", "cut": False},
    ],
}
EDIT_EXAMPLE: dict[str, JsonValue] = {
    "prompt": "the dog runs on",
    "video": {"id": "video_00000000000000000000000000000000"},
}
EXAMPLE: dict[str, JsonValue] = {
    "prompt": "a golden dog plays fetch with a red ball in a sunlit park",
    "seconds": "2",
    "seed": 3,
}


class Body(BaseModel):
    """The parent of all that clients send: unknown fields are errors, since silence about them
    would mislead.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def optional(kind: type[BaseModel], name: str, **more: Any) -> Any:
    """An optional field of a body with the range and description of that field of ``kind``."""
    original = kind.model_fields[name]
    field = Field(None, description=original.description, **more)
    field.metadata = [*original.metadata, *field.metadata]
    return field


def setting(name: str, **more: Any) -> Any:
    """An optional field of a body, as that of `Request`."""
    return optional(Request, name, **more)


class Picture(Body):
    """A picture inside a JSON body."""

    image_url: PictureUrl


class PictureSource(Body):
    """A picture: inside of the body, or one of the caller's images."""

    image_url: PictureUrl | None = None
    file_id: ImageId | None = Field(
        None, description="an image of POST /v1/images/generations, in place of image_url"
    )


class ReferenceBody(PictureSource):
    """An entity that a film shows: one of the caller's characters, or a picture."""

    name: EntityName | None = Field(None, description="what the sentence calls it: @name")
    role: Literal["reference", "first", "last"] | EntityKind = Field(
        "reference", description="first and last: pictures that the film begins and ends with"
    )
    description: str | None = optional(Reference, "description")
    strength: float | None = optional(Reference, "strength")


class KeyframeBody(PictureSource):
    """A picture at a time; models take them at the beginning and at the end."""

    seconds: float = Field(ge=0, lt=10_000)


class Extra(Body):
    """Settings that other servers do not have."""

    sampler: str | None = setting("sampler")
    rescale: float | None = setting("rescale")
    interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None = setting("interval")
    cache: float | None = setting("cache")
    noise_mark: bool | None = setting("noise_mark")
    reference_guidance: float | None = setting("reference_guidance")
    enhance: str | None = setting("enhance")
    recaption: str | None = setting("recaption")
    prompt_used: Short | None = setting("prompt_used")
    layout: dict[str, Any] | None = Field(None, description="as `praxino layout` prints it")


PARAMETERS: Final = {
    "prompt": "prompt",
    "negative": "negative_prompt",
    "seed": "seed",
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "guidance_low": "guidance_scale_2",
    "shift": "flow_shift",
    "frames": "num_frames",
    "height": "height",
    "width": "width",
    "fps": "fps",
    "image": "input_reference",
}
"""What clients call the fields of `Request`; those of `Extra` are called as here."""


def parameter_of(setting: str) -> str | None:
    """The parameter by which a client sends a setting; None for ""."""
    if setting in Extra.model_fields:
        return f"extra_params.{setting}"
    if setting in ("height", "width"):
        return "size"
    return PARAMETERS.get(setting, setting) or None


class GenerationBody(Body):
    """What films and images have in common."""

    prompt: Sentence
    model: Name | None = None
    size: Size | None = Field(None, description="WIDTHxHEIGHT in pixels")
    num_inference_steps: int | None = setting("steps")
    guidance_scale: float | None = setting("guidance")
    guidance_scale_2: float | None = setting("guidance_low")
    flow_shift: float | None = setting("shift", ge=0.01)
    seed: int | None = Field(
        None, ge=0, lt=2**53, description="drawn at random where it is not given"
    )
    negative_prompt: Short | None = None
    priority: Priority = "normal"
    user: str | None = Field(None, max_length=256, description="accepted, ignored")


class VideoCreate(GenerationBody):
    """A request for a film."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    seconds: Seconds | Annotated[float, Field(gt=0, lt=10_000)] | None = Field(
        None, description="from the first frame to the last"
    )
    width: int | None = setting("width")
    height: int | None = setting("height")
    num_frames: int | None = setting("frames")
    fps: float | None = setting("fps")
    aspect_ratio: str | None = Field(
        None, pattern=r"^[1-9]\d{0,2}:[1-9]\d{0,2}$", description="in place of a size, as 16:9"
    )
    short_edge: int | None = Field(
        None, gt=0, le=8192, description="pixels of the shorter side, with an aspect_ratio"
    )
    enable_frame_interpolation: bool | None = Field(
        None, description="twice the frame rate; the same as enhance=time"
    )
    input_reference: Picture | None = Field(None, description="a picture that the film begins with")
    image_reference: Annotated[list[Picture], Field(max_length=4)] | Picture | None = Field(
        None, description="pictures of @image1, @image2, ..."
    )
    references: Annotated[list[ReferenceBody], Field(max_length=8)] | None = None
    keyframes: Annotated[list[KeyframeBody], Field(max_length=8)] | None = None
    extra_params: Extra | None = None


def without_null(schema: dict[str, Any]) -> None:
    """Take nulls out of a form's schema: its fields are there or not."""
    for field in schema["properties"].values():
        for kind in field.pop("anyOf", ()):
            field |= kind if kind != {"type": "null"} else {}
        if field.get("default", "") is None:
            del field["default"]
    schema["examples"] = [
        {name: value for name, value in EXAMPLE.items() if name in schema["properties"]}
    ]


class VideoForm(VideoCreate):
    """`VideoCreate` as a form: every value a string, pictures files; ``references``, ``keyframes``
    and ``extra_params`` as JSON.
    """

    model_config = ConfigDict(json_schema_extra=without_null)

    input_reference: FileField | None = None  # type: ignore[assignment]
    image_reference: Annotated[list[FileField], Field(max_length=4)] | None = None  # type: ignore[assignment]
    references: Annotated[str, Field(max_length=8000)] | None = None  # type: ignore[assignment]
    keyframes: Annotated[str, Field(max_length=8000)] | None = None  # type: ignore[assignment]
    extra_params: Annotated[str, Field(max_length=16_000)] | None = None  # type: ignore[assignment]


class FilmSource(Body):
    """A film that was made here."""

    id: FilmId


class EditBody(GenerationBody):
    """What is made of a film that is there already: of one that was made here, or, in a form, of a
    file.
    """

    video: FilmSource | None = None
    seconds: Seconds | Annotated[float, Field(gt=0, lt=10_000)] | None = Field(
        None, description="by how much it becomes longer"
    )
    references: Annotated[list[ReferenceBody], Field(max_length=8)] | None = None
    extra_params: Extra | None = None


class ExtensionCreate(EditBody):
    """A film goes on, or begins earlier."""

    model_config = ConfigDict(json_schema_extra={"examples": [EDIT_EXAMPLE]})

    backward: bool = Field(False, description="before its beginning")


class EditCreate(EditBody):
    """A film is made again, in part or along its motion; fields as of docs/edits.md."""

    model_config = ConfigDict(json_schema_extra={"examples": [EDIT_EXAMPLE]})

    task: Literal["restyle", "inpaint", "outpaint", "retake", "loop", "join"] = "restyle"
    strength: Annotated[float, Field(gt=0, le=1)] | Strength | None = None
    source: Short | None = Field(
        None, description="restyle: the sentence of the film as it is; empty: none"
    )
    box: Annotated[list[float], Field(min_length=4, max_length=4)] | None = Field(
        None, description="inpaint: what is made again; outpaint: where the old picture lies"
    )
    start: float | None = Field(None, ge=0, description="retake: second at which it begins")
    end: float | None = Field(None, gt=0, description="retake: second at which it ends")
    mask: Picture | None = Field(None, description="inpaint: white where it is made again")
    second: FilmSource | None = Field(None, description="join: the film that comes after")


class CaptionCreate(Body):
    """A short sentence, to be made a long one before a film is made of it."""

    prompt: Sentence
    model: Name | None = None
    recaption: Literal["grammar", "llm"] = Field(
        "grammar", description="llm: the language model that the operator has named"
    )
    seed: int = Field(0, ge=0, lt=2**53)


class EnhanceCreate(Body):
    """A film is made larger, or faster, by its own model."""

    enhance: Literal["space", "time", "space,time"] = Field(
        "space", description="twice the size, twice the frame rate, or both"
    )
    priority: Priority = "normal"


class ExtensionForm(ExtensionCreate):
    """`ExtensionCreate` as a form, with the film as a file."""

    model_config = ConfigDict(json_schema_extra=without_null)

    video: FileField | None = None  # type: ignore[assignment]
    references: Annotated[str, Field(max_length=8000)] | None = None  # type: ignore[assignment]
    extra_params: Annotated[str, Field(max_length=2000)] | None = None  # type: ignore[assignment]


class EditForm(EditCreate):
    """`EditCreate` as a form, with the films and the mask as files, ``box`` as JSON."""

    model_config = ConfigDict(json_schema_extra=without_null)

    video: FileField | None = None  # type: ignore[assignment]
    second: FileField | None = None  # type: ignore[assignment]
    mask: FileField | None = None  # type: ignore[assignment]
    box: Annotated[str, Field(max_length=200)] | None = None  # type: ignore[assignment]
    references: Annotated[str, Field(max_length=8000)] | None = None  # type: ignore[assignment]
    extra_params: Annotated[str, Field(max_length=2000)] | None = None  # type: ignore[assignment]


class CharacterCreate(Body):
    """A character, animal, object, place or style, or more pictures of one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "rex", "kind": "animal", "description": "a brown dog"}]
        }
    )

    name: EntityName
    kind: EntityKind | None = None
    description: str | None = optional(Reference, "description")
    pictures: Annotated[list[Picture], Field(max_length=8)] | None = None
    consent: bool = Field(
        False, description="whoever the pictures of a character show has agreed, or is nobody"
    )


class CharacterForm(CharacterCreate):
    """`CharacterCreate` as a form, with its pictures as files."""

    model_config = ConfigDict(json_schema_extra=without_null)

    pictures: Annotated[list[FileField], Field(max_length=8)] | None = None  # type: ignore[assignment]
    video: FileField | None = Field(None, description="a film of it, for four of its frames")


class FilmCreate(Body):
    """A film of many shots."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"script": SCRIPT_EXAMPLE}]})

    script: dict[str, Any] = Field(description="as of docs/films.md")


class FilmMake(Body):
    """Which takes to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    only: Annotated[list[ShotName], Field(max_length=MAX_SHOTS)] | None = Field(
        None, description="names of shots; all that have no take where there are none"
    )
    model: Name | None = None


class TakeUpdate(Body):
    """What is thought of a take."""

    state: TakeState


class RemixCreate(Body):
    """Another sentence for a film, or other noise; all else as it was."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "the same dog in the snow"}]}
    )

    prompt: Sentence
    seed: int | None = Field(None, ge=0, lt=2**53, description="other noise")


class RemixForm(RemixCreate):
    """`RemixCreate` as a form."""

    model_config = ConfigDict(json_schema_extra=without_null)


class TurnCreate(Body):
    """What a film shows from here on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "the same dog in the snow"}]}
    )

    prompt: Sentence


class ImageCreate(GenerationBody):
    """A request for images, which is answered when they are made."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "a purple sun over a green sea"}]}
    )

    n: int = Field(1, ge=1, le=10)
    response_format: Literal["b64_json", "url"] = "b64_json"
    quality: Literal["auto", "standard"] | None = Field(
        None, description="as the model makes it: there is one"
    )
    output_format: Literal["png"] | None = None
    background: Literal["auto", "opaque"] | None = None


class FileForm(Body):
    """A film or a picture to look at."""

    file: str = Field(json_schema_extra={"format": "binary", "minLength": 1})
    priority: Priority = "normal"


class StampForm(FileForm):
    """A film or picture that is declared as generated."""

    model: Label = Field("", description="name of the model that made it")
    prompt: Short = Field("", description="sentence it was made from: its hash is stated")
    by: Label = Field("", description="who declares it")
    edited: Literal["true", "false"] = Field("false", description="only parts were generated")
    state_prompt: Literal["true", "false"] = Field(
        "false", description="state the sentence itself, too"
    )
    credentials: Literal["true", "false"] = Field("true", description="sign it")


class SessionCreate(Body):
    """A key for the page."""

    key: str = Field(min_length=1, max_length=256, pattern=r"^[!-:<-~]+$")
