"""``praxino layout``: what a sentence puts where, to be looked at, edited, and painted by
``generate --layout``.
"""

import math
from pathlib import Path
from typing import Annotated

import typer

from praxino.cli.options import Frames, Quiet, Size, parse_size
from praxino.cli.terminal import Progress
from praxino.errors import InputError


def layout(
    sentence: Annotated[str, typer.Argument(help="What to show.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A .json to edit, or a .png to look at.  [default: print JSON]"
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Bundled, or a folder.")] = "diorama",
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="The same seed draws the same layout.")
    ] = 0,
    frames: Frames = None,
    size: Size = None,
    temperature: Annotated[
        float,
        typer.Option(
            min=0, max=10, help="How freely to fill in what is not said; 0: the likeliest."
        ),
    ] = 0.5,
    quiet: Quiet = False,
) -> None:
    """Draw the layout of a sentence: which things there are, and where each is in every frame."""
    from praxino.data.layout_picture import draw_layout
    from praxino.generation import loading
    from praxino.generation.layout import draw
    from praxino.storage.files import require_writable, write_text
    from praxino.storage.media.video import write_picture

    progress = Progress(quiet)
    if output is not None:
        if output.suffix.lower() not in (".json", ".png"):
            raise InputError(f"{output}: must end in .json or .png", "-o layout.json")
        require_writable(output)
    if not math.isfinite(temperature):
        raise InputError(
            f"temperature={temperature}: must be a number from 0 to 10", "--temperature 0.5"
        )
    loaded = loading.load(model, "cpu")
    if loaded.model.layout is None:
        raise InputError(f"{model} draws no layouts", "a model with a folder layout/ does")
    width, height = parse_size(size)
    request = loaded.request(sentence, frames=frames, width=width, height=height, seed=seed)
    drawn = draw(loaded.model.layout, sentence, seed, request.shape, temperature)
    if output is None:
        typer.echo(drawn.model_dump_json(indent=1))
        return
    if output.suffix.lower() == ".png":
        write_picture(output, draw_layout(drawn))
    else:
        write_text(output, drawn.model_dump_json(indent=1) + "\n")
    things = (
        ", ".join(f"{thing.colour} {thing.kind} ({thing.motion})" for thing in drawn.things)
        or "no things"
    )
    progress.say(f"wrote {output}: {things}")
