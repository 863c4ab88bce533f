"""Rules decide over all shots together, and say which of them left what out."""

from collections import Counter
from pathlib import Path

import pytest

from praxino.data.curation.decide import Rules, candidates, counts, decide, kept_at
from praxino.data.curation.measures import ShotRow, SourceRow
from praxino.data.curation.report import write_report
from praxino.data.curation.sources import Source, Span

PLAIN = Rules(
    least_seconds=1, most_seconds=100, motion_low=0, motion_high=0, sharpness_low=0, trim=0
)
GOOD = {"motion": 0.01, "sharpness": 100.0, "luma": 120.0, "contrast": 40.0}


def shot(start=0.0, end=4.0, before="end", after="end", number=1, **scores):
    """A shot whose fingerprints are far from those of other numbers."""
    flips = f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"
    turned = f"{number * 0xD1B54A32D192ED03 % 2**64:016x}"
    more = {"hashes": (flips,) * 5, "mirrored": (turned,) * 5}
    return ShotRow(
        start=start, end=end, frames=10, before=before, after=after, **GOOD | more | scores
    )


WHOLE = (Span(),)


def film(name, *shots, spans=WHOLE, bars=(0, 0, 0, 0), size=(640, 480)):
    row = SourceRow(source=name, width=size[0], height=size[1], bars=bars, shots=shots)
    return Source(name, Path(name), spans=spans), row


def clips(*films, rules=PLAIN):
    return decide(list(candidates(films, rules)), rules)


def reasons(decided):
    return [(clip.source.name, clip.start, clip.end, clip.reason) for clip in decided]


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(1.0, (720, 576)), (16 / 11, (720, 396)), (0.9, (648, 576)), (1.01, (720, 576))],
)
def test_sizes_are_those_of_square_pixels(aspect, size):
    source, row = film("a", shot(), size=(720, 576))
    (one,) = candidates([(source, row.model_copy(update={"pixel_aspect": aspect}))], PLAIN)
    assert one.size == size


def test_ends_of_shots_are_left_off_and_long_ones_cut_evenly():
    rules = PLAIN.model_copy(update={"trim": 0.5, "most_seconds": 4.0})
    made = clips(film("a", shot(2, 12, "cut", "dissolve")), rules=rules)
    assert [(clip.start, clip.end) for clip in made] == [(2.5, 5.5), (5.5, 8.5), (8.5, 11.5)]
    whole = clips(film("a", shot(0, 4)), rules=rules)
    assert [(clip.start, clip.end) for clip in whole] == [(0, 4)]


def test_spans_of_a_list_are_cut_by_shots():
    spans = (Span(1, 6, "a dog"), Span(20, 30, "nothing"))
    made = clips(film("a", shot(0, 3, number=1), shot(3, 9, number=2), spans=spans))
    assert [(clip.start, clip.end, clip.caption) for clip in made] == [
        (1, 3, "a dog"),
        (3, 6, "a dog"),
    ]


@pytest.mark.parametrize(
    ("rule", "scores", "more"),
    [
        ("least_seconds", {"end": 0.9}, {}),
        ("least_side", {}, {"bars": (0, 200, 0, 200)}),
        ("darkest", {"luma": 3.0}, {}),
        ("brightest", {"luma": 250.0}, {}),
        ("contrast", {"contrast": 2.0}, {}),
        ("frozen", {"frozen": 0.9}, {}),
        ("logo", {"logo": 0.2}, {}),
        ("text", {"text": 0.5}, {}),
        ("generated", {"generated": 0.99}, {}),
    ],
)
def test_each_rule_leaves_out_what_it_says(rule, scores, more):
    made = clips(film("a", shot(**scores), **more), film("b", shot(number=2)))
    assert [clip.reason for clip in made] == [rule, ""]
    assert counts(made) == {"": 1, rule: 1}


def test_shares_leave_out_the_least():
    films = [
        film(f"{n}", shot(number=n + 1, motion=n / 100, sharpness=50.0 - n)) for n in range(20)
    ]
    rules = PLAIN.model_copy(update={"motion_low": 0.1, "motion_high": 0.06, "sharpness_low": 0.06})
    taken = {clip.source.name: clip.reason for clip in clips(*films, rules=rules) if clip.reason}
    assert taken == {"0": "motion_low", "1": "motion_low", "19": "motion_high",
                     "18": "sharpness_low"}  # fmt: skip


def test_of_duplicates_the_largest_stays():
    small = film("small", shot(number=1), size=(320, 240))
    large, other = film("large", shot(number=1)), film("other", shot(number=2))
    made = {clip.source.name: clip for clip in clips(small, large, other)}
    assert (made["large"].reason, made["other"].reason) == ("", "")
    assert (made["small"].reason, made["small"].same_as) == ("duplicate_bits", made["large"].id)
    turned = shot(number=5)
    turned = turned.model_copy(
        update={"hashes": shot(number=1).mirrored, "mirrored": shot(number=1).hashes}
    )
    made = {clip.source.name: clip for clip in clips(large, film("turned", turned))}
    assert made["turned"].reason or made["large"].reason
    rules = PLAIN.model_copy(update={"duplicate_bits": 0.0})
    assert all(not clip.reason for clip in clips(small, large, rules=rules))


def test_no_source_and_no_folder_has_more_than_it_may():
    many = [shot(4 * n, 4 * n + 4, number=n + 1) for n in range(6)]
    films = [film("x/a", *many[:4]), film("x/b", many[4]), film("y/c", many[5])]
    rules = PLAIN.model_copy(update={"per_source": 2})
    taken = [clip for clip in clips(*films, rules=rules) if clip.reason]
    assert [(clip.source.name, clip.reason) for clip in taken] == [("x/a", "per_source")] * 2
    rules = PLAIN.model_copy(update={"per_folder": 1})
    kept = {clip.source.name[0] for clip in clips(*films, rules=rules) if not clip.reason}
    assert kept == {"x", "y"}


def test_no_folder_has_much_more_than_the_median_one():
    counts_of = {"x": 9, "y": 2, "z": 3}
    films = [
        film(f"{name}/{n}", shot(number=100 * (place + 1) + n))
        for place, (name, count) in enumerate(counts_of.items())
        for n in range(count)
    ]
    made = clips(*films, rules=PLAIN.model_copy(update={"balance": 1.5}))
    kept = Counter(clip.source.name[0] for clip in made if not clip.reason)
    assert kept == {"x": 5, "y": 2, "z": 3}
    assert counts(made) == {"": 10, "balance": 4}


def test_other_thresholds_are_tried_without_deciding():
    films = [film(f"{n}", shot(number=n + 1, luma=20.0 * n)) for n in range(10)]
    made = clips(*films)
    assert kept_at(made, PLAIN, "darkest", (0, 50, 300)) == [10, 7, 0]
    assert counts(made) == {"": 9, "darkest": 1}
    twice = clips(film("a", shot()), film("b", shot()), film("c", shot(number=2)))
    assert kept_at(twice, PLAIN, "duplicate_bits", (0, 14)) == [3, 2]


def test_the_report_shows_what_was_left_out_and_asks_for_nothing(tmp_path):
    made = clips(film("a<b>", shot(luma=3.0)), film("b\udcff", shot(number=2)))
    write_report(tmp_path / "r.html", made, PLAIN, {"films that are gone": 3}, "curated <it>")
    page = (tmp_path / "r.html").read_text()
    assert "1 kept" in page
    assert "darkest: 1 left out" in page
    assert "a&lt;b&gt;" in page
    assert "films that are gone" in page
    assert "http" not in page
    assert "<script" not in page
    assert "<code>duplicate_bits</code><td>" in page
    assert "<code>text</code>" not in page
    write_report(tmp_path / "r.html", clips(film("a", shot(text=0.3))), PLAIN, {}, "text")
    assert "<code>text</code><td>0.02: 0<td>" in (tmp_path / "r.html").read_text()
    write_report(tmp_path / "r.html", [], PLAIN, {}, "none")
