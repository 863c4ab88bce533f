"""What of a clip is given in training, windows of long clips, and the batches that are made of
them.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from praxino.errors import InputError
from praxino.recipes import recipe
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build
from praxino.training.tasks import (
    TaskMix,
    WindowConfig,
    corrupt,
    draw_task,
    draw_windows,
    given_frames,
)

SIZE, PATCH = torch.Size((3, 4, 5, 8, 8)), (1, 2, 2)
ALL = {"frames": TaskMix(frames=1, box=0, border=0), "box": TaskMix(frames=0, box=1, border=0),
       "border": TaskMix(frames=0, box=0, border=1)}  # fmt: skip


@pytest.mark.parametrize("task", ALL)
def test_something_is_given_and_something_is_left(task):
    for seed in range(60):
        given = draw_task(ALL[task], SIZE, PATCH, None, np.random.default_rng(seed))
        assert given.groups == ("frames" if task == "frames" else "tokens")
        share = given.clean.float().mean(dim=(1, 2, 3, 4))
        assert (share < 1).all()
        tokens = given.clean.unflatten(4, (-1, 2)).unflatten(3, (-1, 2))
        assert ((tokens.float().mean(dim=(4, 6)) % 1) == 0).all(), "a patch is given as a whole"
        assert ((given.times >= 0) & (given.times <= 0.06)).all()


def test_a_box_moves_with_a_thing():
    cover = torch.zeros(3, 6, 5, 8, 8)
    for frame in range(5):
        cover[:, 1, frame, 2:4, frame : frame + 2] = 0.5
    given = draw_task(ALL["box"], SIZE, PATCH, cover, np.random.default_rng(0))
    for frame in range(5):
        painted = ~given.clean[:, 0, frame]
        assert painted[:, 2:4, frame : frame + 2].all()
        assert painted.float().mean() <= 8 / 64


def test_every_way_of_giving_frames_occurs():
    ways = {tuple(given_frames(5, np.random.default_rng(seed))) for seed in range(400)}
    assert {(0,), (0, 4), (0, 1, 2), (3, 4), (0, 3, 4), (0, 1, 4)} <= ways
    assert all(len(way) < 5 for way in ways)
    assert given_frames(2, np.random.default_rng(0)) in ([0], [1], [])


def test_windows_are_an_anchor_a_history_and_what_follows():
    places = draw_windows(9, 500, np.random.default_rng(0))
    assert (np.diff(places[:, 1:], axis=1) == 1).all()
    assert places.min() == 0
    assert places.max() == 8
    assert (places[:, 0] < places[:, 2]).all()
    assert 0.7 < (places[:, 0] == 0).mean() < 0.95


def test_history_is_noisy_by_frame():
    x = torch.randn(200, 4, 3, 4, 4)
    noisy = corrupt(x, WindowConfig(), np.random.default_rng(0))
    same = (noisy == x).flatten(1).all(1).float().mean()
    assert 0.04 < same < 0.2
    apart = (noisy - x).square().mean(dim=(1, 3, 4))
    assert apart.max() < 0.6
    assert not torch.allclose(apart[:, 0], apart[:, 1])


SETTINGS = ["stage.clips=12", "stage.batch=4", "stage.pictures=0"]


def stage_of(tmp_path, model, *settings):
    return build(
        recipe("smoke", [*SETTINGS, *settings]).stage, Sources(vae=model), Workplace(cache=tmp_path)
    )


def test_given_places_do_not_count(tiny_model, tmp_path):
    stage = stage_of(
        tmp_path, tiny_model, "stage.tasks.frames=1", "stage.tasks.box=0", "stage.tasks.border=0"
    )
    torch.nn.init.normal_(stage.dit.head.weight)
    batch = stage.batch(0)
    clean = batch.task.clean.expand_as(batch.latents)
    other = torch.where(clean, batch.latents + 5, batch.latents)
    losses = []
    for latents in (batch.latents, other):
        losses.append(
            stage.loss(replace(batch, latents=latents), torch.Generator().manual_seed(0))[0]
        )
    torch.testing.assert_close(losses[0], losses[1])


def test_a_stretch_has_clips_of_its_own(tiny_model, tmp_path):
    stage = stage_of(tmp_path, tiny_model, "stage.stretch=2")
    first, second, third = (stage.batch(number) for number in (0, 2, 1))
    assert not set(first.sentences) & set(second.sentences) - {""}
    again = stage.batch(0)
    assert torch.equal(first.latents, again.latents)
    assert first.sentences == again.sentences
    assert third.latents.shape == first.latents.shape
    assert len(list(tmp_path.glob("latents-*/*"))) == 2


def test_windows_of_long_clips(tiny_model, tmp_path):
    stage = stage_of(tmp_path, tiny_model, "stage.windows.share=1", "stage.windows.clips=4")
    torch.nn.init.normal_(stage.dit.head.weight)
    batch = stage.batch(0)
    assert batch.latents.shape[2] == 5
    assert batch.task.clean[:, :, :3].all()
    assert not batch.task.clean[:, :, 3:].any()
    assert torch.equal(batch.inputs[:, :, 3:], batch.latents[:, :, 3:])
    assert not torch.equal(batch.inputs[:, :, :3], batch.latents[:, :, :3])
    loss, _ = stage.loss(batch, torch.Generator().manual_seed(0))
    assert torch.isfinite(loss)


def test_things_count_more_and_several_come_more_often(tiny_model, tmp_path):
    plain = stage_of(tmp_path, tiny_model)
    stage = stage_of(tmp_path, tiny_model, "stage.thing_weight=2.0", "stage.single=0.2")
    assert (plain.batch(0).weight == 1).all()
    weight = stage.batch(0).weight
    torch.testing.assert_close(weight.mean(dim=(1, 2, 3, 4)), torch.ones(len(weight)))
    assert weight.max() > weight.min()
    several = [
        sum(len(s.world.scene(clip).things) > 1 for clip in range(200)) for s in (plain, stage)
    ]
    assert several[1] > 1.4 * several[0]


REFERENCES = [
    "stage.dit.slots=4",
    "stage.references.share=1",
    "stage.clips=24",
    "stage.batch=12",
    "stage.seed=5",
]


def test_individuals_are_given_in_pictures_and_called_by_name(tiny_model, tmp_path):
    stage = stage_of(tmp_path, tiny_model, *REFERENCES)
    named = strange = 0
    for number in range(4):
        batch = stage.batch(number)
        pictures = batch.pictures
        assert pictures.latents.shape[:2] == (12, 4)
        assert (pictures.latents[pictures.there].abs().amax(dim=(1, 2, 3)) > 0).all()
        names = stage.text.name_slots(batch.sentences, 64)
        for row in range(12):
            shown, called = (
                set((pictures.slot[row][pictures.there[row]] + 1).tolist()),
                set(names[row].tolist()) - {0},
            )
            assert called <= shown
            named, strange = named + bool(called), strange + bool(shown - called)
            counts = torch.bincount(pictures.slot[row][pictures.there[row]])
            assert all(
                sorted(
                    pictures.index[row][pictures.there[row] & (pictures.slot[row] == s)].tolist()
                )
                == list(range(n))
                for s, n in enumerate(counts.tolist())
            )
    assert named > 5
    assert strange > 0
    torch.nn.init.normal_(stage.dit.head.weight)
    loss, _ = stage.loss(batch, torch.Generator().manual_seed(0))
    loss.backward()
    assert stage.dit.slot_embedding.grad.abs().max() > 0


def test_most_clips_of_such_steps_show_individuals(tiny_model, tmp_path):
    stage = stage_of(tmp_path, tiny_model, *REFERENCES)
    given = [stage.batch(number).pictures.there.any(1).float().mean() for number in range(3)]
    assert min(given) > 0.6  # of all clips, a quarter shows one


def test_things_count_less_and_less_in_a_cooldown(tiny_model, tmp_path):
    stage = stage_of(tmp_path, tiny_model, "stage.thing_weight=2.0", "stage.fade=[1,3]")
    spread = [float(stage.batch(number).weight.amax()) for number in range(4)]
    assert spread[1] > spread[2] > spread[3] == 1
    with pytest.raises(InputError, match="fade"):
        stage_of(tmp_path, tiny_model, "stage.fade=[3,3]")


def test_pictures_need_slots(tiny_model, tmp_path):
    with pytest.raises(Exception, match=r"no slots for pictures.*stage\.dit\.slots=4"):
        stage_of(tmp_path, tiny_model, "stage.references.share=0.5")
