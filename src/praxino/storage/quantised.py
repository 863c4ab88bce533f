"""Networks whose large products have weights of eight bits, by torchao: half the memory of bfloat16.

Only weights are rounded (one scale for each output), and only in the layers that stand in the blocks of a transformer;
products are still computed in the type that was asked for, from weights that are widened one layer at a time.
"""

import copy
import importlib.util
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import nn

from praxino.errors import InputError
from praxino.log import hushed
from praxino.storage.parts import InMemory, Model, Part, products

M = TypeVar("M")
Kind = Literal["int8", "fp8"]


@dataclass(frozen=True)
class Quantised(Generic[M]):
    """A `Part` whose weights are rounded when it is loaded.

    Parameters
    ----------
    kind : str
        "int8", or "fp8": floating point with 4 bits of exponent and 3 of mantissa.
    """

    base: Part[M]
    kind: Kind

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
        if isinstance(self.base, InMemory):
            network = copy.deepcopy(network)  # others use that one
        assert isinstance(network, nn.Module)
        with hushed():
            from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

            recipe = {"int8": Int8WeightOnlyConfig, "fp8": Float8WeightOnlyConfig}[self.kind]()
            rounded = set(products(network).values())
            quantize_(network, recipe, filter_fn=lambda module, name: module in rounded)
        return network


def quantised(model: Model, kind: Kind) -> Model:
    """A model with its denoisers and its text encoder in eight bits.

    Raises
    ------
    InputError
        Where torchao is missing.
    """
    if importlib.util.find_spec("torchao") is None:
        raise InputError(f"{kind} needs the library torchao", 'pip install "praxino[quant]"')
    low = Quantised(model.low, kind) if model.low is not None else None
    return replace(model, dit=Quantised(model.dit, kind), text=Quantised(model.text, kind), low=low)
