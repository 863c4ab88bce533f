"""What clients are answered, in the shape of the OpenAI videos API."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from praxino.cards import ModelCard
from praxino.generation.memory import Entity, EntityPicture
from praxino.generation.takes import Take, TakeState
from praxino.references import DIGEST, EntityKind
from praxino.service.api.bodies import Extra
from praxino.service.queue.films import Film
from praxino.service.queue.jobs import PRIORITY_NAMES, Failure, Job, Priority, Status


class Session(BaseModel):
    """Whether the page has a key."""

    key: bool = Field(description="whether it was given one")


class FilmFormat(BaseModel):
    """What a film's file holds."""

    size: str
    num_frames: int
    fps: float


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
    result: FilmFormat = Field(description="of the film, once it is enlarged as it is to be")
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
    references: list[str] = Field(default_factory=list, description="names of its entities")
    edit: str | None = Field(None, description="what was made of another film: extend, restyle ...")


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


class CharacterPicture(BaseModel):
    """A picture of an entity."""

    digest: str
    origin: str
    url: str


class CharacterProposal(CharacterPicture):
    """A picture out of a film that waits for an answer."""

    likeness: float = Field(description="cosine to the pictures that were given")


class CharacterResource(BaseModel):
    """What sentences may call by name."""

    id: str
    object: Literal["character"] = "character"
    name: str
    kind: EntityKind
    description: str
    pictures: list[CharacterPicture]
    proposals: list[CharacterProposal] = Field(
        description="pictures out of films, each of which may become one of its own"
    )
    created_at: int
    updated_at: int


class CharacterList(BaseModel):
    """All characters of a caller."""

    object: Literal["list"] = "list"
    data: list[CharacterResource]


class TakeIdentity(BaseModel):
    """How like its pictures an entity of a take is."""

    name: str
    likeness: float | None = Field(description="a cosine; null where nothing like it was found")
    alike: bool = Field(description="as like as two pictures of one individual are")


class TakeResource(BaseModel):
    """One take of a shot."""

    number: int
    state: TakeState
    seed: int
    frames: int
    current: bool = Field(description="whether it is the one that counts")
    identity: list[TakeIdentity] = Field(
        description="of the entities that it was given pictures of"
    )
    layout: dict[str, Any] | None = Field(
        description="what it shows where, for a shot's layout; null for models without layouts"
    )
    url: str


class ShotResource(BaseModel):
    """A shot with its takes."""

    id: str
    takes: list[TakeResource]


class FilmResource(BaseModel):
    """A film of many shots."""

    id: str
    object: Literal["film"] = "film"
    title: str
    status: Status | Literal["idle"] = Field(description="idle: nothing was made of it yet")
    progress: int = Field(description="percent of the takes that are being made")
    error: Failure | None = None
    notes: list[str] = Field(default_factory=list)
    script: dict[str, Any]
    shots: list[ShotResource]
    has_content: bool
    created_at: int
    updated_at: int


class FilmList(BaseModel):
    """All films of a caller."""

    object: Literal["list"] = "list"
    data: list[FilmResource]


class Caption(BaseModel):
    """A longer sentence in place of a short one."""

    object: Literal["caption"] = "caption"
    prompt: str
    prompt_used: str = Field(description="what a model would read; itself a sentence for films")
    notes: list[str]


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
    refines: bool = Field(description="whether it makes films larger and faster")
    window: int = Field(
        description="frames that it makes at a time: longer films are streams while they are made; "
        "0: all at once"
    )
    grammar: bool = Field(description="whether the built-in grammar knows what it shows")
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
    request, result = job.request, job.request.result
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
        result=FilmFormat(
            size=f"{result.width}x{result.height}", num_frames=result.frames, fps=result.fps
        ),
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
        references=[one.name for one in request.references],
        edit=request.edit.task if request.edit else None,
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
        refines=card.refines,
        window=card.window,
        grammar=card.grammar,
        samplers=list(card.samplers),
    )


def to_character_resource(entity: Entity) -> CharacterResource:
    """What a client may see of an entity."""

    def to_picture(one: EntityPicture) -> dict[str, Any]:
        digest = one.digest.removeprefix(DIGEST)
        url = f"/v1/videos/characters/{entity.name}/pictures/{digest}"
        return {"digest": digest, "origin": one.origin, "url": url}

    proposals = [
        CharacterProposal(**to_picture(one), likeness=round(one.likeness, 3))
        for one in entity.proposals
    ]
    return CharacterResource(
        id=entity.name,
        name=entity.name,
        kind=entity.kind,
        description=entity.description,
        pictures=[CharacterPicture(**to_picture(one)) for one in entity.pictures],
        proposals=proposals,
        created_at=int(entity.created),
        updated_at=int(entity.updated),
    )


def to_film_resource(film: Film, takes: Sequence[Take], job: Job | None) -> FilmResource:
    """What a client may see of a film, its takes and its latest job."""
    shots = []
    for shot in film.script.shots:
        of_shot = [
            TakeResource(
                number=one.number,
                state=one.state,
                seed=one.seed,
                frames=one.frames,
                current=film.current.get(shot.id) == one.number,
                identity=[TakeIdentity(**entity.model_dump()) for entity in one.identity],
                layout=one.layout.model_dump(mode="json") if one.layout else None,
                url=f"/v1/films/{film.id}/takes/{shot.id}/{one.number}",
            )
            for one in takes
            if one.shot == shot.id
        ]
        shots.append(ShotResource(id=shot.id, takes=of_shot))
    return FilmResource(
        id=film.id,
        title=film.script.title,
        status=job.status if job else "idle",
        progress=job.progress if job else 0,
        error=job.error if job else None,
        notes=list(job.result.notes) if job else [],
        script=film.script.model_dump(mode="json", exclude_defaults=True),
        shots=shots,
        has_content=bool(job and "content" in job.result.files),
        created_at=int(film.created),
        updated_at=int(film.updated),
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
