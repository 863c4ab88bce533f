"""``praxino noise``: the forward process made visible."""

from pathlib import Path
from typing import Annotated

import typer

from praxino.cli.terminal import Progress
from praxino.errors import InputError


def noise(
    picture: Annotated[Path, typer.Argument(help="A picture or a film.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .png, or .mp4 .webm .gif for a film.")
    ] = Path("noise.png"),
    steps: Annotated[str, typer.Option(help="Steps of noise, 0 to 1000.")] = "0,100,500,1000",
    schedule: Annotated[str, typer.Option(help="linear cosine")] = "linear",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1)] = 0,
    no_credentials: Annotated[
        bool, typer.Option("--no-credentials", help="Do not sign the file.")
    ] = False,
) -> None:
    """Show the forward process: a picture or film as noise is added; large ones are reduced to 256
    rows first.

    The file is signed as edited and not marked as generated: no model made it.
    """
    from praxino.provenance.policy import Provenance
    from praxino.storage.files import require_writable
    from praxino.storage.media import frames, video

    video.require_ending(output, 1)
    require_writable(output)
    numbers = parse_steps(steps)
    from praxino.generation.noising import contact_sheet, noise_strip

    provenance = Provenance(credentials=not no_credentials)
    provenance.require_ready(output)
    strip = noise_strip(frames.read_video(picture), numbers, schedule, seed)
    if output.suffix.lower() == ".png":
        strip = contact_sheet(strip)
    provenance.changed(strip, picture, f"noise of steps {steps} put in").save(output)
    Progress(quiet=False).say(
        f"wrote {output}: {strip.frames.shape[2]}x{strip.frames.shape[1]}, steps {steps}"
    )


def parse_steps(text: str) -> list[int]:
    """Numbers of steps of noise, from a list with commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"steps={text!r}: must be numbers with commas between", "0,100,500,1000"
        ) from None
