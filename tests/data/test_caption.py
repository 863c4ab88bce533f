"""Captions: three lengths, everything visible named, every word in the vocabulary."""

import functools

import pytest

from praxino.data.diorama import caption, compose, vocabulary
from praxino.data.diorama.phrases import ACROSS, COLOUR_WORDS, NOUNS, PATTERNS, PLURALS, SENTENCES
from praxino.models.text import words


@functools.cache
def scenes():
    """Composed once, and only by a process whose tests need them."""
    return [compose(7, i) for i in range(600)]


def names(thing):
    nouns = (*NOUNS[thing.kind], *PLURALS[thing.kind])
    if thing.kind == "person":
        return [f"{noun} in {more}{thing.colour}" for noun in nouns for more in ("", "a ", "an ")]
    colours = (*COLOUR_WORDS[thing.colour],)
    materials = ("", *(f"{thing.material} ",)) if thing.material else ("",)
    return [
        f"{colour} {material}{noun}"
        for colour in colours
        for material in materials
        for noun in nouns
    ]


def test_paragraphs_name_every_thing_with_its_colour_material_and_markings():
    for index, scene in enumerate(scenes()):
        said = caption(scene, 7, index).paragraph.lower()
        for thing in scene.things:
            assert any(name in said for name in names(thing)), (said, thing.kind, thing.colour)
            alone = scene.relation is None or scene.relation.name == "group"
            if alone and thing.marking:
                assert f"{thing.marking.colour} {PATTERNS[thing.marking.pattern]}" in said
            if alone and thing.material:
                assert thing.material in said


def test_tags_name_every_kind_and_the_place():
    for index, scene in enumerate(scenes()):
        tags = caption(scene, 7, index).tags.split(", ")
        assert any(scene.place in tag or (scene.tint and "sea" in tag) for tag in tags)
        assert scene.time in tags
        for thing in scene.things:
            assert any(
                noun in tag for tag in tags for noun in (*NOUNS[thing.kind], *PLURALS[thing.kind])
            )


def test_lengths_grow():
    for index, scene in enumerate(scenes()):
        said = caption(scene, 7, index)
        assert len(words(said.paragraph)) > len(words(said.sentence)) * 0.7
        assert len(words(said.paragraph)) <= 64


def test_entries_and_exits_are_said_as_they_are_seen():
    checked = 0
    for index, scene in enumerate(scenes()):
        if len(scene.things) == 1 and scene.relation is None:
            seen = scene.visible(scene.things[0])
            said = caption(scene, 7, index).paragraph
            moves = scene.things[0].motion not in ("still", "fall", "bounce")
            assert (" in from the " in said) == (moves and not seen[0])
            assert (" out to the " in said) == bool(moves and seen[0] and not seen[-1])
            checked += " in from the " in said or " out to the " in said
    assert checked > 10


def test_wording_varies_and_stays_in_the_vocabulary():
    scene = compose(7, 3)
    assert len({caption(scene, 0, i).sentence for i in range(60)}) > 10
    known = set(vocabulary())
    for index, each in enumerate(scenes()):
        said = caption(each, 7, index)
        for text in (said.tags, said.sentence, said.paragraph):
            assert set(words(text)) <= known, text


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_sample_sentences_are_in_the_vocabulary(sentence):
    assert set(words(sentence)) <= set(vocabulary())


def test_what_is_said_of_places_and_skies_can_be_so():
    for index, scene in enumerate(scenes()):
        said = caption(scene, 7, index).paragraph
        assert "puppys" not in said
        if scene.weather in ("rain", "snow") and scene.place != "room":
            assert ("gray sky" in said) == (scene.time == "day")
        if scene.tint and scene.things:
            flies = all(thing.kind == "bird" for thing in scene.things)
            assert f"{'over' if flies else 'on'} a {scene.tint} sea" in said
        if any(thing.motion == "still" for thing in scene.things):
            assert not any(f" {across}" in said for across in ACROSS.values())
