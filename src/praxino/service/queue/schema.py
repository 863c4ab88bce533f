"""The tables, and how SQLite and PostgreSQL are spoken to: the only file that knows which of the
two it is.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from praxino.errors import InputError
from praxino.storage.objects import redact

VERSION: Final = 1
"""Version of these tables; a newer release may have others."""
SQLITE_BUSY_SECONDS: Final = 30
"""Seconds that a statement waits for others that write to the same file."""

metadata = sa.MetaData()
schema = sa.Table(
    "praxino_schema",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("storage", sa.String(64), nullable=False),  # the token of where the files are
)
jobs = sa.Table(
    "praxino_jobs",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("model", sa.String(256), nullable=False),
    sa.Column("order", sa.JSON, nullable=False),
    sa.Column("input", sa.String(64), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("steps", sa.Integer, nullable=False),
    sa.Column("eta", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("worker", sa.String(64), nullable=False),
    sa.Column(
        "lease", sa.Float
    ),  # until when the worker has it; not beating that long is being dead
    sa.Column("stop", sa.Boolean, nullable=False),
    sa.Column("watched", sa.Float),  # until when somebody looks at it being made
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("remixed_from", sa.String(64), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("completed", sa.Float),
    sa.Column("expires", sa.Float),
    sa.Index("praxino_jobs_waiting", "status", sa.desc("priority"), "number"),
    sa.Index("praxino_jobs_owned", "owner", "kind", "number"),
    sa.Index("praxino_jobs_expiring", "expires"),
    sqlite_autoincrement=True,  # numbers of deleted jobs are not given again
)
previews = sa.Table(
    "praxino_previews",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("image", sa.LargeBinary, nullable=False),
)
workers = sa.Table(
    "praxino_workers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("about", sa.JSON, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
)
keys = sa.Table(
    "praxino_keys",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("limits", sa.JSON, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("revoked", sa.Float),
)
usage = sa.Table(
    "praxino_usage",
    metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("period", sa.Integer, primary_key=True),  # its length in seconds
    sa.Column("since", sa.BigInteger, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)


class Database:
    """One database, ready to be used; its tables are made when they are not there.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.

    Raises
    ------
    InputError
        If it is no such address, or nothing answers there.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        parsed = address(url)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self._writing = threading.Lock()
        self._engine = _sqlite(parsed) if self.sqlite else _postgresql(parsed)
        try:
            self._make_tables()
        except sa.exc.DBAPIError as error:
            redacted = parsed.render_as_string(hide_password=True)
            raise InputError(
                f"jobs {redacted}: {first_line(error)}", "is it there, and yours to write?"
            ) from None

    def _make_tables(self) -> None:
        with self.write() as connection:
            if not self.sqlite:
                # one process makes them
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(VERSION)))
            metadata.create_all(connection)
            version = connection.scalar(sa.select(schema.c.version))
            if version is None:
                connection.execute(schema.insert().values(version=VERSION, storage=""))
            elif version != VERSION:
                raise InputError(
                    f"jobs of version {version}: this edition keeps version {VERSION}",
                    "another database",
                )

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that changes nothing."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that is carried out whole at the end of the block, or not at all."""
        # SQLite's own waiting is neither fair nor quick
        turn = self._writing if self.sqlite else nullcontext()
        with (
            turn,
            self._engine.connect().execution_options(praxino_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def now(self) -> Any:
        """The time, as the database has it: machines that share one need not agree on theirs."""
        return (
            sa.literal(time.time())
            if self.sqlite
            else sa.extract("epoch", sa.func.clock_timestamp())
        )

    def insert(self, table: sa.Table) -> Any:
        """An INSERT that can say what happens to a row that is there already."""
        return sqlite.insert(table) if self.sqlite else postgresql.insert(table)

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()


def address(url: str) -> sa.URL:
    """The address of a database of a kind that is taken; raises `InputError` for others."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise InputError(
            f"jobs {redact(url)}: no address of a database", "sqlite:///jobs.sqlite"
        ) from None
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise InputError(
            f"jobs {kind}: jobs are kept in SQLite or PostgreSQL", "postgresql://USER@HOST/NAME"
        )
    return parsed


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database in (None, "", ":memory:"):
        raise InputError("jobs in memory: they would be forgotten", "sqlite:///jobs.sqlite")
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"jobs: cannot make {folder}: {error.strerror}", "is it yours to write?"
        ) from None
    engine = sa.create_engine(
        url, connect_args={"timeout": SQLITE_BUSY_SECONDS}, pool_size=8, max_overflow=24
    )

    @sa.event.listens_for(engine, "connect")
    def _settings(connection: Any, _: Any) -> None:
        connection.isolation_level = (
            None  # transactions begin where `_begin` says, not where the driver likes
        )
        connection.execute("PRAGMA journal_mode = WAL")  # who reads does not wait for who writes
        connection.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("praxino_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=24,
        )
    except ImportError:
        raise InputError(
            "PostgreSQL needs the library psycopg", 'pip install "praxino[serve]"'
        ) from None


def first_line(error: Exception) -> str:
    """What a database's driver says, without the statement."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
