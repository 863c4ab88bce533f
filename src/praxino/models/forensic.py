"""The forensic network: whether fine detail looks as a camera left it or as a decoder made it,
place by place.

It sees only what a blur removes, three frames at a time, and is trained by pairs: a real clip, and
the same clip through an autoencoder (Corvi et al., arXiv 2506.16802). The autoencoders of these
pairs are here, too: small ones that differ in how they enlarge, since that is what leaves traces
(Durall et al., arXiv 2003.01826).

Legend: B batch, T frames, H height, W width, D width of the features.
"""

from typing import Final, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config

Enlarging = Literal["nearest", "linear", "transpose", "shuffle"]
LUMA: Final = (0.299, 0.587, 0.114)


class ForensicConfig(Config):
    """Sizes of a `Forensic`."""

    width: int = Field(16, gt=0, description="channels at full size")
    multipliers: tuple[int, ...] = Field(
        (2, 3, 4), strict=False, description="of the width, each at half the size"
    )


class Forensic(nn.Module):
    """Clips in [-1, 1] to a map of logits: above 0 where detail looks made."""

    def __init__(self, config: ForensicConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.stem = nn.Conv2d(5, width, 3, padding=1)
        layers: list[nn.Module] = []
        for multiplier in config.multipliers:
            wide = config.width * multiplier
            layers += [_Block(width, wide, 2), _Block(wide, wide, 1)]
            width = wide
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(
        self, clip: Float[Tensor, "batch 3 frames height width"]
    ) -> Float[Tensor, "batch triples h w"]:
        batch, _, frames = clip.shape[:3]
        # (B, T, 3, H, W)
        fine = detail(clip.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, frames))
        luma = (fine * fine.new_tensor(LUMA)[:, None, None]).sum(2, keepdim=True)  # (B, T, 1, H, W)
        inputs = torch.cat([fine[:, 1:-1], luma[:, :-2], luma[:, 2:]], dim=2)  # (B, T-2, 5, H, W)
        x = self.body(
            F.silu(self.stem(inputs.flatten(0, 1).contiguous(memory_format=torch.channels_last)))
        )
        return self.head(x).float()[:, 0].unflatten(0, (batch, frames - 2))  # (B, T-2, H/8, W/8)


class _Block(nn.Module):
    """A convolution whose output has unit power at each place: what is far away must not change
    what is said here.
    """

    def __init__(self, wide: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(wide, out, 3, stride, 1, bias=False)
        self.gain = nn.Parameter(torch.ones(out, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out, 1, 1))
        self.same = wide == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = F.silu(y * (y.square().mean(1, keepdim=True) + 1e-4).rsqrt() * self.gain + self.bias)
        return x + y if self.same else y


def detail(pictures: Tensor) -> Tensor:
    """What a 5x5 binomial blur removes from pictures (N, C, H, W), 16 times as strong, within [-4,
    4].
    """
    line = pictures.new_tensor([1.0, 4, 6, 4, 1]) / 16
    channels = pictures.shape[1]
    kernel = (line[:, None] * line).expand(channels, 1, 5, 5).contiguous()
    blurred = F.conv2d(F.pad(pictures, (2, 2, 2, 2), mode="replicate"), kernel, groups=channels)
    return ((pictures - blurred) * 16).clamp(-4, 4)


class RoundTrip(nn.Module):
    """A small autoencoder of clips in [-1, 1]; height and width multiples of ``2**levels``, frames
    even if ``time``.

    Parameters
    ----------
    enlarging : str
        How the decoder doubles its size.
    levels : int
        How often it does.
    time : bool
        Whether pairs of frames share one latent.
    """

    def __init__(self, enlarging: Enlarging, levels: int, time: bool, width: int = 16) -> None:
        super().__init__()
        wide = [width * min(2 ** (level + 1), 6) // 2 for level in range(levels)]
        down = [nn.Conv2d(a, b, 4, 2, 1) for a, b in zip([3, *wide], wide, strict=False)]
        self.encoder = nn.Sequential(*(layer for conv in down for layer in (conv, nn.SiLU())))
        channels = 4 if levels == 2 else 8
        frames = 2 if time else 1
        self.frames = frames
        self.squeeze = nn.Conv2d(wide[-1] * frames, channels, 1)
        self.spread = nn.Conv2d(channels, wide[-1] * frames, 3, 1, 1)
        self.decoder = nn.Sequential(
            *(
                _Enlarge(a, b, enlarging)
                for a, b in zip(wide[::-1], [*wide[-2::-1], width], strict=True)
            ),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(
        self, clip: Float[Tensor, "batch 3 frames height width"]
    ) -> Float[Tensor, "batch 3 frames height width"]:
        batch, _, frames = clip.shape[:3]
        x = self.encoder(
            clip.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        )
        x = x.unflatten(0, (-1, self.frames)).flatten(1, 2)  # (B T/2, 2 D, h, w) if frames share
        x = F.silu(self.spread(self.squeeze(x)))
        x = x.unflatten(1, (self.frames, -1)).flatten(0, 1)  # (B T, D, h, w)
        return self.decoder(x).unflatten(0, (batch, frames)).transpose(1, 2)


class _Enlarge(nn.Module):
    def __init__(self, wide: int, out: int, way: Enlarging) -> None:
        super().__init__()
        first: dict[Enlarging, nn.Module] = {
            "nearest": nn.Sequential(
                nn.Upsample(scale_factor=2), nn.Conv2d(wide, out, 3, padding=1)
            ),
            "linear": nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(wide, out, 3, padding=1)
            ),
            "transpose": nn.ConvTranspose2d(wide, out, 4, 2, 1),
            "shuffle": nn.Sequential(nn.Conv2d(wide, 4 * out, 3, padding=1), nn.PixelShuffle(2)),
        }
        self.first = first[way]
        self.second = nn.Conv2d(out, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.first(x))
        return x + F.silu(self.second(x))


def round_trips() -> nn.ModuleList:
    """A round trip of each kind: four ways to enlarge, a quarter or an eighth of the size, with and
    without time.
    """
    return nn.ModuleList(
        [
            RoundTrip("nearest", 3, False),
            RoundTrip("transpose", 3, False),
            RoundTrip("shuffle", 3, True),
            RoundTrip("linear", 2, True),
            RoundTrip("nearest", 3, True),
            RoundTrip("shuffle", 2, False),
        ]
    )
