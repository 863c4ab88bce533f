"""Bodies of requests and answers, in the shape of the OpenAI videos API.

Further fields for steps, guidance, seed and the like have the names that vLLM-Omni gave them.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from praxino.request import MAX_PROMPT_CHARS, ModelCard, Request
from praxino.service.queue.jobs import PRIORITY_NAMES, Failure, Job, Priority, Status

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
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]

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


class Picture(Body):
    """A picture inside a JSON body."""

    image_url: Annotated[
        str,
        StringConstraints(
            pattern=r"^data:image/(png|jpe?g|webp|heic|heif|avif|gif|tiff|bmp);base64,[A-Za-z0-9+/=]+$"
        ),
    ]


def setting(name: str, **more: Any) -> Any:
    """An optional field of a body with the range and description of that field of `Request`."""
    original = Request.model_fields[name]
    field = Field(None, description=original.description, **more)
    field.metadata = [*original.metadata, *field.metadata]
    return field


class Extra(Body):
    """Settings that other servers do not have."""

    sampler: str | None = setting("sampler")
    rescale: float | None = setting("rescale")
    interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None = setting("interval")
    cache: float | None = setting("cache")
    noise_mark: bool | None = setting("noise_mark")


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
    input_reference: Picture | None = Field(None, description="a picture that the film begins with")
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
    """`VideoCreate` as a form: every value a string, the picture a file, ``extra_params`` as
    JSON.
    """

    model_config = ConfigDict(json_schema_extra=without_null)

    input_reference: (
        Annotated[str, Field(json_schema_extra={"format": "binary", "minLength": 1})] | None
    ) = None  # type: ignore[assignment]
    extra_params: Annotated[str, Field(max_length=2000)] | None = None  # type: ignore[assignment]


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


class Session(BaseModel):
    """Whether the page has a key."""

    key: bool = Field(description="whether it was given one")


class VideoResource(BaseModel):
    """A film, as far as it is."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Status
    progress: int = Field(description="percent")
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    prompt: str
    size: str
    seconds: str
    remixed_from_video_id: str | None = None
    error: Failure | None = None
    num_frames: int
    fps: float
    num_inference_steps: int
    guidance_scale: float
    seed: int
    guidance_scale_2: float | None = None
    flow_shift: float
    negative_prompt: str = ""
    input_reference: bool = Field(
        False, description="whether it begins with a picture that was given"
    )
    priority: Priority = "normal"
    step: int = 0
    eta_seconds: float | None = None
    queue_position: int | None = Field(
        None, description="jobs that may be begun before it; not in lists"
    )
    has_content: bool = False
    notes: list[str] = Field(
        default_factory=list, description="words that the model does not know, and the like"
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="of its order, as extra_params take them"
    )


class VideoList(BaseModel):
    """A page of the list of films."""

    object: Literal["list"] = "list"
    data: list[VideoResource]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(BaseModel):
    """What was deleted."""

    id: str
    object: str
    deleted: Literal[True] = True


class Image(BaseModel):
    """One picture, as base64 or as an address on this server."""

    b64_json: str | None = None
    url: str | None = None


class Images(BaseModel):
    """Images."""

    created: int
    data: list[Image]


class AnalysisResource(BaseModel):
    """A look at a file, as far as it is: ``report`` is what `praxino detect --json` or `verify
    --json` print.
    """

    id: str
    object: Literal["detect", "verify"]
    status: Status
    created_at: int
    completed_at: int | None = None
    file: str
    error: Failure | None = None
    report: dict[str, Any] | None = None
    page: str | None = Field(None, description="where the evidence is shown")
    queue_position: int | None = None


class StampResource(BaseModel):
    """A stamp, as far as it is: ``report`` is what `praxino stamp --json` prints."""

    id: str
    object: Literal["stamp"] = "stamp"
    status: Status
    created_at: int
    completed_at: int | None = None
    file: str
    error: Failure | None = None
    report: dict[str, Any] | None = None
    content: str | None = Field(None, description="where the stamped file is")
    credentials: str | None = Field(
        None, description="where its statements are, if its format has no room for them"
    )
    queue_position: int | None = None


class ModelResource(BaseModel):
    """A model that is served, with what it makes where nothing else is asked for."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "praxino"
    ready: bool = Field(description="whether a worker that has it lives")
    digest: str
    defaults: dict[str, Any]
    compression: list[int] = Field(
        description="frames, rows and columns that become one latent position"
    )
    patch: list[int]
    pictures: bool = Field(description="whether a film can begin with a picture")
    samplers: list[str]


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelResource]


class Health(BaseModel):
    """Whether something works."""

    status: Literal["ok", "unavailable"]
    detail: str = ""


def _timestamp(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def to_video_resource(job: Job, position: int | None = None) -> VideoResource:
    """What a client may see of a job for a film."""
    request = job.request
    extra = request.model_dump(include={*Extra.model_fields}, exclude_defaults=True)
    return VideoResource(
        id=job.id,
        model=job.model,
        status=job.status,
        progress=job.progress,
        created_at=int(job.created),
        completed_at=_timestamp(job.completed),
        expires_at=_timestamp(job.expires),
        prompt=request.prompt,
        size=f"{request.width}x{request.height}",
        seconds=f"{(request.frames - 1) / request.fps:.6g}",
        remixed_from_video_id=job.remixed_from or None,
        error=job.error,
        num_frames=request.frames,
        fps=request.fps,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance,
        seed=request.seed,
        guidance_scale_2=request.guidance_low,
        flow_shift=request.shift,
        negative_prompt=request.negative,
        input_reference=bool(job.input),
        priority=PRIORITY_NAMES[job.priority],
        step=job.step,
        eta_seconds=None if job.eta is None else round(job.eta, 1),
        queue_position=position,
        notes=list(job.result.notes),
        has_content="content" in job.result.files,
        settings={
            name: list(value) if isinstance(value, tuple) else value
            for name, value in extra.items()
        },
    )


def to_model_resource(card: ModelCard, ready: bool) -> ModelResource:
    """What a client may see of a model; ``ready`` says whether a living worker has it."""
    return ModelResource(
        id=card.id,
        ready=ready,
        digest=card.digest,
        defaults=card.defaults.model_dump(exclude_none=True),
        compression=list(card.compression),
        patch=list(card.patch),
        pictures=card.pictures,
        samplers=list(card.samplers),
    )


def to_analysis_resource(job: Job, position: int | None = None) -> AnalysisResource:
    """What a client may see of a job that looks at a file."""
    return AnalysisResource(
        id=job.id,
        object="detect" if job.kind == "detect" else "verify",
        status=job.status,
        created_at=int(job.created),
        completed_at=_timestamp(job.completed),
        file=job.filename,
        error=job.error,
        report=job.result.report,
        page=f"/v1/detect/{job.id}/page" if "page" in job.result.files else None,
        queue_position=position,
    )


def to_stamp_resource(job: Job, position: int | None = None) -> StampResource:
    """What a client may see of a job that stamps a file."""
    place = f"/v1/stamp/{job.id}/content"
    return StampResource(
        id=job.id,
        status=job.status,
        created_at=int(job.created),
        completed_at=_timestamp(job.completed),
        file=job.filename,
        error=job.error,
        report=job.result.report,
        content=place if "content" in job.result.files else None,
        credentials=f"{place}?variant=credentials" if "credentials" in job.result.files else None,
        queue_position=position,
    )
