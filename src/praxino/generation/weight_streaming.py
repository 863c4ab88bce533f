"""Weights that wait in host memory, and visit the device while they are used."""

import functools
from typing import Any

import torch
from torch import nn

from praxino.storage.weights.lazy import block_linears


def stream_weights(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to the device but for the products of its blocks; changes the network itself.

    Their weights stay in host memory, and each is on the device only while it is used.
    """
    large = set(block_linears(network).values())
    for module in network.modules():
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is not None and not (module in large and name == "weight"):
                moved = tensor.to(device)
                setattr(
                    module,
                    name,
                    nn.Parameter(moved, False) if isinstance(tensor, nn.Parameter) else moved,
                )
    for layer in large:
        stored = layer.weight.data
        home = layer.weight = nn.Parameter(
            stored.pin_memory() if device.type == "cuda" else stored, False
        )
        layer.register_forward_pre_hook(functools.partial(_enter, device=device, home=home))
        layer.register_forward_hook(functools.partial(_leave, home=home))
    return network


def _enter(layer: nn.Module, _: Any, device: torch.device, home: nn.Parameter) -> None:
    layer.weight = nn.Parameter(home.data.to(device, non_blocking=True), False)


def _leave(layer: nn.Module, _: Any, __: Any, home: nn.Parameter) -> None:
    layer.weight = home
