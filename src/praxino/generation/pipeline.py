"""A prompt becomes a film: text, sampling, decoding."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.clips import to_pixels
from praxino.diffusion.guidance import guided
from praxino.diffusion.objective import as_denoiser
from praxino.diffusion.path import PATHS, grid
from praxino.diffusion.sampling import SAMPLERS, STOCHASTIC, Denoiser
from praxino.errors import CheckpointError, InputError, UnknownNameError
from praxino.generation.request import Request, Settings, complete
from praxino.log import logger
from praxino.models.dit import Context
from praxino.models.text import TextModel
from praxino.storage import bundle
from praxino.storage.bundle import BUNDLED, Bundle
from praxino.storage.video import Video

LARGEST = 128 * 128
"""Latent positions of a frame beyond which it is decoded in tiles: 1024 x 1024 pixels at 8 x 8."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Progress:
    """After one step: how far it is, and the film as the model sees it now. The last one holds the film."""

    step: int
    steps: int
    x0: Tensor
    video: Video | None
    _pipeline: "Pipeline"

    def preview(self) -> NDArray[np.uint8]:
        """The present estimate, decoded: (frames, height, width, 3) uint8."""
        return self.video.frames if self.video else self._pipeline.decode(self.x0)


def load(name: str | Path = "diorama", device: str = "auto", dtype: str = "auto") -> "Pipeline":
    """Load a model: the name of a bundled one, or the path of a folder.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "mps", or "auto": the fastest there is.
    dtype : str
        "float32", "bfloat16", or "auto": bfloat16 where it is faster.

    Raises
    ------
    CheckpointError
        If there is no such model, or it is damaged.
    InputError
        For an unknown device or dtype, or one this machine lacks.
    """
    return Pipeline(bundle.read(find(name)), choose_device(device), dtype)


def find(name: str | Path) -> Path:
    """The folder of a model by name or path."""
    if str(name) and str(name) == Path(name).name and (BUNDLED / name).is_dir():
        return BUNDLED / name  # even where a folder here has the same name: that one is ./NAME
    if str(name) and Path(name).is_dir():
        return Path(name)
    raise CheckpointError(
        f"no model {str(name)!r}", f"a folder, or one of the bundled models: {', '.join(bundle.bundled())}"
    )


def choose_device(name: str) -> torch.device:
    """The device of a name, or the fastest for "auto".

    Raises
    ------
    InputError
        If there is no such device, here or anywhere.
    """
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if have["cuda"] else "mps" if have["mps"] else "cpu")
    if name not in have:
        raise UnknownNameError("device", name, [*have, "auto"])
    if not have[name]:
        raise InputError(f"device {name!r} is not there", "praxino doctor says what this machine has")
    return torch.device(name)


class Pipeline:
    """A loaded model. Make one with `load`."""

    def __init__(self, model: Bundle, device: torch.device, dtype: str = "auto") -> None:
        if dtype not in (*DTYPES, "auto"):
            raise UnknownNameError("dtype", dtype, [*DTYPES, "auto"])
        self.model = model
        self.device = device
        self.dtype = DTYPES[dtype] if dtype != "auto" else torch.bfloat16 if device.type == "cuda" else torch.float32
        self.path = PATHS[model.config.path]()
        self.dit = model.dit.to(device)
        self.encoder: TextModel = model.text.to(device)
        self.vae = model.vae.to(device)

    def generate(self, prompt: str, **settings: Unpack[Settings]) -> Video:
        """Make a film from a sentence.

        Parameters
        ----------
        prompt : str
            What to show. Words the model does not know are logged as a warning with known ones like them.
        **settings
            ``negative`` (str), ``seed`` (0), ``steps``, ``guidance`` (1 is none), ``sampler``, ``frames`` (4k + 1),
            ``height``, ``width`` (pixels) and ``fps``; what is not given is the model's own choice. ``interval``, the
            times (low, high) that are guided, and ``rescale`` as in `guided`.

        Returns
        -------
        Video
            With the record of all settings. Equal settings on one machine give equal frames.

        Raises
        ------
        InputError
            For a setting that cannot be used.
        """
        *_, last = self.stream(prompt, **settings)
        assert last.video is not None
        return last.video

    def stream(self, prompt: str, **settings: Unpack[Settings]) -> Iterator[Progress]:
        """`generate`, step by step: yields `Progress` after each one, with the film in the last."""
        return self.run(self.request(prompt, **settings))

    def request(self, prompt: str, **settings: Unpack[Settings]) -> Request:
        """Check and complete what is asked for, without doing it."""
        compression, patch = self.vae.config.compression, self.dit.config.patch
        request = complete(self.model.config, compression, patch, {"prompt": prompt, **settings})
        for sentence in (request.prompt, request.negative):
            self.encoder.check(sentence)
            for word, near in self.encoder.unknown(sentence).items():
                hint = f" (near: {', '.join(near)})" if near else ""
                logger.warning("note: the model does not know %r%s", word, hint)
        return request

    @torch.inference_mode()
    def run(self, request: Request) -> Iterator[Progress]:
        """Carry out a complete `Request`."""
        text = self.text([request.prompt, request.negative])
        model = self.guided(text, request.guidance, request.interval, request.rescale)
        generator = torch.Generator().manual_seed(request.seed)
        noise = self.noise(request, generator)
        times = grid(request.steps, self.model.config.shift)
        extra = {"generator": generator} if request.sampler in STOCHASTIC else {}
        for state in SAMPLERS[request.sampler](model, noise, times, self.path, **extra):
            video = None
            if state.step == state.steps:
                video = Video(self.decode(state.x), request.fps, self.record(request))
            yield Progress(state.step, state.steps, state.x0, video, self)

    def text(self, sentences: list[str]) -> Tensor:
        """(S, L, D) from S sentences."""
        return self.encoder.encode(sentences)

    def noise(self, request: Request, generator: torch.Generator) -> Tensor:
        """Drawn on the CPU, so that a seed means the same noise on every device."""
        shape = request.shape.latent(self.vae.config.compression, self.dit.config.channels)
        return torch.randn(shape.size(), generator=generator).to(self.device)

    def denoiser(self, text: Tensor) -> Denoiser:
        """(x, t) -> x0 for one ``x`` (1, C, t, h, w) and every encoded sentence (S, L, D): (S, C, t, h, w)."""

        contexts: list[Context] = []  # made when first needed, for all steps

        def model(x: Tensor, t: Tensor) -> Tensor:
            x = x.expand(len(text), -1, -1, -1, -1)
            with self._arithmetic():
                if not contexts:
                    contexts.append(self.dit.context(text))
                return self.dit(x, t.to(x).expand(len(x), 1), contexts[0]).float()

        return as_denoiser(model, self.path, self.model.config.prediction)

    def guided(
        self, text: Tensor, scale: float, interval: tuple[float, float] = (0.0, 1.0), rescale: float = 0.0
    ) -> Denoiser:
        """The denoiser guided from the second sentence of ``text`` (2, L, D) to the first, evaluated as one batch."""
        together = self.denoiser(text)

        def both(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            cond, uncond = together(x, t).split(1)
            return cond, uncond

        return guided(self.denoiser(text[:1]), self.denoiser(text[1:]), scale, interval, rescale, both)

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        """The model's dtype, and the fastest exact products that the processor has."""
        before = torch.get_float32_matmul_precision()
        if self.device.type == "cpu" and _has_exact_onednn():
            torch.set_float32_matmul_precision("medium")
        try:
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                yield
        finally:
            torch.set_float32_matmul_precision(before)

    def decode(self, latent: Tensor) -> NDArray[np.uint8]:
        """(1, C, t, h, w) to (T, H, W, 3) uint8."""
        with torch.inference_mode(), self._arithmetic():
            if math.prod(latent.shape[3:]) > LARGEST:
                clips = self.vae.stream_tiled(latent, tile=64, overlap=16)
            else:
                clips = self.vae.stream(latent, chunk=_chunk(latent))
            parts = [to_pixels(clip)[0] for clip in clips]
        return np.concatenate(parts)

    def record(self, request: Request) -> dict[str, Any]:
        """What remakes the film: the request, the model, the version."""
        import praxino

        made_by = {
            "generator": "praxino",
            "version": praxino.__version__,
            "model": self.model.config.name,
            "digest": self.model.digest,
            "dtype": str(self.dtype).removeprefix("torch."),
        }
        return made_by | request.model_dump()


def _has_exact_onednn() -> bool:
    """Whether oneDNN's float32 products are as exact as the default ones, and twice as fast: on x86 without AMX
    (with it, or on other processors, they may be bfloat16)."""
    x86 = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    return x86 and not torch.cpu._is_amx_tile_supported()


def _chunk(latent: Tensor, positions: int = 4096) -> int:
    """Latent frames to decode at a time, so that memory does not grow with the film."""
    return max(1, positions // math.prod(latent.shape[3:]))
