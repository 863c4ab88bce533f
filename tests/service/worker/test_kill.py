"""Two servers, three workers and PostgreSQL: killed at random while two hundred films are made,
they lose none.

The films are of the recipe ``smoke``, trained first.
"""

import collections
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from praxino.service.locations import JOBS_VARIABLE, STORAGE_VARIABLE
from praxino.service.queue.store import Store
from support import postgres

FILMS = 60
EVERY = 2.5
"""Seconds between two kills."""


class Fleet:
    """Processes of `praxino`, each started again when it was killed, with all that they said."""

    def __init__(self, folder, jobs, model):
        self.folder, self.model = folder, model
        self.environment = os.environ | {
            JOBS_VARIABLE: jobs,
            STORAGE_VARIABLE: str(folder / "films"),
            "OMP_NUM_THREADS": "1",
        }
        self.processes, self.logs, self.ports = {}, [], {}

    def start(self, name):
        serve = ["serve", "--workers", "0", "--port", str(self.ports.get(name, 0))]
        verb = serve if name.startswith("server") else ["worker"]
        command = [
            sys.executable,
            "-m",
            "praxino",
            *verb,
            "--model",
            str(self.model),
            "--lease",
            "3",
        ]
        log = self.folder / f"{name}-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("w") as said:
            self.processes[name] = subprocess.Popen(command, env=self.environment, stderr=said)
        if name.startswith("server"):
            while not (found := re.search(r"http://127.0.0.1:(\d+)", log.read_text())):
                assert self.processes[name].poll() is None, log.read_text()
                time.sleep(0.05)
            self.ports[name] = int(found[1])

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(60)

    def said(self):
        return "".join(log.read_text() for log in self.logs)


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


@pytest.fixture(name="smoke")
def _smoke(tmp_path):
    command = [
        sys.executable,
        "-m",
        "praxino",
        "train",
        "smoke",
        "--quiet",
        "-o",
        str(tmp_path / "run"),
    ]
    subprocess.run(command, check=True)
    return (tmp_path / "run" / "final").rename(tmp_path / "smoke")


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.timeout(900)
def test_nothing_is_lost_and_nothing_done_twice(tmp_path, smoke, server):
    jobs = postgres.fresh(server, "killed")
    fleet = Fleet(tmp_path, jobs, smoke)
    names = ["server-a", "server-b", "worker-a", "worker-b", "worker-c"]
    dice, done, kills = random.Random(0), threading.Event(), collections.Counter()
    for name in names:
        fleet.start(name)
    store = Store(jobs)

    def killer():
        while not done.wait(EVERY):
            name = dice.choice(names)
            fleet.kill(name)
            kills[name] += 1
            fleet.start(name)

    def order(number):
        """As a client does: if no answer comes, ask again, perhaps the other server."""
        while True:
            port = fleet.ports[dice.choice(names[:2])]
            try:
                return ask(
                    f"http://127.0.0.1:{port}/v1/videos",
                    {"prompt": f"cat {number}", "num_inference_steps": 50},
                )["id"]
            except OSError:
                time.sleep(0.2)

    while not store.workers():
        time.sleep(0.1)
    thread = threading.Thread(target=killer)
    thread.start()
    try:
        ids = [order(number) for number in range(FILMS)]
        until = time.monotonic() + 600
        while any(status in ("queued", "in_progress") for _, status in store.counts()):
            assert time.monotonic() < until, store.counts()
            time.sleep(0.5)
    finally:
        done.set()
        thread.join()
        fleet.stop()
    films = {job.id: job for job in store.page(None, ("video",), None, 10_000)[0]}
    store.database.close()
    assert len(set(ids)) == FILMS
    assert set(ids) <= set(
        films
    )  # none was lost; one whose answer was killed on its way may be there beside
    assert collections.Counter(job.status for job in films.values()) == {"completed": len(films)}
    ends = collections.Counter(re.findall(r"(video_\w+): completed", fleet.said()))
    assert set(ends.values()) == {1}  # a worker may be killed between the end and saying so
    assert len(films) - len(ends) <= kills.total()
    for job in films.values():
        folders = sorted(path.name for path in (tmp_path / "films" / job.id).iterdir())
        assert str(job.attempts) in folders
        film = tmp_path / "films" / job.file("film.mp4")
        assert film.read_bytes()[4:8] == b"ftyp"
    assert kills.total() >= 5
    again = sum(job.attempts > 1 for job in films.values())
    print(f"{len(films)} films, {kills.total()} kills ({dict(kills)}), {again} begun again")  # noqa: T201
