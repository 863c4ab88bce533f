"""Orders and buckets are functions of numbers: every clip once an epoch, none enlarged."""

from collections import Counter

import numpy as np
import pytest

from praxino.data.buckets import Batches, Bucket, BucketConfig, bucket_of, shapes
from praxino.data.order import permuted
from praxino.errors import InputError


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1000, 4097])
def test_an_order_holds_everything_once(count):
    places = np.arange(count)
    assert sorted(permuted(places, count, 5)) == list(range(count))
    some = permuted(places[::3], count, 5)
    assert np.array_equal(some, permuted(places, count, 5)[::3])


def test_orders_differ_by_seed_and_epoch_and_are_no_pattern():
    places = np.arange(10_000)
    orders = [permuted(places, 10_000, *key) for key in ((0, 0), (1, 0), (0, 1))]
    for one in orders:
        assert abs(np.corrcoef(places, one)[0, 1]) < 0.05
        assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.05
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (orders[a] == orders[b]).mean() < 0.01
    assert len(set(permuted(np.arange(64), 10**8, 3).tolist())) == 64


def test_shapes_have_the_asked_areas_on_the_grid():
    found = shapes(BucketConfig(frames=(1, 17), areas=(256,), widest=2.0), 16)
    assert {one.frames for one in found} == {1, 17}
    assert all(one.height % 16 == one.width % 16 == 0 for one in found)
    assert all(0.8 < one.height * one.width / 256**2 < 1.2 for one in found)
    ratios = sorted({one.width / one.height for one in found})
    assert ratios[0] == pytest.approx(0.5, abs=0.07)
    assert ratios[-1] == pytest.approx(2.0, abs=0.25)
    assert shapes(BucketConfig(frames=(5,), areas=(64,), widest=1.0), 16) == [Bucket(5, 64, 64)]


BUCKETS = shapes(BucketConfig(frames=(1, 17, 33), areas=(128, 256), widest=2.0), 16)


def test_a_clip_goes_where_it_fits_best_and_is_never_enlarged():
    wide = bucket_of(40, 270, 480, BUCKETS)
    assert wide.frames == 33
    assert wide.width / wide.height == pytest.approx(480 / 270, rel=0.25)
    assert wide.height * wide.width > 200**2
    tall = bucket_of(20, 480, 270, BUCKETS)
    assert (tall.frames, tall.width < tall.height) == (17, True)
    assert bucket_of(5, 480, 270, BUCKETS).frames == 1
    assert bucket_of(40, 60, 60, BUCKETS) is None
    for height, width in ((130, 300), (256, 256), (199, 411)):
        one = bucket_of(17, height, width, BUCKETS)
        assert one is None or (one.height <= height and one.width <= width)


def test_batches_hold_every_clip_and_cost_alike():
    rng = np.random.default_rng(0)
    clips = [BUCKETS[i] for i in rng.integers(0, 6, 101)] + [None] * 3
    tokens = {one: one.frames * one.height * one.width // 4096 for one in BUCKETS}
    batches = Batches.of(clips, tokens, 200, seed=7)
    for epoch in (0, 1):
        numbers = range(epoch * batches.epoch, (epoch + 1) * batches.epoch)
        seen = Counter()
        for number in numbers:
            bucket, own = batches.batch(number)
            assert len(own) * tokens[bucket] <= max(200, tokens[bucket])
            assert all(clips[clip] == bucket for clip in own)
            seen.update(own.tolist())
        assert set(seen) == set(range(101))
    first = [batches.batch(number)[1].tolist() for number in range(batches.epoch)]
    other = [batches.batch(number + batches.epoch)[1].tolist() for number in range(batches.epoch)]
    assert first != other
    assert first[3] == batches.batch(3)[1].tolist()


def test_no_clip_in_a_bucket_is_refused():
    with pytest.raises(InputError, match="no clip is as large"):
        Batches.of([None], {}, 100)
