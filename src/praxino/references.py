"""Entities that a film shows by name: what the ``@names`` of a sentence stand for.

Plain values, as requests carry them and records keep them. A model that takes pictures of entities
is given these beside a word for each; another one reads their descriptions in the sentence.
"""

import difflib
import re
from collections.abc import Sequence
from typing import Final, Literal

from pydantic import Field, TypeAdapter

from praxino.config import Config
from praxino.errors import InputError
from praxino.plain import NAME_PATTERN, parse_plain

EntityKind = Literal["character", "animal", "object", "place", "style"]
KINDS: Final[tuple[EntityKind, ...]] = ("character", "animal", "object", "place", "style")
SHOWN_KINDS: Final = ("character", "animal", "object")
"""Kinds of which a film shows one; a place is where it plays, a style how it looks."""
DIGEST: Final = "sha256:"
"""What names of pictures begin with that are called by their content."""
MAX_REFERENCES: Final = 4
"""Entities of one film."""
MAX_REFERENCE_PICTURES: Final = 4
"""Pictures of one entity that a model is given."""
MAX_DESCRIPTION_CHARS: Final = 200
MENTION: Final = re.compile(r"(?<![\w@])@([A-Za-z][A-Za-z0-9_]*)")


class Reference(Config):
    """One entity."""

    name: str = Field(pattern=f"^{NAME_PATTERN}$", description="what the sentence calls it: @name")
    kind: EntityKind = Field("character", description=" ".join(KINDS))
    description: str = Field(
        "", max_length=MAX_DESCRIPTION_CHARS, description="as a sentence says it: a red dog"
    )
    pictures: tuple[str, ...] = Field(
        (), strict=False, max_length=MAX_REFERENCE_PICTURES, description="what it looks like"
    )
    strength: float = Field(
        1.0, ge=0, le=2, description="how much its pictures count; 1 as trained, 0 not at all"
    )


_ADAPTER: Final[TypeAdapter[tuple[Reference, ...]]] = TypeAdapter(tuple[Reference, ...])


def parse_references(tree: object) -> tuple[Reference, ...]:
    """References from values that may be plain; raises `InputError` with the first wrong field."""
    return parse_plain(_ADAPTER, tree, "references", "references", "a list of entities")


def mentions(prompt: str) -> list[str]:
    """Names that a sentence mentions, each once, as it first writes them; ``@@`` is a plain @."""
    spelled = {name.lower(): name for name in reversed(MENTION.findall(prompt))}
    ordered = dict.fromkeys(name.lower() for name in MENTION.findall(prompt))
    return [spelled[name] for name in ordered]


def escape_mentions(text: str) -> str:
    """A sentence in which no @ begins a name."""
    return text.replace("@", "@@")


def require_references(prompt: str, references: Sequence[Reference]) -> None:
    """Raise `InputError` for an unknown name, two that differ in case only, or too many."""
    names = [one.name.lower() for one in references]
    if twice := [one.name for one in references if names.count(one.name.lower()) > 1]:
        raise InputError(
            f"{' and '.join('@' + name for name in twice)} are one name: case does not count",
            "another name",
            "references",
        )
    for name in mentions(prompt):
        require_known(name, [one.name for one in references])
    if len(references) > MAX_REFERENCES:
        raise InputError(
            f"{len(references)} entities: a film shows {MAX_REFERENCES} at most",
            "name fewer in the sentence",
            "references",
        )


def require_known(name: str, choices: Sequence[str]) -> None:
    """Raise `InputError` for a name that is none of ``choices``, with those near it."""
    lower = {choice.lower(): choice for choice in choices}
    if name.lower() in lower:
        return
    near = [f"@{lower[one]}" for one in difflib.get_close_matches(name.lower(), lower, 3, 0.5)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"praxino memory add {name} PICTURE"
    if name.lower().startswith("image"):
        hint = "--reference FILE, once for each of @image1, @image2 and so on"
    raise InputError(f"nothing is called @{name}", f"{hint} (@@ is a plain @)", "references")
