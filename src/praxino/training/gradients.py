"""Gradients of a step: summed over micro-batches and processes, and clipped.

In exact sums the result does not depend on how many processes there are, nor on the order in which
they add: gradients are rounded to multiples of 2^-44 and added in float64, where sums of such
numbers are exact while they stay below 2^9.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.fsdp._fully_shard._fsdp_api import ReduceScatter
from torch.distributed.tensor import DTensor

from praxino.errors import TrainingError
from praxino.training.parallel import ALONE, Ranks

QUANTUM: Final = 2.0**-44
"""Gradients are multiples of it."""
LARGEST_SUM: Final = 2.0**9
"""Sums whose parts add up to less than this, whatever their signs, are exact in any order."""
SQUARE_BITS: Final = 36
"""Squares of a tensor whose largest number is from 1/2 to 1 have so many bits behind the point."""
SUM_BITS: Final = 62
"""A sum of such squares has so many at most; tensors of more numbers have fewer behind the point.
"""
EPS: Final = 1e-6


class ExactReduceScatter(ReduceScatter):
    """What FSDP2 calls for a group of sharded weights: the sum over processes and over the
    micro-batches of a step so far, without rounding.

    FSDP2 adds what it gets to the gradients that are there, in float32; they are taken away before,
    since the sum holds them already.
    """

    def __init__(self, module: FSDPModule, weights: Sequence[nn.Parameter]) -> None:
        self.weights = weights
        self.reset()
        module.set_custom_reduce_scatter(self)

    def reset(self) -> None:
        """Forget the sum, before the first micro-batch of a step."""
        self.total: Tensor | None = None
        self.bound: Tensor | float = 0.0
        """The largest gradients of all micro-batches of this process, added up."""

    def allocate(
        self, size: Sequence[int | torch.SymInt], *, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        return torch.empty(*size, dtype=dtype, device=device)

    def __call__(
        self,
        output_tensor: Tensor,
        input_tensor: Tensor,
        group: dist.ProcessGroup,
        op: object,
        async_op: bool = False,
    ) -> None:
        self.bound = self.bound + input_tensor.abs().max()
        dist.reduce_scatter_single(output_tensor, _rounded_(input_tensor), group=group)
        if self.total is None:
            self.total = output_tensor.clone()
        elif self.total.shape != output_tensor.shape:
            raise TrainingError(
                "micro-batches of one step use different weights",
                "loop.parallel.sharding=none",
            )
        else:
            self.total += output_tensor
        for weight in self.weights:
            weight.grad = None
        output_tensor.copy_(self.total)


class GradientSum:
    """Gradients of one step, over all its micro-batches.

    Parameters
    ----------
    weights : list of Parameter
        All that are trained, in an order that all processes share.
    exact : bool
        Whether sums are exact.
    """

    def __init__(
        self,
        weights: Sequence[nn.Parameter],
        ranks: Ranks = ALONE,
        exact: bool = True,
        scatters: Sequence[ExactReduceScatter] = (),
    ) -> None:
        self.ranks, self.exact, self.scatters = ranks, exact, scatters
        self.weights = list(weights)
        self.whole = [one for one in weights if not isinstance(one, DTensor)]
        self._totals: list[Tensor | None] = []
        self.reset()

    def reset(self) -> None:
        """Before the first micro-batch of a step."""
        self._totals = [None] * len(self.whole)
        self._bound: Tensor | float = 0.0
        for one in self.scatters:
            one.reset()

    @torch.no_grad()
    def add(self) -> None:
        """Take what a micro-batch left in ``weight.grad``."""
        if not self.exact:
            return
        tops = [one.grad.abs().max() for one in self.whole if one.grad is not None and one.numel()]
        if tops:
            self._bound = self._bound + torch.stack(tops).max()
        for place, weight in enumerate(self.whole):
            if weight.grad is None:
                continue
            own, total = _rounded_(weight.grad.double()), self._totals[place]
            self._totals[place] = own if total is None else total.add_(own)
            weight.grad = None

    @torch.no_grad()
    def finish(self) -> bool:
        """Leave the sum over all processes in ``weight.grad``, None where no process has one;
        whether it is as exact as it should be.
        """
        parts = self._totals if self.exact else [weight.grad for weight in self.whole]
        if self.ranks.world > 1:
            used = self.ranks.agree(*(part is not None for part in parts)) if parts else ()
            for place, any_process in enumerate(used):
                if any_process:
                    dtype = torch.float64 if self.exact else self.whole[place].dtype
                    own = parts[place]
                    zero = torch.zeros_like(self.whole[place], dtype=dtype)
                    parts[place] = self.ranks.sum_(zero if own is None else own)
        for weight, part in zip(self.whole, parts, strict=True):
            weight.grad = None if part is None else part.to(weight.dtype)
        return not self.exact or self._are_small()

    def _are_small(self) -> bool:
        """Whether no sum may have been rounded on the way."""
        own = max(float(self._bound), *(float(one.bound) for one in self.scatters), 0.0)
        bound = torch.tensor(own, dtype=torch.float64, device=self.ranks.device)
        return float(self.ranks.sum_(bound)) < LARGEST_SUM

    @torch.no_grad()
    def clip(self, most: float) -> float:
        """Scale the gradient so that its norm is at most ``most``; the norm that it had."""
        weights = [one for one in self.weights if one.grad is not None]
        parts = [(local(one.grad), one.numel()) for one in weights if one.grad is not None]
        shards = [place for place, one in enumerate(weights) if isinstance(one, DTensor)]
        group = self.ranks.mesh.get_group("shards") if shards and self.ranks.mesh else None
        of_all = _exact_squares if self.exact else _squares
        squares = of_all(parts, torch.tensor(shards, dtype=torch.long), group)
        norm = math.sqrt(float(squares.sum())) if bool(squares.isfinite().all()) else math.nan
        factor = min(1.0, most / (norm + EPS))
        if factor < 1:
            for grad, _ in parts:
                grad.mul_(factor)
        return norm


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process keeps."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _rounded_(gradient: Tensor) -> Tensor:
    """Multiples of `QUANTUM`, in place."""
    return gradient.div_(QUANTUM).round_().mul_(QUANTUM)


Parts = Sequence[tuple[Tensor, int]]
"""Gradients, or this process' parts of them, with the numbers that each has in all."""


def _reduced(
    values: Tensor,
    shards: Tensor,
    group: dist.ProcessGroup | None,
    op: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM,
) -> Tensor:
    """Values, one a gradient, in which those of sharded ones are of all their parts."""
    if group is not None:
        own = values[shards.to(values.device)]
        dist.all_reduce(own, op, group=group)
        values[shards.to(values.device)] = own
    return values


def _squares(parts: Parts, shards: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """Sums of squares of each."""
    sums = torch.stack([grad.square().sum() for grad, _ in parts] or [torch.zeros(())])
    return _reduced(sums, shards, group)


def _exact_squares(parts: Parts, shards: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """Sums of squares in float64, the same however gradients are sharded: squares of each, divided
    by a power of two, are added as integers.
    """
    tops = [grad.abs().max() if grad.numel() else grad.new_zeros(()) for grad, _ in parts]
    top = torch.stack(tops or [torch.zeros(())]).double()
    top = _reduced(top, shards, group, dist.ReduceOp.MAX)
    if not parts or not bool(top.isfinite().all()):
        return top
    scales = torch.exp2(torch.ceil(torch.log2(top.clamp_min(1e-300))))
    bits = [min(SQUARE_BITS, SUM_BITS - count.bit_length()) for _, count in parts]
    sums = torch.stack(
        [
            ((grad.double() / scale).square() * 2.0**bit).round().long().sum()
            for (grad, _), scale, bit in zip(parts, scales, bits, strict=True)
        ]
    )
    exact = _reduced(sums, shards, group).double()
    return exact * torch.exp2(-torch.tensor(bits).to(top)) * scales.square()
