"""A denoiser with a control branch: VACE (Jiang et al., arXiv 2503.07598).

Copies of some of the blocks run over the control, given frames and where they are given, beside the
clip; what each says is added to the clip behind its layer.

Legend: as of `models.dit`.
"""

import math
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from praxino.errors import InputError
from praxino.models.context import Context, Memory
from praxino.models.dit import Block, DiT, DiTConfig
from praxino.models.stand_in import StandIn
from praxino.models.tokens import TokenLayout, patchify


class ControlBlock(Block):
    """A block of the control branch; the first one takes the clip in, too."""

    def __init__(self, config: DiTConfig, first: bool) -> None:
        super().__init__(config)
        self.before = nn.Linear(config.width, config.width) if first else None
        self.after = nn.Linear(config.width, config.width)

    def step(
        self,
        control: Tensor,
        tokens: Tensor,
        time: Tensor,
        memories: list[Memory],
        bias: Tensor | None,
        places: TokenLayout,
    ) -> tuple[Tensor, Tensor]:
        """The control behind this block, and what is added to the clip, (B, N, D) each."""
        if self.before is not None:
            control = self.before(control) + tokens
        control = self(control, time, memories, bias, places, 0)
        return control, self.after(control)


class ControlBranch(nn.Module):
    """The control's embedding, and its blocks."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.patch_embedding = nn.Linear(
            config.control_channels * math.prod(config.patch), config.width
        )
        self.blocks = nn.ModuleList(
            ControlBlock(config, number == 0) for number in range(len(config.control_layers))
        )


class ControlledDiT(DiT):
    """A `DiT` for a config with ``control_layers``; without control it is a plain one."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__(config)
        self.control = ControlBranch(config)

    def all_blocks(self) -> list[Block]:
        return [*super().all_blocks(), *cast(list[Block], list(self.control.blocks))]

    def embed_control(self, control: Tensor | None) -> Tensor | None:
        if control is None:
            return None
        if control.shape[1] != self.config.control_channels:
            raise InputError(
                f"a control of {control.shape[1]} channels: must be {self.config.control_channels}"
            )
        tokens = patchify(control, self.config.patch)
        return self.control.patch_embedding(tokens.to(self.control.patch_embedding.weight.dtype))

    def hints(
        self, tokens: Tensor, steps: Tensor, context: Context, places: TokenLayout
    ) -> dict[int, Tensor]:
        control = context.control  # (B, N, D)
        if control is None:
            return {}
        if places.mask is not None:  # of pictures beside the clip the branch sees nothing
            places = replace(places, mask=places.mask[..., : tokens.shape[1]])
        hints, memories = {}, context.layers[len(self.blocks) :]
        blocks = cast(list[ControlBlock], list(self.control.blocks))
        for layer, block, own in zip(self.config.control_layers, blocks, memories, strict=True):
            control, hints[layer] = block.step(control, tokens, steps, own, context.bias, places)
        return hints


def network_of(config: DiTConfig) -> DiT:
    """The network of a config."""
    network = ControlledDiT(config) if config.control_layers else DiT(config)
    if config.picture_rank:
        network.stand_in = StandIn(config)
    return network


def mask_channels(mask: Tensor, time: int, height: int, width: int) -> Tensor:
    """A mask in pixels as channels of latents: each latent position says all of its pixels.

    Parameters
    ----------
    mask : (F, H, W)
        1 where a frame is made, 0 where it is given.
    time, height, width : int
        Frames, rows and columns of one latent position.

    Returns
    -------
    Tensor (1, height width, t, h, w)
        Of the frame in the middle of each position's frames (nearest-exact).
    """
    frames, rows, columns = mask.shape
    cut = mask.view(frames, rows // height, height, columns // width, width)
    cut = cut.permute(2, 4, 0, 1, 3).flatten(0, 1)[None]  # (1, height width, F, h, w)
    size = ((frames + time - 1) // time, rows // height, columns // width)
    return torch.nn.functional.interpolate(cut, size=size, mode="nearest-exact")
