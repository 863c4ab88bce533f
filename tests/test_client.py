"""The client: what it sends, what it makes of answers, and that a cut stream is no end."""

import asyncio
import base64
import subprocess
import sys

import httpx
import pytest

from praxino.client import AsyncClient, Client, ServerError
from praxino.client.wire import EXTRA
from praxino.service.api.bodies import Extra

RESOURCE = {
    "id": "video_1", "status": "in_progress", "progress": 40, "prompt": "a cat", "model": "tiny",
    "seed": 3, "error": None, "has_content": False,
}  # fmt: skip
STEP = "event: progress\ndata: " + (
    '{"status": "in_progress", "progress": 40, "step": 4, "steps": 10, "eta_seconds": 1.5, '
    '"queue_position": null}\n\n'
)
PREVIEW = base64.b64encode(b"RIFF").decode()
PREVIEW = f'event: preview\ndata: {{"step": 4, "image": "data:image/webp;base64,{PREVIEW}"}}\n\n'
DONE = "event: done\ndata: {}\n\n"


class Server:
    """Answers requests in turn, and remembers them."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def __call__(self, request):
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(*answers, key=""):
    server = Server(*answers)
    return Client(key=key, transport=httpx.MockTransport(server)), server


def test_it_needs_nothing_else_of_the_package():
    code = """
import sys, praxino.client
print(sorted(name for name in sys.modules if name.startswith("praxino")), "torch" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, torch = run.stdout.rsplit(" ", 1)
    assert "praxino.client" in names
    assert "praxino.errors" not in names
    assert torch == "False\n"


def test_settings_go_where_the_server_wants_them():
    ours, server = client(httpx.Response(200, json=RESOURCE), key="px-1")
    film = ours.create("a cat", seconds=2, seed=3, sampler="euler", fps=None)
    assert (film.id, film.percent, film.ended, film.error) == ("video_1", 40, False, "")
    (request,) = server.requests
    assert request.headers["authorization"] == "Bearer px-1"
    assert request.content == (
        b'{"prompt":"a cat","seconds":2,"seed":3,"extra_params":{"sampler":"euler"}}'
    )


def test_a_picture_goes_in_a_form(tmp_path):
    (tmp_path / "first.png").write_bytes(b"PNG")
    ours, server = client(httpx.Response(200, json=RESOURCE))
    ours.create("a cat", picture=tmp_path / "first.png", cache=0.1)
    (request,) = server.requests
    assert request.headers["content-type"].startswith("multipart/form-data")
    for part in (b'filename="first.png"', b'{"cache": 0.1}', b"a cat", b"PNG"):
        assert part in request.content


def test_a_refusal_says_what_is_wrong():
    problem = {"message": "wait", "type": "x", "param": None, "code": "rate_limit_exceeded"}
    answer = httpx.Response(429, json={"error": problem}, headers={"Retry-After": "7"})
    ours, _ = client(answer, httpx.Response(502, text="<html>"))
    with pytest.raises(ServerError, match="wait") as error:
        ours.create("a cat")
    assert (error.value.status, error.value.code, error.value.retry_after) == (
        429, "rate_limit_exceeded", 7.0,
    )  # fmt: skip
    with pytest.raises(ServerError, match="502 Bad Gateway") as error:
        ours.models()
    assert error.value.retry_after is None


def test_a_cut_stream_is_opened_again(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    ours, server = client(
        httpx.Response(200, text=STEP),
        httpx.ReadError("cut"),
        httpx.Response(200, text=": still here\n\n" + STEP + PREVIEW + DONE),
    )
    seen = list(ours.watch("video_1", previews=True))
    assert [progress.preview for progress in seen] == [b"", b"", b"RIFF"]
    assert (seen[2].step, seen[2].steps, seen[2].seconds_left) == (4, 10, 1.5)
    assert len(server.requests) == 3
    assert server.requests[0].url.params["previews"] == "true"


def test_a_server_that_is_gone_is_an_error_in_the_end(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    ours, server = client(*(httpx.ConnectError("gone") for _ in range(20)))
    with pytest.raises(httpx.ConnectError):
        list(ours.watch("video_1"))
    assert len(server.requests) == 10


def test_a_server_that_is_started_again_is_waited_for(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    ours, server = client(httpx.Response(503), httpx.Response(200, text=STEP + DONE))
    assert [progress.step for progress in ours.watch("video_1")] == [4]
    assert len(server.requests) == 2


def test_streams_that_end_without_news_end_in_an_error(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    ours, server = client(*(httpx.Response(200, text="") for _ in range(20)))
    with pytest.raises(ServerError, match="ends the stream"):
        list(ours.watch("video_1"))
    assert len(server.requests) == 10


def test_a_redirect_is_no_film(tmp_path):
    ours, _ = client(httpx.Response(302, headers={"Location": "/login"}))
    with pytest.raises(ServerError, match="302 Found"):
        ours.download("video_1", tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


def test_extra_settings_are_those_of_the_server():
    assert set(Extra.model_fields) == EXTRA


def test_a_film_that_is_not_there_is_said_at_once():
    problem = {"message": "there is no video", "type": "x", "param": None, "code": "not_found"}
    ours, _ = client(httpx.Response(404, json={"error": problem}))
    with pytest.raises(ServerError, match="there is no video"):
        list(ours.watch("video_1"))


def test_pages_are_read_to_the_last():
    first = {"data": [RESOURCE], "has_more": True, "last_id": "video_1"}
    second = {"data": [RESOURCE | {"id": "video_0"}], "has_more": False, "last_id": "video_0"}
    ours, server = client(httpx.Response(200, json=first), httpx.Response(200, json=second))
    assert [film.id for film in ours.films(limit=1)] == ["video_1", "video_0"]
    assert server.requests[1].url.params["after"] == "video_1"


def test_a_download_that_breaks_off_leaves_nothing(tmp_path):
    def broken():
        yield b"half"
        raise httpx.ReadError("cut")

    ours, _ = client(httpx.Response(200, content=broken()), httpx.Response(200, content=b"whole"))
    with pytest.raises(httpx.ReadError):
        ours.download("video_1", tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []
    assert ours.download("video_1", tmp_path / "film.mp4").read_bytes() == b"whole"


def test_both_clients_have_the_same_methods():
    def names(kind):
        return {name for name in vars(kind) if not name.startswith("_")}

    assert names(Client) == names(AsyncClient)


def test_with_coroutines(tmp_path):
    server = Server(
        httpx.Response(200, json=RESOURCE),
        httpx.Response(200, text=STEP + DONE),
        httpx.Response(200, json=RESOURCE | {"status": "completed", "has_content": True}),
        httpx.Response(200, content=b"film"),
        httpx.Response(200, json={"data": [RESOURCE], "has_more": False, "last_id": "video_1"}),
        httpx.Response(200, json={"id": "verify_1", "object": "verify", "status": "completed",
                                  "error": None, "report": {"outcome": "signed"}}),
    )  # fmt: skip

    async def use():
        async with AsyncClient(key="", transport=httpx.MockTransport(server)) as ours:
            film = await ours.wait(await ours.create("a cat"))
            assert film.ended
            await ours.download(film, tmp_path / "film.mp4")
            assert [each.id async for each in ours.films()] == ["video_1"]
            assert (await ours.verify(b"film")).report == {"outcome": "signed"}

    asyncio.run(use())
    assert (tmp_path / "film.mp4").read_bytes() == b"film"
