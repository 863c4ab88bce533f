"""Films made from films: ``praxino extend``, ``join``, ``loop``, ``retake``, ``inpaint``,
``outpaint``, ``restyle`` and ``enhance``.

Each is `generate` with an edit; what is not asked for follows the film.
"""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from praxino.cli import generate as films
from praxino.cli.options import Quiet
from praxino.errors import InputError

SHARED: Final = (
    "output", "model", "reference", "lora", "layout", "negative", "steps", "guidance", "seed",
    "device", "dtype", "no_watermark", "no_credentials", "no_growth", "quiet",
)  # fmt: skip
"""Options of `generate` that every verb has."""
FilmFile = Annotated[Path, typer.Argument(help="The film or picture.", show_default=False)]
Sentence = Annotated[str, typer.Argument(help="What to show.", show_default=False)]
LatentContext = Annotated[
    int,
    typer.Option(min=1, max=16, help="Latent frames of the film that the new ones are told of."),
]
Region = Annotated[
    str | None, typer.Option(help="LEFT,TOP,RIGHT,BOTTOM as shares of the picture, 0 to 1.")
]


def verb(*more: str) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., None]]:
    """A command of a function that says in plain values what is made of a film: beside its own
    options it has those of `generate` that every verb has, and ``more`` of them.
    """

    def command_of(edit_of: Callable[..., dict[str, Any]]) -> Callable[..., None]:
        own, others = (inspect.signature(one).parameters for one in (edit_of, films.generate))
        options = [*own.values(), *(others[name] for name in (*more, *SHARED))]

        @functools.wraps(edit_of)
        def command(**values: Any) -> None:
            _make(edit_of(**{name: values[name] for name in own}), values)

        command.__annotations__ = {option.name: option.annotation for option in options}
        command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        return command

    return command_of


@verb("image", "last", "frames")
def extend(
    film: FilmFile,
    sentence: Sentence,
    backward: Annotated[bool, typer.Option("--backward", help="Before its beginning.")] = False,
    context: LatentContext = 3,
) -> dict[str, Any]:
    """Let a film go on, or begin earlier: --frames are those made at once, with the context."""
    return {"task": "extend", "video": str(film), "backward": backward, "context": context}


@verb("frames")
def join(
    film: FilmFile,
    second: Annotated[Path, typer.Argument(help="The film that comes after.", show_default=False)],
    sentence: Sentence,
    context: LatentContext = 1,
) -> dict[str, Any]:
    """Make one film of two, with what lies between them: --frames are those made at once, with
    the context on both sides. Films that are alike are led over; between others it cuts, or melts.
    """
    return {"task": "join", "video": str(film), "second": str(second), "context": context}


@verb("frames", "size")
def loop(
    sentence: Sentence,
    film: Annotated[Path | None, typer.Option(help="A film to lead back to its beginning.")] = None,
    context: LatentContext = 1,
) -> dict[str, Any]:
    """Make a film that goes on with its beginning: --frames are all of it, or, with --film, those
    made at once, with the context on both sides.
    """
    return {"task": "loop", "video": str(film) if film else "", "context": context}


@verb("frames")
def retake(
    film: FilmFile,
    sentence: Sentence,
    start: Annotated[float, typer.Option(min=0, help="Second at which the stretch begins.")],
    end: Annotated[float, typer.Option(min=0, help="Second at which it ends.")],
) -> dict[str, Any]:
    """Make a stretch of a film again: --frames are those made at once, with what lies beside it."""
    return {"task": "retake", "video": str(film), "start": start, "end": end}


@verb()
def inpaint(
    film: FilmFile,
    sentence: Sentence,
    mask: Annotated[
        Path | None, typer.Option(help="Picture or film, white where it is new.")
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(help="[SECONDS:]LEFT,TOP,RIGHT,BOTTOM; repeated, the box moves."),
    ] = None,
    follow: Annotated[
        str | None,
        typer.Option(help="A thing of the layout in the film's record, such as 'red ball'."),
    ] = None,
) -> dict[str, Any]:
    """Make a part of a film's picture again."""
    if follow is not None and (box or mask):
        raise InputError("--follow says where, and --box or --mask, too", "one of them")
    keyframes = _followed(film, follow) if follow else [_keyframe(text) for text in box or ()]
    edit = {"task": "inpaint", "video": str(film), "mask": str(mask) if mask else ""}
    return edit | {"boxes": keyframes}


@verb("size")
def outpaint(film: FilmFile, sentence: Sentence, box: Region = None) -> dict[str, Any]:
    """Make what lies around a film's picture: --size is the new one's, --box where the old one
    lies.
    """
    return {"task": "outpaint", "video": str(film), "box": _numbers(box) if box else None}


@verb()
def restyle(
    film: FilmFile,
    sentence: Sentence,
    strength: Annotated[str, typer.Option(help="keep change reimagine, or 0 to 1.")] = "change",
    source: Annotated[
        str | None,
        typer.Option(help="The film's own sentence, which keeps more of it; else of its record."),
    ] = None,
) -> dict[str, Any]:
    """Make a film again after another sentence, along its old motion."""
    share = strength_of(strength)
    return {"task": "restyle", "video": str(film), "strength": share, "source": source}


def enhance(
    film: FilmFile,
    sentence: Annotated[
        str | None, typer.Argument(help="What it shows; else as its record says.")
    ] = None,
    axes: Annotated[
        str, typer.Option(help="space time space,time: twice the size, twice the frame rate.")
    ] = "space",
    output: films.Output = Path("film.mp4"),
    model: films.ModelName = None,
    seed: films.SeedOption = None,
    quiet: Quiet = False,
) -> None:
    """Make a film larger, or faster."""
    settings = locals() | {"sentence": sentence or _sentence_of(film), "enhance": axes}
    _make({"task": "enhance", "video": str(film)}, settings)


def _sentence_of(film: Path) -> str:
    """What a film's record says that it shows."""
    from praxino.generation.films import recorded_sentence
    from praxino.storage.media.frames import read_video

    if not (prompt := recorded_sentence(read_video(film).record)):
        raise InputError(
            f"{film} holds no record of what it shows",
            f'praxino enhance {film} "a red ball bounces on the grass"',
        )
    return prompt


def strength_of(word: str) -> str | float:
    """A strength: one of the words of `edits.STRENGTHS`, or a number from 0 to 1."""
    from praxino import edits

    if word in edits.STRENGTHS:
        return word
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise InputError(
            f"strength={word!r}: must be a number above 0, at most 1", " ".join(edits.STRENGTHS)
        )
    return value


VERBS = (extend, join, loop, retake, inpaint, outpaint, restyle, enhance)


def _make(edit: dict[str, Any], options: dict[str, Any]) -> None:
    """`generate`, with the options of a verb and an edit as plain values; its other options as they
    are by default.
    """
    from praxino.edits import parse_edit

    parameters = inspect.signature(films.generate).parameters
    flags = {name: parameter.default for name, parameter in parameters.items()}
    flags |= {name: value for name, value in options.items() if name in flags}
    films.make_films(flags | {"edit": parse_edit(edit)})


def _followed(film: Path, words: str) -> list[dict[str, Any]]:
    """Keyframes of a box that follows a thing of the layout in a film's record."""
    from praxino.edits import MAX_KEYFRAMES
    from praxino.generation.films import recorded_layout
    from praxino.generation.outlines import find_thing, outlines
    from praxino.storage.media.frames import read_video

    layout = recorded_layout(read_video(film).record)
    if layout is None:
        raise InputError(
            f"{film} holds no record of a layout", "--box; films of models that draw layouts do"
        )
    places = outlines(layout, find_thing(layout, words))
    if not places:
        raise InputError(f"--follow {words}: it is never in the picture", "--box says where")
    every = -(-len(places) // MAX_KEYFRAMES)
    return [place._asdict() for place in places[::every]]


def _keyframe(text: str) -> dict[str, Any]:
    """``[SECONDS:]LEFT,TOP,RIGHT,BOTTOM`` as plain values."""
    seconds, _, box = text.rpartition(":")
    try:
        return {"seconds": float(seconds or 0), "box": _numbers(box)}
    except ValueError:
        raise _no_box(text) from None


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise _no_box(text) from None
    if len(numbers) != 4:
        raise _no_box(text)
    return numbers


def _no_box(text: str) -> InputError:
    return InputError(
        f"box={text!r}: must be LEFT,TOP,RIGHT,BOTTOM as shares of the picture",
        "0.25,0.25,0.75,0.75",
    )
