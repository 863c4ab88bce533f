"""A language model behind an address: what it answers, and all that can go wrong with it."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from praxino.chat import KEY_VARIABLE, MODEL_VARIABLE, URL_VARIABLE, ChatEndpoint
from praxino.errors import EndpointError, InputError

MESSAGES = [{"role": "user", "content": "hello"}]


@contextmanager
def endpoint(*answers, seconds=5.0):
    """An endpoint that answers so, one after the other; yields it and what it was sent."""
    sent, remaining = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append((self.path, dict(self.headers), json.loads(body)))
            remaining.pop(0)(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        yield ChatEndpoint(url=url, model="m", key="secret", seconds=seconds), sent
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def says(content, status=200, **headers):
    def answer(handler):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def completion(text, finish="stop"):
    return {"choices": [{"message": {"content": text}, "finish_reason": finish}]}


def ask(chat):
    return chat.complete(MESSAGES, 3, 0.3, 512)


def test_it_answers():
    with endpoint(says(completion("hi"))) as (chat, sent):
        assert ask(chat) == "hi"
    ((path, headers, body),) = sent
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert body == {
        "model": "m", "messages": MESSAGES, "seed": 3, "temperature": 0.3, "max_tokens": 512,
    }  # fmt: skip
    assert "secret" not in repr(chat)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_is_asked_once_more(status):
    with endpoint(says({}, status), says(completion("hi"))) as (chat, sent):
        assert ask(chat) == "hi"
        assert len(sent) == 2
    with endpoint(says({}, status), says({}, status)) as (chat, sent):
        with pytest.raises(EndpointError, match=f"answers {status}"):
            ask(chat)
        assert len(sent) == 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (says({}, 401), "answers 401"),
        (says(b"<html>hello</html>"), "no chat completion"),
        (says({"choices": []}), "no chat completion"),
        (says([]), "no chat completion"),
        (says(completion(None)), "without text"),
        (says(completion("a long", "length")), "cut off"),
        (says(b"[" * 2**17), "no chat completion"),
        (says(b"x" * 2**19), "too much"),
        (says(b"", 302, Location="http://127.0.0.1:1/"), "sends elsewhere"),
        (says(b"", 307, Location="http://127.0.0.1:1/"), "answers 307"),
    ],
)
def test_what_is_no_answer_is_not_asked_again(answer, message):
    with endpoint(answer) as (chat, sent):
        with pytest.raises(EndpointError, match=message):
            ask(chat)
        assert len(sent) == 1


def test_one_that_hangs_or_drips_costs_its_time_and_no_more():
    def drips(handler):
        for _ in range(200):
            handler.wfile.write(b"H")
            time.sleep(0.02)

    begun = time.monotonic()
    with endpoint(drips, drips, seconds=0.3) as (chat, _):
        with pytest.raises(EndpointError, match=r"says nothing in 0\.3 seconds"):
            ask(chat)
        assert time.monotonic() - begun < 60


def test_nobody_there():
    with pytest.raises(EndpointError, match="cannot be reached"):
        ask(ChatEndpoint(url="http://127.0.0.1:9/v1", model="m"))


def test_the_environment_names_it(monkeypatch):
    for name in (URL_VARIABLE, MODEL_VARIABLE, KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    assert ChatEndpoint.from_environment() is None
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:11434/v1/")
    with pytest.raises(InputError, match=MODEL_VARIABLE):
        ChatEndpoint.from_environment()
    monkeypatch.setenv(MODEL_VARIABLE, "small")
    chat = ChatEndpoint.from_environment()
    assert (chat.url, chat.model, chat.key) == ("http://127.0.0.1:11434/v1", "small", "")
    for wrong in ("file:///etc/passwd", "ftp://a", "http://", "nonsense"):
        monkeypatch.setenv(URL_VARIABLE, wrong)
        with pytest.raises(InputError, match="no http address"):
            ChatEndpoint.from_environment()
