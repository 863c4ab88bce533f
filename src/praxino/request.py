"""A request for a film: checked against what the model can make, and completed with the model's
defaults.

Nothing here needs the model itself: its `ModelCard` says what it makes, so that the command line,
the library, a web server without torch and a worker all complete a request by the same function.
"""

import secrets
from collections.abc import Callable
from typing import Any, Final, TypedDict

from pydantic import Field, ValidationError, model_validator

from praxino import edits
from praxino.cards import FLOW_MAP, STEPS_PER_AXIS, Enhance, ModelCard, Recaption, axes_of
from praxino.config import Config
from praxino.edits import Edit, FilmShape
from praxino.errors import InputError, UnknownNameError
from praxino.layout import Layout, parse_layout
from praxino.references import Reference, parse_references
from praxino.requirements import REQUIREMENTS, untaught
from praxino.shapes import Compression, VideoShape

MAX_PROMPT_CHARS: Final = 2000
"""Characters of a prompt."""
MAX_RANDOM_SEED: Final = 2**31
"""What seeds that are drawn lie below."""
MAX_ASPECT: Final = 4
"""Longer side over shorter side of a film that takes its proportions from a picture."""


class GenerationSettings(TypedDict, total=False):
    """What a caller may choose beside the prompt; see the fields of `Request`."""

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
    reference_guidance: float | None
    image: str | None
    last: str | None
    loras: tuple[str, ...] | None
    noise_mark: bool | None
    layout: Layout | None
    best_of: int | None
    edit: Edit | None
    references: tuple[Reference, ...] | None
    enhance: Enhance | None
    recaption: Recaption | None
    prompt_used: str | None


class Request(Config):
    """A complete request: nothing is left to a default. Saved in the record of every file."""

    prompt: str = Field(description="What to show.")
    negative: str = Field("", description="What not to show.")
    seed: int = Field(ge=0, lt=2**63, description="The same seed makes the same film.")
    steps: int = Field(ge=1, le=1000, description="Denoising steps.")
    guidance: float = Field(
        ge=0, le=100, description="How closely to follow the prompt; 1 is not guided."
    )
    sampler: str = Field(
        max_length=32, description="ddpm ddim euler heun dpm++2m dpm++2m-sde unipc flow-map"
    )
    frames: int = Field(ge=1, le=100_000, description="4k+1; one frame is a picture.")
    height: int = Field(ge=1, le=16384, description="Pixels.")
    width: int = Field(ge=1, le=16384, description="Pixels.")
    fps: float = Field(ge=1, le=240, description="Frames per second.")
    rescale: float = Field(
        0.0, ge=0, le=1, description="0 to 1: how much of guidance's contrast to take back."
    )
    interval: tuple[float, float] = Field(
        (0.0, 1.0), strict=False, description="Times from 0 to 1 that are guided, the lower first."
    )
    cache: float = Field(
        0.0, ge=0, le=1, description="Forecast outputs within this error, such as 0.1; 0 is exact."
    )
    shift: float = Field(
        1.0, gt=0, le=100, description="Timestep shift; above 1 for larger videos."
    )
    guidance_low: float | None = Field(
        None, ge=0, le=100, description="Guidance of the low-noise expert (two-expert models)."
    )
    reference_guidance: float | None = Field(
        None, ge=0, le=100, description="How closely to follow pictures of @names, on their own."
    )
    image: str = Field("", description="The picture that the film begins with.")
    last: str = Field("", description="The picture that it ends with.")
    loras: tuple[str, ...] = Field(
        (), strict=False, description="[high=|low=]FILE[:SCALE]; repeatable."
    )
    noise_mark: bool = Field(False, description="Mark the noise it is made of, too.")
    layout: Layout | None = Field(None, description="JSON of praxino layout: what to paint where.")
    best_of: int = Field(
        1, ge=1, le=64, description="Make so many films, keep the one that shows its layout best."
    )
    edit: Edit | None = Field(None, description="What is made of a film that is there already.")
    references: tuple[Reference, ...] = Field(
        (),
        strict=False,
        description="FILE[:KIND]: what @image1, @image2 ... look like; repeatable.",
    )
    enhance: Enhance = Field(
        "off", description="off space time space,time: twice the size, twice the frame rate."
    )
    recaption: Recaption = Field(
        "off", description="off grammar llm: who makes a short sentence long."
    )
    prompt_used: str = Field(
        "", max_length=MAX_PROMPT_CHARS, description="The sentence that the model reads instead."
    )

    @model_validator(mode="after")
    def _interval_is_ordered(self) -> "Request":
        if not 0 <= self.interval[0] <= self.interval[1] <= 1:
            raise ValueError(
                f"interval={self.interval}: must be two times from 0 to 1, the lower first"
            )
        return self

    def reseeded(self, seed: int) -> "Request":
        """This request with another seed; raises `InputError` for one that is out of range."""
        return _validated(
            {**self.model_dump(), "seed": seed}, {"seed": "a lower seed, or fewer films"}
        )

    @property
    def pictures(self) -> list[str]:
        """Names of all pictures that it is made from."""
        of_references = [name for one in self.references for name in one.pictures]
        return [name for name in (self.image, self.last, *of_references) if name]

    @property
    def ends(self) -> dict[int, str]:
        """Names of the pictures that it begins and ends with, by the numbers of their frames."""
        ends = {0: self.image, self.frames - 1: self.last}
        return {number: name for number, name in ends.items() if name}

    def candidates(self) -> "list[Request]":
        """The requests of `best_of` films, of seeds from this one's up."""
        single = self.model_copy(update={"best_of": 1})
        return [single, *(single.reseeded(self.seed + number) for number in range(1, self.best_of))]

    @property
    def shape(self) -> VideoShape:
        """Frames, height and width, before it is enlarged."""
        return VideoShape(self.frames, self.height, self.width)

    @property
    def enhanced_axes(self) -> tuple[str, ...]:
        """Along which axes it is enlarged, in this order."""
        return axes_of(self.enhance)

    @property
    def enhancing_steps(self) -> int:
        """Steps that this takes."""
        return STEPS_PER_AXIS * len(self.enhanced_axes)

    @property
    def result(self) -> FilmShape:
        """Frames, pixels and rate of the film that is made."""
        return enlarged_shape(
            FilmShape(self.frames, self.height, self.width, self.fps), self.enhance
        )


def enlarged_shape(shape: FilmShape, enhance: Enhance) -> FilmShape:
    """The shape of a film that is enlarged."""
    frames, height, width, fps = shape
    for axis in axes_of(enhance):
        if axis == "time":
            frames, fps = 2 * frames - 1, 2 * fps
        else:
            height, width = 2 * height, 2 * width
    return FilmShape(frames, height, width, fps)


PLAIN_FORMS: Final[dict[str, Callable[[Any], Any]]] = {
    "layout": parse_layout,
    "edit": edits.parse_edit,
    "references": parse_references,
}
"""How settings of nested values are read from plain ones."""


def complete(
    card: ModelCard,
    settings: dict[str, Any],
    picture: tuple[int, int] | None = None,
    film: FilmShape | None = None,
) -> tuple[Request, list[str]]:
    """Fill what is not in ``settings`` (or None there) with the model's defaults, and check
    everything.

    Parameters
    ----------
    settings : dict
        Fields of `Request`; ``layout``, ``edit`` and ``references`` may be of plain values.
    picture : (height, width), optional
        Size in pixels of the picture that the film begins with: without a size in ``settings``, the
        film takes its proportions, with about as many pixels as the model's default.
    film : FilmShape, optional
        Of the film that ``edit`` is made from: what is not in ``settings`` follows it.

    Returns
    -------
    Request, list of str
        And notes for whoever asked.

    Raises
    ------
    InputError
        For the first setting that cannot be used: its name (``error.setting``), what is allowed,
        and a hint.
    """
    if unknown := sorted(settings.keys() - Request.model_fields.keys()):
        raise UnknownNameError("setting", unknown[0], Request.model_fields)
    explicit = {name: value for name, value in settings.items() if value is not None}
    for name, from_plain in PLAIN_FORMS.items():
        if isinstance(value := explicit.get(name), dict) or _is_plain_list(value):
            explicit[name] = from_plain(value)
    for name in ("prompt", "negative"):
        _require_text(name, explicit.get(name, ""), may_be_empty=name == "negative")
    notes: list[str] = []
    defaults = _defaults(card, explicit, notes)
    _require_sampler(explicit, card)
    explicit = _after_film(explicit, film, card)
    if (
        picture
        and card.pictures
        and card.follows_picture
        and not explicit.keys() & {"height", "width"}
    ):
        shape = _shape_of(str(explicit["image"]), picture, card)
        explicit |= {"height": shape.height, "width": shape.width}
        notes.append(f"a film of {shape.width}x{shape.height}, after the picture")
    own = {name: f"the model's own choice is {value}" for name, value in defaults.items()}
    request = _validated({**defaults, **explicit}, own | {"seed": ""})
    request.shape.validate(Compression(*card.compression), card.patch)
    for require in REQUIREMENTS:
        require(request, card)
    return request, [*notes, *_of_size(request, film)]


def _of_size(request: Request, film: FilmShape | None) -> list[str]:
    """A note on a film that is made smaller for its edit."""
    if film is None or request.edit is None or request.edit.task in ("outpaint", "enhance"):
        return []
    large, size = f"{film.width}x{film.height}", f"{request.width}x{request.height}"
    smaller = film.height > request.height or film.width > request.width
    return [f"the film of {large} is made smaller: {size}"] if smaller else []


def _defaults(card: ModelCard, explicit: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """What a model makes where nothing is said: of few steps its student, where it can; of one
    frame, nothing lies between two.
    """
    defaults = {"seed": 0, **card.defaults.model_dump(exclude={"licence"})}
    steps = explicit.get("steps", card.defaults.steps)
    if "sampler" not in explicit and isinstance(steps, int) and steps <= card.student_steps:
        if setting := untaught(explicit, card):
            notes.append(f"{steps} steps without the student, which knows nothing of {setting}")
        else:
            defaults["sampler"] = FLOW_MAP
    if explicit.get("frames") == 1 and "time" in card.defaults.enhance:
        defaults["enhance"] = "space" if "space" in card.defaults.enhance else "off"
    return defaults


def _is_plain_list(value: object) -> bool:
    return isinstance(value, (list, tuple)) and any(isinstance(one, dict) for one in value)


def _require_sampler(explicit: dict[str, Any], card: ModelCard) -> None:
    """Raise `InputError` for a sampler, or a guidance, that the model has no use for."""
    if (sampler := str(explicit.get("sampler", card.defaults.sampler))) not in card.samplers:
        raise UnknownNameError("sampler", sampler, card.samplers)
    if explicit.get("guidance_low") is not None and card.experts < 2:
        problem = f"guidance_low={explicit['guidance_low']}: {card.id} has no second expert"
        raise InputError(problem, "leave it out", "guidance_low")


def _after_film(
    explicit: dict[str, Any], film: FilmShape | None, card: ModelCard
) -> dict[str, Any]:
    """Frames, size and rate of the film that is edited, where no others are asked for."""
    if film is None:
        return explicit
    edit: Edit = explicit["edit"]
    frames = edits.frame_count(edit, film, card.defaults.frames, card.compression[0])
    follow: dict[str, Any] = {"frames": frames, "fps": film.fps}
    if edit.task == "enhance":  # its own size, as near as it can be
        steps = (card.compression[axis + 1] * card.patch[axis + 1] for axis in range(2))
        height, width = (
            max(1, size // step) * step
            for size, step in zip((film.height, film.width), steps, strict=True)
        )
        return follow | {"height": height, "width": width, "enhance": "space"} | explicit
    if not explicit.keys() & {"height", "width"} and edit.task != "outpaint":
        shape = _shape_of(edit.video, (film.height, film.width), card)
        follow |= {"height": shape.height, "width": shape.width}
    return follow | explicit


def merge(before: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of an earlier request, with those in ``settings`` that are not None in their place.

    A layout belongs to the prompt, seed and shape that it was drawn for, a longer sentence to what
    it was made of, a student to few steps: where one of these changes, they are left out.
    """
    changed = {name: value for name, value in settings.items() if value is not None}
    belong_to = {
        "layout": ("prompt", "seed", "frames", "width", "height", "prompt_used"),
        "prompt_used": ("prompt", "seed", "recaption"),
    }
    for name, sources in belong_to.items():
        if any(one in changed and changed[one] != before.get(one) for one in sources):
            before = {one: value for one, value in before.items() if one != name}
    if "steps" in changed and before.get("sampler") == FLOW_MAP:  # of so many others, perhaps
        before = {one: value for one, value in before.items() if one != "sampler"}
    return before | changed


def random_seed() -> int:
    """A seed where a service is given none, below `MAX_RANDOM_SEED`."""
    return secrets.randbelow(MAX_RANDOM_SEED)


def _validated(values: dict[str, Any], hints: dict[str, str]) -> Request:
    """A `Request` of these values; the first that cannot be used is an `InputError` with its
    hint.
    """
    try:
        return Request(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        allowed = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
        problem = f"{name}={first['input']!r}: {allowed}" if name else allowed
        raise InputError(problem, hints.get(name, ""), name or "interval") from None


def _require_text(name: str, text: Any, may_be_empty: bool) -> None:
    if not isinstance(text, str):
        raise InputError(
            f"{name}={text!r}: must be a sentence", '"a red ball bounces on the grass"', name
        )
    if not text.strip() and not may_be_empty:
        raise InputError(
            "the sentence is empty", 'say what to show: "a red ball bounces on the grass"', name
        )
    if len(text) > MAX_PROMPT_CHARS:
        raise InputError(
            f"{name} has {len(text)} characters: at most {MAX_PROMPT_CHARS}", "say it shorter", name
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{name} is not valid UTF-8", "check the terminal's encoding", name
        ) from None


def _shape_of(name: str, picture: tuple[int, int], card: ModelCard) -> VideoShape:
    """The model's default shape in the proportions of a picture (height, width)."""
    height, width = picture
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise InputError(
            f"{name} is {width}x{height}: too narrow for a film", "cut it, or give a size", "image"
        )
    usual = VideoShape(card.defaults.frames, card.defaults.height, card.defaults.width)
    return usual.in_proportion(picture, Compression(*card.compression), card.patch)
