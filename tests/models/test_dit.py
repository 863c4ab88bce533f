"""The transformer: patches, times per token, patterns of attention."""

import math
import subprocess
import sys

import pytest
import torch

from praxino.models import attention
from praxino.models.dit import DiT, DiTConfig
from praxino.models.tokens import patchify, unpatchify

SIZES = {
    "channels": 4,
    "out_channels": 4,
    "width": 48,
    "heads": 2,
    "layers": 2,
    "ffn": 64,
    "text_width": 16,
    "time_features": 32,
}


def tiny(**changes) -> DiT:
    model = DiT(DiTConfig(**(SIZES | changes)))
    torch.nn.init.normal_(model.head.weight, std=0.2)
    return model.eval()


def test_unpatchify_undoes_patchify():
    patch, x = (1, 2, 2), torch.randn(2, 4, 3, 6, 8)
    tokens = patchify(x, patch)  # channel first in a token
    assert tokens.shape == (2, 3 * 3 * 4, 16)
    channel_last = tokens.unflatten(2, (4, 4)).transpose(2, 3).flatten(2)
    assert torch.equal(unpatchify(channel_last, (3, 3, 4), patch), x)


def test_one_time_for_all_is_the_same_however_it_is_given():
    model, x, text = tiny(), torch.randn(2, 4, 3, 4, 6), torch.randn(2, 5, 16)
    t = torch.tensor([[0.2], [0.7]])
    with torch.no_grad():
        once = model(x, t, text)
        torch.testing.assert_close(model(x, t.expand(2, 3), text), once, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(model(x, t.expand(2, 18), text), once, atol=1e-5, rtol=1e-5)


def test_times_reach_their_own_tokens():
    """The last layer's modulation is local: with attention cut off, another frame's time changes
    nothing here.
    """
    model, x, text = (
        tiny(attention="factorised", layers=1),
        torch.randn(1, 4, 3, 4, 4),
        torch.randn(1, 5, 16),
    )
    with torch.no_grad():
        first = model(x, torch.tensor([[0.1, 0.5, 0.9]]), text)
        second = model(x, torch.tensor([[0.1, 0.5, 0.2]]), text)
    torch.testing.assert_close(first[:, :, :2], second[:, :, :2])
    assert not torch.allclose(first[:, :, 2], second[:, :, 2])


@pytest.mark.parametrize("block", [1, 2])
def test_block_causal_attention_does_not_see_the_future(block):
    model, text = tiny(attention="block-causal", block=block, layers=3), torch.randn(1, 5, 16)
    x = torch.randn(1, 4, 4, 4, 4)
    changed = x.clone()
    changed[:, :, 2:] += 1
    with torch.no_grad():
        first, second = (
            model(x, torch.full((1, 1), 0.5), text),
            model(changed, torch.full((1, 1), 0.5), text),
        )
    torch.testing.assert_close(first[:, :, :2], second[:, :, :2])
    assert not torch.allclose(first[:, :, 2:], second[:, :, 2:])


def test_factorised_attention_looks_along_space_then_time():
    model, text, t = (
        tiny(attention="factorised", layers=2),
        torch.randn(1, 5, 16),
        torch.full((1, 1), 0.5),
    )
    x = torch.randn(1, 4, 3, 4, 4)
    changed = x.clone()
    changed[:, :, 2, 3, 3] += 1  # the last token
    with torch.no_grad():
        moved = (model(x, t, text) - model(changed, t, text)).abs().amax(dim=(0, 1))
    assert (moved > 0).all()  # space in layer 0, then time in layer 1, reaches everything


def test_a_batch_is_its_members():
    model, x, t, text = tiny(), torch.randn(2, 4, 2, 4, 4), torch.rand(2, 1), torch.randn(2, 5, 16)
    with torch.no_grad():
        both = model(x, t, text)
        each = torch.cat([model(x[i : i + 1], t[i : i + 1], text[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(both, each, atol=1e-5, rtol=1e-5)


def test_references_are_attended_to():
    model = tiny(image_width=12)
    x, t, text = torch.randn(1, 4, 2, 4, 4), torch.rand(1, 1), torch.randn(1, 5, 16)
    with torch.no_grad():
        without, first = model(x, t, text), model(x, t, text, torch.randn(1, 7, 12))
    assert not torch.allclose(without, first)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "grid", [(3, 2, 2), (3, 10, 10)]
)  # short: plain products; long: the fused kernel
def test_attention_is_softmax_of_products(masked, grid):
    tokens = math.prod(grid)
    q, k, v = (torch.randn(2, tokens, 2, 8) for _ in range(3))
    mask = attention.causal_mask(grid, 1, q.device) if masked else None
    scores = torch.einsum("bnhd,bmhd->bhnm", q, k) / math.sqrt(8)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    expected = torch.einsum("bhnm,bmhd->bnhd", scores.softmax(-1), v)
    torch.testing.assert_close(attention.attend(q, k, v, mask), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_compiled_is_eager(tmp_path):
    """In a process of its own, without the run-time type checks, which torch.compile does not
    survive.
    """
    script = tmp_path / "compiled.py"
    script.write_text(
        "import torch\n"
        "from praxino.models.dit import DiT, DiTConfig\n"
        "torch.manual_seed(0)\n"
        "model = DiT(DiTConfig(channels=4, out_channels=4, width=48, heads=2, layers=2, ffn=64, "
        "text_width=16))\n"
        "torch.nn.init.normal_(model.head.weight, std=0.2)\n"
        "inputs = torch.randn(2, 4, 3, 4, 6), torch.rand(2, 3), torch.randn(2, 5, 16)\n"
        "with torch.no_grad():\n"
        "    torch.testing.assert_close(torch.compile(model)(*inputs), model(*inputs), atol=1e-5, "
        "rtol=1e-5)\n"
    )
    subprocess.run([sys.executable, script], check=True)


def test_rotation_keeps_lengths_and_sees_only_distances():
    by = attention.rotation((5, 1, 1), 24, torch.device("cpu"))
    q, k = (torch.randn(1, 1, 1, 24).expand(1, 5, 1, 24) for _ in range(2))
    turned_q, turned_k = attention.rotate(q, by), attention.rotate(k, by)
    torch.testing.assert_close(turned_q.norm(dim=-1), q.norm(dim=-1))
    products = torch.einsum("bnhd,bmhd->nm", turned_q, turned_k)
    torch.testing.assert_close(products[0, 1], products[3, 4], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(products[0, 2], products[2, 4], atol=1e-4, rtol=1e-4)


def test_a_context_made_once_serves_every_step():
    model = DiT(
        DiTConfig(
            channels=4,
            out_channels=4,
            width=24,
            heads=2,
            layers=2,
            ffn=32,
            text_width=8,
            time_features=8,
        )
    )
    torch.nn.init.normal_(model.head.weight)
    x, text = torch.randn(2, 4, 2, 4, 4), torch.randn(2, 5, 8)
    with torch.no_grad():
        context = model.context(text)
        for t in (0.1, 0.9):
            times = torch.full((2, 1), t)
            assert torch.equal(model(x, times, context), model(x, times, text))


COUNTED = """
import torch
from torch._dynamo.testing import CompileCounter
from praxino.models.dit import DiT, DiTConfig
count = CompileCounter()
config = DiTConfig(width=24, heads=2, layers=12, ffn=32, text_width=16, time_features=16)
dit = DiT(config).requires_grad_(False)
for block in dit.blocks:
    block.compile(backend=count, dynamic=False)
context = dit.context(torch.randn(1, 8, 16), None, torch.ones(8))
dit(torch.randn(1, 16, 2, 4, 4), torch.rand(1, 1), context)
assert count.frame_count == 1, count.frame_count
"""


@pytest.mark.slow
def test_all_blocks_share_one_compilation():
    """torch gives up after eight of one function. In a process of its own: checks of types cannot
    be compiled.
    """
    subprocess.run([sys.executable, "-c", COUNTED], check=True)
