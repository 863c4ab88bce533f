"""What a client sent becomes an order: held against what the model can make, complete, before anybody works on it."""

import math
import secrets
from typing import Any, Final

from praxino.errors import PraxinoError, UnknownNameError
from praxino.service.api.auth import Caller
from praxino.service.api.errors import ApiError
from praxino.service.api.schemas import GenerationBody, ImageCreate, RemixCreate, VideoCreate
from praxino.service.queue.jobs import PRIORITIES, Priority
from praxino.service.queue.store import Store
from praxino.shapes import Compression, VideoShape

Card = dict[str, Any]

MIN_LARGEST_PIXELS: Final = 17 * 256 * 256
"""Pixels of a film that any model may be asked for, over all its frames."""


def cards(store: Store) -> list[tuple[bool, Card]]:
    """Every model that a worker of the last day had, once, with whether one that lives has it."""
    found: dict[str, tuple[bool, Card]] = {}
    for alive, about in store.workers():
        for card in about["models"]:
            if card["id"] not in found or (alive and not found[card["id"]][0]):
                found[card["id"]] = (alive, card)
    return sorted(found.values(), key=lambda each: (not each[0], each[1]["id"]))


def chosen(store: Store, name: str | None, default: str | None) -> Card:
    """The card of the model asked for, or of the server's first one."""
    known = {card["id"]: card for _, card in cards(store)}
    if not known:
        raise ApiError(503, "no worker has come up yet: try again soon", "no_worker", Retry_After="5")
    if name is None:
        if default is not None and default not in known:
            text = f"no worker has the model {default!r}: ask for another by its name, {', '.join(known)}"
            raise ApiError(503, text, "no_worker", "model")
        return known[default] if default else next(iter(known.values()))
    if name not in known:
        raise ApiError(400, str(UnknownNameError("model", name, known)), "unknown_model", "model")
    return known[name]


def film(asked: VideoCreate, card: Card, picture: bool, largest: int) -> dict[str, Any]:
    """All settings of a film, as `Pipeline.request` takes them, but for the picture's name.

    Raises
    ------
    ApiError
        400, naming the parameter, for what this model cannot make.
    """
    if picture and not card["pictures"]:
        raise _bad(f"{card['id']} makes films from text only", "input_reference")
    if card["needs_picture"] and not picture:
        raise _bad(f"{card['id']} begins with a picture", "input_reference")
    order = _common(asked, card)
    order["fps"] = asked.fps if asked.fps is not None else order["fps"]
    if asked.size is None:
        order["width"] = asked.width or order["width"]
        order["height"] = asked.height or order["height"]
    elif (asked.width, asked.height) != (None, None):
        raise _bad("size says it already", "width" if asked.width is not None else "height")
    order["frames"] = _frames(asked, order["fps"], order["frames"], card)
    if picture and order["frames"] == 1:
        raise _bad("num_frames=1: a picture from a picture. hint: a film has 5 frames or more", "num_frames")
    if asked.extra_params is not None:
        order |= asked.extra_params.model_dump(exclude_none=True)
        if order["sampler"] not in card["samplers"]:
            raise _bad(str(UnknownNameError("sampler", order["sampler"], card["samplers"])), "extra_params.sampler")
        low, high = order.get("interval", (0.0, 1.0))
        if low > high:
            raise _bad("interval: two times from 0 to 1, the lower first", "extra_params.interval")
    _check_shape(order, card, largest)
    return order


def remix_request(before: dict[str, Any], asked: RemixCreate, card: Card, largest: int) -> dict[str, Any]:
    """The settings of a film that is to be made again with another sentence, or of other noise."""
    order = before | {"prompt": asked.prompt} | ({} if asked.seed is None else {"seed": asked.seed})
    _check_shape(order, card, largest)
    return order


def image(asked: ImageCreate, card: Card, number: int, largest: int) -> dict[str, Any]:
    """All settings of the picture of that number."""
    if card["needs_picture"]:
        raise _bad(f"{card['id']} begins with a picture, and makes films", "model")
    order = _common(asked, card) | {"frames": 1}
    order["seed"] = (order["seed"] + number) % 2**53
    _check_shape(order, card, largest)
    return order


def priority(asked: Priority, who: Caller) -> int:
    """The number of a priority, if it is the caller's to ask for."""
    wanted = PRIORITIES[asked]
    if wanted > who.limits.priority:
        if asked == "normal":  # what is sent where nothing is asked for
            return who.limits.priority
        raise ApiError(403, f"priority {asked!r} is not allowed with this key", "not_allowed", "priority")
    return wanted


def _common(asked: GenerationBody, card: Card) -> dict[str, Any]:
    own = card["defaults"]
    order: dict[str, Any] = {
        "prompt": asked.prompt,
        "negative": asked.negative_prompt if asked.negative_prompt is not None else own["negative"],
        "seed": asked.seed if asked.seed is not None else secrets.randbelow(2**31),
        "steps": asked.num_inference_steps or own["steps"],
        "guidance": asked.guidance_scale if asked.guidance_scale is not None else own["guidance"],
        "sampler": own["sampler"],
        "frames": own["frames"],
        "width": own["width"],
        "height": own["height"],
        "fps": own["fps"],
        "shift": asked.flow_shift if asked.flow_shift is not None else own["shift"],
    }
    if asked.guidance_scale_2 is not None:
        if card["experts"] < 2:
            raise _bad(f"{card['id']} has no second expert", "guidance_scale_2")
        order["guidance_low"] = asked.guidance_scale_2
    if asked.size is not None:
        order["width"], order["height"] = map(int, asked.size.split("x"))
    for name in ("prompt", "negative"):
        if any(0xD800 <= ord(letter) <= 0xDFFF for letter in order[name]):
            raise _bad("not valid Unicode", "prompt" if name == "prompt" else "negative_prompt")
    return order


def _frames(asked: VideoCreate, fps: float, own: int, card: Card) -> int:
    """Of ``num_frames``, or of seconds from the first frame to the last; never rounded."""
    if asked.seconds is None:
        return asked.num_frames or own
    gaps = float(asked.seconds) * fps
    step = card["compression"][0] * card["patch"][0]
    near = [step * math.floor(gaps / step), step * math.ceil(gaps / step)]
    if not math.isclose(gaps, round(gaps), abs_tol=1e-6) or round(gaps) % step:
        short = [f"{each / fps:.3f}".rstrip("0").rstrip(".") for each in near if each]
        even = [text for text in short if math.isclose(float(text) * fps, round(float(text) * fps), abs_tol=1e-6)]
        raise _bad(
            f"seconds={asked.seconds}: {gaps:g} frames after the first, must be a multiple of {step}. "
            f"hint: {' or '.join(even) + ', or ' if even else ''}num_frames",
            "seconds",
        )
    frames = round(gaps) + 1
    if asked.num_frames not in (None, frames):
        raise _bad(f"num_frames={asked.num_frames}, but seconds={asked.seconds} are {frames} frames", "num_frames")
    return frames


def _check_shape(order: dict[str, Any], card: Card, largest: int) -> None:
    shape = VideoShape(order["frames"], order["height"], order["width"])
    try:
        shape.check(Compression(*card["compression"]), tuple(card["patch"]))
    except PraxinoError as error:
        raise _bad(str(error), "num_frames" if "frames=" in str(error) else "size") from None
    own = card["defaults"]
    most = max(MIN_LARGEST_PIXELS, largest * own["frames"] * own["height"] * own["width"])
    if shape.frames * shape.height * shape.width > most:
        fits = most // (shape.height * shape.width)
        hint = f"at this size no more than {fits} frames" if fits > 1 else f"{own['width']}x{own['height']}"
        raise _bad(
            f"{shape.frames} frames of {order['width']}x{order['height']}: too much for here. hint: {hint}", "size"
        )


def _bad(message: str, param: str) -> ApiError:
    return ApiError(400, message, "invalid_value", param)
