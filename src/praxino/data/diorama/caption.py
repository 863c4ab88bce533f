"""Scenes put into words: tags, a sentence and a paragraph, in wording drawn from `wording`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from numpy.random import Generator

from praxino.data.diorama import phrases
from praxino.data.diorama.scene import Captions, Scene, Thing
from praxino.rng import Stream, generator

NAME_AND_NOUN: Final = 0.7
"""Part of the mentions of a thing with a name that say its kind, too."""
NAME_ALONE: Final = 0.15
"""Part of those mentions that say nothing but the name; the rest say everything."""


def caption(scene: Scene, seed: int, index: int) -> Captions:
    """The scene in three lengths; (seed, index) chooses the wording, not the content."""
    rng = generator(Stream.CAPTION, seed, index)
    return Captions(_tags(scene, rng), _sentence(scene, rng), _paragraph(scene, rng))


def _one(rng: Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def _name(
    thing: Thing, rng: Generator, plain: float = 0.0, full: bool = False, size: str = ""
) -> str:
    """ "a red ball", "a person in red"; with probability ``plain`` without the colour.

    ``full`` adds material and markings: "a red steel ball", "a brown dog with white spots". What
    has a name is called by it: "zza the dog", "zza", or "zza a brown dog with white spots".
    """
    if thing.name:
        way = rng.random()
        if way < NAME_AND_NOUN:
            return f"{thing.name} the {_one(rng, phrases.NOUNS[thing.kind])}"
        if way < NAME_AND_NOUN + NAME_ALONE:
            return thing.name
        return f"{thing.name} {_name(replace(thing, name=None), rng, 0.0, True, size)}"
    noun = _one(rng, phrases.NOUNS[thing.kind])
    if thing.material == "steel":
        noun = noun.removeprefix("bouncy ")
    before = [size] if size else []
    after = ""
    if rng.random() >= plain:
        colour = _one(rng, phrases.COLOUR_WORDS[thing.colour])
        if thing.kind == "person":
            colour = thing.colour  # shirts are plain: nobody says "in golden"
            after = f" in {colour}" if rng.random() < 0.5 else f" in {_article(colour)} shirt"
        else:
            before.append(colour)
    before += _material(thing, full)
    if full:
        after += _marking(thing)
    if thing.word:
        after += (
            f' that says "{thing.word}"'
            if thing.kind == "sign"
            else f' with the word "{thing.word}"'
        )
    return _article(" ".join([*before, noun])) + after


def _material(thing: Thing, full: bool) -> list[str]:
    """["steel"], always said; the others only in ``full``."""
    named = thing.material and (full or thing.material == "steel")
    return [phrases.MATERIALS[str(thing.material)]] if named else []


def _marking(thing: Thing) -> str:
    """ " with white spots", " with a black patch", " with two white stripes and a red hat", or
    "".
    """
    marking = thing.marking
    if not marking:
        return ""
    own = marking.individual
    if own is None:
        pattern = f"{marking.colour} {phrases.PATTERNS[marking.pattern]}"
        return f" with {pattern if pattern.endswith('s') else _article(pattern)}"
    marks = f"{marking.colour} {phrases.PATTERN[marking.pattern]}"
    marks = (
        _article(marks)
        if len(own.places) == 1
        else f"{phrases.NUMBERS[len(own.places)][0]} {marks}s"
    )
    return f" with {marks}" + (
        f" and {_article(f'{own.worn_colour} {own.worn}')}" if own.worn else ""
    )


def _group_name(things: Sequence[Thing], rng: Generator, full: bool = False) -> str:
    """ "two red balls", "three people in blue"; ``full`` as in `_name`."""
    first = things[0]
    noun = _one(rng, phrases.PLURALS[first.kind])
    number = _one(rng, phrases.NUMBERS[len(things)])
    after = f" each{marking}" if full and (marking := _marking(first)) else ""
    if first.kind == "person":
        return f"{number} {noun} in {first.colour}{after}"
    colour = _one(rng, phrases.COLOUR_WORDS[first.colour])
    return " ".join([number, colour, *_material(first, full), noun]) + after


def _verb(thing: Thing, rng: Generator, participle: bool) -> str:
    pairs = (
        phrases.RESTING.get(thing.kind, phrases.VERBS["still"]) if thing.motion == "still" else None
    )
    pairs = pairs or phrases.VERBS[thing.motion]
    return pairs[int(rng.integers(len(pairs)))][participle]


def _course(scene: Scene, thing: Thing, rng: Generator, often: float) -> str:
    """Where a moving thing comes from or goes to; entries and exits are what is seen of the
    truth.
    """
    if thing.motion not in (
        "walk",
        "run",
        "drive",
        "roll",
        "slide",
        "fly",
        "sail",
        "jump",
        "throw",
    ):
        return ""
    came, went = ("left", "right") if thing.heading > 0 else ("right", "left")
    visible = scene.visible(thing)
    if rng.random() >= often:
        return ""
    if not visible[0] and visible.any():
        return f" in from the {came}"
    if visible[0] and not visible[-1]:
        return f" out to the {went}"
    return f" to the {went}"


def _action(
    scene: Scene, rng: Generator, plain: float = 0.0, full: bool = False, course: float = 0.3
) -> str:
    """What the things do: "a red ball bounces and a blue box stands"."""
    participle = rng.random() < 0.4
    if scene.relation:
        return _relation(scene, rng, participle, full, course)
    clauses = [
        f"{_name(t, rng, plain, full)} {_verb(t, rng, participle)}{_course(scene, t, rng, course)}"
        for t in (scene.things[int(i)] for i in rng.permutation(len(scene.things)))
    ]
    return _joined(clauses, rng)


def _joined(clauses: list[str], rng: Generator) -> str:
    if len(clauses) > 2:
        return f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    return _one(rng, (" and ", " and ", " while ")).join(clauses)


def _relation(scene: Scene, rng: Generator, participle: bool, full: bool, course: float) -> str:
    assert scene.relation is not None
    name, things = scene.relation.name, scene.things
    if name == "group":
        lead = things[0]
        be = "" if participle else "are "
        verb = _verb(lead, rng, True).replace("its", "their")
        return f"{_group_name(things, rng, full)} {be}{verb}{_course(scene, lead, rng, course)}"
    if name == "bigger than" and (full or rng.random() < 0.6):
        big, small = (
            _name(t, rng, 0.0, full, _one(rng, s))
            for t, s in zip(things, phrases.SIZES, strict=True)
        )
        verb = _verb(things[0], rng, True)
        return f"{big} and {small}" + (f" {verb}" if full or rng.random() < 0.5 else "")
    forms = [pair for pair in phrases.RELATIONS[name] if not (full and phrases.VAGUE in pair[0])]
    form = forms[int(rng.integers(len(forms)))][participle]
    names = dict(zip("abc", (_name(t, rng, 0.0, full) for t in things), strict=False))
    return form.format(**names)


def _place(scene: Scene, rng: Generator) -> str:
    above = all(thing.kind == "bird" for thing in scene.things)
    if scene.tint:
        return f"{'over' if above else 'on'} a {scene.tint} sea"
    if scene.place == "sea" and above:
        return _one(rng, phrases.OVER_SEA)
    if (
        scene.place == "grass"
        and scene.time == "day"
        and scene.weather == "clear"
        and rng.random() < 0.3
    ):
        return "in a sunlit park"
    moving = all(thing.motion in ("walk", "run", "drive", "roll", "sail") for thing in scene.things)
    if moving and rng.random() < 0.3:
        return phrases.ACROSS[scene.place]
    return _one(rng, phrases.PLACES[scene.place])


def _bare(scene: Scene, rng: Generator) -> str:
    return _article(f"{scene.tint} sea") if scene.tint else _one(rng, phrases.BARE[scene.place])


def _star(scene: Scene, rng: Generator) -> str:
    """ "a purple sun" where the sun or moon has a colour of its own, else ""."""
    colour = scene.light.colour
    return (
        _article(f"{_one(rng, phrases.COLOUR_WORDS[colour])} {scene.light.source}")
        if colour
        else ""
    )


def _time(scene: Scene, rng: Generator) -> str:
    table = phrases.DULL_TIMES if scene.weather in ("rain", "snow") else phrases.TIMES
    return _one(rng, table[scene.time])


def _sentence(scene: Scene, rng: Generator) -> str:
    star = _star(scene, rng)
    if not scene.things:
        text = f"{star} over {_bare(scene, rng)}" if star else _bare(scene, rng)
    else:
        text = _action(scene, rng, plain=0.12)
        if rng.random() < 0.85 or scene.tint:
            text += f" {_place(scene, rng)}"
        if star:
            text += f" under {star}"
    if rng.random() < (0.5 if scene.time == "day" else 0.9):
        text += f" {_time(scene, rng)}"
    if scene.weather != "clear" and rng.random() < (0.6 if scene.weather == "clouds" else 0.9):
        text += f" {_one(rng, phrases.WEATHERS[scene.weather])}"
    if scene.camera.motion != "still":
        text += f", {_one(rng, phrases.CAMERAS[scene.camera.motion])}"
    return text


def _paragraph(scene: Scene, rng: Generator) -> str:
    what = _action(scene, rng, full=True, course=1.0) if scene.things else _bare(scene, rng)
    where = f" {_place(scene, rng)}" if scene.things else ""
    sentences = [f"{what}{where} {_time(scene, rng)}", *_heavens(scene, rng)]
    sentences.append(_one(rng, phrases.CAMERAS[scene.camera.motion]))
    return ". ".join(sentence[0].upper() + sentence[1:] for sentence in sentences) + "."


def _heavens(scene: Scene, rng: Generator) -> list[str]:
    """Sentences about the light and the weather."""
    if scene.light.source == "window":
        return [_one(rng, ("light falls through the window", "light comes from the window"))]
    if scene.weather in ("rain", "snow"):
        return [f"{scene.weather} falls from {phrases.OVERCAST[scene.time]}"]
    star = _star(scene, rng) or f"the {scene.light.source}"
    # there it must stand above the roofs
    low = " low" if scene.time == "sunset" and scene.place != "city" else ""
    light = f"{star} shines{low} in the sky"
    return [light, "white clouds drift across the sky"] if scene.weather == "clouds" else [light]


def _tags(scene: Scene, rng: Generator) -> str:
    """ "red car, blue car, race, road, sunset, rain, the camera pans left"."""
    tags = [re.sub("^an? ", "", _name(thing, rng)) for thing in scene.things]
    if scene.relation and scene.relation.name == "group":
        tags = [_group_name(scene.things, rng)]
    if scene.relation and scene.relation.name in (
        "race",
        "chase",
        "fetch",
        "collide",
        "stack",
        "topple",
    ):
        tags.append(
            {"stack": "stacked", "topple": "toppling"}.get(scene.relation.name, scene.relation.name)
        )
    elif len(scene.things) == 1:
        tags.append(_verb(scene.things[0], rng, participle=True))
    tags += [f"{scene.tint} sea" if scene.tint else scene.place, scene.time]
    if scene.light.colour:
        tags.append(f"{scene.light.colour} {scene.light.source}")
    if scene.weather != "clear":
        tags.append(scene.weather)
    if scene.camera.motion != "still":
        tags.append(_one(rng, phrases.CAMERAS[scene.camera.motion]))
    return ", ".join(tags)
