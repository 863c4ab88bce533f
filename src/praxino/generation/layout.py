"""The layout of a film: drawn from its sentence where none is given, checked, and made into what a
denoiser is told.
"""

import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from praxino.layout import Layout, LayoutThing
from praxino.models.latent_reader import LatentReader
from praxino.models.layout import LayoutNet
from praxino.models.pictures import Pictures
from praxino.models.raster import as_tensors, draw_portraits, portraits_of, rasterize
from praxino.request import Request
from praxino.shapes import LatentShape, VideoShape

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline


ATTEMPTS: Final = 6
"""Layouts that are drawn, at most, until things hide one another little enough."""
CROWDED: Final = 0.5
"""Overlap of two things that nine of ten scenes of the world do not reach."""
NEXT_SEED: Final = 1_000_003
"""From one attempt's seed to the next one's."""
WAY_FRAMES: Final = 8
"""Frames that say which way a thing goes, and how fast."""
LEAST_SPEED: Final = 0.004
"""Picture heights a frame, below which a thing stands."""


def require_known_words(layout: Layout, network: LayoutNet) -> None:
    """Raise `InputError` if a layout has kinds, colours or motions that the network does not
    know.
    """
    as_tensors([layout], network.config)


def draw(
    network: LayoutNet, sentence: str, seed: int, shape: VideoShape, temperature: float = 0.5
) -> Layout:
    """The layout of a sentence for a film of this shape.

    Where things hide one another more than they do in nine of ten scenes of the world, it is drawn
    again. Longer films than the network draws at once are continued from the last frame of what is
    there, where what has left the picture at one side comes in at the other; shorter ones are the
    beginning of a usual one.
    """
    aspect, drawn = shape.width / shape.height, list[Layout]()
    for attempt in range(ATTEMPTS):
        own = seed + attempt * NEXT_SEED
        drawn.append(network.draw(sentence, own, temperature=temperature, aspect=aspect))
        if crowding(drawn[-1]) <= CROWDED:
            break
    whole = min(drawn, key=crowding)
    return cut(_lengthened(network, whole, sentence, seed, shape.frames), 0, shape.frames)


def go_on(
    network: LayoutNet, old: Layout, sentence: str, seed: int, frames: int, rewrite: bool = False
) -> Layout:
    """A layout of so many frames, of which the first is the last of ``old``; ``rewrite`` as of
    `LayoutNet.draw`.
    """
    more = _behind(network, old, sentence, seed, rewrite)
    return cut(_lengthened(network, more, sentence, seed, frames), 0, frames)


def crowding(layout: Layout) -> float:
    """The part of the smaller one that two things have in common, on average over frames, of the
    two that have most; 0 for one thing.
    """
    most = 0.0
    for one, other in itertools.combinations(layout.things, 2):
        a, b = np.array(one.boxes), np.array(other.boxes)
        low = np.maximum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
        high = np.minimum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
        common = (high - low).clip(0).prod(1)
        smaller = np.minimum(a[:, 2:].prod(1), b[:, 2:].prod(1))
        most = max(most, float((common / smaller).mean()))
    return most


def _lengthened(network: LayoutNet, whole: Layout, sentence: str, seed: int, frames: int) -> Layout:
    """A layout of so many frames, or more: its things go on."""
    while whole.frames < frames and whole.things:
        whole = _joined(whole, _behind(network, whole, sentence, seed + whole.frames))
    return whole


def _behind(
    network: LayoutNet, old: Layout, sentence: str, seed: int, rewrite: bool = False
) -> Layout:
    """What the network draws from the last frame of a layout on; things that are leaving leave, and
    come in at the opposite side.
    """
    now = _around(cut(old, old.frames - 1, old.frames))
    more = network.draw(sentence, seed, aspect=old.aspect, history=now, rewrite=rewrite)
    speeds = {thing.boxes[-1]: _speed(thing) for thing in old.things}
    things = [
        _leaving(thing, speeds.get(thing.boxes[0], 0.0), more.aspect) for thing in more.things
    ]
    return more.model_copy(update={"things": tuple(things)})


def _speed(thing: LayoutThing) -> float:
    """Picture heights a frame to the right, on the last frames; 0 for one that hardly moves."""
    way = thing.boxes[-WAY_FRAMES:]
    speed = (way[-1].x - way[0].x) / max(1, len(way) - 1)
    return speed if abs(speed) > LEAST_SPEED else 0.0


def _leaving(thing: LayoutThing, speed: float, aspect: float) -> LayoutThing:
    """A thing whose way leads out of the picture, where it is partly already, goes on evenly:
    scenes of training seldom begin so, and the network lets it wait there.
    """
    first = thing.boxes[0]
    outside = first.x + first.width / 2 > aspect if speed > 0 else first.x < first.width / 2
    if not speed or not outside:
        return thing
    low, length = -first.width / 2, aspect + first.width
    boxes = [
        box._replace(x=round(low + (first.x + speed * frame - low) % length, 4), y=first.y)
        for frame, box in enumerate(thing.boxes)
    ]
    return thing.model_copy(update={"boxes": (first, *boxes[1:])})


def _joined(first: Layout, second: Layout) -> Layout:
    """One layout after another, whose first frame is the first one's last."""
    things: list[LayoutThing] = []
    for before, after in zip(first.things, second.things, strict=True):
        things.append(before.model_copy(update={"boxes": before.boxes + after.boxes[1:]}))
    return first.model_copy(
        update={"frames": first.frames + second.frames - 1, "things": tuple(things)}
    )


class LayoutStream:
    """Layouts of a film that goes on, stretch by stretch, and may turn to another sentence.

    Parameters
    ----------
    network : LayoutNet
    seed : int
        Equal seeds and sentences draw equal layouts.
    plan : Layout, optional
        Of ``sentence``, for as long as it lasts.
    """

    def __init__(
        self, network: LayoutNet, seed: int, plan: Layout | None = None, sentence: str = ""
    ) -> None:
        self.network, self.seed = network, seed
        self._plan, self._sentence = plan, sentence
        self._frame = self._first = 0

    def next(self, sentence: str, shape: VideoShape) -> Layout:
        """The layout of the next ``shape.frames`` frames, of which the first is the last one before
        them, if there were any.
        """
        plan, end, same = self._plan, self._frame + shape.frames, sentence == self._sentence
        if plan is None or not same or end > plan.frames:
            seed = self.seed + self._first
            if plan is None:
                plan = draw(self.network, sentence, seed, shape)
            else:
                old = cut(plan, 0, self._frame + 1)
                usual = max(shape.frames, self.network.config.frames)
                plan = go_on(self.network, old, sentence, seed, usual, rewrite=not same)
            self._plan, self._sentence, self._frame = plan, sentence, 0
        layout = cut(plan, self._frame, self._frame + shape.frames)
        self._frame += shape.frames - 1
        self._first += shape.frames - 1
        return layout


def at(layout: Layout, frames: Sequence[int]) -> Layout:
    """A layout of these of its frames, in this order."""
    things = tuple(
        thing.model_copy(update={"boxes": tuple(thing.boxes[frame] for frame in frames)})
        for thing in layout.things
    )
    return layout.model_copy(update={"frames": len(frames), "things": things})


def cut(layout: Layout, start: int, end: int) -> Layout:
    """Some frames of a layout."""
    return at(layout, range(start, end))


def _around(layout: Layout) -> Layout:
    """A layout of one frame, in which what has left at a side is about to come in at the other."""
    things = []
    for thing in layout.things:
        (box,) = thing.boxes
        x = _opposite(box.x, box.width, layout.aspect)
        y = _opposite(box.y, box.height, 1.0)
        things.append(thing.model_copy(update={"boxes": (box._replace(x=x, y=y),)}))
    return layout.model_copy(update={"things": tuple(things)})


def _opposite(middle: float, size: float, length: float) -> float:
    """Where the middle of something of this size is, or comes in if it is beyond an end."""
    if middle < -size / 2:
        return length + size / 2
    return -size / 2 if middle > length + size / 2 else middle


def laid_out(pipeline: "Pipeline", request: Request) -> Request:
    """The request with a layout, drawn from its sentence, as the model reads it, and its seed where
    the model draws layouts and none is given; its things have the names of the entities that they
    are.
    """
    if (network := pipeline.model.layout) is None:
        return request
    layout = request.layout
    if layout is None:
        sentence = things_first(pipeline.sentence(request), network)
        layout = draw(network, sentence, request.seed, request.shape)
    if request.references:
        from praxino.generation import entities

        layout = entities.named(layout, request, pipeline.card)
    return request.model_copy(update={"layout": layout})


def things_first(sentence: str, network: LayoutNet) -> str:
    """A sentence whose first clause, if it names no thing, stands at the end: captions begin with
    what there is, and the network draws it twice where they do not.
    """
    first, stop, rest = sentence.partition(". ")
    if not stop:
        first, stop, rest = sentence.partition(", ")
    if not stop:
        return sentence
    from praxino.data.diorama.phrases import NOUNS, PLURALS

    nouns = {noun for table in (NOUNS, PLURALS) for kind in network.config.kinds
             for phrase in table.get(kind, ()) for noun in phrase.split()}  # fmt: skip
    words = lambda text: set(re.findall(r"[a-z]+", text.lower()))  # noqa: E731
    if words(first) & nouns or not words(rest) & nouns:
        return sentence
    return f"{rest.rstrip('.')}, {first[:1].lower()}{first[1:]}"


@torch.inference_mode()
def best(reader: LatentReader, rasters: Sequence[Tensor | None], latents: Sequence[Tensor]) -> int:
    """Which of several films (1, C, t, h, w) shows its own layout, as `channels` has it, best."""
    scores = [
        float(reader.agreement(latent.cpu().float(), raster.cpu()))
        for latent, raster in zip(latents, rasters, strict=True)
        if raster is not None
    ]
    return int(np.argmax(scores))


def channels(
    pipeline: "Pipeline",
    request: Request,
    layout: Layout,
    shape: LatentShape,
    pictures: Pictures | None = None,
) -> Tensor:
    """(1, layout channels, t, h, w): what a denoiser is told of a layout.

    Where it takes portraits, things that are entities of the request have theirs, made of
    ``pictures``, in place of a colour.
    """
    network = pipeline.model.layout
    assert network is not None
    things, there, boxes = as_tensors([layout], network.config)
    grid, config = (shape.frames, shape.height, shape.width), network.config
    if pictures is None or not pipeline.model.dit.config.portraits:
        return rasterize(things, there, boxes, config, grid, layout.aspect).to(pipeline.device)
    from praxino.generation import entities

    slots = entities.slots_of(layout, request, pipeline.card)
    portraits, present = portraits_of(pictures.rows(slice(0, 1)).to(slots.device), slots)
    raster = rasterize(things, there, boxes, config, grid, layout.aspect, coloured=~present)
    drawn = draw_portraits(portraits, present, things, boxes, config, grid, layout.aspect)
    return torch.cat([raster, drawn], dim=1).to(pipeline.device)
