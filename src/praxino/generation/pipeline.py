"""A prompt becomes a film: text, sampling, decoding."""

import functools
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.cards import FLOW_MAP, ModelCard
from praxino.data.pixels import to_pixels
from praxino.diffusion.path import PATHS, grid
from praxino.diffusion.sampling import SAMPLERS, STOCHASTIC, State, flow_map
from praxino.errors import InputError, UnknownNameError
from praxino.generation import finish
from praxino.generation.denoiser import Conditioning, FrameCondition, denoiser, require_finite
from praxino.generation.model_card import model_card
from praxino.generation.offload import (
    Offloader,
    decoded,
    exact_and_fast,
    fast_dtype,
    text_dtype,
)
from praxino.generation.progress import Progress
from praxino.log import logger
from praxino.provenance.policy import STANDARD, Provenance
from praxino.request import GenerationSettings, Request, complete
from praxino.storage.media.video import Video
from praxino.storage.weights.lazy import ModelParts

if TYPE_CHECKING:
    from praxino.diffusion.sampling import SamplerName
    from praxino.generation.films import GivenVideo
    from praxino.generation.images import GivenImage
    from praxino.generation.plan import Plan
    from praxino.generation.preview import LatentToRGB
    from praxino.models.pictures import Pictures

EightBit = Literal["int8", "fp8"]

NO_PLAN_BELOW_PIXELS: Final = 1024 * 1024
"""Pixels of a frame up to which a small model, or one that is in memory, needs no plan."""
NO_PLAN_BELOW_PARAMETERS: Final = 50_000_000
"""Parameters up to which a model is small."""
DTYPES: Final[dict[str, tuple[torch.dtype, EightBit | None]]] = {
    "float32": (torch.float32, None),
    "bfloat16": (torch.bfloat16, None),
    "int8": (torch.bfloat16, "int8"),
    "fp8": (torch.bfloat16, "fp8"),
}
"""The type that products are computed in, and that of the weights where it is a smaller one."""


class Pipeline:
    """A model, ready to make films. Make one with `load`.

    Parameters
    ----------
    keep : bool
        Whether its networks stay in memory, or each only for its stage.
    """

    def __init__(
        self,
        model: ModelParts,
        device: torch.device,
        dtype: str = "auto",
        keep: bool = True,
        compiled: bool = False,
    ) -> None:
        if dtype not in (*DTYPES, "auto"):
            raise UnknownNameError("dtype", dtype, [*DTYPES, "auto"])
        self.model = model
        self.device = device
        self.precision = dtype if dtype != "auto" else fast_dtype(device, keep)
        self.dtype, self.kind = DTYPES[self.precision]
        if self.kind == "fp8" and device.type == "mps":
            raise InputError("mps has no floating point of eight bits", "--dtype int8")
        self.offloader = Offloader(device, keep, compiled)
        self._adapted: dict[tuple[str, ...], ModelParts] = {}

    def generate(
        self, prompt: str, provenance: Provenance = STANDARD, **settings: Unpack[GenerationSettings]
    ) -> Video:
        """Make a film from a sentence.

        Parameters
        ----------
        prompt : str
            What to show. Words the model does not know are logged as a warning with known ones like
            them.
        provenance : Provenance
            How the film says that it was generated: by a mark in its pixels and a signature in its
            file.
        **settings
            Fields of `praxino.request.Request`: ``seed``, ``steps``, ``guidance`` (1 is none),
            ``frames`` (4k + 1), ``height``, ``width`` and so on; what is not given is the model's
            own choice. ``image`` and ``last`` are files whose first pictures the film begins and
            ends with; without a size, it then has the proportions of the first one. Where no
            ``layout`` is given, models that draw layouts draw one from sentence and seed.
            ``references`` say what the ``@names`` of the sentence are; others are looked up in the
            memory of this installation.

        Returns
        -------
        Video
            With the record of all settings. Equal settings on one machine give equal frames (of the
            same month, which the mark tells).

        Raises
        ------
        InputError
            For a setting that cannot be used.
        GenerationError
            If the film turns into something that is no number; said after the first step that does.
        """
        *_, last = self.stream(prompt, provenance, **settings)
        assert last.video is not None
        return last.video

    def stream(
        self, prompt: str, provenance: Provenance = STANDARD, **settings: Unpack[GenerationSettings]
    ) -> Generator[Progress, None, None]:
        """`generate`, step by step: yields `Progress` after each one, with the film in the last."""
        return self.run(self.request(prompt, **settings), provenance)

    @functools.cached_property
    def card(self) -> ModelCard:
        """What requests are checked against."""
        return model_card(self.model)

    def request(self, prompt: str, **settings: Unpack[GenerationSettings]) -> Request:
        """Check and complete a request without carrying it out; names that only the memory of this
        installation knows are looked up there, and the notes of `complete` are logged.
        """
        if "@" in prompt:
            from praxino.generation import memory

            references = memory.installation().resolve(prompt, settings.get("references") or ())
            settings = {**settings, "references": references}
        request, notes = self.complete(prompt, **settings)
        for note in notes:
            logger.warning("note: %s", note)
        return request

    def complete(
        self,
        prompt: str,
        images: Sequence["GivenImage"] = (),
        videos: Sequence["GivenVideo"] = (),
        **settings: Unpack[GenerationSettings],
    ) -> tuple[Request, list[str]]:
        """Check and complete a request without carrying it out.

        Parameters
        ----------
        images : sequence of GivenImage
            Pictures that ``image``, ``last`` and ``references`` name; those of other names are
            read from files, or from the memory of this installation.
        videos : sequence of GivenVideo
            Films that ``edit`` names; likewise.

        Returns
        -------
        Request, list of str
            And notes for whoever asked: a size that followed a picture, words that the model does
            not know.
        """
        loras = settings.get("loras")  # checked below, with all else
        card = self.card_with(tuple(loras)) if isinstance(loras, list | tuple) else self.card
        first = _loaded([settings.get("image")] if card.pictures else [], images)
        film = None
        if (edit := settings.get("edit")) is not None:
            from praxino.generation.films import film_shape

            film = film_shape(edit, videos)
        request, notes = complete(
            card, {"prompt": prompt, **settings}, first[0].size if first else None, film
        )
        _loaded(request.pictures, [*images, *first])  # refused now, not later
        self.adapted(request.loras)
        if request.layout is not None and self.model.layout is not None:
            from praxino.generation import layout

            layout.require_known_words(request.layout, self.model.layout)
        if request.references:
            from praxino.generation import entities

            notes += entities.notes(request, card)
        if request.recaption != "off" and not request.prompt_used:
            from praxino.generation import caption

            def validate(text: str) -> None:
                read = self.sentence(request.model_copy(update={"prompt_used": text}))
                self.model.vocabulary.validate(read)

            longer, more = caption.recaption(request, card, self.sentence(request), validate)
            request, notes = request.model_copy(update={"prompt_used": longer}), [*notes, *more]
        for sentence in (self.sentence(request), request.negative):
            self.model.vocabulary.validate(sentence)
            for word, near in self.model.vocabulary.unknown(sentence).items():
                hint = f" (near: {', '.join(near)})" if near else ""
                notes.append(f"the model does not know {word!r}{hint}")
        return request, notes

    def plan(self, request: Request, speed: bool = True) -> "Plan":
        """Memory and, with ``speed``, time that a film will take; nothing is loaded for it."""
        from praxino.generation.plan import plan

        return plan(self.adapted(request.loras), request, self.device, self.dtype, speed)

    def run(
        self,
        request: Request,
        provenance: Provenance | None = STANDARD,
        images: Sequence["GivenImage"] = (),
        videos: Sequence["GivenVideo"] = (),
        turn: Callable[[], str] | None = None,
    ) -> Generator[Progress, None, None]:
        """Carry out a complete `Request`; ``images``, ``videos`` as in `complete`, ``turn`` as in
        `stream.run_windows`, ``provenance`` None for callers that mark what they make of the film.

        What does not fit into memory, or cannot be marked and signed, is refused first.
        """
        if provenance is not None:
            provenance.require_ready()
        if request.edit is not None:
            from praxino.generation import editing

            yield from editing.run(self, request, provenance, images, videos)
            return
        if 0 < self.card.window < request.frames:
            from praxino.generation import stream

            yield from stream.run_windows(self, request, provenance, images, turn)
            return
        tile, streamed = self.fitting(request)
        candidates = [self.laid_out(one) for one in request.candidates()]
        images = _loaded(request.pictures, images)
        conditions = self.conditioning(request, images, streamed)
        steps, latents = len(candidates) * request.steps, []
        total = steps + request.enhancing_steps

        def composed(x0: Tensor) -> NDArray[np.uint8]:
            frames = self.decode(x0, tile)
            return finish.with_given_ends(frames, request, images)

        def stopped(x0: Tensor, candidate: Request, **more: Any) -> Video:
            return finish.signed(self, composed(x0), candidate, provenance, images, **more)

        for number, candidate in enumerate(candidates):
            laid_out = replace(conditions, layout=self.layout(candidate, conditions.pictures))
            generator = torch.Generator().manual_seed(candidate.seed)
            start = self.noise(candidate, generator), self.times(candidate)
            for state in self.denoise(candidate, laid_out, *start, generator):
                step, x0 = number * request.steps + state.step, state.x0
                if step < total:
                    preview = functools.partial(self.preview, x0, candidate, provenance)
                    kept = functools.partial(stopped, x0, candidate, stopped=step)
                    yield Progress(step, total, x0, None, preview, kept)
            latents.append(state.x)
        best = self._best(candidates, latents)
        more: dict[str, Any] = {"chosen_from": len(candidates)} if len(candidates) > 1 else {}
        x0, frames = latents[best], composed(latents[best])
        film = finish.UnfinishedFilm(candidates[best], x0, frames, tuple(images), steps, more)
        yield from finish.finished(self, film, provenance)

    def fitting(self, request: Request) -> tuple[int | None, frozenset[str]]:
        """How a film fits into memory: the side of the tiles that it is decoded in, and the stages
        whose weights stay in host memory; raises `InputError` if it does not.
        """
        small = request.height * request.width <= NO_PLAN_BELOW_PIXELS
        if small and (self.offloader.keep or self.model.parameters <= NO_PLAN_BELOW_PARAMETERS):
            return None, frozenset()  # tracing it takes seconds
        plan = self.plan(request, speed=False).validate()
        return plan.tile, plan.streamed

    def laid_out(self, request: Request) -> Request:
        """The request with a layout, if the model draws layouts."""
        if self.model.layout is None:
            return request
        from praxino.generation import layout

        return layout.laid_out(self, request)

    def times(self, request: Request) -> Tensor:
        """The sampler's times, (steps + 1,), from 1 down to 0."""
        return grid(request.steps, request.shift, last=self.model.config.last_time)

    def denoise(
        self,
        request: Request,
        conditions: Conditioning,
        x: Tensor,
        times: Tensor,
        generator: torch.Generator,
    ) -> Iterator[State]:
        """The sampler's states, from latents ``x`` at the first of ``times`` on.

        Raises
        ------
        GenerationError
            After the first step that is no number.
        """
        extra = {"generator": generator} if request.sampler in STOCHASTIC else {}
        path, leading = PATHS[self.model.config.path](), conditions.frames.leading
        if leading:
            from praxino.generation import conditioning

            x = conditioning.lengthened(x, conditions.frames, path, times[0], generator)
        sampler = SAMPLERS.get(cast("SamplerName", request.sampler), flow_map)
        network: Any = denoiser
        if request.sampler == FLOW_MAP:
            from praxino.generation.student import student_denoiser as network
        with network(
            self.adapted(request.loras), self.offloader, self.dtype, conditions, request
        ) as model:
            for state in sampler(model, x, times, path, **extra):
                require_finite(state)
                yield replace(state, x=state.x[:, :, leading:], x0=state.x0[:, :, leading:])

    def _best(self, candidates: Sequence[Request], latents: Sequence[Tensor]) -> int:
        """Which film shows its own layout best."""
        reader = self.model.latent_reader
        if len(candidates) == 1 or reader is None:
            return 0
        from praxino.generation import layout

        return layout.best(reader, [self.layout(one) for one in candidates], latents)

    def adapted(self, loras: tuple[str, ...]) -> ModelParts:
        """The model with changes folded in; each is ``[high=|low=]FILE[:SCALE]``."""
        if loras not in self._adapted:
            changed = self.model
            if loras:
                from praxino.storage.weights import lora

                changed = lora.adapted(changed, [lora.LoRASpec.parsed(text) for text in loras])
            if self.kind:
                from praxino.storage.weights.quantize import quantised

                changed = quantised(changed, self.kind)
            self._adapted[loras] = changed
        return self._adapted[loras]

    def card_with(self, loras: tuple[str, ...]) -> ModelCard:
        """What requests with these LoRAs are checked against; errors as of `lora.adapted`."""
        if not loras or not all(isinstance(one, str) for one in loras):
            return self.card
        return model_card(self.adapted(loras))

    def sentence(self, request: Request) -> str:
        """The request's sentence as the model reads it, without names that mean nothing to it."""
        sentence = request.prompt_used or request.prompt
        if not request.references and "@" not in sentence:
            return sentence
        from praxino.generation import entities

        return entities.sentence(request, self.card_with(request.loras))

    def conditioning(
        self,
        request: Request,
        images: Sequence["GivenImage"],
        streamed: frozenset[str] = frozenset(),
    ) -> Conditioning:
        """What the denoiser is told of a request, but for a layout that is drawn.

        Parameters
        ----------
        images : sequence of GivenImage
            Of the names in ``request.pictures``.
        streamed : frozenset of str
            Stages whose weights stay in host memory.
        """
        card = self.card_with(request.loras)
        sentences = [self.sentence(request), request.negative]
        text = self.text(sentences, "text" in streamed)
        by_name = {image.name: image for image in images}
        ends = {number: by_name[name] for number, name in request.ends.items()}
        references: list[GivenImage] = []
        if request.references:
            from praxino.generation import entities

            references = entities.frames(request, card, by_name)
        pictures = self.encode_pictures(ends, request, references)
        conditions = Conditioning(text, *pictures, "denoise" in streamed, self.layout(request))
        if request.references and card.stand_in:
            return entities.add_stand_in(self, request, by_name, conditions)
        if request.references and card.slots:
            return entities.add_pictures(self, request, by_name, sentences, conditions)
        return conditions

    @torch.inference_mode()
    def text(self, sentences: list[str], streamed: bool = False) -> Tensor:
        """(S, L, D) from S sentences; ``streamed`` as in `weight_streaming`."""
        part = self.adapted(()).text
        with self.offloader.resident(part, text_dtype(part, self.dtype), streamed) as encoder:
            return encoder.encode(sentences)

    @torch.inference_mode()
    def encode_pictures(
        self,
        ends: Mapping[int, "GivenImage"],
        request: Request,
        references: Sequence["GivenImage"] = (),
    ) -> tuple[Tensor | None, FrameCondition]:
        """What a model attends to of the first and last picture, by the numbers of their frames,
        and how they go into the film.
        """
        if not ends and self.model.config.pictures != "control":
            return None, FrameCondition()
        from praxino.generation.conditioning import encode_images

        tokens = None
        if self.model.vision is not None:
            with self.offloader.resident(self.model.vision, self.dtype) as vision:
                tokens = vision.encode([image.pixels for image in ends.values()])
        with (
            self.offloader.resident(self.model.vae, torch.float32) as vae,
            exact_and_fast(self.device),
        ):
            config, device = self.model.config, self.device
            return tokens, encode_images(config, request, ends, vae, device, references)

    def layout(self, request: Request, pictures: "Pictures | None" = None) -> Tensor | None:
        """What the denoiser is told of the request's layout, (1, C, t, h, w), with ``pictures`` of
        its entities where it takes portraits.
        """
        if request.layout is None or self.model.layout is None:
            return None
        from praxino.generation import layout

        shape = request.shape.latent(
            self.model.vae.config.compression, self.model.vae.config.latent_channels
        )
        return layout.channels(self, request, request.layout, shape, pictures)

    def noise(self, request: Request, generator: torch.Generator) -> Tensor:
        """Drawn on the CPU, so that a seed means the same noise on every device."""
        vae = self.model.vae.config
        shape = request.shape.latent(vae.compression, vae.latent_channels)
        drawn = torch.randn(shape.size(), generator=generator)
        if request.noise_mark:
            from praxino.provenance import keys
            from praxino.provenance.watermark import noise

            drawn = noise.watermark_noise(drawn, keys.installation().derived("noise"), request.seed)
        return drawn.to(self.device)

    @torch.inference_mode()
    def decode(self, latent: Tensor, tile: int | None = None) -> NDArray[np.uint8]:
        """(1, C, t, h, w) to (T, H, W, 3) uint8; ``tile`` as in `decoded`."""
        with (
            self.offloader.resident(self.model.vae, torch.float32) as vae,
            exact_and_fast(self.device),
        ):
            return np.concatenate([to_pixels(clip)[0] for clip in decoded(vae, latent, tile)])

    def preview(
        self, latent: Tensor, request: Request, provenance: Provenance | None
    ) -> NDArray[np.uint8]:
        """A look at an unfinished film, (T, H, W, 3), marked as it will be."""
        from praxino.generation.preview import sketch

        return finish.look(self, sketch(self, latent, request), request, provenance)

    @functools.cached_property
    def colours(self) -> "LatentToRGB":
        """What the latents' colours are, fitted when first asked for."""
        from praxino.generation.preview import fit

        with (
            self.offloader.resident(self.model.vae, torch.float32) as vae,
            exact_and_fast(self.device),
        ):
            return fit(vae)


def _loaded(names: Sequence[str | None], images: Sequence["GivenImage"] = ()) -> "list[GivenImage]":
    """`load_images`, which a film without pictures has no use for."""
    if not any(names):
        return []
    from praxino.generation.images import load_images

    return load_images(names, images)
