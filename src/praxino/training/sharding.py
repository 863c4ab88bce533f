"""A denoiser whose weights lie in parts on many processes (FSDP2), while it and its optimizer are
written for one.

The model's file knows nothing of it: blocks are sharded from outside. The optimizer and the average
see this process' parts as plain tensors.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import (
    FSDPModule,
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint

from praxino.models.dit import DiT
from praxino.training.gradients import ExactReduceScatter, local
from praxino.training.parallel import ParallelConfig, Ranks

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


@runtime_checkable
class ShardableStage(Protocol):
    """A stage whose denoisers do the same in every micro-batch, so that all processes need the same
    weights at the same time.
    """

    @property
    def denoisers(self) -> Sequence[DiT]:
        """All denoisers of the stage, trained or not."""


def recompute(network: DiT) -> None:
    """Keep only what goes into a network's blocks; the rest is computed again on the way back
    (Chen et al., arXiv 1604.06174).
    """
    for block in network.blocks:
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)


def shard(network: DiT, config: ParallelConfig, ranks: Ranks) -> list[ExactReduceScatter]:
    """Keep a part of each weight; what adds up the gradients, if sums are exact.

    `DiT.context` calls keys of blocks, and the text embedding, before the blocks themselves: they
    are groups of their own, and it is a way into the network beside `DiT.forward`.
    """
    exact = config.reduction == "exact"
    policy = MixedPrecisionPolicy(reduce_dtype=torch.float64 if exact else None)
    groups: list[list[nn.Module]] = [[network.text_embedding]]
    if network.reference_embedding is not None:
        groups.append([network.reference_embedding])
    for block in network.all_blocks():
        groups.append([block.cross.k, block.cross.v, block.cross.norm_k])
        if block.cross.reference is not None:
            groups.append([block.cross.reference])
        groups.append([block])
    groups.append([network])
    scatters = []
    for modules in groups:
        before = _sharded(modules)
        fully_shard(modules, mesh=_mesh(ranks), mp_policy=policy)
        lead = cast(FSDPModule, modules[0])
        lead.set_gradient_divide_factor(1.0)
        lead.set_force_sum_reduction_for_comms(True)
        own = [weight for weight in _weights(modules) if id(weight) not in before]
        if exact and any(weight.requires_grad for weight in own):
            scatters.append(ExactReduceScatter(lead, own))
    register_fsdp_forward_method(network, "context")
    return scatters


def can_shard(config: ParallelConfig, ranks: Ranks) -> bool:
    """Whether there are processes to share weights."""
    return config.sharding == "full" and ranks.world // config.replicas > 1


def _mesh(ranks: Ranks) -> "DeviceMesh":
    assert ranks.mesh is not None
    return ranks.mesh if ranks.mesh.shape[0] > 1 else ranks.mesh["shards"]


def _weights(modules: Sequence[nn.Module]) -> list[nn.Parameter]:
    return [weight for module in modules for weight in module.parameters()]


def _sharded(modules: Sequence[nn.Module]) -> set[int]:
    return {id(weight) for weight in _weights(modules) if isinstance(weight, DTensor)}


class Shards:
    """Weights as this process keeps them: plain tensors that share their memory."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self.weights = list(weights)
        self.local = [
            nn.Parameter(local(one.detach())) if isinstance(one, DTensor) else one
            for one in self.weights
        ]
        self._whole = {
            id(part): one
            for part, one in zip(self.local, self.weights, strict=True)
            if isinstance(one, DTensor)
        }

    def take_gradients(self) -> None:
        """Give the parts the gradients of the weights."""
        for part, one in zip(self.local, self.weights, strict=True):
            if isinstance(one, DTensor):
                part.grad = None if one.grad is None else local(one.grad)

    def drop_gradients(self) -> None:
        """Forget all gradients."""
        for part, one in zip(self.local, self.weights, strict=True):
            part.grad = one.grad = None

    def whole_shape(self, part: Tensor) -> torch.Size:
        """The shape of the weight that a part is of."""
        return self._whole[id(part)].shape if id(part) in self._whole else part.shape

    def gather(self, part: Tensor, tensor: Tensor) -> Tensor:
        """The whole of a tensor of which all processes have a part, as of ``part``'s weight."""
        whole = self.spread(part, tensor)
        return whole.full_tensor() if isinstance(whole, DTensor) else whole

    def cut(self, part: Tensor, whole: Tensor) -> Tensor:
        """This process' part of a whole tensor, as of ``part``'s weight."""
        weight = self._whole.get(id(part))
        if weight is None:
            return whole
        count = weight.device_mesh.shape[-1]
        place = weight.device_mesh.get_local_rank(weight.device_mesh.ndim - 1)
        size = -(-whole.shape[0] // count)
        return whole[place * size : (place + 1) * size]

    def spread(self, part: Tensor, tensor: Tensor) -> Tensor:
        """A tensor that lies in parts like ``part``'s weight, as one; itself if it does not."""
        weight = self._whole.get(id(part))
        if weight is None or tensor.shape != part.shape:
            return tensor
        return DTensor.from_local(
            tensor,
            weight.device_mesh,
            weight.placements,
            run_check=False,
            shape=weight.shape,
            stride=weight.stride(),
        )


def reshard(module: nn.Module) -> None:
    """Let go of weights that were gathered."""
    for one in module.modules():
        if isinstance(one, FSDPModule):
            one.reshard()


@contextmanager
def whole(module: nn.Module) -> Iterator[None]:
    """A block in which a module has whole weights, in the memory of the processor, for the first
    process to write; the others keep none. All must come here, after `reshard`; one weight at a
    time is gathered.
    """
    kept: list[tuple[nn.Module, str, nn.Parameter]] = []
    try:
        for owner in module.modules():
            for name, weight in list(owner._parameters.items()):
                if isinstance(weight, DTensor):
                    kept.append((owner, name, cast(nn.Parameter, weight)))
                    full = cast(Any, weight.detach()).full_tensor()
                    own = full.cpu() if dist.get_rank() == 0 else torch.empty(0)
                    owner._parameters[name] = nn.Parameter(own, requires_grad=False)
        yield
    finally:
        for owner, name, weight in kept:
            owner._parameters[name] = weight
