"""Clips too long for one processor: its tokens are shared by several, which exchange heads for
tokens in self-attention (DeepSpeed Ulysses, arXiv 2309.14509).

The model's file knows nothing of it: hooks cut tokens before the first block and put them together
behind the last one. Text is whole on every process.

Legend: W processes, N tokens, H heads, d their width.
"""

from dataclasses import dataclass
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed._functional_collectives import (
    all_gather_single_autograd,
    all_to_all_single_autograd,
)

from praxino.errors import InputError
from praxino.models.dit import DiT, SelfAttention
from praxino.models.tokens import TokenLayout
from praxino.training.parallel import Ranks


def share_tokens(network: DiT, ranks: Ranks) -> None:
    """Let a network's blocks work on this process' share of a clip's tokens. What it returns, and
    what comes before its blocks, is whole.

    Each process has a part of the gradients of every weight: those of the loss divided by the
    number of processes add up to the whole.

    Raises
    ------
    InputError
        If heads cannot be shared evenly, or the network has a control branch.
    """
    count = ranks.context
    if network.config.heads % count:
        raise InputError(
            f"{network.config.heads} heads, shared by {count} processes: must divide evenly",
            "another loop.parallel.context",
        )
    if network.config.control_layers:
        raise InputError("a network with a control branch shares no clips", "context=1")
    if count == 1:
        return
    assert ranks.clip is not None
    exchange = _Exchange(ranks.clip, ranks.rank % count, count)
    network.register_forward_pre_hook(exchange.begin)
    network.register_forward_hook(exchange.end, always_call=True)
    for block in network.blocks:
        block.register_forward_pre_hook(exchange.cut)
        assert isinstance(block.attention, SelfAttention)
        block.attention.mix = exchange.wrap(block.attention.mix)  # type: ignore[method-assign]
    network.blocks[-1].register_forward_hook(exchange.gather)


@dataclass(frozen=True)
class SharedLayout(TokenLayout):
    """Where a process' share of a clip's tokens stands; grid and mask are the whole clip's."""


class _Exchange:
    """This process among those that share a clip."""

    def __init__(self, group: dist.ProcessGroup, rank: int, count: int) -> None:
        self.group, self.rank, self.count = group, rank, count
        self.inside = False
        """Whether a clip goes through the blocks; reference pictures go through them alone."""

    def begin(self, module: nn.Module, inputs: Any) -> None:
        self.inside = True

    def end(self, module: nn.Module, inputs: Any, out: Any) -> None:
        self.inside = False

    def cut(self, block: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """This process' tokens, with their times and places, of a block's inputs."""
        if not self.inside:
            return inputs
        x, time, memories, bias, places, layer, *more = inputs
        tokens = len(places.rotation)
        for number in (tokens, time.shape[1]) if time.shape[1] > 1 else (tokens,):
            if number % self.count:
                raise InputError(
                    f"{number} tokens or times, shared by {self.count} processes: must divide "
                    "evenly",
                    "another loop.parallel.context",
                )
        x = self._own(x, 1) if layer == 0 else x
        time = self._own(time, 1) if time.shape[1] > 1 else time
        own = self._own(places.rotation, 0)
        places = SharedLayout(places.grid, places.pattern, own, places.mask)
        return (x, time, memories, bias, places, layer, *more)

    def gather(self, block: nn.Module, inputs: Any, out: Tensor) -> Tensor:
        """All tokens, behind the last block: (B, N / W, D) -> (B, N, D)."""
        if not self.inside:
            return out
        whole: Tensor = all_gather_single_autograd(out.contiguous(), 1, self.group)
        return whole

    def wrap(self, mix: Any) -> Any:
        """Attention with all tokens of this process' heads, in place of all heads of its tokens."""

        def exchanged(q: Tensor, k: Tensor, v: Tensor, places: TokenLayout, layer: int) -> Tensor:
            # blocks may be computed again when the clip has left the network
            if not isinstance(places, SharedLayout):
                whole: Tensor = mix(q, k, v, places, layer)
                return whole
            if k.shape[1] != q.shape[1]:
                raise InputError("reference pictures share no clips", "loop.parallel.context=1")
            q, k, v = (self._heads(one) for one in (q, k, v))
            return self._tokens(mix(q, k, v, places, layer))

        return exchanged

    def _own(self, x: Tensor, dim: int) -> Tensor:
        return x.chunk(self.count, dim)[self.rank].contiguous()

    def _heads(self, x: Tensor) -> Tensor:
        """(B, N / W, H, d) -> (B, N, H / W, d)."""
        parts = x.unflatten(2, (self.count, -1)).permute(2, 0, 1, 3, 4).contiguous()
        return self._exchanged(parts).permute(1, 0, 2, 3, 4).flatten(1, 2)

    def _tokens(self, x: Tensor) -> Tensor:
        """(B, N, H / W, d) -> (B, N / W, H, d)."""
        parts = x.unflatten(1, (self.count, -1)).permute(1, 0, 2, 3, 4).contiguous()
        return self._exchanged(parts).permute(1, 2, 0, 3, 4).flatten(2, 3)

    def _exchanged(self, parts: Tensor) -> Tensor:
        """Part i of (W, ...) goes to process i; what comes from process i is part i."""
        return all_to_all_single_autograd(parts, None, None, self.group).view(parts.shape)
