"""Individuals in films: the protocol finds the right one in true films, and not in others."""

import numpy as np
import pytest

from praxino.data.diorama import render
from praxino.data.diorama.families import is_individual_held_out
from praxino.evaluation import identity
from praxino.evaluation.readers import read_identity, read_reader


@pytest.fixture(scope="module", name="cases")
def _cases():
    return identity.identity_cases(20, 17, 1.0, 8.0)


@pytest.fixture(scope="module", name="judge")
def _judge():
    return identity.IdentityJudge(read_reader(), read_identity())


def test_cases_are_of_individuals_never_trained_on(cases):
    again = identity.identity_cases(2, 17, 1.0, 8.0)
    assert [case.thing.marking for case in again] == [case.thing.marking for case in cases[:2]]
    for case in cases:
        assert is_individual_held_out(case.thing.marking.individual.seed)
        assert len(case.gallery) == identity.RIVALS
        assert np.array_equal(case.gallery[0], case.pictures)
        assert not np.array_equal(case.pictures, case.others)


def test_sentences_name_it_and_say_nothing_of_its_looks(cases):
    for case in cases:
        named = case.sentence("@star the {noun}")
        assert named.startswith("@star the ")
        bare = case.sentence("a {noun}")
        assert identity.NAME not in bare
        marks = f"{case.thing.marking.colour} {case.thing.marking.pattern.rstrip('s')}"
        assert marks in case.described
        assert marks not in bare
        assert case.sentence(case.described).startswith(case.described)


@pytest.mark.slow
def test_true_films_show_their_own_individual(cases, judge):
    rows = [judge.scores(render(case.scene, 64, 64), case) for case in cases]
    assert np.mean([row["gate"] for row in rows]) >= 0.75
    assert np.mean([row["top1"] for row in rows]) >= 0.65
    others = [
        judge.scores(render(cases[number - 1].scene, 64, 64), case)
        for number, case in enumerate(cases[: len(cases) // 2])
    ]
    assert np.mean([row["top1"] for row in others]) <= 0.3
    copied = np.concatenate([case.pictures[:1].repeat(17, 0) for case in cases[:1]])
    assert judge.scores(copied, cases[0])["copied"] > 0.03


def test_a_film_of_nothing_scores_nothing(cases, judge):
    nothing = np.full((17, 64, 64, 3), 128, np.uint8)
    assert judge.scores(nothing, cases[0]) == {"gate": 0.0, "top1": 0.0}
    nothing_read = {"gate": 0.0, "top1": 0.0}
    right = {"gate": 1.0, "top1": 1.0, "cosine": 0.5, "copied": 0.1}
    scores = identity.identity_summary([{"bare": nothing_read}, {"bare": right}])
    means = {name: scores["bare"][name] for name in right}
    assert means == {"gate": 0.5, "top1": 0.5, "cosine": 0.5, "copied": 0.1}
    assert "chance" in identity.identity_table(scores)
