"""Many processes that train one model: who they are, what each does of a step, and what they agree
on.

They are started from outside, by ``torchrun``; each runs the same program. A step is a fixed number
of micro-batches, which are shared out evenly. A process alone has all of them.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.errors import InputError, TrainingError

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

T = TypeVar("T")
COLLECTIVE_TIMEOUT: Final = timedelta(hours=12)
"""How long a process waits for another, which may be making latents; torchrun ends all when one
dies.
"""


class ParallelConfig(Config):
    """How processes share a run; how many there are is not part of it."""

    reduction: Literal["exact", "fast"] = Field(
        "exact",
        description="exact: the same weights from any number of processes; fast: float32 sums",
    )
    sharding: Literal["none", "full"] = Field(
        "full", description="full: each process keeps a part of a denoiser's weights (FSDP2)"
    )
    replicas: int = Field(1, gt=0, description="groups of processes that keep all weights together")
    context: int = Field(1, gt=0, description="processes that share the tokens of a clip (Ulysses)")
    recompute: bool = Field(False, description="blocks are computed again on the way back")
    threads: int | None = Field(
        None, gt=0, description="of a processor; none: those of the run's first start"
    )


class OtherProcessError(TrainingError):
    """Another process failed, and says why."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """The processes of a run, and which of them this one is.

    Attributes
    ----------
    rank, world : int
        Its number, and how many there are.
    context : int
        Neighbouring processes that share a clip.
    """

    rank: int = 0
    world: int = 1
    context: int = 1
    mesh: "DeviceMesh | None" = None
    """(replicas, processes that shard)."""
    clip: "dist.ProcessGroup | None" = None
    """The processes that share a clip with this one."""

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    @property
    def shares(self) -> int:
        """Parts into which a step's micro-batches are cut."""
        return self.world // self.context

    def micro_batches(self, steps: range, count: int) -> Iterator[int]:
        """Numbers of its micro-batches in some steps of ``count`` each."""
        own, share = self.rank // self.context, count // self.shares
        for step in steps:
            yield from range(step * count + own * share, step * count + (own + 1) * share)

    def merge(self, metrics: dict[str, list[float]]) -> dict[str, list[float]]:
        """The values of all micro-batches of a step, in their order."""
        if self.world == 1:
            return metrics
        every: list[Any] = [None] * self.world
        dist.all_gather_object(every, metrics)
        result: dict[str, list[float]] = {}
        for one in every[:: self.context]:
            for name, values in one.items():
                result.setdefault(name, []).extend(values)
        return result

    def agree(self, *wishes: bool) -> tuple[bool, ...]:
        """What any process wishes."""
        if self.world == 1:
            return wishes
        flags = torch.tensor(wishes, dtype=torch.int32, device=self.device)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in flags.tolist())

    def from_first(self, make: Callable[[], T]) -> T:
        """What the first process makes, for all."""
        if self.world == 1:
            return make()
        if not self.first:
            result: T = self._heed()
            return result
        try:
            result = make()
        except BaseException:
            self._announce(None, failed=True)
            raise
        self._announce(result)
        return result

    def _announce(self, value: Any, failed: bool = False) -> None:
        """Tell the others what the first process has, or that it has failed."""
        dist.broadcast_object_list([failed, value], 0)

    def _heed(self) -> Any:
        """What the first process announces; raises `OtherProcessError` if it failed."""
        message: list[Any] = [None, None]
        dist.broadcast_object_list(message, 0)
        failed, value = message
        if failed:
            raise OtherProcessError("the first process failed", "it says why")
        return value

    @contextmanager
    def first_in_turn(self) -> Iterator[None]:
        """A block that the first process runs before the others do: they find what it left."""
        if self.world == 1:
            yield
        elif not self.first:
            self._heed()
            yield
        else:
            try:
                yield
            except BaseException:
                self._announce(None, failed=True)
                raise
            self._announce(None)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()

    def broadcast(self, module: nn.Module) -> None:
        """Give a module the trained weights that it has in the first process."""
        if self.world > 1:
            for weight in module.parameters():
                if weight.requires_grad:
                    dist.broadcast(weight.detach(), 0)

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over all processes."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    @property
    def device(self) -> torch.device:
        """Where small messages lie."""
        nccl = self.world > 1 and dist.get_backend() == "nccl"
        return torch.device("cuda" if nccl else "cpu")

    def require_alike(self, about: dict[str, Any], hint: str) -> None:
        """Raise `InputError` unless all processes have the same values, each by its name."""
        if self.world == 1:
            return
        every: list[Any] = [None] * self.world
        dist.all_gather_object(every, about)
        for rank, other in enumerate(every):
            for name, value in every[0].items():
                if other.get(name) != value:
                    raise InputError(
                        f"process {rank} has {name}={other.get(name)}, process 0 has {value}", hint
                    )


ALONE: Final = Ranks()
"""One process, which does everything."""


def rank_of_torchrun() -> tuple[int, int]:
    """Which process this is, and of how many, as torchrun says; (0, 1) without it."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def own_device(device: torch.device) -> torch.device:
    """The one of a machine's GPUs that is this process' own."""
    if device.type != "cuda" or "LOCAL_RANK" not in os.environ:
        return device
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


@contextmanager
def join(config: ParallelConfig, micro_batches: int, device: torch.device) -> Iterator[Ranks]:
    """The processes that torchrun started, as long as the block lasts.

    Raises
    ------
    InputError
        If they cannot share the micro-batches evenly, or run other versions than the first one.
    """
    _, world = rank_of_torchrun()
    require_even(config, micro_batches, world)
    if world == 1 and "RANK" not in os.environ:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=COLLECTIVE_TIMEOUT)
    ranks = group(config, device)
    about = {"torch": torch.__version__, "Python": sys.version.split()[0]}
    ranks.require_alike(about, "install the same everywhere")
    yield ranks
    # after an error others may wait for this process: it ends without taking leave
    dist.destroy_process_group()


def require_even(config: ParallelConfig, micro_batches: int, world: int) -> None:
    """Raise `InputError` unless processes share clips, weights and micro-batches evenly."""
    if world % config.context:
        raise InputError(
            f"{world} processes, of which {config.context} share a clip: must divide evenly",
            "loop.parallel.context, as the run began with",
        )
    if world % config.replicas:
        raise InputError(
            f"{world} processes in {config.replicas} replicas: must divide evenly",
            "--set loop.parallel.replicas=1",
        )
    shares = world // config.context
    if micro_batches % shares:
        more = -(-micro_batches // shares) * shares
        raise InputError(
            f"{micro_batches} micro-batches a step for {shares} processes: must divide evenly",
            f"another number of processes, or, for a new run, loop.micro_batches={more}",
        )


def group(config: ParallelConfig, device: torch.device) -> Ranks:
    """The processes that have joined, in the groups of a config."""
    from torch.distributed.device_mesh import init_device_mesh

    rank, world = dist.get_rank(), dist.get_world_size()
    if world == 1:
        return Ranks(rank, world, config.context)
    mesh = init_device_mesh(
        device.type,
        (config.replicas, world // config.replicas),
        mesh_dim_names=("replicas", "shards"),
    )
    clip = None
    if config.context > 1:
        clips = init_device_mesh(
            device.type, (world // config.context, config.context), mesh_dim_names=("data", "clip")
        )
        clip = clips.get_group("clip")
    return Ranks(rank, world, config.context, mesh, clip)
