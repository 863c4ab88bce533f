"""A store on each kind of database; a studio whose worker runs in this process, on a model that is
only quick.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from praxino.request import complete
from praxino.service.api.app import create
from praxino.service.api.auth import AppState
from praxino.service.queue.jobs import MADE, AnalysisRequest, Job, new_id
from praxino.service.queue.store import Store
from praxino.service.worker.worker import Worker
from praxino.storage.objects import Objects
from support import client, postgres


@pytest.fixture(scope="session", name="server")
def _server() -> Iterator[str]:
    with postgres.running() as address:
        yield address


@pytest.fixture(name="url", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def _url(request, tmp_path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    return postgres.fresh(request.getfixturevalue("server"), new_id("video"))


@pytest.fixture(name="store")
def _store(url) -> Iterator[Store]:
    store = Store(url, lease=0.3)
    yield store
    store.database.close()


def job(kind="video", **more) -> Job:
    order = (
        complete(client.CARD, {"prompt": "a cat"})[0]
        if kind in MADE
        else AnalysisRequest(name="a.mp4")
    )
    return Job(id=new_id(kind), kind=kind, **{"model": "m", "order": order, **more})


@pytest.fixture(name="job")
def _job():
    return job


class Running:
    """A studio, a client of it, and its worker."""

    def __init__(self, folder: Path, model: Path | None, storage: str = "", **more) -> None:
        self.store = Store(f"sqlite:///{folder / 'jobs.sqlite'}")
        self.objects = Objects(storage or str(folder / "films"))
        self.studio = AppState(self.store, self.objects, default="tiny", **more)
        self.app = create(self.studio)
        self.client = TestClient(self.app, base_url="http://localhost")
        self.worker = (
            Worker(self.store, self.objects, {"tiny": str(model)}, "cpu") if model else None
        )

    @contextmanager
    def at_work(self) -> Iterator["Running"]:
        assert self.worker is not None
        thread = threading.Thread(target=self.worker.run)
        thread.start()
        try:
            while not self.store.workers():
                thread.join(0.02)
                assert thread.is_alive()
            yield self
        finally:
            self.worker.leave()
            thread.join()
            self.store.database.close()


@pytest.fixture(name="running")
def _running(tmp_path, tiny_model) -> Iterator[Running]:
    with Running(tmp_path, tiny_model).at_work() as running:
        yield running


@pytest.fixture(name="in_a_cloud")
def _in_a_cloud(tmp_path, tiny_model, bucket) -> Iterator[Running]:
    """The same with its films where S3 is spoken."""
    with Running(tmp_path, tiny_model, f"{bucket}/ours").at_work() as running:
        yield running


@pytest.fixture(name="studio_of")
def _studio_of(tmp_path):
    """A studio of these settings, and with this model: nobody works there yet."""
    made = []

    def build(model=None, **more) -> Running:
        made.append(Running(tmp_path, model, **more))
        return made[-1]

    yield build
    for each in made:
        each.store.database.close()


@pytest.fixture(name="idle")
def _idle(studio_of):
    """A studio whose worker was seen, and does nothing: what is ordered waits."""
    studio = studio_of()
    studio.store.announce("w", client.WORKER)
    return studio


@pytest.fixture(name="client")
def _client(idle):
    return idle.client


@pytest.fixture(scope="session", name="one_client")
def _one_client(tmp_path_factory) -> Iterator[TestClient]:
    """A client of one idle studio for all that is refused, as nothing of it stays there."""
    studio = Running(tmp_path_factory.mktemp("studio"), None)
    studio.store.announce("w", client.WORKER)
    yield studio.client
    studio.store.database.close()
