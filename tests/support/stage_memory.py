"""Run one stage of a film in a process of its own and print the bytes that it took; see
generation/test_plan.py.

python stage_memory.py CASE
"""

import sys
from pathlib import Path

import torch

from praxino.generation.model_card import model_card
from praxino.generation.offload import decoded, exact_and_fast, return_large_buffers
from praxino.models.dit import DiT, DiTConfig
from praxino.models.text import TextConfig, TextEncoder
from praxino.models.vae import VAE, VAEConfig
from praxino.request import Request, complete
from praxino.storage.weights.bundle import BundleConfig
from praxino.storage.weights.lazy import ModelParts, materialize
from praxino.storage.weights.quantize import Quantised, quantised

WAN_21 = VAEConfig(width=64, decoder_width=64)
WAN_22 = VAEConfig(width=64, decoder_width=80, latent_channels=48, residual=True, patch=2)
SMALL = DiTConfig(width=768, heads=6, layers=3, ffn=3072, text_width=64)
LARGE = DiTConfig(width=1536, heads=12, layers=2, ffn=8960, text_width=64)
CASES = {
    "denoise, float32, both sentences at once": (
        "denoise",
        SMALL,
        WAN_21,
        (33, 192, 192),
        torch.float32,
        None,
    ),
    "denoise, float32, one by one": ("denoise", SMALL, WAN_21, (49, 256, 320), torch.float32, None),
    "denoise, bfloat16": ("denoise", LARGE, WAN_21, (33, 320, 320), torch.bfloat16, None),
    "denoise, int8": ("denoise", LARGE, WAN_21, (33, 320, 320), "int8", None),
    "denoise, fp8": ("denoise", LARGE, WAN_21, (33, 320, 320), "fp8", None),
    "decode": ("decode", SMALL, WAN_21, (9, 256, 256), torch.float32, None),
    "decode, wide": ("decode", SMALL, WAN_21, (9, 160, 512), torch.float32, None),
    "decode in tiles": ("decode", SMALL, WAN_21, (9, 320, 320), torch.float32, 24),
    "decode, Wan 2.2": ("decode", SMALL, WAN_22, (9, 384, 384), torch.float32, None),
    "encode": ("pictures", SMALL, WAN_21, (9, 256, 256), torch.float32, None),
}


class Unread:
    """A part without files."""

    stored = torch.float32

    def __init__(self, config, kind):
        self.config, self.kind = config, kind

    def build(self):
        with torch.device("meta"):
            return self.kind(self.config)

    def load(self, dtype, change=None):
        network = self.build()
        stored = {
            n: torch.full(t.shape, 0.01, dtype=dtype) for n, t in network.state_dict().items()
        }
        materialize(network, stored, dtype, "random", change)
        return network


def model_of(case: str) -> tuple[ModelParts, Request]:
    """The model of a case, none of it in memory, and the film that is asked for."""
    _, dit, vae, (frames, height, width), dtype, _ = CASES[case]
    channels = vae.latent_channels
    dit = dit.model_copy(update={"channels": channels, "out_channels": channels})
    text = TextConfig(vocabulary=("a",), width=64)
    config = BundleConfig(
        name="x", frames=frames, height=height, width=width, steps=3, pictures="channels"
    )
    model = ModelParts(
        config, Unread(vae, VAE), Unread(dit, DiT), Unread(text, TextEncoder), TextEncoder(text), ""
    )  # fmt: skip
    if isinstance(dtype, str):
        model = quantised(model, dtype)
    return model, complete(model_card(model), {"prompt": "a", "image": "unread.png"})[0]


def precision(case: str) -> torch.dtype:
    """The type that products of a case are computed in."""
    dtype = CASES[case][4]
    return torch.bfloat16 if isinstance(dtype, str) else dtype


def status(name: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


def warm_up(dtype: torch.dtype, kind: str | None) -> None:
    """What the libraries need for themselves, once: code, threads, buffers."""
    part = Unread(DiTConfig(width=48, heads=2, layers=1, ffn=64, text_width=16), DiT)
    part = Quantised(part, kind) if kind else part
    part.load(dtype)(torch.randn(2, 16, 3, 24, 24), torch.zeros(2, 1), torch.randn(2, 64, 16))
    vae = Unread(VAEConfig(width=8, decoder_width=8), VAE).load(torch.float32)
    vae.encode(vae.decode(torch.randn(1, 16, 3, 8, 8), chunk=1), chunk=1)


@torch.inference_mode()
def main(case: str) -> None:
    kind, _, _, (frames, height, width), _, tile = CASES[case]
    model, request = model_of(case)
    dtype = precision(case)
    vae = model.vae.config
    shape = request.shape.latent(vae.compression, vae.latent_channels)
    return_large_buffers()
    warm_up(dtype, model.dit.kind if isinstance(model.dit, Quantised) else None)
    before = status("VmRSS")
    with exact_and_fast(torch.device("cpu")):
        if kind == "denoise":
            network = model.dit.load(dtype)
            tokens = shape.frames * shape.height * shape.width // 4
            rows = 2 if tokens <= 4096 else 1
            context = network.context(torch.randn(2, 64, 64))
            kept = [torch.randn(shape.size()) for _ in range(6)]
            network(
                torch.randn(rows, *shape.size()[1:]),
                torch.full((rows, 1), 0.5),
                context.rows(slice(0, rows)),
            )
            del kept
        elif kind == "decode":
            for _ in decoded(model.vae.load(dtype), torch.randn(shape.size()), tile):
                pass
        else:
            model.vae.load(dtype).encode(torch.rand(1, 3, frames, height, width), chunk=1)
    sys.stdout.write(f"{status('VmHWM') - before}\n")


if __name__ == "__main__":
    main(sys.argv[1])
