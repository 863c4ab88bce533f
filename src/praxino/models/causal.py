"""Convolutions that see no future, and the memory that lets them take a film in chunks of any
length.
"""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRAMEWISE_FROM_PIXELS = 64 * 64
"""Positions of a frame from which on few are held at a time."""


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
        """Put the ``frames`` before ``x`` in front of it (zeros before the beginning), remember its
        end.
        """
        if frames == 0:
            return x
        tail = self._tails.get(layer, [])
        zeros = (
            [x.new_zeros(*x.shape[:2], frames - len(tail), *x.shape[3:])]
            if len(tail) < frames
            else []
        )
        x = torch.cat([*zeros, *tail, x], dim=2)
        self._tails[layer] = [frame.clone() for frame in x[:, :, -frames:].split(1, dim=2)]
        return x

    def push(self, layer: nn.Module, frame: Tensor, frames: int) -> list[Tensor]:
        """``frame`` after the at most ``frames`` that are known before it; remembers the frame
        itself.
        """
        window = [*self._tails.get(layer, []), frame]
        self._tails[layer] = window[-frames:]
        return window

    def room(self, name: str, size: int) -> Tensor:
        """A buffer of that name and size; see `winograd.Room`."""
        if name not in self._rooms or len(self._rooms[name]) < size:
            self._rooms[name] = torch.empty(size, dtype=torch.float32, device="cpu")
        return self._rooms[name][:size]

    def free_rooms(self) -> None:
        """Free what `room` keeps: frames change their size, and only small ones need large
        weights.
        """
        self._rooms.clear()


def _as_it_is(x: Tensor) -> Tensor:
    return x


def _own(frame: Tensor, prepare: Callable[[Tensor], Tensor]) -> Tensor:
    """A prepared frame to be remembered: never a view of what belongs to the caller; channels
    last.
    """
    if prepare is _as_it_is:
        return frame.clone(memory_format=torch.channels_last_3d)
    return prepare(frame).contiguous(memory_format=torch.channels_last_3d)


class CausalConv3d(nn.Conv3d):
    """A convolution that pads time with the past only."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int, int]) -> None:
        super().__init__(inputs, outputs, kernel, padding=(0, kernel[1] // 2, kernel[2] // 2))

    def forward(  # type: ignore[override]
        self, x: Tensor, memory: Memory, prepare: Callable[[Tensor], Tensor] = _as_it_is
    ) -> Tensor:
        """The convolution of ``prepare(x)``, a map of every position, which need not be whole in
        memory for it.
        """
        past = self.kernel_size[0] - 1
        if not on_cpu_without_gradient(x):
            return super().forward(memory.extend(self, prepare(x), past))
        if len(x) == 1 and winograd_pays(self.weight, x[0, 0, 0].numel()):
            return self._with_fewer_products(x, memory, prepare)
        if past and x.shape[2] == 1:
            return self._one(memory.push(self, _own(x, prepare), past))
        if past and x[0, 0, 0].numel() >= FRAMEWISE_FROM_PIXELS:
            result = x.new_empty(len(x), *x.shape[2:], self.out_channels)  # channels last
            result = result.permute(0, 4, 1, 2, 3)
            for frame, out in zip(x.split(1, dim=2), result.split(1, dim=2), strict=True):
                out.copy_(self._one(memory.push(self, _own(frame, prepare), past)))
            return result
        # Convolutions are fastest with channels last.
        x = prepare(x).contiguous(memory_format=torch.channels_last_3d)
        x = memory.extend(self, x, past)
        # torch takes a path that is ten times slower for one small clip, so that oneDNN is asked
        # directly.
        padding = cast(tuple[int, ...], self.padding)
        return torch.mkldnn_convolution(
            x, self.weight, self.bias, padding, self.stride, self.dilation, 1
        )

    def _one(self, window: list[Tensor]) -> Tensor:
        """The result at the last frame of a window, a tap of time after the other: no frame is
        copied, and those before the first one are not multiplied at all.
        """
        taps = self.weight.unbind(2)[-len(window) :]
        bias, total = self.bias, None
        for frame, tap in zip(reversed(window), reversed(taps), strict=True):
            out = F.conv2d(frame.squeeze(2), tap, bias, padding=self.padding[1:])
            bias, total = None, out if total is None else total.add_(out)
        assert total is not None
        return total.unsqueeze(2)

    def _with_fewer_products(
        self, x: Tensor, memory: Memory, prepare: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """The convolution by `winograd`, two frames at a time after the very first one.

        Frames come out of a norm, and are taken in half precision, 11 bits of mantissa: that
        changes the result by some 1e-4, and what is remembered takes half the memory.
        """
        from praxino.models import winograd

        assert self.bias is not None

        def frame(number: int) -> Tensor:
            return prepare(x[:, :, number]).contiguous(memory_format=torch.channels_last).half()

        frames, room = x.shape[2], memory.room
        out = x.new_empty(*x.shape[2:], self.out_channels)  # (T, H, W, C')
        for_two = None
        at = 0
        while at < frames:
            window = memory.push(self, frame(at), 2)
            if len(window) > 1 and at + 1 < frames:
                last = frame(at + 1)
                memory.push(self, last, 2)
                for_two = winograd.mapped_for_two(self.weight, room) if for_two is None else for_two
                four = [*[None] * (3 - len(window)), *window, last]
                winograd.convolve_two(four, for_two, self.bias, out[at : at + 2], room)
                at += 2
            else:
                weights = winograd.mapped(self.weight[:, :, -len(window) :], room)
                winograd.convolve(window, weights, self.bias, out[at : at + 1], room)
                at += 1
        return out.permute(3, 0, 1, 2).unsqueeze(0)


def winograd_pays(weight: Tensor, pixels: int) -> bool:
    """Whether frames of so many pixels are computed faster by `winograd`, weights mapped anew:
    measured on two cores.

    It must not depend on how many frames come at a time, as what is remembered of them is of
    another type then.
    """
    outputs, inputs, *taps = weight.shape
    wide = min(inputs, outputs) >= 64 and taps == [3, 3, 3]
    return wide and weight.dtype == torch.float32 and pixels >= 2 * max(inputs, outputs)


def on_cpu_without_gradient(x: Tensor) -> bool:
    """Whether a layer may take the way that is quickest and smallest on a processor, which no wider
    type has.
    """
    learning = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")
    return (
        x.device.type == "cpu"
        and x.dtype != torch.float64
        and not learning
        and torch.backends.mkldnn.is_available()
    )
