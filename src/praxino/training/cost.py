"""What a training run would take: operations, days, memory, bytes, money and energy, before anybody
rents a machine.

A *staircase* trains one denoiser on clips of growing size: most at the smallest, where a clip is
cheap, few at the largest. Everything here is arithmetic; what it assumes is in `Machine`.

Legend: N tokens of a clip, L layers, D width, T text tokens, P parameters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from pydantic import Field
from torch._subclasses.fake_tensor import FakeTensorMode

from praxino.config import Config
from praxino.data.buckets import Bucket
from praxino.models.dit import Block, DiT, DiTConfig
from praxino.models.tokens import TokenLayout
from praxino.shapes import Compression, VideoShape
from praxino.training.corpus import clip_tokens
from praxino.training.training_memory import saved_bytes

STATE_BYTES: Final = 20
"""Per parameter: master, gradient, two moments and the average, float32 each."""
EXACT_BYTES: Final = 8
"""Per parameter, more, for sums of gradients that are exact (`praxino.training.gradients`)."""
DAY_SECONDS: Final = 86_400


class Machine(Config):
    """What is assumed of a GPU and of what feeds it.

    Attributes
    ----------
    peak : float
        Dense bfloat16 operations a second, in 10^12; 989 is an H100's or H200's.
    share : float
        Part of the peak that a run reaches. Published runs of this kind reach 0.16 to 0.35
        (docs/scale.md).
    watts : float
        Of a GPU at work.
    overhead : float
        Power of the whole building over that of the GPUs.
    megabits : float
        Of a second of the films that are trained on.
    """

    peak: float = Field(989.0, gt=0)
    share: float = Field(0.3, gt=0, le=1)
    watts: float = Field(700.0, ge=0)
    overhead: float = Field(1.3, ge=1)
    megabits: float = Field(2.5, gt=0)


class Step(Config):
    """A step of a staircase: so many clips of one shape, each seen so often."""

    name: str
    clips: float = Field(gt=0)
    frames: int = Field(gt=0)
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    epochs: float = Field(1.0, gt=0)


class Staircase(Config):
    """A denoiser and what it is trained on, one step after the other.

    Attributes
    ----------
    text_tokens : int
        Of a caption, without padding.
    fps : float
        Frames a second that are trained on.
    recompute : bool
        Whether blocks are computed again on the way back: a third more operations, much less
        memory.
    """

    name: str
    network: DiTConfig
    steps: tuple[Step, ...] = Field(strict=False, min_length=1)
    compression: tuple[int, int, int] = Field((4, 8, 8), strict=False)
    text_tokens: int = Field(120, gt=0)
    fps: float = Field(16.0, gt=0)
    recompute: bool = True


@dataclass(frozen=True)
class StepCost:
    """What a step takes.

    Attributes
    ----------
    tokens : int
        Of a clip.
    flop : float
        Operations of all clips, there and back.
    gpu_days, money, kilowatt_hours : float
    latent_bytes, text_bytes, film_bytes : float
        Of its clips, if latents are kept in float16 and captions' tokens in bfloat16, and of the
        films (none for pictures, which are taken out of them).
    activation_bytes : float
        That a GPU keeps for the way back, for one clip.
    """

    step: Step
    tokens: int
    flop: float
    gpu_days: float
    money: float
    kilowatt_hours: float
    latent_bytes: float
    text_bytes: float
    film_bytes: float
    activation_bytes: float


@dataclass(frozen=True)
class Cost:
    """What a staircase takes.

    Attributes
    ----------
    parameters : int
    steps : tuple of StepCost
    state_bytes : dict
        By the number of GPUs among which weights and states are divided: bytes on the fullest of
        them, with AdamW; Muon has one moment of a matrix, and takes a seventh less.
    working_bytes : float
        Of two blocks that are gathered, the gradients and sums of one, and copies of weights in
        bfloat16: of one block, or of all where blocks are not computed again.
    checkpoint_bytes : float
        Of a training state and the weights beside it.
    """

    parameters: int
    steps: tuple[StepCost, ...]
    state_bytes: dict[int, float]
    working_bytes: float
    checkpoint_bytes: float


def training_flop(
    parameters: float, layers: int, width: int, tokens: int, text: int, recompute: bool = True
) -> float:
    """Operations of one clip, there and back: (2 P N + 4 L D N^2 + 4 L D N T) forward, and three
    or, with ``recompute``, four times as many in all.

    The first term is products with weights, the others are scores and values of attention to the
    clip and to the text. Weights that only the text's tokens meet, an eighth in a network like
    Wan's, are counted as if the clip's did.
    """
    forward = 2 * parameters * tokens + 4 * layers * width * tokens * (tokens + text)
    return (4 if recompute else 3) * forward


def parameter_shapes(config: DiTConfig) -> list[torch.Size]:
    """Shapes of a network's weights, none of which is made."""
    with torch.device("meta"):
        return [weight.shape for weight in DiT(config).parameters()]


def part_of(shapes: Sequence[torch.Size], shards: int, place: int = 0) -> int:
    """Numbers on one of some processes, each weight being cut along its rows (FSDP2); the first of
    them has most.
    """
    total = 0
    for rows, *others in shapes:
        most = -(-rows // shards)
        total += max(0, min(rows, (place + 1) * most) - place * most) * math.prod(others)
    return total


def cost(
    staircase: Staircase,
    machine: Machine,
    price: float,
    shards: Sequence[int],
    exact: bool = True,
) -> Cost:
    """What a staircase takes on such GPUs.

    Parameters
    ----------
    price : float
        Of a GPU for an hour.
    shards : sequence of int
        Numbers of GPUs among which weights and states may be divided.
    exact : bool
        Whether sums of gradients are exact.

    Raises
    ------
    InputError
        If a step's shape does not fit the compression and the patches.
    """
    for step in staircase.steps:
        VideoShape(step.frames, step.height, step.width).validate(
            Compression(*staircase.compression), staircase.network.patch
        )
    shapes = parameter_shapes(staircase.network)
    parameters = sum(math.prod(shape) for shape in shapes)
    state = STATE_BYTES + EXACT_BYTES * exact
    with torch.device("meta"):
        one = sum(weight.numel() for weight in Block(staircase.network).parameters())
    copied = one if staircase.recompute else parameters
    # masters of two blocks, since the next one comes meanwhile; gradients of one, and their sums
    working = (2 * 4 + 4 + EXACT_BYTES * exact) * one + 2 * copied
    return Cost(
        parameters,
        tuple(_step_cost(staircase, step, parameters, machine, price) for step in staircase.steps),
        {count: state * part_of(shapes, count) for count in shards},
        working,
        STATE_BYTES * parameters,
    )


def _step_cost(
    staircase: Staircase, step: Step, parameters: int, machine: Machine, price: float
) -> StepCost:
    network, compression = staircase.network, Compression(*staircase.compression)
    shape = Bucket(step.frames, step.height, step.width)
    tokens = clip_tokens(shape, compression, network.patch)
    latent = VideoShape(*shape).latent(compression, network.out_channels)
    flop = training_flop(
        parameters, network.layers, network.width, tokens, staircase.text_tokens,
        staircase.recompute,
    )  # fmt: skip
    total = flop * step.clips * step.epochs
    days = total / (machine.peak * 1e12 * machine.share) / DAY_SECONDS
    return StepCost(
        step=step,
        tokens=tokens,
        flop=total,
        gpu_days=days,
        money=24 * days * price,
        kilowatt_hours=24 * days * machine.watts * machine.overhead / 1000,
        latent_bytes=2 * math.prod(latent.size()) * step.clips,
        text_bytes=2 * staircase.text_tokens * network.text_width * step.clips,
        film_bytes=_film_bytes(staircase, step, machine),
        activation_bytes=activation_bytes(
            network, tokens, staircase.text_tokens, staircase.recompute
        ),
    )


def _film_bytes(staircase: Staircase, step: Step, machine: Machine) -> float:
    """Bytes of a step's films; pictures are taken out of them."""
    seconds = step.frames / staircase.fps if step.frames > 1 else 0.0
    return seconds * machine.megabits * 1e6 / 8 * step.clips


def activation_bytes(config: DiTConfig, tokens: int, text: int, recompute: bool) -> int:
    """What the way back needs of a clip, computed in bfloat16: of each block its input and of one
    block all, or all of every block.
    """
    with FakeTensorMode(), torch.autocast("cpu", torch.bfloat16):
        block = Block(config)
        x = torch.empty(1, tokens, config.width, dtype=torch.bfloat16, requires_grad=True)
        time = torch.empty(1, 1, 6, config.width)
        words = torch.empty(1, text, config.width, dtype=torch.bfloat16)
        rotation = torch.empty(tokens, 1, config.head // 2, dtype=torch.complex64)
        places = TokenLayout((1, 1, tokens), "full", rotation, None)
        memories = block.cross.keys(words, None)
        one = saved_bytes([block], lambda: block(x, time, memories, None, places, 0))
    inputs = 2 * tokens * config.width * config.layers
    return inputs + one if recompute else one * config.layers
