"""Suites: the same cases every time, resumable, the same in any number of processes."""

import functools
import json

import pytest

from praxino.data.diorama.split import UNSEEN, held_out
from praxino.errors import UnknownNameError
from praxino.evaluation.suite import FALLING, SUITES, Case, cases, means, page, run, table


def judge(calls=None):
    """A judge that scores a case by its number."""

    def row(case):
        if calls is not None:
            calls.append(case.index)
        scene = case.scene(5, 1.0, 8.0)
        scores = {"model": {"kind": case.index % 2, "extra": 1.0} if case.index % 3 else {"kind": 1.0}}
        return {"index": case.index, "prompt": case.prompt(scene), "scores": scores | {"ceiling": {"kind": 1.0}}}

    return row


@pytest.mark.parametrize("suite", SUITES)
def test_cases_are_always_the_same_and_never_trained_on(suite):
    chosen = cases(suite, 12)
    assert chosen == cases(suite, 20)[:12]
    assert all(case.index >= UNSEEN for case in chosen)


def test_suites_hold_what_they_say():
    assert {case.part for case in cases("diorama", 30)} == {"train", "held-out"}
    for case in cases("physics", 20):
        scene = case.scene(17, 1.0, 8.0)
        assert scene.relation is not None or any(thing.motion in FALLING for thing in scene.things)
    for case in cases("rare", 20):
        scene = case.scene(17, 1.0, 8.0)
        pairs = [(t.kind, t.colour) for t in scene.things] + [(scene.light.source, scene.light.colour)]
        assert any(value and held_out(kind, value) for kind, value in pairs)
    with pytest.raises(UnknownNameError, match="did you mean rare"):
        cases("rar", 1)


def test_a_suite_goes_on_where_it_stopped(tmp_path):
    chosen, calls = cases("diorama", 9), []
    for row, _ in zip(run(chosen, functools.partial(judge, calls), tmp_path), range(4), strict=False):
        assert row["prompt"].endswith(".")
    assert len(calls) == 4 or len(calls) == 5
    rows = list(run(chosen, functools.partial(judge, calls), tmp_path))
    assert len(calls) == 9
    assert sorted(row["index"] for row in rows) == [case.index for case in chosen]
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 9


def test_two_processes_find_what_one_finds(tmp_path):
    chosen = cases("diorama", 4)
    one = sorted(map(json.dumps, run(chosen, judge, tmp_path / "one")))
    two = sorted(map(json.dumps, run(chosen, judge, tmp_path / "two", processes=2)))
    assert one == two


def test_table_and_page_show_means_and_counts():
    rows = [
        {"index": 2, "prompt": "A <red> ball.", "scores": {"model": {"kind": 1.0, "gravity": 0.5}},
         "strips": {"model": "a.png"}},
        {"index": 1, "prompt": "A cat.", "scores": {"model": {"kind": 0.0}, "ceiling": {"kind": 1.0}}},
    ]  # fmt: skip
    assert means(rows) == {"kind": {"model": (0.5, 2), "ceiling": (1.0, 1)}, "gravity": {"model": (0.5, 1)}}
    text = table(rows)
    assert "0.500 (n 2)" in text
    assert text.splitlines()[2].split()[0] == "gravity"
    shown = page(rows, "a & b")
    assert "A &lt;red&gt; ball." in shown
    assert 'src="a.png"' in shown
    assert shown.index("A cat.") < shown.index("ball.")


def test_cases_are_values():
    assert Case("train", 3) == Case("train", 3)
