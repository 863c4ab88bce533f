"""Signed statements in the file itself, as C2PA lays them out: what made it, by which model, from
what.

A film changed by one byte afterwards no longer fits its signature. A film written anew loses the
statements; the mark in its pixels, which they name as their soft binding, remains.
"""

import io
import logging
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import c2pa
from PIL import Image

from praxino.errors import InputError
from praxino.provenance.c2pa import identity
from praxino.provenance.c2pa.container import context, one_line
from praxino.provenance.c2pa.manifest import FORMAT, PARENT, generated, printable
from praxino.provenance.c2pa.read import SIDECAR_ENDING
from praxino.provenance.c2pa.sidecar import delete_outdated, require_own_sidecar, write
from praxino.provenance.policy import Ingredient, Relation
from praxino.storage.files import FULL
from praxino.storage.media.formats import HEAD_BYTES, UNKNOWN_MIME, mime_type

logger = logging.getLogger("praxino.provenance")

OS_ERROR: Final = re.compile(rf"os error ({'|'.join(map(str, FULL))})\b")
"""How the C2PA library tells of a disk that is full."""
Given = Sequence[tuple[Ingredient, Relation, str]]
"""What went in, how, and of which type it is."""


def sign(
    fresh: Path,
    target: Path,
    statements: dict[str, Any],
    ingredients: Sequence[Ingredient],
    relation: Relation = "inputTo",
) -> Callable[[], None] | None:
    """Put signed statements into a file, or beside ``target`` where its format has no room for
    them.

    What is returned then writes those, to be called as the file gets its name; the old ones are
    gone until then.

    Parameters
    ----------
    fresh : Path
        The file as it is now, later to be called ``target``.
    statements : dict
        A C2PA manifest definition, as `generated` and `changed` make them.
    ingredients : sequence of Ingredient
        What went into it.
    relation : str
        How they did: "inputTo" what `generated` states, "parentOf" what `changed` does.

    Raises
    ------
    InputError
        If the chosen chain or key cannot sign, or the file beside is about another one.
    MediaError
        If the file cannot be written.
    """
    with fresh.open("rb") as file:
        mime = mime_type(file.read(HEAD_BYTES))
    embedded = mime in c2pa.Builder.get_supported_mime_types()
    if not embedded:
        require_own_sidecar(target)
    # so that a file of the same name in another is not meant
    format_assertion = {
        "label": FORMAT,
        "data": {"format": mime},
    }
    statements = {
        **statements,
        "title": printable(target.name),
        "assertions": [*statements["assertions"], format_assertion],
    }
    manifest = _signed(
        fresh,
        mime,
        statements,
        [(ingredient, relation, _mime(ingredient)) for ingredient in ingredients],
    )
    delete_outdated(target)
    return None if embedded else lambda: write(manifest, target.with_suffix(SIDECAR_ENDING))


def _mime(ingredient: Ingredient) -> str:
    with ingredient.open() as content:
        return mime_type(content.read(HEAD_BYTES))


def _signed(fresh: Path, mime: str, statements: dict[str, Any], inputs: Given) -> bytes:
    """The signed statements; where an ingredient, or what it states itself, is damaged, it is so
    many bytes, and where nobody gives a time stamp, there is none.
    """
    own = identity.identity()
    plain = [(ingredient, relation, UNKNOWN_MIME) for ingredient, relation, _ in inputs]
    ways = [
        (inputs, own),
        *([(plain, own)] if inputs else []),
        *([(plain, own.unstamped())] if own.time_stamp else []),
    ]
    for which, signer in ways:
        try:
            manifest = _manifest(fresh, mime, statements, which, signer)
        except c2pa.C2paError as error:
            problem = one_line(error)
            if full := OS_ERROR.search(problem):
                raise OSError(int(full[1]), os.strerror(int(full[1]))) from None
            continue
        if signer.time_stamp != own.time_stamp:
            logger.warning("note: %s gives no time stamp: %s", own.time_stamp, problem)
        return manifest
    raise _cannot_sign(problem)


def _manifest(
    fresh: Path, mime: str, statements: dict[str, Any], inputs: Given, signer: identity.Identity
) -> bytes:
    """The signed statements, which are in the file then, if its format has room; ingredients come
    with their types.
    """
    supported = c2pa.Builder.get_supported_mime_types()
    with c2pa.Builder(statements, context()) as builder:
        for ingredient, relation, kind in inputs:
            name = {"instance_id": PARENT} if relation == "parentOf" else {}
            statement = {"title": printable(ingredient.name), "relationship": relation, **name}
            with ingredient.open() as content:
                builder.add_ingredient(
                    statement, kind if kind in supported else UNKNOWN_MIME, content
                )
        if mime not in supported:
            builder.set_no_embed()
        with fresh.open("rb") as source, tempfile.TemporaryFile(dir=fresh.parent) as signed:
            manifest = builder.sign(_signer(signer), mime, source, signed)
            if mime in supported:
                _copied(signed, fresh)
    return bytes(manifest)


def require_can_sign() -> None:
    """Raise `InputError` unless the chain and key that are chosen here can sign: before the work,
    not after it.

    They are tried on a picture of one pixel, without a time stamp: who gives those may be there
    when they are needed.
    """
    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    try:
        with c2pa.Builder(generated({}, prompt=False), context()) as builder:
            builder.sign(_signer(identity.identity().unstamped()), "image/png", pixel, io.BytesIO())
    except c2pa.C2paError as error:
        raise _cannot_sign(one_line(error)) from None


def _cannot_sign(problem: str) -> InputError:
    return InputError(f"cannot sign: {problem}", "see chain, key and algorithm in provenance.toml")


def _signer(own: identity.Identity) -> c2pa.Signer:
    stamps = own.time_stamp.encode() if own.time_stamp else None
    info = c2pa.C2paSignerInfo(
        alg=own.algorithm.encode(), sign_cert=own.chain, private_key=own.key, ta_url=stamps
    )
    return c2pa.Signer.from_info(info)


def _copied(signed: BinaryIO, fresh: Path) -> None:
    signed.seek(0)
    with fresh.open("wb") as file:
        while chunk := signed.read(2**20):
            file.write(chunk)
