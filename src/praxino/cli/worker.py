"""``praxino worker``: another process that does a studio's jobs, on this machine or another."""

from collections.abc import Sequence
from typing import Annotated, get_args

import typer

from praxino.cli.options import (
    Data,
    Device,
    Dtype,
    Jobs,
    KeepBytes,
    KeepDays,
    Lease,
    Quiet,
    ServedModels,
    Storage,
)
from praxino.cli.terminal import Progress, requires_extra
from praxino.errors import UnknownNameError


def worker(
    model: ServedModels = None,
    data: Data = None,
    jobs: Jobs = None,
    storage: Storage = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of jobs to take: video image film detect verify stamp; repeatable."
        ),
    ] = None,
    keep_days: KeepDays = 30.0,
    keep_bytes: KeepBytes = 0,
    lease: Lease = 30.0,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
) -> None:
    """Do the jobs of a studio, on this machine or another; SIGTERM returns the current job to the
    queue.
    """
    with requires_extra("serve"):
        from praxino.service.locations import Locations
        from praxino.service.queue.retention import RetentionPolicy
        from praxino.service.supervisor import WorkerConfig, name_models
        from praxino.service.supervisor import worker as run

    Progress(quiet)
    keeping = RetentionPolicy(days=keep_days, bytes=keep_bytes)
    run(
        Locations.of(data, jobs, storage),
        WorkerConfig(
            name_models(model or ["diorama"]), device, dtype, keeping, parse_kinds(kind), lease
        ),
        with_parent,
    )


def parse_kinds(names: Sequence[str] | None) -> tuple[str, ...]:
    """Kinds of jobs by name; all where none is named."""
    from praxino.service.queue.jobs import Kind

    kinds = get_args(Kind)
    for kind in names or ():
        if kind not in kinds:
            raise UnknownNameError("kind of job", kind, kinds)
    return tuple(names or kinds)
