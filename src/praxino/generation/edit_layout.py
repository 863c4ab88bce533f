"""Where things are in a film that is made from others: where those have them, and on from there.

What a film's record says of its layout holds for its frames in the new film, too. Before them
things come from where their way points back to; between two films they go straight from one to the
other; behind them the layout network goes on.

Legend: F frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from praxino.edits import Extend, Inpaint, Outpaint
from praxino.errors import InputError
from praxino.generation import entities
from praxino.generation.films import GivenVideo, recorded_sentence
from praxino.generation.layout import cut, go_on, require_known_words
from praxino.generation.timeline import Timeline
from praxino.layout import (
    ASPECT_TOLERANCE,
    MAX_DISTANCE,
    MAX_FRAMES,
    MAX_THINGS,
    Box,
    Layout,
    LayoutThing,
)
from praxino.request import Request

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline

Boxes = NDArray[np.float64]
"""(F, 4); NaN in frames of which nothing is known."""
AWAY: Final = Box(-2.0, 0.5, 0.1, 0.1)
"""Where things are in frames that do not show them."""
WAY_FRAMES: Final = 8
"""Frames that say which way a thing goes."""
MOSTLY: Final = 0.5
"""Part of a thing that is made anew, from which on it is another one."""


@dataclass(eq=False)
class Track:
    """A thing, and where it is."""

    thing: LayoutThing
    boxes: Boxes

    @property
    def name(self) -> tuple[str, str]:
        """By which it is known again in another film."""
        return self.thing.kind, self.thing.colour


def follow(
    pipeline: "Pipeline", request: Request, timeline: Timeline, films: Mapping[str, GivenVideo]
) -> tuple[Request, Layout | None]:
    """A request with the layout of the frames that it makes, and the layout of the whole film;
    unchanged, and None, where one is given, or a film has none that the model can be told.
    """
    network, edit, frames = pipeline.model.layout, request.edit, request.frames
    if network is None or request.layout is not None or edit is None:
        return request, None
    layouts = [
        own_layout(pipeline, request, films[stretch.film], timeline.inner)
        for stretch in timeline.stretches
    ]
    before, count = len(timeline.before), timeline.length + len(timeline.after)
    length = before + max(frames, count)
    if not layouts or length > MAX_FRAMES:
        return request, None
    tracks: list[Track] = []
    for stretch, layout in zip(timeline.stretches, layouts, strict=True):
        if layout is None:
            return request, None
        tracks = _with(tracks, layout, stretch.start, length)
    tracks = [Track(track.thing, _filled(track.boxes)) for track in tracks]
    sentence = pipeline.sentence(request)
    changed = films[edit.video].sentence != recorded_sentence(request.model_dump())
    first = layouts[0]
    assert first is not None
    if isinstance(edit, Extend) and not edit.backward:
        more = length - first.frames + 1
        grown = go_on(network, first, sentence, request.seed, more, rewrite=changed)
        tracks = _going_on(tracks, grown, first.frames - 1, length)
    elif changed and not isinstance(edit, Extend) and len(layouts) == 1:
        drawn = pipeline.laid_out(request).layout
        assert drawn is not None
        tracks = _changed(tracks, drawn, timeline, isinstance(edit, Inpaint | Outpaint))
    whole = _layout(first, tracks, length)
    whole = entities.named(whole, request, pipeline.card) if request.references else whole
    own = cut(whole, before, before + frames)
    result = cut(whole, 0, before + count)
    return request.model_copy(update={"layout": own}), result


def own_layout(
    pipeline: "Pipeline",
    request: Request,
    film: GivenVideo,
    inner: tuple[int, int, int, int] | None = None,
) -> Layout | None:
    """A film's own layout in the request's picture, if the model can be told it; anybody may write
    a record.

    Parameters
    ----------
    inner : (int, int, int, int), optional
        Top, left, height and width in pixels that the film has there; without them, all of it.
    """
    network, old = pipeline.model.layout, film.layout
    if network is None or old is None or old.edition != network.config.edition:
        return None
    try:
        require_known_words(old, network)
    except InputError:
        return None
    height, width = film.frames.shape[1:3]
    if abs(old.aspect * height / width - 1) > ASPECT_TOLERANCE:
        return None
    aspect = request.width / request.height
    if inner is None and abs(old.aspect / aspect - 1) > ASPECT_TOLERANCE:
        return None
    old = _resampled(old, len(film.frames))
    if inner is None:
        return old
    top, left, high, _ = inner
    scale = np.array([high] * 4) / request.height
    place = np.array([left, top, 0, 0]) / request.height
    things = [_moved(thing, _boxes(thing) * scale + place) for thing in old.things]
    return old.model_copy(update={"aspect": aspect, "things": tuple(things)})


def _resampled(layout: Layout, frames: int) -> Layout:
    """A layout of as long, in so many frames: films may have been made faster."""
    if frames == layout.frames:
        return layout
    at = np.linspace(0, layout.frames - 1, frames)
    places = np.arange(layout.frames)
    things = []
    for thing in layout.things:
        columns = [np.interp(at, places, column) for column in _boxes(thing).T]
        things.append(_moved(thing, np.stack(columns, axis=1)))
    return layout.model_copy(update={"frames": frames, "things": tuple(things)})


def _with(tracks: Sequence[Track], layout: Layout, start: int, length: int) -> list[Track]:
    """Tracks of ``length`` frames, which are also known as a layout has them, from frame ``start``
    on.
    """
    free, result = list(layout.things), []
    end = min(length, start + layout.frames)
    for track in tracks:
        same = next((one for one in free if (one.kind, one.colour) == track.name), None)
        boxes = track.boxes
        if same is not None:
            free.remove(same)
            boxes = boxes.copy()
            boxes[start:end] = _boxes(same)[: end - start]
        result.append(Track(track.thing, boxes))
    for thing in free:
        boxes = np.full((length, 4), np.nan)
        boxes[start:end] = _boxes(thing)[: end - start]
        result.append(Track(thing, boxes))
    return result


def _filled(boxes: Boxes) -> Boxes:
    """Boxes in every frame: straight between those that are known, and beyond them on the way on
    which the thing is there.
    """
    there = np.flatnonzero(np.isfinite(boxes[:, 0]))
    frames, first, last = np.arange(len(boxes)), there[0], there[-1]
    filled = np.stack([np.interp(frames, there, column[there]) for column in boxes.T], axis=1)
    ends = (
        (there[there < first + WAY_FRAMES], first, frames < first),
        (there[there > last - WAY_FRAMES], last, frames > last),
    )
    for way, end, beyond in ends:
        speed = (boxes[way[-1], :2] - boxes[way[0], :2]) / max(1, way[-1] - way[0])
        filled[beyond, :2] += (frames[beyond] - end)[:, None] * speed
    return filled


def _going_on(tracks: Sequence[Track], grown: Layout, start: int, length: int) -> list[Track]:
    """Tracks that go on from frame ``start`` as a layout has it: what it shows no more leaves, what
    it shows anew was not there before.
    """
    free, result = list(grown.things), []
    behind = slice(start + 1, length)
    for track in tracks:
        same = next((one for one in free if (one.kind, one.colour) == track.name), None)
        boxes = track.boxes.copy()
        boxes[behind] = AWAY
        thing = track.thing
        if same is not None:
            free.remove(same)
            boxes[behind] = _boxes(same)[1 : length - start]
            thing = same
        result.append(Track(thing, boxes))
    for thing in free:
        boxes = np.tile(np.array(AWAY), (length, 1))
        boxes[behind] = _boxes(thing)[1 : length - start]
        result.append(Track(thing, boxes))
    return sorted(result, key=lambda one: bool((one.boxes[behind] == AWAY).all()))[:MAX_THINGS]


def _changed(
    tracks: Sequence[Track], drawn: Layout, timeline: Timeline, inside: bool
) -> list[Track]:
    """What a new sentence shows, on the tracks of what it takes the place of.

    Parameters
    ----------
    inside : bool
        Only a part of the picture is made anew: what lies outside of it stays, and what is new goes
        there.
    """
    if not inside:
        kept, gone = list[Track](), list(tracks)
    else:
        parts = [_part_made(track, timeline, drawn.aspect) for track in tracks]
        kept = [track for track, part in zip(tracks, parts, strict=True) if part < MOSTLY]
        gone = [track for track in tracks if track not in kept]
    new = list(drawn.things)
    for track in kept:  # the sentence may name what stays, too
        same = [one for one in new if (one.kind, one.colour) == track.name]
        if same:
            new.remove(same[0])
    result = kept
    for alike in (True, False):
        for thing in tuple(new):
            able = [track for track in gone if not alike or track.thing.kind == thing.kind]
            if able:
                gone.remove(able[0])
                new.remove(thing)
                parts_ = ("motion", "heading", "depth")
                way = {part: getattr(able[0].thing, part) for part in parts_}
                result = [*result, Track(thing.model_copy(update=way), able[0].boxes)]
    length = len(tracks[0].boxes) if tracks else drawn.frames
    for thing in new:
        boxes = np.tile(np.array(AWAY), (length, 1))
        own = _boxes(thing)
        if inside:
            own = _within(own, timeline, drawn.aspect)
        before = len(timeline.before)
        boxes[before : before + len(own)] = own[: length - before]
        result = [*result, Track(thing, boxes)]
    return result[:MAX_THINGS]


def _part_made(track: Track, timeline: Timeline, aspect: float) -> float:
    """How much of a thing, as far as it is seen, is made anew."""
    total = visible = 0.0
    for new, box in zip(~timeline.stay, track.boxes[len(timeline.before) :], strict=False):
        x, y, width, height = box
        left, right = (round((x + way * width / 2) / aspect * new.shape[1]) for way in (-1, 1))
        top, bottom = (round((y + way * height / 2) * new.shape[0]) for way in (-1, 1))
        inside = new[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        total, visible = total + inside.sum(), visible + inside.size
    return total / visible if visible else 0.0


def _within(boxes: Boxes, timeline: Timeline, aspect: float) -> Boxes:
    """Boxes in the middle of the part of the picture that is made anew, and no larger than it."""
    result = boxes.copy()
    for frame, new in enumerate(~timeline.stay):
        rows, columns = (np.flatnonzero(new.any(axis)) for axis in (1, 0))
        if len(rows) and frame < len(result):
            high, wide = (
                (rows[-1] + 1 - rows[0]) / new.shape[0],
                (columns[-1] + 1 - columns[0]) * aspect / new.shape[1],
            )
            scale = min(1.0, high / result[frame, 3], wide / result[frame, 2])
            x = (columns[0] + columns[-1] + 1) / 2 * aspect / new.shape[1]
            y = (rows[0] + rows[-1] + 1) / 2 / new.shape[0]
            result[frame] = (x, y, *(result[frame, 2:] * scale))
    return result


def _layout(like: Layout, tracks: Sequence[Track], frames: int) -> Layout:
    things = [
        _moved(track.thing.model_copy(update={"name": None}), track.boxes) for track in tracks
    ]
    depths = sorted({thing.depth for thing in things})
    ordered = [thing.model_copy(update={"depth": depths.index(thing.depth)}) for thing in things]
    return like.model_copy(update={"frames": frames, "things": tuple(ordered)})


def _moved(thing: LayoutThing, boxes: Boxes) -> LayoutThing:
    """A thing with other boxes, as near to the picture as a layout may say."""
    near = np.concatenate(
        [boxes[:, :2].clip(-MAX_DISTANCE, MAX_DISTANCE), boxes[:, 2:].clip(0.01, MAX_DISTANCE)],
        axis=1,
    ).round(4)
    return thing.model_copy(update={"boxes": tuple(Box(*row) for row in near.tolist())})


def _boxes(thing: LayoutThing) -> Boxes:
    return np.array(thing.boxes, np.float64)
