"""The reader: what it is asked for it can say exactly; tracks are put together from centres."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from praxino.data.diorama import compose, render, world
from praxino.data.diorama.split import UNSEEN
from praxino.data.pixels import to_tensor
from praxino.errors import ShapeError
from praxino.evaluation.readers import read_reader
from praxino.models.reader import STRIDE, Fields, Reader
from praxino.recipes import recipe
from praxino.training.reader import Truth, losses, truth

SMALL = ["stage.reader.width=8", "stage.reader.fine=1", "stage.reader.coarse=1"]
CONFIG = recipe("diorama-reader", SMALL).stage.reader


def told(batch: Truth) -> Fields:
    """The fields of a reader that is always right."""
    b, _, t, h, w = batch.heat.shape
    maps = {
        "offset": 2,
        "height": 1,
        "colour": len(CONFIG.colours),
        "motion": len(CONFIG.motions),
        "heading": 1,
    }
    fields = {name: torch.zeros(b, count, t, h, w) for name, count in maps.items()}
    at = (
        batch.centres[:, 0],
        slice(None),
        batch.centres[:, 1],
        batch.centres[:, 2],
        batch.centres[:, 3],
    )
    fields["offset"][at], fields["height"][at] = batch.offset, batch.height
    fields["heading"][at] = batch.heading * 20 - 10
    for name, labels in (("colour", batch.colour), ("motion", batch.motion)):
        fields[name][at] = 20.0 * torch.nn.functional.one_hot(labels, maps[name]).float()
    heat = torch.where(batch.heat == 1, 10.0, -10.0)
    scene = {
        name: 20.0 * torch.nn.functional.one_hot(batch.scene[name], len(values)).float()
        for name, values in CONFIG.scene.items()
    }
    return Fields(heat=heat, scene=scene, **fields)


@pytest.fixture(name="scenes", scope="module")
def _scenes():
    return [compose(3, i, part="all") for i in range(60)]


def test_a_reader_that_is_right_reads_the_truth_back(scenes, monkeypatch):
    clips = to_tensor(np.stack([render(scene, 64, 64) for scene in scenes]))
    batch = truth(scenes, CONFIG, clips)
    reader = Reader(CONFIG)
    monkeypatch.setattr(Reader, "forward", lambda self, clip: told(batch))
    checked = 0
    for scene, reading in zip(scenes, reader.read(clips), strict=True):
        assert reading.scene == scene.attributes
        if len(scene.things) != 1 or scene.things[0].motion in ("jump", "bounce"):
            continue
        (thing,) = scene.things
        if not reading.things:
            continue  # never quite inside the picture for three frames
        seen = reading.things[0]
        assert (seen.kind, seen.colour, seen.motion) == (thing.kind, thing.colour, thing.motion)
        found = np.isfinite(seen.track[:, 0])
        true = scene.camera.project(thing.position)
        np.testing.assert_allclose(seen.track[found], true[found], atol=1e-4)
        checked += 1
    assert checked > 15


def test_the_loss_of_the_truth_is_nearly_nothing_and_of_ignorance_is_not(scenes):
    clips = to_tensor(np.stack([render(scene, 64, 64) for scene in scenes[:8]]))
    batch = truth(scenes[:8], CONFIG, clips)
    right = losses(told(batch), batch)
    wrong = losses(Reader(CONFIG)(clips), batch)
    assert sum(value.item() for value in right.values()) < 0.02
    assert all(wrong[name] > right[name] for name in right)
    sum(wrong.values()).backward()


def test_hidden_things_are_neither_asked_for_nor_denied():
    scene = next(
        s
        for s in (compose(1, i) for i in range(2000))
        if s.relation and s.relation.name == "pass behind"
    )
    mover = scene.things[0]
    covered = scene.hidden(mover)
    assert covered.any()
    assert not covered.all()
    batch = truth([scene], CONFIG, torch.zeros(1, 3, 17, 64, 64))
    frame = int(np.argmax(covered))
    x, y = (scene.camera.project(mover.position)[frame] * 64 / STRIDE).astype(int)
    assert batch.ignore[0, 0, frame, y, x]


def test_the_bundled_reader_reads_clips_that_it_never_saw():
    scenes = [compose(5, UNSEEN + i, part="all") for i in range(12)]
    clips = to_tensor(np.stack([render(scene, 64, 64) for scene in scenes]))
    right, apart = [], []
    for scene, reading in zip(scenes, read_reader().read(clips), strict=True):
        right += [reading.scene[name] == value for name, value in scene.attributes.items()]
        for thing in (thing for thing in scene.things if scene.shows(thing).sum() >= 3):
            true = np.where(
                scene.shows(thing)[:, None], scene.camera.project(thing.position), np.nan
            )
            gaps = [
                np.nanmean(np.hypot(*(each.track - true).T))
                for each in reading.things
                if each.kind == thing.kind
            ]
            apart += [min(gaps, default=1.0) * 64]
    assert np.mean(right) > 0.95
    assert np.median(apart) < 1.0
    assert np.mean(np.array(apart) < 3) > 0.9


def test_features_do_not_depend_on_the_batch():
    reader = Reader(CONFIG).eval()
    clips = torch.rand(3, 3, 9, 32, 32) * 2 - 1
    with torch.no_grad():
        together, alone = (
            reader.features(clips),
            torch.cat([reader.features(clip[None]) for clip in clips]),
        )
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="multiples of 8"):
        Reader(CONFIG).read(torch.zeros(1, 3, 5, 36, 32))


def test_words_are_read_letter_by_letter(monkeypatch):
    config = CONFIG.model_copy(update={"letters": 5, "kinds": tuple(world.KINDS)})
    scenes = [
        s
        for s in (compose(0, UNSEEN + i, edition=2) for i in range(60))
        if any(t.word for t in s.things)
    ][:3]
    clips = to_tensor(np.stack([render(scene, 64, 64) for scene in scenes]))
    batch = truth(scenes, config, clips)
    fields = told(batch)
    b, t, r, c = batch.centres.unbind(1)
    letters = torch.zeros(len(scenes), 5 * 27, *fields.heat.shape[2:])
    letters[b, :, t, r, c] = 9.0 * torch.nn.functional.one_hot(batch.letters, 27).flatten(1).float()
    right = replace(fields, letters=letters)
    assert (
        losses(right, batch)["letters"]
        < 0.1
        < losses(replace(right, letters=0 * letters), batch)["letters"]
    )
    reader = Reader(config)
    monkeypatch.setattr(Reader, "forward", lambda self, clip: right)
    for scene, reading in zip(scenes, reader.read(clips), strict=True):
        assert reading.words
        said = {thing.word for thing in scene.things if thing.word and scene.shows(thing).sum() > 8}
        assert said <= {thing.word for thing in reading.things}


def test_a_reader_of_words_says_so(tmp_path):
    config = recipe("diorama-judge", SMALL).stage.reader
    reading = Reader(config).read(torch.zeros(1, 3, 3, 64, 64))[0]
    assert reading.words
    assert not Reader(CONFIG).read(torch.zeros(1, 3, 3, 64, 64))[0].words
