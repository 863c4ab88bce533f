"""Muon and AdamW on float32 masters, the learning-rate schedule, and the moving average of the
weights.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from praxino.config import Config

if TYPE_CHECKING:
    from praxino.training.sharding import Shards


TOGETHER: Final = 2**26
"""Matrices that are orthogonalised together have so many numbers at most."""


class OptimizerConfig(Config):
    """How weights follow gradients."""

    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    matrices: Literal["adamw", "muon"] = Field(
        "muon", description="what moves matrices and kernels"
    )
    betas: tuple[float, float] = Field((0.9, 0.99), strict=False)
    eps: float = Field(1e-10, gt=0)
    weight_decay: float = Field(0.01, ge=0, description="on matrices and kernels only")
    warmup: int = Field(100, ge=0, description="steps of linear increase")
    decay: Literal["none", "linear", "cosine"] = Field(
        "linear",
        description="of the rate over the whole run; none: a trunk, which can be made longer",
    )
    clip: float = Field(1.0, gt=0, description="largest norm of the whole gradient")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the moving average per step")

    @field_validator("betas")
    @classmethod
    def _betas_decay(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError("must be from 0 to below 1")
        return betas


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are orthogonalised before each step (Jordan et al., 2024); vectors
    follow AdamW.

    Kernels are taken as (out, in * positions) matrices. The step's root mean square is matched to
    AdamW's (Liu et al., arXiv 2502.16982, eq. 4), so that both share one learning rate.
    ``group["matrix"]`` says which rule holds; ``dtype`` is what the orthogonalisation computes in.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        config: OptimizerConfig,
        dtype: torch.dtype = torch.bfloat16,
        shards: "Shards | None" = None,
    ) -> None:
        self.dtype, self.shards = dtype, shards
        defaults = {
            "lr": config.lr,
            "betas": config.betas,
            "eps": config.eps,
            "momentum": 0.95,
            "matrix": False,
        }
        super().__init__(groups, {**defaults, "weight_decay": config.weight_decay})
        for group in self.param_groups:
            for p in group["params"]:
                second = torch.zeros_like(p[:0] if group["matrix"] else p)
                self.state[p] = {
                    "first": torch.zeros_like(p),
                    "second": second,
                    "step": torch.tensor(0.0),
                }

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            for p in moved:
                self.state[p]["step"] += 1
                p.mul_(1 - group["lr"] * group["weight_decay"])
            updates = (
                self._orthogonal(moved, group) if group["matrix"] else self._adam(moved, group)
            )
            for p, update in zip(moved, updates, strict=True):
                p.sub_(update, alpha=group["lr"])

    def _orthogonal(self, moved: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        """Matrices of one shape are orthogonalised together, as many as `TOGETHER` allows: small
        products are slow one by one, and of sharded ones only those at hand are whole.
        """
        shapes: dict[torch.Size, list[int]] = {}
        steps: list[Tensor] = []
        for i, p in enumerate(moved):
            assert p.grad is not None
            momentum = self.state[p]["first"].lerp_(p.grad, 1 - group["momentum"])
            steps.append(p.grad.lerp(momentum, group["momentum"]))  # Nesterov
            shape = self.shards.whole_shape(p) if self.shards else p.shape
            shapes.setdefault(torch.Size([shape[0], math.prod(shape[1:])]), []).append(i)
        for shape, members in shapes.items():
            count = max(1, TOGETHER // shape.numel())
            for first in range(0, len(members), count):
                self._orthogonalise(shape, members[first : first + count], moved, steps)
        return steps

    def _orthogonalise(
        self, shape: torch.Size, members: list[int], moved: list[Tensor], steps: list[Tensor]
    ) -> None:
        """Replace some steps of one shape by orthogonal ones."""
        whole = [
            self.shards.gather(moved[i], steps[i]) if self.shards else steps[i] for i in members
        ]
        stack = orthogonalised(torch.stack([one.flatten(1) for one in whole]), self.dtype)
        stack = stack * (0.2 * math.sqrt(max(shape)))
        for i, matrix in zip(members, stack, strict=True):
            own = self.shards.cut(moved[i], matrix) if self.shards else matrix
            steps[i] = own.view_as(moved[i])

    def _adam(self, moved: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        low, high = group["betas"]
        updates = []
        for p in moved:
            assert p.grad is not None
            state = self.state[p]
            n = float(state["step"])
            mean = state["first"].lerp_(p.grad, 1 - low) / (1 - low**n)
            square = state["second"].lerp_(p.grad.square(), 1 - high) / (1 - high**n)
            updates.append(mean / (square.sqrt() + group["eps"]))
        return updates


def orthogonalised(matrices: Tensor, dtype: torch.dtype = torch.bfloat16, steps: int = 5) -> Tensor:
    """About U V^T of each matrix's singular value decomposition (..., n, m), by a quintic
    Newton-Schulz iteration computed in ``dtype``; singular values end between 0.7 and 1.2.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = (matrices if wide else matrices.mT).to(dtype)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.mT).to(matrices.dtype)


def make_optimizer(
    module: nn.Module,
    config: OptimizerConfig,
    dtype: torch.dtype = torch.bfloat16,
    shards: "Shards | None" = None,
) -> torch.optim.Optimizer:
    """`Muon` (computing in ``dtype``) or AdamW (Loshchilov & Hutter, arXiv 1711.05101) by
    ``config.matrices``.

    Only weights of linear layers and convolutions count as matrices. All else (gains, biases,
    modulations, tables) follows AdamW without decay. AdamW's fused kernel rounds otherwise where a
    tensor is cut elsewhere, so it is not used.

    Parameters
    ----------
    shards : Shards, optional
        The weights' parts that this process moves, in place of the weights.
    """
    layers = (nn.Linear, nn.Conv2d, nn.Conv3d)
    weights = {id(m.weight) for m in module.modules() if isinstance(m, layers)}
    trained = [p for p in module.parameters() if p.requires_grad]
    own = dict(zip(map(id, shards.weights), shards.local, strict=True)) if shards else {}
    matrices = [own.get(id(p), p) for p in trained if id(p) in weights]
    rest = [own.get(id(p), p) for p in trained if id(p) not in weights]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": rest, "weight_decay": 0.0}]
    if config.matrices == "muon":
        return Muon([groups[0] | {"matrix": True}, groups[1]], config, dtype, shards)
    adamw = torch.optim.AdamW(
        groups,
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        foreach=True,
    )
    for p in (*matrices, *rest):  # so that a resumed run has tensors to load into
        zero = {"exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        adamw.state[p] = {"step": torch.zeros((), device=p.device), **zero}
    return adamw


def learning_rate(
    step: int, steps: int, config: OptimizerConfig, cooldown_from: int | None = None
) -> float:
    """The rate of step ``step`` (from 0) in a run of ``steps``: linear warm-up, then the decay of
    the config.

    From step ``cooldown_from`` on, it falls linearly instead, to reach 0 after the last step.
    """
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if cooldown_from is not None:
        return config.lr * warm * min(1.0, (steps - step) / (steps - cooldown_from))
    progress = min(1.0, max(0, step - config.warmup) / max(1, steps - config.warmup))
    decayed = {
        "none": 1.0,
        "linear": 1.0 - progress,
        "cosine": 0.5 * (1 + math.cos(math.pi * progress)),
    }[config.decay]
    return config.lr * warm * decayed


class EMA:
    """An exponential moving average of parameters; young averages follow faster: ``min(decay,
    (1+n)/(10+n))``.
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.decay = decay
        self.source = list(parameters)
        self.average = [p.detach().clone() for p in self.source]

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.source], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the average with the live weights; a second call restores them."""
        for live, average in zip(self.source, self.average, strict=True):
            keep = live.detach().clone()
            live.copy_(average)
            average.copy_(keep)
