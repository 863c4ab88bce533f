"""Models with random weights that run in no time."""

from pathlib import Path

import torch

from praxino.data.diorama import vocabulary
from praxino.models.dit import DiT, DiTConfig
from praxino.models.layout import LayoutNet
from praxino.models.reader import Reader
from praxino.models.text import TextConfig, TextEncoder
from praxino.models.vae import VAE, VAEConfig
from praxino.recipes import recipe
from praxino.storage.weights import bundle, checkpoint
from praxino.storage.weights.bundle import BundleConfig
from praxino.training.layout import LayoutStageConfig
from praxino.training.reader import ReaderStageConfig

SIZES = {"width": 24, "heads": 2, "layers": 1, "ffn": 32, "text_width": 16, "time_features": 16}
"""Of all denoisers here."""


def tiny(folder: Path) -> None:
    """A complete model folder with random weights that runs in no time."""
    torch.manual_seed(1)
    dit = DiT(DiTConfig(**SIZES))
    torch.nn.init.normal_(dit.head.weight, std=0.2)
    bundle.write(
        folder,
        BundleConfig(name="tiny", frames=5, height=32, width=32, steps=3),
        vae=_vae(),
        dit=dit,
        text=_text(),
    )


def laid_out(folder: Path) -> None:
    """A tiny model that draws layouts and is told them, with random weights."""
    config = BundleConfig(name="laid-out", frames=5, height=32, width=32, steps=3)
    _with_layouts(folder, config, seed=3)


def with_windows(folder: Path) -> None:
    """A tiny model that draws layouts and makes long films window by window, with random
    weights.
    """
    config = BundleConfig(
        name="with-windows", frames=17, height=32, width=32, steps=2, windows=True
    )
    _with_layouts(folder, config, seed=7)


def with_portraits(folder: Path) -> None:
    """A tiny model that draws layouts and is given pictures of entities, which it sees in their
    boxes, too, with random weights.
    """
    config = BundleConfig(name="with-portraits", frames=17, height=32, width=32, steps=2,
                          windows=True)  # fmt: skip
    _with_layouts(folder, config, seed=8, slots=4, portraits=True)


def _with_layouts(folder: Path, of: BundleConfig, seed: int, **more: object) -> None:
    torch.manual_seed(seed)
    sizes = ["stage.layout.width=16", f"stage.layout.frames={of.frames}"]
    config = recipe("diorama-layout", sizes).stage
    assert isinstance(config, LayoutStageConfig)
    network = LayoutNet(config.layout)
    dit = DiT(DiTConfig(**SIZES | more, layout=config.layout.channels))
    for layer in (dit.head, dit.layout_embedding, network.velocity):
        torch.nn.init.normal_(layer.weight, std=0.2)
    bundle.write(folder, of, vae=_vae(), dit=dit, text=_text(), layout=network)


def with_slots(folder: Path) -> None:
    """A tiny model that is given pictures of entities, with random weights."""
    torch.manual_seed(4)
    dit = DiT(DiTConfig(**SIZES | {"layers": 2}, slots=4))
    for parameter in (dit.head.weight, dit.slot_embedding):
        torch.nn.init.normal_(parameter, std=0.5)
    bundle.write(
        folder,
        BundleConfig(name="with-slots", frames=5, height=32, width=32, steps=3),
        vae=_vae(),
        dit=dit,
        text=_text(),
    )


def with_refiner(folder: Path) -> None:
    """A tiny model that makes films larger and faster, and is given pictures of entities, with
    random weights.
    """
    torch.manual_seed(5)
    dit, refiner = DiT(DiTConfig(**SIZES, slots=4)), DiT(DiTConfig(**SIZES, slots=4, channels=32))
    for network in (dit, refiner):
        torch.nn.init.normal_(network.head.weight, std=0.2)
    bundle.write(
        folder,
        BundleConfig(name="with-refiner", frames=5, height=32, width=32, steps=3),
        vae=_vae(),
        dit=dit,
        text=_text(),
        refiner=refiner,
    )


def _vae() -> VAE:
    return VAE(
        VAEConfig(
            width=4,
            decoder_width=4,
            multipliers=(1, 2, 2),
            blocks=1,
            temporal=(True, True),
            patch=2,
        )
    )


def _text() -> TextEncoder:
    return TextEncoder(TextConfig(vocabulary=vocabulary(), width=16, layers=1, heads=2))


def tiny_reader(folder: Path) -> None:
    """A folder with a reader that has learned nothing, and is quick to say so."""
    torch.manual_seed(2)
    sizes = ["stage.reader.width=8", "stage.reader.fine=1", "stage.reader.coarse=1"]
    config = recipe("diorama-reader", sizes).stage
    assert isinstance(config, ReaderStageConfig)
    checkpoint.save(folder / "reader", config.reader, Reader(config.reader).state_dict())


def with_student(folder: Path) -> None:
    """A tiny model with a student that was taught nothing but its weights."""
    torch.manual_seed(6)
    dit, student = DiT(DiTConfig(**SIZES)), DiT(DiTConfig(**SIZES, spans=True, guided=True))
    torch.nn.init.normal_(dit.head.weight, std=0.2)
    weights = {**student.state_dict(), **dit.state_dict()}
    student.load_state_dict(weights)
    student.span_embedding.load_state_dict(dit.time_embedding.state_dict())
    bundle.write(
        folder,
        BundleConfig(
            name="with-student", frames=5, height=32, width=32, steps=20, guidance=3.0,
            student_steps=4,
        ),
        vae=_vae(),
        dit=dit,
        text=_text(),
        student=student,
    )  # fmt: skip
