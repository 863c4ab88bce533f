"""Where things are in a film that is made from others: where those have them, and on from there.

What a film's record says of its layout holds for its frames in the new film, too. Before them
things come from where their way points back to; between two films they go straight from one to the
other; behind them the layout network goes on.

Legend: F frames.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from praxino.edits import Extend, Inpaint, Outpaint, Retake
from praxino.errors import InputError
from praxino.generation import entities
from praxino.generation.films import GivenVideo, recorded_sentence
from praxino.generation.layout import WAY_FRAMES, at, cut, go_on, require_known_words
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
LEAVING_SPEED: Final = 0.06
"""Picture heights a frame, at least, of what another sentence shows no more."""
KIN: Final = (
    frozenset(("person", "cat", "dog", "horse", "bird")),
    frozenset(("car", "boat")),
    frozenset(("ball", "box")),
    frozenset(("tree", "flower", "house", "sign")),
)
"""Kinds that take one another's place."""
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
        rate = max(1, round(first.fps / network.config.fps))
        steps = -(-(more - 1) // rate) + 1
        grown = go_on(network, first, sentence, request.seed, steps, rewrite=changed)
        grown = _resampled(grown, rate * (steps - 1) + 1, first.fps)
        tracks = _going_on(tracks, grown, first.frames - 1, length)
    elif changed and isinstance(edit, Retake):
        tracks = _again(pipeline, request, tracks, timeline, first)
    elif changed and isinstance(edit, Inpaint | Outpaint):
        drawn = pipeline.laid_out(request).layout
        assert drawn is not None
        tracks = _in_part(tracks, drawn, timeline, length)
    whole = _layout(first, _fewer(tracks, before, before + frames, first.aspect), length)
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
    old = _resampled(old, len(film.frames), film.fps)
    if inner is None:
        return old
    top, left, high, wide = inner
    # the film fills its place: what is over is cut off at both sides
    scale = max(high / height, wide / width) * height / request.height
    across, down = ((wide - scale * request.height * old.aspect) / 2,
                    (high - scale * request.height) / 2)  # fmt: skip
    place = np.array([left + across, top + down, 0, 0]) / request.height
    things = [_moved(thing, _boxes(thing) * scale + place) for thing in old.things]
    return old.model_copy(update={"aspect": aspect, "things": tuple(things)})


def _resampled(layout: Layout, frames: int, fps: float) -> Layout:
    """A layout of as long, in so many frames: films may have been made faster."""
    if frames == layout.frames:
        return layout.model_copy(update={"fps": fps})
    at = np.linspace(0, layout.frames - 1, frames)
    places = np.arange(layout.frames)
    things = []
    for thing in layout.things:
        columns = [np.interp(at, places, column) for column in _boxes(thing).T]
        things.append(_moved(thing, np.stack(columns, axis=1)))
    return layout.model_copy(update={"frames": frames, "fps": fps, "things": tuple(things)})


def joined(layouts: Sequence[Layout]) -> Layout | None:
    """The layout of films one after another, between which everything leaps; None if together they
    show more things, or are longer, than a layout may say.
    """
    length, start = sum(layout.frames for layout in layouts), 0
    tracks: list[Track] = []
    for layout in layouts:
        tracks = _with(tracks, layout, start, length)
        start += layout.frames
    if not layouts or len(tracks) > MAX_THINGS or length > MAX_FRAMES:
        return None
    for track in tracks:
        track.boxes[np.isnan(track.boxes[:, 0])] = AWAY
    return _layout(layouts[0], tracks, length)


def padded(layout: Layout, frames: int) -> Layout:
    """A layout whose last frame is held until there are so many."""
    return at(layout, [min(frame, layout.frames - 1) for frame in range(frames)])


def _take(free: list[LayoutThing], track: Track) -> LayoutThing | None:
    """The thing of ``free`` that a track is of, which is taken out; None if there is none."""
    same = next((one for one in free if (one.kind, one.colour) == track.name), None)
    if same is not None:
        free.remove(same)
    return same


def _with(tracks: Sequence[Track], layout: Layout, start: int, length: int) -> list[Track]:
    """Tracks of ``length`` frames, which are also known as a layout has them, from frame ``start``
    on.
    """
    free, result = list(layout.things), []
    end = min(length, start + layout.frames)
    for track in tracks:
        same = _take(free, track)
        boxes = track.boxes
        if same is not None:
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
        same = _take(free, track)
        boxes, thing = track.boxes.copy(), track.thing
        boxes[behind] = _leaving(track.boxes[behind], track.boxes[start], grown.aspect)
        if same is not None:
            boxes[behind] = _boxes(same)[1 : length - start]
            thing = same
        result.append(Track(thing, boxes))
    for thing in free:
        boxes = np.tile(np.array(AWAY), (length, 1))
        boxes[behind] = _boxes(thing)[1 : length - start]
        result.append(Track(thing, boxes))
    return result


def _leaving(boxes: Boxes, last: NDArray[np.float64], aspect: float) -> Boxes:
    """A way out of the picture, which goes on as these boxes do, or to the nearer side."""
    speed = float(boxes[0, 0] - last[0]) if len(boxes) else 0.0
    if abs(speed) < LEAVING_SPEED:
        speed = LEAVING_SPEED if last[0] > aspect / 2 else -LEAVING_SPEED
    gone = boxes.copy()
    gone[:, 0] = last[0] + speed * np.arange(1, len(boxes) + 1)
    gone[:, 1:] = last[1:]
    return gone


def pairs(new: Sequence[LayoutThing], old: Sequence[LayoutThing]) -> dict[int, int]:
    """Which old thing each new one takes the place of, by their numbers: one of its kind, or else
    of its kin, the nearest in size; each old one once.
    """
    free, result = set(range(len(old))), dict[int, int]()
    rules: tuple[Callable[[LayoutThing, LayoutThing], bool], ...] = (
        lambda a, b: a.kind == b.kind,
        lambda a, b: any(a.kind in kin and b.kind in kin for kin in KIN),
        lambda a, b: True,
    )
    for alike in rules:
        for number, thing in enumerate(new):
            able = [other for other in free if alike(thing, old[other])]
            if number not in result and able:
                size = lambda other, thing=thing: abs(  # noqa: E731
                    math.log(old[other].boxes[0].height / thing.boxes[0].height)
                )
                result[number] = min(able, key=size)
                free.remove(result[number])
    return result


def _again(
    pipeline: "Pipeline",
    request: Request,
    tracks: Sequence[Track],
    timeline: Timeline,
    like: Layout,
) -> list[Track]:
    """A stretch made again after another sentence: its things go on from those before it, and are
    led to where the same ones are behind it; others are seen within it alone.
    """
    network, length = pipeline.model.layout, len(tracks[0].boxes) if tracks else 0
    assert network is not None
    anew = np.flatnonzero(~timeline.stay.all((1, 2))) + len(timeline.before)
    first, end = int(anew[0]), int(anew[-1]) + 1
    length = length or len(timeline.before) + len(timeline.pixels) + len(timeline.after)
    sentence, count = pipeline.sentence(request), end - first + 1
    if first and tracks:
        before = cut(_layout(like, tracks, length), first - 1, first)
        drawn = go_on(network, before, sentence, request.seed, count, rewrite=True).things
    else:
        whole = pipeline.laid_out(request).layout
        drawn = cut(whole, 0, min(whole.frames, count)).things if whole else ()
    free, result = list(drawn), list[Track]()
    for track in tracks:
        same = _take(free, track)
        boxes = track.boxes.copy()
        if same is None:
            boxes[first:end] = AWAY
        else:
            own = _boxes(same)[1:count]
            share = np.linspace(0, 1, len(own) + 1)[1:, None]
            own += share * (track.boxes[min(end, length - 1)] - own[-1])
            boxes[first : first + len(own)] = own
        result.append(Track(track.thing, boxes))
    for thing in free:
        boxes = np.tile(np.array(AWAY), (length, 1))
        own = _boxes(thing)[-(end - first) :]
        boxes[first : first + len(own)] = own
        result.append(Track(thing, boxes))
    return result


def _in_part(
    tracks: Sequence[Track], drawn: Layout, timeline: Timeline, length: int
) -> list[Track]:
    """What a new sentence shows in the part of the picture that is made anew, on the tracks of what
    was there; what lies outside of it stays.
    """
    parts = [_part_made(track, timeline, drawn.aspect) for track in tracks]
    kept = [track for track, part in zip(tracks, parts, strict=True) if part < MOSTLY]
    gone = [track for track in tracks if track not in kept]
    new = list(drawn.things)
    for track in kept:  # the sentence may name what stays, too
        _take(new, track)
    taken, result = pairs(new, [track.thing for track in gone]), list(kept)
    for number, thing in enumerate(new):
        if number in taken:
            old = gone[taken[number]]
            moved = thing.model_copy(update=way_of(old.thing))
            result.append(Track(moved, in_shape(thing, old.boxes)))
            continue
        boxes = np.tile(np.array(AWAY), (length, 1))
        before, own = len(timeline.before), _within(_boxes(thing), timeline, drawn.aspect)
        boxes[before : before + len(own)] = own[: length - before]
        result.append(Track(thing, boxes))
    return result


def way_of(thing: LayoutThing) -> dict[str, Any]:
    """How a thing goes, for another one that takes its place."""
    return {part: getattr(thing, part) for part in ("motion", "heading", "depth")}


def in_shape(thing: LayoutThing, boxes: Boxes) -> Boxes:
    """Boxes as high as these, and as wide as the thing then is."""
    own = boxes.copy()
    own[:, 2] = boxes[:, 3] * thing.boxes[0].width / thing.boxes[0].height
    return own


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
    """A track brought into the part of the picture that is made anew: as it is, where it lies
    there; else moved and made smaller as a whole, frame by frame where the part moves.
    """
    new, result = ~timeline.stay, boxes.copy()
    places = [_extent(frame, aspect) for frame in new[: len(boxes)]]
    if np.mean([_holds(new[frame], float(box[0]), float(box[1]), aspect) for frame, box in
                enumerate(boxes[: len(new)])]) > MOSTLY:  # fmt: skip
        return result
    middle = boxes[:, :2].mean(0)
    for frame, place in enumerate(places):
        if place is None:
            continue
        left, top, wide, high = place
        scale = min(1.0, high / boxes[frame, 3], wide / boxes[frame, 2])
        away = scale * (boxes[frame, :2] - middle)
        room = np.maximum(0.0, (np.array([wide, high]) - scale * boxes[frame, 2:]) / 2)
        centre = np.array([left + wide / 2, top + high / 2])
        result[frame, :2] = centre + away.clip(-room, room)
        result[frame, 2:] = scale * boxes[frame, 2:]
    return result


def _holds(new: NDArray[np.bool_], x: float, y: float, aspect: float) -> bool:
    """Whether a point, in picture heights, lies in what is new of a picture (H, W)."""
    row, column = int(np.floor(y * new.shape[0])), int(np.floor(x / aspect * new.shape[1]))
    return 0 <= row < new.shape[0] and 0 <= column < new.shape[1] and bool(new[row, column])


def _extent(new: NDArray[np.bool_], aspect: float) -> tuple[float, float, float, float] | None:
    """Left, top, width and height of what is new of a picture (H, W), in picture heights."""
    rows, columns = (np.flatnonzero(new.any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    across, down = aspect / new.shape[1], 1 / new.shape[0]
    return (
        columns[0] * across,
        rows[0] * down,
        (columns[-1] + 1 - columns[0]) * across,
        (rows[-1] + 1 - rows[0]) * down,
    )


def _fewer(tracks: Sequence[Track], first: int, end: int, aspect: float) -> list[Track]:
    """The tracks that are seen most in some frames, as many as a layout may have."""
    seen_in = lambda one: int(  # noqa: E731
        ((np.abs(one.boxes[first:end, 0] - aspect / 2) < (aspect + one.boxes[first:end, 2]) / 2)
         & (np.abs(one.boxes[first:end, 1] - 0.5) < (1 + one.boxes[first:end, 3]) / 2)).sum()
    )  # fmt: skip
    best = sorted(range(len(tracks)), key=lambda place: -seen_in(tracks[place]))[:MAX_THINGS]
    return [tracks[place] for place in sorted(best)]


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
