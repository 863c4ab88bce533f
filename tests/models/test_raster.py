"""Pictures of things where the things are."""

import pytest
import torch

from praxino.models.dit import DiT, DiTConfig
from praxino.models.pictures import Pictures
from praxino.models.raster import PORTRAIT_GAIN, draw_portraits, portraits_of, rasterize
from praxino.training.layout import world_layout
from praxino.training.warm_start import adapt_denoiser

CONFIG = world_layout()
SIZES = {
    "width": 24, "heads": 2, "layers": 2, "ffn": 32, "text_width": 16, "time_features": 16,
}  # fmt: skip


def things(*depths):
    rows = [CONFIG.numbers(("dog", "red", "still", "1", str(depth))) for depth in depths]
    return torch.tensor([rows])


def plain(*values):
    """A picture of one channel for each thing, the same everywhere."""
    return torch.tensor(values).view(1, -1, 1, 1, 1).expand(1, -1, 1, 8, 8)


def still(*boxes):
    return torch.tensor(boxes)[None, :, None].expand(1, -1, 5, -1)


def test_a_portrait_is_where_its_thing_is_and_moves_with_it():
    boxes = still((0.25, 0.5, 0.5, 1.0)).clone()
    boxes[:, :, 1:, 0] = 0.75
    shown = torch.ones(1, 1, dtype=torch.bool)
    drawn = draw_portraits(plain(4.0), shown, things(0), boxes, CONFIG, (2, 8, 8))
    assert drawn.shape == (1, 1, 2, 8, 8)
    there = torch.full((8, 4), 4 * PORTRAIT_GAIN)
    for frame, half, other in ((0, slice(0, 4), slice(4, 8)), (1, slice(4, 8), slice(0, 4))):
        torch.testing.assert_close(drawn[0, 0, frame][:, half], there)
        assert not drawn[0, 0, frame][:, other].any()


def test_what_a_picture_shows_fills_the_box():
    left = torch.zeros(1, 1, 1, 8, 8)
    left[..., :4] = 1.0
    shown = torch.ones(1, 1, dtype=torch.bool)
    boxes = still((0.5, 0.5, 0.5, 0.5))
    drawn = draw_portraits(left, shown, things(0), boxes, CONFIG, (1, 16, 16))[0, 0, 0]
    assert drawn[8, 4].item() == pytest.approx(PORTRAIT_GAIN)
    assert drawn[8, 11].item() == pytest.approx(0)
    wide = draw_portraits(left, shown, things(0), boxes, CONFIG, (1, 8, 16), aspect=2.0)[0, 0, 0]
    assert wide[:, :4].sum().item() == pytest.approx(wide.sum().item(), abs=0.1)
    assert not wide[:, 6:].any()


def test_the_nearest_portrait_is_seen_and_things_without_one_hide_none():
    boxes = still((0.5, 0.5, 1.0, 1.0), (0.5, 0.5, 1.0, 1.0))
    both, second = torch.tensor([[True, True]]), torch.tensor([[False, True]])
    drawn = draw_portraits(plain(1.0, 2.0), both, things(1, 0), boxes, CONFIG, (1, 4, 4))
    assert drawn.unique().tolist() == [2 * PORTRAIT_GAIN]
    drawn = draw_portraits(plain(1.0, 2.0), second, things(0, 1), boxes, CONFIG, (1, 4, 4))
    assert drawn.unique().tolist() == [2 * PORTRAIT_GAIN]
    none = torch.zeros_like(both)
    assert not draw_portraits(plain(1.0, 2.0), none, things(0, 1), boxes, CONFIG, (2, 4, 4)).any()


def test_portraits_are_means_of_the_pictures_that_are_there():
    latents = torch.tensor([1.0, 3.0, 10.0, 7.0]).view(1, 4, 1, 1, 1).expand(1, 4, 2, 8, 8)
    slot = torch.tensor([[1, 1, 1, 0]])
    there = torch.tensor([[True, True, False, True]])
    pictures = Pictures(latents, slot, torch.zeros_like(slot), there)
    portraits, shown = portraits_of(pictures, torch.tensor([[-1, 1, 3]]))
    assert shown.tolist() == [[False, True, False]]
    assert portraits[0, :, 0, 0, 0].tolist() == [0, 2, 0]
    half = Pictures(latents, slot, torch.zeros_like(slot), there, strength=0.5)
    assert portraits_of(half, torch.tensor([[1]]))[0].unique().tolist() == [1]


def test_a_colour_may_be_left_to_the_picture():
    shown = torch.ones(1, 2, dtype=torch.bool)
    boxes = still((0.25, 0.5, 0.5, 1.0), (0.75, 0.5, 0.5, 1.0))
    told = torch.tensor([[False, True]])
    whole, some = (
        rasterize(things(0, 0), shown, boxes, CONFIG, (1, 4, 4), coloured=one)
        for one in (None, told)
    )
    colours = slice(len(CONFIG.kinds), len(CONFIG.kinds) + len(CONFIG.colours))
    assert torch.equal(whole[:, : colours.start], some[:, : colours.start])
    assert torch.equal(whole[:, colours.stop :], some[:, colours.stop :])
    assert not some[:, colours, :, :, :2].any()
    assert torch.equal(some[:, colours, :, :, 2:], whole[:, colours, :, :, 2:])


def test_a_network_of_layouts_goes_on_with_portraits_to_the_bit():
    torch.manual_seed(0)
    before, after = (
        DiT(DiTConfig(**SIZES, layout=27, portraits=portraits)) for portraits in (False, True)
    )
    torch.nn.init.normal_(before.head.weight)
    torch.nn.init.normal_(before.layout_embedding.weight)
    after.load_state_dict(adapt_denoiser(after, before.state_dict(), before.config))
    x, t, text = torch.randn(2, 16, 2, 4, 4), torch.rand(2, 1), torch.randn(2, 3, 16)
    layout = torch.rand(2, 27, 2, 4, 4)
    film = before(x, t, text, layout=layout)
    assert torch.equal(film, after(x, t, text, layout=layout))
    portraits = torch.cat([layout, torch.rand(2, 16, 2, 4, 4)], dim=1)
    assert torch.equal(film, after(x, t, text, layout=portraits))
    torch.nn.init.normal_(after.layout_embedding.weight)
    assert not torch.equal(after(x, t, text, layout=layout), after(x, t, text, layout=portraits))
