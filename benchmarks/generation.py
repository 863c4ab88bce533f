"""How long does a film take, and how much memory, against a diffusers pipeline of the same size?

Both sides run networks of the same shapes (ours the bundled model, theirs WanTransformer3DModel and
AutoencoderKLWan with random weights, given by the same rename tables), the same latents, text,
steps and guidance, in one process, turn by turn. Prints medians. Memory is the peak of a process
that runs one side only; "whole command" is `praxino generate` from start to file, the model's own
settings.
"""

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

import praxino
from praxino.diffusion.path import Flow, grid
from praxino.diffusion.sampling import euler
from praxino.generation.denoiser import Conditioning, denoiser
from praxino.storage.wan.names import to_foreign

ROUNDS, STEPS = 7, 10


def reference(pipeline: praxino.Pipeline) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The same networks in diffusers, with the same weights."""
    import diffusers

    network, coder = (part.load(torch.float32) for part in (pipeline.model.dit, pipeline.model.vae))
    dit, vae = network.config, coder.config
    transformer = diffusers.WanTransformer3DModel(
        patch_size=dit.patch,
        num_attention_heads=dit.heads,
        attention_head_dim=dit.head,
        in_channels=dit.channels,
        out_channels=dit.out_channels,
        text_dim=dit.text_width,
        freq_dim=dit.time_features,
        ffn_dim=dit.ffn,
        num_layers=dit.layers,
        cross_attn_norm=True,
        eps=dit.eps,
    )
    # layouts, pictures of entities and ends of steps are ours alone: theirs goes without
    own = transformer.state_dict()
    weights = {name: tensor for name, tensor in to_foreign(network).items() if name in own}
    transformer.load_state_dict(weights)
    autoencoder = diffusers.AutoencoderKLWan(
        base_dim=vae.width,
        decoder_base_dim=vae.decoder_width,
        z_dim=vae.latent_channels,
        dim_mult=list(vae.multipliers),
        num_res_blocks=vae.blocks,
        temperal_downsample=list(vae.temporal),
        in_channels=3 * vae.patch**2,
        out_channels=3 * vae.patch**2,
        patch_size=vae.patch,
        is_residual=vae.residual,
        latents_mean=list(vae.mean),
        latents_std=list(vae.std),
    )
    autoencoder.load_state_dict(to_foreign(coder))
    return transformer.eval(), autoencoder.eval()


def median(*works: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Medians of each work's seconds, the works taken in turn."""
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(rounds):
        for work, seconds in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in times]


def command() -> float:
    """Median seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "generate",
            "a red ball bounces on the grass",
            "-q",
            "-o",
            str(Path(folder) / "film.mp4"),
        ]
        (seconds,) = median(
            lambda: subprocess.run([sys.executable, "-m", "praxino", *arguments], check=True),
            rounds=5,
        )
    return seconds


def peak(side: str) -> str:
    """MiB that a process needs which does nothing but one side's film."""
    run = subprocess.run(
        [sys.executable, __file__, side], capture_output=True, text=True, check=True
    )
    return run.stdout.split()[-1]


@torch.inference_mode()
def main(side: str | None = None) -> None:
    pipeline = praxino.load("diorama", device="cpu")
    transformer, autoencoder = reference(pipeline) if side != "praxino" else (None, None)
    request = pipeline.request("a red ball bounces on the grass", steps=STEPS, sampler="euler")
    sentences = pipeline.text([request.prompt, ""])
    text, empty = sentences.split(1)
    noise = pipeline.noise(request, torch.Generator().manual_seed(0))
    scale = request.guidance

    def ours() -> torch.Tensor:
        with denoiser(
            pipeline.model, pipeline.offloader, torch.float32, Conditioning(sentences), request
        ) as model:
            *_, state = euler(model, noise, grid(STEPS), Flow())
        return state.x

    def theirs() -> torch.Tensor:
        """The loop of WanPipeline: two evaluations, then the scheduler's step."""
        import diffusers

        scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
        scheduler.set_timesteps(STEPS)
        x = noise
        for t in scheduler.timesteps:
            stamp = t.expand(1)
            cond = transformer(x, stamp, text, return_dict=False)[0]
            uncond = transformer(x, stamp, empty, return_dict=False)[0]
            x = scheduler.step(uncond + scale * (cond - uncond), t, x, return_dict=False)[0]
        return x

    def decode_ours(latent: torch.Tensor) -> object:
        return pipeline.decode(latent)

    def decode_theirs(latent: torch.Tensor) -> object:
        return autoencoder.decode(pipeline.model.vae.load(torch.float32).denormalise(latent)).sample

    if side:
        make, decode = {"praxino": (ours, decode_ours), "diffusers": (theirs, decode_theirs)}[side]
        decode(make())
        status = dict(
            line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
        )
        # a child's ru_maxrss would begin with its parent's
        print(int(status["VmHWM"].split()[0]) // 1024)
        return
    latent = ours()
    denoise = median(ours, theirs)
    decoding = median(lambda: decode_ours(latent), lambda: decode_theirs(latent))
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, "
        f"diffusers {version('diffusers')}, float32,\n"
        f"{request.width}x{request.height}x{request.frames}, medians of {ROUNDS}"
    )
    print(f"{'':<24}{'praxino':>10}{'diffusers':>11}{'ratio':>7}")
    for name, (mine, other) in (
        ("guided step", [s / STEPS for s in denoise]),
        ("decode", decoding),
    ):
        print(f"{name + ', ms':<24}{mine * 1000:>10.1f}{other * 1000:>11.1f}{other / mine:>7.2f}")
    print(f"{'peak memory, MiB':<24}{peak('praxino'):>10}{peak('diffusers'):>11}")
    print(f"{'whole command, s':<24}{command():>10.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
