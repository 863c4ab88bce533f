"""The studio under load: requests a second, what a job costs beside its work, and memory over a
thousand jobs.

``python benchmarks/service.py [--postgresql URL]``: a server in a process of its own, clients in
this one, on loopback. The queue is held against huey's on the same disk, where that is installed
(``pip install huey``).
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from praxino.cards import ModelCard, ModelDefaults
from praxino.service.locations import JOBS_VARIABLE
from praxino.service.queue.jobs import AnalysisRequest, Job, JobResult, WorkerInfo, new_id
from praxino.service.queue.store import Store
from praxino.service.worker import execute
from praxino.service.worker.worker import Worker
from praxino.storage.objects import Objects

CARD = ModelCard(
    id="diorama",
    digest="",
    compression=(4, 8, 8),
    patch=(1, 2, 2),
    pictures=True,
    needs_picture=False,
    experts=1,
    samplers=("unipc",),
    defaults=ModelDefaults(
        frames=17, height=64, width=64, fps=8.0, steps=20, guidance=3.0, sampler="unipc", shift=1.0
    ),
)
ORDER = json.dumps({"prompt": "a red ball bounces on the grass", "seed": 3}).encode()
SECONDS = 5.0


@contextmanager
def serving(
    data: Path, *arguments: str, jobs: str | None = None
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A server; its port and its process."""
    command = [
        sys.executable,
        "-m",
        "praxino",
        "serve",
        "--data",
        str(data),
        "--port",
        "0",
        *arguments,
    ]
    environment = os.environ | ({JOBS_VARIABLE: jobs} if jobs else {})
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr
        line = process.stderr.readline()
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield int(re.search(r":(\d+)", line.partition("//")[2])[1]), process
        finally:
            process.terminate()
            process.wait()


async def ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    path: str,
    body: bytes = b"",
) -> dict[str, Any]:
    """One request on a connection that stays open."""
    fields = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    head = f"{method} {path} HTTP/1.1\r\n{fields}\r\n\r\n"
    writer.write(head.encode() + body)
    said = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in said.split(b"\r\n")[0], said
    length = int(re.search(rb"content-length: (\d+)", said)[1])
    return json.loads(await reader.readexactly(length))


Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def load(port: int, clients: int) -> dict[str, tuple[float, float]]:
    """Requests a second and their 99th percentile in milliseconds: orders, then looks at them."""
    ways = [await asyncio.open_connection("127.0.0.1", port) for _ in range(clients)]
    ids = [(await ask(*way, "POST", "/v1/videos", ORDER))["id"] for way in ways]
    found = {}
    for name in ("create", "poll"):
        what = [
            ("POST", "/v1/videos", ORDER) if name == "create" else ("GET", f"/v1/videos/{id_}", b"")
            for id_ in ids
        ]
        times: list[float] = []
        begun = time.perf_counter()
        await asyncio.gather(
            *(
                client(way, each, begun + SECONDS, times)
                for way, each in zip(ways, what, strict=True)
            )
        )
        rate = len(times) / (time.perf_counter() - begun)
        found[name] = rate, 1000 * statistics.quantiles(times, n=100)[98]
    for _, writer in ways:
        writer.close()
    return found


async def client(way: Way, what: tuple[str, str, bytes], until: float, times: list[float]) -> None:
    """Ask the same again and again."""
    while time.perf_counter() < until:
        begun = time.perf_counter()
        await ask(*way, *what)
        times.append(time.perf_counter() - begun)


def under_load(folder: Path, jobs: str) -> list[str]:
    Store(jobs).announce("bench", WorkerInfo(kinds=("video",), models=(CARD,)))
    rows = []
    for clients in (1, 10, 100):
        with serving(folder, "--workers", "0", "--storage", str(folder / "films"), jobs=jobs) as (
            port,
            _,
        ):
            found = asyncio.run(load(port, clients))
        cells = [f"{found[name][0]:8.0f} {found[name][1]:9.1f}" for name in ("create", "poll")]
        rows.append(f"  {clients:>7} " + " ".join(cells))
    return rows


def overhead(jobs: str, folder: Path, count: int = 300) -> tuple[float, float]:
    """Milliseconds from an order to its end where the work is nothing: one at a time, and of many
    that wait.
    """
    store = Store(jobs)
    worker = Worker(store, Objects(str(folder / "films")), {}, kinds=["verify"])
    made, execute.analyse = execute.analyse, lambda *_: JobResult()
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        alone = []
        for _ in range(30):
            begun = time.perf_counter()
            job = store.submit(
                Job(id=new_id("verify"), kind="verify", order=AnalysisRequest(name="x"))
            )
            while not store.get(job.id).ended:
                time.sleep(0.002)
            alone.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        for _ in range(count):
            job = store.submit(
                Job(id=new_id("verify"), kind="verify", order=AnalysisRequest(name="x"))
            )
        while not store.get(job.id).ended:
            time.sleep(0.01)
        many = (time.perf_counter() - begun) / count
    finally:
        worker.leave()
        thread.join()
        execute.analyse = made
        store.database.close()
    return 1000 * statistics.median(alone), 1000 * many


def huey(folder: Path, count: int = 300) -> tuple[float, float] | None:
    """The same of huey's SQLite queue with a consumer thread, which forgets a task that its worker
    is killed with.
    """
    try:
        from huey import SqliteHuey
    except ImportError:
        return None
    queue = SqliteHuey(filename=str(folder / "huey.db"), fsync=True)
    task: Callable[..., object] = queue.task()(lambda: 1)
    consumer = queue.create_consumer(
        workers=1, initial_delay=0.1, max_delay=0.1, check_worker_health=False
    )
    consumer.start()
    try:
        alone = []
        for _ in range(30):
            begun = time.perf_counter()
            task().get(blocking=True, backoff=1, max_delay=0.002)
            alone.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        *_, last = [task() for _ in range(count)]
        last.get(blocking=True, backoff=1, max_delay=0.01)
        many = (time.perf_counter() - begun) / count
    finally:
        consumer.stop(graceful=True)
    return 1000 * statistics.median(alone), 1000 * many


def resident(process: int) -> float:
    """MiB of a process in memory."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1]) / 1024


def memory(folder: Path, count: int = 1000) -> list[str]:
    """Of server and worker while so many pictures are ordered, polled, fetched and kept."""
    with serving(folder / "memory") as (port, process):
        rows = []

        async def run() -> None:
            way = await asyncio.open_connection("127.0.0.1", port)
            while not (await ask(*way, "GET", "/v1/models"))["data"]:
                await asyncio.sleep(0.2)
            tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
            [child] = " ".join(path.read_text() for path in tasks).split()
            order = json.dumps(
                {"prompt": "a cat", "num_inference_steps": 1, "num_frames": 5, "size": "32x32"}
            ).encode()
            for number in range(1, count + 1):
                film = await ask(*way, "POST", "/v1/videos", order)
                while (await ask(*way, "GET", f"/v1/videos/{film['id']}"))["status"] != "completed":
                    await asyncio.sleep(0.02)
                if number in (10, 100, 250, 500, 750, count):
                    rows.append(
                        f"  {number:>5} {resident(process.pid):10.1f} {resident(int(child)):10.1f}"
                    )

        asyncio.run(run())
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgresql", help="address of a database that may be filled")
    parser.add_argument("--jobs", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = {"SQLite": f"sqlite:///{folder / 'jobs.sqlite'}"}
        if arguments.postgresql:
            places["PostgreSQL"] = arguments.postgresql
        for kind, jobs in places.items():
            print(
                f"{kind}: one server\n  clients  create/s    p99 ms   poll/s    p99 ms", flush=True
            )
            print("\n".join(under_load(folder, jobs)), flush=True)
        print("a job that is no work, ms\n                 alone  of many", flush=True)
        for kind in places:
            fresh = f"sqlite:///{folder / 'queue.sqlite'}" if kind == "SQLite" else places[kind]
            print("  {:<12} {:7.1f} {:8.1f}".format(kind, *overhead(fresh, folder)), flush=True)
        rival = huey(folder)
        print(
            "  {:<12} {:7.1f} {:8.1f}".format("huey, SQLite", *rival)
            if rival
            else "  huey is not installed"
        )
        print("MiB in memory after so many films\n   films     server     worker", flush=True)
        print("\n".join(memory(folder, arguments.jobs)), flush=True)


if __name__ == "__main__":
    main()
