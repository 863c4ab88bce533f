"""Two individuals in one film, and one over time: protocols tell right films from wrong ones."""

from dataclasses import replace

import numpy as np
import pytest

from praxino.data.diorama import render
from praxino.evaluation import identity, identity_gap, identity_pairs
from praxino.evaluation.readers import read_identity, read_reader


@pytest.fixture(scope="module", name="cases")
def _cases():
    return identity_pairs.pair_cases(6, 17, 1.0, 8.0)


@pytest.fixture(scope="module", name="judge")
def _judge():
    return identity.IdentityJudge(read_reader(), read_identity())


def test_sentences_name_both_and_say_nothing_of_their_looks(cases):
    for case in cases:
        assert case.sentence.count("@first") == case.sentence.count("@second") == 1
        assert case.things[0].kind != case.things[1].kind
        for thing in case.things:
            assert thing.colour not in case.sentence.split()


def test_true_films_are_bound_and_films_with_changed_looks_are_not(cases, judge):
    rows = [identity_pairs.pair_scores(judge, render(case.scene, 64, 64), case) for case in cases]
    assert np.mean([row["bound"] for row in rows]) >= 0.8
    wrong = []
    for case in cases:
        first, second = case.things
        things = (
            replace(first, colour=second.colour, marking=second.marking),
            replace(second, colour=first.colour, marking=first.marking),
        )
        film = render(replace(case.scene, things=things), 64, 64)
        wrong.append(identity_pairs.pair_scores(judge, film, case)["bound"])
    assert np.mean(wrong) <= 0.3


def test_a_film_of_one_is_no_film_of_two(cases, judge):
    case = cases[0]
    film = render(replace(case.scene, things=case.things[:1], relation=None), 64, 64)
    assert identity_pairs.pair_scores(judge, film, case) == {"gate": 0, "bound": 0, "both": 0}


def test_summaries_are_means_by_source():
    rows = [{"truth": {"gate": 1.0, "bound": bound, "both": both}} for bound, both in
            ((1.0, 1.0), (0.5, 0.0))]  # fmt: skip
    scores = identity_pairs.pair_summary(rows)
    assert scores["truth"] == {"gate": 1.0, "bound": 0.75, "both": 0.5, "cases": 2}
    assert "truth" in identity_pairs.pair_table(scores)


def test_the_curve_over_windows(judge):
    (case,) = identity.identity_cases(1, 17, 1.0, 8.0)
    film = render(case.scene, 64, 64)
    nothing = np.full_like(film[:8], 128)
    calls = []

    def make(sentence, seed, pictures, windows):
        calls.append((sentence, seed, windows))
        return [film, film[:8], nothing]

    rows = list(identity_gap.judge_gap(judge, make, [case], 3))
    assert calls == [(case.sentence("@star the {noun}"), 0, 3)]
    scores = identity_gap.gap_summary(rows)
    assert list(scores) == ["1", "2", "3"]
    assert (scores["1"]["gate"], scores["3"]["gate"]) == (1, 0)
    assert np.isnan(scores["3"]["cosine"])
    assert "window" in identity_gap.gap_table(scores)
