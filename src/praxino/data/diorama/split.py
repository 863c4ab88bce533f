"""Which combinations training never sees: chosen by a hash, so that the choice is fixed; but for
the commonest pairs, which are never put aside, nobody picked it.

Compositional scores ask for exactly these. Every colour, motion and place of a held-out pair still
occurs in training, and so does its kind, only never the two together.
"""

import hashlib
from typing import Final, Literal

from praxino.data.diorama import world

Split = Literal["train", "held-out", "rare", "all"]

UNSEEN: Final = 2**40
"""Indices of samples from here on are never trained on, whatever they show."""

PART: Final = 0.1
"""How many of the pairs that may be held out are, and of individuals and words."""

RARE: Final = frozenset(
    {
        ("sun", "purple"),
        ("sun", "green"),
        ("moon", "purple"),
        ("cat", "green"),
        ("horse", "blue"),
        ("tree", "white"),
    }
)
"""(thing, colour) that nobody expects: held out by name, scored by themselves."""

# Sentences that everybody tries first; a model that has not seen these would only puzzle them.
_NEVER_HELD: Final = frozenset(
    {
        ("ball", "red"),
        ("ball", "blue"),
        ("car", "red"),
        ("car", "blue"),
        ("dog", "yellow"),
        ("dog", "brown"),
        ("ball", "bounce"),
        ("car", "drive"),
        ("cat", "walk"),
        ("dog", "run"),
        ("person", "walk"),
        ("boat", "sail"),
        ("bird", "fly"),
        ("cat", "room"),
        ("dog", "grass"),
        ("boat", "sea"),
        ("car", "city"),
        ("car", "road"),
    }
)


def held_out(kind: str, value: str) -> bool:
    """Whether the pair of a kind and a colour, motion or place never occurs in training."""
    if (kind, value) in RARE:
        return True
    if (kind, value) in _NEVER_HELD or _only_choice(kind, value):
        return False
    return put_aside(f"{kind} {value}")


def put_aside(name: str) -> bool:
    """Whether the hash of a name is among the `PART` that training never sees."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") < PART * 2**32


def _only_choice(kind: str, value: str) -> bool:
    traits = world.KINDS.get(kind)
    return traits is not None and traits.motions == (value,)


def pairs() -> dict[str, list[tuple[str, str]]]:
    """Every held-out pair by what it joins: "colour", "motion", "place", and the "rare" ones."""
    held: dict[str, list[tuple[str, str]]] = {
        "colour": [],
        "motion": [],
        "place": [],
        "rare": sorted(RARE),
    }
    for name, kind in world.KINDS.items():
        if name in world.SECOND_EDITION_KINDS:
            continue  # the pairs that suites ask for stay the same
        values = {
            "colour": kind.colours,
            "motion": kind.motions,
            "place": tuple(place for place, here in world.INHABITANTS.items() if name in here),
        }
        for what, options in values.items():
            held[what] += [
                (name, v) for v in options if held_out(name, v) and (name, v) not in RARE
            ]
    for star in ("sun", "moon"):
        held["colour"] += [
            (star, c) for c in world.SUN_COLOURS if held_out(star, c) and (star, c) not in RARE
        ]
    return held
