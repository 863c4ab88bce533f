"""Is a transformer on latents worth it? Against a U-Net on pixels and a GAN: same clips, same minutes, as many weights.

``python benchmarks/baselines.py --minutes 10 --seeds 3``: each way is trained from nothing for so many minutes on the
same clips of the diorama and the same machine, as often as there are seeds; then each makes films of the same
sentences, which the reader reads. The transformer's autoencoder was trained before (the table says so); rendering and
encoding the clips are not counted for anybody. What is finished stays in ``--folder`` and is not done again.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rivals.gan import GAN
from torch import Tensor, nn

from praxino import recipes
from praxino.data.clips import strip, to_pixels, to_tensor
from praxino.data.diorama import caption, compose, render
from praxino.data.diorama.split import UNSEEN
from praxino.diffusion.guidance import guided
from praxino.diffusion.objective import as_denoiser, draw_times, target
from praxino.diffusion.path import PATHS, grid
from praxino.diffusion.sampling import SAMPLERS
from praxino.evaluation import diorama
from praxino.evaluation.frechet import distances
from praxino.evaluation.suite import cases
from praxino.models.text import TextEncoder
from praxino.models.unet import UNet, UNetConfig
from praxino.storage import bundle
from praxino.storage.video import write_picture
from praxino.training.diffusion import Diffusion, DiffusionConfig
from praxino.training.optimizer import EMA, OptimizerConfig, make_optimizer

FLOW = PATHS["flow"]()
STEPS, GUIDANCE = 20, 3.0


@dataclass
class World:
    """The clips that everybody learns from, rendered once."""

    clips: NDArray[np.uint8]
    sentences: list[list[str]]

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, list[str]]:
        chosen = rng.integers(len(self.clips), size=count)
        said = ["" if rng.random() < 0.1 else str(rng.choice(self.sentences[i])) for i in chosen]
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
    said = [caption(scene, 0, 0) for scene in scenes]
    return World(np.load(path, mmap_mode="r"), [[each.tags, each.sentence, each.paragraph] for each in said])


class Diffuser:
    """Trains a denoiser by ``loss`` with the optimiser of the bundled model, its rate falling to 0 with the time."""

    def __init__(self, module: nn.Module, loss: Callable[[int], Tensor]) -> None:
        self.module, self.loss = module, loss
        self.config = OptimizerConfig(lr=3e-3, warmup=20)
        self.rule = make_optimizer(module, self.config)
        self.ema = EMA(list(module.parameters()), 0.99)

    def step(self, number: int, spent: float) -> float:
        for group in self.rule.param_groups:
            group["lr"] = self.config.lr * min(1.0, (number + 1) / self.config.warmup) * (1 - spent)
        with torch.autocast("cpu", torch.bfloat16):
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
        return as_denoiser(lambda x, t: network(x, t.to(x).expand(len(x), 1), said).float(), FLOW, "velocity")

    model = guided(denoiser(text), denoiser(empty.expand_as(text)), GUIDANCE)
    *_, last = SAMPLERS["unipc"](model, noise, grid(STEPS), FLOW)
    return last.x


class Maker(Protocol):
    """What `judged` asks for films."""

    def films(self, said: list[str], generator: torch.Generator) -> NDArray[np.uint8]: ...


class Latent:
    """Ours: a diffusion transformer on latents."""

    batch = 64

    def __init__(self, data: World, folder: Path, seed: int) -> None:
        config = recipes.recipe("diorama-64", [f"stage.clips={len(data.clips)}", "stage.pictures=0"])
        stage = recipes.build(config, cache=folder)
        assert isinstance(stage, Diffusion)
        self.stage = stage
        torch.manual_seed(seed)
        stage.dit.load_state_dict(type(stage.dit)(stage.dit.config).state_dict())
        stage.text.load_state_dict(TextEncoder(stage.text.config).state_dict())
        self.learner = Diffuser(stage.module, lambda n: stage.loss(stage.batch(n), _generator(seed, n))[0])

    def films(self, said: list[str], generator: torch.Generator) -> NDArray[np.uint8]:
        text, empty = self.stage.text.encode(said), self.stage.text.encode([""])
        noise = torch.randn((len(said), 16, 5, 8, 8), generator=generator)
        return to_pixels(self.stage.vae.decode(sampled(self.stage.dit, text, empty, noise)))


class Pixel:
    """A U-Net over space and time that denoises pixels."""

    batch = 8

    def __init__(self, data: World, folder: Path, seed: int) -> None:
        torch.manual_seed(seed)
        self.unet, self.text = UNet(UNetConfig(widths=(32, 96, 224), blocks=2)), _text()
        module = nn.ModuleDict({"unet": self.unet, "text": self.text})

        def loss(number: int) -> Tensor:
            x0, said = data.draw(np.random.default_rng([seed, number]), self.batch)
            generator = _generator(seed, number)
            t, eps = draw_times(self.batch, generator, "logit-normal", 1.5), torch.randn(x0.shape, generator=generator)
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
        draw = lambda number: data.draw(np.random.default_rng([seed, number]), self.batch)  # noqa: E731
        self.learner = GAN(_text(), draw)

    def films(self, said: list[str], generator: torch.Generator) -> NDArray[np.uint8]:
        return to_pixels(self.learner.made(said, generator))


WAYS: dict[str, type[Latent | Pixel | Adversarial]] = {
    "transformer on latents": Latent,
    "U-Net on pixels": Pixel,
    "GAN": Adversarial,
}


def _text() -> TextEncoder:
    config = recipes.recipe("diorama-64").stage
    assert isinstance(config, DiffusionConfig)
    return TextEncoder(config.text)


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
    weights = sum(p.numel() for p in way.learner.module.parameters())
    loss = float(np.mean(losses[-20:]))
    return {"steps": number, "clips": number * way.batch, "not finite": bad, "loss": loss, "weights": weights}


@torch.inference_mode()
def judged(way: Maker, samples: int, true: NDArray[np.float64], sheet: Path) -> dict[str, float]:
    reader = bundle.read_reader()
    scores: dict[str, list[float]] = {}
    features, strips, seconds = [], [], []
    chosen = [case for case in cases("diorama", 2 * samples) if case.part == "train"][:samples]
    for case in chosen:
        scene = case.scene(17, 1.0, 8.0)
        started = time.perf_counter()
        film = way.films([case.prompt(scene)], torch.Generator().manual_seed(case.index))[0]
        seconds.append(time.perf_counter() - started)
        clip = to_tensor(film[None])
        features.append(reader.features(clip)[0].double().numpy())
        for name, value in diorama.scores(film, scene, reader.read(clip)[0]).items():
            scores.setdefault(name, []).append(value)
        if len(strips) < 8:
            strips.append(strip(film))
    write_picture(sheet, np.concatenate(strips))
    far = distances(true, np.stack(features))
    asked = ("attributes", "kind", "colour", "motion", "binding", "count", "popping")
    return {
        **{name: far[name] for name in ("frechet", "kernel x 1000", "coverage", "density")},
        **{name: float(np.mean(scores[name])) for name in asked},
        "seconds a film": float(np.median(seconds)),
    }


@torch.inference_mode()
def truth(count: int) -> NDArray[np.float64]:
    reader = bundle.read_reader()
    clips = (to_tensor(render(compose(0, UNSEEN + 500_000 + i), 64, 64)[None]) for i in range(count))
    return torch.cat([reader.features(clip) for clip in clips]).double().numpy()


def runs(folder: Path, minutes: float, seeds: int, samples: int, clips: int) -> Iterator[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    data, true = world(folder, clips), truth(2 * samples)
    for seed in range(seeds):
        for name, make in WAYS.items():
            path = folder / f"{make.__name__.lower()}-{minutes:g}-{seed}.json"
            if not path.exists():
                way = make(data, folder, seed)
                found = {"way": name, "seed": seed} | trained(way, minutes)
                found |= judged(way, samples, true, path.with_suffix(".png"))
                path.write_text(json.dumps(found, indent=1) + "\n")
            yield json.loads(path.read_text())
            print(f"{name}, seed {seed}: done", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=320)
    parser.add_argument("--clips", type=int, default=8192)
    parser.add_argument("--folder", type=Path, default=Path("runs/baselines"))
    asked = parser.parse_args()
    found = list(runs(asked.folder, asked.minutes, asked.seeds, asked.samples, asked.clips))
    print(
        f"\n{asked.minutes:g} minutes, {asked.clips} clips, {asked.samples} films, mean (spread) of {asked.seeds} seeds"
    )
    print(f"bfloat16, {torch.get_num_threads()} threads. The transformer's autoencoder (4.7 M) was trained before.")
    print(f"{'':16}" + "".join(f"{name:>26}" for name in WAYS))
    for key in [key for key in found[0] if key not in ("way", "seed")]:
        cells = []
        for name in WAYS:
            values = [each[key] for each in found if each["way"] == name]
            cells.append(f"{np.mean(values):.4g} ({np.std(values):.2g})")
        print(f"{key:16}" + "".join(f"{cell:>26}" for cell in cells))


if __name__ == "__main__":
    main()
