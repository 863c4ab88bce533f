"""The branch for pictures of Stand-In, against one long sequence of clip and picture."""

import torch
import torch.nn.functional as F

from praxino.models import attention
from praxino.models.dit import DiTConfig
from praxino.models.embeddings import modulate
from praxino.models.pictures import Pictures
from praxino.models.tokens import patchify, unpatchify
from praxino.models.vace import network_of

CONFIG = DiTConfig(
    channels=4, out_channels=4, width=24, heads=2, layers=3, ffn=32, text_width=16,
    time_features=16, picture_rank=3,
)  # fmt: skip
FRAMES, ROWS, COLUMNS = 2, 2, 3
"""Of the clip's tokens."""
SIDE = 2
"""Of the picture's."""


def network():
    torch.manual_seed(0)
    dit = network_of(CONFIG).requires_grad_(False)
    torch.nn.init.normal_(dit.head.weight)
    return dit.eval()


def picture(**more):
    latents = torch.randn(
        1, 1, 4, 2 * SIDE, 2 * SIDE, generator=torch.Generator().manual_seed(1)
    ).expand(2, -1, -1, -1, -1)
    zeros = torch.zeros(2, 1, dtype=torch.long)
    there = torch.ones(2, 1, dtype=torch.bool)
    return Pictures(latents, zeros, zeros, there, **{"beside": (ROWS, COLUMNS)} | more)


def clip():
    torch.manual_seed(2)
    return torch.randn(2, 4, FRAMES, 2 * ROWS, 2 * COLUMNS), torch.rand(2, 1), torch.randn(2, 5, 16)


def places():
    own = [(f, y, x) for f in range(FRAMES) for y in range(ROWS) for x in range(COLUMNS)]
    return torch.tensor(
        own + [(-1, ROWS + y, COLUMNS + x) for y in range(SIDE) for x in range(SIDE)]
    )


def as_one_sequence(dit, x, t, text, latents):
    """The paper's equations: the picture's tokens behind the clip's in one sequence, LoRA and time
    0 for them alone, no words, and a mask that hides the clip from them.
    """
    n = FRAMES * ROWS * COLUMNS
    count = n + SIDE * SIDE
    tokens = torch.cat([patchify(x, CONFIG.patch), patchify(latents.unsqueeze(2), CONFIG.patch)], 1)
    tokens = dit.patch_embedding(tokens)
    time, steps = dit.times(t)
    _, still = dit.times(torch.zeros_like(t))
    steps = torch.cat([steps.expand(-1, n, -1, -1), still.expand(-1, count - n, -1, -1)], 1)
    mine = (torch.arange(count) >= n).float()[:, None]
    sees = ~((torch.arange(count) >= n)[:, None] & (torch.arange(count) < n))
    words = dit.text_embedding(text)
    rotation = attention.rotation_at(places(), CONFIG.head)
    heads = lambda y: y.unflatten(2, (CONFIG.heads, -1))  # noqa: E731
    for block, lora in zip(dit.blocks, dit.stand_in.layers, strict=True):
        a, parts = block.attention, (block.modulation + steps).unbind(2)
        h = modulate(block.norm1(tokens), parts[0], parts[1])
        q = heads(a.norm_q(a.q(h) + mine * lora.q.up(lora.q.down(h))))
        k = heads(a.norm_k(a.k(h) + mine * lora.k.up(lora.k.down(h))))
        v = heads(a.v(h) + mine * lora.v.up(lora.v.down(h)))
        q, k = attention.rotate(q, rotation), attention.rotate(k, rotation)
        mixed = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=sees
        )
        tokens = tokens + parts[2] * a.out(mixed.transpose(1, 2).flatten(2))
        read = block.cross(block.norm2(tokens), block.cross.keys(words, None), None)
        tokens = tokens + (1 - mine) * read
        h = modulate(block.norm3(tokens), parts[3], parts[4])
        tokens = tokens + parts[5] * block.down(F.gelu(block.up(h), approximate="tanh"))
    shift, scale = (dit.modulation + time.unsqueeze(2)).unbind(2)
    out = dit.head(modulate(dit.norm(tokens[:, :n]), shift, scale))
    return unpatchify(out, (FRAMES, ROWS, COLUMNS), CONFIG.patch)


def test_the_clip_sees_the_picture_as_in_one_sequence():
    dit, (x, t, text), shown = network(), clip(), picture()
    ours = dit(x, t, dit.context(text, pictures=shown))
    theirs = as_one_sequence(dit, x, t, text, shown.latents[:, 0])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert (ours - dit(x, t, text)).abs().max() > 1e-3


def test_without_a_picture_nothing_changes_to_the_bit():
    dit, (x, t, text) = network(), clip()
    plain = network_of(CONFIG.model_copy(update={"picture_rank": 0}))
    own = plain.state_dict().keys()
    plain.load_state_dict({name: p for name, p in dit.state_dict().items() if name in own})
    assert torch.equal(dit(x, t, text), plain(x, t, text))
    gone = dit(x, t, dit.context(text, pictures=picture(strength=0.0)))
    torch.testing.assert_close(gone, plain(x, t, text), rtol=1e-5, atol=1e-5)


def test_two_pictures_do_not_see_each_other():
    dit, (_, _, text) = network(), clip()
    one = picture()
    both = Pictures(
        torch.cat([one.latents, 2 * one.latents], 1),
        *(torch.cat([part, part], 1) for part in (one.slot, one.index, one.there)),
        beside=one.beside,
    )
    alone, beside = (dit.context(text, pictures=which).visual for which in (one, both))
    for (k, v), (more_k, more_v) in zip(alone, beside, strict=True):
        torch.testing.assert_close(more_k[:, : k.shape[1]], k)
        torch.testing.assert_close(more_v[:, : v.shape[1]], v)
