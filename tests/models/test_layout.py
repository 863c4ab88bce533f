"""The layout network, and layouts as channels."""

import pytest
import torch

from praxino.data.diorama import compose
from praxino.data.diorama.layouts import layout_of
from praxino.errors import UnknownNameError
from praxino.models.dit import DiT, DiTConfig
from praxino.models.layout import LayoutNet
from praxino.models.raster import as_tensors, rasterize
from praxino.recipes import recipe
from praxino.training import layout as layout_stage
from praxino.training.layout import LayoutStage, true_layouts
from praxino.training.loop import train
from praxino.training.warm_start import adapt_denoiser

SMALL = recipe(
    "diorama-layout", ["stage.layout.width=16", "stage.layout.frames=5", "stage.batch=8"]
).stage


@pytest.fixture(name="network")
def _network():
    network = LayoutNet(SMALL.layout)
    torch.nn.init.normal_(network.velocity.weight, std=0.1)
    return network


@pytest.fixture(scope="module", name="scenes")
def _scenes():
    return [compose(4, i, frames=5, edition=2) for i in range(40)]


@pytest.fixture(autouse=True)
def _few_scenes(monkeypatch):
    monkeypatch.setattr(layout_stage, "COORDINATE_SCENES", 60)


def test_equal_seeds_draw_equal_layouts(network):
    first, again, other = (network.draw("a red ball", seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert all(len(thing.boxes) == 5 for thing in first.things)


def test_what_comes_after_does_not_change_what_was_written(network):
    text, used = network.encode(["a dog runs"])
    written = torch.tensor([[3, 20, 30, 37, 39, 4]])
    whole = network.attribute_logits(text, used, written)
    torch.testing.assert_close(network.attribute_logits(text, used, written[:, :3]), whole[:, :4])


def test_coordinates_are_white_and_back(network, scenes):
    _, there, boxes = true_layouts(scenes, SMALL.layout)
    tracks = torch.stack([boxes[..., 0], boxes[..., 1], boxes[..., 3].log()], dim=-1).flatten(2)[
        there
    ]
    network.fit_coordinates(tracks)
    white = network.whiten(tracks)
    torch.testing.assert_close(network.unwhiten(white), tracks, atol=1e-4, rtol=1e-4)
    assert white.mean(0).abs().max() < 0.05
    assert white.std(0).max() < 1.05


def test_a_history_goes_on_with_the_same_things(network):
    first = network.draw("two cats", 5)
    second = network.draw("two cats", 6, history=first)
    assert [(t.kind, t.colour) for t in first.things] == [(t.kind, t.colour) for t in second.things]


def test_a_history_in_a_wide_picture_is_told_in_the_square(network):
    wide = network.draw("two cats", 5, aspect=2.0)
    known, mask = network._beginning([thing.boxes[-1] for thing in wide.things], wide.aspect)
    told = known[0, 0, :2] * 0.3 + network.mean[:2]
    box = wide.things[0].boxes[-1]
    torch.testing.assert_close(told, torch.tensor([box.x / 2, box.y]), atol=1e-4, rtol=1e-4)
    assert mask[0, 0].tolist() == [1, 0, 0, 0, 0]


def test_a_resumed_run_keeps_its_coordinates(tmp_path):
    config = recipe(
        "diorama-layout",
        [
            "loop.steps=2",
            "loop.sample_every=0",
            "loop.compute=float32",
            "stage.layout.width=16",
            "stage.layout.frames=5",
            "stage.batch=4",
        ],
    )
    stage = LayoutStage(config.stage)
    list(train(stage, config.loop, config.optimizer, tmp_path))
    other = LayoutStage(config.stage)
    other.module.basis.neg_()
    longer = config.loop.model_copy(update={"steps": 3})
    list(train(other, longer, config.optimizer, tmp_path, resume=True))
    assert torch.equal(other.module.basis, stage.module.basis)


def test_a_true_layout_is_the_scene(scenes):
    for scene in scenes:
        layout = layout_of(scene)
        assert len(layout.things) == sum(bool(scene.visible(thing).any()) for thing in scene.things)
        things, there, boxes = as_tensors([layout], SMALL.layout, slots=6)
        for one, two in zip(
            (things, there, boxes), true_layouts([scene], SMALL.layout), strict=True
        ):
            torch.testing.assert_close(one, two, atol=1e-3, rtol=1e-3)


def test_channels_cover_what_boxes_cover(scenes):
    things, there, boxes = true_layouts(scenes, SMALL.layout)
    planes = rasterize(things, there, boxes, SMALL.layout, (2, 8, 8))
    assert planes.shape == (len(scenes), SMALL.layout.channels, 2, 8, 8)
    kinds, colours = planes[:, :13], planes[:, 13:23]
    assert planes.isfinite().all()
    assert 0 <= kinds.min() <= kinds.max() <= 1
    torch.testing.assert_close(kinds.amax(1), colours.amax(1))
    for i, scene in enumerate(scenes):
        if len(layout_of(scene).things) == 1:
            x, y, width, height = boxes[i, 0, 0].tolist()
            inside = max(0, min(x + width / 2, 1) - max(x - width / 2, 0)) * max(
                0, min(y + height / 2, 1) - max(y - height / 2, 0)
            )
            assert kinds[i, :, 0].amax(0).mean().item() == pytest.approx(inside, abs=1e-5)
        if not layout_of(scene).things:
            assert not planes[i].any()


def test_the_nearer_thing_hides_the_farther_one():
    config = SMALL.layout
    rows = [
        config.numbers(("ball", "red", "still", "1", "1")),
        config.numbers(("box", "blue", "still", "1", "0")),
    ]
    boxes = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.25]])[None, :, None]
    planes = rasterize(
        torch.tensor([rows]), torch.ones(1, 2, dtype=torch.bool), boxes, config, (1, 8, 8)
    )
    height, nearness = planes[0, -2, 0], planes[0, -1, 0]
    assert height[4, 4] == pytest.approx(0.25)
    assert height[2, 4] == pytest.approx(0.5)
    assert nearness[4, 4] == 1
    assert nearness[2, 4] == pytest.approx(1 - 1 / config.slots)


def test_words_that_are_not_known_are_named():
    with pytest.raises(UnknownNameError, match=r"unknown kind 'cta'.*did you mean c"):
        SMALL.layout.numbers(("cta", "red", "walk", "1", "0"))


def test_no_layout_changes_nothing_to_the_bit():
    torch.manual_seed(0)
    sizes = {"width": 24, "heads": 2, "layers": 2, "ffn": 32, "text_width": 16, "time_features": 16}
    plain, told = DiT(DiTConfig(**sizes)), DiT(DiTConfig(**sizes, layout=27))
    torch.nn.init.normal_(plain.head.weight)
    told.load_state_dict(adapt_denoiser(told, plain.state_dict(), plain.config))
    x, t, text = torch.randn(2, 16, 2, 4, 4), torch.rand(2, 1), torch.randn(2, 3, 16)
    layout = torch.rand(2, 27, 2, 4, 4)
    assert torch.equal(plain(x, t, text), told(x, t, text))
    assert torch.equal(plain(x, t, text), told(x, t, text, layout=layout))
    torch.nn.init.normal_(told.layout_embedding.weight)
    assert torch.equal(plain(x, t, text), told(x, t, text, layout=torch.zeros_like(layout)))
    assert not torch.equal(plain(x, t, text), told(x, t, text, layout=layout))


def test_the_stage_learns(tmp_path):
    stage = LayoutStage(SMALL)
    batch = stage.batch(3)
    assert torch.equal(batch.tracks, stage.batch(3).tracks)
    optimizer = torch.optim.AdamW(stage.module.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss, metrics = stage.loss(batch, torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert set(metrics) >= {"attributes", "tracks", "right/kind"}
    assert stage.samples().shape[2] == 3
