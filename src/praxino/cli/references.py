"""What ``--reference`` says: pictures of entities, and names that are remembered."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from praxino.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from praxino.references import Reference

MAX_STRENGTH: Final = 2.0
ENDS: Final = {"first": "image", "last": "last"}
"""Settings of pictures that are given as ``--reference FILE:first`` and ``FILE:last``."""


def parse_references(
    texts: Sequence[str],
) -> "tuple[dict[str, str], tuple[Reference, ...] | None]":
    """Pictures that the film begins and ends with, by setting, and the other references, of flags
    ``FILE[:KIND]`` (kinds of entities, first and last) and ``@NAME:STRENGTH`` (what is remembered).

    Raises
    ------
    InputError
        For what is neither.
    """
    from praxino.references import KINDS, Reference

    ends: dict[str, str] = {}
    references: list[Reference] = []
    unnamed = itertools.count(1)
    for text in texts:
        file, _, kind = text.rpartition(":")
        if text.startswith("@"):
            references.append(_remembered(text))
        elif kind in ENDS:
            ends[ENDS[kind]] = file
        else:
            entity_kind = next((one for one in KINDS if one == kind), None)
            name = f"image{next(unnamed)}"
            if file and not entity_kind and not Path(text).exists() and Path(file).exists():
                raise UnknownNameError("kind of reference", kind, [*KINDS, *ENDS])
            picture = file if entity_kind else text
            references.append(
                Reference(name=name, kind=entity_kind or "object", pictures=(picture,))
            )
    return ends, tuple(references) or None


def _remembered(text: str) -> "Reference":
    """What the memory has of ``@NAME:STRENGTH``."""
    from praxino.generation import memory

    name, _, strength = text[1:].partition(":")
    try:
        share = float(strength or 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= MAX_STRENGTH:
        raise InputError(
            f"--reference {text}: a strength is from 0 to {MAX_STRENGTH:g}", f"@{name}:0.5"
        )
    return memory.installation().reference(name, share)
