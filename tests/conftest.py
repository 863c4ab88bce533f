"""Fixtures that several tests share. Importing this first puts shapes and types under check at run time."""

import functools
import logging
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

from support import checker, tiny_wan

install_import_hook("praxino", f"{checker.__name__}.checked")  # before the first import of praxino

from praxino.data.diorama import vocabulary  # noqa: E402
from praxino.models.dit import DiT, DiTConfig  # noqa: E402
from praxino.models.layout import LayoutNet  # noqa: E402
from praxino.models.reader import Reader  # noqa: E402
from praxino.models.text import TextConfig, TextEncoder  # noqa: E402
from praxino.models.vae import VAE, VAEConfig  # noqa: E402
from praxino.recipes import recipe  # noqa: E402
from praxino.storage.weights import bundle, checkpoint  # noqa: E402
from praxino.storage.weights.bundle import BundleConfig  # noqa: E402
from praxino.training.layout import LayoutStageConfig  # noqa: E402
from praxino.training.reader import ReaderStageConfig  # noqa: E402


@pytest.fixture(autouse=True)
def _seeded() -> None:
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


@pytest.fixture(name="praxino")
def _praxino(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process: (exit code, stdout, stderr)."""
    from praxino.cli import app

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
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    dit = DiT(DiTConfig(width=24, heads=2, layers=1, ffn=32, text_width=16, time_features=16))
    torch.nn.init.normal_(dit.head.weight, std=0.2)
    bundle.write(
        folder,
        BundleConfig(name="tiny", frames=5, height=32, width=32, steps=3),
        vae=VAE(VAEConfig(width=4, decoder_width=4, multipliers=(1, 2, 2), blocks=1, temporal=(True, True), patch=2)),
        dit=dit,
        text=TextEncoder(TextConfig(vocabulary=vocabulary(), width=16, layers=1, heads=2)),
    )
    return folder


@pytest.fixture(scope="session", name="layout_model")
def _layout_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that draws layouts and is told them, with random weights."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("models") / "laid-out"
    config = recipe("diorama-layout", ["stage.layout.width=16", "stage.layout.frames=5"]).stage
    assert isinstance(config, LayoutStageConfig)
    network = LayoutNet(config.layout)
    dit = DiT(DiTConfig(width=24, heads=2, layers=1, ffn=32, text_width=16, time_features=16,
                        layout=config.layout.channels))  # fmt: skip
    for layer in (dit.head, dit.layout_embedding, network.velocity):
        torch.nn.init.normal_(layer.weight, std=0.2)
    bundle.write(
        folder,
        BundleConfig(name="laid-out", frames=5, height=32, width=32, steps=3),
        vae=VAE(VAEConfig(width=4, decoder_width=4, multipliers=(1, 2, 2), blocks=1, temporal=(True, True), patch=2)),
        dit=dit,
        text=TextEncoder(TextConfig(vocabulary=vocabulary(), width=16, layers=1, heads=2)),
        layout=network,
    )
    return folder


@pytest.fixture(scope="session", name="bucket")
def _bucket() -> Iterator[str]:
    """The address of a place for files where S3 is spoken."""
    from support import s3  # it takes a second to load

    with s3.bucket() as address:
        yield address


@pytest.fixture(scope="session", name="wan_folder")
def _wan_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny Wan model of a kind (see `tiny_wan.KINDS`), written once; not to be changed."""
    return functools.cache(lambda kind: tiny_wan.written(kind, tmp_path_factory.mktemp("wan") / kind))


@pytest.fixture(scope="session", name="tiny_reader")
def _tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a reader that has learned nothing, and is quick to say so."""
    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("readers") / "tiny"
    sizes = ["stage.reader.width=8", "stage.reader.fine=1", "stage.reader.coarse=1"]
    config = recipe("diorama-reader", sizes).stage
    assert isinstance(config, ReaderStageConfig)
    checkpoint.save(folder / "reader", config.reader, Reader(config.reader).state_dict())
    return folder


@pytest.fixture(name="room_for")
def _room_for() -> Callable[[int], AbstractContextManager[None]]:
    """``with room_for(size)``: the system refuses to make any file longer than that, as a full disk would."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
