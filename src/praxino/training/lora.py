"""Low-rank changes of a denoiser that is otherwise left alone (LoRA, arXiv 2106.09685)."""

from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.errors import InputError
from praxino.models.dit import DiT
from praxino.storage.wan.names import Layout, foreign_names
from praxino.storage.weights.checkpoint import write_tensors
from praxino.storage.weights.lazy import block_linears

FILE: Final = "lora.safetensors"
ENDINGS: Final[dict[str, tuple[str, Layout, str, str]]] = {
    "comfyui": ("diffusion_model.", "original", "lora_A.weight", "lora_B.weight"),
    "diffusers": ("transformer.", "diffusers", "lora_A.weight", "lora_B.weight"),
    "kohya": ("lora_unet_", "original", "lora_down.weight", "lora_up.weight"),
}
"""By dialect: how names begin, whose names they are, and how the two factors are called."""


class LoRAAdapter(nn.Module):
    """Two factors beside each product in a network's blocks; their product is 0 at first.

    The scale is 1 (alpha = rank), so that a file needs none.
    """

    def __init__(self, network: DiT, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.places = list(block_linears(network))
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        for name in self.places:
            layer = network.get_submodule(name)
            assert isinstance(layer, nn.Linear)
            self.down.append(torch.randn(rank, layer.in_features) * layer.in_features**-0.5)
            self.up.append(torch.zeros(layer.out_features, rank))
            layer.register_forward_hook(self._adding(len(self.down) - 1))

    def _adding(self, number: int) -> Any:
        def add(_: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
            (x,) = inputs
            down, up = self.down[number].to(x.dtype), self.up[number].to(x.dtype)
            return out + F.linear(F.linear(x, down), up)

        return add

    @torch.no_grad()
    def effect(self) -> float:
        """Norm of all that it adds to weights."""
        total = sum(
            float((up.float() @ down.float()).square().sum())
            for down, up in zip(self.down, self.up, strict=True)
        )
        return total**0.5

    def tensors(self, network: DiT, dialect: str = "comfyui") -> dict[str, Tensor]:
        """What a file holds, by the names of a dialect."""
        head, layout, down_name, up_name = ENDINGS[dialect]
        names = foreign_names(network, layout)
        result: dict[str, Tensor] = {}
        for place, down, up in zip(self.places, self.down, self.up, strict=True):
            stem = names[f"{place}.weight"].removesuffix(".weight")
            stem = stem.replace(".", "_") if dialect == "kohya" else stem
            result[f"{head}{stem}.{down_name}"] = down.detach().cpu().contiguous()
            result[f"{head}{stem}.{up_name}"] = up.detach().cpu().contiguous()
            if dialect == "kohya":
                result[f"{head}{stem}.alpha"] = torch.tensor(float(self.rank))
        return result

    def save(self, folder: Path, network: DiT, dialect: str = "comfyui") -> None:
        """Write `FILE`; raises `InputError` for one that changes nothing."""
        if self.effect() == 0:
            raise InputError("the LoRA changes nothing", "more steps, or a higher optimizer.lr")
        write_tensors(
            folder / FILE, self.tensors(network, dialect), {"praxino_rank": str(self.rank)}
        )
