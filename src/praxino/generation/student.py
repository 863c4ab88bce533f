"""A model's student: films in few steps, each of which is told where it ends; guidance is folded
in, so that one evaluation is a step.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from praxino.diffusion.sampling import SpanDenoiser
from praxino.generation.denoiser import ConditionedDenoiser, Conditioning
from praxino.generation.offload import Offloader
from praxino.models.dit import DiT
from praxino.request import Request
from praxino.storage.weights.lazy import LazyModule, ModelParts


@contextmanager
def student_denoiser(
    model: ModelParts,
    offloader: Offloader,
    dtype: torch.dtype,
    conditions: Conditioning,
    request: Request,
) -> Iterator[SpanDenoiser]:
    """(x, t, s) -> x0 of a request's film; the network is in memory while the block lasts."""
    with ExitStack() as stack:
        network = StudentDenoiser(model, offloader, dtype, conditions, stack)
        network.guidance = request.guidance
        yield network.estimate


class StudentDenoiser(ConditionedDenoiser):
    """The student's network, as `diffusion.sampling.flow_map` wants it."""

    guidance = 1.0
    end: Tensor

    def estimate(self, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """x0, if the flow went on beyond ``s`` as it goes on the whole from ``t`` to there."""
        self.end = s
        return self.first(x, t)

    def part(self, t: Tensor) -> LazyModule[DiT]:
        assert self.model.student is not None
        return self.model.student

    def span(self, x: Tensor) -> dict[str, Any]:
        return {
            "end": self.network_times(self.end, x),
            "guidance": x.new_full((len(x),), self.guidance),
        }
