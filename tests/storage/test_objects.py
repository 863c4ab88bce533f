"""Files by name: in a folder, at a server that speaks S3, whole or not at all, and never
outside.
"""

import io
import os
import threading
import uuid

import pytest

from praxino.errors import InputError, MediaError
from praxino.storage.objects import Objects, is_full


@pytest.fixture(name="objects", params=["folder", "s3"])
def _objects(request, tmp_path):
    if request.param == "folder":
        return Objects(str(tmp_path / "films"))
    return Objects(f"{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}")


def test_what_goes_in_comes_out(objects, tmp_path):
    (tmp_path / "source").write_bytes(b"0123456789" * 100_000)
    assert (
        objects.put("a/1/film.mp4", tmp_path / "source")
        == objects.size("a/1/film.mp4")
        == 1_000_000
    )
    objects.write("a/input.png", b"picture")
    assert b"".join(objects.read("a/input.png")) == b"picture"
    objects.upload_stream("a/input.mp4", io.BytesIO(b"films" * 2_000_000))
    assert b"".join(objects.read("a/input.mp4")) == b"films" * 2_000_000
    assert b"".join(objects.read("a/1/film.mp4")) == b"0123456789" * 100_000
    assert b"".join(objects.read("a/1/film.mp4", 999_995, 999_998)) == b"567"
    assert b"".join(objects.read("a/1/film.mp4", 999_998)) == b"89"
    assert objects.folders() == ["a"]
    objects.get("a/1/film.mp4", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "source").read_bytes()


def test_it_is_told_from_others(objects):
    assert objects.token() == objects.token() != ""


def test_a_bucket_that_is_not_there(bucket):
    with pytest.raises(MediaError, match="cannot write to storage s3://nowhere"):
        Objects(f"{bucket.replace('films', 'nowhere')}/x").require_reachable()


def test_a_source_that_breaks_off_leaves_nothing(objects):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 7_000_000:
                raise OSError("gone")
            return super().read(size)

    with pytest.raises(OSError, match="gone"):
        objects.upload_stream("a/film.mp4", Broken(bytes(10_000_000)))
    assert objects.size("a/film.mp4") is None


def test_what_is_not_there(objects, tmp_path):
    assert objects.size("a/b.mp4") is None
    assert list(objects.read("a/b.mp4")) == []
    objects.remove("a")
    with pytest.raises(MediaError, match=r"no file a/b\.mp4"):
        objects.get("a/b.mp4", tmp_path / "x")


def test_a_folder_goes_with_all_that_is_in_it(objects):
    for name in ("a/1/x.png", "a/y.png", "ab/z.png"):
        objects.write(name, b"x")
    objects.remove("a")
    assert [objects.size(name) for name in ("a/1/x.png", "a/y.png", "ab/z.png")] == [None, None, 1]


def test_a_folder_goes_while_another_writes_to_it(tmp_path, monkeypatch):
    objects, rmdir = Objects(str(tmp_path)), os.rmdir
    late = iter(["job/b.bin", "job/c.bin"])
    objects.write("job/a.bin", b"1")

    def written_to(*args, **kwargs):
        if name := next(late, ""):
            objects.write(name, b"2")
        rmdir(*args, **kwargs)

    monkeypatch.setattr(os, "rmdir", written_to)
    objects.remove("job")
    assert not (tmp_path / "job").exists()
    assert not next(late, "")


def test_it_can_be_checked(objects, tmp_path):
    objects.require_reachable()
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="cannot write to storage"):
        Objects(str(tmp_path / "file" / "films")).require_reachable()


@pytest.mark.parametrize(
    "name", ["../x", "a/../x", "/etc/passwd", "a//b", "", "a/b.MP4", "a\x00b", "a/b/", "~x", "a b"]
)
def test_no_name_leads_outside(objects, name):
    with pytest.raises(AssertionError):
        objects.write(name, b"x")


def test_what_has_no_room_leaves_nothing(tmp_path, room_for):
    objects = Objects(str(tmp_path / "films"))
    (tmp_path / "source").write_bytes(b"x" * 100_000)
    objects.write("a/film.mp4", b"before")
    with room_for(50_000):
        with pytest.raises(OSError, match="large") as error:
            objects.put("a/film.mp4", tmp_path / "source")
        with pytest.raises(OSError, match="large"):
            objects.write("b/film.mp4", b"x" * 100_000)
    assert is_full(error.value)
    assert b"".join(objects.read("a/film.mp4")) == b"before"
    assert sorted(path.name for path in (tmp_path / "films").rglob("*")) == ["a", "film.mp4"]


def test_who_reads_never_sees_half(tmp_path):
    objects = Objects(str(tmp_path / "films"))
    objects.write("a/x.png", b"0" * 300_000)
    seen, done = set(), threading.Event()

    def look():
        while not done.is_set():
            seen.add(objects.size("a/x.png"))

    thread = threading.Thread(target=look)
    thread.start()
    for length in (400_000, 500_000) * 20:
        objects.write("a/x.png", b"1" * length)
    done.set()
    thread.join()
    assert seen <= {300_000, 400_000, 500_000}


@pytest.mark.parametrize("url", ["nosuch://place/films", "s4://bucket"])
def test_places_that_nothing_reaches(url):
    with pytest.raises(InputError, match="storage"):
        Objects(url)
