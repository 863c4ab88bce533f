"""A model as its parts, each of which may still be on disk: what a pipeline runs."""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from praxino.errors import CheckpointError
from praxino.models.dit import FLOAT32, DiT
from praxino.models.text import TextModel, Vocabulary
from praxino.models.vae import VAE
from praxino.storage.bundle import Bundle, BundleConfig
from praxino.storage.weights import Weights

M = TypeVar("M")
Made = TypeVar("Made", covariant=True)


@runtime_checkable
class Part(Protocol[Made]):
    """One network of a model."""

    @property
    def config(self) -> Any:
        """What it was built from."""

    @property
    def stored(self) -> torch.dtype:
        """The type of its weights where they are."""

    def build(self) -> Made:
        """The network without its weights."""

    def load(self, dtype: torch.dtype) -> Made:
        """The network on the CPU, in ``dtype`` but for the parts that must stay float32."""


@dataclass(frozen=True)
class OnDisk(Generic[M]):
    """A network in files of weights.

    Parameters
    ----------
    make : callable
        Builds the network; called where tensors have no storage.
    adapt : callable
        (network, weights) -> state dict for it.
    """

    config: Any
    weights: Weights
    make: Callable[[], M]
    adapt: Callable[[M, Weights], dict[str, Tensor]]

    @property
    def stored(self) -> torch.dtype:
        return self.weights.dtype

    def build(self) -> M:
        with torch.device("meta"):
            return self.make()

    def check(self) -> None:
        """Raise `CheckpointError` unless the files hold what the network needs; nothing is read but their lists."""
        self.adapt(self.build(), self.weights)

    def load(self, dtype: torch.dtype) -> M:
        network = self.build()
        assert isinstance(network, nn.Module)
        fill(network, self.adapt(network, self.weights), dtype, str(self.weights.source))
        return network


@dataclass(frozen=True)
class InMemory(Generic[M]):
    """A network that is loaded already."""

    network: M

    @property
    def config(self) -> Any:
        return self.network.config  # type: ignore[attr-defined]

    @property
    def stored(self) -> torch.dtype:
        return torch.float32

    def build(self) -> M:
        return self.network

    def load(self, dtype: torch.dtype) -> M:
        """The network itself in float32, a copy in any other type."""
        if dtype == torch.float32:
            return self.network
        assert isinstance(self.network, nn.Module)
        copied = copy.deepcopy(self.network)
        fill(copied, copied.state_dict(), dtype, "the model")
        return copied


@dataclass(frozen=True)
class Changed(Generic[M]):
    """A part around a part: the same network, changed when it is loaded; a subclass says how."""

    base: Part[M]

    @property
    def config(self) -> Any:
        return self.base.config

    @property
    def stored(self) -> torch.dtype:
        return self.base.stored

    def build(self) -> M:
        return self.base.build()

    def load(self, dtype: torch.dtype) -> M:
        network = self.base.load(dtype)
        if isinstance(self.base, InMemory) and network is self.base.network:
            network = copy.deepcopy(network)  # others use that one
        self.change(network)
        return network

    def change(self, network: M) -> None:
        raise AssertionError("abstract")


@dataclass(frozen=True)
class Model:
    """What a pipeline runs.

    Attributes
    ----------
    low : Part[DiT], optional
        A second denoiser, for times below ``config.boundary``.
    vision : Part, optional
        Reads the pictures that a film is to begin or end with.
    digest : str
        Names the weights.
    """

    config: BundleConfig
    vae: Part[VAE]
    dit: Part[DiT]
    text: Part[TextModel]
    vocabulary: Vocabulary
    digest: str
    low: Part[DiT] | None = None
    vision: Part[Any] | None = None


def in_memory(bundle: Bundle) -> Model:
    """A bundle as a `Model`."""
    vae, dit, text = InMemory(bundle.vae), InMemory(bundle.dit), InMemory(bundle.text)
    return Model(bundle.config, vae, dit, text, bundle.text, bundle.digest)


def products(network: nn.Module) -> dict[str, nn.Linear]:
    """The products in the blocks of a transformer, by name: nearly all of its weights."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and re.search(r"\bblocks?\.\d", name)
    }


def fill(network: nn.Module, tensors: dict[str, Tensor], dtype: torch.dtype, source: str) -> None:
    """Give a network without storage its tensors, in ``dtype`` but for a `DiT`'s parts that stay float32."""
    keep = FLOAT32 if isinstance(network, DiT) else ()

    def cast(name: str, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        if tensor.dtype.itemsize < 2:
            raise CheckpointError(f"{source}: {name} is {tensor.dtype}: quantised weights are not read", "the bfloat16")
        return tensor.to(torch.float32 if any(part in name for part in keep) else dtype)

    network.load_state_dict({name: cast(name, tensor) for name, tensor in tensors.items()}, assign=True)
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:  # not in any file; in the networks of transformers these count positions
                assert name == "position_ids", name
                setattr(module, name, torch.arange(buffer.shape[-1]).expand(buffer.shape))
    network.eval().requires_grad_(False)
