"""What a film will need, said before anything is loaded: memory and time of each stage, and whether
it fits.

Every stage is carried out on tensors that have shapes but hold nothing
(`torch._subclasses.FakeTensorMode`), by the same code that makes the film. What would be alive at
the same time is counted, and what would be computed; so there is no second set of formulas that
could say something else than the networks do.
"""

import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from praxino.cards import FLOW_MAP
from praxino.diffusion.sampling import EVALUATIONS
from praxino.errors import InputError
from praxino.generation.denoiser import BATCH_GUIDANCE_TOKENS
from praxino.generation.offload import (
    decoded,
    exact_and_fast,
    overlap,
    parameter_bytes,
    text_dtype,
)
from praxino.models.dit import DiT
from praxino.models.tiling import corners
from praxino.models.vae import VAE
from praxino.request import Request
from praxino.storage.weights.lazy import LazyModule, ModelParts, block_linears, materialize
from praxino.storage.weights.quantize import Quantised

GIB: Final = 2**30
TILES: Final = (64, 48, 32, 24, 16)
"""Latent positions of a side of the tiles that are tried where a frame as a whole, which is exact,
does not fit.
"""
RESERVE: Final = 0.06
"""Part of the free memory left for what is not counted: the library's own buffers, fragments."""


@dataclass(frozen=True)
class StagePlan:
    """What one stage needs.

    Attributes
    ----------
    weights, working : int
        Bytes of its network, and the most that is alive beside them.
    flops : float
        Floating-point operations, a multiplication and an addition being two.
    seconds : float
        At the speed of this machine; 0 where that was not measured.
    products : (int, int)
        Of the weights, bytes of the products in its blocks, and of the largest of these.
    streamed : bool
        Whether these products wait in host memory (`weight_streaming`).
    """

    name: str
    dtype: str
    weights: int
    working: int
    flops: float
    seconds: float
    products: tuple[int, int] = (0, 0)
    streamed: bool = False

    @property
    def bytes(self) -> int:
        return self.weights + self.working

    def with_streamed_weights(self) -> "StagePlan":
        """This stage with its products in host memory, but for the one in use and the one before
        it.
        """
        total, largest = self.products
        return replace(self, weights=self.weights - max(0, total - 2 * largest), streamed=True)


@dataclass(frozen=True)
class Plan:
    """The stages of a film in their order, what is free, and what was chosen so that they fit."""

    stages: tuple[StagePlan, ...]
    free: int
    tile: int | None

    @property
    def largest(self) -> StagePlan:
        return max(self.stages, key=lambda stage: stage.bytes)

    @property
    def fits(self) -> bool:
        return self.largest.bytes <= usable(self.free)

    @property
    def streamed(self) -> frozenset[str]:
        """Names of the stages whose large weights are on the device only while they are used."""
        return frozenset(stage.name for stage in self.stages if stage.streamed)

    def validate(self) -> "Plan":
        """Return self, or raise `InputError` with the numbers if a stage does not fit."""
        if not self.fits:
            stage = self.largest
            raise InputError(
                f"{stage.name} needs {stage.bytes / GIB:.1f} GiB ({stage.weights / GIB:.1f} of "
                f"weights, "
                f"{stage.working / GIB:.1f} to work), and {self.free / GIB:.1f} GiB are free",
                "a smaller or shorter film, --dtype bfloat16 or int8, or a smaller model",
            )
        return self

    def table(self) -> str:
        """One line a stage, for people."""
        lines = [
            f"{'stage':<10}{'type':>10}{'weights':>10}{'working':>10}{'peak':>10}{'TFLOP':>10}{'time':>10}"
        ]
        for stage in self.stages:
            sizes = "".join(
                f"{size / GIB:>6.2f} GiB" for size in (stage.weights, stage.working, stage.bytes)
            )
            lines.append(
                f"{stage.name:<10}{stage.dtype:>10}{sizes}"
                f"{stage.flops / 1e12:>10.2f}{_time(stage):>10}"
            )
        tiles = (
            f", decoded in tiles of {self.tile} latent positions (not exact)" if self.tile else ""
        )
        waiting = "".join(
            f", weights of {name} wait in host memory" for name in sorted(self.streamed)
        )
        verdict = "fits" if self.fits else "DOES NOT FIT"
        return "\n".join([*lines, f"{self.free / GIB:.1f} GiB free: {verdict}{waiting}{tiles}"])


def _time(stage: StagePlan) -> str:
    if not stage.seconds:
        return "?"
    if stage.seconds < 100:
        return f"{stage.seconds:.1f} s"
    return (
        f"{stage.seconds / 60:.0f} min" if stage.seconds < 6000 else f"{stage.seconds / 3600:.1f} h"
    )


def plan(
    model: ModelParts,
    request: Request,
    device: torch.device,
    dtype: torch.dtype,
    speed: bool = True,
) -> Plan:
    """What a film of ``request`` needs on ``device``; of the ways to decode it, the most exact one
    that fits.

    Parameters
    ----------
    speed : bool
        Measure how fast the machine is (a quarter of a second), so that times can be said.
    """
    free = free_memory(device)
    rate = _rates(device) if speed else {}
    stages = [_text(model, dtype, rate)]
    if request.image or model.dit.config.control_layers:
        stages.append(_pictures(model, request, rate))
    stages.append(_denoise(model, request, dtype, rate))
    if device.type != "cpu":
        host = usable(free_memory(torch.device("cpu")))
        stages = [
            stage.with_streamed_weights()
            if stage.bytes > usable(free) and stage.products[0] < host
            else stage
            for stage in stages
        ]
    latent = request.shape.latent(model.vae.config.compression, model.vae.config.latent_channels)
    tiles = [None, *(side for side in TILES if side < max(latent.height, latent.width))]
    if any(stage.bytes > usable(free) for stage in stages):
        tiles = tiles[-1:]  # no tile helps
    for tile in tiles:
        attempt = Plan((*stages, _decode(model, request, rate, tile)), free, tile)
        if attempt.stages[-1].bytes <= usable(free):
            break
    return attempt


def _text(model: ModelParts, dtype: torch.dtype, rate: dict[torch.dtype, float]) -> StagePlan:
    """The encoders of others do not run on empty tensors; what theirs need is far below their
    weights.
    """
    part = model.text
    network = part.build()
    assert isinstance(network, nn.Module)
    dtype = text_dtype(part, dtype)
    numbers = sum(p.numel() for p in network.parameters())
    layers = sum(
        p.numel() for n, p in network.named_parameters() if "embed" not in n and "shared" not in n
    )
    length = min(getattr(model.vocabulary, "length", 64), 512)
    widest = max(
        (p.shape[0] for p in network.parameters() if p.dim() == 2 and p.shape[0] < 2**16), default=1
    )
    flops = 2.0 * 2 * layers * length
    weights = numbers * dtype.itemsize - _saved(part, network, dtype)
    stage = _stage("text", dtype, weights, 8 * 2 * length * widest * dtype.itemsize, flops, rate)
    return _with_products(stage, part, _products(part, network, dtype))


def _pictures(model: ModelParts, request: Request, rate: dict[torch.dtype, float]) -> StagePlan:
    whole = model.config.pictures in ("channels", "control")
    frames = request.frames if whole else 1
    with _empty(model.vae, torch.float32) as (vae, weights), Meter() as meter:
        assert isinstance(vae, VAE)
        step = vae.config.compression.time
        traced = min(frames, 1 + 2 * step)
        vae.encode(torch.empty(1, 3, traced, request.height, request.width), chunk=1)
    flops = meter.flops * frames / traced * (2 if model.config.pictures == "control" else 1)
    film = 3 * 4 * (frames - traced) * request.height * request.width
    return _stage("pictures", torch.float32, weights, meter.peak + film, flops, rate)


def _denoise(
    model: ModelParts, request: Request, dtype: torch.dtype, rate: dict[torch.dtype, float]
) -> StagePlan:
    vae = model.vae.config
    shape = request.shape.latent(vae.compression, vae.latent_channels)
    if model.config.pictures == "control":  # pictures of entities stand before the film
        leading = sum(len(one.pictures) for one in request.references)
        shape = replace(shape, frames=shape.frames + leading)
    guided = request.guidance != 1.0 or request.guidance_low not in (None, 1.0)
    guided = guided and request.sampler != FLOW_MAP  # a student's is folded in
    with _empty(model.dit, dtype) as (dit, weights):
        assert isinstance(dit, DiT)
        config = dit.config
        tokens = shape.frames * shape.height * shape.width // (config.patch[1] * config.patch[2])
        estimates = (2 if request.reference_guidance is None else 3) if guided else 1
        rows = estimates if tokens <= BATCH_GUIDANCE_TOKENS else 1
        weights -= _saved(model.dit, dit, dtype)
        _widen(model.dit, dit, dtype)
        sizes = _products(model.dit, dit, dtype)
        with Meter() as meter:
            references = (
                torch.empty(2, config.image_places or 257, config.image_width)
                if config.image_width
                else None
            )
            length = getattr(model.vocabulary, "length", 64)
            control = (
                torch.empty(2, config.control_channels, *shape.size()[2:])
                if config.control_layers
                else None
            )
            words = torch.empty(max(2, rows), length, config.text_width)
            context = dit.context(words, references, control=control)
            # beside the sample, solvers keep what they saw before
            state = torch.empty(shape.size())
            kept = [torch.empty_like(state) for _ in range(6)]
            x = torch.empty(rows, config.channels, *shape.size()[2:])
            before = meter.flops
            dit(x, torch.empty(rows, 1), context.rows(slice(0, rows)))
            step = meter.flops - before
            del kept
    steps = request.best_of * request.steps * EVALUATIONS.get(request.sampler, 1)
    calls = steps * estimates // rows
    stage = _stage("denoise", dtype, weights, meter.peak, before + step * calls, rate)
    return _with_products(stage, model.dit, sizes)


def _with_products(stage: StagePlan, part: LazyModule[Any], sizes: tuple[int, int]) -> StagePlan:
    return replace(
        stage, products=sizes, dtype=part.kind if isinstance(part, Quantised) else stage.dtype
    )


def _products(part: LazyModule[Any], network: nn.Module, dtype: torch.dtype) -> tuple[int, int]:
    """Bytes of all products in the blocks, and of the largest."""
    width = 1 if isinstance(part, Quantised) else dtype.itemsize
    sizes = [width * layer.weight.numel() for layer in block_linears(network).values()]
    return sum(sizes), max(sizes, default=0)


def _saved(part: LazyModule[Any], network: nn.Module, dtype: torch.dtype) -> int:
    """Bytes that weights of eight bits save."""
    return (
        _products(part, network, dtype)[0] * (dtype.itemsize - 1)
        if isinstance(part, Quantised)
        else 0
    )


def _widen(part: LazyModule[Any], network: nn.Module, dtype: torch.dtype) -> None:
    """Let products with weights of eight bits take the memory of wider ones while they are used."""
    if not isinstance(part, Quantised):
        return
    copies = {"int8": dtype.itemsize, "fp8": 2 * torch.float32.itemsize + dtype.itemsize}[part.kind]
    widened: list[Tensor] = []
    for layer in block_linears(network).values():
        size = copies * layer.weight.numel()
        layer.register_forward_pre_hook(
            lambda *_, size=size: widened.append(torch.empty(size, dtype=torch.uint8))
        )
        layer.register_forward_hook(lambda *_: widened.clear())


def _decode(
    model: ModelParts, request: Request, rate: dict[torch.dtype, float], tile: int | None
) -> StagePlan:
    latents = model.vae.config.latent_channels
    shape = request.shape.latent(model.vae.config.compression, latents)
    rows, columns = (min(side, tile or side) for side in (shape.height, shape.width))
    traced = min(shape.frames, 3)  # the later chunks are all alike, and so are the tiles
    with _empty(model.vae, torch.float32) as (vae, weights), Meter() as meter:
        assert isinstance(vae, VAE)
        first = 0.0
        for number, part in enumerate(decoded(vae, torch.empty(1, latents, traced, rows, columns))):
            del part
            first = first if number else meter.flops
    later = (meter.flops - first) / max(1, traced - 1)
    flops, working = first + later * (shape.frames - 1), meter.peak
    pixels = 3 * request.frames * request.height * request.width
    if (rows, columns) != (
        shape.height,
        shape.width,
    ):  # then the whole film is there in float32, too
        flops *= len(corners((shape.height, shape.width), tile or rows, overlap(tile or rows)))
        working += 4 * pixels
    return _stage("decode", torch.float32, weights, working + 2 * pixels, flops, rate)


def _stage(
    name: str,
    dtype: torch.dtype,
    weights: int,
    working: int,
    flops: float,
    rate: dict[torch.dtype, float],
) -> StagePlan:
    seconds = flops / rate[dtype] if rate else 0.0
    return StagePlan(name, str(dtype).removeprefix("torch."), weights, int(working), flops, seconds)


@contextmanager
def _empty(part: LazyModule[Any], dtype: torch.dtype) -> Iterator[tuple[Any, int]]:
    """The network of a part, of tensors that hold nothing, and the bytes that its weights would
    take.
    """
    network = part.build()
    if not any(p.is_meta for p in network.parameters()):  # loaded already
        with torch.device("meta"):
            network = type(network)(part.config)
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        torch.no_grad(),
        exact_and_fast(torch.device("cpu")),
    ):
        shapes = {
            name: (tensor.shape, tensor.dtype) for name, tensor in network.state_dict().items()
        }
        materialize(
            network,
            {name: torch.empty(*shape) for name, (shape, _) in shapes.items()},
            dtype,
            "plan",
        )
        yield network, parameter_bytes(network)


class Meter(TorchDispatchMode):
    """Counts what is alive, the most that ever was, and floating-point operations, of everything
    inside it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.flops = 0.0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Any,
        arguments: tuple[Any, ...] = (),
        named: dict[str, Any] | None = None,
    ) -> Any:
        if (
            operation is torch.ops.aten.mkldnn_convolution.default
        ):  # is not known for tensors that hold nothing
            x, weight, bias, padding, stride, dilation, groups = arguments
            operation = torch.ops.aten.convolution.default
            arguments = (
                x,
                weight,
                bias,
                stride,
                padding,
                dilation,
                False,
                [0] * len(padding),
                groups,
            )
        inputs = {t.untyped_storage()._cdata for t in tree_iter(arguments) if isinstance(t, Tensor)}
        out = operation(*arguments, **(named or {}))
        for tensor in tree_iter(out):
            if (
                isinstance(tensor, Tensor)
                and tensor.untyped_storage()._cdata not in inputs | self._sizes.keys()
            ):
                self._begin(tensor.untyped_storage())
        self.flops += _flops(operation, arguments, named or {}, out)
        return out

    def _begin(self, storage: torch.UntypedStorage) -> None:
        name, size = storage._cdata, storage.nbytes()
        self._sizes[name] = size
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._end, name)

    def _end(self, name: int) -> None:
        self.live -= self._sizes.pop(name)


def _flops(operation: Any, arguments: tuple[Any, ...], named: dict[str, Any], out: Any) -> float:
    if (
        operation is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
    ):  # not in torch's own table
        q, k = arguments[:2]
        return 4.0 * q.shape[:3].numel() * k.shape[2] * q.shape[3]
    count = flop_registry.get(operation._overloadpacket)
    return float(count(*arguments, **named, out_val=out)) if count is not None else 0.0


def usable(free: int) -> float:
    """Bytes that may be planned with: those that are free, without `RESERVE`."""
    return free * (1 - RESERVE)


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on a device: of a processor, what the system can give without
    swapping.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _rates(device: torch.device) -> dict[torch.dtype, float]:
    """Floating-point operations a second in a large product, by type."""
    size = 512 if device.type == "cpu" else 8192
    return {dtype: _rate(size, device, dtype) for dtype in (torch.float32, torch.bfloat16)}


def _rate(size: int, device: torch.device, dtype: torch.dtype) -> float:
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    wait: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    times = []
    with exact_and_fast(device):
        for _ in range(4):
            wait()
            start = time.perf_counter()
            a @ b
            wait()
            times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)
