"""One case of a suite becomes one row: a film of the model, and beside it what the measures say of
better films.

The same scene is judged three times: as the model's film of its caption, as its true rendering sent
through the model's autoencoder (what to expect at best), and as the true rendering itself (what
reader and measures find fault with there is their own fault). Films of further seeds are judged
alone: the other two would be the same again.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from praxino.data.diorama import Scene, render
from praxino.data.pixels import strip, to_pixels, to_tensor
from praxino.evaluation import diorama
from praxino.evaluation.features import Film, as_seen
from praxino.evaluation.motion import motion
from praxino.evaluation.readers import read_reader
from praxino.evaluation.suite import Case, Row
from praxino.models.reader import Reader
from praxino.models.vae import VAE
from praxino.storage.media.video import Video, write_picture
from praxino.storage.weights import bundle, checkpoint
from praxino.storage.weights.bundle import BundleConfig

Maker = Callable[[str, int, int], Video]
"""A prompt, a seed, and of how many films the best is kept, become a film."""


@dataclass(frozen=True)
class Judge:
    """Calling it loads what it needs and returns the judging function; it may be pickled.

    Attributes
    ----------
    films : callable
        Loads the model and returns its `Maker`.
    model, reader : Path
        The model's folder (for the autoencoder and the shape of its films), and the reader's.
    folder : Path
        Receives a strip of frames of every film below ``strips``.
    second_reader : Path, optional
        Scores the model's films once more, as a source of its own.
    best_of : int
        Where above 1, the best of so many films is a source of its own.
    """

    films: Callable[[], Maker]
    model: Path
    reader: Path
    folder: Path
    second_reader: Path | None = None
    best_of: int = 1

    def __call__(self) -> Callable[[Case], Row]:
        config = checkpoint.read_config(self.model, BundleConfig)
        vae, reader = bundle.read_vae(self.model), read_reader(self.reader)
        second = read_reader(self.second_reader) if self.second_reader else None
        return _Bench(self.films(), config, vae, reader, self.folder, second, self.best_of).row


@dataclass(frozen=True)
class _Bench:
    make: Maker
    config: BundleConfig
    vae: VAE
    reader: Reader
    folder: Path
    second: Reader | None
    best_of: int

    def row(self, case: Case) -> Row:
        frames, height, width, fps = (
            getattr(self.config, name) for name in ("frames", "height", "width", "fps")
        )
        scene = case.scene(frames, width / height, fps)
        prompt = case.prompt(scene)
        started = time.perf_counter()
        pixels = self.make(prompt, case.seed, 1).frames
        seconds = time.perf_counter() - started
        true = render(scene, height, width)
        row: Row = {"name": case.name, "part": case.part, "seed": case.seed, "prompt": prompt}
        row |= {"scores": {}, "strips": {}, "features": {}}
        films = (
            {"model": pixels}
            if case.seed
            else {"model": pixels, "autoencoder": self._through(true), "truth": true}
        )
        if self.best_of > 1:
            films[f"best of {self.best_of}"] = self.make(prompt, case.seed, self.best_of).frames
        for source, film in films.items():
            row["scores"][source], row["features"][source] = self._scored(film, scene, fps)
            if self.second is not None:
                row["scores"][f"{source}, 2nd"] = self._read(self.second, film, scene)
            row["strips"][source] = f"strips/{case.name}-{source}.png"
            write_picture(self.folder / row["strips"][source], strip(film, 8))
        others = render(case.scene(frames, width / height, fps, other=True), height, width)
        row["features"]["others"] = self._features(as_seen(others))
        return row | {"seconds": seconds}

    @torch.inference_mode()
    def _through(self, film: Film) -> Film:
        return to_pixels(self.vae.decode(self.vae.encode(to_tensor(film[None]))))[0]

    def _scored(self, film: Film, scene: Scene, fps: float) -> tuple[dict[str, float], list[float]]:
        scores = self._read(self.reader, film, scene) | asdict(motion(film, fps))
        return scores, self._features(as_seen(film))

    @staticmethod
    def _read(reader: Reader, film: Film, scene: Scene) -> dict[str, float]:
        small = as_seen(film)
        return diorama.scores(small, scene, reader.read(to_tensor(small[None]))[0])

    @torch.inference_mode()
    def _features(self, film: Film) -> list[float]:
        return [round(float(value), 5) for value in self.reader.features(to_tensor(film[None]))[0]]
