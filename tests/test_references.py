"""What sentences call by name: who is mentioned, and how a model reads it."""

import pytest

from praxino.errors import InputError
from praxino.references import (
    Reference,
    mentions,
    parse_references,
    require_references,
)

ANNA = Reference(name="anna", kind="animal", description="a red dog")
BOB = Reference(name="Bob")


def test_names_are_found_whatever_their_case():
    assert mentions("@anna and @BOB, @Anna's @@plain me@home @") == ["anna", "BOB"]
    assert mentions("@annabel") == ["annabel"]


def test_unknown_names_are_refused_with_near_ones():
    require_references("@anna meets @BOB", (ANNA, BOB))
    with pytest.raises(InputError, match=r"nothing is called @ana.*did you mean @anna"):
        require_references("@ana runs", (ANNA, BOB))
    with pytest.raises(InputError, match="praxino memory add zoe"):
        require_references("@zoe runs", ())
    with pytest.raises(InputError, match=r"--reference FILE"):
        require_references("@image2 runs", ())


def test_five_entities_and_names_that_differ_in_case_are_refused():
    five = [Reference(name=f"one{number}") for number in range(5)]
    with pytest.raises(InputError, match="5 entities"):
        require_references("a cat", five)
    with pytest.raises(InputError, match="@bob and @Bob are one name"):
        require_references("a cat", (Reference(name="bob"), BOB))


@pytest.mark.parametrize(
    "tree",
    [
        [{"name": "1a"}],
        [{"name": "anna", "kind": "person"}],
        [{"name": "anna", "strength": 3}],
        [{"name": "anna", "pictures": ["a"] * 5}],
        [{"name": "anna", "description": "d" * 201}],
        [{"name": "anna", "age": 3}],
        {"name": "anna"},
        [float("nan")],
        [{1, 2}],
    ],
)
def test_what_is_no_reference_is_refused(tree):
    with pytest.raises(InputError, match="references"):
        parse_references(tree)
