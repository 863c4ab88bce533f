"""A film that is watched while it is made."""

import asyncio
import io
import time
from types import SimpleNamespace

import av
import numpy as np
import pytest

from praxino.service.api import live
from praxino.service.worker import worker
from praxino.service.worker.pieces import Pieces
from praxino.storage.media.frames import read_video
from praxino.storage.objects import Objects
from support.client import ended, order, refused


def frames_in(content):
    with av.open(io.BytesIO(content)) as container:
        return sum(1 for _ in container.decode(video=0))


def begun(client, film):
    until = time.monotonic() + 60
    while client.get(f"/v1/videos/{film['id']}").json()["status"] == "queued":
        assert time.monotonic() < until


@pytest.fixture(name="windows")
def _windows(studio_of, windows_model):
    return studio_of(windows_model)


def test_a_long_film_is_there_before_it_is_made(windows):
    with windows.at_work():
        client = windows.client
        film = order(client, seconds="6", size="32x32", num_inference_steps=20).json()
        begun(client, film)
        with client.stream("GET", f"/v1/videos/{film['id']}/stream") as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("video/mp4")
            assert answer.headers["cache-control"] == "no-store"
            content = b"".join(answer.iter_bytes())
        assert frames_in(content) == 49
        assert ended(client, film["id"])["status"] == "completed"
        whole = client.get(f"/v1/videos/{film['id']}/content").content
        assert client.get(f"/v1/videos/{film['id']}/stream").content == whole
        assert client.get("/v1/models").json()["data"][0]["window"] == 17
        client.delete(f"/v1/videos/{film['id']}")
        assert client.get(f"/v1/videos/{film['id']}/stream").status_code == 404
        assert not windows.objects.folders()


def test_a_film_of_minutes_is_not_too_large(windows):
    with windows.at_work():
        order(windows.client, seconds="0.5", size="32x32")  # the model is there then
        client = windows.client
        assert order(client, seconds="60", size="64x64").status_code == 200
        refused(order(client, seconds="6000", size="64x64"), 400, said="no more than")


def test_a_film_turns_while_it_is_made(windows, tmp_path):
    with windows.at_work():
        client = windows.client
        film = order(client, seconds="10", size="32x32", num_inference_steps=30).json()
        path = f"/v1/videos/{film['id']}"
        begun(client, film)
        assert client.post(f"{path}/turns", json={"prompt": "a blue cat"}).status_code == 200
        assert ended(client, film["id"])["status"] == "completed"
        (tmp_path / "film.mp4").write_bytes(client.get(f"{path}/content").content)
        record = read_video(tmp_path / "film.mp4").record
        assert record["prompts"][-1][1] == "a blue cat"
        late = client.post(f"{path}/turns", json={"prompt": "a dog"})
        refused(late, 409, said="it cannot turn")
        short = order(client, seconds="2", size="32x32").json()
        once = client.post(f"/v1/videos/{short['id']}/turns", json={"prompt": "a dog"})
        refused(once, 400, said="is made at once")
        assert client.post(f"{path}/turns", json={"prompt": ""}).status_code == 400


def test_what_cannot_be_shown_is_said_of_the_film(windows):
    with windows.at_work():
        client = windows.client
        film = order(client, seconds="10", size="32x32", num_inference_steps=30).json()
        begun(client, film)
        path = f"/v1/videos/{film['id']}/turns"
        refused(client.post(path, json={"prompt": "@nobody runs"}), 400, said="nobody")
        client.post(path, json={"prompt": "ball " * 70})
        (note,) = [note for note in ended(client, film["id"])["notes"] if "not shown" in note]
        assert "70 known words" in note


def test_a_film_made_at_once_comes_when_it_is_there(windows):
    with windows.at_work():
        client = windows.client
        film = order(client, seconds="2", size="32x32", num_inference_steps=60).json()
        begun(client, film)
        content = client.get(f"/v1/videos/{film['id']}/stream").content
        assert content == client.get(f"/v1/videos/{film['id']}/content").content
        assert client.head(f"/v1/videos/{film['id']}/stream").content == b""


def test_a_film_that_waits_is_no_stream_yet(client):
    film = order(client).json()
    refused(client.get(f"/v1/videos/{film['id']}/stream"), 409, said="it has no content yet")
    client.post(f"/v1/videos/{film['id']}/cancel")
    refused(client.get(f"/v1/videos/{film['id']}/stream"), 409, said="cancelled: it has no content")


def test_pieces_go_when_nobody_can_want_them(windows, monkeypatch):
    monkeypatch.setattr(worker, "PIECES_KEPT_SECONDS", 0.0)
    with windows.at_work():
        film = order(windows.client, seconds="4", size="32x32").json()
        ended(windows.client, film["id"])
        assert windows.objects.files(f"{film['id']}/1/pieces")
    windows.worker._remove_pieces()
    assert not windows.objects.files(f"{film['id']}/1/pieces")
    assert windows.objects.files(f"{film['id']}/1")


class Studio:
    """A store with one job, and its pieces."""

    def __init__(self, count, attempts=1):
        result = SimpleNamespace(files={})
        self.job = SimpleNamespace(id="video_1", ended=False, attempts=attempts, result=result)
        self.job.piece = lambda number: f"{self.job.attempts}-{number}"
        self.pieces = {f"1-{number}": bytes([number]) for number in range(count)}
        self.reads = 0
        self.store = SimpleNamespace(get=lambda _: self.job)
        self.objects = SimpleNamespace(read=self.read)

    def read(self, name):
        self.reads += name in self.pieces
        return iter([self.pieces[name]] if name in self.pieces else [])


def pieces(studio, turn=lambda number: None):
    async def collect():
        found = []
        async for piece in live.pieces(studio, studio.job):
            found.append(piece)
            turn(len(found))
        return found

    return asyncio.run(asyncio.wait_for(collect(), 10))


def test_a_piece_is_read_when_the_one_before_was_taken():
    studio = Studio(4)
    reads = []

    def turn(number):
        reads.append(studio.reads)
        studio.job.ended = number == 4

    assert pieces(studio, turn) == [b"\0", b"\1", b"\2", b"\3"]
    assert reads == [1, 2, 3, 4]


def test_a_film_that_is_deleted_or_begun_again_ends():
    deleted, again = Studio(2), Studio(2)

    def delete(number):
        if number == 2:
            deleted.store.get = lambda _: None

    def begin_again(number):
        if number == 2:
            again.job = SimpleNamespace(id="video_1", ended=False, attempts=2)

    assert len(pieces(deleted, delete)) == 2
    assert len(pieces(again, begin_again)) == 2


def test_a_storage_that_fails_costs_the_stream_alone(tmp_path):
    objects = Objects(str(tmp_path))
    job = SimpleNamespace(
        id="video_1",
        request=SimpleNamespace(fps=8.0),
        piece=lambda number: f"video_1/piece-{number}",
    )
    shown = Pieces(job, objects)
    frames = np.zeros((8, 32, 32, 3), np.uint8)
    shown.add(frames)

    def full(*_):
        raise OSError(28, "No space left on device")

    objects.write = full
    shown.add(frames)
    shown.add(frames)
    shown.end()
    assert len(list((tmp_path / "video_1").iterdir())) == 1
