"""How much memory a step will take, before one is taken: nothing is computed for it."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

STATES: Final = 3
"""Float32 values beside each trained weight: its gradient, and two of the rule's."""
AVERAGE: Final = 1
"""Float32 values of its moving average."""


def step_bytes(networks: list[nn.Module], forward: Callable[[], Tensor]) -> int:
    """Bytes of weights, gradients, the rule's states and what a backward pass keeps.

    Parameters
    ----------
    networks : list of Module
        All that are in memory; those that are trained have parameters that need gradients.
    forward : callable
        One step's loss, of tensors that it makes itself: it runs on tensors without storage.
    """
    every = {id(one): one for net in networks for one in net.parameters()}.values()
    weights = sum(one.nbytes for one in every)
    moved = sum(one.numel() for one in every if one.requires_grad)
    with FakeTensorMode(allow_non_fake_inputs=True):
        activations = saved_bytes(networks, forward)
    return weights + 4 * (STATES + AVERAGE) * moved + activations


def saved_bytes(networks: list[nn.Module], forward: Callable[[], Tensor]) -> int:
    """Bytes of what a backward pass keeps of a forward one, but for weights."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[id(tensor.untyped_storage())] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    owned = {id(one.untyped_storage()) for net in networks for one in net.parameters()}
    return sum(size for place, size in kept.items() if place not in owned)
