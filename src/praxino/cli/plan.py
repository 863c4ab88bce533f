"""``praxino plan``: memory and time of a film, before anything is loaded."""

from typing import Annotated

import typer

from praxino.cli.options import (
    Device,
    Dtype,
    FirstImage,
    Frames,
    LastImage,
    Size,
    Steps,
    TextFile,
    TokenizerFolder,
    VaeFile,
    VisionFile,
    parse_size,
    part_files,
)


def plan(
    model: Annotated[
        str, typer.Argument(help="A bundled model, a folder, or OWNER/NAME.")
    ] = "diorama",
    frames: Frames = None,
    size: Size = None,
    steps: Steps = None,
    guidance: Annotated[
        float | None, typer.Option(help="1 is not guided, and takes half the time.")
    ] = None,
    image: FirstImage = None,
    last: LastImage = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    vae: VaeFile = None,
    text: TextFile = None,
    tokenizer: TokenizerFolder = None,
    vision: VisionFile = None,
) -> None:
    """Say what memory and time a film will take, before anything is loaded."""
    from praxino.generation import loading

    width, height = parse_size(size)
    loaded = loading.load(model, device, dtype, files=part_files(vae, text, tokenizer, vision))
    request = loaded.request(
        "a cat", frames=frames, width=width, height=height, steps=steps, guidance=guidance,
        image=str(image) if image else None, last=str(last) if last else None,
    )  # fmt: skip
    estimate = loaded.plan(request)
    typer.echo(f"{request.frames} frames, {request.width}x{request.height}, {request.steps} steps")
    typer.echo(estimate.table())
    estimate.validate()
