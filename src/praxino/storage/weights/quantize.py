"""Networks whose large products have weights of eight bits, by torchao: half the memory of
bfloat16.

Only weights are rounded (one scale for each output), and only in the layers that stand in the
blocks of a transformer; products are still computed in the type that was asked for, from weights
that are widened one layer at a time.
"""

import importlib.util
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from torch import nn

from praxino.errors import InputError
from praxino.log import quiet_logging
from praxino.storage.weights.lazy import ModelParts, PatchedModule, is_product

M = TypeVar("M")
Kind = Literal["int8", "fp8"]


@dataclass(frozen=True)
class Quantised(PatchedModule[M]):
    """A `LazyModule` whose weights are rounded when it is loaded, layer by layer.

    Parameters
    ----------
    kind : str
        "int8", or "fp8": floating point with 4 bits of exponent and 3 of mantissa.
    """

    kind: Kind

    def change(self, name: str, layer: nn.Module) -> None:
        if is_product(name, layer):
            with quiet_logging():
                from torchao.quantization import (
                    Float8WeightOnlyConfig,
                    Int8WeightOnlyConfig,
                    quantize_,
                )

            recipe = {"int8": Int8WeightOnlyConfig, "fp8": Float8WeightOnlyConfig}[self.kind]()
            quantize_(layer, recipe, filter_fn=lambda *_: True)


def quantised(model: ModelParts, kind: Kind) -> ModelParts:
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
