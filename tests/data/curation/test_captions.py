"""Captions from an endpoint; what it does not say costs its own clip."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from praxino.chat import ATTEMPTS, ChatEndpoint
from praxino.data.curation.captions import Captioner
from praxino.data.curation.decide import Clip
from praxino.data.curation.measures import ShotRow
from praxino.data.curation.sources import Source
from support.footage import textured, write

TEXT = "A textured plane glides slowly to the left in even light."
ANSWERS = {
    "0": (200, TEXT, "stop"),
    "1": (200, "I'm sorry, but I cannot describe this.", "stop"),
    "2": (200, "A plane that", "length"),
    "3": (400, "", "stop"),
    "4": (200, "nothing", "stop"),
    "5": (503, "", "stop"),
}
"""Status, text and how it ended, by the clip."""


@pytest.fixture(name="server")
def _server():
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(body)
            status, text, end = ANSWERS[body["messages"][0]["content"][0]["text"]]
            answer = {"choices": [{"message": {"content": text}, "finish_reason": end}]}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = ChatEndpoint(url=f"http://127.0.0.1:{server.server_port}/v1", model="m")
    yield endpoint, seen
    server.shutdown()
    server.server_close()
    thread.join()


def clip(path, start=0.0):
    shot = ShotRow(start=start, end=2.0, frames=16, before="end", after="end")
    return Clip("id", Source(path.name, path), start, 2.0, shot, (128, 96), (0, 0, 0, 0))


@pytest.fixture(scope="module", name="path")
def _path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("film") / "a.mp4", textured(16))


def test_what_an_endpoint_says_is_the_caption(server, path):
    endpoint, seen = server
    assert Captioner(endpoint, instruction="0").caption(clip(path)) == {"id": "id", "caption": TEXT}
    parts = seen[0]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text"] + ["image_url"] * 8
    assert parts[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    Captioner(endpoint, "video", "0").caption(clip(path))
    assert seen[1]["messages"][0]["content"][1]["type"] == "video_url"


@pytest.mark.parametrize(
    ("which", "problem"),
    [("1", "refused"), ("2", "cut off"), ("3", "answers 400"), ("4", "no caption")],
)
def test_what_it_does_not_say_is_a_problem_of_the_row(server, path, which, problem):
    row = Captioner(server[0], instruction=which).caption(clip(path))
    assert problem in row["problem"]
    assert "caption" not in row


def test_a_clip_that_cannot_be_read_is_not_asked_about(server, path):
    endpoint, seen = server
    rows = list(Captioner(endpoint, instruction="0").captions([clip(path, 50.0), clip(path)]))
    assert "no frame" in rows[0]["problem"]
    assert rows[1]["caption"] == TEXT
    assert len(seen) == 1


def test_an_endpoint_that_is_silent_again_and_again_is_not_asked_any_more(server, path):
    endpoint, seen = server
    clips = [replace(clip(path), id=str(number)) for number in range(24)]
    gone = endpoint.model_copy(update={"url": "http://127.0.0.1:9/v1"})
    rows = list(Captioner(gone).captions(clips))
    assert [row["id"] for row in rows] == [one.id for one in clips]
    assert "cannot be reached" in rows[0]["problem"]
    assert "not asked" in rows[-1]["problem"]
    for which in ("3", "5"):  # what answers is no silence, whatever it answers
        answers = list(Captioner(endpoint, instruction=which).captions(clips[:12]))
        assert all("answers" in row["problem"] for row in answers)
    assert len(seen) == 12 + 12 * ATTEMPTS
