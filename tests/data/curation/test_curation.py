"""What a dataset holds when it is made again, of other footage or by other rules."""

import json

import numpy as np
import pytest

from praxino.data.clips import ClipDataset
from praxino.data.curation.curate import Curation
from praxino.data.curation.decide import Rules
from praxino.data.curation.sources import Source, Span, find_sources
from praxino.data.curation.units import do
from praxino.data.curation.write import Writing
from praxino.errors import InputError
from support.footage import textured, write

RULES = Rules(least_side=16, motion_low=0, motion_high=0, sharpness_low=0, duplicate_bits=0, logo=1)


def in_this_process(units):
    for unit in units:
        do(unit)
        yield unit


@pytest.fixture(name="footage")
def _footage(tmp_path):
    folder = tmp_path / "footage"
    folder.mkdir()
    for number in range(3):
        write(folder / f"{number}.mp4", textured(24, 48, 64, seed=number), 12)
    return folder


def curated(footage, dataset, rules=RULES, folder=False, sources=None):
    curation = Curation(sources or find_sources(footage), dataset, in_this_process)
    clips = curation.decide(curation.measure(), rules)
    return curation, clips, curation.write(clips, Writing(), folder)


@pytest.mark.parametrize("folder", [False, True])
def test_what_is_left_out_later_is_not_there_any_more(footage, tmp_path, folder):
    _, _, rows = curated(footage, tmp_path / "data", folder=folder)
    assert len(rows) == len(ClipDataset(tmp_path / "data")) == 3
    (footage / "1.mp4").unlink()
    _, _, rows = curated(footage, tmp_path / "data", folder=folder)
    names = {clip.name for clip in ClipDataset(tmp_path / "data").clips}
    assert len(rows) == len(names) == 2
    shards = {row.get("shard") for row in rows} - {None}
    assert {path.name for path in (tmp_path / "data").glob("shards/*")} == shards


def test_a_film_that_is_replaced_makes_other_clips(footage, tmp_path):
    _, _, before = curated(footage, tmp_path / "data")
    write(footage / "1.mp4", textured(24, 48, 64, seed=9), 12)
    _, _, after = curated(footage, tmp_path / "data")
    ids = [{row["id"] for row in rows} for rows in (before, after)]
    assert len(ids[0] & ids[1]) == 2


def test_a_dataset_inside_the_footage_is_no_footage(footage):
    curation, clips, _ = curated(footage, footage / "data", folder=True)
    curation.save(clips, RULES, "")
    assert len(find_sources(footage).films) == 3
    with pytest.raises(InputError, match="holds a dataset"):
        find_sources(footage / "data")


def test_captions_that_are_no_text_and_rows_without_films_are_counted(footage, tmp_path):
    rows = [{"file_name": "0.mp4", "text": "cut \ud83d"}, {"file_name": "none.mp4", "text": "x"}]
    (footage / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    curation, _, written = curated(footage, tmp_path / "data")
    assert curation.problems["rows of lists without a film"] == 1
    assert sorted(row["caption"] for row in written) == ["", "", "cut ?"]


def test_spans_beyond_their_film_and_twice_are_counted(footage, tmp_path):
    sources = find_sources(footage)
    spans = (Span(0.2, 1.8, "a"), Span(0.2, 1.8, "b"), Span(100.0, 101.0, "c"))
    sources.films[:] = [Source("0.mp4", footage / "0.mp4", spans=spans)]
    curation, _, rows = curated(footage, tmp_path / "data", sources=sources)
    assert [row["caption"] for row in rows] == ["a"]
    assert curation.problems["spans that are there twice"] == 1
    assert curation.problems["spans beyond the end of their film"] == 1


def test_what_a_detector_leaves_out_lets_its_duplicate_in_and_that_is_examined(footage, tmp_path):
    (footage / "1.mp4").write_bytes((footage / "0.mp4").read_bytes())
    curation = Curation(find_sources(footage), tmp_path / "data", in_this_process)
    rules = RULES.model_copy(update={"duplicate_bits": 14.0})
    clips = curation.decide(curation.measure(), rules)
    assert sum(not clip.reason for clip in clips) == 2
    done = curation.examine(clips, rules, suspicious)
    by_name = {clip.source.name: clip for clip in done}
    assert by_name["0.mp4"].reason == by_name["1.mp4"].reason == "generated"
    assert not by_name["2.mp4"].reason


def suspicious(path):
    """A detector that trusts one film alone."""
    from praxino.storage.media.frames import read_video

    truth = textured(24, 48, 64, seed=2)[0].astype(int)
    return float(np.abs(read_video(path).frames[0].astype(int) - truth).mean() > 20)
