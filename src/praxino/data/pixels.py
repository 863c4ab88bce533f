"""Clips as arrays, tensors and pictures: conversions without loss of meaning."""

from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

Axis = Literal["space", "time"]
"""Along which a film is enlarged: twice as high and wide, or twice as many frames a second."""


def to_tensor(pixels: NDArray[np.uint8]) -> Float[Tensor, "batch channels frames height width"]:
    """(B, T, H, W, 3) uint8 in 0..255 to (B, 3, T, H, W) float32 in [-1, 1], channels last in
    memory.
    """
    return (
        torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1.0
    )


def to_pixels(clip: Float[Tensor, "batch channels frames height width"]) -> NDArray[np.uint8]:
    """(B, 3, T, H, W) in [-1, 1] (clamped) to (B, T, H, W, 3) uint8, rounded to nearest."""
    pixels = ((clip.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 4, 1).contiguous().cpu().numpy()


def strip(clip: NDArray[np.uint8], count: int = 6) -> NDArray[np.uint8]:
    """``count`` frames of a clip (T, H, W, 3), evenly spread, side by side (fewer if it is
    shorter).
    """
    indices = np.linspace(0, len(clip) - 1, min(count, len(clip))).round().astype(int)
    return np.concatenate([clip[i] for i in indices], axis=1)


def resized(clip: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(T, H, W, 3) at another size: areas are averaged to reduce, cubic curves drawn to enlarge."""
    if clip.shape[1:3] == (height, width):
        return clip
    way = cv2.INTER_AREA if height * width < clip.shape[1] * clip.shape[2] else cv2.INTER_CUBIC
    return np.stack(
        [cv2.resize(frame, (width, height), interpolation=way) for frame in clip]
    ).astype(np.uint8)


def enlarged(clip: NDArray[np.uint8], axis: Axis) -> NDArray[np.uint8]:
    """(T, H, W, 3) twice as high and wide by Lanczos's filter, or with a mean frame between each
    two: 2T - 1 frames.
    """
    if axis == "time":
        frames = np.empty((2 * len(clip) - 1, *clip.shape[1:]), np.uint8)
        frames[::2] = clip
        frames[1::2] = ((clip[:-1].astype(np.uint16) + clip[1:] + 1) // 2).astype(np.uint8)
        return frames
    size = (2 * clip.shape[2], 2 * clip.shape[1])
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_LANCZOS4) for frame in clip])


def reduced(clip: NDArray[np.uint8], axis: Axis) -> NDArray[np.uint8]:
    """The film that `enlarged` makes one like (T, H, W, 3) of: half as high and wide, or every
    second frame.
    """
    return clip[::2] if axis == "time" else resized(clip, clip.shape[1] // 2, clip.shape[2] // 2)
