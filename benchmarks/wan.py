"""Wan's shapes here and in diffusers: the same weights, the same inputs, one process, turn by turn,
medians.

``python benchmarks/wan.py``: a denoising step (a slice of the 1.3B shape: full width, ``--layers``
of its 30 layers; both evaluations of a guided step), and the autoencoder of Wan 2.1, full size.
Weights are random: they cost the same. Memory is the peak of a process of its own, above its
weights, on each side as its users run it. Then, for ours alone, weights of eight bits, and what a
layer costs by the number of tokens, beside the speed of a large product.
"""

import argparse
import itertools
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

from praxino.generation.compilation import compile_blocks
from praxino.generation.offload import exact_and_fast, return_large_buffers
from praxino.models.dit import DiT, DiTConfig
from praxino.models.text import merge_padding
from praxino.models.vae import VAE, VAEConfig
from praxino.storage.wan.names import from_foreign
from praxino.storage.weights.lazy import LoadedModule, materialize
from praxino.storage.weights.quantize import Quantised

CPU = torch.device("cpu")
CROSS = ("cross.k.weight", "cross.v.weight")
"""Products of the text alone: made once a film."""
PARTS = ("step", "autoencoder", "memory", "weights", "tokens")
Works = dict[str, Callable[[], torch.Tensor]]


def medians(works: Works, rounds: int) -> dict[str, float]:
    """Seconds of each work, the works taken in turn, the first round not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def row(name: str, works: Works, rounds: int) -> None:
    """Print one line: seconds on both sides, their ratio, and how far the results are apart."""
    taken = medians(works, rounds)
    ours, theirs = (works[side]().float() for side in ("praxino", "diffusers"))
    error = float((ours - theirs).norm() / theirs.norm())
    ratio = taken["diffusers"] / taken["praxino"]
    print(
        f"{name:<34}{taken['praxino']:>9.2f}{taken['diffusers']:>11.2f}{ratio:>7.2f}{error:>12.1e}",
        flush=True,
    )


def step(layers: int, dtype: torch.dtype, rounds: int) -> None:
    """Both evaluations of a guided step at 1,280 tokens; ours has the text's keys from the film's
    first step.
    """
    from diffusers import WanTransformer3DModel

    torch.manual_seed(0)
    reference = WanTransformer3DModel(
        num_attention_heads=12, ffn_dim=8960, num_layers=layers
    ).eval()
    with torch.device("meta"):
        ours = DiT(DiTConfig(layers=layers))
    materialize(ours, from_foreign(ours, reference.state_dict()), dtype, "the reference")
    reference.to(dtype)
    x, text, t = torch.randn(1, 16, 5, 32, 32), sentences(), torch.tensor([500.0])
    words, counts = merge_padding(text)
    context = ours.context(words, None, counts)

    def mine() -> torch.Tensor:
        with exact_and_fast(CPU):
            return ours(x.expand(2, -1, -1, -1, -1), t.expand(2, 1) / 1000, context)

    def theirs() -> torch.Tensor:
        made = [
            reference(x.to(dtype), t, part.to(dtype), return_dict=False)[0]
            for part in text.split(1)
        ]
        return torch.cat(made)

    kind = str(dtype).removeprefix("torch.")
    row(f"guided step, {kind}, s", {"praxino": mine, "diffusers": theirs}, rounds)
    compile_blocks(ours)
    row(f"guided step, {kind}, compiled, s", {"praxino": mine, "diffusers": theirs}, rounds)


def sentences() -> torch.Tensor:
    """Two as the text encoder gives them: 40 and 120 tokens of 512, and zeros."""
    text = torch.randn(2, 512, 4096)
    text[0, 40:] = text[1, 120:] = 0
    return text


def eight_bits(layers: int, rounds: int) -> None:
    """Weights of eight bits against bfloat16, here; errors are those to float32."""
    torch.manual_seed(0)
    exact = DiT(DiTConfig(layers=layers)).eval().requires_grad_(False)
    torch.nn.init.normal_(exact.head.weight, std=0.02)
    part = LoadedModule(lambda: exact)
    text, counts = merge_padding(sentences()[:1])
    x, t = torch.randn(1, 16, 5, 32, 32), torch.full((1, 1), 0.5)
    wanted = exact(x, t, exact.context(text, None, counts))
    base = part.load(torch.bfloat16)
    networks = {"bfloat16": base, "int8": Quantised(part, "int8").load(torch.bfloat16),
                "fp8": Quantised(part, "fp8").load(torch.bfloat16)}  # fmt: skip
    contexts = {name: network.context(text, None, counts) for name, network in networks.items()}
    with exact_and_fast(CPU):
        taken = medians(
            {name: lambda n=name: networks[n](x, t, contexts[n]) for name in networks}, rounds
        )
        for name, network in networks.items():
            error = float((network(x, t, contexts[name]).float() - wanted).norm() / wanted.norm())
            block = sum(p.numel() for p in network.blocks.parameters())
            size = block * (2 if name == "bfloat16" else 1) / 2**20
            print(
                f"{name + f', {layers} layers: s, MiB':<34}{taken[name]:>9.2f}"
                f"{size:>11.0f}{'':>7}{error:>12.1e}",
                flush=True,
            )


def tokens(rounds: int) -> None:
    """One layer of the 1.3B shape in bfloat16 by tokens: seconds, the share of the speed of a large
    product, memory.
    """
    return_large_buffers()  # or what is freed would hide what is taken
    size = 4096
    a, b = (torch.randn(size, size, dtype=torch.bfloat16) for _ in range(2))
    peak_rate = 2 * size**3 / medians({"product": lambda: a @ b}, rounds)["product"]
    print(f"\na product of {size}^3 in bfloat16: {peak_rate / 1e9:.0f} GFLOP/s")
    print(
        f"{'one layer, bfloat16':<20}{'TFLOP':>8}{'attention':>11}"
        f"{'s':>9}{'GFLOP/s':>9}{'of peak':>9}{'MiB':>7}"
    )
    torch.manual_seed(0)
    config = DiTConfig(layers=1)
    part = LoadedModule(lambda: DiT(config).eval().requires_grad_(False))
    network = part.load(torch.bfloat16)
    text, counts = merge_padding(sentences()[:1])
    context = network.context(text, None, counts)
    matrices = sum(
        p.numel()
        for n, p in network.blocks.named_parameters()
        if p.dim() == 2 and not n.endswith(CROSS)
    )
    for frames in (4, 8, 16, 32, 64, 102):
        x, t = torch.randn(1, 16, frames, 32, 40), torch.full((1, 1), 0.5)
        count = frames * 16 * 20
        pairs = 4.0 * count * (count + len(counts)) * config.width
        flops = 2.0 * count * matrices + pairs
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _status("VmRSS")
        taken = medians(
            {"": lambda x=x, t=t: network(x, t, context)}, rounds if count < 10_000 else 1
        )[""]
        used = _status("VmHWM") - before
        rate = flops / taken
        print(
            f"{count:>12,} tokens "
            f"{flops / 1e12:>8.2f}{pairs / flops:>10.0%}{taken:>10.2f}{rate / 1e9:>9.0f}"
            f"{rate / peak_rate:>9.0%}{used:>7}",
            flush=True,
        )


def autoencoder(rounds: int) -> None:
    """9 frames of 128x128, float32."""
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    reference = AutoencoderKLWan().eval()
    ours = VAE(VAEConfig()).eval()
    ours.load_state_dict(from_foreign(ours, reference.state_dict()))
    latent, clip = torch.randn(1, 16, 3, 16, 16), torch.rand(1, 3, 9, 128, 128) * 2 - 1

    def mine(work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        return exact_and_fast(CPU)(work)  # as the pipeline runs it

    decode = {
        "praxino": mine(lambda: ours.decode(latent, chunk=1)),
        "diffusers": lambda: reference.decode(latent).sample,
    }
    encode = {
        "praxino": mine(lambda: ours.encode(clip, chunk=1)),
        "diffusers": lambda: reference.encode(clip).latent_dist.mean,
    }
    row("decode, s", decode, rounds)
    row("encode, s", encode, rounds)


def memory(side: str, what: str, size: int) -> None:
    """Print MiB that a process takes for one film of 9 frames of ``size`` squared, above its
    weights.
    """
    torch.manual_seed(0)
    latent, clip = (
        torch.randn(1, 16, 3, size // 8, size // 8),
        torch.rand(1, 3, 9, size, size) * 2 - 1,
    )
    if side == "praxino":
        return_large_buffers()  # as the pipeline does for models of this size
        ours = VAE(VAEConfig()).eval()
        work = {
            "decode": lambda: list(ours.stream(latent)),
            "encode": lambda: ours.encode(clip, chunk=1),
        }[what]
    else:
        from diffusers import AutoencoderKLWan

        reference = AutoencoderKLWan().eval()
        work = {
            "decode": lambda: reference.decode(latent),
            "encode": lambda: reference.encode(clip),
        }[what]
    before = _status("VmRSS")
    with exact_and_fast(CPU):
        work()
    print(_status("VmHWM") - before)


def _status(name: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) // 1024


def peak(side: str, what: str, size: int) -> int:
    run = [sys.executable, __file__, "--memory", side, what, str(size)]
    return int(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()[-1])


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=PARTS)
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        side, what, size = given.memory
        return memory(side, what, int(size))
    only = given.only or PARTS
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, "
        f"diffusers {version('diffusers')}, medians of {given.rounds}"
    )
    print(f"{'':<34}{'praxino':>9}{'diffusers':>11}{'ratio':>7}{'difference':>12}")
    if "step" in only:
        for dtype in (torch.float32, torch.bfloat16):
            step(given.layers, dtype, given.rounds)
    if "autoencoder" in only:
        autoencoder(given.rounds)
    if "memory" in only:
        for what, size in itertools.product(("decode", "encode"), (192, 384)):
            ours, theirs = peak("praxino", what, size), peak("diffusers", what, size)
            name = f"{what} {size}x{size}, peak MiB"
            print(f"{name:<34}{ours:>9}{theirs:>11}{theirs / ours:>7.2f}", flush=True)
    if "weights" in only:
        eight_bits(given.layers, given.rounds)
    if "tokens" in only:
        tokens(given.rounds)
    return None


if __name__ == "__main__":
    main()
