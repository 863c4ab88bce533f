"""Films are found in folders, in shards, and by the lists that people publish."""

import io
import json
import math
import os
import tarfile
from collections import Counter

import pytest

from praxino.data.curation.sources import Span, find_sources, parse_seconds
from praxino.errors import InputError


def films(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"film")
    return folder


def spans(sources):
    return {film.name: film.spans for film in sources.films}


def test_a_folder_with_texts_beside_its_films(tmp_path):
    films(tmp_path, "a.mp4", "b/c.webm", "odd\nname.mp4", os.fsdecode(b"n\xff.mp4"))
    (tmp_path / "a.txt").write_text("a dog\n runs")
    (tmp_path / "metadata.csv").write_text("file_name,caption\nb/c.webm,a cat\nx.mp4,nobody\n")
    found = find_sources(tmp_path)
    texts = {name: span.caption for name, (span,) in spans(found).items()}
    assert texts["a.mp4"] == "a dog runs"
    assert texts["b/c.webm"] == "a cat"
    assert len(texts) == 4


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.jsonl", '{"video_path": "a.mp4", "prompt": "a dog"}\nnonsense\n\n'),
        ("videos2caption.json", '[{"path": "a.mp4", "cap": "a dog"}, 3]'),
        ("captions.json", '{"a.mp4": "a dog"}'),
    ],
)
def test_texts_in_one_file(tmp_path, name, text):
    films(tmp_path, "a.mp4")
    (tmp_path / name).write_text(text)
    assert spans(find_sources(tmp_path))["a.mp4"][0].caption == "a dog"


def test_shards_are_read_where_they_lie(tmp_path):
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in (
            ("k.mp4", b"first film"), ("k.txt", b"a dog"), ("k.json", b'{"caption": "other"}'),
            ("l.mp4", b"second"), ("l.json", b'{"text": "a cat"}'), ("m.json", b"{"),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    for target in (tmp_path, path):
        one, two = find_sources(target).films
        assert (one.name, two.name) == ("0.tar/k.mp4", "0.tar/l.mp4")
        offset, size = one.member
        assert path.read_bytes()[offset : offset + size] == b"first film"
        assert (one.spans[0].caption, two.spans[0].caption) == ("a dog", "a cat")
    path.write_bytes(path.read_bytes()[:600])
    found = find_sources(tmp_path)
    assert found.problems["shards that cannot be read to their end"] == 1


LISTS = {
    "hdvila.jsonl": json.dumps(
        {
            "video_id": "id1",
            "url": "x",
            "clip": [
                {"clip_id": "id1.0.mp4", "span": ["00:00:01.500", "00:00:04.000"]},
                {"clip_id": "id1.1.mp4", "span": ["00:01:00.000", "00:00:04.000"]},
            ],
        }
    ),
    "panda.csv": (
        "videoID,url,timestamp,caption,matching_score\n"
        "id1,x,\"[['0:00:01.500', '0:00:04.000'], ['0:00:05', '0:00:06']]\","
        "\"['a dog', 'a cat']\",\"[0.4, 0.5]\"\n"
        "id2,x,\"[['0:00:01', '0:00:02']]\",\"['a', 'b']\",\"[1]\"\n"
        'id3,x,"__import__(\'os\')","[]","[]"\n'
    ),
    "koala.csv": (
        "videoID,url,timestamp,caption,clarity_score\n"
        "id1_0,x,\"['0:00:01.500', '0:00:04.000']\",a dog,1\n"
        "id1_1,x,\"['0:00:05', '0:00:06']\",a cat,1\n"
    ),
    "internvid.jsonl": "\n".join(
        json.dumps({"YoutubeID": "id1", "Start_timestamp": a, "End_timestamp": b, "Caption": c})
        for a, b, c in (("00:00:01.500", "00:00:04.000", "a dog"), ("0:00:05", "0:00:06", "a cat"))
    ),
}
BOTH = (Span(1.5, 4.0, "a dog"), Span(5.0, 6.0, "a cat"))


@pytest.mark.parametrize(
    ("name", "expected", "problems"),
    [
        ("hdvila.jsonl", (Span(1.5, 4.0),), {"spans that end before they begin": 1}),
        ("panda.csv", BOTH, {"rows that are not as Panda-70M has them": 2}),
        ("koala.csv", BOTH, {}),
        ("internvid.jsonl", BOTH, {}),
    ],
)
def test_published_lists_are_joined_with_local_films(tmp_path, name, expected, problems):
    footage = films(tmp_path / "footage", "deep/id1.mp4", "other.mp4")
    path = tmp_path / name
    path.write_text(LISTS[name])
    found = find_sources(path, footage)
    assert spans(found) == {"deep/id1.mp4": expected}
    assert found.problems == Counter(problems)
    assert found.licence


def test_lists_of_whole_films(tmp_path):
    footage = films(tmp_path / "f", "one.mp4", "dir/77.mp4")
    path = tmp_path / "OpenVid-1M.csv"
    path.write_text("video,caption,aesthetic score\none.mp4,a dog,5\none.mp4,a dog,5\nno.mp4,x,1\n")
    found = find_sources(path, footage)
    assert spans(found) == {"one.mp4": (Span(0, math.inf, "a dog"),)}
    assert found.problems == {
        "rows that are there twice": 1,
        "videos that are not in the footage": 1,
    }
    path = tmp_path / "webvid.csv"
    path.write_text("videoid,contentUrl,duration,page_dir,name\n77,x,PT1S,dir,a cat\n")
    assert spans(find_sources(path, footage)) == {"dir/77.mp4": (Span(0, math.inf, "a cat"),)}


def test_what_is_nothing_to_curate_is_refused(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        find_sources(tmp_path / "nowhere")
    footage = films(tmp_path / "f", "one.mp4")
    path = tmp_path / "list.csv"
    path.write_text("video,caption\nmissing.mp4,x\n")
    with pytest.raises(InputError, match="none of its 1 videos"):
        find_sources(path, footage)
    with pytest.raises(InputError, match="--footage"):
        find_sources(path, tmp_path / "g")
    broken = tmp_path / "list.json"
    broken.write_text("{")
    with pytest.raises(InputError, match="cannot read"):
        find_sources(broken, footage)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:04:52.140", 292.14), ("1:02", 62), ("7.5", 7.5), (3, 3), ("0:01:20.880", 80.88)],
)
def test_times_are_read_as_people_write_them(text, seconds):
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "a:b", "-3", "nan", True, "1e9"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_seconds(text)
