"""Networks as samplers want them: sentences known, given frames kept, one of two experts by the
time.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from praxino.diffusion.guidance import guided
from praxino.diffusion.path import PATHS
from praxino.diffusion.prediction import as_denoiser, quantize_time
from praxino.diffusion.sampling import Denoiser, State
from praxino.errors import GenerationError
from praxino.generation.offload import Offloader, exact_and_fast
from praxino.models.context import Context
from praxino.models.dit import DiT
from praxino.models.pictures import Pictures
from praxino.models.text import merge_padding
from praxino.request import Request
from praxino.storage.weights.lazy import LazyModule, ModelParts

BATCH_GUIDANCE_TOKENS = 4096
"""Tokens of a film up to which both sentences are evaluated as one batch; beyond, that only costs
memory.
"""


Span = slice | list[int]
"""Some of a film's latent frames."""


@dataclass(frozen=True)
class FrameCondition:
    """Frames, or parts of them, that a film is to contain.

    Attributes
    ----------
    channels : Tensor (1, C', t, h, w), optional
        Goes in beside the noisy latents: a mask and the latents of the given frames.
    clean : Tensor (1, C, t, h, w), optional
        Latents that stay as they are where ``mask`` is 1.
    mask : Tensor (1, 1, t, h, w), optional
        Height and width may be 1: whole frames.
    noise : Tensor (1, C, t, h, w), optional
        What is mixed into given latents that share a token with others, at that token's time.
    control : Tensor (1, C'', r + t, h, w), optional
        What guides a control branch, and before it r reference pictures, which the film is
        lengthened by while it is denoised.
    leading : int
        r.
    """

    channels: Tensor | None = None
    clean: Tensor | None = None
    mask: Tensor | None = None
    noise: Tensor | None = None
    control: Tensor | None = None
    leading: int = 0

    def merged(self, other: "FrameCondition") -> "FrameCondition":
        """What ``other`` gives, too, where nothing is given here."""
        channels = self.channels if other.channels is None else other.channels
        if self.clean is None or self.mask is None:
            return replace(other, channels=channels)
        if other.clean is None or other.mask is None:
            return replace(self, channels=channels)
        clean = torch.where(self.mask > 0, self.clean, other.clean)
        mask = torch.maximum(self.mask, other.mask.expand_as(self.mask))
        return replace(self, clean=clean, mask=mask, channels=channels)

    def cut(self, span: Span) -> "FrameCondition":
        """What is given of some of the film's latent frames."""
        names = ("channels", "clean", "mask", "noise")
        parts = {name: getattr(self, name) for name in names}
        return replace(
            self, **{name: part[:, :, span] for name, part in parts.items() if part is not None}
        )


@dataclass(frozen=True)
class Conditioning:
    """What a film is made from.

    Attributes
    ----------
    text : Tensor (2, L, D)
        The sentence and the negative one; where pictures of entities are guided on their own, a
        third row: the negative one again.
    tokens : Tensor (1, M, D'), optional
        Of pictures, for models that attend to them.
    layout : Tensor (1, C', t, h, w), optional
        Channels of the layout (`generation.layout`); the negative sentence goes without.
    streamed : bool
        The network's large weights stay in host memory (`weight_streaming`).
    pictures : Pictures, optional
        Of entities, (2, P, ...): of the negative sentence none is there, of a third row all are;
        a Stand-In branch sees its picture beside both.
    names : Tensor (2, L), optional
        Where the sentences name an entity: its slot + 1; 0 elsewhere.
    cyclic : bool
        The film goes on with its beginning: each evaluation sees it begin one latent frame later
        (Mobius, arXiv 2502.20307).
    """

    text: Tensor
    tokens: Tensor | None = None
    frames: FrameCondition = field(default_factory=FrameCondition)
    streamed: bool = False
    layout: Tensor | None = None
    pictures: Pictures | None = None
    names: Tensor | None = None
    cyclic: bool = False


@contextmanager
def denoiser(
    model: ModelParts,
    offloader: Offloader,
    dtype: torch.dtype,
    conditions: Conditioning,
    request: Request,
) -> Iterator[Denoiser]:
    """(x, t) -> x0 of a guided film; its network is in memory while the block lasts."""
    with ExitStack() as stack:
        network = ConditionedDenoiser(
            model, offloader, dtype, conditions, stack, request.cache, request.reference_guidance
        )
        high, low = (
            guided(
                network.first,
                network.second,
                scale,
                request.interval,
                request.rescale,
                network.both,
            )
            for scale in (
                request.guidance,
                request.guidance if request.guidance_low is None else request.guidance_low,
            )
        )
        yield lambda x, t: (low if network.is_low(t) else high)(x, t)


def context_of(dit: DiT, conditions: Conditioning, device: torch.device) -> Context:
    """What a network makes of the conditions, once a film: a row for the sentence, and one for the
    negative one.
    """
    tokens, names = conditions.tokens, conditions.names
    control = conditions.frames.control
    with torch.inference_mode(), exact_and_fast(device):
        text, counts = merge_padding(conditions.text)
        return dit.context(
            text,
            None if tokens is None else tokens.expand(len(text), -1, -1),
            counts,
            conditions.pictures,
            None if names is None else names[:, : text.shape[1]],
            None if control is None else control.expand(len(text), -1, -1, -1, -1),
        )


def require_finite(state: State) -> None:
    """Stop at the first step that goes wrong: what comes after it would be black, hours later."""
    if not bool(torch.isfinite(state.x0).all()):
        raise GenerationError(
            f"step {state.step} of {state.steps} is not finite (NaN): the film would be black",
            "--dtype float32; other weights; without --lora",
        )


class ConditionedDenoiser:
    """The network for a time, with what it has made of the sentences, which is the same at every
    step.

    Of two experts only one is in memory: times fall, so that they change places once a film.

    Parameters
    ----------
    cache : float
        Tolerance of `forecast`; 0 asks the network at every step.
    reference_guidance : float, optional
        How closely to follow pictures of entities; None where they are guided with the sentence.
    """

    def __init__(
        self,
        model: ModelParts,
        offloader: Offloader,
        dtype: torch.dtype,
        conditions: Conditioning,
        stack: ExitStack,
        cache: float = 0.0,
        reference_guidance: float | None = None,
    ) -> None:
        self.model, self.offloader, self.dtype = model, offloader, dtype
        self.conditions, self.stack = conditions, stack
        self.cache, self.reference_guidance = cache, reference_guidance
        self._turn, self._turn_time = 0, math.nan
        self._forecasts: dict[tuple[bool, int, int], Denoiser] = {}
        self._part: LazyModule[DiT] | None = None
        self._loaded: list[tuple[DiT, Context]] = []

    def is_low(self, t: Tensor) -> bool:
        """Whether the second expert is asked at this time."""
        config = self.model.config
        return self.model.low is not None and float(quantize_time(t, config.ticks)) < (
            config.boundary or 0.0
        )

    def part(self, t: Tensor) -> LazyModule[DiT]:
        """The network that is asked at this time."""
        part = self.model.low if self.is_low(t) else self.model.dit
        assert part is not None
        return part

    def at(self, t: Tensor) -> tuple[DiT, Context]:
        """Load the network of this time; it, and what it has made of the sentences."""
        part = self.part(t)
        if part is not self._part:
            self._loaded.clear()
            self.stack.close()
            dit = self.stack.enter_context(
                self.offloader.resident(part, self.dtype, self.conditions.streamed)
            )
            context = context_of(dit, self.conditions, self.offloader.device)
            self._loaded.append((dit, context))
            self._part = part
        return self._loaded[0]

    def first(self, x: Tensor, t: Tensor) -> Tensor:
        """x0 as the sentence has it."""
        return self._estimate(x, t, slice(0, 1))

    def second(self, x: Tensor, t: Tensor) -> Tensor:
        """x0 as the negative sentence has it."""
        return self._estimate(x, t, slice(1, 2))

    def both(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The two estimates that guidance draws apart.

        With a guidance of its own for pictures, the second one is of the pictures without the
        sentence, and what they change is drawn out in both (Phantom, arXiv 2502.11079).
        """
        if self.reference_guidance is None:
            cond, uncond = self._estimates(x, t, 2)
            return cond, uncond
        cond, uncond, pictures = self._estimates(x, t, 3)
        more = (self.reference_guidance - 1) * (pictures - uncond)
        return cond + more, pictures + more

    def _estimates(self, x: Tensor, t: Tensor, rows: int) -> Sequence[Tensor]:
        """x0 of the first rows of the conditions, as one batch where that pays."""
        if math.prod(x.shape[2:]) > BATCH_GUIDANCE_TOKENS * math.prod(self.at(t)[0].config.patch):
            return [self._estimate(x, t, slice(row, row + 1)) for row in range(rows)]
        return self._estimate(x, t, slice(0, rows)).split(1)

    def _estimate(self, x: Tensor, t: Tensor, rows: slice) -> Tensor:
        """x0 of ``x`` (1, C, t, h, w) for each of the chosen sentences: (S, C, t, h, w)."""
        frames, config = self.conditions.frames, self.model.config
        estimate = as_denoiser(
            lambda x, t: self._predict(x, t, rows), PATHS[config.path](), config.prediction
        )
        if frames.clean is None or frames.mask is None:
            return estimate(x, t)
        estimated = estimate(self._with_given(x, t), t)
        return torch.lerp(estimated, frames.clean, frames.mask)

    def _with_given(self, x: Tensor, t: Tensor) -> Tensor:
        """Given latents in their places: clean in tokens of which all is given, and as noisy as
        the rest in others (RePaint, arXiv 2201.09865, without its repetitions).
        """
        frames = self.conditions.frames
        assert frames.clean is not None
        assert frames.mask is not None
        whole = self._whole_tokens
        if frames.noise is None or torch.equal(whole, frames.mask):
            return torch.lerp(x, frames.clean, frames.mask)
        path = PATHS[self.model.config.path]()
        noisy = path.alpha(t).to(x) * frames.clean + path.sigma(t).to(x) * frames.noise
        return torch.lerp(torch.lerp(x, noisy, frames.mask), frames.clean, whole)

    @functools.cached_property
    def _whole_tokens(self) -> Tensor:
        """1 where all latents of a token are given."""
        mask = self.conditions.frames.mask
        assert mask is not None
        p, q, r = self.model.dit.config.patch
        if mask.shape[3:] == (1, 1):
            q = r = 1
        least = -torch.nn.functional.max_pool3d(-mask, (p, q, r))
        return least.repeat_interleave(p, 2).repeat_interleave(q, 3).repeat_interleave(r, 4)

    def _predict(self, x: Tensor, t: Tensor, rows: slice) -> Tensor:
        """What the network says of ``x``, or a forecast of it."""
        if not self.cache:
            return self._evaluate(x, t, rows)
        which = (self.is_low(t), rows.start, rows.stop)
        if which not in self._forecasts:
            from praxino.diffusion.step_cache import forecast

            self._forecasts[which] = forecast(lambda x, t: self._evaluate(x, t, rows), self.cache)
        return self._forecasts[which](x, t)

    def _evaluate(self, x: Tensor, t: Tensor, rows: slice) -> Tensor:
        """What the network says of ``x``, in float32."""
        dit, context = self.at(t)
        frames, count = self.conditions.frames, rows.stop - rows.start
        turn = self._turned(t)
        x = _rolled(x, -turn).expand(count, -1, -1, -1, -1)
        times, more = self.network_times(t, x), self.span(x)
        if frames.channels is not None:
            x = torch.cat([x, frames.channels.expand(count, -1, -1, -1, -1)], dim=1)
        with torch.inference_mode(), exact_and_fast(x.device):
            layout = self._layout(rows, -turn)
            out = dit(x, times, context.rows(rows), layout=layout, **more)
            return _rolled(out.float(), turn)

    def network_times(self, t: Tensor, x: Tensor) -> Tensor:
        """(S, G): a time as the network is told it of ``x`` (S, ...); given groups are clean."""
        times = quantize_time(t, self.model.config.ticks).to(x).expand(len(x), 1)
        return times if self.conditions.frames.mask is None else times * (1 - self._given_groups)

    def span(self, x: Tensor) -> dict[str, Any]:
        """What else it is told of a step from ``x`` (S, ...) on: nothing."""
        return {}

    def _turned(self, t: Tensor) -> int:
        """By how many latent frames a cyclic film is turned at this time: one more at each."""
        if self.conditions.cyclic and float(t) != self._turn_time:
            self._turn, self._turn_time = self._turn + 1, float(t)
        return self._turn

    @functools.cached_property
    def _given_groups(self) -> Tensor:
        """(1, G): which latent frames, or else which tokens, are given."""
        whole = self._whole_tokens
        p, q, r = self.model.dit.config.patch
        by_frame = whole[:, :, ::p, :1, :1]
        if bool((whole[:, :, ::p] == by_frame).all()):
            return by_frame.reshape(1, -1)
        return whole[:, :, ::p, ::q, ::r].reshape(1, -1)

    def _layout(self, rows: slice, turn: int) -> Tensor | None:
        if (layout := self.conditions.layout) is None:
            return None
        others = torch.zeros_like(layout).expand(len(self.conditions.text) - 1, -1, -1, -1, -1)
        return _rolled(torch.cat([layout, others])[rows], turn)


def _rolled(x: Tensor, turn: int) -> Tensor:
    """(B, C, t, h, w) turned by latent frames; itself, where it is not turned."""
    return x.roll(turn, 2) if turn else x
