"""What is given of a film, in latents and in pixels: every task is one of these.

Latents that are given stay as they are while the others are made; when the film is decoded, the
pixels that were given are put back, and what was made is led up to them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.edits import BoxKeyframe, Edit, Extend, Inpaint, Join, Loop, Outpaint, Restyle, Retake
from praxino.errors import InputError
from praxino.generation.films import GivenVideo
from praxino.generation.images import GivenImage, fitted, put_in
from praxino.request import Request
from praxino.shapes import Compression, VideoShape

Film = NDArray[np.uint8]
Encode = Callable[[Film], Tensor]
"""(F, H, W, 3) of 4k + 1 frames to latents (1, C, t, h, w)."""
LED_FRAMES: Final = 4
"""Frames over which what was made is led up to given frames beside it."""
DRIFT_BLUR: Final = 1 / 4
"""How far the difference to given frames is smoothed before it is led on, in picture heights."""
MAX_DRIFT: Final = 12.0
"""Grey levels of it, at most: more is another picture, not a colour that drifts."""
FEATHER_PIXELS: Final = 1.5
"""Width of the seam around given parts of a picture."""
MASK_WHITE: Final = 128
"""Grey level from which a mask is white."""
MASK_ASPECT_TOLERANCE: Final = 0.02


class Stretch(NamedTuple):
    """A film within the whole one: from which frame on, and of which name."""

    start: int
    film: str


@dataclass(frozen=True, eq=False)
class Timeline:
    """What is given of the frames that are made.

    Attributes
    ----------
    clean : Tensor (1, C, t, h, w)
        Latents of what is given.
    mask : Tensor (1, 1, t, h, w)
        1 where they stay.
    pixels : (F, H, W, 3) uint8
        The same in pixels; anything where nothing is given.
    stay : (F, H, W) bool
        Which pixels are put back.
    start : float
        The time from which frames are decoded: 1 from noise alone, less along ``clean``.
    before, after : (N, H, W, 3) uint8
        Frames of the films that lie before and after these.
    length : int
        How many of the frames that are made count.
    stretches : tuple of Stretch
        Where films lie in the whole one, whose first frame is the first of ``before``.
    inner : (int, int, int, int), optional
        Top, left, height and width in pixels of a film that fills a part of the picture.
    """

    clean: Tensor
    mask: Tensor
    pixels: Film
    stay: NDArray[np.bool_]
    before: Film
    after: Film
    length: int
    start: float = 1.0
    stretches: tuple[Stretch, ...] = ()
    inner: tuple[int, int, int, int] | None = None

    def ending(self, ends: Mapping[int, GivenImage]) -> "Timeline":
        """The timeline, with pictures that are given, too, by the numbers of their frames."""
        pixels, stay = self.pixels.copy(), self.stay.copy()
        put_in(ends, pixels, stay)
        return replace(self, pixels=pixels, stay=stay)

    def compose(self, decoded: Film) -> Film:
        """The whole film, of the decoded frames (F, H, W, 3)."""
        inner = put_back(decoded, self.pixels, self.stay)[: self.length]
        return np.concatenate([self.before, inner, self.after])


def put_back(decoded: Film, pixels: Film, stay: NDArray[np.bool_]) -> Film:
    """Decoded frames (F, H, W, 3) with the pixels (F, H, W, 3) that are given where they stay
    (F, H, W), and what is beside them led over to them.
    """
    frames = _led(decoded.astype(np.float32), pixels, stay)
    share = _feathered(stay)[..., None]
    frames = share * pixels + (1 - share) * frames
    frames = np.where(stay[..., None], pixels, frames.round().clip(0, 255))
    return frames.astype(np.uint8)


def with_ends(decoded: Film, images: Sequence[GivenImage]) -> Film:
    """Decoded frames that begin with a picture as it was given, and end with another one."""
    pixels, stay = np.zeros_like(decoded), np.zeros(decoded.shape[:3], bool)
    put_in(dict(zip((0, len(decoded) - 1), images, strict=False)), pixels, stay)
    return put_back(decoded, pixels, stay)


def build(
    edit: Edit,
    request: Request,
    videos: Mapping[str, GivenVideo],
    encode: Encode,
    compression: Compression,
) -> Timeline:
    """The timeline of an edit, of ``request.frames`` frames in its size.

    Raises
    ------
    InputError
        If a film is too short for the edit, or a mask does not fit.
    """
    timeline = _built(edit, request, videos, _Canvas(request, encode, compression))
    return replace(timeline, stretches=_stretches(edit, timeline, videos))


def _built(
    edit: Edit, request: Request, videos: Mapping[str, GivenVideo], canvas: "_Canvas"
) -> Timeline:
    size = request.height, request.width
    if isinstance(edit, Outpaint):
        return canvas.outpainted(videos[edit.video].frames, edit)
    film = videos[edit.video].fitted(*size)
    match edit:
        case Extend(backward=True):
            return canvas.begun(film, edit.context)
        case Extend():
            return canvas.continued(film, edit.context, videos[edit.video].latents)
        case Join():
            return canvas.between(film, videos[edit.second].fitted(*size), edit.context)
        case Loop():
            return canvas.led_back(film, edit.context)
        case Retake():
            return canvas.retaken(film, edit, videos[edit.video].fps)
        case Inpaint():
            return canvas.inpainted(film, region(edit, videos, film.shape[:3]))
        case Restyle():
            return canvas.restyled(film, edit.start)
    raise AssertionError(f"{edit.task}: nothing of it is made anew")


def _stretches(
    edit: Edit, timeline: Timeline, videos: Mapping[str, GivenVideo]
) -> tuple[Stretch, ...]:
    """Where the films of an edit lie in the whole one."""
    first, whole = Stretch(0, edit.video), len(timeline.before) + len(timeline.pixels)
    match edit:
        case Extend(backward=True):
            start = whole + len(timeline.after) - len(videos[edit.video].frames)
            return (Stretch(start, edit.video),)
        case Join():
            start = whole + len(timeline.after) - len(videos[edit.second].frames)
            return (first, Stretch(start, edit.second))
        case Loop():
            return (first, Stretch(len(timeline.before) + timeline.length, edit.video))
        case _:
            return (first,)


class _Canvas:
    """Builds timelines of one shape."""

    def __init__(self, request: Request, encode: Encode, compression: Compression) -> None:
        self.encode, self.compression = encode, compression
        self.shape = (request.frames, request.height, request.width)
        self.count = request.shape.latent(compression, 1).frames
        """Latent frames."""

    def frames(self, latents: int) -> int:
        """How many frames the first ``latents`` latent frames stand for."""
        return VideoShape.of_latent(latents, self.compression)

    def continued(self, film: Film, context: int, latents: Tensor | None = None) -> Timeline:
        """Given: the end of a film, and perhaps the latents that it was decoded from."""
        start, count = self._end_of(film, context, latents)
        timeline = self._placed([(0, start)], film[-count:], 0)
        return replace(timeline, before=film[:-count])

    def begun(self, film: Film, context: int) -> Timeline:
        """Given: the beginning of a film, at the end."""
        end, count = self._beginning_of(film, context)
        first = self.shape[0] - count
        timeline = self._placed([(self.count - end.shape[2], end)], film[:count], first)
        return replace(timeline, after=film[count:])

    def between(self, film: Film, second: Film, context: int) -> Timeline:
        """Given: the end of one film, and the beginning of another one at the end."""
        start, count = self._end_of(film, context)
        end, last = self._beginning_of(second, context)
        if start.shape[2] + end.shape[2] >= self.count:
            least = self.frames(start.shape[2] + end.shape[2] + 1)
            raise InputError(
                f"frames={self.shape[0]}: nothing lies between", f"{least} or more", "frames"
            )
        places = [(0, start), (self.count - end.shape[2], end)]
        timeline = self._placed(places, film[-count:], 0)
        timeline.pixels[-last:], timeline.stay[-last:] = second[:last], True
        return replace(timeline, before=film[:-count], after=second[last:])

    def led_back(self, film: Film, context: int) -> Timeline:
        """Given: the end of a film, and its beginning, which is not shown again."""
        timeline = self.between(film, film, context)
        new = np.flatnonzero(~np.asarray(timeline.stay.all((1, 2))))
        shown_again = self.shape[0] - 1 - int(new[-1])
        return replace(timeline, after=film[:0], length=self.shape[0] - shown_again)

    def retaken(self, film: Film, edit: Retake, fps: float) -> Timeline:
        """Given: all but a stretch, which is widened to whole latent frames."""
        first, last = round(edit.start * fps), min(round(edit.end * fps), len(film)) - 1
        if first >= len(film) or last < first:
            raise InputError(
                f"start={edit.start:g}: the film has {len(film) / fps:.2f} seconds",
                "a stretch that lies in it",
                "edit",
            )
        step = self.compression.time
        begin = max(
            0, min(first - (self.shape[0] - (last - first)) // 2, len(film) - self.shape[0])
        )
        if first > begin:  # so that the stretch begins with a latent frame
            begin -= min(begin, (begin + 1 - first) % step) if begin else 0
        window = self._padded(film[begin : begin + self.shape[0]])
        places = self._places(np.arange(self.shape[0]))
        new = np.unique(places[max(0, first - begin) : last - begin + 1])
        timeline = self._placed([(0, self.encode(window))], window, 0)
        timeline.mask[:, :, new] = 0
        timeline.stay[np.isin(places, new)] = False
        length = min(self.shape[0], len(film) - begin)
        return replace(timeline, before=film[:begin], after=film[begin + length :], length=length)

    def inpainted(self, film: Film, new: NDArray[np.bool_]) -> Timeline:
        """Given: all but a region (N, H, W) of every frame."""
        self._require_length(film)
        window = self._padded(film)
        region = new[np.minimum(np.arange(self.shape[0]), len(new) - 1)]
        timeline = self._placed([(0, self.encode(window))], window, 0)
        timeline.mask[0, 0] = torch.from_numpy(1.0 - self._pooled(region)).to(timeline.mask)
        timeline.stay[:] = ~region
        return replace(timeline, length=len(film))

    def outpainted(self, film: Film, edit: Outpaint) -> Timeline:
        """Given: the film, in a part of the picture."""
        self._require_length(film)
        top, left, height, width = _inner(film.shape[1:3], self.shape[1:], edit)
        small = np.stack([fitted(frame, height, width) for frame in film])
        around = (
            (0, 0),
            (top, self.shape[1] - top - height),
            (left, self.shape[2] - left - width),
            (0, 0),
        )
        new = np.ones((len(film), *self.shape[1:]), bool)
        new[:, top : top + height, left : left + width] = False
        timeline = self.inpainted(np.pad(small, around, mode="edge"), new)
        return replace(timeline, inner=(top, left, height, width))

    def restyled(self, film: Film, strength: float) -> Timeline:
        """Given: nothing, but where to begin."""
        self._require_length(film)
        window = self._padded(film)
        timeline = self._placed([(0, self.encode(window))], window, 0)
        timeline.mask[:] = 0
        timeline.stay[:] = False
        return replace(timeline, length=len(film), start=strength)

    def _placed(self, places: list[tuple[int, Tensor]], pixels: Film, first: int) -> Timeline:
        """Latents at their places, and their pixels from frame ``first`` on."""
        like = places[0][1]
        clean = like.new_zeros(1, like.shape[1], self.count, *like.shape[3:])
        mask = clean.new_zeros(1, 1, *clean.shape[2:])
        for place, latent in places:
            clean[:, :, place : place + latent.shape[2]] = latent
            mask[:, :, place : place + latent.shape[2]] = 1
        frames, stay = np.zeros((*self.shape, 3), np.uint8), np.zeros(self.shape, bool)
        frames[first : first + len(pixels)], stay[first : first + len(pixels)] = pixels, True
        none = frames[:0]
        return Timeline(clean, mask, frames, stay, none, none, self.shape[0])

    def _end_of(self, film: Film, context: int, kept: Tensor | None = None) -> tuple[Tensor, int]:
        """Latents of a film's end, and of how many frames they are: those that were kept, or else
        its frames encoded.
        """
        latents = min(context, self.count - 1, (len(film) - 1) // self.compression.time + 1)
        count = self.frames(latents)
        if kept is not None and kept.shape[2] >= latents:
            return kept[:, :, -latents:], count
        return self.encode(film[-count:]), count

    def _beginning_of(self, film: Film, context: int) -> tuple[Tensor, int]:
        """Latents of a film's beginning as they are inside of one, and of how many frames: its
        first frame is held before it, which stands alone.
        """
        step = self.compression.time
        latents = min(context, self.count - 1, len(film) // step)
        if not latents:
            raise InputError(
                f"a film of {len(film)} frames is too short", f"{step} or more", "edit"
            )
        count = latents * step
        return self.encode(np.concatenate([film[:1], film[:count]]))[:, :, 1:], count

    def _padded(self, film: Film) -> Film:
        """A film whose last frame is held for the rest of the timeline."""
        return film[np.minimum(np.arange(self.shape[0]), len(film) - 1)]

    def _places(self, frames: NDArray[np.intp]) -> NDArray[np.intp]:
        """The latent frame of each frame."""
        return (frames + self.compression.time - 1) // self.compression.time

    def _pooled(self, new: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(t, h, w): 1 for latents of which any pixel is new."""
        _, height, width = self.shape
        down, across = self.compression.height, self.compression.width
        cut = new.reshape(len(new), height // down, down, width // across, across)
        cells = np.asarray(cut.any((2, 4)))
        places = self._places(np.arange(len(new)))
        return np.stack([cells[places == place].any(0) for place in range(self.count)]).astype(
            np.float32
        )

    def _require_length(self, film: Film) -> None:
        if not 0 <= self.shape[0] - len(film) < self.compression.time:
            raise InputError(
                f"frames={self.shape[0]}: the film has {len(film)}", "leave it out", "frames"
            )


def region(
    edit: Inpaint, videos: Mapping[str, GivenVideo], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """(N, H, W): what is made anew, of N frames of a film.

    Raises
    ------
    InputError
        If a mask has other proportions than the film, or covers nothing, or all.
    """
    count, height, width = shape
    if edit.mask:
        mask = videos[edit.mask]
        aspect = mask.frames.shape[2] / mask.frames.shape[1] / (width / height)
        if abs(aspect - 1) > MASK_ASPECT_TOLERANCE:
            raise InputError(
                f"{edit.mask} is {mask.frames.shape[2]}x{mask.frames.shape[1]}: it must have the "
                f"proportions of {width}x{height}",
                "a mask as large as the film",
                "edit",
            )
        index = np.minimum(np.arange(count), len(mask.frames) - 1)
        new = mask.fitted(height, width)[index].max(-1) >= MASK_WHITE
    else:
        times = np.arange(count) / videos[edit.video].fps
        new = _boxes(edit.boxes, times, height, width)
    if not new.any():
        raise InputError(
            "the mask covers nothing: there is nothing to make", "white where it is new", "edit"
        )
    if new.all():
        raise InputError(
            "the mask covers the whole film: nothing of it stays", "praxino restyle", "edit"
        )
    return new


def _boxes(
    keyframes: tuple[BoxKeyframe, ...], times: NDArray[np.floating], height: int, width: int
) -> NDArray[np.bool_]:
    """(N, H, W): inside a box that moves evenly from keyframe to keyframe."""
    at = [keyframe.seconds for keyframe in keyframes]
    sides = [
        np.interp(times, at, [keyframe.box[side] for keyframe in keyframes]) for side in range(4)
    ]
    left, top, right, bottom = (side[:, None, None] for side in sides)
    x = ((np.arange(width) + 0.5) / width)[None, None]
    y = ((np.arange(height) + 0.5) / height)[None, :, None]
    return (x >= left) & (x < right) & (y >= top) & (y < bottom)


def _inner(
    film: tuple[int, ...], canvas: tuple[int, ...], edit: Outpaint
) -> tuple[int, int, int, int]:
    """Top, left, height and width in pixels of the old picture in the new one."""
    if edit.box is not None:
        left, top, right, bottom = edit.box
        rows = round(top * canvas[0]), round(bottom * canvas[0])
        columns = round(left * canvas[1]), round(right * canvas[1])
        height, width = max(1, rows[1] - rows[0]), max(1, columns[1] - columns[0])
        place = rows[0], columns[0]
    else:
        scale = min(canvas[0] / film[0], canvas[1] / film[1])
        height, width = round(film[0] * scale), round(film[1] * scale)
        place = (canvas[0] - height) // 2, (canvas[1] - width) // 2
    if (height, width) == canvas:
        raise InputError(
            "the film fills the picture: there is nothing around it", "another size", "edit"
        )
    return *place, height, width


def _led(
    decoded: NDArray[np.float32], pixels: Film, stay: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Decoded frames, less and less changed by what given frames beside them lost when they
    were decoded.
    """
    whole = np.flatnonzero(stay.all((1, 2)))
    if not len(whole):
        return decoded
    led, sigma = decoded.copy(), DRIFT_BLUR * decoded.shape[1]
    for frame in np.flatnonzero(~stay.any((1, 2))):
        beside = (whole[whole < frame][-1:], whole[whole > frame][:1])
        for near in np.concatenate(beside):
            share = 1 - abs(int(near) - int(frame)) / (LED_FRAMES + 1)
            if share > 0:
                lost = (pixels[near] - decoded[near]).clip(-MAX_DRIFT, MAX_DRIFT)
                led[frame] += share * cv2.GaussianBlur(lost, (0, 0), sigma)
    return led


def _feathered(stay: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(F, H, W): 1 where pixels stay, and falling to 0 within a narrow seam around them."""
    soft = [
        np.minimum(2 * cv2.GaussianBlur(frame.astype(np.float32), (0, 0), FEATHER_PIXELS), 1)
        if frame.any() and not frame.all()
        else frame.astype(np.float32)
        for frame in stay
    ]
    return np.stack(soft)
