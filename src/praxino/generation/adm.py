"""Pictures by the U-Net of 2021, guided by a classifier, or by CLIP as in the notebooks of that
year.

It draws one picture at a time, in pixels, and knows no words: a sentence reaches it through the
gradient of CLIP, a class by its number.
"""

import functools
import hashlib
import secrets
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from torch import Tensor

from praxino.config import Config
from praxino.data.pixels import resized, to_pixels, to_tensor
from praxino.diffusion.clip_guidance import PromptLoss, at_x0, parse_prompts, through
from praxino.diffusion.gradient_guidance import classifier_gradient
from praxino.diffusion.sampling import SamplerName, State
from praxino.errors import CheckpointError, GenerationError, InputError, ShapeError
from praxino.generation.images import GivenImage, load_images
from praxino.generation.loading import choose_device
from praxino.generation.progress import Progress
from praxino.generation.respaced import STEPS, Guide, RespacedModel, respaced_model
from praxino.models.clip import CLIP
from praxino.provenance.policy import STANDARD, Ingredient, Provenance
from praxino.storage.media.video import Video
from praxino.storage.weights import adm
from praxino.storage.weights.lazy import StoredModule

CLIP_SCALE: Final = 1000.0
"""How strongly CLIP guides in the notebook, where nothing is asked for."""
RECOMPUTE_FROM: Final = 10**8
"""Parameters from which on a gradient through the network computes its rows again."""
CUTS_SEED: Final = 1
"""What is added to the seed of the noise for that of the cutouts."""
DIGITS: Final = 12
CLIP_SETTINGS: Final = ("cuts", "cut_power", "smoothness", "bounds", "gradient")
Frames: TypeAlias = NDArray[np.uint8]
_Parts = tuple[adm.PublishedADM, StoredModule[Any]]


class PictureRequest(Config):
    """What an `ADMPipeline` is asked for; None: what is usual for the model."""

    prompt: str = Field("", description="sentences, with weights: a red ball | blur:-0.5")
    seed: int = Field(ge=0, lt=2**63 - 1)
    steps: int = Field(250, ge=2, le=STEPS)
    sampler: SamplerName = "ddpm"
    guidance: float | None = Field(None, ge=0, description="scale of the gradient")
    label: int | None = Field(None, ge=0, description="class, from 0 on")
    width: int | None = Field(None, gt=0)
    height: int | None = Field(None, gt=0)
    cuts: int = Field(16, gt=0, le=256, description="squares of the picture that CLIP sees a step")
    cut_power: float = Field(1.0, gt=0, description="above 1: small squares are more frequent")
    smoothness: float = Field(150.0, ge=0, description="scale of the total variation")
    bounds: float = Field(50.0, ge=0, description="scale of what lies out of range")
    gradient: Literal["network", "estimate"] = Field(
        "network", description="where CLIP's is taken: through the network, or at its estimate"
    )
    image: str | None = Field(None, description="file of a picture to begin with")
    skip: int = Field(0, ge=0, description="steps that are left out where a picture is given")


@dataclass(eq=False)
class ADMPipeline:
    """A published model, and what guides it.

    Parameters
    ----------
    path : Path
        Its checkpoint.
    classifier, upsampler : Path, optional
        Other checkpoints: what wants a class, and what makes the picture larger.
    clip : CLIP, optional
        Reads the sentence, and sees how well the picture fits it.
    device : str
        "cpu", "cuda", "mps", or "auto": the fastest there is.
    """

    path: Path
    classifier: Path | None = None
    upsampler: Path | None = None
    clip: CLIP | None = None
    device: str = "auto"
    _networks: dict[Path, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._device = choose_device(self.device)
        self.published, self._part = _read(self.path, "model")
        self._classifier = _read(self.classifier, "classifier") if self.classifier else None
        self._upsampler = _read(self.upsampler, "upsampler") if self.upsampler else None
        size = self.published.config.size
        if self._classifier and self._classifier[0].config.size != size:
            raise InputError(
                f"{self.classifier} sees {self._classifier[0].config.size} pixels a side, the "
                f"model draws {size}",
                "the classifier of the model's size",
            )
        if self._upsampler and self._upsampler[0].small != size:
            raise InputError(
                f"{self.upsampler} enlarges pictures of {self._upsampler[0].small} pixels, the "
                f"model draws {size}",
                "64_256_upsampler.pt for the model of 64 pixels",
            )
        if self.clip and self.classifier:
            raise InputError("a sentence and a classifier: one of them guides", "leave one out")

    @functools.cached_property
    def digests(self) -> dict[str, str]:
        """Twelve hexadecimal digits that name the weights of all that draws, by its role; reads
        them whole.
        """
        files = {"model": self.path, "classifier": self.classifier, "upsampler": self.upsampler}
        digests = {role: _digest(path) for role, path in files.items() if path}
        if self.clip is not None:
            total = hashlib.sha256()
            for _, tensor in sorted(self.clip.state_dict().items()):
                total.update(tensor.cpu().contiguous().numpy().tobytes())
            digests["clip"] = total.hexdigest()[:DIGITS]
        return digests

    def request(self, **settings: Any) -> PictureRequest:
        """A complete request.

        Raises
        ------
        InputError
            For what cannot be drawn, or what nothing here understands.
        """
        settings = {name: value for name, value in settings.items() if value is not None}
        try:
            request = PictureRequest(**{"seed": secrets.randbelow(2**31)} | settings)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise InputError(f"{name}={first['input']}: {first['msg']}", "", name) from None
        config, name = self.published.config, self.published.name
        if self.clip is not None:
            parse_prompts(request.prompt)
        elif request.prompt:
            raise InputError(f"{name} knows no words", "--clip FOLDER reads the sentence for it")
        self._require_label(request)
        size = request.width or config.size, request.height or config.size
        if any(side % config.stride for side in size):
            raise ShapeError(
                f"{size[0]}x{size[1]}: must be multiples of {config.stride}",
                f"{config.size}x{config.size}",
            )
        if self._classifier and set(size) != {config.size}:
            raise InputError(
                f"{size[0]}x{size[1]}: a classifier sees one size alone",
                f"{config.size}x{config.size}",
            )
        if bool(request.skip) != bool(request.image) or request.skip >= request.steps:
            raise InputError(
                f"skip {request.skip} of {request.steps} steps: some are left out, where a picture "
                "is given",
                "--image FILE --skip 100",
            )
        self._require_effect(settings)
        usual = CLIP_SCALE if self.clip else self.published.classifier_scale
        guidance = usual if request.guidance is None else request.guidance
        guidance = guidance if self.clip or self._classifier else 0.0
        update = {"width": size[0], "height": size[1], "guidance": guidance}
        return request.model_copy(update=update)

    def _require_effect(self, settings: dict[str, Any]) -> None:
        """Raise `InputError` for settings of a guide that is not there."""
        for name in CLIP_SETTINGS:
            if name in settings and self.clip is None:
                raise InputError(f"{name}: nothing reads a sentence", "--clip FOLDER", name)
        if settings.get("guidance") and not (self.clip or self._classifier):
            hint = "--clip FOLDER, or --classifier FILE"
            raise InputError("guidance: nothing guides the model", hint, "guidance")

    def _require_label(self, request: PictureRequest) -> None:
        config = self.published.config
        guided = self._classifier[0].config.outputs if self._classifier else 0
        enlarged = self._upsampler[0].config.classes if self._upsampler else 0
        classes = config.classes or guided or enlarged
        if request.label is None and classes:
            raise InputError(f"{self.published.name} draws one of {classes} classes", "--label 207")
        if request.label is not None and request.label >= classes:
            choice = f"classes are 0 to {classes - 1}" if classes else "it knows no classes"
            raise InputError(
                f"label {request.label}: {choice}", "none" if not classes else "--label 207"
            )

    def run(
        self, request: PictureRequest, provenance: Provenance | None = STANDARD
    ) -> Generator[Progress, None, None]:
        """Draw a picture: `Progress` after every step, the last one with the picture, a film of one
        frame.
        """
        if provenance is not None:
            provenance.require_ready()
        images = load_images([request.image])
        total = request.steps - request.skip + (request.steps if self._upsampler else 0)
        finish = functools.partial(self._finished, request, provenance, images)
        preview = functools.partial(self._preview, request, provenance)
        x = torch.empty(0)
        for step, state in enumerate(self._states(request, images), 1):
            x, x0 = state.x, state.x0
            if not (bool(x.isfinite().all()) and bool(x0.isfinite().all())):
                raise GenerationError(
                    f"step {step}: the picture is no number any more",
                    "a smaller --guidance, or more --steps",
                )
            if step < total:
                look, kept = functools.partial(preview, x0), functools.partial(finish, x0, step)
                yield Progress(step, total, x0, None, look, kept)
        video = finish(x)
        yield Progress(total, total, x, video, lambda: video.frames, lambda: video)

    @torch.no_grad()
    def _states(self, request: PictureRequest, images: list[GivenImage]) -> Iterator[State]:
        """States of the model, then of the upsampler."""
        assert request.height is not None
        assert request.width is not None
        height, width = request.height, request.width
        generator = torch.Generator().manual_seed(request.seed)
        model = self._model(self.published, self._part, request)
        x, first = torch.randn(1, 3, height, width, generator=generator), None
        if images:
            first = request.steps - request.skip
            begun = to_tensor(resized(images[0].pixels[None], height, width)[None])[:, :, 0]
            x = model.chain.noised(begun, torch.tensor([first]), x)
        state: State | None = None
        guide, graph = self._guide(request), request.gradient == "network" and self.clip is not None
        x = x.to(self._device)
        for state in model.sample(x, request.sampler, generator, guide, first, graph):
            yield state
        if self._upsampler:
            assert state is not None
            published, part = self._upsampler
            times = published.config.size // self.published.config.size
            model = self._model(published, part, request, small=state.x.clamp(-1, 1))
            x = torch.randn(1, 3, times * height, times * width, generator=generator)
            yield from model.sample(x.to(self._device), request.sampler, generator)

    def _model(
        self,
        published: adm.PublishedADM,
        part: StoredModule[Any],
        request: PictureRequest,
        **more: Tensor,
    ) -> RespacedModel:
        network = self._network(part)
        network.recompute = part.parameters >= RECOMPUTE_FROM
        takes_class = published.config.classes and request.label is not None
        classes = torch.tensor([request.label]).to(self._device) if takes_class else None
        # a gradient through the network would end where an estimate is clamped
        traced = self.clip is not None and request.gradient == "network"
        clamp = not traced or published is not self.published
        return respaced_model(
            network, published.schedule, request.steps, request.sampler,
            classes=classes, clamp=clamp, **more,
        )  # fmt: skip

    def _network(self, part: StoredModule[Any]) -> Any:
        """A network on the device; it stays in memory for the pictures that follow."""
        if part.weights.source not in self._networks:
            self._networks[part.weights.source] = part.load(torch.float32).to(self._device)
        return self._networks[part.weights.source]

    def _guide(self, request: PictureRequest) -> Guide | None:
        if not request.guidance:
            return None
        scale = request.guidance
        if self.clip is not None:
            clip = self.clip.to(self._device)
            sentences, weights = zip(*parse_prompts(request.prompt), strict=True)
            loss = PromptLoss(
                clip.embed_images,
                clip.side,
                clip.embed_text(sentences),
                weights,
                torch.Generator().manual_seed(request.seed + CUTS_SEED),
                scale,
                request.smoothness,
                request.bounds,
                request.cuts,
                request.cut_power,
            )
            if request.gradient == "estimate":
                return lambda model, traced: at_x0(traced, loss)
            return lambda model, traced: through(traced, loss, model.sigma)
        if self._classifier:
            classifier = self._network(self._classifier[1])
            classes = torch.tensor([request.label]).to(self._device)
            return lambda model, traced: classifier_gradient(
                lambda x, at: classifier(x, model.index(x, at)), classes, scale
            )
        return None

    def _record(self, request: PictureRequest) -> dict[str, Any]:
        made_by = {"generator": "praxino", "version": version("praxino")}
        digests = self.digests
        model = {"model": self.published.name, "digest": digests["model"], "dtype": "float32"}
        return made_by | model | {"parts": digests} | request.model_dump()

    def _preview(
        self, request: PictureRequest, provenance: Provenance | None, x0: Tensor
    ) -> Frames:
        video = Video(to_pixels(x0.unsqueeze(2))[0], 1.0, self._record(request))
        return video.frames if provenance is None else provenance.mark(video).frames

    def _finished(
        self,
        request: PictureRequest,
        provenance: Provenance | None,
        images: list[GivenImage],
        x0: Tensor,
        stopped: int | None = None,
    ) -> Video:
        more = {} if stopped is None else {"stopped": stopped}
        video = Video(to_pixels(x0.unsqueeze(2))[0], 1.0, self._record(request) | more)
        if provenance is None:
            return video
        ingredients = [
            Ingredient(PurePath(one.name).name, one.content) for one in images if one.content
        ]
        return provenance.sign(provenance.mark(video), ingredients)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def _read(path: Path, role: adm.Role) -> _Parts:
    published, part = adm.read(path)
    if published.role != role:
        raise CheckpointError(f"{path} is {published.name}, a {published.role}", f"a {role}")
    return published, part
