"""Latents on disk: encoded once; an endless order that is a function of seed and place."""

import numpy as np
import pytest
import torch

from praxino.data import latents
from praxino.data.pixels import strip, to_pixels, to_tensor


def test_every_epoch_is_a_permutation():
    chosen = latents.shuffled_indices(3, 10, 0, 40)
    for epoch in range(4):
        assert sorted(chosen[epoch * 10 : epoch * 10 + 10]) == list(range(10))
    assert not np.array_equal(chosen[:10], chosen[10:20])


def test_order_is_a_function_of_the_place():
    whole = latents.shuffled_indices(3, 10, 0, 40)
    assert np.array_equal(latents.shuffled_indices(3, 10, 7, 12), whole[7:19])
    assert not np.array_equal(latents.shuffled_indices(4, 10, 0, 40), whole)


def test_latents_are_encoded_once(tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "SHARD", 4)
    calls = []

    def encode(clips):
        calls.append(len(clips))
        return clips.mean(dim=(3, 4), keepdim=True)

    first = latents.world_latents(
        encode, "a", tmp_path, latents.World(0, 5, 16, 16), clips=6, batch=2
    )
    assert first.shape == (6, 3, 5, 1, 1)
    assert sum(calls) == 6
    again = latents.world_latents(
        encode, "a", tmp_path, latents.World(0, 5, 16, 16), clips=6, batch=2
    )
    assert sum(calls) == 6
    assert torch.equal(first, again)
    latents.world_latents(encode, "b", tmp_path, latents.World(0, 5, 16, 16), clips=2, batch=2)
    assert sum(calls) == 8


def test_pixels_survive_the_way_to_tensors_and_back():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
    tensor = to_tensor(pixels)
    assert tensor.shape == (2, 3, 3, 4, 5)
    assert tensor.min() >= -1
    assert tensor.max() <= 1
    assert np.array_equal(to_pixels(tensor), pixels)


def test_strips_hold_the_first_and_the_last_frame():
    clip = np.arange(9, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    assert strip(clip, 3)[0, ::2, 0].tolist() == [0, 4, 8]


@pytest.mark.slow
def test_many_cores_draw_the_same_clips(monkeypatch):
    world = latents.World(3, 5, 16, 16, edition=2, single=0.5)
    alone = list(latents.draw(world, [0, 3], [3, 5]))
    monkeypatch.setattr(latents, "available_cores", lambda: 4)
    shared = list(latents.draw(world, [0, 3], [3, 5]))
    assert all(np.array_equal(one, two) for one, two in zip(alone, shared, strict=True))


def test_where_several_things_are_wanted_scenes_are_still_a_function_of_the_number():
    world = latents.World(3, 5, 16, 16, edition=2, single=0.3)
    scenes = [world.scene(clip) for clip in range(60)]
    assert [len(scene.things) for scene in scenes] == [
        len(world.scene(clip).things) for clip in range(60)
    ]
    assert world.key != latents.World(3, 5, 16, 16, edition=2).key
