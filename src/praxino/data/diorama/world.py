"""What the world consists of: kinds, colours, places, light and weather, and which of them go
together.

Lengths are in frame heights, speeds in frame heights per second.
"""

from typing import Final, NamedTuple

RGB = tuple[int, int, int]

COLOURS: Final[dict[str, RGB]] = {
    "red": (216, 44, 40),
    "orange": (244, 138, 26),
    "yellow": (248, 216, 52),
    "green": (44, 160, 66),
    "blue": (42, 92, 216),
    "purple": (136, 58, 182),
    "pink": (246, 136, 180),
    "white": (242, 242, 242),
    "brown": (132, 82, 44),
    "black": (42, 42, 48),
}


class Kind(NamedTuple):
    """``heights`` (least, most) and ``aspect`` (width over height) of the outline; what it does,
    made of what.
    """

    heights: tuple[float, float]
    aspect: float
    motions: tuple[str, ...]
    colours: tuple[str, ...] = tuple(COLOURS)
    materials: tuple[str, ...] = ()


LEAVES: Final = ("green", "orange", "red", "pink", "white")

KINDS: Final[dict[str, Kind]] = {
    "ball": Kind(
        (0.20, 0.28), 1.0, ("bounce", "roll", "throw", "still"), materials=("rubber", "steel")
    ),
    "box": Kind((0.22, 0.30), 1.0, ("fall", "slide", "still"), materials=("wooden", "steel")),
    "car": Kind((0.24, 0.29), 2.0, ("drive", "still")),
    "person": Kind((0.42, 0.52), 0.42, ("walk", "run", "jump", "still")),
    "cat": Kind((0.32, 0.40), 1.35, ("walk", "run", "jump", "still")),
    "dog": Kind((0.32, 0.40), 1.3, ("walk", "run", "jump", "still")),
    "horse": Kind((0.42, 0.50), 1.25, ("walk", "run", "jump", "still")),
    "bird": Kind((0.20, 0.26), 1.6, ("fly",)),
    "boat": Kind((0.38, 0.48), 0.95, ("sail", "still")),
    "tree": Kind((0.46, 0.58), 0.75, ("still",), LEAVES),
    "flower": Kind(
        (0.26, 0.34),
        0.6,
        ("still",),
        ("red", "orange", "yellow", "blue", "purple", "pink", "white"),
    ),
    "house": Kind((0.36, 0.44), 1.1, ("still",)),
    "sign": Kind((0.46, 0.58), 1.5, ("still",)),
}
SECOND_EDITION_KINDS: Final = frozenset({"sign"})
"""Kinds that no scene of the first edition holds."""

MATERIALS: Final[dict[str, float]] = {"rubber": 0.8, "steel": 0.35, "wooden": 0.25}
"""Restitution: the part of its speed that a thing keeps in an impact."""

DENSITIES: Final[dict[str, float]] = {"rubber": 1.0, "wooden": 1.0, "steel": 4.0}
"""Mass per area, against rubber."""

# How often a motion is drawn among those its kind knows; 1 unless said.
EAGERNESS: Final[dict[str, float]] = {"drive": 3, "bounce": 2, "walk": 2, "sail": 2}

# What is found where, with how often.
INHABITANTS: Final[dict[str, dict[str, float]]] = {
    "grass": {
        "ball": 4,
        "box": 2,
        "person": 3,
        "cat": 2,
        "dog": 3,
        "horse": 2,
        "bird": 2,
        "tree": 2,
        "flower": 2,
        "house": 2,
    },
    "road": {
        "car": 6,
        "ball": 1.5,
        "person": 1.5,
        "dog": 1,
        "horse": 1.5,
        "bird": 1,
        "tree": 1,
        "house": 1,
    },
    "city": {"car": 4, "ball": 2, "box": 1, "person": 3, "cat": 1.5, "dog": 1.5, "bird": 1.5},
    "room": {"ball": 4, "box": 3, "cat": 4, "dog": 3, "person": 3, "flower": 1.5},
    "sea": {"boat": 6, "bird": 3},
}
PLACES: Final[dict[str, float]] = {
    "grass": 0.26,
    "road": 0.14,
    "city": 0.18,
    "room": 0.20,
    "sea": 0.22,
}
TIMES: Final[dict[str, float]] = {"day": 0.5, "sunset": 0.25, "night": 0.25}
WEATHERS: Final[dict[str, float]] = {"clear": 0.5, "clouds": 0.28, "rain": 0.11, "snow": 0.11}
CAMERAS: Final[dict[str, float]] = {
    "still": 0.70,
    "pan left": 0.06,
    "pan right": 0.06,
    "zoom in": 0.05,
    "zoom out": 0.05,
    "follow": 0.08,
}

# Where the ground (or water) begins, and the lanes that things stand on, far to near.
HORIZON: Final[dict[str, float]] = {
    "grass": 0.60,
    "road": 0.60,
    "city": 0.66,
    "room": 0.66,
    "sea": 0.56,
}
LANES: Final[dict[str, tuple[float, float, float]]] = {
    "grass": (0.74, 0.82, 0.91),
    "road": (0.76, 0.84, 0.92),
    "city": (0.79, 0.86, 0.93),
    "room": (0.80, 0.86, 0.92),
    "sea": (0.66, 0.74, 0.82),
}

# Light that falls on things: multiplies every surface colour (R, G, B).
TINT: Final[dict[str, tuple[float, float, float]]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.84, 0.74),
    "night": (0.58, 0.62, 0.84),
}
SKY: Final[dict[str, tuple[RGB, RGB]]] = {  # top, horizon
    "day": ((92, 160, 240), (204, 228, 250)),
    "sunset": ((88, 62, 138), (255, 158, 84)),
    "night": ((10, 14, 40), (38, 46, 92)),
}
OVERCAST: Final[dict[str, tuple[RGB, RGB]]] = {  # the same under rain and snow
    "day": ((142, 152, 166), (190, 198, 206)),
    "sunset": ((104, 88, 116), (206, 150, 118)),
    "night": ((24, 28, 42), (46, 52, 70)),
}
SUN_COLOURS: Final = ("red", "orange", "purple", "green", "blue", "pink", "white")
SEA_COLOURS: Final = ("green", "purple", "red", "pink")

GRAVITY: Final = 1.6
"""Frame heights per second squared: a view about six metres tall."""
