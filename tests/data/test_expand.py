"""Short sentences become long ones that the world's vocabulary knows, and say no other thing."""

import re

import pytest

from praxino.data.diorama import vocabulary
from praxino.data.diorama.expand import expand, kinds_of
from praxino.data.diorama.phrases import SENTENCES


def words(sentence):
    return set(re.findall(r"[a-z]+", sentence.lower()))


@pytest.mark.parametrize("sentence", [*SENTENCES, "a cat", "two dogs run", "a red boat sails"])
def test_what_is_said_stays_and_only_the_scene_is_added(sentence):
    vocabulary_words = set(vocabulary())
    for seed in range(50):
        longer = expand(sentence, seed)
        assert words(longer) >= words(sentence)
        assert words(longer) <= vocabulary_words | words(sentence)
        assert kinds_of(words(longer)) == kinds_of(words(sentence))
        assert expand(longer, seed + 1) == longer
        assert len(longer.split()) <= 64


def test_a_seed_chooses_and_seeds_differ():
    assert expand("a cat", 3) == expand("a cat", 3)
    assert len({expand("a cat", seed) for seed in range(20)}) > 10


def test_what_is_named_is_not_named_again():
    for seed in range(30):
        longer = expand("a boat on the sea at night in the rain, the camera zooms in", seed)
        assert "Rain falls from the dark sky" in longer
        assert longer.lower().count("camera") == 1
        assert not words(longer) & {"grass", "road", "city", "room", "day", "sunset"}
        assert words(expand("a red sun", seed)).isdisjoint({"night", "moon", "room"})


def test_things_are_where_they_may_be():
    for seed in range(40):
        assert words(expand("a boat", seed)) & {"sea", "water"}
        assert words(expand("a bird", seed)).isdisjoint({"room", "indoors"})


def test_unknown_words_names_and_long_sentences_stay():
    assert expand("@anna dances", 1).startswith("@anna dances ")
    assert expand("a unicorn dances", 1).startswith("A unicorn dances ")
    long = " ".join(["a red ball and"] * 15) + " a cat"
    assert expand(long, 1) == long or len(expand(long, 1).split()) <= 64
    assert words(expand("@anna", 4, meaning="a boat")) & {"sea", "water"}
