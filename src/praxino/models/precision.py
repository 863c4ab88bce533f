"""Which arithmetic is fastest here: float32 or bfloat16.

A processor without instructions for bfloat16 computes it by conversion and takes up to five times
as long as for float32. torch reports such instructions only through private functions, so one
product is timed in both types.
"""

import functools
import time
from typing import Final, Literal

import torch

Compute = Literal["auto", "float32", "bfloat16"]
"""What products are computed in; "auto" is decided by `resolve`."""
DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}

TIMED_SIZE: Final = 512
"""Rows and columns of the matrices that are timed: 0.3 GFLOP a product, some 3 ms on two cores, 0.3
s at the worst.
"""
MIN_SPEEDUP: Final = 1.3
"""bfloat16 must be this many times as fast: autocast converts tensors around every product."""


@functools.cache
def fastest(device: str = "cpu") -> Literal["float32", "bfloat16"]:
    """The type in which a large product takes less time on ``device``; timed once in a process.

    On GPUs bfloat16, without asking: a product of this size there takes less time than starting it.
    """
    if device != "cpu":
        return "bfloat16" if device == "cuda" else "float32"
    seconds = {name: _seconds(torch.device(device), dtype) for name, dtype in DTYPES.items()}
    return "bfloat16" if seconds["float32"] > MIN_SPEEDUP * seconds["bfloat16"] else "float32"


def resolve(compute: Compute, device: torch.device) -> Literal["float32", "bfloat16"]:
    """``compute`` itself, or what is fastest on ``device`` where it is "auto"."""
    return fastest(device.type) if compute == "auto" else compute


def _seconds(device: torch.device, dtype: torch.dtype) -> float:
    """Least time of three products of two square matrices: whatever else the machine does only
    makes them longer.
    """
    x = torch.ones(TIMED_SIZE, TIMED_SIZE, dtype=dtype, device=device)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        float((x @ x)[0, 0])  # waits for the device
        seconds.append(time.perf_counter() - start)
    return min(seconds)
