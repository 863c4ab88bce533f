"""A model as its parts, each of which may still be on disk: what a pipeline runs."""

import copy
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, runtime_checkable

import torch
from torch import Tensor, nn

from praxino.errors import CheckpointError
from praxino.models.dit import FLOAT32, DiT
from praxino.models.text import TextModel, Vocabulary
from praxino.models.vae import VAE
from praxino.storage.weights.bundle import Bundle, BundleConfig
from praxino.storage.weights.checkpoint import HINT_SAME_PLACE

if TYPE_CHECKING:
    from praxino.models.latent_reader import LatentReader
    from praxino.models.layout import LayoutNet
    from praxino.models.tiny_decoder import TinyDecoder
    from praxino.storage.weights.files import Weights

LayerPatch = Callable[[str, nn.Module], None]
"""What is done with a layer, by its name, as soon as it has its own tensors: no second network is
ever whole.
"""

M = TypeVar("M")
Made = TypeVar("Made", covariant=True)


@runtime_checkable
class LazyModule(Protocol[Made]):
    """One network of a model."""

    @property
    def config(self) -> Any:
        """What it was built from."""

    @property
    def stored(self) -> torch.dtype:
        """The type of its weights where they are."""

    @property
    def parameters(self) -> int:
        """How many it has."""

    def build(self) -> Made:
        """The network without its weights."""

    def load(self, dtype: torch.dtype, change: LayerPatch | None = None) -> Made:
        """The network on the CPU, in ``dtype`` but for the parts that must stay float32, each layer
        changed.
        """


@dataclass(frozen=True)
class StoredModule(Generic[M]):
    """A network in files of weights.

    Parameters
    ----------
    make : callable
        Builds the network; called where tensors have no storage.
    adapt : callable
        (network, weights) -> state dict for it.
    """

    config: Any
    weights: "Weights"
    make: Callable[[], M]
    adapt: "Callable[[M, Weights], Mapping[str, Tensor]]"

    @property
    def stored(self) -> torch.dtype:
        return self.weights.dtype

    @property
    def parameters(self) -> int:
        return self.weights.numbers

    def build(self) -> M:
        with torch.device("meta"):
            return self.make()

    def validate(self) -> None:
        """Raise `CheckpointError` unless the files hold what the network needs; nothing is read but
        their lists.
        """
        self.adapt(self.build(), self.weights)

    def load(self, dtype: torch.dtype, change: LayerPatch | None = None) -> M:
        network = self.build()
        assert isinstance(network, nn.Module)
        materialize(
            network, self.adapt(network, self.weights), dtype, str(self.weights.source), change
        )
        return network


@dataclass(frozen=True)
class LoadedModule(Generic[M]):
    """A network in memory, where it comes as soon as it is asked for.

    Parameters
    ----------
    read : callable
        The network; it is called once.
    """

    read: Callable[[], M]

    @functools.cached_property
    def network(self) -> M:
        return self.read()

    @property
    def config(self) -> Any:
        return self.network.config  # type: ignore[attr-defined]

    @property
    def stored(self) -> torch.dtype:
        return torch.float32

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in cast("nn.Module", self.network).parameters())

    def build(self) -> M:
        return self.network

    def load(self, dtype: torch.dtype, change: LayerPatch | None = None) -> M:
        """The network itself in float32, a copy in any other type or with changes."""
        if dtype == torch.float32 and change is None:
            return self.network
        assert isinstance(self.network, nn.Module)
        copied = copy.deepcopy(self.network)
        materialize(copied, copied.state_dict(), dtype, "the model", change)
        return copied


@dataclass(frozen=True)
class PatchedModule(Generic[M]):
    """A part around a part: the same network, changed when it is loaded; a subclass says how."""

    base: LazyModule[M]

    @property
    def config(self) -> Any:
        return self.base.config

    @property
    def stored(self) -> torch.dtype:
        return self.base.stored

    @property
    def parameters(self) -> int:
        return self.base.parameters

    def build(self) -> M:
        return self.base.build()

    def load(self, dtype: torch.dtype, change: LayerPatch | None = None) -> M:
        def both(name: str, layer: nn.Module) -> None:
            self.change(name, layer)
            if change is not None:
                change(name, layer)

        return self.base.load(dtype, both)

    def change(self, name: str, layer: nn.Module) -> None:
        """Change a layer that has just got its own tensors; see `LayerPatch`."""
        raise AssertionError("abstract")


@dataclass(frozen=True)
class ModelParts:
    """What a pipeline runs.

    Attributes
    ----------
    low : Part[DiT], optional
        A second denoiser, for times below ``config.boundary``.
    vision : Part, optional
        Reads the pictures that a film is to begin or end with.
    layout : LayoutNet, optional
        Draws layouts from sentences; small, always in memory, as the next two.
    latent_reader : LatentReader, optional
        Says how well latents show a layout.
    tiny_decoder : TinyDecoder, optional
        Decodes previews.
    refiner : Part[DiT], optional
        Makes films larger and faster.
    student : Part[DiT], optional
        Makes films in few steps.
    digest : str
        Names the weights.
    """

    config: BundleConfig
    vae: LazyModule[VAE]
    dit: LazyModule[DiT]
    text: LazyModule[TextModel]
    vocabulary: Vocabulary
    digest: str
    low: LazyModule[DiT] | None = None
    vision: LazyModule[Any] | None = None
    layout: "LayoutNet | None" = None
    latent_reader: "LatentReader | None" = None
    tiny_decoder: "TinyDecoder | None" = None
    refiner: LazyModule[DiT] | None = None
    student: LazyModule[DiT] | None = None

    @functools.cached_property
    def parameters(self) -> int:
        """Number of parameters of the networks that are loaded for a stage."""
        parts = (self.vae, self.dit, self.low, self.text, self.vision)
        return sum(part.parameters for part in parts if part is not None)


def in_memory(bundle: Bundle) -> ModelParts:
    """A bundle as a `Model`."""
    return ModelParts(
        bundle.config,
        LoadedModule(lambda: bundle.vae),
        LoadedModule(lambda: bundle.dit),
        LoadedModule(lambda: bundle.text),
        bundle.text,
        bundle.digest,
        layout=bundle.layout,
        latent_reader=bundle.latent_reader,
        tiny_decoder=bundle.tiny_decoder,
        refiner=LoadedModule(bundle.refiner) if bundle.refiner else None,
        student=LoadedModule(bundle.student) if bundle.student else None,
    )


def block_linears(network: nn.Module) -> dict[str, nn.Linear]:
    """The products in the blocks of a transformer, by name: nearly all of its weights."""
    return {name: layer for name, layer in network.named_modules() if is_product(name, layer)}


def is_product(name: str, layer: nn.Module) -> bool:
    """Whether a layer of this name is one of the `products`."""
    return isinstance(layer, nn.Linear) and re.search(r"\bblocks?\.\d", name) is not None


def materialize(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype,
    source: str,
    change: LayerPatch | None = None,
) -> None:
    """Give a network without storage its tensors, in ``dtype`` but for a `DiT`'s parts that stay
    float32.
    """
    keep = FLOAT32 if isinstance(network, DiT) else ()

    def cast(name: str, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        if tensor.dtype.itemsize < 2:
            raise CheckpointError(
                f"{source}: {name} is {tensor.dtype}: quantised weights are not read",
                "the bfloat16",
            )
        return tensor.to(torch.float32 if any(part in name for part in keep) else dtype)

    for place, layer in network.named_modules():
        own = f"{place}." if place else ""
        for name, empty in layer.named_parameters(recurse=False):
            stored = tensors.get(own + name)
            if stored is None or stored.shape != empty.shape:
                raise CheckpointError(
                    f"{source}: {own + name} is missing or of another shape", HINT_SAME_PLACE
                )
            setattr(layer, name, nn.Parameter(cast(own + name, stored), requires_grad=False))
        for name, buffer in layer.named_buffers(recurse=False):
            if own + name in tensors:
                setattr(layer, name, cast(own + name, tensors[own + name]))
            elif (
                buffer.is_meta
            ):  # not in any file; in the networks of transformers these count positions
                assert name == "position_ids", name
                setattr(layer, name, torch.arange(buffer.shape[-1]).expand(buffer.shape))
        if change is not None:
            change(place, layer)
    network.eval()
