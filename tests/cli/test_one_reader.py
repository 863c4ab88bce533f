"""Whatever takes a film: files that name other files are refused, and none of those is opened."""

import pytest

from praxino.data.diorama import sample
from praxino.storage.media.frames import read_video
from praxino.storage.media.video import Video

PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{film}\n#EXT-X-ENDLIST\n",
    "m3u8 called mp4": "#EXTM3U\n#EXTINF:2,\n{film}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{film}'\n",
    "ffconcat called png": "ffconcat version 1.0\nfile '{film}'\n",
    "sdp": (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    ),
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'
    "<Period><AdaptationSet><Representation "
    'id="1"><BaseURL>{film}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="64" height="64">'
    '<image xlink:href="{film}" width="64" height="64"/></svg>',
    "eps": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n({film}) run\nshowpage\n",
    "avs": 'AVISource("{film}")\n',
}
VERBS = {
    "generate --image": (
        "generate",
        "a cat",
        "--image",
        "{path}",
        "-o",
        "out.mp4",
        "--model",
        "{model}",
    ),
    "generate --last-image": (
        "generate",
        "a cat",
        "--image",
        "{film}",
        "--last-image",
        "{path}",
        "-o",
        "out.mp4",
        "--model",
        "{model}",
    ),
    "generate --like": ("generate", "--like", "{path}", "-o", "out.mp4", "--model", "{model}"),
    "noise": ("noise", "{path}", "-o", "out.png"),
    "detect": ("detect", "{path}"),
    "stamp": ("stamp", "{path}", "-o", "out.mp4"),
}


@pytest.fixture(name="names")
def _names(tmp_path, tiny_model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Video(sample(0, 0, 5).clip, 8.0).save(tmp_path / "film.mp4")
    return {"film": tmp_path / "film.mp4", "model": tiny_model}


def written(name, names, folder):
    kind, _, called = name.partition(" called ")
    path = folder / f"other.{called or kind}"
    path.write_text(PLAYLISTS[name].format(**names))
    return path


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_file_that_names_another_is_refused(name, verb, names, tmp_path, praxino):
    path = written(name, names, tmp_path)
    code, _, err = praxino(*(part.format(path=path, **names) for part in VERBS[verb]), "-q")
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.glob("out*"))


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("name", PLAYLISTS)
def test_it_verifies_as_nothing_and_its_film_is_not_looked_at(name, names, tmp_path, praxino):
    made = Video(read_video(names["film"]).frames, 8.0)
    made.save(names["film"])
    code, out, err = praxino("verify", written(name, names, tmp_path))
    assert code in (1, 2), (out, err)


def test_folders_to_compare_leave_them_out(names, tmp_path, praxino):
    for folder in ("real", "fake"):
        (tmp_path / folder).mkdir()
        for name in PLAYLISTS:
            written(name, names, tmp_path / folder)
    code, _, err = praxino("compare", "real", "fake", "-q")
    assert code == 2
    assert "Traceback" not in err
