"""Short sentences made long: where, when and in which light, where a sentence does not say so.

What is added is drawn from what the world shows with such things, in the words of its paragraphs;
what a sentence says stays as it is, and nothing is added to its things.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeVar

from numpy.random import Generator

from praxino.data.diorama import phrases, world
from praxino.data.diorama.split import held_out
from praxino.rng import Stream, generator

K = TypeVar("K", bound=str)

PLACE_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "grass": ("grass", "meadow", "field", "park"),
    "road": ("road",),
    "city": ("city", "street", "skyline"),
    "room": ("room", "indoors", "inside"),
    "sea": ("sea", "water", "ocean", "waves"),
}
TIME_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "day": ("day", "sunny", "daylight", "sunlit"),
    "sunset": ("sunset", "dusk", "evening"),
    "night": ("night", "dark", "moon"),
}
WEATHER_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "clouds": ("clouds", "cloud"),
    "rain": ("rain", "rains"),
    "snow": ("snow", "snows"),
}
LIGHT_WORDS: Final = ("sky", "shines", "window", "sun", "moon")
MAX_WORDS: Final = 64
CAMERA_WORDS: Final = ("camera", "tracking")


def expand(sentence: str, seed: int, meaning: str = "", most: int = MAX_WORDS) -> str:
    """A sentence with place, time, weather, light and camera; one that has all of them is returned
    as it is.

    Parameters
    ----------
    seed : int
        Chooses what is added.
    meaning : str
        The sentence with descriptions in the place of names; what it shows is read from that.
    most : int
        Words that a model reads; what would be longer is not added.
    """
    words = set(re.findall(r"[a-z]+", (meaning or sentence).lower()))
    rng = generator(Stream.EXPANSION, seed, 0)
    place, time = _named(PLACE_WORDS, words), _named(TIME_WORDS, words)
    if time is None and "in the sun" in (meaning or sentence).lower():
        time = "day"
    weather = _named(WEATHER_WORDS, words)
    first = sentence.strip().rstrip(".")
    if place is None and (place := _place(words, weather, rng)) is not None:
        first += f" {_one(rng, _place_phrases(place, words))}"
    if time is None:
        time = _drawn(rng, _times(words))
        dull = weather in ("rain", "snow")
        first += f" {_one(rng, (phrases.DULL_TIMES if dull else phrases.TIMES)[time])}"
    more = []
    if not words.intersection(LIGHT_WORDS):
        if weather is None:
            weather = "clear" if place == "room" else _drawn(rng, world.WEATHERS)
        more = _light(place, time, weather, rng)
    if not words.intersection(CAMERA_WORDS):
        more.append(_one(rng, phrases.CAMERAS[_drawn(rng, world.CAMERAS)]))
    room = most - len((meaning or sentence).split()) + len(sentence.split())
    while more and sum(len(part.split()) for part in (first, *more)) > room:
        more.pop()
    if (first == sentence.strip().rstrip(".") and not more) or len(first.split()) > room:
        return sentence
    return ". ".join(part[0].upper() + part[1:] for part in (first, *more) if part) + "."


def kinds_of(words: set[str]) -> set[str]:
    """Kinds of things that a sentence of these words shows."""
    return {
        kind
        for kind in phrases.NOUNS
        for noun in (*phrases.NOUNS[kind], *phrases.PLURALS[kind])
        if noun.split()[-1] in words
    }


def _named(table: Mapping[str, tuple[str, ...]], words: set[str]) -> str | None:
    """Which of several a sentence of these words names, the first of the table's."""
    return next((name for name, own in table.items() if words.intersection(own)), None)


def _place(words: set[str], weather: str | None, rng: Generator) -> str | None:
    """A place where all things of a sentence may be; None where there is none."""
    kinds = kinds_of(words)
    able = {
        place: weight
        for place, weight in world.PLACES.items()
        if all(kind in world.INHABITANTS[place] for kind in kinds)
        and not any(held_out(kind, place) for kind in kinds)
        and not (place == "room" and (weather or words.intersection(LIGHT_WORDS)))
    }
    return _drawn(rng, able) if able else None


def _place_phrases(place: str, words: set[str]) -> phrases.Phrases:
    """How a sentence says where: birds alone are over the sea."""
    return (
        phrases.OVER_SEA
        if place == "sea" and kinds_of(words) == {"bird"}
        else phrases.PLACES[place]
    )


def _times(words: set[str]) -> dict[str, float]:
    """Times with their weights: the sun does not shine at night."""
    return {
        time: weight
        for time, weight in world.TIMES.items()
        if time != "night" or "sun" not in words
    }


def _light(place: str | None, time: str, weather: str, rng: Generator) -> list[str]:
    """Sentences about the light and the weather."""
    if place == "room":
        return [_one(rng, ("light falls through the window", "light comes from the window"))]
    if weather in ("rain", "snow"):
        return [f"{weather} falls from {phrases.OVERCAST[time]}"]
    low = " low" if time == "sunset" and place != "city" else ""
    light = f"the {'moon' if time == 'night' else 'sun'} shines{low} in the sky"
    return [light, "white clouds drift across the sky"] if weather == "clouds" else [light]


def _drawn(rng: Generator, weights: Mapping[K, float]) -> K:
    names, total = list(weights), sum(weights.values())
    return names[int(rng.choice(len(names), p=[weights[name] / total for name in names]))]


def _one(rng: Generator, options: phrases.Phrases) -> str:
    return options[int(rng.integers(len(options)))]
