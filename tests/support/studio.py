"""`praxino serve` in a process of its own, as whoever runs it starts it; and a browser to look at
it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Served:
    """One server with one worker, on a folder that outlives it."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data, self.arguments, self.url, self.log = data, arguments, "", ""
        self.start()

    def start(self) -> None:
        """Start it, at the port that it had before; returns when it listens."""
        port = self.url.rpartition(":")[2] or "0"
        command = [
            sys.executable,
            "-m",
            "praxino",
            "serve",
            "--data",
            str(self.data),
            "--port",
            port,
            *self.arguments,
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line
            if found := re.search(r"http://\S+:\d+", line):
                self.url = found[0]
                break
        else:
            raise AssertionError(self.log)
        self.thread = threading.Thread(
            target=self._listen, args=(self.process.stderr,), daemon=True
        )
        self.thread.start()

    def _listen(self, lines) -> None:
        with lines:
            for line in lines:
                self.log += line

    def kill(self) -> None:
        """End it without a chance to do anything more."""
        self.process.kill()
        self.process.wait()
        self.thread.join()

    def stop(self) -> int:
        """End it as a service manager does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.thread.join()
        return code

    def ready(self) -> None:
        """Return when films can be ordered."""
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except OSError:
                assert self.process.poll() is None, self.log
                threading.Event().wait(0.1)


@contextmanager
def served(data: Path, *arguments: str) -> Iterator[Served]:
    server = Served(data, *arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            assert server.stop() == 0, server.log


QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def browser() -> Iterator:
    """Chromium as the system has it: nothing is downloaded."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        try:
            yield opened
        finally:
            opened.close()
