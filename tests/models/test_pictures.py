"""Reference pictures and the end of a step: what changes the denoiser, and what must not."""

import pytest
import torch

from praxino.errors import InputError
from praxino.models.dit import DiT, DiTConfig
from praxino.models.pictures import Pictures
from praxino.training.warm_start import adapt_denoiser

SIZES = {"width": 24, "heads": 2, "layers": 3, "ffn": 32, "text_width": 16, "time_features": 16}


@pytest.fixture(name="dit")
def _dit():
    torch.manual_seed(0)
    dit = DiT(DiTConfig(**SIZES, slots=4, spans=True)).requires_grad_(False)
    torch.nn.init.normal_(dit.head.weight)
    return dit


@pytest.fixture(name="clip")
def _clip():
    return torch.randn(2, 16, 3, 4, 4), torch.rand(2, 1), torch.randn(2, 5, 16)


def pictures(slots=(0, 0, 1), indices=(0, 1, 0), there=None, seed=1, **more):
    generator = torch.Generator().manual_seed(seed)
    count = len(slots)
    latents = torch.randn(1, count, 16, 4, 4, generator=generator).expand(2, -1, -1, -1, -1)
    return Pictures(
        latents,
        torch.tensor([slots]).expand(2, -1),
        torch.tensor([indices]).expand(2, -1),
        torch.tensor([there or [True] * count]).expand(2, -1),
        **more,
    )


def test_without_pictures_and_ends_nothing_changes_to_the_bit(clip):
    torch.manual_seed(0)
    plain = DiT(DiTConfig(**SIZES))
    torch.nn.init.normal_(plain.head.weight)
    more = DiT(DiTConfig(**SIZES, slots=4, spans=True, layout=3))
    more.load_state_dict(adapt_denoiser(more, plain.state_dict(), plain.config))
    x, t, text = clip
    assert torch.equal(plain(x, t, text), more(x, t, text))
    torch.testing.assert_close(plain(x, t, text), more(x, t, text, end=t), rtol=1e-5, atol=1e-5)


def test_pictures_change_the_clip_and_places_without_one_do_not(dit, clip):
    x, t, text = clip
    without, shown = dit(x, t, text), dit(x, t, dit.context(text, pictures=pictures()))
    assert (shown - without).abs().max() > 1e-3
    empty = dit(x, t, dit.context(text, pictures=pictures(there=[False] * 3)))
    torch.testing.assert_close(empty, without, rtol=1e-5, atol=1e-5)
    padded = pictures(slots=(0, 0, 1, 2), indices=(0, 1, 0, 0), there=[True, True, True, False])
    latents = torch.cat([pictures().latents, torch.randn(2, 1, 16, 4, 4)], dim=1)
    padded = Pictures(latents, padded.slot, padded.index, padded.there)
    torch.testing.assert_close(
        dit(x, t, dit.context(text, pictures=padded)), shown, rtol=1e-4, atol=1e-5
    )
    weak = dit(x, t, dit.context(text, pictures=pictures(strength=1e-6)))
    torch.testing.assert_close(weak, without, rtol=1e-3, atol=1e-3)


def test_a_gain_of_slots_is_taken_on_without_a_change(dit, clip):
    x, t, text = clip
    more = DiT(DiTConfig(**SIZES, slots=4, spans=True, slot_gain=8.0))
    more.load_state_dict(adapt_denoiser(more, dit.state_dict(), dit.config))
    names = torch.tensor([[0, 1, 0, 2, 0]]).expand(2, -1)
    with torch.no_grad():
        one, two = (
            each(x, t, each.context(text, pictures=pictures(), names=names)) for each in (dit, more)
        )
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_the_order_of_entities_changes_nothing(dit, clip):
    x, t, text = clip
    shown = pictures()
    order = torch.tensor([2, 0, 1])
    turned = Pictures(
        shown.latents[:, order], shown.slot[:, order], shown.index[:, order], shown.there[:, order]
    )
    one, two = (dit(x, t, dit.context(text, pictures=each)) for each in (shown, turned))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_an_entity_does_not_depend_on_the_others_nor_on_clip_and_sentence(dit, clip):
    both = dit.context(clip[2], pictures=pictures())
    shown = pictures()
    alone = Pictures(
        shown.latents[:, 2:], shown.slot[:, 2:], shown.index[:, 2:], shown.there[:, 2:]
    )
    single = dit.context(torch.randn(2, 7, 16), pictures=alone)
    for (k, v), (own_k, own_v) in zip(both.visual, single.visual, strict=True):
        torch.testing.assert_close(k[:, 8:], own_k, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(v[:, 8:], own_v, rtol=1e-4, atol=1e-5)


def test_rows_are_those_of_one_clip(dit, clip):
    x, t, text = clip
    context = dit.context(text, pictures=pictures(there=[True, True, False]))
    both = dit(x, t, context)
    torch.testing.assert_close(
        dit(x[1:], t[1:], context.rows(slice(1, 2))), both[1:], rtol=1e-4, atol=1e-5
    )


def test_a_name_is_told_with_its_slot(dit, clip):
    x, t, text = clip
    names = torch.zeros(2, 5, dtype=torch.long)
    torch.testing.assert_close(dit(x, t, dit.context(text, names=names)), dit(x, t, text))
    names[:, 2] = 3
    assert not torch.equal(dit(x, t, dit.context(text, names=names)), dit(x, t, text))


def test_the_end_of_a_step_is_told(dit, clip):
    x, t, text = clip
    torch.nn.init.normal_(dit.span_embedding[2].weight)
    assert not torch.equal(dit(x, t, text, end=t * 0), dit(x, t, text, end=t))


@pytest.mark.parametrize("pattern", ["block-causal", "factorised"])
def test_other_patterns_see_pictures_or_say_that_they_cannot(clip, pattern):
    dit = DiT(DiTConfig(**SIZES, slots=2, attention=pattern))
    torch.nn.init.normal_(dit.head.weight)
    x, t, text = clip
    context = dit.context(text, pictures=pictures())
    if pattern == "factorised":
        with pytest.raises(InputError, match="takes no reference pictures"):
            dit(x, t, context)
        return
    first, later = dit(x, t, context), x.clone()
    later[:, :, 2] += 1
    torch.testing.assert_close(
        dit(later, t, context)[:, :, :2], first[:, :, :2], rtol=1e-4, atol=1e-5
    )


def test_what_a_model_does_not_take_is_refused(clip, dit):
    x, t, text = clip
    plain = DiT(DiTConfig(**SIZES))
    with pytest.raises(InputError, match="takes no reference pictures"):
        plain.context(text, pictures=pictures())
    with pytest.raises(InputError, match="not told where a step ends"):
        plain(x, t, text, end=t)
    with pytest.raises(InputError, match="slot 4: there are 4"):
        dit.context(text, pictures=pictures(slots=(4,), indices=(0,)))
