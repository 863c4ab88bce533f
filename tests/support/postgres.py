"""A PostgreSQL server for as long as a block lasts, from what Debian's package `postgresql`
installs.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path:
    """Where initdb and pg_ctl are; Debian does not put them on the path."""
    found = shutil.which("initdb") or next(
        iter(sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))), None
    )
    assert found, "these tests need PostgreSQL: apt-get install postgresql"
    return Path(found).resolve().parent


@contextmanager
def running() -> Iterator[str]:
    """Its address, up to the name of a database; it listens on loopback alone and keeps nothing."""
    root = os.geteuid() == 0  # as whom PostgreSQL refuses to run
    as_user = ["runuser", "-u", "postgres", "--"] if root else []
    with tempfile.TemporaryDirectory(prefix="praxino-postgres-") as folder:
        if root:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        data, control = (
            f"{folder}/data",
            [*as_user, str(programs() / "pg_ctl"), "-D", f"{folder}/data"],
        )
        init = [
            *as_user,
            str(programs() / "initdb"),
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
        ]
        options = (
            f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c "
            f"max_connections=200"
        )
        quiet = {
            "check": True,
            "cwd": folder,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        subprocess.run(init, **quiet)
        subprocess.run([*control, "-o", options, "-l", f"{folder}/log", "-w", "start"], **quiet)
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            subprocess.run([*control, "-m", "immediate", "-w", "stop"], **quiet)


def fresh(server: str, name: str) -> str:
    """The address of a new, empty database of that name."""
    import psycopg

    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"
