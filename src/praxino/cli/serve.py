"""``praxino serve``: the studio, an API and a page, with workers that make the films."""

from typing import Annotated

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

Host = Annotated[str, typer.Option(help="Address to bind; anything but loopback needs API keys.")]
Port = Annotated[int, typer.Option(min=0, max=65535)]
Workers = Annotated[int, typer.Option(min=0, max=64, help="Worker processes on this machine.")]
MaxSizeFactor = Annotated[
    int,
    typer.Option(
        min=1, help="Largest request, as a multiple of the model's native pixels x frames."
    ),
]
MaxUploadMib = Annotated[int, typer.Option(min=1, max=4096, help="Largest upload in MiB.")]
Origin = Annotated[
    list[str] | None, typer.Option(help="Site whose pages may use the API; repeatable.")
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8400,
    model: ServedModels = None,
    data: Data = None,
    jobs: Jobs = None,
    storage: Storage = None,
    workers: Workers = 1,
    keep_days: KeepDays = 30.0,
    keep_bytes: KeepBytes = 0,
    lease: Lease = 30.0,
    max_size_factor: MaxSizeFactor = 16,
    max_upload_mib: MaxUploadMib = 64,
    origin: Origin = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
) -> None:
    """Open the studio: an API, a page, and a worker that makes the films."""
    with requires_extra("serve"):
        from praxino.service.api import auth
        from praxino.service.locations import Locations
        from praxino.service.queue.retention import RetentionPolicy
        from praxino.service.supervisor import WorkerConfig, name_models
        from praxino.service.supervisor import serve as run

    Progress(quiet)
    places = Locations.of(data, jobs, storage)
    served = name_models(model or ["diorama"])
    store, objects = places.open(lease)
    state = auth.AppState(
        store,
        objects,
        host,
        max_upload_mib * 2**20,
        max_size_factor,
        default=next(iter(served)),
        origins=tuple(origin or ()),
    )
    keeping = RetentionPolicy(days=keep_days, bytes=keep_bytes)
    run(
        state,
        port,
        places,
        WorkerConfig(served, device, dtype, keeping, lease=lease),
        workers,
        quiet,
    )
