"""Networks enter the device for as long as a stage of the work lasts, and leave it with their
memory.
"""

import copy
import ctypes
import gc
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from praxino.models.dit import DiT
from praxino.models.precision import fastest
from praxino.models.vae import VAE
from praxino.storage.weights.lazy import LazyModule

M = TypeVar("M")

DECODE_CHUNK_LATENTS = 4096
"""Latent positions that are decoded at a time."""
LARGE_BYTES = 2**26
"""Weights from which on it pays to look for garbage once they are not used any more: that takes a
tenth of a second, as it goes through every object there is.
"""


class Offloader:
    """The networks of one pipeline.

    Parameters
    ----------
    keep : bool
        Networks stay once they are loaded: for models of which all parts fit at once.
    compiled : bool
        Denoisers go through `compilation`.
    """

    def __init__(self, device: torch.device, keep: bool, compiled: bool = False) -> None:
        if compiled:
            from praxino.generation.compilation import require_compiler

            require_compiler(device)
        self.device = device
        self.keep = keep
        self.compiled = compiled
        self._loaded: dict[tuple[int, torch.dtype, bool], Any] = {}
        if not keep:
            return_large_buffers()

    @contextmanager
    def resident(
        self, part: LazyModule[M], dtype: torch.dtype, streamed: bool = False
    ) -> Iterator[M]:
        """The network of ``part``, on the device while the block lasts; ``streamed`` as in
        `weight_streaming`. Who asks for it again meanwhile gets the same one.
        """
        key = (id(part), dtype, streamed)
        network: Any = self._loaded.get(key)
        first = network is None
        if network is None:
            network = self._placed(part.load(dtype), streamed)
        self._loaded[key] = network
        try:
            yield network
        finally:
            if first and not self.keep:
                del self._loaded[key]
                large = parameter_bytes(network) >= LARGE_BYTES
                del network
                if large:
                    release_memory()

    def _placed(self, network: Any, streamed: bool) -> Any:
        """A network that was loaded, on the device."""
        assert isinstance(network, nn.Module)
        if streamed:
            from praxino.generation.weight_streaming import stream_weights

            return stream_weights(copy.deepcopy(network) if self.keep else network, self.device)
        network = network.to(self.device)
        if self.compiled and isinstance(network, DiT):
            from praxino.generation.compilation import compile_blocks

            compile_blocks(network)
        return network


def text_dtype(part: LazyModule[Any], dtype: torch.dtype) -> torch.dtype:
    """The type of a text encoder's weights: never wider than they are stored, as widening them
    gains nothing.
    """
    return dtype if part.stored.itemsize > 2 else torch.bfloat16


def return_large_buffers(size: int = 2**20) -> None:
    """Let glibc hand buffers of ``size`` bytes and more back to the system when they are freed.

    By default it begins to keep buffers of up to 32 MiB once some were freed, and a film then takes
    up to half as much memory again as is alive in it.
    """
    if sys.platform == "linux":
        m_mmap_threshold = -3
        with suppress(AttributeError):
            ctypes.CDLL(None).mallopt(m_mmap_threshold, size)


def parameter_bytes(network: nn.Module) -> int:
    """Bytes of a network's parameters."""
    return sum(p.numel() * p.element_size() for p in network.parameters())


def release_memory() -> None:
    """Return what is not used any more to the device and to the system: allocators like to hold on
    to it.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        with suppress(AttributeError):  # an older torch
            torch.accelerator.memory.empty_host_cache()  # where weights waited
    if sys.platform == "linux":
        with suppress(AttributeError):  # a C library other than glibc
            ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def exact_and_fast(device: torch.device) -> Iterator[None]:
    """The fastest float32 products that are exact.

    On x86 without AMX, oneDNN's are as exact as the default ones and twice as fast; with it, or on
    other processors, they may be bfloat16.
    """
    before = torch.get_float32_matmul_precision()
    x86 = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    if device.type == "cpu" and x86 and not torch.cpu._is_amx_tile_supported():
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def decoded(vae: VAE, latent: Tensor, tile: int | None = None) -> Iterator[Tensor]:
    """The frames of (1, C, t, h, w), few at a time so that memory does not grow with the film.

    Parameters
    ----------
    tile : int, optional
        Latent positions of a side of the squares it is decoded in: less memory, and not quite the
        same result.
    """
    if tile is not None and min(latent.shape[3:]) > tile:
        from praxino.models.tiling import stream_tiled

        return stream_tiled(vae, latent, tile=tile, overlap=overlap(tile))
    return vae.stream(latent, chunk=max(1, DECODE_CHUNK_LATENTS // math.prod(latent.shape[3:])))


def overlap(tile: int) -> int:
    """Latent positions that tiles of this side share with their neighbours."""
    return tile // 4


def fast_dtype(device: torch.device, in_memory: bool) -> str:
    """bfloat16 where it is faster: on GPUs, and for large models on processors that multiply faster
    in it.
    """
    return (
        "bfloat16"
        if device.type == "cuda" or (not in_memory and fastest() == "bfloat16")
        else "float32"
    )
