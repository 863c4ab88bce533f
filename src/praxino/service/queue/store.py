"""Jobs, kept: given in, claimed by one worker at a time, moved from state to state, found again
after any crash.

A worker has a job for as long as its lease; it must beat before that is over. A job whose lease is
over may be claimed by another, and what the first one says of it then is refused. See
docs/decisions/0010.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from pydantic import ValidationError

from praxino.errors import JobError
from praxino.service.queue import quotas, schema
from praxino.service.queue.jobs import UPLOADS, Failure, Job, JobResult, Kind, Status, WorkerInfo
from praxino.service.queue.quotas import Quota
from praxino.service.queue.schema import Database, jobs, previews, workers

MAX_ATTEMPTS: Final = 3
"""How often a job is begun that ends its workers."""
LEASE_SECONDS: Final = 30.0
"""Seconds that a worker may be silent."""
WORKER_MEMORY_SECONDS: Final = 86_400
"""Seconds after which a worker that is not seen is forgotten."""
COLUMNS: Final = [jobs.c[name] for name in Job.model_fields]


@dataclass(frozen=True)
class HeartbeatReply:
    """What a worker hears when it says that it lives: whether to stop, and whether somebody
    watches.
    """

    stop: bool
    watched: bool


class Store:
    """All jobs of one database."""

    def __init__(self, url: str, lease: float = LEASE_SECONDS) -> None:
        self.database = Database(url)
        self.lease = lease

    def submit(self, job: Job, quota: Quota | None = None, size: int = 0) -> Job:
        """Keep a new job, with ``size`` bytes of files; errors as of `submit_all`."""
        return self.submit_all([job], quota, size)[0]

    def submit_all(
        self, new: Sequence[Job], quota: Quota | None = None, size: int = 0
    ) -> list[Job]:
        """Keep new jobs of one owner, all or none.

        Raises
        ------
        LimitError
            Where ``quota`` of their owner is used up; nothing is kept then.
        """
        stored = []
        with self.database.write() as connection:
            if quota is not None:
                quotas.charge(self.database, connection, new[0].owner, quota, len(new))
            for job in new:
                insert = (
                    jobs.insert()
                    .values(**job.to_row(), bytes=size, created=self.database.now())
                    .returning(*COLUMNS)
                )
                stored.append(_job(connection.execute(insert).one()))
        return stored

    def require_quota(self, owner: str, quota: Quota) -> None:
        """Raise `LimitError` if one more job of an owner would be refused now."""
        with self.database.read() as connection:
            quotas.require_quota(self.database, connection, owner, quota)

    def get(self, id_: str, owner: str | None = None) -> Job | None:
        """The job of that name, if there is one, and it is the owner's."""
        query = sa.select(*COLUMNS).where(jobs.c.id == id_)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        with self.database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _job(row) if row else None

    def page(
        self,
        owner: str | None,
        kinds: Iterable[Kind],
        after: Job | None,
        limit: int,
        ascending: bool = False,
    ) -> tuple[list[Job], bool]:
        """So many jobs after one, the newest first unless ``ascending``, and whether there are
        more.
        """
        query = sa.select(*COLUMNS).where(jobs.c.kind.in_(list(kinds)))
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if after is not None:
            query = query.where(
                jobs.c.number > after.number if ascending else jobs.c.number < after.number
            )
        query = query.order_by(jobs.c.number if ascending else jobs.c.number.desc()).limit(
            limit + 1
        )
        with self.database.read() as connection:
            page = [_job(row) for row in connection.execute(query)]
        return page[:limit], len(page) > limit

    def since(self, owners: str, seconds: float) -> list[Job]:
        """Jobs of the last so many seconds of owners whose names begin so."""
        recent = jobs.c.created > self.database.now() - seconds
        query = sa.select(*COLUMNS).where(jobs.c.owner.startswith(owners, autoescape=True), recent)
        with self.database.read() as connection:
            return [_job(row) for row in connection.execute(query.order_by(jobs.c.number))]

    def position(self, job: Job) -> int | None:
        """How many waiting jobs workers may begin before this one; None if it does not wait."""
        if job.status != "queued":
            return None
        sooner = (jobs.c.priority > job.priority) | (
            (jobs.c.priority == job.priority) & (jobs.c.number < job.number)
        )
        able = [worker for alive, worker in self.workers() if alive and worker.takes(job)]
        if able:
            kinds = {kind for worker in able for kind in worker.kinds}
            models = {"", *(card.id for worker in able for card in worker.models)}
            sooner &= jobs.c.kind.in_(kinds) & jobs.c.model.in_(models)
        query = (
            sa.select(sa.func.count()).select_from(jobs).where(jobs.c.status == "queued", sooner)
        )
        with self.database.read() as connection:
            return int(connection.scalar(query) or 0)

    def cancel(self, job: Job) -> Job:
        """End a job that waits; ask the worker of one in progress to stop and keep what there is.
        Twice is as once.

        Raises
        ------
        JobError
            If it has ended otherwise, or was deleted.
        """
        with self.database.write() as connection:
            now = self.database.now()
            mine = jobs.update().where(jobs.c.id == job.id)
            waiting = mine.where(jobs.c.status == "queued").values(
                status="cancelled", completed=now, stop=True
            )
            going_on = mine.where(jobs.c.status == "in_progress").values(stop=True)
            for update in (waiting, going_on, waiting):  # it may be handed back in between
                if row := connection.execute(update.returning(*COLUMNS)).one_or_none():
                    return _job(row)
        latest = self.get(job.id)
        if latest is None:
            raise JobError(f"{job.id} was deleted")
        if latest.status != "cancelled":
            latest.require_move("cancelled")
        return latest

    def delete(self, job: Job) -> bool:
        """Forget a job, whatever it does; False if it was forgotten before. Its files are the
        caller's to delete.
        """
        with self.database.write() as connection:
            connection.execute(previews.delete().where(previews.c.id == job.id))
            return connection.execute(jobs.delete().where(jobs.c.id == job.id)).rowcount == 1

    def watch(self, job: Job, seconds: float) -> None:
        """Say that somebody will look at it being made for so long."""
        with self.database.write() as connection:
            until = self.database.now() + seconds
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(watched=until))

    def preview(self, job: Job, after: int = 0) -> tuple[int, bytes] | None:
        """The newest picture of a job in progress, and its step, if that comes after a step."""
        query = sa.select(previews.c.step, previews.c.image).where(
            previews.c.id == job.id, previews.c.step > after
        )
        with self.database.read() as connection:
            row = connection.execute(query).one_or_none()
        return (row.step, row.image) if row else None

    def claim(self, worker: str, models: Sequence[str], kinds: Sequence[Kind]) -> Job | None:
        """The next job for a worker that has these models: it is nobody else's as long as the
        worker beats.
        """
        of = jobs.c.kind.in_(list(kinds)) & ((jobs.c.model == "") | jobs.c.model.in_(list(models)))
        with self.database.read() as connection:
            for free in self._free():
                if connection.execute(
                    sa.select(jobs.c.number).where(free, of).limit(1)
                ).one_or_none():
                    break
            else:
                return None  # nothing is locked for that
        with self.database.write() as connection:
            self._fail_lost(connection)
            for free in self._free():
                if (row := self._taken(connection, worker, free & of)) is not None:
                    connection.execute(previews.delete().where(previews.c.id == row.id))
                    return _job(row)
        return None

    def _free(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Jobs whose workers were killed, and those that wait: two questions, each answered by the
        index.
        """
        return (jobs.c.status == "in_progress") & (
            jobs.c.lease < self.database.now()
        ), jobs.c.status == "queued"

    def _taken(self, connection: sa.Connection, worker: str, free: sa.ColumnElement[bool]) -> Any:
        """The first of some jobs, made this worker's."""
        ordered = (
            sa.select(jobs.c.number).where(free).order_by(jobs.c.priority.desc(), jobs.c.number)
        )
        first = ordered.limit(1).with_for_update(skip_locked=True).scalar_subquery()
        now = self.database.now()
        begun = {
            "lease": now + self.lease,
            "started": now,
            "step": 0,
            "eta": None,
            "attempts": jobs.c.attempts + 1,
        }
        taken = (
            jobs.update()
            .where(jobs.c.number == first)
            .values(status="in_progress", worker=worker, **begun)
        )
        return connection.execute(taken.returning(*COLUMNS)).one_or_none()

    def _fail_lost(self, connection: sa.Connection) -> None:
        """End jobs whose workers were killed and that nobody begins again: too often begun, or
        asked to stop.
        """
        now = self.database.now()
        lost = jobs.update().where(jobs.c.status == "in_progress", jobs.c.lease < now)
        connection.execute(
            lost.where(jobs.c.stop).values(status="cancelled", completed=now, eta=None)
        )
        reason = Failure(
            code="worker_lost", message=f"it ended {MAX_ATTEMPTS} workers, and is not begun again"
        )
        failed = lost.where(jobs.c.attempts >= MAX_ATTEMPTS)
        connection.execute(
            failed.values(status="failed", completed=now, eta=None, error=reason.model_dump())
        )

    def beat(
        self, job: Job, step: int = 0, steps: int = 0, eta: float | None = None
    ) -> HeartbeatReply:
        """Keep a job for another lease; raises `JobError` if it is not this worker's any more."""
        more = {"step": step, "steps": steps, "eta": eta} if steps else {}
        with self.database.write() as connection:
            now = self.database.now()  # not before the transaction, which may have had to wait
            held = _held(job).values(lease=now + self.lease, **more)
            row = connection.execute(
                held.returning(jobs.c.stop, (jobs.c.watched > now).label("watched"))
            ).one_or_none()
        if row is None:
            raise JobError(
                f"{job.id} is not mine any more", "it was deleted, or another worker has it"
            )
        return HeartbeatReply(row.stop, bool(row.watched))

    def show(self, job: Job, step: int, image: bytes) -> None:
        """Keep a picture of a job of this worker, in place of the one before; others' are not
        changed.
        """
        insert = self.database.insert(previews).values(id=job.id, step=step, image=image)
        newer = insert.on_conflict_do_update(
            index_elements=["id"], set_={"step": step, "image": image}
        )
        with self.database.write() as connection:
            if connection.scalar(sa.select(jobs.c.number).where(*_mine(job))) is not None:
                connection.execute(newer)

    def end(
        self,
        job: Job,
        status: Status,
        keep: float | None = None,
        result: JobResult | None = None,
        size: int = 0,
        error: Failure | None = None,
    ) -> Job:
        """Move a job of this worker to a last state, or hand it back; one that was asked to stop is
        cancelled then.

        Parameters
        ----------
        keep : float, optional
            Seconds after which it may be swept away.
        size : int
            Bytes of all its files.

        Raises
        ------
        JobError
            If it is not this worker's any more, or cannot get there.
        """
        job.require_move(status)
        with self.database.write() as connection:
            now = self.database.now()
            last = {"completed": now, "eta": None, "expires": None if keep is None else now + keep}
            if status == "queued":
                back = {
                    "status": "queued",
                    "attempts": jobs.c.attempts - 1,
                    "step": 0,
                    "eta": None,
                    "worker": "",
                }
                moves = [
                    _held(job).where(~jobs.c.stop).values(**back),
                    _held(job).values(status="cancelled", **last),
                ]
            else:
                steps = {"step": result.steps} if result and result.steps else {}
                kept = {
                    "result": result.model_dump(mode="json") if result else {},
                    "bytes": size,
                    "error": error.model_dump() if error else None,
                }
                moves = [_held(job).values(status=status, **last, **kept, **steps)]
            for move in moves:
                if row := connection.execute(move.returning(*COLUMNS)).one_or_none():
                    connection.execute(previews.delete().where(previews.c.id == job.id))
                    return _job(row)
        raise JobError(f"{job.id} is not mine any more", "it was deleted, or another worker has it")

    def announce(self, worker: str, info: WorkerInfo) -> None:
        """Record that a worker lives, and what it can do."""
        about = info.model_dump(mode="json")
        with self.database.write() as connection:
            now = self.database.now()
            insert = self.database.insert(workers).values(id=worker, about=about, seen=now)
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["id"], set_={"about": about, "seen": now}
                )
            )
            connection.execute(workers.delete().where(workers.c.seen < now - WORKER_MEMORY_SECONDS))

    def leave(self, worker: str) -> None:
        """Say that a worker is gone; what it can do stays known for a day."""
        with self.database.write() as connection:
            connection.execute(
                workers.update()
                .where(workers.c.id == worker)
                .values(seen=workers.c.seen - self.lease)
            )

    def workers(self) -> list[tuple[bool, WorkerInfo]]:
        """Each worker of the last day, the one seen last first, and whether it lives.

        Workers of another release, whose announcements have other fields, are left out.
        """
        alive = (workers.c.seen > self.database.now() - self.lease).label("alive")
        with self.database.read() as connection:
            rows = connection.execute(
                sa.select(alive, workers.c.about).order_by(workers.c.seen.desc())
            ).all()
        workers_ = []
        for row in rows:
            with suppress(ValidationError):
                workers_.append(
                    (bool(row.alive), WorkerInfo.model_validate_json(json.dumps(row.about)))
                )
        return workers_

    def storage(self, own: str) -> str:
        """The token of the storage that these jobs' files are in: ``own``, where it was not known
        yet.
        """
        column = schema.schema.c.storage
        with self.database.write() as connection:
            connection.execute(schema.schema.update().where(column == "").values(storage=own))
            return str(connection.scalar(sa.select(column)))

    def counts(self) -> dict[tuple[str, str], int]:
        """How many jobs there are of each kind and state."""
        query = sa.select(jobs.c.kind, jobs.c.status, sa.func.count()).group_by(
            jobs.c.kind, jobs.c.status
        )
        with self.database.read() as connection:
            return {(kind, status): count for kind, status, count in connection.execute(query)}

    def waiting(self) -> float:
        """Seconds that the oldest job in the queue has waited."""
        oldest = sa.select(self.database.now() - sa.func.min(jobs.c.created)).where(
            jobs.c.status == "queued"
        )
        with self.database.read() as connection:
            return float(connection.scalar(oldest) or 0.0)

    def existing(self, ids: Sequence[str]) -> set[str]:
        """Which of these there are."""
        existing_ids: set[str] = set()
        with self.database.read() as connection:
            for start in range(0, len(ids), 500):
                query = sa.select(jobs.c.id).where(jobs.c.id.in_(ids[start : start + 500]))
                existing_ids |= set(connection.scalars(query))
        return existing_ids

    def uncleared(self) -> list[Job]:
        """Checks that have ended, but whose files were not deleted: nobody looked, or was killed
        before that.
        """
        query = sa.select(*COLUMNS).where(
            jobs.c.kind.in_(UPLOADS), jobs.c.completed.is_not(None), jobs.c.input != ""
        )
        with self.database.read() as connection:
            return [_job(row) for row in connection.execute(query.limit(1000))]

    def clear_input(self, job: Job) -> None:
        """Say that the file which a check looked at is deleted."""
        bytes_ = sa.case((jobs.c.status == "completed", jobs.c.bytes), else_=0)
        with self.database.write() as connection:
            connection.execute(
                jobs.update().where(jobs.c.id == job.id).values(input="", bytes=bytes_)
            )

    def to_sweep(
        self, keep: float | None = None, room: int | None = None, most: int = 100
    ) -> list[Job]:
        """Ended jobs whose time is over, and the oldest ones where all files together take more
        than ``room`` bytes.

        What no worker ended, and so has no time of its own, is over after ``keep`` seconds.
        """
        with self.database.write() as connection:
            self._fail_lost(connection)
            working = sa.select(jobs.c.id).where(jobs.c.status == "in_progress")
            connection.execute(previews.delete().where(previews.c.id.not_in(working)))
        with self.database.read() as connection:
            now = self.database.now()
            late = jobs.c.expires < now
            if keep is not None:
                late |= jobs.c.expires.is_(None) & (jobs.c.completed < now - keep)
            over = sa.select(*COLUMNS).where(late).limit(most)
            expired = [_job(row) for row in connection.execute(over)]
            if room is None or expired:
                return expired
            excess = (
                int(
                    connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(jobs.c.bytes), 0)))
                    or 0
                )
                - room
            )
            ended = (jobs.c.completed.is_not(None), jobs.c.bytes > 0)
            oldest = (
                sa.select(jobs.c.bytes, *COLUMNS).where(*ended).order_by(jobs.c.number).limit(most)
            )
            for row in connection.execute(oldest) if excess > 0 else ():
                if excess <= 0:
                    break
                excess -= row[0]
                expired.append(_job(row))
        return expired


def _mine(job: Job) -> tuple[sa.ColumnElement[bool], ...]:
    """Whether a job is still in the attempt of it that this worker began."""
    held = (jobs.c.id == job.id, jobs.c.status == "in_progress", jobs.c.worker == job.worker)
    return *held, jobs.c.attempts == job.attempts


def _held(job: Job) -> sa.Update:
    return jobs.update().where(*_mine(job))


def _job(row: Any) -> Job:
    return Job.from_row({name: getattr(row, name) for name in Job.model_fields})
