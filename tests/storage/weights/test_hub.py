"""Models from a hub, against one that runs here."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from praxino.errors import CheckpointError
from praxino.storage.weights import hub

COMMIT = "a" * 40
FILES = {
    "model_index.json": b"{}",
    "README.md": b"---\nlicense: apache-2.0\n---\n",
    "vae/diffusion_pytorch_model.safetensors": bytes(range(256)) * 4096,
    "assets/film.mp4": b"not part of a model",
}


class Hub(BaseHTTPRequestHandler):
    """As much of the protocol as a download needs; ``broken`` closes the connection in the middle
    of large files.
    """

    broken = False
    asked: list[tuple[str, str]]

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        path = urllib.parse.unquote(self.path.split("?")[0])
        self.asked.append((self.command, path))
        if path.startswith("/api/models/owner/name/tree"):
            sha = lambda data: hashlib.sha1(data).hexdigest()  # noqa: E731
            files = [
                {"type": "file", "path": n, "size": len(d), "oid": sha(d)} for n, d in FILES.items()
            ]
            return self._send(json.dumps(files).encode(), "application/json")
        if path.startswith("/api/models/owner/name"):
            card = {"id": "owner/name", "sha": COMMIT, "cardData": {"license": "apache-2.0"}}
            card["siblings"] = [{"rfilename": name} for name in FILES]
            return self._send(json.dumps(card).encode(), "application/json")
        if path.startswith("/owner/name/resolve/"):
            return self._send(FILES[path.split("/", 5)[5]], "application/octet-stream")
        error = {"gated/name": "GatedRepo"}.get("/".join(path.split("/")[3:5]), "RepoNotFound")
        self.send_response(403 if error == "GatedRepo" else 404)
        self.send_header("X-Error-Code", error)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def _send(self, data, kind):
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", kind)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            cut = len(data) // 2 if self.broken and len(data) > 1000 else len(data)
            self.wfile.write(data[start:cut])
            if cut < len(data):
                self.close_connection = True


@pytest.fixture(name="server")
def _server(tmp_path, monkeypatch):
    """The class that answers; the library is told of it as by the environment."""
    constants = pytest.importorskip("huggingface_hub.constants")
    handler = type("Here", (Hub,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name, value in (("ENDPOINT", address), ("HF_HUB_CACHE", str(tmp_path / "cache"))):
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", address, raising=False)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    yield handler
    server.shutdown()
    server.server_close()


def test_size_and_licence_are_said_before_the_download(server, caplog):
    folder = hub.fetch("owner/name")
    assert "downloading 1 MiB, licence apache-2.0" in caplog.text
    assert {
        str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()
    } == FILES.keys() - {"assets/film.mp4"}
    caplog.clear()
    assert hub.fetch("owner/name") == folder
    assert caplog.text == ""  # nothing is downloaded twice, nothing is said


def test_an_interrupted_download_goes_on(server, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    server.broken = True
    with pytest.raises(CheckpointError, match="cannot be downloaded"):
        hub.fetch("owner/name")
    server.broken = False
    folder = hub.fetch("owner/name")
    assert (folder / "vae/diffusion_pytorch_model.safetensors").read_bytes() == FILES[
        "vae/diffusion_pytorch_model.safetensors"
    ]
    assert not list((tmp_path / "cache").rglob("*.incomplete"))


def test_without_a_network_the_cache_is_used(server, monkeypatch):
    folder = hub.fetch("owner/name")
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", "http://127.0.0.1:1")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    assert hub.fetch("owner/name") == folder
    with pytest.raises(CheckpointError, match="neither a folder nor in the cache"):
        hub.fetch("owner/other")


def test_a_disk_too_small(server, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(CheckpointError, match=r"takes 1 MiB, and .* has 0 MiB free"):
        hub.fetch("owner/name")
    assert not any(command == "GET" and "safetensors" in path for command, path in server.asked)


def test_repositories_that_are_not_there_or_not_for_all(server):
    with pytest.raises(
        CheckpointError, match=r"no repository 'owner/nothing'|neither a folder nor"
    ):
        hub.fetch("owner/nothing")
    with pytest.raises(CheckpointError, match=r"given only to those who ask|neither a folder nor"):
        hub.fetch("gated/name")


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("a/b", True),
        ("Wan-AI/Wan2.1-T2V-1.3B", True),
        ("a", False),
        ("a/b/c", False),
        ("../x", False),
        ("/a/b", False),
        ("./a", False),
    ],
)
def test_names_of_repositories(name, can):
    assert hub.is_id(name) is can
    assert not Path(name).is_dir()


def test_a_process_that_loaded_nothing_else_says_what_is_wrong(tmp_path):
    script = "from praxino.storage.weights import hub; hub.fetch('owner/nothing')"
    own = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | own, capture_output=True, text=True
    )
    assert "praxino.errors.CheckpointError: owner/nothing" in run.stderr, run.stderr
