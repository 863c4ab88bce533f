"""The text encoder: words it knows, words it does not, sentences of any length."""

import torch

from praxino.models.text import TextConfig, TextEncoder, words
from praxino.training.warm_start import adapt_text

WORDS = ("a", "ball", "blue", "bounces", "cat", "red")


def tiny() -> TextEncoder:
    return TextEncoder(TextConfig(vocabulary=WORDS, width=16, layers=2, heads=2, length=6)).eval()


def test_words_are_parted_by_anything_else():
    assert words("A red-ball, bounces!") == ["a", "red", "ball", "bounces"]
    assert words("une élève 42") == ["une", "élève", "42"]


def test_unknown_words_come_with_near_ones():
    assert tiny().unknown("a bal bounces, zzz zzz") == {"bal": ["ball"], "zzz": []}


def test_padding_is_zero_and_does_not_matter():
    encoder = tiny()
    with torch.no_grad():
        pair = encoder.encode(["a red ball", "a blue cat bounces"])
        assert pair.shape == (2, 6, 16)
        assert (pair[0, 3:] == 0).all()
        torch.testing.assert_close(pair[0], encoder.encode(["a red ball"])[0])


def test_the_empty_and_the_endless_sentence():
    encoder = tiny()
    with torch.no_grad():
        assert (encoder.encode([""]) == 0).all()
        torch.testing.assert_close(encoder.encode(["red " * 100]), encoder.encode(["red " * 6]))


def test_order_matters():
    encoder = tiny()
    with torch.no_grad():
        first, second = (
            encoder.encode(["a red ball a blue cat"]),
            encoder.encode(["a blue ball a red cat"]),
        )
    assert not torch.allclose(first[0, 2], second[0, 2])  # "ball" knows its colour


def test_weights_of_another_vocabulary_keep_the_words_that_both_know():
    old = TextConfig(vocabulary=("a", "ball", "red"), width=8, layers=1, heads=2, length=4)
    new = TextConfig(vocabulary=("a", "blue", "red", "rain"), width=8, layers=1, heads=2, length=6)
    known, grown = TextEncoder(old), TextEncoder(new)
    fresh = grown.words.weight.detach().clone()
    grown.load_state_dict(adapt_text(grown, known.state_dict(), old))
    for word, vector in (("a", known.words.weight[1]), ("red", known.words.weight[3])):
        assert torch.equal(grown.words.weight[grown.ids[word]], vector)
    assert torch.equal(grown.words.weight[grown.ids["rain"]], fresh[grown.ids["rain"]])
    assert torch.equal(grown.places[:4], known.places)
