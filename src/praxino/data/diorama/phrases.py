"""Tables of words and phrases that captions are made of. A phrase that stands twice is said twice
as often.
"""

import re
from collections.abc import Iterable
from typing import Final

from praxino.data.diorama import world
from praxino.models.text import ENTITY_NAMES

Phrases = tuple[str, ...]
Verbs = tuple[tuple[str, str], ...]  # (finite, participle)

SENTENCES: Final = (
    "a cat walking across a room",
    "a golden dog plays fetch with a red ball in a sunlit park",
    "a red car and a blue car racing",
    "a purple sun over a green sea",
    "a ball falls and bounces",
    "a sailboat at sunset under drifting clouds",
    "a city at night, the camera pans left",
)
"""What everybody tries first: the world knows every word of these."""

NOUNS: Final[dict[str, Phrases]] = {
    "ball": ("ball", "ball", "bouncy ball"),
    "box": ("box", "box", "crate"),
    "car": ("car", "car", "car", "automobile"),
    "person": ("person", "person", "man", "woman"),
    "cat": ("cat", "cat", "cat", "kitten"),
    "dog": ("dog", "dog", "dog", "puppy"),
    "horse": ("horse", "horse", "pony"),
    "bird": ("bird", "bird"),
    "boat": ("boat", "sailboat", "sailing boat"),
    "tree": ("tree", "tree"),
    "flower": ("flower", "flower", "blossom"),
    "house": ("house", "house", "cottage"),
    "sign": ("sign", "sign", "board"),
}
PLURALS: Final[dict[str, Phrases]] = {
    kind: tuple(f"{noun}s" for noun in nouns) for kind, nouns in NOUNS.items()
} | {
    "box": ("boxes", "boxes", "crates"),
    "person": ("people", "people", "persons"),
    "horse": ("horses", "horses", "ponies"),
    "dog": ("dogs", "dogs", "dogs", "puppies"),
}
NUMBERS: Final = {2: ("two", "two", "a pair of"), 3: ("three",)}
COLOUR_WORDS: Final[dict[str, Phrases]] = {colour: (colour,) for colour in world.COLOURS} | {
    "yellow": ("yellow", "yellow", "golden"),
    "purple": ("purple", "purple", "violet"),
    "black": ("black", "black", "dark"),
}
VERBS: Final[dict[str, Verbs]] = {
    "walk": (("walks", "walking"), ("strolls", "strolling")),
    "run": (("runs", "running"), ("is running", "running")),
    "jump": (("jumps", "jumping"), ("hops", "hopping"), ("leaps", "leaping")),
    "drive": (("drives", "driving"), ("drives by", "driving by"), ("speeds", "speeding")),
    "roll": (("rolls", "rolling"), ("is rolling", "rolling")),
    "bounce": (
        ("bounces", "bouncing"),
        ("falls and bounces", "falling and bouncing"),
        ("drops", "dropping"),
    ),
    "throw": (("is thrown", "thrown"), ("flies and bounces", "bouncing along")),
    "fall": (
        ("falls", "falling"),
        ("falls to the ground", "falling to the ground"),
        ("drops", "dropping"),
    ),
    "slide": (("slides", "sliding"), ("is sliding", "sliding")),
    "fly": (("flies", "flying"), ("is flying", "flapping its wings")),
    "sail": (("sails", "sailing"), ("drifts", "drifting")),
    "still": (("stands", "standing"), ("stands still", "standing still")),
}
RESTING: Final[dict[str, Verbs]] = {
    "ball": (("lies", "lying"), ("rests", "resting"), ("lies still", "lying still")),
    "car": (("is parked", "parked"), ("stands still", "standing still")),
    "boat": (("floats", "floating"), ("lies at anchor", "resting")),
    "flower": (("grows", "growing"), ("stands", "standing"), ("blooms", "blooming")),
    "tree": (("stands", "standing"), ("grows", "growing")),
}
PLACES: Final[dict[str, Phrases]] = {
    "grass": ("on the grass", "in a park", "in a green meadow", "in a field"),
    "road": ("on a road", "on the road", "on a country road"),
    "city": ("in the city", "in a city", "on a city street", "on the street"),
    "room": ("in a room", "inside a room", "in the room", "indoors"),
    "sea": ("on the sea", "on the water", "at sea"),
}
ACROSS: Final[dict[str, str]] = {
    "grass": "across the grass",
    "road": "along the road",
    "city": "through the city",
    "room": "across a room",
    "sea": "across the sea",
}
BARE: Final[dict[str, Phrases]] = {
    "grass": ("a meadow", "a park", "a green field"),
    "road": ("a road", "an empty road", "a country road"),
    "city": ("a city", "the city", "a city street", "a skyline"),
    "room": ("an empty room", "a room"),
    "sea": ("the sea", "the ocean", "waves on the sea"),
}
OVER_SEA: Final[Phrases] = ("over the sea", "above the water", "over the ocean")
TIMES: Final[dict[str, Phrases]] = {
    "day": ("by day", "on a sunny day", "in daylight", "in the sun"),
    "sunset": ("at sunset", "at dusk", "in the evening", "during sunset"),
    "night": ("at night", "by night", "in the dark", "under the moon"),
}
DULL_TIMES: Final[dict[str, Phrases]] = TIMES | {
    "day": ("by day", "on a gray day"),
    "night": ("at night", "by night"),
}
WEATHERS: Final[dict[str, Phrases]] = {
    "clouds": (
        "under drifting clouds",
        "with clouds in the sky",
        "under clouds",
        "as clouds drift by",
    ),
    "rain": ("in the rain", "in heavy rain", "while it rains", "as rain falls"),
    "snow": ("in the snow", "in falling snow", "while it snows", "as snow falls"),
}
OVERCAST: Final[dict[str, str]] = {
    "day": "a gray sky",
    "sunset": "the evening sky",
    "night": "the dark sky",
}
CAMERAS: Final[dict[str, Phrases]] = {
    "pan left": ("the camera pans left", "the camera moves left", "the camera pans to the left"),
    "pan right": (
        "the camera pans right",
        "the camera moves right",
        "the camera pans to the right",
    ),
    "zoom in": ("the camera zooms in", "the camera moves closer"),
    "zoom out": ("the camera zooms out", "the camera moves back"),
    "follow": ("the camera follows it", "followed by the camera", "tracking shot"),
    "still": ("the camera is still", "the camera does not move", "static camera"),
}
# {a} and {b} are the first and the second thing, {c} the third; finite and participle forms.
RELATIONS: Final[dict[str, Verbs]] = {
    "race": (
        ("{a} and {b} race", "{a} and {b} racing"),
        ("{a} and {b} race each other", "{a} and {b} racing each other"),
        ("{a} races {b}", "{a} racing {b}"),
    ),
    "chase": (
        ("{a} chases {b}", "{a} chasing {b}"),
        ("{a} runs after {b}", "{a} running after {b}"),
        ("{b} is chased by {a}", "{b} chased by {a}"),
    ),
    "fetch": (
        ("{a} plays fetch with {b}", "{a} playing fetch with {b}"),
        ("{a} runs after {b}", "{a} chasing {b}"),
        ("{a} fetches {b}", "{a} fetching {b}"),
    ),
    "collide": (
        ("{a} collides with {b}", "{a} colliding with {b}"),
        ("{a} rolls into {b}", "{a} rolling into {b}"),
        ("{a} and {b} collide", "{a} and {b} colliding"),
        ("{a} hits {b}", "{a} hitting {b}"),
    ),
    "stack": (
        ("{a} falls onto {b}", "{a} falling onto {b}"),
        ("{a} lands on top of {b}", "{a} landing on {b}"),
        ("{a} drops on {b}", "{a} stacked on {b}"),
    ),
    "topple": (
        ("{a} knocks {b} off {c}", "{a} knocking {b} off {c}"),
        ("{a} topples a tower of {b} and {c}", "{a} toppling a tower of {b} and {c}"),
        ("{a} hits {b} on top of {c}", "{a} hitting {b} on {c}"),
    ),
    "pass behind": (
        ("{a} passes behind {b}", "{a} passing behind {b}"),
        ("{a} goes behind {b} and comes out again", "{a} going behind {b}"),
        ("{a} disappears behind {b} and reappears", "{a} disappearing behind {b}"),
    ),
    "left of": (
        ("{a} is to the left of {b}", "{a} to the left of {b}"),
        ("{a} stands left of {b}", "{a} left of {b}"),
        ("{b} is to the right of {a}", "{b} to the right of {a}"),
        ("{a} is next to {b}", "{a} next to {b}"),
    ),
    "bigger than": (
        ("{a} is bigger than {b}", "{a} bigger than {b}"),
        ("{b} is smaller than {a}", "{b} smaller than {a}"),
    ),
}
VAGUE: Final = "next to"
"""Does not say on which side; paragraphs, which say everything, do without."""
SIZES: Final = ("big", "large"), ("small", "little")
MATERIALS: Final[dict[str, str]] = {"rubber": "rubber", "steel": "steel", "wooden": "wooden"}
PATTERNS: Final[dict[str, str]] = {
    "spots": "spots",
    "stripes": "stripes",
    "patch": "patch",
    "belt": "belt",
}
PATTERN: Final[dict[str, str]] = {
    "spots": "spot",
    "stripes": "stripe",
    "patch": "patch",
    "belt": "belt",
}
"""A word for one mark of a pattern."""
LETTERS: Final = tuple(f'"{letter}' for letter in "abcdefghijklmnopqrstuvwxyz")
"""What a word in quotation marks is read as: its letters, one by one."""

# What the grammar itself writes.
_GRAMMAR: Final = (
    "a an the and with while to from left right in out it is are of by sunlit park shirt enters "
    "leaves drives",
    "sun moon sky over under above shines low light falls through window comes stars rain snow "
    "gray",
    "clouds drift across sea still day sunset night grass road city room their",
    "race chase fetch collide stacked toppling",
    "hat collar word that says",
)


def vocabulary() -> tuple[str, ...]:
    """Every word that a caption can contain, and the letters of those in quotation marks,
    sorted.
    """
    words = {word for phrase in _phrases() for word in re.findall(r"[a-z]+", phrase.lower())} - {
        "c"
    }
    return tuple(sorted({*words, *LETTERS, *ENTITY_NAMES}))


def _phrases() -> Iterable[str]:
    yield from (*_GRAMMAR, *OVER_SEA, *world.COLOURS)
    for names in (ACROSS, OVERCAST, MATERIALS, PATTERNS, PATTERN):
        yield from names.values()
    for words in (*NUMBERS.values(), *SIZES):
        yield from words
    for table in (NOUNS, PLURALS, COLOUR_WORDS, PLACES, BARE, TIMES, DULL_TIMES, WEATHERS, CAMERAS):
        for phrases in table.values():
            yield from phrases
    for verbs in (VERBS, RESTING, RELATIONS):
        for pairs in verbs.values():
            for pair in pairs:
                yield from (
                    form.replace("{a}", "").replace("{b}", "").replace("{c}", "") for form in pair
                )
