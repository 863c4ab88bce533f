"""Networks enter the device for as long as a stage of the work lasts, and leave it with their
memory.
"""

import copy
import ctypes
import functools
import gc
import importlib.util
import math
import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from praxino.errors import InputError
from praxino.models.dit import DiT
from praxino.models.precision import fastest
from praxino.models.vae import VAE
from praxino.storage.weights.lazy import LazyModule, block_linears

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
        Denoisers go through `compile_blocks`.
    """

    def __init__(self, device: torch.device, keep: bool, compiled: bool = False) -> None:
        if compiled:
            require_compiler(device)
        self.device = device
        self.keep = keep
        self.compiled = compiled
        self._kept: dict[tuple[int, torch.dtype, bool], Any] = {}
        if not keep:
            return_large_buffers()

    @contextmanager
    def resident(
        self, part: LazyModule[M], dtype: torch.dtype, streamed: bool = False
    ) -> Iterator[M]:
        """The network of ``part``, on the device while the block lasts; ``streamed`` as in
        `stream_weights`.
        """
        network: Any = self._kept.get((id(part), dtype, streamed))
        if network is None:
            network = part.load(dtype)
            assert isinstance(network, nn.Module)
            network = (
                stream_weights(copy.deepcopy(network) if self.keep else network, self.device)
                if streamed
                else network.to(self.device)
            )
            if (
                self.compiled and not streamed and isinstance(network, DiT)
            ):  # products that move cannot be compiled
                compile_blocks(network)
        if self.keep:
            self._kept[id(part), dtype, streamed] = network
        try:
            yield network
        finally:
            if not self.keep:
                large = parameter_bytes(network) >= LARGE_BYTES
                del network
                if large:
                    release_memory()


def stream_weights(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to the device but for the products of its blocks; changes the network itself.

    Their weights stay in host memory, and each is on the device only while it is used.
    """
    large = set(block_linears(network).values())
    for module in network.modules():
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is not None and not (module in large and name == "weight"):
                moved = tensor.to(device)
                setattr(
                    module,
                    name,
                    nn.Parameter(moved, False) if isinstance(tensor, nn.Parameter) else moved,
                )
    for layer in large:
        stored = layer.weight.data
        home = layer.weight = nn.Parameter(
            stored.pin_memory() if device.type == "cuda" else stored, False
        )
        layer.register_forward_pre_hook(functools.partial(_enter, device=device, home=home))
        layer.register_forward_hook(functools.partial(_leave, home=home))
    return network


def _enter(layer: nn.Module, _: Any, device: torch.device, home: nn.Parameter) -> None:
    layer.weight = nn.Parameter(home.data.to(device, non_blocking=True), False)


def _leave(layer: nn.Module, _: Any, __: Any, home: nn.Parameter) -> None:
    layer.weight = home


def compile_blocks(dit: DiT) -> None:
    """Let torch make one kernel of what stands between the products of each block; the first step
    then takes longer.
    """
    # rotations
    warnings.filterwarnings(
        "ignore", message="Torchinductor does not support code generation for complex"
    )
    for block in dit.blocks:
        if block._compiled_call_impl is None:
            block.compile(dynamic=False)


def require_compiler(device: torch.device) -> None:
    """Raise `InputError` where there is nothing to compile with."""
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise InputError(
            "--compile needs the library triton", "leave it out; or pip install triton"
        )
    variable, names = (
        ("CC", ("gcc", "clang")) if device.type == "cuda" else ("CXX", ("g++", "clang++"))
    )
    own = shlex.split(os.environ.get(variable, ""))[:1]
    if not any(shutil.which(name) for name in (*own, *names)):
        raise InputError(
            f"--compile needs a compiler ({' or '.join(names)})",
            f"leave it out; or install {names[0]}",
        )


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
        return vae.stream_tiled(latent, tile=tile, overlap=overlap(tile))
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
