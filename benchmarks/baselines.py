"""Is a transformer on latents worth it? Against a U-Net on pixels and a GAN: same clips, same
minutes, as many weights.

``python benchmarks/baselines.py --minutes 10 --seeds 3``: each way is trained from nothing for so
many minutes on the same clips and captions of the diorama and the same machine, as often as there
are seeds; then each makes films of the same sentences, which the reader reads. Beside them stand
the true renderings and their round trips.

The transformer's autoencoder was trained before, for 41 minutes: ``--head-start 41`` gives the
others as much more. Rendering and encoding the clips are not counted for anybody. Weights are all
that are trained: each way's text encoder, the GAN's critic, too. What is finished stays in
``--folder``.
"""

import argparse
import functools
import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rivals.gan import GAN
from torch import Tensor, nn

from praxino import recipes
from praxino.data.diorama import Scene, compose, render
from praxino.data.pixels import strip, to_pixels, to_tensor
from praxino.diffusion.guidance import guided
from praxino.diffusion.objective import draw_times
from praxino.diffusion.path import PATHS, grid
from praxino.diffusion.prediction import as_denoiser, target
from praxino.diffusion.sampling import SAMPLERS
from praxino.evaluation import diorama
from praxino.evaluation.frechet import caveats, distances
from praxino.evaluation.readers import read_reader
from praxino.evaluation.suite import Case, cases
from praxino.models.precision import fastest
from praxino.models.reader import Reader
from praxino.models.text import TextEncoder
from praxino.models.unet import UNet, UNetConfig
from praxino.storage.media.video import write_picture
from praxino.storage.weights import bundle
from praxino.training.captions import draw_caption
from praxino.training.diffusion import Diffusion, DiffusionConfig
from praxino.training.optimizer import EMA, OptimizerConfig, make_optimizer
from praxino.training.runs import TrainConfig
from praxino.training.sources import NOTHING, Workplace
from praxino.training.stages import build

FLOW = PATHS["flow"]()
STEPS, GUIDANCE = 20, 3.0


def _first_film(way: Any, scene: Any, said: str, seed: int) -> Any:
    return way.films([said], torch.Generator().manual_seed(seed))[0]


def stage_config(count: int) -> TrainConfig:
    """The bundled model's recipe, for films from sentences alone."""
    plain = (
        "stage.pictures=0",
        "stage.tasks.frames=0.0",
        "stage.tasks.box=0.0",
        "stage.tasks.border=0.0",
    )
    return recipes.recipe("diorama-64", [f"stage.clips={count}", *plain])


@dataclass
class World:
    """The clips that everybody learns from, rendered once; their wording is new at every step."""

    clips: NDArray[np.uint8]
    scenes: list[Scene]
    config: DiffusionConfig

    def draw(self, seed: int, step: int, count: int) -> tuple[Tensor, list[str]]:
        rng = np.random.default_rng([seed, step])
        chosen = rng.integers(len(self.clips), size=count)
        mix, world_seed = self.config.captions, self.config.seed
        said = [
            draw_caption(mix, self.scenes[i], world_seed, step * count + k, rng)
            for k, i in enumerate(chosen)
        ]
        return to_tensor(self.clips[chosen]), said


def world(folder: Path, count: int) -> World:
    path = folder / f"clips-{count}.npy"
    scenes = [compose(0, i) for i in range(count)]
    if not path.exists():
        begun = path.with_suffix(".part")
        kept = np.lib.format.open_memmap(begun, "w+", np.uint8, (count, 17, 64, 64, 3))
        for i, scene in enumerate(scenes):
            kept[i] = render(scene, 64, 64)
        begun.rename(path)
    config = stage_config(count).stage
    assert isinstance(config, DiffusionConfig)
    return World(np.load(path, mmap_mode="r"), scenes, config)


class Diffuser:
    """Trains a denoiser by ``loss`` with the optimiser of the bundled model, its rate falling to 0
    with the time.
    """

    def __init__(self, module: nn.Module, loss: Callable[[int], Tensor]) -> None:
        self.module, self.loss = module, loss
        self.config = OptimizerConfig(lr=3e-3, warmup=20)
        self.rule = make_optimizer(module, self.config)
        self.ema = EMA(list(module.parameters()), 0.99)

    def step(self, number: int, spent: float) -> float:
        for group in self.rule.param_groups:
            group["lr"] = self.config.lr * min(1.0, (number + 1) / self.config.warmup) * (1 - spent)
        with torch.autocast("cpu", torch.bfloat16, enabled=fastest() == "bfloat16"):
            loss = self.loss(number)
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.rule.step()
        self.rule.zero_grad()
        self.ema.update(number)
        return loss.item()

    def finish(self) -> None:
        self.ema.swap()


def sampled(network: nn.Module, text: Tensor, empty: Tensor, noise: Tensor) -> Tensor:
    """Guided sampling of any network that is called as the DiT is."""

    def denoiser(said: Tensor) -> Any:
        return as_denoiser(
            lambda x, t: network(x, t.to(x).expand(len(x), 1), said).float(), FLOW, "velocity"
        )

    model = guided(denoiser(text), denoiser(empty.expand_as(text)), GUIDANCE)
    *_, last = SAMPLERS["unipc"](model, noise, grid(STEPS), FLOW)
    return last.x


class Latent:
    """Ours: a diffusion transformer on latents."""

    batch = 64

    def __init__(self, data: World, folder: Path, seed: int) -> None:
        stage = build(stage_config(len(data.clips)).stage, NOTHING, Workplace(cache=folder))
        assert isinstance(stage, Diffusion)
        self.stage = stage
        torch.manual_seed(seed)
        stage.dit.load_state_dict(type(stage.dit)(stage.dit.config).state_dict())
        stage.text.load_state_dict(TextEncoder(stage.text.config).state_dict())
        first = 100_000 * seed  # of the endless shuffled sequence
        self.learner = Diffuser(
            stage.module, lambda n: stage.loss(stage.batch(first + n), _generator(seed, n))[0]
        )

    def films(self, said: list[str], generator: torch.Generator) -> NDArray[np.uint8]:
        text, empty = self.stage.text.encode(said), self.stage.text.encode([""])
        noise = torch.randn((len(said), 16, 5, 8, 8), generator=generator)
        return to_pixels(self.stage.vae.decode(sampled(self.stage.dit, text, empty, noise)))


class Pixel:
    """A U-Net over space and time that denoises pixels."""

    batch = 8

    def __init__(self, data: World, folder: Path, seed: int) -> None:
        torch.manual_seed(seed)
        self.unet, self.text = (
            UNet(UNetConfig(widths=(32, 96, 224), blocks=2)),
            TextEncoder(data.config.text),
        )
        module = nn.ModuleDict({"unet": self.unet, "text": self.text})

        def loss(number: int) -> Tensor:
            x0, said = data.draw(seed, number, self.batch)
            generator = _generator(seed, number)
            t, eps = (
                draw_times(self.batch, generator, "logit-normal", 1.5),
                torch.randn(x0.shape, generator=generator),
            )
            alpha, sigma = (part.view(-1, 1, 1, 1, 1) for part in (FLOW.alpha(t), FLOW.sigma(t)))
            out = self.unet(alpha * x0 + sigma * eps, t[:, None], self.text.encode(said))
            return F.mse_loss(out.float(), target(x0, eps, alpha, sigma, "velocity"))

        self.learner = Diffuser(module, loss)

    def films(self, said: list[str], generator: torch.Generator) -> NDArray[np.uint8]:
        text, empty = self.text.encode(said), self.text.encode([""])
        noise = torch.randn((len(said), 3, 17, 64, 64), generator=generator)
        return to_pixels(sampled(self.unet, text, empty, noise))


class Adversarial:
    """A generator and a critic."""

    batch = 8

    def __init__(self, data: World, folder: Path, seed: int) -> None:
        torch.manual_seed(seed)
        self.learner = GAN(
            TextEncoder(data.config.text),
            lambda n: data.draw(seed, n, self.batch),
            lambda n: _generator(seed, n),
        )

    def films(self, said: list[str], generator: torch.Generator) -> NDArray[np.uint8]:
        return to_pixels(self.learner.made(said, generator))


WAYS: dict[str, type[Latent | Pixel | Adversarial]] = {
    "transformer on latents": Latent,
    "U-Net on pixels": Pixel,
    "GAN": Adversarial,
}


def _generator(seed: int, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(1_000_003 * seed + number)


def trained(way: Latent | Pixel | Adversarial, minutes: float) -> dict[str, Any]:
    """Train until the time is over; how many steps that were, and how it ended."""
    started, number, bad, losses = time.perf_counter(), 0, 0, []
    while (spent := (time.perf_counter() - started) / 60 / minutes) < 1:
        loss = way.learner.step(number, spent)
        number, bad = number + 1, bad + (not math.isfinite(loss))
        losses.append(loss)
    way.learner.finish()
    weights = sum(p.numel() for p in way.learner.module.parameters()) / 1e6
    loss = float(np.mean(losses[-20:]))
    return {
        "steps": number,
        "clips": number * way.batch,
        "not finite": bad,
        "loss": loss,
        "weights (M)": weights,
    }


Film = NDArray[np.uint8]
SHOWN = ("attributes", "kind", "colour", "motion", "binding", "count", "presence", "popping")


def asked(samples: int) -> list[Case]:
    return [case for case in cases("diorama", 2 * samples) if case.part == "train"][:samples]


@torch.inference_mode()
def judged(
    make: Callable[[Scene, str, int], Film], chosen: list[Case], sheet: Path
) -> dict[str, float]:
    """Films of the chosen cases: how far from true renderings of other such scenes, and what the
    reader reads.
    """
    reader = read_reader()
    scores: dict[str, list[float]] = {name: [] for name in SHOWN}
    features, strips, seconds = [], [], []
    for case in chosen:
        scene = case.scene(17, 1.0, 8.0)
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=fastest() == "bfloat16"):
            film = make(scene, case.prompt(scene), case.index)
        seconds.append(time.perf_counter() - started)
        clip = to_tensor(film[None])
        features.append(reader.features(clip).double().numpy())
        found = diorama.scores(film, scene, reader.read(clip)[0])
        for name in SHOWN:
            scores[name] += [found[name]] if name in found else []
        if len(strips) < 8:
            strips.append(strip(film))
    write_picture(sheet, np.concatenate(strips))
    far = distances(_others(chosen, reader), features)
    return {
        **{
            name: far.get(name, math.nan)
            for name in ("frechet", "kernel x 1000", "coverage", "density")
        },
        **{name: float(np.mean(each)) if each else math.nan for name, each in scores.items()},
        "seconds a film": float(np.median(seconds)),
    }


def _others(chosen: list[Case], reader: Reader) -> list[NDArray[np.float64]]:
    scenes = (case.scene(17, 1.0, 8.0, other=True) for case in chosen)
    return [
        reader.features(to_tensor(render(scene, 64, 64)[None])).double().numpy() for scene in scenes
    ]


def ceilings(chosen: list[Case], folder: Path) -> Iterator[dict[str, Any]]:
    """What true renderings get, and their round trips through the transformer's autoencoder."""
    vae = bundle.read_vae(bundle.BUNDLED / "diorama")

    def trip(scene: Scene, said: str, seed: int) -> Film:
        return to_pixels(vae.decode(vae.encode(to_tensor(render(scene, 64, 64)[None]))))[0]

    yield {"way": "autoencoder"} | judged(trip, chosen, folder / "autoencoder.png")
    yield {"way": "truth"} | judged(
        lambda scene, said, seed: render(scene, 64, 64), chosen, folder / "truth.png"
    )


def runs(
    folder: Path, minutes: float, head_start: float, seeds: int, data: World, chosen: list[Case]
) -> Iterator[Any]:
    for seed in range(seeds):
        for name, make in WAYS.items():
            path = folder / f"{make.__name__.lower()}-{seed}.json"
            if not path.exists():
                way = make(data, folder, seed)
                found = {"way": name, "seed": seed}
                found |= trained(way, minutes + (0 if make is Latent else head_start))
                films = functools.partial(_first_film, way)
                found |= judged(films, chosen, path.with_suffix(".png"))
                path.write_text(json.dumps(found, indent=1) + "\n")
            yield json.loads(path.read_text())
            print(f"{name}, seed {seed}: done", flush=True)


def same_terms(folder: Path, terms: dict[str, Any]) -> None:
    """Results of other terms must not be mixed with these."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "terms.json"
    if path.exists() and json.loads(path.read_text()) != terms:
        raise SystemExit(
            f"{folder} holds results of {path.read_text().strip()}: --folder names another"
        )
    path.write_text(json.dumps(terms) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--clips", type=int, default=8192)
    parser.add_argument("--folder", type=Path, default=Path("runs/baselines"))
    parser.add_argument(
        "--head-start",
        type=float,
        default=0,
        help="minutes more for the ways without an autoencoder",
    )
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    same_terms(folder, given)
    chosen, data = asked(given["samples"]), world(folder, given["clips"])
    found = list(runs(folder, given["minutes"], given["head_start"], given["seeds"], data, chosen))
    found += ceilings(chosen, folder)
    print(
        f"\n{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"bfloat16"
    )
    print(
        ", ".join(f"{name} {value:g}" for name, value in given.items())
        + "; mean (spread) of the seeds"
    )
    print("before: the transformer's autoencoder, 4.7 M weights more, 41 minutes")
    names = [*WAYS, "autoencoder", "truth"]
    print(f"{'':16}" + "".join(f"{name:>24}" for name in names))
    for key in [key for key in found[0] if key not in ("way", "seed")]:
        cells = [
            _cell([each[key] for each in found if each["way"] == name and key in each])
            for name in names
        ]
        print(f"{key:16}" + "".join(f"{cell:>24}" for cell in cells))
    for note in caveats(given["samples"], 256):
        print(note)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{np.mean(values):.4g}" + (f" ({np.std(values):.2g})" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
