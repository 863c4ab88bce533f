"""``praxino memory``: what sentences may call by ``@name``, added, listed, shown and removed."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from praxino.cli import batch
from praxino.cli.options import Json

memory = typer.Typer(
    help="Remember characters, objects, places and styles, for any sentence to call by @name.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(help="Without the @.", show_default=False)]
SHEET_PIXELS: Final = 160
"""Side of one picture of a contact sheet."""


@memory.command(name="add")
def remember(
    name: Name,
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="What it looks like: pictures, or films.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="character animal object place style.  [default: character]")
    ] = None,
    description: Annotated[
        str | None, typer.Option(help="As a sentence says it: a red dog with white spots.")
    ] = None,
    consent: Annotated[
        bool, typer.Option("--consent", help="Whoever the pictures show has agreed, or is nobody.")
    ] = False,
) -> None:
    """Remember an entity, or more pictures of one that is known."""
    from praxino.errors import UnknownNameError
    from praxino.generation.memory import installation, kept_pictures
    from praxino.references import KINDS

    if kind is not None and kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS)
    contents = [one for path in pictures or () for one in kept_pictures(path)]
    entity = installation().add(name, contents, kind, description, consent)
    count = len(entity.pictures)
    typer.echo(f"@{entity.name}: {entity.kind}, {count} picture{'' if count == 1 else 's'}")


@memory.command(name="list")
def list_entities(as_json: Json = False) -> None:
    """Print all that is remembered."""
    from praxino.generation.memory import installation

    entities = installation().entities()
    if as_json:
        typer.echo(json.dumps([one.model_dump() for one in entities], indent=2))
        return
    rows: list[tuple[str, ...]] = [("name", "kind", "pictures", "description")]
    rows += [
        (f"@{one.name}", one.kind, str(len(one.pictures)), one.description) for one in entities
    ]
    typer.echo(batch.table(rows))


@memory.command()
def show(
    name: Name,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A picture of all its pictures.")
    ] = Path("entity.png"),
) -> None:
    """Print what is remembered of an entity, and write its pictures side by side."""
    import numpy as np

    from praxino.data.pixels import strip
    from praxino.generation.images import whole
    from praxino.generation.memory import MAX_PICTURES, installation
    from praxino.storage.files import require_writable
    from praxino.storage.media.video import write_picture

    bank = installation()
    entity = bank.find(name)
    typer.echo(f"@{entity.name}: {entity.kind}. {entity.description}".strip())
    for one in entity.pictures:
        typer.echo(f"{one.digest[:19]}  {one.origin}")
    images = [image for one in entity.pictures if (image := bank.image(one.digest))]
    if images:
        require_writable(output)
        sides = (SHEET_PIXELS, SHEET_PIXELS)
        write_picture(
            output, strip(np.stack([whole(one.pixels, *sides) for one in images]), MAX_PICTURES)
        )
        typer.echo(f"wrote {output}", err=True)


@memory.command()
def remove(
    name: Name,
    picture: Annotated[
        str | None, typer.Option(help="Only this picture: its digest, as `show` prints it.")
    ] = None,
) -> None:
    """Forget an entity, with all that is kept of it, or one of its pictures."""
    from praxino.errors import InputError
    from praxino.generation.memory import installation
    from praxino.references import DIGEST

    bank = installation()
    if picture is None:
        bank.remove(name)
        typer.echo(f"removed @{name}")
        return
    digests, start = [one.digest for one in bank.find(name).pictures], picture.removeprefix(DIGEST)
    able = [one for one in digests if one.removeprefix(DIGEST).startswith(start)]
    if len(able) != 1:
        raise InputError(
            f"{picture}: {len(able)} pictures of @{name}", f"praxino memory show {name}", "picture"
        )
    bank.forget_picture(name, able[0])
    typer.echo(f"removed {able[0][:19]} of @{name}")
