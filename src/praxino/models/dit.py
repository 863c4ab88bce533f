"""The spacetime diffusion transformer, block for block that of Wan 2.1 (arXiv 2503.20314, 4.2).

Two things go beyond it: time is given per token, so that any part of a clip may be clean while the
rest is noise (diffusion forcing, arXiv 2407.01392), and the pattern of attention is a choice. With
one time for the whole clip and full attention it is Wan.

Legend: B batch, C channels, f h w latent frames, rows, columns in patches, N = f h w tokens, D
width, G groups of neighbouring tokens that share a time (1: whole clip, f: frames, N: every token),
L text tokens.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from praxino.config import Config
from praxino.errors import InputError
from praxino.models import attention
from praxino.models.attention import Pattern, RMSNorm, Rotation
from praxino.models.context import Context, Memory
from praxino.models.embeddings import (
    Embedding,
    GuidanceEmbedding,
    ReferenceEmbedding,
    gated,
    layer_norm,
    modulate,
    sinusoid,
)
from praxino.models.pictures import Pictures
from praxino.models.tokens import TokenLayout, patchify, unpatchify
from praxino.shapes import token_grid

if TYPE_CHECKING:
    from praxino.models.stand_in import StandIn

FLOAT32 = ("time_embedding", "time_projection", "modulation", "norm")
"""Parts of names whose weights stay float32 where the rest is bfloat16."""
LAYOUT_GAIN = 8.0
"""Factor of layout channels. They are few and small beside latents, their weights begin at 0 and
grow by a fixed step of the optimizer: without a gain they stayed at a twentieth of the tokens' size
through 400 steps.
"""
SPAN_SHARE = 0.25
"""How much of a time's embedding says where the step ends, where it is told (AnyFlow's share)."""


class DiTConfig(Config):
    """Sizes of a `DiT`; the defaults are Wan 2.1 1.3B."""

    channels: int = Field(16, gt=0, description="latent channels in")
    out_channels: int = Field(16, gt=0)
    patch: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (1, 2, 2), strict=False, description="t, h, w"
    )
    width: int = Field(1536, gt=0)
    heads: int = Field(12, gt=0)
    layers: int = Field(30, gt=0)
    ffn: int = Field(8960, gt=0)
    text_width: int = Field(4096, gt=0)
    image_width: int = Field(0, ge=0, description="of reference tokens; 0: the model takes none")
    image_places: int = Field(
        0, ge=0, description="reference tokens with a learned place each (first and last frame)"
    )
    time_features: int = Field(256, ge=4, multiple_of=2)
    time_scale: float = Field(
        1000.0, gt=0, description="times are told as so many; smaller: smoother in time"
    )
    layout: int = Field(
        0,
        ge=0,
        description="channels of layouts (`models.raster.rasterize`); 0: the model takes none",
    )
    portraits: bool = Field(
        False, description="latents of entities' pictures stand in their boxes, beside the layout"
    )
    slots: int = Field(
        0,
        ge=0,
        le=16,
        description="entities whose pictures it may be given; 0: the model takes none",
    )
    slot_gain: float = Field(
        1.0, gt=0, description="factor of slots' embeddings: larger, they learn faster"
    )
    picture_rank: int = Field(
        0,
        ge=0,
        description="rank of a branch of its own for pictures (`models.stand_in`); 0: it has none",
    )
    spans: bool = Field(
        False, description="it may be told where a step ends, for samplers of few steps"
    )
    guided: bool = Field(False, description="it is told a guidance, which is folded into it")
    control_layers: tuple[int, ...] = Field(
        (), strict=False, description="layers after which a control branch adds (`models.vace`)"
    )
    control_channels: int = Field(96, gt=0, description="latent channels of its control")
    eps: float = Field(1e-6, gt=0)
    attention: Pattern = "full"
    block: int = Field(1, gt=0, description="latent frames per block of block-causal attention")

    @model_validator(mode="after")
    def _heads_divide(self) -> "DiTConfig":
        if self.width % self.heads or self.head % 2 or self.head < 6:
            raise ValueError(
                f"width {self.width} must be heads x an even number of at least 6, not "
                f"{self.heads} heads"
            )
        return self

    @property
    def head(self) -> int:
        return self.width // self.heads

    @property
    def layout_channels(self) -> int:
        """Channels of a layout, and of the portraits beside it."""
        return self.layout + self.portraits * self.out_channels


class SelfAttention(nn.Module):
    """Attention among a clip's tokens; queries and keys normalised over the full width before the
    heads part.
    """

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.q, self.k, self.v, self.out = (nn.Linear(config.width, config.width) for _ in range(4))
        self.norm_q, self.norm_k = (RMSNorm(config.width, config.eps) for _ in range(2))

    def keys(self, x: Tensor, rotation: Rotation) -> Memory:
        # (B, N, heads, head)
        k = attention.rotate(self.norm_k(self.k(x)).unflatten(2, (self.heads, -1)), rotation)
        return k, self.v(x).unflatten(2, (self.heads, -1))

    def forward(
        self, x: Tensor, places: "TokenLayout", layer: int, visual: Memory | None = None
    ) -> Tensor:
        q = attention.rotate(self.norm_q(self.q(x)).unflatten(2, (self.heads, -1)), places.rotation)
        k, v = self.keys(x, places.rotation)  # (B, N, heads, head)
        if visual is not None:
            # (B, N + R, heads, head)
            k, v = (torch.cat(pair, dim=1) for pair in zip((k, v), visual, strict=True))
        return self.out(self.mix(q, k, v, places, layer).flatten(2))  # (B, N, D)

    def mix(self, q: Tensor, k: Tensor, v: Tensor, places: "TokenLayout", layer: int) -> Tensor:
        if places.pattern != "factorised":
            return attention.attend(q, k, v, places.mask)  # (B, N, heads, head)
        split, join = (  # space in even layers, time in odd ones
            (attention.temporal, attention.from_temporal)
            if layer % 2
            else (attention.spatial, attention.from_spatial)
        )
        return join(attention.attend(*(split(one, places.grid) for one in (q, k, v))), places.grid)


class CrossAttention(nn.Module):
    """Attention to the text, and beside it to reference tokens where the model takes them."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.q, self.k, self.v, self.out = (nn.Linear(config.width, config.width) for _ in range(4))
        self.norm_q, self.norm_k = (RMSNorm(config.width, config.eps) for _ in range(2))
        self.reference = ReferenceKeys(config) if config.image_width else None

    def keys(self, text: Tensor, references: Tensor | None) -> list[Memory]:
        """Keys and values of the text, and of the references if there are any: (B, L, heads, head)
        each.
        """
        pairs = [(self.norm_k(self.k(text)), self.v(text))]
        if self.reference is not None and references is not None:
            pairs.append(self.reference(references))
        return [
            (k.unflatten(2, (self.heads, -1)), v.unflatten(2, (self.heads, -1))) for k, v in pairs
        ]

    def forward(self, x: Tensor, memories: list[Memory], bias: Tensor | None) -> Tensor:
        q = self.norm_q(self.q(x)).unflatten(2, (self.heads, -1))  # (B, N, heads, head)
        biases = [bias, *[None] * (len(memories) - 1)]
        mixed, *more = (
            attention.attend(q, k, v, b) for (k, v), b in zip(memories, biases, strict=True)
        )
        for other in more:
            mixed = mixed + other
        return self.out(mixed.flatten(2))  # (B, N, D)


class ReferenceKeys(nn.Module):
    """Keys and values of reference tokens."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.k, self.v = (nn.Linear(config.width, config.width) for _ in range(2))
        self.norm_k = RMSNorm(config.width, config.eps)

    def forward(self, references: Tensor) -> tuple[Tensor, Tensor]:
        return self.norm_k(self.k(references)), self.v(references)


class Block(nn.Module):
    """Self-attention, cross-attention (without a gate), feed-forward; modulated by time."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.modulation = nn.Parameter(torch.randn(1, 6, config.width) / math.sqrt(config.width))
        self.norm1 = nn.LayerNorm(config.width, config.eps, elementwise_affine=False)
        self.attention = SelfAttention(config)
        self.norm2 = nn.LayerNorm(config.width, config.eps)
        self.cross = CrossAttention(config)
        self.norm3 = nn.LayerNorm(config.width, config.eps, elementwise_affine=False)
        self.up = nn.Linear(config.width, config.ffn)
        self.down = nn.Linear(config.ffn, config.width)

    def visual_keys(self, x: Tensor, time: Tensor, rotation: Rotation) -> Memory:
        """Keys and values of reference tokens, for clips to attend to."""
        shift, scale = (self.modulation.float() + time.float()).unbind(2)[:2]
        return self.attention.keys(
            modulate(layer_norm(self.norm1, x), shift, scale).to(x.dtype), rotation
        )

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        memories: list[Memory],
        bias: Tensor | None,
        places: "TokenLayout",
        layer: int,
        visual: Memory | None = None,
    ) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = (
            self.modulation.float() + time.float()
        ).unbind(2)  # (B, G, D)
        h = modulate(layer_norm(self.norm1, x), shift1, scale1).to(x.dtype)
        x = gated(x, self.attention(h, places, layer, visual), gate1)
        x = x + self.cross(layer_norm(self.norm2, x).to(x.dtype), memories, bias)
        h = modulate(layer_norm(self.norm3, x), shift2, scale2).to(x.dtype)
        return gated(x, self.down(F.gelu(self.up(h), approximate="tanh")), gate2)  # (B, N, D)


class DiT(nn.Module):
    """Noisy latents, times and text to a prediction of the same shape."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.patch_embedding = nn.Linear(config.channels * math.prod(config.patch), width)
        self.time_embedding = Embedding(config.time_features, width, nn.SiLU())
        self.time_projection = nn.Linear(width, 6 * width)
        self.text_embedding = Embedding(config.text_width, width, nn.GELU(approximate="tanh"))
        self.reference_embedding = (
            ReferenceEmbedding(config.image_width, width, config.image_places)
            if config.image_width
            else None
        )
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width, config.eps, elementwise_affine=False)
        self.modulation = nn.Parameter(torch.randn(1, 2, width) / math.sqrt(width))
        self.head = nn.Linear(width, config.out_channels * math.prod(config.patch))
        self._initialise()
        self.layout_embedding: nn.Linear | None = None
        if config.layout:
            columns = config.layout_channels * math.prod(config.patch)
            self.layout_embedding = nn.Linear(columns, width, bias=False)
            # a network without layouts can go on with them where it is
            nn.init.zeros_(self.layout_embedding.weight)
        self.slot_embedding = (
            nn.Parameter(0.02 * torch.randn(config.slots, width)) if config.slots else None
        )
        self.stand_in: StandIn | None = None
        """For a config with a ``picture_rank``; `models.vace.network_of` builds it."""
        self.span_embedding: Embedding | None = None
        if config.spans:
            self.span_embedding = Embedding(config.time_features, width, nn.SiLU())
            self.span_embedding.load_state_dict(self.time_embedding.state_dict())
        self.guidance_embedding = (
            GuidanceEmbedding(config.time_features, width) if config.guided else None
        )

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for embedding in (self.text_embedding, self.time_embedding):
            for module in embedding.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(self.head.weight)

    def context(
        self,
        text: Float[Tensor, "batch length text_width"],
        references: Float[Tensor, "batch tokens image_width"] | None = None,
        counts: Float[Tensor, " length"] | None = None,
        pictures: Pictures | None = None,
        names: Int[Tensor, "batch length"] | None = None,
        control: Float[Tensor, "batch control frames height width"] | None = None,
    ) -> Context:
        """The part of an evaluation that is the same at every step; other arguments and errors as
        in `forward`.

        Parameters
        ----------
        counts : (L,), optional
            How many equal tokens each token of the text stands for: its share of the attention is
            as large.
        pictures : Pictures, optional
            Of entities; only for a config with ``slots``, or a ``picture_rank``.
        names : (B, L), optional
            Where the text names an entity: its slot + 1; 0 elsewhere.
        control : (B, C', t, h, w), optional
            What guides a control branch; only for a config with ``control_layers``.
        """
        if references is not None and self.reference_embedding is None:
            raise InputError("this model takes no references", "only models with an image_width do")
        fixed = self.config.image_places
        if references is not None and fixed and references.shape[1] != fixed:
            raise InputError(
                f"{references.shape[1]} reference tokens: must be {fixed}", "those of two pictures"
            )
        words = self.text_embedding(text.to(self.patch_embedding.weight.dtype))  # (B, L, D)
        if names is not None and self.slot_embedding is not None:
            slots = F.pad(self.config.slot_gain * self.slot_embedding, (0, 0, 1, 0))
            words = words + slots[names].to(words.dtype)
        if self.reference_embedding is not None and references is not None:
            references = self.reference_embedding(references)  # (B, M, D)
        bias = None if counts is None else counts.log().to(words.dtype).view(1, 1, 1, -1)
        visual, visual_bias = self.picture_memory(pictures) if pictures else (None, None)
        layers = [block.cross.keys(words, references) for block in self.all_blocks()]
        return Context(layers, bias, visual, visual_bias, self.embed_control(control))

    def all_blocks(self) -> "list[Block]":
        """Every block that attends to the text."""
        return cast(list[Block], list(self.blocks))

    def embed_control(self, control: Tensor | None) -> Tensor | None:
        """The tokens of a control branch; raises `InputError` where there is none."""
        if control is not None:
            raise InputError("this model takes no control", "only models with a branch for it do")
        return None

    def hints(
        self, tokens: Tensor, steps: Tensor, context: Context, places: TokenLayout
    ) -> dict[int, Tensor]:
        """What is added after some of the blocks, (B, N, D) each: nothing here."""
        return {}

    def picture_memory(self, pictures: Pictures) -> tuple[list[Memory], Tensor]:
        """Keys and values of reference pictures in every block, and the bias of their scores.

        The pictures of an entity go through the blocks of the clip, seeing one another and the
        empty sentence: what comes out depends on neither clip nor sentence, and can be kept. They
        stand before the clip in time and beside it in space, where no token of a clip stands.
        """
        if self.stand_in is not None:
            return self.stand_in.memory(self, pictures)
        if self.slot_embedding is None:
            raise InputError("this model takes no reference pictures", "only models with slots do")
        if pictures.slot.numel() and int(pictures.slot.max()) >= self.config.slots:
            raise InputError(
                f"slot {int(pictures.slot.max())}: there are {self.config.slots}", "fewer entities"
            )
        dtype, (b, count) = self.patch_embedding.weight.dtype, pictures.slot.shape
        slots = self.config.slot_gain * self.slot_embedding[pictures.slot].unsqueeze(2).to(dtype)
        x = self.picture_tokens(pictures).unflatten(0, (b, count)) + slots  # (B, P, n, D)
        _, h, w = token_grid((1, *pictures.latents.shape[3:]), self.config.patch)
        rows, columns = torch.meshgrid(torch.arange(h), w + torch.arange(w), indexing="ij")
        beside = torch.stack([rows, columns], dim=-1).view(1, 1, h * w, 2).to(x.device)
        before = -(1 + pictures.index).view(b, count, 1, 1).expand(-1, -1, h * w, -1)
        places_3d = torch.cat([before, beside.expand(b, count, -1, -1)], dim=3).flatten(1, 2)
        rotation = attention.rotation_at(places_3d, self.config.head).to(x.device)
        slot, there = (
            part.repeat_interleave(h * w, dim=1) for part in (pictures.slot, pictures.there)
        )
        alike = (slot[:, None] == slot[:, :, None]) & there[:, None] & there[:, :, None]
        # no row of the softmax is empty
        alike = alike | torch.eye(alike.shape[1], dtype=torch.bool, device=x.device)
        places = TokenLayout((count, h, w), "full", rotation, alike[:, None])
        x, visual = x.flatten(1, 2), []  # (B, P n, D)
        _, steps = self.times(x.new_full((b, 1), pictures.noise, dtype=torch.float32))
        silence = self.text_embedding(x.new_zeros(b, 1, self.config.text_width))
        for layer, block in enumerate(cast(list[Block], list(self.blocks))):
            visual.append(block.visual_keys(x, steps, rotation))
            if layer + 1 < len(self.blocks):
                x = block(x, steps, block.cross.keys(silence, None), None, places, layer)
        bias = pictures.bias.repeat_interleave(h * w, dim=1).to(dtype)
        return visual, bias[:, None, None]

    def picture_tokens(self, pictures: Pictures) -> Tensor:
        """(B P, n, D): each picture's own tokens."""
        latents = pictures.latents.flatten(0, 1).unsqueeze(2)
        # channels beside a clip's own latents
        latents = F.pad(latents, (*[0] * 7, self.config.channels - latents.shape[1]))
        dtype = self.patch_embedding.weight.dtype
        return self.patch_embedding(patchify(latents, self.config.patch).to(dtype))

    def times(
        self, t: Tensor, end: Tensor | None = None, guidance: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embeddings (B, G, D) of times, and what they make of the blocks' modulation (B, G, 6, D);
        float32.
        """
        with torch.autocast(t.device.type, enabled=False):
            features = lambda t: sinusoid(t * self.config.time_scale, self.config.time_features)  # noqa: E731
            dtype = self.time_projection.weight.dtype
            time = self.time_embedding(features(t).to(dtype))
            if end is not None:
                if self.span_embedding is None:
                    raise InputError(
                        "this model is not told where a step ends", "only models with spans are"
                    )
                time = torch.lerp(time, self.span_embedding(features(end).to(dtype)), SPAN_SHARE)
            if guidance is not None and self.guidance_embedding is not None:
                time = time + self.guidance_embedding(guidance)
            return time, self.time_projection(F.silu(time)).unflatten(2, (6, -1))

    def _embed(self, x: Tensor, layout: Tensor | None) -> Tensor:
        """(B, N, D) of latents and, where it is given, their layout."""
        patch, dtype = self.config.patch, self.patch_embedding.weight.dtype
        tokens = self.patch_embedding(patchify(x, patch).to(dtype))
        if layout is None:
            return tokens
        if self.layout_embedding is None:
            raise InputError("this model takes no layout", "only models with layout channels do")
        layout = F.pad(layout, (*[0] * 7, self.config.layout_channels - layout.shape[1]))
        channels = LAYOUT_GAIN * patchify(layout, patch).to(tokens.dtype)
        return tokens + self.layout_embedding(channels)

    def forward(
        self,
        x: Float[Tensor, "batch channels frames height width"],
        t: Float[Tensor, "batch groups"],
        text: Float[Tensor, "batch length text_width"] | Context,
        references: Float[Tensor, "batch tokens image_width"] | None = None,
        layout: Float[Tensor, "batch layout frames height width"] | None = None,
        end: Float[Tensor, "batch groups"] | None = None,
        guidance: Float[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch out frames height width"]:
        """One evaluation.

        Parameters
        ----------
        t : (B, G)
            Times in [0, 1], one for each of G equal runs of tokens in (f, h, w) order: G = 1 for a
            clip of one time, f for a time per latent frame, N for a time per token.
        text : (B, L, text_width), or the `context` made of it
            Zeros where the sentence is shorter than L: they are attended to, as in Wan.
        references : (B, M, image_width), optional
            Tokens of pictures to attend to beside the text; only for a config with ``image_width``.
        layout : (B, layout, t, h, w), optional
            Where things are, on the latent's places, and behind that their portraits, if there are
            any; all zeros are the same as none. Only for a config with ``layout``.
        end : (B, G), optional
            The time at which a sampler's step will end, at most ``t``; only for a config with
            ``spans``.
        guidance : (B,), optional
            The scale of the guidance that is folded in, for a config that is ``guided``.

        Raises
        ------
        InputError
            For references or a layout to a model that takes none, or a G that does not divide the
            number of tokens.
        """
        context = text if isinstance(text, Context) else self.context(text, references)
        c = self.config
        grid = token_grid(x.shape[2:], c.patch)
        if math.prod(grid) % t.shape[1]:
            raise InputError(
                f"{t.shape[1]} times for {math.prod(grid)} tokens",
                "1, one a latent frame, or one a token",
            )
        bias = context.visual_bias
        places = TokenLayout.of_clip(c.attention, c.block, c.head, grid, x.device, bias)
        tokens = self._embed(x, layout)  # (B, N, D)
        time, steps = self.times(t, end, guidance)  # (B, G, D), (B, G, 6, D)
        hints = self.hints(tokens, steps, context, places)
        visual: Sequence[Memory | None] = context.visual or [None] * len(self.blocks)
        for layer, (block, visual_memory) in enumerate(zip(self.blocks, visual, strict=True)):
            memories = context.layers[layer]
            tokens = block(tokens, steps, memories, context.bias, places, layer, visual_memory)
            if layer in hints:
                tokens = tokens + hints[layer]
        shift, scale = (self.modulation.float() + time.float().unsqueeze(2)).unbind(2)  # (B, G, D)
        # (B, N, p q r C)
        out = self.head(modulate(layer_norm(self.norm, tokens), shift, scale).to(tokens.dtype))
        return unpatchify(out, grid, c.patch)
