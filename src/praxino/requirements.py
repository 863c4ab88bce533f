"""What a model can carry out: requests that it cannot are refused, before anything is loaded."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from praxino.cards import FLOW_MAP, Enhance, ModelCard
from praxino.edits import Edit, Extend
from praxino.errors import InputError, ShapeError
from praxino.layout import ASPECT_TOLERANCE
from praxino.references import SHOWN_KINDS, require_references

if TYPE_CHECKING:
    from praxino.request import Request


def untaught(settings: Mapping[str, Any], card: ModelCard) -> str:
    """The first of some settings that a student cannot follow: what guidance draws away from, what
    changes the denoiser, and differences of two sentences; "" if there is none.
    """
    usual = {"negative": card.defaults.negative, "interval": (0.0, 1.0)}
    names = ("negative", "loras", "reference_guidance", "rescale", "interval", "cache")
    for name in names:
        if settings.get(name) and settings[name] != usual.get(name):
            return name
    edit = settings.get("edit")
    task = edit.get("task") if isinstance(edit, dict) else getattr(edit, "task", "")
    return "edit" if task == "restyle" else ""


def _require_sentence(request: "Request", card: ModelCard) -> None:
    """Raise `InputError` for a name that nothing stands for, or a longer sentence that nobody here
    can write.
    """
    require_references(request.prompt, request.references)
    require_references(request.prompt_used, request.references)
    if request.recaption == "grammar" and not card.grammar:
        problem = f"recaption=grammar: it knows nothing of what {card.id} shows"
        raise InputError(problem, "off, or llm", "recaption")


def _require_pictures(request: "Request", card: ModelCard) -> None:
    """Raise `InputError` if the model cannot make a film from the pictures that are given, or from
    none.
    """
    if request.edit is not None and not card.needs_picture:
        _require_open_ends(request, request.edit)
    elif request.last and not request.image:
        raise InputError("a last frame without a first one", "give the first frame, too", "last")
    if request.image and not card.pictures:
        problem = f"{card.id} makes films from text only"
        raise InputError(problem, "leave the picture out, or name another model", "image")
    if request.frames == 1 and (request.image or card.needs_picture):
        raise ShapeError(
            "frames=1: an image cannot continue an image", "a film has 5 frames or more", "frames"
        )
    if card.needs_picture and not request.image:
        raise InputError(f"{card.id} begins with a picture", "give the first frame", "image")
    if card.last_picture == "required" and not request.last:
        raise InputError(
            f"{card.id} goes from a first to a last frame", "give the last frame, too", "last"
        )
    if card.last_picture == "none" and request.last:
        raise InputError(
            f"{card.id} takes no last frame",
            "leave it out, or name a model for first and last",
            "last",
        )


def _require_open_ends(request: "Request", edit: Edit) -> None:
    """Raise `InputError` for a first or last picture where a film says how the new one begins or
    ends.
    """
    open_end = ("image" if edit.backward else "last") if isinstance(edit, Extend) else ""
    for name in ("image", "last"):
        if getattr(request, name) and name != open_end:
            raise InputError(
                f"{edit.task}: the film says itself what is there", "leave it out", name
            )


def _require_edit(request: "Request", card: ModelCard) -> None:
    """Raise `InputError` if the model cannot do the request's task."""
    edit = request.edit
    if edit is None:
        return
    if edit.task not in card.edits:
        raise InputError(
            f"{card.id} cannot {edit.task} a film",
            f"it can {' '.join(card.edits)}" if card.edits else "name another model",
            "edit",
        )
    if request.best_of > 1:
        raise InputError(
            f"best_of={request.best_of}: an edit shows no layout of its own", "1", "best_of"
        )


def _require_pictured(request: "Request", card: ModelCard) -> None:
    """Raise `InputError` for a guidance by pictures of entities, where the model is given none."""
    if request.reference_guidance is None:
        return
    able = [one for one in request.references if one.pictures and one.strength > 0]
    if request.guidance == 1 or request.guidance_low == 1:
        raise InputError(
            f"reference_guidance={request.reference_guidance:g}: nothing is guided",
            "a guidance above 1",
            "reference_guidance",
        )
    if not ((card.slots or card.stand_in) and any(one.kind in SHOWN_KINDS for one in able)):
        raise InputError(
            f"reference_guidance={request.reference_guidance:g}: {card.id} is given no pictures",
            "leave it out",
            "reference_guidance",
        )


def require_refiner(enhance: Enhance, card: ModelCard) -> None:
    """Raise `InputError` if a film is to be enlarged by a model that has nothing for it."""
    if enhance != "off" and not card.refines:
        raise InputError(f"enhance={enhance}: {card.id} has no refiner", "off", "enhance")


def _require_enhance(request: "Request", card: ModelCard) -> None:
    """Raise `InputError` if the film cannot be enlarged as is asked for."""
    if request.edit is not None and request.edit.task == "enhance" and request.enhance == "off":
        raise InputError("enhance=off: nothing is left to do", "space, time or both", "enhance")
    require_refiner(request.enhance, card)
    if "time" in request.enhanced_axes and request.frames == 1:
        raise InputError(
            f"enhance={request.enhance}: one frame has no time between", "space", "enhance"
        )


def _require_layout(request: "Request", card: ModelCard) -> None:
    """Raise `InputError` if the model cannot paint the request's layout, or choose the best of
    several films.
    """
    if request.best_of > 1 and not card.chooses:
        problem = f"best_of={request.best_of}: {card.id} has no latent reader to choose by"
        raise InputError(problem, "make several films", "best_of")
    layout = request.layout
    if layout is None:
        return
    if not card.layout_edition:
        raise InputError(
            f"{card.id} takes no layout",
            "leave it out, or name a model that draws layouts",
            "layout",
        )
    if layout.edition != card.layout_edition:
        raise InputError(
            f"the layout is of edition {layout.edition} of the world, the model of "
            f"{card.layout_edition}",
            "praxino layout SENTENCE draws one of this edition",
            "layout",
        )
    for name in (thing.name for thing in layout.things if thing.name):
        if name.lower() not in (one.name.lower() for one in request.references):
            problem = f"the layout calls a thing @{name}, whom the sentence does not mention"
            raise InputError(problem, f"@{name} in the sentence, or another name", "layout")
    if layout.frames != request.frames:
        raise InputError(
            f"a layout of {layout.frames} frames for {request.frames}",
            f"give it {layout.frames} frames, too",
            "layout",
        )
    if abs(layout.aspect - request.width / request.height) > ASPECT_TOLERANCE * layout.aspect:
        raise InputError(
            f"a layout {layout.aspect:g} times as wide as high for a film of "
            f"{request.width}x{request.height}",
            "draw it for the same size",
            "layout",
        )


def _require_teachable(request: "Request", card: ModelCard) -> None:
    """Raise `InputError` for what a model's student was not taught."""
    if request.sampler != FLOW_MAP:
        return
    low, high = card.student_guidance
    setting = untaught(request.model_dump(), card)
    problem = f"{setting}: the student of {card.id} knows nothing of it"
    if not low <= request.guidance <= high:
        setting = "guidance"
        problem = f"guidance={request.guidance:g}: the student takes {low:g} to {high:g}"
    if setting:
        raise InputError(problem, f"{card.student_steps + 1} steps or more", setting)


def _require_one_window(request: "Request", card: ModelCard) -> None:
    """Raise `InputError` for what a film that is made window by window cannot have."""
    if not 0 < card.window < request.frames or request.edit is not None:
        return
    for name, value in (("best_of", request.best_of > 1), ("noise_mark", request.noise_mark)):
        if value:
            problem = f"{name}: {card.id} makes {card.window} frames at a time"
            raise InputError(problem, f"leave it out, or {card.window} frames", name)


REQUIREMENTS: Final = (
    _require_sentence,
    _require_pictures,
    _require_pictured,
    _require_layout,
    _require_edit,
    _require_enhance,
    _require_teachable,
    _require_one_window,
)
"""What raises `InputError` for a request that a model cannot carry out, the first problem first."""
