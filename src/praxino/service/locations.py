"""Where jobs and films are: in one folder of this machine, or in a database and a storage that
machines share.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from praxino.errors import InputError
from praxino.service.queue import schema
from praxino.service.queue.store import LEASE_SECONDS, Store
from praxino.storage.objects import Objects, redact

JOBS_VARIABLE: Final = "PRAXINO_JOBS"
STORAGE_VARIABLE: Final = "PRAXINO_STORAGE"
"""Environment variables with both addresses: their passwords must not appear in a list of
processes.
"""


@dataclass(frozen=True)
class Locations:
    """Where jobs and films are kept."""

    jobs: str
    storage: str

    @classmethod
    def of(cls, data: Path | None, jobs: str | None, storage: str | None) -> "Locations":
        """From flags: addresses as they are, the rest in the folder ``data``, or in this user's
        data folder.
        """
        if jobs and schema.address(jobs).get_backend_name() != "sqlite" and not storage:
            raise InputError(
                "jobs that others share, and no --storage", "a folder that all reach, or s3://..."
            )
        if storage and storage.startswith("memory:"):
            raise InputError("storage in memory: films would be forgotten", "a folder, or s3://...")
        folder = (data or platformdirs.user_data_path("praxino") / "studio").absolute()
        url = storage or str(folder / "films")
        return cls(
            jobs or f"sqlite:///{folder / 'jobs.sqlite'}",
            url if "://" in url else str(Path(url).absolute()),
        )

    def open(self, lease: float = LEASE_SECONDS) -> tuple[Store, Objects]:
        """The store of jobs and the storage of films.

        Raises
        ------
        InputError
            If the storage belongs to other jobs.
        """
        objects = Objects(self.storage)
        objects.require_reachable()
        store = Store(self.jobs, lease)
        if store.storage(own := objects.token()) != own:
            raise InputError(
                f"storage {redact(self.storage)} is another studio's",
                "the one that these jobs began with",
            )
        return store, objects
