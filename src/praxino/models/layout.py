"""The layout network: from a sentence to a `Layout`.

First a small decoder writes what there is, attribute after attribute (kind, colour, motion,
heading, depth of each thing, things in the order of their kinds and colours); then flow matching
draws where each thing is in every frame.

Legend: B batch, L text tokens, S things, A attribute tokens, F frames, D width, V attribute values,
R numbers a thing.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Final, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from praxino.config import Config
from praxino.errors import UnknownNameError
from praxino.layout import MAX_THINGS, Box, Layout, LayoutThing
from praxino.models.attention import attend
from praxino.models.embeddings import Embedding, sinusoid
from praxino.models.text import TextConfig, TextEncoder

ATTRIBUTES: Final = ("kind", "colour", "motion", "heading", "depth")
"""Attributes of a thing, in the order in which they are written."""
KNOWN_SCALE: Final = 0.3
"""Picture heights by which known places deviate from the mean, about."""
NUMBERS: Final = 3
"""Numbers of a thing in a frame: x and y of its centre, and the logarithm of its height."""
LEAST_TEMPERATURE: Final = 1e-3
"""Below it the likeliest attribute is taken."""
SMALLEST_SCALE: Final = 0.01
"""Smallest scale of the coordinates in which tracks are drawn, in picture heights."""


class LayoutConfig(Config):
    """What a `LayoutNet` can say, and its sizes."""

    text: TextConfig
    kinds: tuple[str, ...] = Field(strict=False, min_length=1)
    colours: tuple[str, ...] = Field(strict=False, min_length=1)
    motions: tuple[str, ...] = Field(strict=False, min_length=1)
    aspects: tuple[float, ...] = Field(strict=False, description="width over height of each kind")
    slots: int = Field(MAX_THINGS, gt=0, le=MAX_THINGS)
    frames: int = Field(17, gt=0)
    fps: float = Field(8.0, gt=0)
    edition: Literal[1, 2] = 2
    width: int = Field(112, gt=0)
    heads: int = Field(4, gt=0)
    writer_layers: int = Field(2, gt=0, description="of the decoder of attributes")
    layers: int = Field(4, gt=0, description="of the network of tracks")

    @model_validator(mode="after")
    def _sizes_agree(self) -> "LayoutConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        if len(self.aspects) != len(self.kinds):
            raise ValueError(f"{len(self.aspects)} aspects for {len(self.kinds)} kinds")
        return self

    @property
    def values(self) -> tuple[tuple[str, ...], ...]:
        """What each attribute may be; the kind "" ends the list of things."""
        depths = tuple(str(depth) for depth in range(self.slots))
        return (("", *self.kinds), self.colours, self.motions, ("-1", "1"), depths)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where the values of each attribute begin among all of them."""
        sizes = [len(values) for values in self.values]
        return tuple(sum(sizes[:number]) for number in range(len(sizes)))

    @property
    def channels(self) -> int:
        """How many channels `rasterize` makes: kinds, colours, two of displacement, height,
        depth.
        """
        return len(self.kinds) + len(self.colours) + 4

    def numbers(self, attributes: Sequence[str]) -> list[int]:
        """A thing's attributes as numbers among all values; raises `UnknownNameError` for one that
        is not known.
        """
        numbers = []
        for name, offset, values, value in zip(
            ATTRIBUTES, self.offsets, self.values, attributes, strict=True
        ):
            if not value or value not in values:
                raise UnknownNameError(name, value, [value_ for value_ in values if value_])
            numbers.append(offset + values.index(value))
        return numbers


class Layer(nn.Module):
    """Pre-norm: attention among the tokens, attention to the text, feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.q, self.kv, self.cross = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor, text: Tensor, mask: Tensor | None, used: Tensor) -> Tensor:
        # (B, N, D), (B, L, D), who sees whom (., 1, N, N), words rather than padding (B, 1, 1, L)
        q, k, v = (
            part.unflatten(2, (self.heads, -1)) for part in self.qkv(self.norm1(x)).chunk(3, dim=2)
        )
        x = x + self.out(attend(q, k, v, mask).flatten(2))
        q = self.q(self.norm2(x)).unflatten(2, (self.heads, -1))
        k, v = (part.unflatten(2, (self.heads, -1)) for part in self.kv(text).chunk(2, dim=2))
        x = x + self.cross(attend(q, k, v, used).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm3(x))))  # (B, N, D)


class LayoutNet(nn.Module):
    """Sentences to layouts."""

    def __init__(self, config: LayoutConfig) -> None:
        super().__init__()
        self.config = config
        width, count = config.width, sum(len(values) for values in config.values)
        self.text = TextEncoder(config.text)
        self.read = nn.Linear(config.text.width, width)
        self.values = nn.Embedding(count + 1, width)  # the last one begins every list
        self.places = nn.Parameter(0.02 * torch.randn(config.slots * len(ATTRIBUTES) + 1, width))
        self.writer = nn.ModuleList(Layer(width, config.heads) for _ in range(config.writer_layers))
        self.written = nn.LayerNorm(width)
        self.logits = nn.Linear(width, count)

        numbers = config.frames * NUMBERS
        self.attributes = nn.Embedding(count, width)
        self.tracks = nn.Linear(2 * numbers + config.frames, width)
        self.time = Embedding(64, width, nn.SiLU())
        self.layers = nn.ModuleList(Layer(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.velocity = nn.Linear(width, numbers)
        nn.init.zeros_(self.velocity.weight)
        for name, start in (("mean", torch.zeros(numbers)), ("basis", torch.eye(numbers))):
            self.register_buffer(name, start)
        self.register_buffer("scale", torch.ones(numbers))
        self.mean: Tensor
        self.basis: Tensor
        self.scale: Tensor

    def fit_coordinates(self, tracks: Float[Tensor, "samples numbers"]) -> None:
        """Draw tracks in the principal axes of these (R numbers each), scaled to unit variance.

        What hardly varies among real tracks, a jump from one frame to the next say, then begins as
        little noise.
        """
        with torch.no_grad():
            tracks = tracks.double()
            self.mean.copy_(tracks.mean(0))
            values, axes = torch.linalg.eigh(torch.cov(tracks.T))
            self.basis.copy_(axes)
            self.scale.copy_(values.clamp_min(0).sqrt().clamp_min(SMALLEST_SCALE))

    def whiten(self, tracks: Tensor) -> Tensor:
        """(..., R) picture heights to coordinates of about unit variance; float32 whatever the
        autocast.
        """
        with torch.autocast(tracks.device.type, enabled=False):
            return (tracks.float() - self.mean) @ self.basis / self.scale

    def unwhiten(self, coordinates: Tensor) -> Tensor:
        """The inverse of `whiten`."""
        return coordinates * self.scale @ self.basis.T + self.mean

    def encode(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Text tokens (B, L', D), cut to the longest sentence, and which are words, as a mask (B,
        1, 1, L').
        """
        ids, used = (part.to(self.places.device) for part in self.text.tokenise(sentences))
        length = max(1, int(used.sum(1).max()))
        ids, used = ids[:, :length], used[:, :length]
        text = self.read(self.text(ids, used))
        return text, (used | ~used.any(1, keepdim=True))[:, None, None]

    def attribute_logits(
        self, text: Tensor, used: Tensor, written: Int[Tensor, "batch attributes"]
    ) -> Float[Tensor, "batch next values"]:
        """Logits of the attribute after each one in ``written`` (numbers among all values), (B, A +
        1, V).
        """
        begin = written.new_full((len(written), 1), self.values.num_embeddings - 1)
        x = self.values(torch.cat([begin, written], dim=1)) + self.places[: written.shape[1] + 1]
        n = x.shape[1]
        mask = torch.ones(n, n, dtype=torch.bool, device=x.device).tril()[None, None]
        for layer in self.writer:
            x = layer(x, text, mask, used)
        return self.logits(self.written(x))

    def track_velocity(
        self,
        noisy: Float[Tensor, "batch slots numbers"],
        t: Float[Tensor, " batch"],
        things: Int[Tensor, "batch slots attributes"],
        there: Tensor,
        text: Tensor,
        used: Tensor,
        first: Tensor,
        mask: Tensor,
    ) -> Float[Tensor, "batch slots numbers"]:
        """Velocity ``eps - x0`` of whitened tracks at time ``t``.

        Parameters
        ----------
        things : (B, S, 5)
            Numbers of each thing's attributes among all values; ``there`` (B, S) says which slots
            hold a thing.
        first, mask : (B, S, R), (B, S, F)
            Tracks that are given (whitened), and in which frames they are: zeros elsewhere.
        """
        # (B, S, D)
        x = self.tracks(torch.cat([noisy, first, mask], dim=2)) + self.attributes(things).sum(2)
        x = x + self.time(sinusoid(50 * t, 64))[:, None]
        mask_of_slots = (there | ~there.any(1, keepdim=True))[:, None, None]
        for layer in self.layers:
            x = layer(x, text, mask_of_slots, used)
        return self.velocity(self.norm(x))

    @torch.no_grad()
    def draw(
        self,
        sentence: str,
        seed: int = 0,
        steps: int = 20,
        temperature: float = 0.5,
        aspect: float = 1.0,
        history: Layout | None = None,
        rewrite: bool = False,
    ) -> Layout:
        """The layout of a sentence.

        Parameters
        ----------
        seed : int
            Equal seeds draw equal layouts.
        steps : int
            Euler steps of the tracks.
        temperature : float
            Of what the sentence does not say; 0 takes the likeliest. Tracks are drawn at full
            variety.
        aspect : float
            Width over height of the picture; tracks are stretched from the square they were learned
            in.
        history : Layout, optional
            The film so far: its things go on from its last frame, which becomes the first one here.
        rewrite : bool
            The sentence is another one than the film's so far: it says what there is, and of that
            go on from where they are things of a kind and colour that the film has.
        """
        generator = torch.Generator().manual_seed(seed)
        text, used = self.encode([sentence])
        old = history.things if history else ()
        rows = [self.config.numbers(thing.attributes) for thing in old]
        places: list[Box | None] = [thing.boxes[-1] for thing in old]
        if history is None or rewrite:
            before, rows = rows, self._write(text, used, temperature, generator)
            places = _places_of(rows, before, places)
        if not rows:
            return Layout(
                edition=self.config.edition,
                fps=self.config.fps,
                aspect=aspect,
                frames=self.config.frames,
            )
        first, mask = self._beginning(places, history.aspect if history else 1.0)
        things = torch.tensor([rows], device=first.device)
        there = torch.ones(1, len(rows), dtype=torch.bool, device=first.device)
        # drawn alike on every device
        x = torch.randn(1, len(rows), len(self.mean), generator=generator).to(first)
        times = torch.linspace(1, 0, steps + 1).to(first)
        for t, after in itertools.pairwise(times):
            v = self.track_velocity(x, t[None], things, there, text, used, first, mask)
            if history:
                v = (x - self._held(x - t * v, first, mask)) / t
            x = x + (after - t) * v
        return self._layout(rows, self.unwhiten(x)[0], aspect)

    def _write(
        self, text: Tensor, used: Tensor, temperature: float, generator: torch.Generator
    ) -> list[list[int]]:
        written: list[int] = []
        offsets, values = self.config.offsets, self.config.values
        for place in range(self.config.slots * len(ATTRIBUTES)):
            attribute = place % len(ATTRIBUTES)
            low = offsets[attribute]
            so_far = torch.tensor([written], dtype=torch.long, device=text.device)
            logits = (
                self.attribute_logits(text, used, so_far)[0, -1, low : low + len(values[attribute])]
                .float()
                .cpu()
            )
            if temperature < LEAST_TEMPERATURE:
                choice = int(logits.argmax())
            else:
                choice = int(
                    torch.multinomial((logits / temperature).softmax(0), 1, generator=generator)
                )
            if attribute == 0 and choice == 0:
                break
            written.append(low + choice)
        return [written[i : i + len(ATTRIBUTES)] for i in range(0, len(written), len(ATTRIBUTES))]

    def _beginning(self, places: Sequence[Box | None], aspect: float) -> tuple[Tensor, Tensor]:
        """Where things are in the first frame, as the network is told it; None: anywhere."""
        numbers = [
            [box.x / aspect, box.y, math.log(box.height)] if box else [0.0] * NUMBERS
            for box in places
        ]
        first = self.mean.new_tensor(numbers)[None, :, None]
        tracks = first.expand(1, len(places), self.config.frames, NUMBERS).flatten(2)
        mask = self.mean.new_zeros(1, len(places), self.config.frames)
        mask[0, :, 0] = mask.new_tensor([float(box is not None) for box in places])
        return self.whiten_known(tracks, mask), mask

    def _held(self, clean: Tensor, first: Tensor, mask: Tensor) -> Tensor:
        """Estimated coordinates, moved as little as can be so that known first frames are kept."""
        pinned = self.scale[:, None] * self.basis.T[:, :NUMBERS]  # (R, 3)
        lost = KNOWN_SCALE * first[..., :NUMBERS] - clean @ pinned
        return clean + mask[..., :1] * (lost @ torch.linalg.pinv(pinned))

    def whiten_known(self, tracks: Tensor, mask: Tensor) -> Tensor:
        """Deviations from the mean track where ``mask`` says that they are known, scaled; zeros
        elsewhere.
        """
        elements = mask.unsqueeze(-1).expand(*mask.shape, NUMBERS).flatten(-2)
        return (tracks - self.mean) * elements / KNOWN_SCALE

    def _layout(self, rows: list[list[int]], tracks: Tensor, aspect: float) -> Layout:
        things = []
        for row, track in zip(
            rows, tracks.view(len(rows), self.config.frames, NUMBERS).tolist(), strict=True
        ):
            kind, colour, motion, heading, depth = (
                values[number - offset]
                for number, offset, values in zip(
                    row, self.config.offsets, self.config.values, strict=True
                )
            )
            ratio = self.config.aspects[self.config.kinds.index(kind)]
            boxes = [self._box(numbers, ratio, aspect) for numbers in track]
            things.append(
                LayoutThing(
                    kind=kind,
                    colour=colour,
                    motion=motion,
                    heading=1 if heading == "1" else -1,
                    depth=int(depth),
                    boxes=tuple(boxes),
                )
            )
        frames, fps = self.config.frames, self.config.fps
        return Layout(
            edition=self.config.edition, fps=fps, aspect=aspect, frames=frames, things=tuple(things)
        )

    @staticmethod
    def _box(numbers: list[float], ratio: float, aspect: float) -> Box:
        x, y, height = numbers[0] * aspect, numbers[1], min(math.exp(min(numbers[2], 1.0)), 2.0)
        near = lambda value: round(min(max(value, -3.0), 4.0), 4)  # noqa: E731
        return Box(
            near(x), near(y), round(max(height * ratio, 0.01), 4), round(max(height, 0.01), 4)
        )


def _places_of(
    rows: list[list[int]], old: list[list[int]], places: list[Box | None]
) -> list[Box | None]:
    """Where the things of ``rows`` are: each takes the place of an old one of its kind and colour,
    if there is one left.
    """
    left = list(zip(old, places, strict=True))
    result: list[Box | None] = []
    for row in rows:
        same = next((one for one in left if one[0][:2] == row[:2]), None)
        if same is not None:
            left.remove(same)
        result.append(same[1] if same else None)
    return result
