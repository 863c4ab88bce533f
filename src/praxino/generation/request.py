"""What a user asks for, checked and completed with what the model wants, before any work is done."""

from typing import Any, TypedDict

from pydantic import Field, ValidationError, model_validator

from praxino.config import Config
from praxino.diffusion.sampling import SAMPLERS, SamplerName
from praxino.errors import InputError, UnknownNameError
from praxino.layout import Layout, parse
from praxino.shapes import Compression, VideoShape
from praxino.storage.weights.bundle import BundleConfig

MAX_PROMPT_CHARS = 2000
"""Characters a sentence may have."""


class GenerationSettings(TypedDict, total=False):
    """What may be asked for beside the sentence; see `Request`."""

    negative: str | None
    seed: int | None
    steps: int | None
    guidance: float | None
    sampler: str | None
    frames: int | None
    height: int | None
    width: int | None
    fps: float | None
    rescale: float | None
    interval: tuple[float, float] | None
    cache: float | None
    shift: float | None
    guidance_low: float | None
    image: str | None
    last: str | None
    loras: tuple[str, ...] | None
    noise_mark: bool | None
    layout: Layout | None
    best_of: int | None


class Request(Config):
    """A complete order: nothing is left to a default. Saved in the record of every file."""

    prompt: str
    negative: str = ""
    seed: int = Field(ge=0, lt=2**63)
    steps: int = Field(ge=1, le=1000)
    guidance: float = Field(ge=0, le=100)
    sampler: SamplerName
    frames: int = Field(ge=1, le=100_000)
    height: int = Field(ge=1, le=16384)
    width: int = Field(ge=1, le=16384)
    fps: float = Field(ge=1, le=240)
    rescale: float = Field(0.0, ge=0, le=1)
    interval: tuple[float, float] = Field((0.0, 1.0), strict=False)
    cache: float = Field(0.0, ge=0, le=1, description="tolerance of forecast outputs; 0 is exact")
    shift: float = Field(1.0, gt=0, le=100, description="of the times towards noise")
    guidance_low: float | None = Field(None, ge=0, le=100, description="of the second of two experts")
    image: str = Field("", description="file whose first picture the film begins with")
    last: str = Field("", description="file whose first picture it ends with")
    loras: tuple[str, ...] = Field((), strict=False, description="[high=|low=]FILE[:SCALE] each")
    noise_mark: bool = Field(False, description="the noise's signs come from this installation's key")
    layout: Layout | None = Field(None, description="what is where; none: as the model draws it from the sentence")
    best_of: int = Field(1, ge=1, le=64, description="films that are made, of which the best is kept")

    @model_validator(mode="after")
    def _interval_is_one(self) -> "Request":
        if not 0 <= self.interval[0] <= self.interval[1] <= 1:
            raise ValueError(f"interval={self.interval}: must be two times from 0 to 1, the lower first")
        return self

    def reseeded(self, seed: int) -> "Request":
        """The same with another seed; raises `InputError` for one that cannot be."""
        return _checked({**self.model_dump(), "seed": seed}, {"seed": "a lower seed, or fewer films"})

    def candidates(self) -> "list[Request]":
        """The requests of `best_of` films, of seeds from this one's up."""
        alone = self.model_copy(update={"best_of": 1})
        return [alone, *(alone.reseeded(self.seed + number) for number in range(1, self.best_of))]

    @property
    def shape(self) -> VideoShape:
        return VideoShape(self.frames, self.height, self.width)


def complete(
    model: BundleConfig, compression: Compression, patch: tuple[int, int, int], settings: dict[str, Any]
) -> Request:
    """Fill what is not in ``settings`` (or None there) with the model's own choices, and check everything.

    Raises
    ------
    InputError
        Names the first setting that cannot be used, what is allowed, and a hint.
    """
    defaults = {
        "seed": 0,
        "steps": model.steps,
        "guidance": model.guidance,
        "sampler": model.sampler,
        "frames": model.frames,
        "height": model.height,
        "width": model.width,
        "fps": model.fps,
        "shift": model.shift,
        "guidance_low": model.guidance_low,
        "negative": model.negative,
    }
    if unknown := sorted(settings.keys() - Request.model_fields.keys()):
        raise UnknownNameError("setting", unknown[0], Request.model_fields)
    given = {name: value for name, value in settings.items() if value is not None}
    if isinstance(given.get("layout"), dict):  # from a record
        given["layout"] = parse(given["layout"])
    for name in ("prompt", "negative"):
        _check_text(name, given.get(name, ""), empty=name == "negative")
    if (sampler := str(given.get("sampler", model.sampler))) not in SAMPLERS:
        raise UnknownNameError("sampler", sampler, SAMPLERS)
    if given.get("guidance_low") is not None and model.boundary is None:
        raise InputError(f"guidance_low={given['guidance_low']}: this model has no second expert", "leave it out")
    hints = {name: f"the model's own choice is {value}" for name, value in defaults.items()}
    request = _checked({**defaults, **given}, hints)
    request.shape.check(compression, patch)
    return request


def _checked(values: dict[str, Any], hints: dict[str, str]) -> Request:
    """A `Request` of these values; the first that cannot be used is an `InputError` with its hint."""
    try:
        return Request(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        allowed = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
        said = f"{name}={first['input']!r}: {allowed}" if name else allowed
        raise InputError(said, hints.get(name, "")) from None


def _check_text(name: str, text: Any, empty: bool) -> None:
    if not isinstance(text, str):
        raise InputError(f"{name}={text!r}: must be a sentence", '"a red ball bounces on the grass"')
    if not text.strip() and not empty:
        raise InputError("the sentence is empty", 'say what to show: "a red ball bounces on the grass"')
    if len(text) > MAX_PROMPT_CHARS:
        raise InputError(f"{name} has {len(text)} characters: at most {MAX_PROMPT_CHARS}", "say it shorter")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{name} is not valid UTF-8", "check the terminal's encoding") from None
