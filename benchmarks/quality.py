"""How good is a model on clips that training never saw?

``python benchmarks/quality.py [FOLDER ...] [--clips N] [--edition 1|2]``: the autoencoder's PSNR at
every frame index, and the denoiser's loss (as the error of the velocity, whatever it predicts) by
quarter of time, on things and beside them, told the sentence alone and, where it takes layouts, the
true ones too. In brackets one standard error over clips.
"""

import argparse

import numpy as np
import torch
from torch import Tensor

from praxino.data.diorama import caption, compose, render
from praxino.data.diorama.split import UNSEEN
from praxino.data.pixels import to_pixels, to_tensor
from praxino.diffusion.objective import draw_times, weight
from praxino.diffusion.path import PATHS
from praxino.diffusion.prediction import target
from praxino.generation.loading import find_model
from praxino.models.raster import cover_of, rasterize
from praxino.storage.weights import bundle
from praxino.storage.weights.bundle import Bundle
from praxino.training.layout import true_layouts, world_layout

Losses = dict[str, list[list[float]]]
"""By kind of place, for each quarter of time, the losses of its clips."""

DRAWS, BATCH = 4, 16
ON_THINGS = 0.25
"""Part of a place that must be covered by a thing's box for the place to count as on a thing."""


def autoencoder(model: Bundle, clips: np.ndarray, latents: Tensor) -> None:
    made = np.concatenate([to_pixels(model.vae.decode(part)) for part in latents.split(8)])
    error = ((made.astype(float) - clips) ** 2).mean(axis=(0, 2, 3, 4))
    print(f"autoencoder, {len(clips)} clips: PSNR by frame index, dB")
    print(" ".join(f"{value:.1f}" for value in 10 * np.log10(255**2 / error)))
    print(f"all frames: {10 * np.log10(255**2 / error.mean()):.1f} dB")


def losses(
    model: Bundle, latents: Tensor, text: Tensor, layout: Tensor | None, on: Tensor
) -> Losses:
    """Of all places, on things, beside them."""
    generator = torch.Generator().manual_seed(0)
    path, prediction = PATHS[model.config.path](), model.config.prediction
    found: Losses = {name: [[] for _ in range(4)] for name in ("all", "on things", "beside")}
    for _ in range(DRAWS):
        t = draw_times(len(latents), generator, "uniform")
        eps = torch.randn(latents.shape, generator=generator)
        alpha, sigma = (part.view(-1, 1, 1, 1, 1) for part in (path.alpha(t), path.sigma(t)))
        x = alpha * latents + sigma * eps
        rows = [slice(i, i + BATCH) for i in range(0, len(x), BATCH)]
        out = torch.cat(
            [
                model.dit(x[r], t[r, None], text[r], layout=None if layout is None else layout[r])
                for r in rows
            ]
        )
        error = (out - target(latents, eps, alpha, sigma, prediction)).square()
        # (B, 1, t, h, w)
        each = (error * weight(alpha, sigma, prediction, "velocity")).mean(1, keepdim=True)
        for i, quarter in enumerate((t * 4).long().clamp(0, 3).tolist()):
            found["all"][quarter].append(float(each[i].mean()))
            for name, places in (("on things", on[i]), ("beside", ~on[i])):
                if bool(places.any()):
                    found[name][quarter].append(float(each[i][places].mean()))
    return found


def table(label: str, found: Losses) -> None:
    for name, quarters in found.items():
        cells = [f"{np.mean(q):.3f} ({np.std(q) / len(q) ** 0.5:.3f})" for q in quarters]
        print(f"{label:16}{name:12}" + "".join(f"{cell:>16}" for cell in cells))


@torch.inference_mode()
def measure(name: str, count: int, edition: int) -> None:
    model = bundle.read(find_model(name))
    scenes = [compose(0, UNSEEN + 1000 + i, edition=edition) for i in range(count)]
    clips = np.stack([render(scene, 64, 64) for scene in scenes])
    latents = torch.cat([model.vae.encode(part) for part in to_tensor(clips).split(8)])
    print(f"\n{name} ({model.digest}), edition {edition} of the world")
    autoencoder(model, clips, latents)
    text = model.text.encode([caption(scene, 1, i).paragraph for i, scene in enumerate(scenes)])
    known, grid = world_layout(), (latents.shape[2], latents.shape[3], latents.shape[4])
    things, there, boxes = true_layouts(scenes, known)
    on = cover_of(there, boxes, grid).amax(1, keepdim=True) > ON_THINGS
    print(
        f"{'denoiser, told':16}{'places':12}"
        + "".join(f"{f't {q / 4:.2f}-{(q + 1) / 4:.2f}':>16}" for q in range(4))
    )
    table("the sentence", losses(model, latents, text, None, on))
    if model.dit.config.layout:
        table(
            "and the layout",
            losses(model, latents, text, rasterize(things, there, boxes, known, grid), on),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["diorama"])
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--edition", type=int, choices=(1, 2), default=1)
    args = parser.parse_args()
    torch.set_float32_matmul_precision("medium")
    for name in args.models:
        measure(name, args.clips, args.edition)


if __name__ == "__main__":
    main()
