"""Small networks of 2021 with random weights, published under names of their own."""

from pathlib import Path

import pytest
import torch

from praxino.models.adm import ADM, ADMClassifier, ADMConfig
from praxino.storage.weights import adm

TINY = {"size": 16, "width": 32, "multipliers": (1, 2), "blocks": 1, "head_width": 32,
        "attention": (8,)}  # fmt: skip


def published(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, Path]:
    """Files by their names: a model that knows no classes, one that does, a classifier of ten, an
    upsampler.
    """
    configs = {
        "plain": ("model", ADMConfig(**TINY)),
        "classes": ("model", ADMConfig(**TINY, classes=10)),
        "classifier": ("classifier", ADMConfig(**TINY, outputs=10)),
        "upsampler": ("upsampler", ADMConfig(**TINY | {"size": 32, "channels": 6})),
        "large": ("model", ADMConfig(**TINY | {"size": 32, "multipliers": (1, 1, 2)})),
    }
    files = {}
    for number, (name, (role, config)) in enumerate(configs.items()):
        network = (ADMClassifier if role == "classifier" else ADM)(config)
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.03 * torch.randn(parameter.shape, generator=generator))
        state = network.state_dict()
        files[name] = folder / f"{name}.pt"
        torch.save(state, files[name])
        digest = adm.manifest_digest({key: tuple(t.shape) for key, t in state.items()})
        small = 16 if role == "upsampler" else 0
        one = adm.PublishedADM(name, role, config, "linear", 1.0, small)
        monkeypatch.setitem(adm.PUBLISHED, digest, one)
    return files
