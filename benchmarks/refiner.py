"""Films made larger and faster by a refiner, beside Lanczos's filter and mean frames.

``python benchmarks/refiner.py MODEL --films 16``: clips that no training shows, as a smaller or
slower film of them comes out of the model's autoencoder; what the refiner makes of these is
compared with the clips themselves, and with what the autoencoder keeps of them, which is the best
there can be. For each way along an axis:

psnr
    To the clip, in dB; of frames in between alone, for twice the rate.
detail
    Energy above a quarter of the sampling rate, over that of the clip.
seam
    Differences across the borders of windows over those elsewhere, over the same of the film that
    was enlarged by a filter, which has no windows.
ghosts
    Twice the rate: mean error, of 255, in the tenth of the pixels where the clip moves most.

At the end the time that a film of the model's usual size takes more, on this machine, beside the
time without.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from numpy.typing import NDArray

import praxino
from praxino.data.diorama import caption
from praxino.data.diorama.split import UNSEEN
from praxino.data.latents import World
from praxino.data.pixels import Axis, enlarged, reduced, to_pixels, to_tensor
from praxino.generation import enhance
from praxino.generation.pipeline import Pipeline
from praxino.provenance.policy import Provenance

Film = NDArray[np.uint8]
PLAIN = Provenance(watermark=False, credentials=False)
SEED = 9001
WINDOW_BORDER = 32
"""Pixels from one border of windows to the next, at twice the size of 64."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--films", type=int, default=16)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    pipeline = praxino.load(options.model, device="cpu", dtype="float32")
    for axis in ("space", "time"):
        print(f"\ntwice the {'size' if axis == 'space' else 'rate'}, {options.films} clips")
        rows = [measured(pipeline, axis, UNSEEN + number) for number in range(options.films)]
        for way in rows[0]:
            means = {name: np.mean([row[way][name] for row in rows]) for name in rows[0][way]}
            print(f"{way:14}" + "".join(f"{name:>8} {mean:6.3f}" for name, mean in means.items()))
    times(pipeline, options.repeat)


def measured(pipeline: Pipeline, axis: Axis, clip: int) -> dict[str, dict[str, float]]:
    """The scores of every way for one clip."""
    size, fps, frames = (128, 8.0, 17) if axis == "space" else (64, 16.0, 33)
    world = World(SEED, frames, size, size, fps, edition=2)
    true = world.pixels(clip, clip + 1)[0]
    small = through(pipeline, reduced(true, axis))
    sentence = caption(world.scene(clip), SEED, 0).sentence
    films = {
        "Lanczos" if axis == "space" else "means": enlarged(small, axis),
        "refiner": refined(pipeline, small, axis, sentence, clip),
        "autoencoder": through(pipeline, true),
    }
    plain = next(iter(films.values()))
    return {way: scores(film, true, plain, axis) for way, film in films.items()}


@torch.inference_mode()
def through(pipeline: Pipeline, film: Film) -> Film:
    vae = pipeline.model.vae.load(torch.float32)
    return to_pixels(vae.decode(vae.encode(to_tensor(film[None]))))[0]


def refined(pipeline: Pipeline, small: Film, axis: Axis, sentence: str, seed: int) -> Film:
    request = pipeline.request(sentence, frames=len(small), seed=seed, enhance=axis)
    return enhance.enlarged_frames(pipeline, request, small, (), lambda: None)


def scores(film: Film, true: Film, plain: Film, axis: Axis) -> dict[str, float]:
    if axis == "time":
        between, real = film[1::2].astype(float), true[1::2].astype(float)
        moving = np.abs(np.diff(true[::2].astype(float), axis=0)).mean(-1)
        there = moving >= np.quantile(moving, 0.9)
        ghosts = float(np.abs(between - real).mean(-1)[there].mean())
        return {"psnr": psnr(between, real), "ghosts": ghosts}
    return {
        "psnr": psnr(film.astype(float), true.astype(float)),
        "detail": detail(film) / detail(true),
        "seam": seam(film) / seam(plain),
    }


def psnr(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / max(((one - other) ** 2).mean(), 1e-9)))


def detail(film: Film) -> float:
    """Energy of a film's luma above a quarter of the sampling rate."""
    luma = film.astype(float) @ [0.299, 0.587, 0.114]
    spectrum = np.abs(np.fft.fft2(luma)) ** 2
    rows, columns = (np.abs(np.fft.fftfreq(side)) for side in luma.shape[1:])
    return float(spectrum[:, np.maximum(rows[:, None], columns) > 0.25].mean())


def seam(film: Film) -> float:
    """Mean difference across the borders of windows, over that across other columns and rows."""
    across = [np.abs(np.diff(film.astype(float), axis=axis)) for axis in (1, 2)]
    borders = np.arange(WINDOW_BORDER, film.shape[1], WINDOW_BORDER) - 1
    others = np.setdiff1d(np.arange(film.shape[1] - 1), borders)
    at = np.mean([across[0][:, borders].mean(), across[1][:, :, borders].mean()])
    return float(at / np.mean([across[0][:, others].mean(), across[1][:, :, others].mean()]))


def times(pipeline: Pipeline, repeat: int) -> None:
    """What the ways of enlarging cost, medians."""
    print(f"\nseconds of a film, medians of {repeat}")
    for way in ("off", "space", "time", "space,time"):
        pipeline.generate("a red ball bounces", PLAIN, enhance=way)
        taken = []
        for _ in range(repeat):
            begun = time.perf_counter()
            pipeline.generate("a red ball bounces", PLAIN, enhance=way)
            taken.append(time.perf_counter() - begun)
        print(f"{way:12} {statistics.median(taken):6.2f}")


if __name__ == "__main__":
    main()
