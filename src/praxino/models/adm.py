"""The U-Net of Dhariwal & Nichol (arXiv 2105.05233, "ADM") with its upsampler and its classifier.

Modules bear the names that the published checkpoints give them, so that a state dictionary fits as
it is. Sizes of the published ones stand in `storage.weights.adm`.

Legend: B pictures, C channels, H W pixels, h w positions at a level, D its width, E features of a
condition, N positions of a picture.
"""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from praxino.config import Config
from praxino.errors import InputError, ShapeError
from praxino.models.attention import attend
from praxino.models.embeddings import Embedding, sinusoid

GROUPS = 32
"""Groups of every normalisation."""
Resampling = Literal["none", "up", "down"]


class ADMConfig(Config):
    """Sizes of an `ADM` or an `ADMClassifier`."""

    size: int = Field(ge=8, description="pixels a side that it was trained on")
    width: int = Field(gt=0, multiple_of=GROUPS, description="channels that multipliers are of")
    multipliers: tuple[PositiveFloat, ...] = Field(
        strict=False, min_length=1, description="fine to coarse"
    )
    blocks: int = Field(gt=0, description="residual blocks at each level")
    attention: tuple[PositiveInt, ...] = Field(
        (32, 16, 8), strict=False, description="pixels a side of the levels with attention"
    )
    heads: int = Field(0, ge=0, description="heads of every attention; 0: by head_width")
    head_width: int = Field(64, gt=0, description="channels of a head, where heads is 0")
    order: Literal["legacy", "new"] = Field(
        "legacy",
        description="what is outermost in the rows of qkv: heads (legacy), or q, k and v (new)",
    )
    channels: int = Field(3, gt=0, description="of what goes in; 6 where a small picture is given")
    outputs: int = Field(6, gt=0, description="noise and variance, or classes of a classifier")
    classes: int = Field(0, ge=0, description="classes that it is told; 0: none")
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide(self) -> "ADMConfig":
        for width in self.widths:
            if width % GROUPS:
                raise ValueError(f"{width} channels: must be a multiple of {GROUPS}")
        attending = {width for place, width in enumerate(self.widths) if self.attends(2**place)} | {
            self.widths[-1]
        }
        for width in attending:
            part = self.heads or self.head_width
            if width % part:
                what = f"{part} heads" if self.heads else f"heads of {part} channels"
                raise ValueError(f"{what}: {width} channels at a level are no multiple of it")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at each level, fine to coarse."""
        return tuple(int(multiplier * self.width) for multiplier in self.multipliers)

    @property
    def stride(self) -> int:
        """Height and width must be multiples of it."""
        return 2 ** (len(self.multipliers) - 1)

    def attends(self, reduction: int) -> bool:
        """Whether the level at 1/``reduction`` of the size has attention."""
        return self.size % reduction == 0 and self.size // reduction in self.attention

    def heads_of(self, width: int) -> int:
        """Heads of an attention of so many channels."""
        return self.heads or width // self.head_width


class ResBlock(nn.Module):
    """A residual block that is modulated by the condition, and may change the resolution."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        condition: int,
        dropout: float = 0.0,
        resampling: Resampling = "none",
    ) -> None:
        super().__init__()
        self.resampling = resampling
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(condition, 2 * outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, outputs),
            nn.SiLU(),
            nn.Dropout(dropout),
            zeroed(nn.Conv2d(outputs, outputs, 3, padding=1)),
        )
        self.skip_connection = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # (B, D', h, w), (B, E)
        norm, act, conv = self.in_layers
        y = conv(self._resampled(act(norm(x))))  # (B, D, h', w')
        x = self._resampled(x)
        scale, shift = self.emb_layers(condition)[:, :, None, None].chunk(2, dim=1)
        norm, *rest = self.out_layers
        y = norm(y) * (1 + scale) + shift
        for layer in rest:
            y = layer(y)
        return self.skip_connection(x) + y  # (B, D, h', w')

    def _resampled(self, x: Tensor) -> Tensor:
        match self.resampling:
            case "up":
                return F.interpolate(x, scale_factor=2.0, mode="nearest")
            case "down":
                return F.avg_pool2d(x, 2)
            case "none":
                return x


class AttentionBlock(nn.Module):
    """Attention among the positions of a picture."""

    def __init__(self, width: int, heads: int, order: Literal["legacy", "new"]) -> None:
        super().__init__()
        self.heads, self.order = heads, order
        self.norm = nn.GroupNorm(GROUPS, width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = zeroed(nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:  # (B, D, h, w)
        flat = x.flatten(2)  # (B, D, N)
        qkv = self.qkv(self.norm(flat))  # (B, 3D, N)
        mixed = attend(*heads_apart(qkv, self.heads, self.order))  # (B, N, heads, D / heads)
        return x + self.proj_out(mixed.flatten(2).transpose(1, 2)).view_as(x)


def heads_apart(
    qkv: Tensor, heads: int, order: Literal["legacy", "new"]
) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v, (B, N, heads, D / heads) each, of their rows (B, 3D, N) in either order."""
    if order == "legacy":
        parts = qkv.unflatten(1, (heads, 3, -1)).unbind(2)
    else:
        parts = qkv.unflatten(1, (3, heads, -1)).unbind(1)
    q, k, v = (part.permute(0, 3, 1, 2) for part in parts)
    return q, k, v


class AttentionPool2d(nn.Module):
    """A picture's positions to one vector: what their mean, as one more of them, attends to (CLIP,
    arXiv 2103.00020).
    """

    def __init__(self, side: int, width: int, head_width: int, outputs: int) -> None:
        super().__init__()
        self.heads = width // head_width
        self.positional_embedding = nn.Parameter(torch.randn(width, side**2 + 1) / width**0.5)
        self.qkv_proj = nn.Conv1d(width, 3 * width, 1)
        self.c_proj = nn.Conv1d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, D, h, w)
        flat = x.flatten(2)
        flat = torch.cat([flat.mean(2, keepdim=True), flat], dim=2)  # (B, D, 1 + N)
        q, k, v = heads_apart(
            self.qkv_proj(flat + self.positional_embedding.to(flat)), self.heads, "new"
        )
        mixed = attend(q[:, :1], k, v).flatten(2).transpose(1, 2)  # (B, D, 1)
        return self.c_proj(mixed)[:, :, 0]  # (B, classes)


class Row(nn.ModuleList):
    """Layers of which residual blocks are told the condition."""

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        for layer in self:
            x = layer(x, condition) if isinstance(layer, ResBlock) else layer(x)
        return x


class Encoder(nn.Module):
    """The way down, and the middle: half of a U-Net.

    Attributes
    ----------
    recompute : bool
        Whether a gradient with respect to pictures computes every row again, in place of keeping
        what it needs: a third more time, a tenth of the memory.
    """

    recompute = False

    def __init__(self, config: ADMConfig) -> None:
        super().__init__()
        self.config = config
        self.condition = 4 * config.width
        self.time_embed = Embedding(config.width, self.condition, nn.SiLU())
        width = config.widths[0]
        stem = nn.Conv2d(config.channels, width, 3, padding=1)
        self.input_blocks, self.skips = nn.ModuleList([Row([stem])]), [width]
        for level, wide in enumerate(config.widths):
            for _ in range(config.blocks):
                layers: list[nn.Module] = [self._block(width, wide)]
                if config.attends(2**level):
                    layers.append(self._attention(wide))
                self.input_blocks.append(Row(layers))
                self.skips.append(wide)
                width = wide
            if level < len(config.widths) - 1:
                self.input_blocks.append(Row([self._block(wide, wide, "down")]))
                self.skips.append(wide)
        self.middle_block = Row(
            [self._block(width, width), self._attention(width), self._block(width, width)]
        )

    def _block(self, inputs: int, outputs: int, resampling: Resampling = "none") -> ResBlock:
        return ResBlock(inputs, outputs, self.condition, self.config.dropout, resampling)

    def _attention(self, width: int) -> AttentionBlock:
        return AttentionBlock(width, self.config.heads_of(width), self.config.order)

    def embed_time(self, steps: Float[Tensor, " batch"]) -> Tensor:
        """(B, E) of numbers of steps, from 0 on."""
        features = sinusoid(steps.float(), self.config.width)
        return self.time_embed(features.to(next(self.time_embed.parameters()).dtype))

    def down(self, x: Tensor, condition: Tensor) -> Iterator[Tensor]:
        """What every row on the way down says; last the middle's."""
        if any(side % self.config.stride for side in x.shape[2:]):
            raise ShapeError(
                f"{x.shape[3]}x{x.shape[2]}: must be multiples of {self.config.stride}",
                f"{self.config.size}x{self.config.size}",
            )
        for row in self.input_blocks:
            x = self._through(row, x, condition)
            yield x
        yield self._through(self.middle_block, x, condition)

    def _through(self, row: nn.Module, x: Tensor, condition: Tensor) -> Tensor:
        if self.recompute and x.requires_grad and torch.is_grad_enabled():
            result: Tensor = checkpoint(row, x, condition, use_reentrant=False)
            return result
        return row(x, condition)


class ADM(Encoder):
    """Noisy pictures and their steps to the noise in them, and where its variance is between its
    bounds.
    """

    def __init__(self, config: ADMConfig) -> None:
        super().__init__(config)
        if config.classes:
            self.label_emb = nn.Embedding(config.classes, self.condition)
        self.output_blocks, skips = nn.ModuleList(), list(self.skips)
        width = config.widths[-1]
        for level, wide in reversed(list(enumerate(config.widths))):
            for place in range(config.blocks + 1):
                layers: list[nn.Module] = [self._block(width + skips.pop(), wide)]
                width = wide
                if config.attends(2**level):
                    layers.append(self._attention(wide))
                if level and place == config.blocks:
                    layers.append(self._block(wide, wide, "up"))
                self.output_blocks.append(Row(layers))
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, width),
            nn.SiLU(),
            zeroed(nn.Conv2d(width, config.outputs, 3, padding=1)),
        )

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        steps: Float[Tensor, " batch"],
        classes: Int[Tensor, " batch"] | None = None,
        small: Float[Tensor, "batch colours h w"] | None = None,
    ) -> Float[Tensor, "batch outputs height width"]:
        """The noise, and the second half of channels: -1 for the smaller variance, 1 for the
        larger one.

        Parameters
        ----------
        steps : Tensor
            Of the chain that it was trained on, from 0 (least noise) on; floats, too.
        classes : Tensor, optional
            From 0 on; needed where ``config.classes`` is not 0.
        small : Tensor, optional
            The picture that an upsampler makes larger, in [-1, 1].

        Raises
        ------
        ShapeError
            If height or width is no multiple of ``config.stride``.
        InputError
            Without classes, where it is told them.
        """
        if small is not None:
            x = torch.cat([x, F.interpolate(small, x.shape[2:], mode="bilinear")], dim=1)
        condition = self.embed_time(steps)  # (B, E)
        if self.config.classes:
            if classes is None:
                raise InputError(f"it draws one of {self.config.classes} classes", "classes=...")
            condition = condition + self.label_emb(classes)
        *skips, x = self.down(x, condition)
        for row in self.output_blocks:
            x = self._through(row, torch.cat([x, skips.pop()], dim=1), condition)
        return self.out(x)  # (B, outputs, H, W)


class ADMClassifier(Encoder):
    """Noisy pictures and their steps to logits of classes."""

    def __init__(self, config: ADMConfig) -> None:
        super().__init__(config)
        width, side = config.widths[-1], config.size // config.stride
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, width),
            nn.SiLU(),
            AttentionPool2d(side, width, config.head_width, config.outputs),
        )

    def forward(
        self, x: Float[Tensor, "batch channels height width"], steps: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch classes"]:
        """``steps`` as those of `ADM`; pictures are of ``config.size``."""
        if x.shape[2:] != (self.config.size, self.config.size):
            raise ShapeError(
                f"{x.shape[3]}x{x.shape[2]}: a classifier sees {self.config.size} pixels a side",
                f"{self.config.size}x{self.config.size}",
            )
        *_, x = self.down(x, self.embed_time(steps))
        return self.out(x)  # (B, classes)


def zeroed(layer: nn.Conv1d | nn.Conv2d) -> nn.Conv1d | nn.Conv2d:
    """A layer that says nothing at first."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
