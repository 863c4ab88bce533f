"""Convolutions that see no future, and the memory that lets them take a film in chunks of any length."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.models import winograd


class Memory:
    """The last frames that each causal layer of one network has seen in earlier chunks."""

    def __init__(self) -> None:
        self._tails: dict[nn.Module, list[Tensor]] = {}
        self._begun: set[nn.Module] = set()
        self._rooms: dict[str, Tensor] = {}

    def begins(self, layer: nn.Module) -> bool:
        """Whether ``layer`` asks for the first time: its chunk holds the very first frame."""
        first = layer not in self._begun
        self._begun.add(layer)
        return first

    def extend(self, layer: nn.Module, x: Tensor, frames: int) -> Tensor:
        """Put the ``frames`` before ``x`` in front of it (zeros before the beginning), remember its end."""
        if frames == 0:
            return x
        tail = self._tails.get(layer, [])
        zeros = [x.new_zeros(*x.shape[:2], frames - len(tail), *x.shape[3:])] if len(tail) < frames else []
        x = torch.cat([*zeros, *tail, x], dim=2)
        self._tails[layer] = [frame.clone() for frame in x[:, :, -frames:].split(1, dim=2)]
        return x

    def push(self, layer: nn.Module, frame: Tensor, frames: int) -> list[Tensor]:
        """``frame`` after the at most ``frames`` that are known before it; remembers the frame itself."""
        window = [*self._tails.get(layer, []), frame]
        self._tails[layer] = window[-frames:]
        return window

    def room(self, name: str, size: int) -> Tensor:
        """As `winograd.Room`; wide layers need much where frames are small, and give it back to the others."""
        if name not in self._rooms or not size <= len(self._rooms[name]) <= 4 * size:
            self._rooms[name] = torch.empty(size)
        return self._rooms[name][:size]


class CausalConv3d(nn.Conv3d):
    """A convolution that pads time with the past only."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int, int]) -> None:
        super().__init__(inputs, outputs, kernel, padding=(0, kernel[1] // 2, kernel[2] // 2))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:  # type: ignore[override]
        past = self.kernel_size[0] - 1
        if not on_cpu_without_gradient(x):
            return super().forward(memory.extend(self, x, past))
        x = x.contiguous(memory_format=torch.channels_last_3d)  # what convolutions are fastest with
        if len(x) == 1 and winograd.pays(self.weight, x[0, 0, 0].numel()):
            return self._with_fewer_products(x, memory)
        if past and x.shape[2] == 1:
            return self._one(memory.push(self, x, past))
        x = memory.extend(self, x, past)
        # torch takes a path that is ten times slower for one small clip, so that oneDNN is asked directly.
        padding = cast(tuple[int, ...], self.padding)
        return torch.mkldnn_convolution(x, self.weight, self.bias, padding, self.stride, self.dilation, 1)

    def _one(self, window: list[Tensor]) -> Tensor:
        """The result at the last frame of a window, a tap of time after the other: no frame is copied, and those
        before the first one are not multiplied at all."""
        taps = self.weight.unbind(2)[-len(window) :]
        bias, total = self.bias, None
        for frame, tap in zip(reversed(window), reversed(taps), strict=True):
            made = F.conv2d(frame.squeeze(2), tap, bias, padding=self.padding[1:])
            bias, total = None, made if total is None else total.add_(made)
        assert total is not None
        return total.unsqueeze(2)

    def _with_fewer_products(self, x: Tensor, memory: Memory) -> Tensor:
        """The same by `winograd`, frame by frame; what is remembered is half as wide.

        Its frames come out of a norm, so that 11 bits of mantissa change the result by some 1e-4.
        """
        assert self.bias is not None
        made = x.new_empty(*x.shape[2:], self.out_channels)  # (T, H, W, C')
        weights = None
        for frame, out in zip(x.split(1, dim=2), made, strict=True):
            window = [*memory.push(self, frame.half(), self.kernel_size[0] - 1)[:-1], frame]
            if weights is None or weights.shape[1] != len(window) * self.in_channels:
                weights = winograd.mapped(self.weight[:, :, -len(window) :], memory.room)
            winograd.convolve([frame.squeeze(2) for frame in window], weights, self.bias, out, memory.room)
        return made.permute(3, 0, 1, 2).unsqueeze(0)


def on_cpu_without_gradient(x: Tensor) -> bool:
    """Whether a layer may take the way that is quickest and smallest on a processor."""
    learning = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")
    return x.device.type == "cpu" and not learning and torch.backends.mkldnn.is_available()
