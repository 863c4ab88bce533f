"""``praxino recaption``: the long sentence that a model would read in place of a short one."""

from typing import Annotated, Any

import typer

from praxino.cli import generate as films
from praxino.cli.options import Json


def recaption(
    sentence: films.Sentence,
    how: Annotated[
        str, typer.Option("--recaption", help="grammar llm: who makes the sentence long.")
    ] = "grammar",
    model: films.ModelName = None,
    seed: films.SeedOption = None,
    as_json: Json = False,
) -> None:
    """Print the sentence that the model would read, to edit it: ``generate --prompt-used``."""
    import json

    from praxino.generation import loading

    settings: dict[str, Any] = {"recaption": how, "seed": seed}
    request = loading.load(model or "diorama", device="cpu").request(str(sentence), **settings)
    if as_json:
        typer.echo(json.dumps({"prompt": request.prompt, "prompt_used": request.prompt_used}))
    else:
        typer.echo(request.prompt_used)
