"""A whole film with less work: what does each switch save, and what does it cost in quality?

``python benchmarks/caching.py``: films of the bundled model, 50 guided steps of Euler's method, the
same sentences and noise for each row, with diffusers beside it (the same weights in
`WanTransformer3DModel` and `AutoencoderKLWan`, its first-block cache at three thresholds). Seconds
are medians over the films, of text, steps and decoding; PSNR is that to the side's own exact film.
"""

import argparse
import math
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray

import praxino
from generation import reference
from praxino.data.pixels import to_pixels
from praxino.generation.denoiser import ConditionedDenoiser

STEPS = 50
Film = NDArray[np.uint8]
SWITCHES: dict[str, dict[str, object]] = {
    "exact": {},
    "--cache 0.05": {"cache": 0.05},
    "--cache 0.1": {"cache": 0.1},
    "--cache 0.15": {"cache": 0.15},
    "--cache 0.2": {"cache": 0.2},
    "--cache 0.25": {"cache": 0.25},
    "--cache 0.3": {"cache": 0.3},
    "--interval 0.2,1": {"interval": (0.2, 1.0)},
    "--interval 0.2,1 --cache 0.1": {"interval": (0.2, 1.0), "cache": 0.1},
    "--steps 20": {"steps": 20},
    "--steps 8 (student)": {"steps": 8, "sampler": "flow-map"},
    "--steps 4 (student)": {"steps": 4, "sampler": "flow-map"},
    "--steps 1 (student)": {"steps": 1, "sampler": "flow-map"},
}
SENTENCES = (
    "a red ball bounces on the grass",
    "a dog runs across the park at sunset",
    "a blue car drives past a house in the rain",
    "a bird flies over the sea",
    "a yellow box falls on the grass and a person walks",
    "a green boat sails at night",
    "a big ball rolls across the park",
    "a small cat walks in the snow",
)


def psnr(film: Film, exact: Film) -> float:
    error = ((film.astype(float) - exact) ** 2).mean()
    return 10 * math.log10(255**2 / error) if error else math.inf


def films(make: Callable[[str, int], Film], count: int) -> tuple[list[Film], float]:
    """The film of each sentence, and the median of their seconds."""
    made, seconds = [], []
    for number in range(count):
        start = time.perf_counter()
        made.append(make(SENTENCES[number % len(SENTENCES)], number))
        seconds.append(time.perf_counter() - start)
    return made, statistics.median(seconds)


def theirs(pipeline: praxino.Pipeline, threshold: float | None) -> Callable[[str, int], Film]:
    """diffusers' networks in the loop of its WanPipeline."""
    import diffusers

    transformer, autoencoder = reference(pipeline)
    if threshold is not None:
        transformer.enable_cache(diffusers.FirstBlockCacheConfig(threshold=threshold))

    def make(sentence: str, seed: int) -> Film:
        request = pipeline.request(sentence, seed=seed)
        x = pipeline.noise(request, torch.Generator().manual_seed(seed))
        texts = dict(zip(("cond", "uncond"), pipeline.text([sentence, ""]).split(1), strict=True))
        scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
        scheduler.set_timesteps(STEPS)
        if threshold is not None:
            transformer._reset_stateful_cache()
        for t in scheduler.timesteps:
            said = {}
            for name, text in texts.items():
                with transformer.cache_context(name):
                    said[name] = transformer(x, t.expand(1), text, return_dict=False)[0]
            out = said["uncond"] + request.guidance * (said["cond"] - said["uncond"])
            x = scheduler.step(out, t, x, return_dict=False)[0]
        latent = pipeline.model.vae.load(torch.float32).denormalise(x)
        return to_pixels(autoencoder.decode(latent).sample.clamp(-1, 1))[0]

    return make


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=8)
    given = parser.parse_args()
    pipeline = praxino.load("diorama", device="cpu")
    asked = [0]
    plain = ConditionedDenoiser._evaluate

    def counted(
        self: ConditionedDenoiser, x: torch.Tensor, t: torch.Tensor, rows: slice
    ) -> torch.Tensor:
        asked[0] += rows.stop - rows.start
        return plain(self, x, t, rows)

    ConditionedDenoiser._evaluate = counted  # type: ignore[method-assign]
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, "
        f"diffusers {version('diffusers')}, {given.films} films, {STEPS} steps"
    )
    print(f"{'':<34}{'s':>7}{'ratio':>7}{'evaluations':>13}{'PSNR, median':>14}{'least':>7}")
    rows: dict[str, Callable[[str, int], Film]] = {
        name: (lambda sentence, seed, extra=extra: pipeline.generate(
            sentence, seed=seed, **{"steps": STEPS, "sampler": "euler"} | extra).frames)
        for name, extra in SWITCHES.items()
    }  # fmt: skip
    rows |= {"diffusers": theirs(pipeline, None)}
    rows |= {f"diffusers, first-block cache {x:g}": theirs(pipeline, x) for x in (0.05, 0.1, 0.2)}
    exact: list[Film] = []
    first = 0.0
    for name, make in rows.items():
        make(SENTENCES[0], 0)  # warm
        asked[0] = 0
        made, seconds = films(make, given.films)
        if name in ("exact", "diffusers"):
            exact = made
        first = first or seconds
        quality = sorted(psnr(*pair) for pair in zip(made, exact, strict=True))
        evaluations = f"{asked[0] / given.films:.0f}" if asked[0] else ""
        middle = statistics.median(quality)
        print(
            f"{name:<34}{seconds:>7.2f}{first / seconds:>7.2f}{evaluations:>13}"
            f"{middle:>14.1f}{quality[0]:>7.1f}"
        )


if __name__ == "__main__":
    main()
