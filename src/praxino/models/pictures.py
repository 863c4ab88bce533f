"""Reference pictures of entities, as a denoiser is given them."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Pictures:
    """Reference pictures of what a clip shows, as many places for each clip of a batch.

    Attributes
    ----------
    latents : (B, P, C, h, w)
        Each picture encoded alone.
    slot, index : (B, P)
        Which entity it shows, from 0 on, and its number among that entity's pictures.
    there : (B, P)
        Whether the place holds a picture.
    noise : float
        The time that the latents are told: 0 where they are clean.
    strength : float or (B, P)
        How much attention they get against what they would get by themselves: 1 as trained, 0 none.
    beside : (int, int)
        Rows and columns of the clip's tokens, for a branch of its own (`models.stand_in`): its
        pictures stand behind them.
    """

    latents: Float[Tensor, "batch places channels height width"]
    slot: Tensor
    index: Tensor
    there: Tensor
    noise: float = 0.0
    strength: Tensor | float = 1.0
    beside: tuple[int, int] = (0, 0)

    def to(self, device: torch.device) -> "Pictures":
        """The pictures on a device."""
        return self._changed(lambda part: part.to(device))

    def rows(self, rows: slice) -> "Pictures":
        """The pictures of some of the clips."""
        return self._changed(lambda part: part[rows])

    def _changed(self, change: Callable[[Tensor], Tensor]) -> "Pictures":
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        changed: dict[str, Any] = {
            name: change(part) for name, part in parts.items() if isinstance(part, Tensor)
        }
        return replace(self, **changed)

    @property
    def bias(self) -> Tensor:
        """(B, P): what is added to the scores of attention to a picture."""
        strength = torch.as_tensor(self.strength, device=self.there.device).float()
        return torch.where(self.there, strength.clamp_min(1e-30).log(), -torch.inf)
