"""The layout of a film: drawn from its sentence where none is given, checked, and made into what a
denoiser is told.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from praxino.layout import Layout, LayoutThing
from praxino.models.latent_reader import LatentReader
from praxino.models.layout import LayoutNet, as_tensors, rasterize
from praxino.request import Request
from praxino.shapes import LatentShape, VideoShape


def require_known_words(layout: Layout, network: LayoutNet) -> None:
    """Raise `InputError` if a layout has kinds, colours or motions that the network does not
    know.
    """
    as_tensors([layout], network.config)


def draw(
    network: LayoutNet, sentence: str, seed: int, shape: VideoShape, temperature: float = 0.5
) -> Layout:
    """The layout of a sentence for a film of this shape.

    Longer films than the network draws at once are continued from the last frame of what is there;
    shorter ones are the beginning of a usual one.
    """
    aspect = shape.width / shape.height
    whole = network.draw(sentence, seed, temperature=temperature, aspect=aspect)
    while whole.frames < shape.frames and whole.things:
        more = network.draw(sentence, seed + whole.frames, aspect=aspect, history=whole)
        whole = _joined(whole, more)
    if not whole.things:
        return whole.model_copy(update={"frames": shape.frames})
    things = tuple(
        thing.model_copy(update={"boxes": thing.boxes[: shape.frames]}) for thing in whole.things
    )
    return whole.model_copy(update={"frames": shape.frames, "things": things})


def _joined(first: Layout, second: Layout) -> Layout:
    """One layout after another, whose first frame is the first one's last."""
    things: list[LayoutThing] = []
    for before, after in zip(first.things, second.things, strict=True):
        things.append(before.model_copy(update={"boxes": before.boxes + after.boxes[1:]}))
    return first.model_copy(
        update={"frames": first.frames + second.frames - 1, "things": tuple(things)}
    )


def laid_out(request: Request, network: LayoutNet | None, sentence: str) -> Request:
    """The request with a layout, drawn from its sentence, as the model reads it, and its seed where
    the model draws layouts and none is given.
    """
    if network is None or request.layout is not None:
        return request
    return request.model_copy(
        update={"layout": draw(network, sentence, request.seed, request.shape)}
    )


@torch.inference_mode()
def best(reader: LatentReader, rasters: Sequence[Tensor | None], latents: Sequence[Tensor]) -> int:
    """Which of several films (1, C, t, h, w) shows its own layout, as `channels` has it, best."""
    scores = [
        float(reader.agreement(latent.cpu().float(), raster.cpu()))
        for latent, raster in zip(latents, rasters, strict=True)
        if raster is not None
    ]
    return int(np.argmax(scores))


def channels(layout: Layout, network: LayoutNet, shape: LatentShape) -> Tensor:
    """(1, layout channels, t, h, w): what a denoiser is told of a layout."""
    things, there, boxes = as_tensors([layout], network.config)
    return rasterize(
        things,
        there,
        boxes,
        network.config,
        (shape.frames, shape.height, shape.width),
        layout.aspect,
    )
