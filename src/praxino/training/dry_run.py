"""A run of many processes, in which nothing is computed: whether weights and micro-batches would be
shared as a plan says.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.distributed as dist

from praxino.data.order import permuted
from praxino.errors import TrainingError
from praxino.models.dit import DiT, DiTConfig
from praxino.training.cost import parameter_shapes, part_of
from praxino.training.gradients import local
from praxino.training.parallel import ParallelConfig, Ranks, group
from praxino.training.sharding import shard

TRIED: Final = 4
"""Processes whose shards are really made: the first, the last and some between."""
STEPS: Final = 3
"""Steps whose order is gone through."""


@dataclass(frozen=True)
class DryRun:
    """What was found.

    Attributes
    ----------
    parts : dict
        Numbers that a process keeps, by its rank.
    parameters : int
        Of the whole network.
    clips : int
        That all processes see in `STEPS` steps, each once.
    """

    parts: dict[int, int]
    parameters: int
    clips: int


def dry_run(config: DiTConfig, world: int, parallel: ParallelConfig) -> DryRun:
    """Divide a network among ``world`` processes that are not there, without its weights, and go
    through the order of their micro-batches, one each a step.

    Raises
    ------
    TrainingError
        If a share is not what the plan says, or a micro-batch is done twice or by nobody.
    """
    shapes = parameter_shapes(config)
    shards, parameters = world // parallel.replicas, sum(math.prod(shape) for shape in shapes)
    planned = [part_of(shapes, shards, place) for place in range(shards)]
    if sum(planned) != parameters:
        raise TrainingError(
            f"{shards} processes keep {sum(planned)} of {parameters} weights", "report it"
        )
    tried = sorted({round(place) for place in np.linspace(0, world - 1, TRIED)})
    parts = {rank: _part(config, rank, world, parallel) for rank in tried}
    for rank, numbers in parts.items():
        if numbers != planned[rank % shards]:
            raise TrainingError(
                f"process {rank} keeps {numbers} weights, not {planned[rank % shards]}", "report it"
            )
    return DryRun(parts, parameters, _clips(world, parallel))


def _part(config: DiTConfig, rank: int, world: int, parallel: ParallelConfig) -> int:
    """Numbers of weights that a process keeps once it is sharded."""
    with _pretended(rank, world):
        with torch.device("meta"):
            network = DiT(config)
        shard(network, parallel, group(parallel, torch.device("cpu")))
        return sum(local(one).numel() for one in network.parameters())


def _clips(world: int, parallel: ParallelConfig) -> int:
    """Go through the order of all processes; how many micro-batches they have done."""
    shares = world // parallel.context
    numbers = np.concatenate(
        [
            list(Ranks(share * parallel.context, world, parallel.context)
                 .micro_batches(range(STEPS), shares))
            for share in range(shares)
        ]
    )  # fmt: skip
    order = permuted(numbers, STEPS * shares, seed=0)
    if sorted(order.tolist()) != list(range(STEPS * shares)):
        raise TrainingError("a micro-batch is done twice, or by nobody", "report it")
    return len(order)


@contextmanager
def _pretended(rank: int, world: int) -> Iterator[None]:
    """One process of many, of which the others are not there: what it sends goes nowhere."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", rank=rank, world_size=world, store=FakeStore())
    try:
        yield
    finally:
        dist.destroy_process_group()
