"""``praxino doctor``: what this machine has, and whether everything works."""

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import typer

import praxino
from praxino.errors import PraxinoError


def doctor() -> None:
    """Check the installation: hardware, codecs, models, a test generation."""
    lines = check_installation()
    for name, value in lines:
        typer.echo(f"{name:<10} {value}")
    if any("FAILED" in value or "MISSING" in value for _, value in lines):
        raise typer.Exit(1)


def check_installation() -> list[tuple[str, str]]:
    """(what, finding) in the order to print; a part that fails says so and does not stop the
    rest.
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("praxino", lambda: praxino.__version__),
        ("python", lambda: f"{platform.python_version()} ({sys.executable})"),
        ("torch", _torch),
        ("processor", _processor),
        ("gpu", _gpu),
        ("memory", _memory),
        ("disk", lambda: f"{shutil.disk_usage(Path.cwd()).free / 2**30:.1f} GiB free here"),
        ("codecs", _codecs),
        ("models", _models),
        ("provenance", _provenance),
        ("film", _film),
    ]
    return [(name, _try(check)) for name, check in checks]


def _try(check: Callable[[], str]) -> str:
    try:
        return check()
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        return f"FAILED: {error}"


def _torch() -> str:
    import torch

    return f"{torch.__version__}, {torch.get_num_threads()} threads"


def _processor() -> str:
    import torch

    from praxino.models.precision import fastest

    return (
        f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, products fastest in "
        f"{fastest()}"
    )


def _gpu() -> str:
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB"
    return (
        "Apple GPU (mps)"
        if torch.backends.mps.is_available()
        else "none: films are made on the processor"
    )


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "not known on this system"
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{total / 2**30:.1f} GiB"


def _codecs() -> str:
    import av

    encoders = {"H.264": "libx264", "VP9": "libvpx-vp9", "GIF": "gif"}
    have = {name: codec in av.codecs_available for name, codec in encoders.items()}
    return ", ".join(f"{name} {'yes' if there else 'MISSING'}" for name, there in have.items())


def _models() -> str:
    from praxino.evaluation.readers import READER, read_reader
    from praxino.storage.weights import bundle

    lines = []
    for folder in (bundle.BUNDLED / name for name in bundle.bundled()):
        try:
            model = bundle.read(folder)
            count = sum(
                p.numel() for part in (model.vae, model.dit, model.text) for p in part.parameters()
            )
            lines.append(f"{folder.name} ({count / 1e6:.1f} M parameters, {model.digest})")
        except PraxinoError as error:
            lines.append(f"{folder.name} FAILED: {error}")
    try:
        count = sum(p.numel() for p in read_reader().parameters())
        lines.append(f"{READER.name} ({count / 1e6:.1f} M parameters)")
    except PraxinoError as error:
        lines.append(f"{READER.name} FAILED: {error}")
    return ", ".join(lines)


def _provenance() -> str:
    from cryptography import x509

    from praxino.provenance import keys
    from praxino.provenance.c2pa import identity

    settings = keys.settings()
    leaf = x509.load_pem_x509_certificates(identity.identity().chain)[0]
    names = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    signer = str(names[0].value) if names else leaf.subject.rfc4514_string()
    marks = "this installation alone finds" if settings.private else "everybody finds"
    key = (
        f"the key of {keys.VARIABLE}" if keys.VARIABLE in os.environ else f"keys in {keys.folder()}"
    )
    return (
        f"signs as {signer} until {leaf.not_valid_after_utc:%Y-%m-%d}, with marks that {marks}; "
        f"{key}"
    )


def _film() -> str:
    """Make a film from a sentence and write it, as `praxino generate` does."""
    from praxino.generation.loading import load

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        film = load().generate("a red ball bounces on the grass")
        film.save(Path(folder) / "film.mp4")
    frames, height, width = film.frames.shape[:3]
    return (
        f"{frames} frames of {height}x{width} made and written in "
        f"{time.perf_counter() - started:.1f} s"
    )
