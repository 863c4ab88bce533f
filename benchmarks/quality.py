"""How good is the bundled model on clips that training never saw?

The autoencoder's PSNR at every frame index, and the denoiser's loss by quarter of time, both on held-out scenes of the
diorama. Shipped weights, float32; ``python benchmarks/quality.py FOLDER`` measures another model.
"""

import sys

import numpy as np
import torch

import praxino
from praxino.data.clips import to_pixels, to_tensor
from praxino.data.diorama import sample
from praxino.data.diorama.split import UNSEEN
from praxino.diffusion.objective import draw_times, estimate_x0, target
from praxino.diffusion.path import PATHS

CLIPS, DRAWS = 64, 4


@torch.inference_mode()
def main() -> None:
    torch.set_float32_matmul_precision("medium")
    pipeline = praxino.load(sys.argv[1] if len(sys.argv) > 1 else "diorama", device="cpu")
    vae, dit = (part.load(torch.float32) for part in (pipeline.model.vae, pipeline.model.dit))
    path = PATHS[pipeline.model.config.path]()
    samples = [sample(0, UNSEEN + 1000 + i) for i in range(CLIPS)]
    clips = np.stack([made.clip for made in samples])
    latents = torch.cat([vae.encode(part) for part in to_tensor(clips).split(8)])
    made = np.concatenate([to_pixels(vae.decode(part)) for part in latents.split(8)])
    error = ((made.astype(float) - clips) ** 2).mean(axis=(0, 2, 3, 4))
    print(f"autoencoder, {CLIPS} held-out clips: PSNR by frame index, dB")
    print(" ".join(f"{value:.1f}" for value in 10 * np.log10(255**2 / error)))
    print(f"all frames: {10 * np.log10(255**2 / error.mean()):.1f} dB")

    generator = torch.Generator().manual_seed(0)
    text = pipeline.text([made.captions.sentence for made in samples])
    losses: dict[int, list[float]] = {q: [] for q in range(4)}
    for _ in range(DRAWS):
        t = draw_times(CLIPS, generator, "uniform")
        eps = torch.randn(latents.shape, generator=generator)
        alpha, sigma = (part.view(-1, 1, 1, 1, 1) for part in (path.alpha(t), path.sigma(t)))
        x = alpha * latents + sigma * eps
        out = torch.cat([dit(x[i : i + 16], t[i : i + 16, None], text[i : i + 16]) for i in range(0, CLIPS, 16)])
        prediction = pipeline.model.config.prediction
        each = (out - target(latents, eps, alpha, sigma, prediction)).square().mean(dim=(1, 2, 3, 4))
        for q in range(4):
            losses[q] += each[(t * 4).long().clamp(0, 3) == q].tolist()
        if _ == 0:
            far = (estimate_x0(out, x, alpha, sigma, prediction) - latents).square().mean().sqrt()
            print(f"estimate of the data, root mean square error over all times: {far:.3f} (latents have about 1)")
    print("denoiser, held-out loss by quarter of time, from data to noise:")
    print(" ".join(f"{np.mean(losses[q]):.3f}" for q in range(4)))


if __name__ == "__main__":
    main()
