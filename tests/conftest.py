"""Fixtures that several tests share. Importing this first puts shapes and types under check at run
time.
"""

import functools
import gc
import logging
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from support import checker

checker.install()  # before the first import of praxino
settings.register_profile("praxino", deadline=None)  # no test is one of wall time
settings.load_profile("praxino")


def pytest_collection_finish() -> None:
    """What is imported by now stays: garbage collections, which models ask for after each stage,
    pass it over.
    """
    gc.collect()
    gc.freeze()


@functools.cache
def _verbs(app: object) -> object:
    """The command line put together once, as it takes 20 ms, and never changes."""
    from typer.main import get_group

    return get_group(app)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    import torch  # not where tests are only handed out to other processes

    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """The command line sets up logging for its process; the next test has it as before."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(autouse=True, scope="session")
def _own_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys and certificates of the tests lie among their files, in other processes, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRAXINO_CONFIG", str(tmp_path_factory.mktemp("config")))
        patch.delenv("PRAXINO_KEY", raising=False)
        yield


@pytest.fixture(name="in_this_process")
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read here, where each would otherwise be read in a process of its own, which takes
    a second to begin; what such a process is for is tested in `test_damage`.
    """
    from praxino import processes

    def run(work: Callable[..., object], job: tuple[object, ...], *_: object) -> object:
        return work(*job)

    monkeypatch.setattr(processes, "run_isolated", run)


@pytest.fixture(name="praxino")
def _praxino(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process: (exit code, stdout, stderr)."""
    import typer.main

    from praxino.cli import app

    monkeypatch.setattr(typer.main, "get_command", _verbs)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["praxino", *map(str, arguments)])
        code = 0
        try:
            app.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capfd.readouterr()

    return run


@pytest.fixture(scope="session", name="tiny_model")
def _tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete model folder with random weights that runs in no time."""
    from support import tiny_models

    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_models.tiny(folder)
    return folder


@pytest.fixture(scope="session", name="layout_model")
def _layout_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that draws layouts and is told them, with random weights."""
    from support import tiny_models

    folder = tmp_path_factory.mktemp("models") / "laid-out"
    tiny_models.laid_out(folder)
    return folder


@pytest.fixture(scope="session", name="windows_model")
def _windows_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that makes long films window by window."""
    from support import tiny_models

    folder = tmp_path_factory.mktemp("models") / "with-windows"
    tiny_models.with_windows(folder)
    return folder


@pytest.fixture(scope="session", name="refining_model")
def _refining_model(tmp_path_factory) -> Path:
    """The folder of a tiny model that makes films larger and faster."""
    from support import tiny_models

    folder = tmp_path_factory.mktemp("models") / "with-refiner"
    tiny_models.with_refiner(folder)
    return folder


@pytest.fixture(scope="session", name="bucket")
def _bucket() -> Iterator[str]:
    """The address of a place for files where S3 is spoken."""
    from support import s3  # it takes a second to load

    with s3.bucket() as address:
        yield address


@pytest.fixture(scope="session", name="wan_folder")
def _wan_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny Wan model of a kind (see `tiny_wan.KINDS`), written once; not to be
    changed.
    """
    from support import tiny_wan

    return functools.cache(
        lambda kind: tiny_wan.written(kind, tmp_path_factory.mktemp("wan") / kind)
    )


@pytest.fixture(scope="session", name="tiny_reader")
def _tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a reader that has learned nothing, and is quick to say so."""
    from support import tiny_models

    folder = tmp_path_factory.mktemp("readers") / "tiny"
    tiny_models.tiny_reader(folder)
    return folder


@pytest.fixture(name="room_for")
def _room_for() -> Callable[[int], AbstractContextManager[None]]:
    """``with room_for(size)``: the system refuses to make any file longer than that, as a full disk
    would.
    """

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
