"""Suites: the same cases every time, resumable, the same in any number of processes."""

import functools
import json
import pickle

import numpy as np
import pytest

from praxino.data.diorama.split import UNSEEN, held_out
from praxino.errors import InputError, UnknownNameError
from praxino.evaluation.report import far, means, page, summary, table, write
from praxino.evaluation.suite import FALLING, SUITES, Case, SuiteManifest, begin, cases, run


def judge(calls=None):
    """A judge that scores a case by its number."""

    def row(case):
        if calls is not None:
            calls.append(case.name)
        scene = case.scene(5, 1.0, 8.0)
        scores = {
            "model": {"kind": case.index % 2, "extra": 1.0} if case.index % 3 else {"kind": 1.0}
        }
        scores |= {"truth": {"kind": 1.0}}
        return {
            "name": case.name,
            "part": case.part,
            "prompt": case.prompt(scene),
            "scores": scores,
        }

    return row


@pytest.mark.parametrize("suite", SUITES)
def test_cases_are_always_the_same_and_never_trained_on(suite):
    chosen = cases(suite, 12)
    assert chosen == cases(suite, 20)[:12]
    assert all(case.index >= UNSEEN for case in chosen)
    assert len({(case.part, index) for case in chosen for index in (case.index, case.other)}) == 24


def test_suites_hold_what_they_say():
    assert {case.part for case in cases("diorama", 30)} == {"train", "held-out"}
    for case in cases("physics", 20):
        scene = case.scene(17, 1.0, 8.0)
        assert scene.relation is not None or any(thing.motion in FALLING for thing in scene.things)
    for case in cases("rare", 20):
        scene = case.scene(17, 1.0, 8.0)
        pairs = [(t.kind, t.colour) for t in scene.things] + [
            (scene.light.source, scene.light.colour)
        ]
        assert any(value and held_out(kind, value) for kind, value in pairs)
    with pytest.raises(UnknownNameError, match="did you mean rare"):
        cases("rar", 1)


def test_a_suite_goes_on_where_it_stopped(tmp_path):
    chosen, calls = cases("diorama", 9), []
    for row, _ in zip(
        run(chosen, functools.partial(judge, calls), tmp_path), range(4), strict=False
    ):
        assert row["prompt"].endswith(".")
    assert len(calls) == 4 or len(calls) == 5
    rows = list(run(chosen, functools.partial(judge, calls), tmp_path))
    assert len(calls) == 9
    assert sorted(row["name"] for row in rows) == sorted(case.name for case in chosen)
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 9


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path):
    chosen = cases("diorama", 4)
    one = sorted(map(json.dumps, run(chosen, judge, tmp_path / "one")))
    two = sorted(map(json.dumps, run(chosen, judge, tmp_path / "two", processes=2)))
    assert one == two


def test_an_unfinished_line_is_judged_again(tmp_path):
    chosen, calls = cases("diorama", 3), []
    list(run(chosen, judge, tmp_path))
    path = tmp_path / "rows.jsonl"
    path.write_text(path.read_text()[:-20])
    assert len(list(run(chosen, functools.partial(judge, calls), tmp_path))) == 3
    assert calls == [chosen[2].name]
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 3


def test_several_seeds_are_several_films_of_one_scene():
    chosen = cases("rare", 3, seeds=2)
    assert [case.seed for case in chosen] == [0, 1] * 3
    assert chosen[0].index == chosen[1].index
    assert len({case.name for case in chosen}) == len({case.other for case in chosen}) == 6
    assert chosen[::2] == cases("rare", 3)


def test_a_folder_keeps_to_one_model_and_suite(tmp_path):
    first = SuiteManifest(suite="rare", model="a", reader="r", measures="1")
    begin(tmp_path / "one", first)
    begin(tmp_path / "one", first)
    with pytest.raises(InputError, match="other weights, another suite"):
        begin(tmp_path / "one", SuiteManifest(suite="rare", model="b", reader="r", measures="1"))
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "holiday.txt").touch()
    with pytest.raises(InputError, match="not a folder of an evaluation"):
        begin(tmp_path / "two", first)


ROWS = [
    {
        "name": "a",
        "part": "train",
        "prompt": "A <red> ball.",
        "scores": {"model": {"kind": 1.0, "gravity": 0.5}},
        "strips": {"model": "a.png"},
        "features": {"model": [1.0, 0.0], "others": [0.0, 0.0]},
        "seconds": 2.0,
    },
    {
        "name": "b",
        "part": "held-out",
        "prompt": "A cat.",
        "scores": {"model": {"kind": 0.0}, "truth": {"kind": 1.0}},
        "features": {"model": [2.0, 0.0], "others": [1.0, 0.0]},
        "seconds": 3.0,
    },
]


def test_means_and_distances_are_told_apart():
    found = means(ROWS)
    assert found["kind"] == {
        "model": {"mean": 0.5, "error": 0.5, "films": 2},
        "truth": {"mean": 1.0, "error": 0.0, "films": 1},
    }
    assert found["gravity"] == {"model": {"mean": 0.5, "error": 0.0, "films": 1}}
    assert far(ROWS)["frechet"] == {"model": pytest.approx(1.0)}
    found = summary(ROWS)
    assert found["seconds a film"] == 2.5
    assert set(found["scores"]) == {"train", "held-out"}
    assert "biased upwards" in found["notes"][0]


def test_seeds_are_measured_by_themselves():
    """The truth is there once: of more films of the model the same distances are not smaller."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "name": f"{i}-{seed}",
            "part": "train",
            "seed": seed,
            "prompt": "",
            "scores": {},
            "features": {
                name: rng.normal(size=8).tolist()
                for name in ("model", "others", *(["truth"] * (not seed)))
            },
        }
        for seed in range(4)
        for i in range(40)
    ]
    found = far(rows)
    assert found["frechet"]["model"] == pytest.approx(found["frechet"]["truth"], rel=0.5)
    assert found["coverage"]["model"] == pytest.approx(found["coverage"]["truth"], abs=0.1)


def test_table_and_page_show_means_and_counts(tmp_path):
    found = summary(ROWS)
    text = table(found)
    assert "1.000  (n 1)" in text
    assert "held-out pairs (1)" in text
    assert "2.50 seconds a film" in text
    shown = page(ROWS, found, "a & b")
    assert "A &lt;red&gt; ball." in shown
    assert 'src="a.png"' in shown
    write(tmp_path, ROWS, found, "a & b")
    assert "a &amp; b" in (tmp_path / "index.html").read_text()
    assert json.loads((tmp_path / "scores.json").read_text()) == found


def test_errors_come_whole_from_another_process():
    error = UnknownNameError("suite", "rarr", SUITES)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_cases_are_values():
    assert Case("train", 3, 4) == Case("train", 3, 4)
