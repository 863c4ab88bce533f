"""Two folders of films: what is measured, and what is said of what cannot be."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from praxino.data.diorama import compose, render
from praxino.errors import CheckpointError, InputError
from praxino.evaluation.compare import collect, compare, comparison_table, write_comparison
from praxino.evaluation.features import CALLED, Extractor
from praxino.storage.media.video import Video

COLOURS = Extractor("colours", lambda film: film.mean(axis=(0, 1, 2))[None])


@pytest.fixture(name="folders", scope="module")
def _folders(tmp_path_factory):
    """Twelve films, and twelve darker ones among which two files are damaged."""
    root = tmp_path_factory.mktemp("sets")
    for name, dark in (("real", 1), ("fake", 2)):
        (root / name).mkdir()
        for i in range(12):
            Video(render(compose(0, i, 5), 32, 32) // dark, 8.0).save(root / name / f"{i:02}.mp4")
    (root / "fake" / "broken.mp4").write_bytes((root / "fake" / "00.mp4").read_bytes()[:300])
    (root / "fake" / "empty.png").touch()
    (root / "fake" / "notes.txt").write_text("not a film")
    return root


def test_damaged_files_are_named_skipped_and_counted(folders, caplog):
    with caplog.at_level(logging.WARNING):
        fake = collect(folders / "fake", COLOURS)
    assert len(fake.films) == 12
    assert [line.split(":")[0] for line in fake.skipped] == ["broken.mp4", "empty.png"]
    assert "broken.mp4" in caplog.text
    found = compare(collect(folders / "real", COLOURS), fake)
    assert any("2 of 14 files skipped" in note for note in found["notes"])


def test_darker_films_are_far_away(folders):
    real, fake = (collect(folders / name, COLOURS) for name in ("real", "fake"))
    found = compare(real, fake)["distances"]["frechet"]
    assert found["fake"] > 5 * found["real halves"]
    same = compare(real, real)["distances"]
    assert same["frechet"]["fake"] == pytest.approx(0, abs=1e-6)
    assert same["coverage"]["fake"] == 1


def test_unequal_sizes_and_few_samples_are_said(folders, tmp_path):
    for i in range(3):
        Video(np.full((4 + i, 16, 16 + 2 * i, 3), 40 * i, np.uint8), 8.0).save(
            tmp_path / f"{i}.mp4"
        )
    found = compare(collect(folders / "real", COLOURS), collect(tmp_path, COLOURS))
    notes = " ".join(found["notes"])
    assert "3 samples for 3 dimensions" in notes
    assert "too few for precision" in notes
    assert "unequal sizes" in notes
    assert "coverage" not in found["distances"]
    assert found["sets"]["fake"]["frames"] == [4, 6]


def test_pictures_have_features_but_no_motion(folders, tmp_path):
    for i in range(3):
        Video(np.full((1, 16, 16, 3), 40 * i, np.uint8), 1.0).save(tmp_path / f"{i}.png")
    found = compare(collect(folders / "real", COLOURS), collect(tmp_path, COLOURS))
    assert found["sets"]["fake"]["motion"] == {}
    assert "flicker" in comparison_table(found)


def test_the_reader_says_little_of_pictures(folders, tmp_path):
    reader = replace(COLOURS, called=CALLED["reader"])
    for i in range(3):
        Video(np.full((1, 16, 16, 3), 40 * i, np.uint8), 1.0).save(tmp_path / f"{i}.png")
    found = compare(collect(folders / "real", reader), collect(tmp_path, reader))
    assert any("the reader knows films" in note for note in found["notes"])


def test_a_film_that_the_network_does_not_take_is_skipped(folders):
    def rows(film):
        if film.mean() < 120:
            raise CheckpointError("the network does not take such films")
        return COLOURS.rows(film)

    found = collect(folders / "real", replace(COLOURS, rows=rows))
    assert found.films
    assert found.skipped


def test_folders_that_cannot_be_used(folders, tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        collect(tmp_path / "nowhere", COLOURS)
    with pytest.raises(InputError, match="no films or pictures in"):
        collect(tmp_path, COLOURS)
    (tmp_path / "broken.mp4").touch()
    with pytest.raises(InputError, match="none of 1 files can be used"):
        collect(tmp_path, COLOURS)
    Video(np.zeros((5, 16, 16, 3), np.uint8), 8.0).save(tmp_path / "one.mp4")
    with pytest.raises(InputError, match="holds one film"):
        compare(collect(folders / "real", COLOURS), collect(tmp_path, COLOURS))


def test_what_was_measured_is_kept_until_the_film_changes(folders, tmp_path):
    seen = []
    watch = Extractor("colours", lambda film: seen.append(1) or COLOURS.rows(film))
    first = collect(folders / "real", watch, keep=tmp_path)
    again = collect(folders / "real", watch, keep=tmp_path)
    assert len(seen) == 12
    assert compare(first, first)["sets"] == compare(again, again)["sets"]
    collect(folders / "real", Extractor("colours", watch.rows, weights="others"), keep=tmp_path)
    assert len(seen) == 24


def test_frames_are_neighbours_by_their_films(folders):
    frames = Extractor("FID", lambda film: film.mean(axis=(1, 2)).astype(float))
    real, fake = (collect(folders / name, frames) for name in ("real", "fake"))
    found = compare(real, fake)
    assert found["sets"]["real"]["rows"] == 60
    assert "12 samples for 3 dimensions" not in " ".join(found["notes"])
    assert "frechet, endless samples" not in found["distances"]
    means = compare(*(collect(folders / name, COLOURS) for name in ("real", "fake")))["distances"]
    assert found["distances"]["coverage"] == means["coverage"]


def test_a_distance_is_called_by_its_published_name(folders):
    real = collect(folders / "real", Extractor("FVD", COLOURS.rows))
    assert "FVD, endless samples" in comparison_table(compare(real, real))


def test_the_page_shows_both(folders, tmp_path):
    real, fake = (collect(folders / name, COLOURS) for name in ("real", "fake"))
    found = compare(real, fake)
    write_comparison(tmp_path / "out", found, real, fake)
    assert json.loads((tmp_path / "out" / "scores.json").read_text()) == found
    shown = (tmp_path / "out" / "index.html").read_text()
    assert shown.count("<img") == 16
    assert all(
        (tmp_path / "out" / "strips" / f"{name}-0.png").exists() for name in ("real", "fake")
    )
