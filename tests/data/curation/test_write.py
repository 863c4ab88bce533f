"""Clips are cut as they were decided, into shards that others read."""

import io
import json
import tarfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import webdataset

from praxino.data.curation.decide import Clip
from praxino.data.curation.measures import ShotRow
from praxino.data.curation.sources import Source, find_sources
from praxino.data.curation.units import do, read_lines
from praxino.data.curation.write import Shard, Writing, at_rate, cut, file_of
from praxino.data.pixels import resized
from praxino.errors import MediaError
from praxino.storage.media.frames import read_video
from support.footage import textured, write

FILM = textured(40, 96, 128)


@pytest.fixture(scope="module", name="path")
def _path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("footage") / "a.mp4", FILM, fps=10)


def clip(path, start=1.0, end=3.0, **more):
    shot = ShotRow(start=start, end=end, frames=20, before="end", after="end")
    source = Source(path.name, path)
    return Clip(f"{start:g}", source, start, end, shot, (128, 96), (0, 0, 0, 0), **more)


def frames_of(content, tmp_path):
    (tmp_path / "cut.mp4").write_bytes(content)
    return read_video(tmp_path / "cut.mp4").frames


def test_a_clip_holds_its_frames_and_no_others(path, tmp_path):
    content, row = cut(clip(path), path, Writing())
    frames = frames_of(content, tmp_path)
    assert row == {"frames": 20, "height": 96, "width": 128, "fps": 10.0}
    assert len(frames) == 20
    assert np.abs(frames.astype(int) - FILM[10:30]).mean() < 8
    with av.open(io.BytesIO(content)) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert keys[0]
    assert keys[12]
    assert cut(clip(path), path, Writing())[0] == content


def test_pictures_stand_at_even_times_whatever_frames_lasted():
    film = [(0.0, "a"), (0.1, "b"), (0.2, "c"), (0.6, "d"), (1.0, "e"), (1.1, "f")]
    assert "".join(at_rate(film, 9.0, 10)) == "abccddddeeef"
    steady = [(2 + number / 30, str(number % 10)) for number in range(60)]
    assert "".join(at_rate(steady, 9.0, 30)) == "0123456789" * 6
    assert "".join(at_rate(steady, 9.0, 15)) == "02468" * 6
    assert not list(at_rate([], 1.0, 10))


def test_bars_are_cut_and_nothing_is_enlarged(path, tmp_path):
    barred = replace(clip(path), crop=(10, 6, 11, 9))
    content, row = cut(barred, path, Writing(side=400))
    assert (row["width"], row["height"]) == (106, 80)
    frames = frames_of(content, tmp_path)
    assert np.abs(frames.astype(int) - FILM[10:30, 6:86, 10:116]).mean() < 8
    assert cut(clip(path), path, Writing(side=48))[1] == {
        "frames": 20, "height": 48, "width": 64, "fps": 10.0,
    }  # fmt: skip
    assert cut(clip(path), path, Writing(fps=5))[1]["frames"] == 10


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(4, 3), (128, 72)), (Fraction(3, 4), (96, 96))]
)
def test_pixels_become_square_and_nothing_longer(tmp_path, aspect, size):
    path = write(tmp_path / "oblong.mp4", FILM, fps=10, pixel_aspect=aspect)
    content, row = cut(clip(path), path, Writing())
    assert (row["width"], row["height"]) == size
    wanted = resized(FILM[10:30], size[1], size[0])
    assert np.abs(frames_of(content, tmp_path).astype(int) - wanted).mean() < 10
    assert cut(clip(path), path, Writing(side=48))[1]["height"] == 48


def test_a_clip_behind_the_end_is_no_clip(path):
    with pytest.raises(MediaError, match="no frame at 30 s"):
        cut(clip(path, 30.0, 32.0), path, Writing())


def shard(tmp_path, path, *clips, **more):
    texts = tuple(f"clip {one.start:g}" for one in clips)
    return Shard(tmp_path, tuple(clips), texts, **more)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of webdataset
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_shard_is_read_by_others_and_by_its_offsets(path, tmp_path):
    some = shard(tmp_path, path, clip(path), clip(path, 0.0, 1.0), clip(path, 30.0, 31.0))
    do(some)
    rows = list(read_lines(some.target))
    assert [row.get("frames") for row in rows] == [20, 10, None]
    assert "no frame" in rows[2]["problem"]
    (tar,) = (tmp_path / "shards").glob("*.tar")
    content = tar.read_bytes()
    for row in rows[:2]:
        assert row["shard"] == tar.name
        film = content[row["offset"] : row["offset"] + row["size"]]
        assert len(frames_of(film, tmp_path)) == row["frames"]
    found = list(webdataset.WebDataset(str(tar), shardshuffle=False))
    assert [one["__key__"] for one in found] == ["1", "0"]
    assert found[0]["txt"] == b"clip 1"
    assert json.loads(found[0]["json"])["source"] == "a.mp4"
    with tarfile.open(tar) as members:
        assert {member.mtime for member in members} == {0}
    sources = find_sources(tmp_path / "shards").films
    with file_of(sources[0]) as copy:
        assert len(read_video(copy).frames) == 20


def test_equal_clips_are_equal_bytes_and_captions_count(path, tmp_path):
    folders = [tmp_path / name for name in "ab"]
    some = [shard(folder, path, clip(path)) for folder in folders]
    for one in some:
        do(one)
    first, second = ([*(folder / "shards").glob("*.tar")] for folder in folders)
    assert first[0].name == second[0].name
    assert first[0].read_bytes() == second[0].read_bytes()
    other = Shard(folders[0], (clip(path),), ("else",))
    assert other.name != some[0].name


def test_files_in_a_folder_are_what_every_trainer_reads(path, tmp_path):
    some = shard(tmp_path, path, clip(path), clip(path, 30.0, 31.0), folder=True)
    do(some)
    assert sorted(file.name for file in (tmp_path / "clips").iterdir()) == ["1.mp4", "1.txt"]
    assert (tmp_path / "clips" / "1.txt").read_text() == "clip 1"
    (row, _) = read_lines(some.target)
    assert row["file_name"] == "clips/1.mp4"


def test_films_that_went_are_rows_with_a_problem(path, tmp_path):
    gone = clip(Path(tmp_path / "gone.mp4"))
    some = shard(tmp_path, path, gone, clip(path))
    do(some)
    first, second = read_lines(some.target)
    assert "problem" in first
    assert second["frames"] == 20
