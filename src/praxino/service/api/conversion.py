"""A body that a client sent becomes a complete `Request`, checked against the model's card."""

from typing import Any, Final

from praxino.cards import ModelCard
from praxino.durations import frames_of, lengthened
from praxino.edits import Enhance, FilmShape, parse_edit
from praxino.errors import InputError
from praxino.generation.memory import Memory
from praxino.request import Request, complete, merge, random_seed
from praxino.service.api.bodies import (
    PARAMETERS,
    EditBody,
    EnhanceCreate,
    GenerationBody,
    ImageCreate,
    RemixCreate,
    VideoCreate,
)
from praxino.service.api.errors import ApiError
from praxino.service.queue.jobs import PRIORITIES, Priority
from praxino.service.queue.quotas import Caller, require_size

PICTURE_SETTINGS: Final = ("image", "last", "references", "edit")
"""Settings that come with files."""
MAX_JSON_SEED: Final = 2**53
"""Seeds above are no exact numbers in JSON."""


def sentences(body: GenerationBody) -> list[str]:
    """The sentences of a body that may mention names."""
    extra = getattr(body, "extra_params", None)
    return [body.prompt, *([extra.prompt_used] if extra and extra.prompt_used else [])]


def to_request(
    body: VideoCreate, card: ModelCard, pictures: dict[str, Any], max_size_factor: int
) -> Request:
    """The request of a body for a film.

    Parameters
    ----------
    pictures : dict
        Settings of the pictures and entities that come with it.

    Raises
    ------
    InputError
        For the first setting that this model or this server cannot use.
    """
    settings = _settings(body)
    if body.size is not None and (body.width, body.height) != (None, None):
        param = "width" if body.width is not None else "height"
        raise ApiError(400, "size says it already", "invalid_value", param)
    if body.seconds is not None:
        frames = frames_of(float(body.seconds), body.fps or card.defaults.fps, card)
        if body.num_frames not in (None, frames):
            problem = (
                f"num_frames={body.num_frames}, but seconds={body.seconds} are {frames} frames"
            )
            raise InputError(problem, "", "frames")
        settings["frames"] = frames
    settings |= _proportions(body, card)
    if body.enable_frame_interpolation:
        axes = (settings.get("enhance") or card.defaults.enhance).split(",")
        settings["enhance"] = "space,time" if "space" in axes else "time"
    return _checked(settings | pictures, card, max_size_factor)


def _proportions(body: VideoCreate, card: ModelCard) -> dict[str, int]:
    """The size that proportions say, and perhaps a shorter side: with about as many pixels as the
    model's own films, where there is none.
    """
    if body.aspect_ratio is None:
        if body.short_edge is not None:
            problem = "short_edge says one side: aspect_ratio says the other"
            raise ApiError(400, problem, "invalid_value", "short_edge")
        return {}
    if (body.size, body.width, body.height) != (None, None, None):
        raise ApiError(400, "the size says it already", "invalid_value", "aspect_ratio")
    width, height = map(int, body.aspect_ratio.split(":"))
    own, steps = card.defaults, [card.compression[i + 1] * card.patch[i + 1] for i in range(2)]
    short = body.short_edge or (own.height * own.width * min(width / height, height / width)) ** 0.5
    scale = short / min(width, height)
    size = [max(1, round(side * scale / step)) * step
            for side, step in zip((height, width), steps, strict=True)]  # fmt: skip
    return {"height": size[0], "width": size[1]}


def to_image_request(
    body: ImageCreate, card: ModelCard, number: int, max_size_factor: int
) -> Request:
    """The request of the image of that number among the ``n`` of a body; errors as in
    `to_request`.
    """
    settings = _settings(body) | {"frames": 1}
    settings["seed"] = (settings["seed"] + number) % MAX_JSON_SEED
    return _checked(settings, card, max_size_factor)


def to_remix(
    before: Request, body: RemixCreate, card: ModelCard, max_size_factor: int, memory: Memory
) -> Request:
    """An earlier request with another prompt, and other noise if the body has a seed; errors as in
    `to_request`.
    """
    settings = merge(before.model_dump(), {"prompt": body.prompt, "seed": body.seed})
    settings["references"] = memory.resolve(body.prompt, before.references)
    return _checked(settings, card, max_size_factor)


def to_edit(
    body: EditBody,
    edit: dict[str, Any],
    card: ModelCard,
    pictures: dict[str, Any],
    film: FilmShape,
    max_size_factor: int,
) -> Request:
    """The request of a body for a film that is made from another one, of shape ``film``; errors as
    in `to_request`.

    Parameters
    ----------
    edit : dict
        As `praxino.edits.parse_edit` takes it.
    """
    settings = _settings(body) | pictures | {"edit": parse_edit(edit)}
    if body.seconds is not None:
        frames = frames_of(float(body.seconds), film.fps, card)
        settings["frames"] = lengthened(settings["edit"], film.frames, frames, card.compression[0])
    return _checked(settings, card, max_size_factor, film)


def to_enhance(
    before: Request,
    body: EnhanceCreate,
    name: str,
    card: ModelCard,
    film: FilmShape,
    max_size_factor: int,
) -> Request:
    """The request that makes the film of an earlier one larger, or faster; errors as in
    `to_request`.

    Parameters
    ----------
    name : str
        Of the film's file.
    film : FilmShape
        Its shape.
    """
    kept = ("prompt", "prompt_used", "recaption", "negative", "seed", "references", "loras")
    settings = {setting: getattr(before, setting) for setting in kept}
    settings |= {"edit": Enhance(video=name), "enhance": body.enhance}
    return _checked(settings, card, max_size_factor, film)


def to_priority(name: Priority, caller: Caller) -> int:
    """The number of a priority; raises `ApiError` 403 if the caller may not use it."""
    number = PRIORITIES[name]
    if number <= caller.quota.priority:
        return number
    if name == "normal":  # the body's default: callers of low priority need not send it
        return caller.quota.priority
    raise ApiError(
        403, f"priority {name!r} is not allowed with this key", "not_allowed", "priority"
    )


def _settings(body: GenerationBody) -> dict[str, Any]:
    """Fields of `Request` from those of a body; what the body leaves open is None, but for the
    seed.
    """
    settings = {
        name: getattr(body, parameter, None)
        for name, parameter in PARAMETERS.items()
        if name not in PICTURE_SETTINGS
    }
    if body.size is not None:
        settings["width"], settings["height"] = map(int, body.size.split("x"))
    if settings["seed"] is None:
        settings["seed"] = random_seed()
    extra = getattr(body, "extra_params", None)
    return settings | (extra.model_dump(exclude_none=True) if extra is not None else {})


def _checked(
    settings: dict[str, Any],
    card: ModelCard,
    max_size_factor: int,
    film: FilmShape | None = None,
) -> Request:
    request, _ = complete(card, settings, film=film)
    require_size(request, card, max_size_factor)
    return request
