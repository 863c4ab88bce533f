"""Sentences with what stands for their ``@names``: plain text, which needs no model."""

import re
from collections.abc import Sequence

from praxino.references import MENTION, Reference


def spoken(prompt: str, references: Sequence[Reference], words: Sequence[str] = ()) -> str:
    """A sentence as a model reads it.

    Parameters
    ----------
    words : sequence of str
        For each reference a word by which the model knows its pictures; none for a model that
        takes no pictures. "" for a reference that the model is given none of.
    """
    word_of = dict(zip((one.name.lower() for one in references), words, strict=False))
    by_name = {one.name.lower(): one for one in references}
    mentioned: set[str] = set()

    def read(match: re.Match[str]) -> str:
        name = match[1].lower()
        if name not in by_name:  # of a record that says nothing of it
            return match[0]
        one, word = by_name[name], word_of.get(name, "")
        first = name not in mentioned
        mentioned.add(name)
        if word:
            return f"{word} {one.description}".rstrip() if first else word
        return one.description if first else _again(one.description)

    sentence = MENTION.sub(read, prompt).replace("@@", "@")
    unmentioned = [
        one for one in references if one.description and one.name.lower() not in mentioned
    ]
    before = [f"{one.description}. " for one in unmentioned if one.kind == "style"]
    after = [f", {one.description}" for one in unmentioned if one.kind == "place"]
    return "".join([*before, sentence.strip(), *after])


def _again(description: str) -> str:
    """A description of what was mentioned before: "a red dog" is "the red dog" then."""
    return re.sub(r"^(an?|one)\s", "the ", description, flags=re.IGNORECASE)
