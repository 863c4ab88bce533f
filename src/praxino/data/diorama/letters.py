"""Capital letters as strokes, large and plain, and the words that things carry."""

import itertools
from typing import Final

from numpy.random import Generator

from praxino.data.diorama.canvas import Canvas, Colour, Point
from praxino.data.diorama.split import put_aside

# Strokes on a grid of 3 columns and 5 rows, "column row" from the top left; | lifts the pen.
STROKES: Final[dict[str, str]] = {
    "a": "04 01 10 21 24|02 22",
    "b": "04 00 10 21 12 02|12 23 14 04",
    "c": "21 10 01 03 14 23",
    "d": "00 04 14 23 21 10 00",
    "e": "20 00 04 24|02 12",
    "f": "20 00 04|02 12",
    "g": "20 10 01 03 14 24 22 12",
    "h": "00 04|20 24|02 22",
    "i": "00 20|10 14|04 24",
    "j": "10 20|20 23 14 03",
    "k": "00 04|20 02 24",
    "l": "00 04 24",
    "m": "04 00 12 20 24",
    "n": "04 00 24 20",
    "o": "10 01 03 14 23 21 10",
    "p": "04 00 10 21 12 02",
    "q": "10 01 03 14 23 21 10|13 24",
    "r": "04 00 10 21 12 02|12 24",
    "s": "20 00 02 22 24 04",
    "t": "00 20|10 14",
    "u": "00 03 14 23 20",
    "v": "00 14 20",
    "w": "00 04 12 24 20",
    "x": "00 24|20 04",
    "y": "00 12 20|12 14",
    "z": "00 20 04 24",
}

WORDS: Final = (
    "open",
    "stop",
    "taxi",
    "cafe",
    "home",
    "fish",
    "book",
    "milk",
    "park",
    "shop",
    "food",
    "game",
    "moon",
    "star",
    "love",
    "play",
    "jump",
    "gold",
    "rose",
    "salt",
    "rice",
    "soup",
    "team",
    "goal",
    "farm",
    "king",
    "quiz",
    "zero",
    "jazz",
    "help",
    "exit",
    "wind",
    "wave",
    "ship",
    "fast",
    "slow",
    "hero",
    "land",
    "lake",
    "toys",
    "cake",
    "corn",
    "mint",
    "plum",
    "kiwi",
    "bank",
    "post",
    "news",
    "free",
    "sale",
    "left",
    "exam",
    "yoga",
    "hotel",
    "music",
    "radio",
    "pizza",
    "fresh",
    "lucky",
    "happy",
    "bus",
    "zoo",
    "gym",
    "tea",
    "sun",
    "sea",
    "ice",
    "art",
    "map",
    "key",
)
RANDOM_PART: Final = 0.25
"""Part of the words that are four letters by chance, so that letters are learned and not words."""
STROKE_WIDTH: Final = 0.62
"""Width of a stroke in units of the grid: as heavy as still leaves holes open."""


def is_word_held_out(word: str) -> bool:
    """Whether training never shows this word."""
    return put_aside(f"word {word}")


def draw_word(rng: Generator) -> str:
    """A word that training may show."""
    while True:
        if rng.random() < RANDOM_PART:
            word = "".join(str(letter) for letter in rng.choice(list(STROKES), 4))
        else:
            word = WORDS[int(rng.integers(len(WORDS)))]
        if not is_word_held_out(word):
            return word


def spell(canvas: Canvas, word: str, corner: Point, opposite: Point, ink: Colour) -> None:
    """Write ``word`` (a to z) from the upper left ``corner`` to the lower right one, letters 2
    units wide, 1 apart.
    """
    (left, top), (right, bottom) = corner, opposite
    across = (right - left) / (3 * len(word) - 1 + STROKE_WIDTH)
    up = min((bottom - top) / (4 + STROKE_WIDTH), 1.6 * across)  # no letter is taller than that
    y = (top + bottom) / 2 - 2 * up
    x = left + STROKE_WIDTH / 2 * across
    for letter in word:
        for stroke in STROKES[letter].split("|"):
            points = [(x + int(at[0]) * across, y + int(at[1]) * up) for at in stroke.split()]
            for start, end in itertools.pairwise(points):
                canvas.line(start, end, STROKE_WIDTH * min(across, up), ink)
        x += 3 * across
