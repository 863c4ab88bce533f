"""The layout of a film: drawn from its sentence where none is given, checked, and made into what a denoiser is told."""

from torch import Tensor

from praxino.errors import InputError
from praxino.generation.request import Request
from praxino.layout import Layout, LayoutThing
from praxino.models.latent_reader import LatentReader
from praxino.models.layout import LayoutNet, as_tensors, rasterize
from praxino.shapes import LatentShape, VideoShape


def require_paintable(request: Request, network: LayoutNet | None, reader: LatentReader | None) -> None:
    """Raise `InputError` if a model cannot paint the request's layout, or choose the best of several films.

    Parameters
    ----------
    network : LayoutNet, optional
        The model's; it knows which words there are.
    reader : LatentReader, optional
        The model's, by which it chooses.
    """
    if request.best_of > 1 and (network is None or reader is None):
        raise InputError(
            f"best_of={request.best_of}: this model has no latent reader to choose by", "make several with --count"
        )
    if request.layout is not None:
        _require_fitting(request.layout, network, request.shape)


def _require_fitting(layout: Layout, network: LayoutNet | None, shape: VideoShape) -> None:
    if network is None:
        raise InputError("this model takes no layout", "leave --layout out, or name a model that draws layouts")
    if layout.edition != network.config.edition:
        raise InputError(
            f"the layout is of edition {layout.edition} of the world, the model of {network.config.edition}",
            "praxino layout SENTENCE draws one of this edition",
        )
    if layout.frames != shape.frames:
        raise InputError(f"a layout of {layout.frames} frames for {shape.frames}", f"--frames {layout.frames}")
    if abs(layout.aspect - shape.width / shape.height) > 0.01 * layout.aspect:
        raise InputError(
            f"a layout {layout.aspect:g} times as wide as high for a film of {shape.width}x{shape.height}",
            "draw it with the same --size",
        )
    as_tensors([layout], network.config)


def draw(network: LayoutNet, sentence: str, seed: int, shape: VideoShape, temperature: float = 0.5) -> Layout:
    """The layout of a sentence for a film of this shape.

    Longer films than the network draws at once are continued from the last frame of what is there; shorter ones are the
    beginning of a usual one.
    """
    aspect = shape.width / shape.height
    whole = network.draw(sentence, seed, temperature=temperature, aspect=aspect)
    while whole.frames < shape.frames and whole.things:
        more = network.draw(sentence, seed + whole.frames, aspect=aspect, history=whole)
        whole = _joined(whole, more)
    if not whole.things:
        return whole.model_copy(update={"frames": shape.frames})
    things = tuple(thing.model_copy(update={"boxes": thing.boxes[: shape.frames]}) for thing in whole.things)
    return whole.model_copy(update={"frames": shape.frames, "things": things})


def _joined(first: Layout, second: Layout) -> Layout:
    """One layout after another, whose first frame is the first one's last."""
    things: list[LayoutThing] = []
    for before, after in zip(first.things, second.things, strict=True):
        things.append(before.model_copy(update={"boxes": before.boxes + after.boxes[1:]}))
    return first.model_copy(update={"frames": first.frames + second.frames - 1, "things": tuple(things)})


def laid_out(request: Request, network: LayoutNet | None) -> Request:
    """The request with a layout, drawn from its sentence and seed where the model draws layouts and none is given."""
    if network is None or request.layout is not None:
        return request
    return request.model_copy(update={"layout": draw(network, request.prompt, request.seed, request.shape)})


def channels(layout: Layout, network: LayoutNet, shape: LatentShape) -> Tensor:
    """(1, layout channels, t, h, w): what a denoiser is told of a layout."""
    things, there, boxes = as_tensors([layout], network.config)
    return rasterize(things, there, boxes, network.config, (shape.frames, shape.height, shape.width), layout.aspect)
