"""Options that several verbs share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from praxino.errors import InputError

if TYPE_CHECKING:
    from praxino.storage.wan.single_files import PartFiles

MAX_FILMS_PER_CALL = 10_000

Device = Annotated[str, typer.Option(help="auto cpu cuda mps")]
Dtype = Annotated[str, typer.Option(help="auto float32 bfloat16 int8 fp8")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Processes = Annotated[int, typer.Option(min=0, max=256, help="Worker processes; 0: one per core.")]
Frames = Annotated[int | None, typer.Option(help="4k+1; one frame is a picture.")]
Size = Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps.")]
FirstImage = Annotated[Path | None, typer.Option(help="The picture that the film begins with.")]
LastImage = Annotated[
    Path | None, typer.Option("--last-image", help="The picture that it ends with.")
]
VaeFile = Annotated[
    Path | None, typer.Option(help="Autoencoder of a --model that is a transformer's file.")
]
TextFile = Annotated[
    Path | None, typer.Option(help="Text encoder of a --model that is a transformer's file.")
]
VisionFile = Annotated[
    Path | None, typer.Option(help="Picture encoder (CLIP) of a --model that looks at pictures.")
]
TokenizerFolder = Annotated[
    Path | None, typer.Option(help="Tokenizer of a --model that is a transformer's file.")
]

Data = Annotated[
    Path | None,
    typer.Option(help="Folder for jobs and films.  [default: in this user's data folder]"),
]
Jobs = Annotated[
    str | None, typer.Option(envvar="PRAXINO_JOBS", help="sqlite:///FILE or postgresql://...")
]
Storage = Annotated[str | None, typer.Option(envvar="PRAXINO_STORAGE", help="Folder, or s3://...")]
ServedModels = Annotated[
    list[str] | None,
    typer.Option("--model", help="A model to serve; repeatable.  [default: diorama]"),
]
KeepDays = Annotated[
    float, typer.Option(min=0, max=36_500, help="Days until films are deleted; 0: never.")
]
KeepBytes = Annotated[
    int, typer.Option(min=0, help="Bytes of all films: the oldest are deleted first; 0: no limit.")
]
Lease = Annotated[
    float,
    typer.Option(min=1, max=86_400, help="Seconds of silence after which a worker counts as dead."),
]
PerMinute = Annotated[int, typer.Option(min=0, help="Jobs a minute; 0: any number.")]
PerDay = Annotated[int, typer.Option(min=0, help="Jobs a day; 0: any number.")]
MaxActive = Annotated[int, typer.Option(min=0, help="Jobs waiting or in progress; 0: any number.")]


def part_files(
    vae: Path | None, text: Path | None, tokenizer: Path | None, vision: Path | None
) -> "PartFiles | None":
    """The files of parts that were named; None if none was."""
    if vae is text is tokenizer is vision is None:
        return None
    from praxino.storage.wan.single_files import PartFiles

    return PartFiles(vae, text, tokenizer, vision)


def parse_size(text: str | None) -> tuple[int | None, int | None]:
    """(width, height) in pixels of ``WIDTHxHEIGHT``; raises `InputError` for anything else."""
    if text is None:
        return None, None
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and len(text) < 20):
        text = text if len(text) < 40 else f"{text[:40]}..."
        raise InputError(f"size={text!r}: must be WIDTHxHEIGHT", "64x64")
    return int(width), int(height)
