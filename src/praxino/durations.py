"""Seconds as frames, and how many are made for a film to become longer."""

import math

from praxino.cards import ModelCard
from praxino.edits import Edit, Extend, Join, Loop
from praxino.errors import InputError
from praxino.shapes import Compression, VideoShape


def frames_of(seconds: float, fps: float, card: ModelCard) -> int:
    """Frames of a film that lasts so long from its first frame to its last; never rounded.

    Raises
    ------
    InputError
        If that is no whole number of frames that the model can make: names the nearest durations
        that are.
    """
    if not 0 <= seconds < math.inf:
        raise InputError(f"seconds={seconds}: no length of a film", "2", "seconds")
    compression = Compression(*card.compression)
    step, first = (
        card.compression[0] * card.patch[0],
        VideoShape.of_latent(card.patch[0], compression),
    )
    gaps = seconds * fps
    over = gaps + 1 - first  # frames beyond the shortest film
    if math.isclose(over, round(over), abs_tol=1e-6) and over > -1e-6 and not round(over) % step:
        return round(gaps) + 1
    near = [first - 1 + step * round_(max(0.0, over) / step) for round_ in (math.floor, math.ceil)]
    texts = [f"{count / fps:.3f}".rstrip("0").rstrip(".") for count in dict.fromkeys(near) if count]
    exact = [
        text
        for text in texts
        if math.isclose(float(text) * fps, round(float(text) * fps), abs_tol=1e-6)
    ]
    raise InputError(
        f"seconds={seconds:g}: {gaps:g} frames after the first, must be {_rule(step, first - 1)}",
        f"{' or '.join(exact) + ', or ' if exact else ''}a number of frames",
        "seconds",
    )


def _rule(step: int, first: int) -> str:
    return f"a multiple of {step}" if first % step == 0 else f"{step}k+{first}"


def with_context(frames: int, film: int, context: int, step: int) -> int:
    """How many frames are made for a film of ``film`` frames to go on for ``frames`` (4k + 1, the
    first of them its last), those of ``context`` latent frames included that are given.
    """
    return step * (min(context, (film - 1) // step + 1) - 1) + frames


def lengthened(edit: Edit, film: int, frames: int, step: int) -> int:
    """How many frames are made, so that a film of ``film`` frames becomes longer by the duration of
    ``frames`` (4k + 1); ``frames`` itself for edits that make none longer.
    """
    if isinstance(edit, Extend) and edit.backward:
        return frames + step * min(edit.context, film // step)
    if isinstance(edit, (Extend, Join, Loop)):
        after = 0 if isinstance(edit, Extend) else step * edit.context
        return with_context(frames, film, edit.context, step) + after
    return frames
